//! Notes on their way from the onset to the description.

use std::collections::VecDeque;

use super::{Analyzer, Onset, PLACE_HOPS};
use crate::HOP;

/// An onset whose note is still to be described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) onset: Onset,
    /// What the hops to its features are counted from.
    pub(super) origin: Origin,
}

/// What the hops to a note's features are counted from, analysis samples since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Known(u64),
    /// The place is to be found around the end of the hop in which the note showed.
    Sought {
        shown: u64,
    },
}

/// An onset whose note can be described, and where the window for that ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) onset: Onset,
    pub(super) window_end: u64,
}

/// Onsets whose notes are still to be described, in the order in which they were detected.
pub(super) struct Waiting(pub(super) VecDeque<Pending>);

impl Waiting {
    /// Longest time from a detection to the features, hops.
    const LONGEST: usize = Analyzer::MAXIMUM_POST_ONSET_HOPS + PLACE_HOPS;

    pub(super) fn new() -> Self {
        // At most one onset comes in a hop, and one leaves in each in which the oldest is due.
        // Each is due within the longest time, so none stays longer: never full.
        Self(VecDeque::with_capacity(Self::LONGEST + 1))
    }

    /// Whether there was room.
    pub(super) fn push(&mut self, pending: Pending) -> bool {
        let room = self.0.len() < self.0.capacity();
        if room {
            self.0.push_back(pending);
        }
        room
    }

    /// Takes out the oldest if `post_onset_hops` have passed at `now`, the end of a hop. One that
    /// is due earlier than an older one comes after it, from the same window as if it had not
    /// waited.
    pub(super) fn due(&mut self, now: u64, post_onset_hops: usize) -> Option<Due> {
        let wait = (post_onset_hops * HOP) as u64;
        let end = |pending: &Pending| match pending.origin {
            Origin::Known(origin) => Some(origin + wait).filter(|end| *end <= now),
            Origin::Sought { .. } => None,
        };
        let window_end = end(self.0.front()?)?;
        let Pending { onset, .. } = self.0.pop_front()?;
        Some(Due { onset, window_end })
    }

    /// The oldest, if its window ends within so many hops after `now` and its place is known.
    pub(super) fn soon(&self, now: u64, post_onset_hops: usize, hops: usize) -> Option<Due> {
        let Pending { onset, origin } = *self.0.front()?;
        let Origin::Known(origin) = origin else {
            return None;
        };
        let window_end = origin + (post_onset_hops * HOP) as u64;
        (window_end <= now + (hops * HOP) as u64).then_some(Due { onset, window_end })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_that_fall_due_together_come_one_a_hop_in_the_order_of_their_onsets() {
        let mut waiting = Waiting::new();
        let onset = |id| Onset {
            id,
            position: 0,
            detected: 0,
        };
        // The second begins before the first, the third together with it.
        for (id, origin) in [(0, 640), (1, 576), (2, 640)] {
            let origin = Origin::Known(origin);
            let onset = onset(id);
            assert!(waiting.push(Pending { onset, origin }));
        }
        let sought = Pending {
            onset: onset(3),
            origin: Origin::Sought { shown: 0 },
        };
        waiting.push(sought);
        let mut due = |now| {
            waiting
                .due(now, 1)
                .map(|due| (due.onset.id, due.window_end))
        };
        assert_eq!(due(640), None);
        assert_eq!(due(704), Some((0, 704)));
        assert_eq!(due(768), Some((1, 640)));
        assert_eq!(due(832), Some((2, 704)));
        assert_eq!(due(896), None);
    }

    #[test]
    fn an_onset_in_every_hop_leaves_room_for_the_next() {
        let mut waiting = Waiting::new();
        let latest = (Waiting::LONGEST - Analyzer::MAXIMUM_POST_ONSET_HOPS) * HOP;
        for hop in 1..1_000 {
            let now = (hop * HOP) as u64;
            // By turns placed as late as can be and at once.
            let origin = Origin::Known(now + if hop % 7 == 0 { latest as u64 } else { 0 });
            let onset = Onset {
                id: hop as u64,
                position: now,
                detected: now,
            };
            assert!(waiting.push(Pending { onset, origin }), "hop {hop}");
            waiting.due(now, Analyzer::MAXIMUM_POST_ONSET_HOPS);
        }
    }
}
