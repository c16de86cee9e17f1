//! The last note, for the editor to draw.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*, fence};

use crate::classification::{Classification, Decision, MAX_CLASSES, ModelSerial};

/// The last note as the editor shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastNote {
    /// Number of its onset.
    pub onset_id: u64,
    /// Probabilities of the classes; those the model does not have are 0.
    pub probabilities: [f32; MAX_CLASSES],
    /// Index of the most probable class.
    pub class: usize,
    /// Whether it made no MIDI.
    pub gated: bool,
    /// Whether that is because it is no note.
    pub rejected: bool,
    /// Level, dB full scale.
    pub peak_db: f32,
    /// How it was amended by a second decision, if it was.
    pub amended: Option<Amended>,
    /// The model that answered.
    pub model: ModelSerial,
}

/// How a second decision amended a note. The note's probabilities, class and gate are those of the
/// second decision then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amended {
    /// Index of the class that was the most probable before.
    pub was: usize,
    /// From the onset to the second decision, ms.
    pub after_ms: f32,
}

/// One note, written by the audio thread and read by others without a lock: a sequence number
/// that is odd while a write is under way tells a reader to look again.
#[derive(Debug, Default)]
pub struct Meters {
    sequence: AtomicU32,
    onset_id: AtomicU64,
    probabilities: [AtomicU32; MAX_CLASSES],
    /// From the third bit on the class, then whether it is rejected, and gated.
    class_and_flags: AtomicU32,
    peak_db: AtomicU32,
    /// The class before the amendment and one, or 0.
    amended_from: AtomicU32,
    amended_after_ms: AtomicU32,
    model: AtomicU32,
}

impl Meters {
    /// Shows `result`; a second decision only if it belongs to the note that is shown. `host_rate`
    /// in Hz. For one thread only. Real-time safe.
    #[inline]
    pub fn show(&self, result: &Classification, host_rate: f64) {
        let (from, after_ms) = match result.decision {
            Decision::First => (0, 0.0),
            // This thread alone writes.
            Decision::Second { .. } if self.onset_id.load(Relaxed) != result.note.onset_id => {
                return;
            }
            Decision::Second { was, .. } => (
                was as u32 + 1,
                (result.latency() as f64 * 1000.0 / host_rate) as f32,
            ),
        };
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        fence(Release);
        self.onset_id.store(result.note.onset_id, Relaxed);
        for (cell, p) in self.probabilities.iter().zip(result.probabilities) {
            cell.store(p.to_bits(), Relaxed);
        }
        let flags = u32::from(result.rejected) << 1 | u32::from(result.gated);
        let class = result.class as u32;
        self.class_and_flags.store(class << 2 | flags, Relaxed);
        self.peak_db.store(result.note.peak_db.to_bits(), Relaxed);
        self.amended_from.store(from, Relaxed);
        self.amended_after_ms.store(after_ms.to_bits(), Relaxed);
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
            let class_and_flags = self.class_and_flags.load(Relaxed);
            let note = LastNote {
                onset_id: self.onset_id.load(Relaxed),
                probabilities: std::array::from_fn(|i| {
                    f32::from_bits(self.probabilities[i].load(Relaxed))
                }),
                class: (class_and_flags >> 2) as usize,
                gated: class_and_flags & 1 == 1,
                rejected: class_and_flags & 2 == 2,
                peak_db: f32::from_bits(self.peak_db.load(Relaxed)),
                amended: (self.amended_from.load(Relaxed).checked_sub(1)).map(|was| Amended {
                    was: was as usize,
                    after_ms: f32::from_bits(self.amended_after_ms.load(Relaxed)),
                }),
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
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

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
                    meters.show(&Classification::numbered(n), 48_000.0);
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
            assert_eq!((note.gated, note.rejected), (id % 2 == 1, false));
            assert_eq!(note.model.0, id as u32);
        }
        enough.store(true, Relaxed);
        let last = writer.join().unwrap();
        assert_eq!(meters.last_note().unwrap().onset_id, last);
    }

    #[test]
    fn a_second_decision_is_shown_only_on_its_own_note() {
        let second = |onset_id: u64| Classification {
            decision: Decision::Second {
                was: 3,
                was_gated: false,
            },
            seen: 7_200,
            class: 4,
            ..Classification::numbered(onset_id)
        };
        let meters = Meters::default();
        meters.show(&Classification::numbered(11), 48_000.0);
        let shown = meters.last_note().unwrap();
        assert_eq!(shown.amended, None);
        meters.show(&second(10), 48_000.0);
        assert_eq!(meters.last_note(), Some(shown), "of an earlier note");
        meters.show(&second(11), 48_000.0);
        let shown = meters.last_note().unwrap();
        let amended = Amended {
            was: 3,
            after_ms: 150.0,
        };
        assert_eq!((shown.amended, shown.class), (Some(amended), 4));
        meters.show(&Classification::numbered(12), 48_000.0);
        assert_eq!(meters.last_note().unwrap().amended, None);
    }
}
