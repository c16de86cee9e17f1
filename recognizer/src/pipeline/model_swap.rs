//! When a new model takes over.

use std::sync::atomic::Ordering::Relaxed;

use super::{Recognizer, inline};
use crate::counters::add;

/// Hops that a new model waits for a gap between two notes: longer than most notes' features take.
const LEISURE: u32 = 24;

/// Hops that a new model waits at all, half a second: longer than any answer takes.
const SWAP_PATIENCE: u32 = 375;

impl Recognizer {
    pub(super) fn between_notes(&self) -> bool {
        self.pending == 0 && self.model.under_way() == 0
    }

    /// Swaps in a model that waits, if it is time and the old one can be sent back.
    pub(super) fn take_new_model(&mut self) {
        if self.models.is_empty() {
            self.model_waits = 0;
            return;
        }
        self.model_waits += 1;
        let is_time = self.between_notes()
            || (self.model_waits > LEISURE && self.model.under_way() == 0)
            || self.model_waits > SWAP_PATIENCE;
        if !is_time || self.retired.slots() == 0 {
            return;
        }
        let Some(mut model) = self.models.take() else {
            return;
        };
        self.model_waits = 0;
        add(
            &self.telemetry.counters.first.abandoned,
            self.model.under_way(),
        );
        std::mem::swap(&mut self.model, &mut model);
        // To wait for them would be to wait for a gap of 150 ms in the playing.
        add(
            &self.telemetry.counters.second.decisions.abandoned,
            self.seconds.give_up(),
        );
        // There was room, and nobody else pushes.
        let sent = self.retired.push(model).is_ok();
        debug_assert!(sent);
        for inline in inline(&mut self.model) {
            inline.prime();
        }
        self.telemetry.adapted.store(0, Relaxed);
        add(&self.telemetry.counters.swaps, 1);
    }
}
