//! The last note, for the editor to draw.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*, fence};

use crate::classification::{Classification, MAX_CLASSES, ModelSerial};

/// The last note as the editor shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastNote {
    /// Number of its onset.
    pub onset_id: u64,
    /// Probabilities of the classes; those the model does not have are 0.
    pub probabilities: [f32; MAX_CLASSES],
    /// Index of the most probable class.
    pub class: usize,
    /// Whether it lay under the confidence gate.
    pub gated: bool,
    /// Level, dB full scale.
    pub peak_db: f32,
    /// From the onset to the result, host samples.
    pub latency: u32,
    /// The model that answered.
    pub model: ModelSerial,
}

/// One note, written by the audio thread and read by others without a lock: a sequence number
/// that is odd while a write is under way tells a reader to look again.
#[derive(Debug, Default)]
pub struct Meters {
    sequence: AtomicU32,
    onset_id: AtomicU64,
    probabilities: [AtomicU32; MAX_CLASSES],
    class_and_gated: AtomicU32,
    peak_db: AtomicU32,
    latency: AtomicU32,
    model: AtomicU32,
}

impl Meters {
    /// Shows `result`. For one thread only. Real-time safe.
    pub fn show(&self, result: &Classification) {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        fence(Release);
        self.onset_id.store(result.note.onset_id, Relaxed);
        for (cell, p) in self.probabilities.iter().zip(result.probabilities) {
            cell.store(p.to_bits(), Relaxed);
        }
        self.class_and_gated.store(
            (result.class as u32) << 1 | u32::from(result.gated),
            Relaxed,
        );
        self.peak_db.store(result.note.peak_db.to_bits(), Relaxed);
        let latency = u32::try_from(result.latency()).unwrap_or(u32::MAX);
        self.latency.store(latency, Relaxed);
        self.model.store(result.model.0, Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Release);
    }

    /// The last note; `None` before the first, or when the audio thread keeps writing (then the
    /// next look will do). Real-time safe.
    #[must_use]
    pub fn last_note(&self) -> Option<LastNote> {
        for _ in 0..4 {
            let before = self.sequence.load(Acquire);
            if before == 0 {
                return None;
            }
            let class_and_gated = self.class_and_gated.load(Relaxed);
            let note = LastNote {
                onset_id: self.onset_id.load(Relaxed),
                probabilities: std::array::from_fn(|i| {
                    f32::from_bits(self.probabilities[i].load(Relaxed))
                }),
                class: (class_and_gated >> 1) as usize,
                gated: class_and_gated & 1 == 1,
                peak_db: f32::from_bits(self.peak_db.load(Relaxed)),
                latency: self.latency.load(Relaxed),
                model: ModelSerial(self.model.load(Relaxed)),
            };
            fence(Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Relaxed) == before {
                return Some(note);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::Note;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    fn result(value: u64) -> Classification {
        Classification {
            note: Note {
                onset_id: value,
                position: 0,
                detected: 0,
                features_ready: 0,
                peak_db: value as f32,
                callback: 0,
                epoch: 0,
            },
            seen: value,
            probabilities: [value as f32; MAX_CLASSES],
            n_classes: 8,
            class: (value % 8) as usize,
            gated: value % 2 == 1,
            inline: true,
            wake: Duration::ZERO,
            inference: Duration::ZERO,
            late_blocks: 0,
            model: ModelSerial(value as u32),
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_note() {
        let meters = Arc::new(Meters::default());
        assert_eq!(meters.last_note(), None);
        let enough = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (meters, enough) = (Arc::clone(&meters), Arc::clone(&enough));
            move || {
                let mut n = 0;
                while !enough.load(Relaxed) {
                    n += 1;
                    meters.show(&result(n));
                }
                n
            }
        });
        let mut seen = 0;
        while seen < 1_000 {
            let Some(note) = meters.last_note() else {
                continue;
            };
            seen += 1;
            let id = note.onset_id;
            assert!(note.probabilities.iter().all(|p| *p == id as f32));
            assert_eq!(note.class as u64, id % 8);
            assert_eq!(note.gated, id % 2 == 1);
            assert_eq!(note.model.0, id as u32);
        }
        enough.store(true, Relaxed);
        let last = writer.join().unwrap();
        assert_eq!(meters.last_note().unwrap().onset_id, last);
    }
}
