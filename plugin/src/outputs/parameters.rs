//! Parameters that the plugin sets and the host only reads: what the last note was.
//!
//! The framework has none, so the entry of each plugin format shows them to its host by hand. The
//! audio thread [`record`](OutputParameters::record)s every decision with its place in the block;
//! when the block is done the entry, on the same thread,
//! [`take`](OutputParameters::take)s what the block brought.
//!
//! Values are normalised, 0 to 1, as both formats and Sushi's OSC know them.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};

use tocco_dsp::Technique;

use tocco_recognizer::classification::{Classification, Decision, MAX_CLASSES};

/// Decisions remembered of one block; one more takes the place of the last.
const DECISIONS: usize = 64;

/// Latency at which the parameter ends, milliseconds.
pub const LONGEST_LATENCY_MS: f32 = 100.0;

/// Notes after which the count starts anew. A power of two: the normalised value is exact in 32 bits.
pub const MOST_NOTES: u32 = 1 << 16;

/// How many output parameters there are.
pub const COUNT: usize = MAX_CLASSES + 4;

/// Ids are not those of the framework, which are hashes of short names.
const FIRST_ID: u32 = 0x7000_0000;

/// One of the values that the host reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputParameter {
    /// The probability of a class.
    Probability(usize),
    /// The most probable class: 0 before the first note, then its number from 1 on.
    Technique,
    /// The probability of the most probable class.
    Confidence,
    /// From the onset to the first decision.
    Latency,
    /// How many notes were heard.
    Notes,
}

impl OutputParameter {
    /// All of them, in the order in which the host lists them, `[COUNT]`.
    #[must_use]
    pub fn all() -> [Self; COUNT] {
        std::array::from_fn(|index| match index.checked_sub(MAX_CLASSES) {
            None => Self::Probability(index),
            Some(0) => Self::Technique,
            Some(1) => Self::Confidence,
            Some(2) => Self::Latency,
            Some(_) => Self::Notes,
        })
    }

    /// The one with this id. Real-time safe.
    #[must_use]
    pub fn with_id(id: u32) -> Option<Self> {
        let index = id.checked_sub(FIRST_ID)? as usize;
        Self::all().get(index).copied()
    }

    /// Its number for the host. Real-time safe.
    #[must_use]
    pub fn id(self) -> u32 {
        FIRST_ID + self.index() as u32
    }

    fn index(self) -> usize {
        match self {
            Self::Probability(class) => class,
            Self::Technique => MAX_CLASSES,
            Self::Confidence => MAX_CLASSES + 1,
            Self::Latency => MAX_CLASSES + 2,
            Self::Notes => MAX_CLASSES + 3,
        }
    }

    /// Its name: letters, digits and spaces, so that it can be typed as a part of an OSC path.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Probability(class) => format!("Probability {}", Technique::ALL[class]),
            Self::Technique => "Technique".to_owned(),
            Self::Confidence => "Confidence".to_owned(),
            Self::Latency => "Latency".to_owned(),
            Self::Notes => "Notes heard".to_owned(),
        }
    }

    /// The unit of its plain values.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Probability(_) | Self::Confidence => "%",
            Self::Latency => "ms",
            Self::Technique | Self::Notes => "",
        }
    }

    /// The plain value at 1; at 0 it is 0.
    #[must_use]
    pub fn maximum(self) -> f64 {
        match self {
            Self::Probability(_) | Self::Confidence => 100.0,
            Self::Technique => MAX_CLASSES as f64,
            Self::Latency => f64::from(LONGEST_LATENCY_MS),
            Self::Notes => f64::from(MOST_NOTES),
        }
    }

    /// Steps between 0 and 1; 0 if it is continuous, or as good as that.
    #[must_use]
    pub fn steps(self) -> usize {
        match self {
            Self::Technique => MAX_CLASSES,
            _ => 0,
        }
    }

    /// A normalised value as it is written, without its unit.
    #[must_use]
    pub fn text(self, normalized: f64) -> String {
        let plain = normalized.clamp(0.0, 1.0) * self.maximum();
        match self {
            Self::Probability(_) | Self::Confidence | Self::Latency => format!("{plain:.1}"),
            Self::Technique => match (plain.round() as usize).checked_sub(1) {
                Some(class) => Technique::ALL[class].to_string(),
                None => NO_TECHNIQUE.to_owned(),
            },
            Self::Notes => format!("{plain:.0}"),
        }
    }

    /// The normalised value of a text, with its unit or without.
    #[must_use]
    pub fn value(self, text: &str) -> Option<f64> {
        let text = text.trim();
        if self == Self::Technique {
            let number = match text.eq_ignore_ascii_case(NO_TECHNIQUE) {
                true => 0,
                false => 1 + text.parse::<Technique>().ok()?.class(),
            };
            return Some(number as f64 / self.maximum());
        }
        let number = text.strip_suffix(self.unit()).unwrap_or(text).trim_end();
        let plain: f64 = number.parse().ok()?;
        (0.0..=self.maximum())
            .contains(&plain)
            .then(|| plain / self.maximum())
    }
}

/// What [`OutputParameter::Technique`] says before the first note.
const NO_TECHNIQUE: &str = "none";

/// The values of all output parameters at one place of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Samples from the start of the block.
    pub offset: u32,
    /// Normalised values, in the order of [`OutputParameter::all`], `[COUNT]`.
    pub values: [f32; COUNT],
}

/// The values of an instance. Written by the audio thread alone; [`value`](Self::value) may be read
/// by any.
#[derive(Debug)]
pub struct OutputParameters {
    now: Cells,
    /// Number of the onset of the note that they tell of.
    onset: AtomicU32,
    notes: AtomicU32,
    /// How many of `decisions` the block brought.
    recorded: AtomicUsize,
    decisions: [(AtomicU32, Cells); DECISIONS],
}

/// Values as bits.
type Cells = [AtomicU32; COUNT];

impl Default for OutputParameters {
    fn default() -> Self {
        Self {
            now: Cells::default(),
            onset: AtomicU32::new(0),
            notes: AtomicU32::new(0),
            recorded: AtomicUsize::new(0),
            decisions: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl OutputParameters {
    /// The normalised value that `parameter` has now. Real-time safe.
    #[must_use]
    pub fn value(&self, parameter: OutputParameter) -> f32 {
        f32::from_bits(self.now[parameter.index()].load(Relaxed))
    }

    /// Remembers a decision that becomes known `offset` samples into the block; a second one only
    /// if it is about the last note. `host_rate` in Hz. For the audio thread; real-time safe.
    pub fn record(&self, result: &Classification, offset: usize, host_rate: f64) {
        let onset = result.note.onset_id as u32;
        let set = |parameter: OutputParameter, value: f32| {
            // An engine may answer with anything, a host expects a number in the range.
            let value = if value.is_nan() {
                0.0
            } else {
                value.clamp(0.0, 1.0)
            };
            self.now[parameter.index()].store(value.to_bits(), Relaxed);
        };
        match result.decision {
            Decision::Second { .. } if self.onset.load(Relaxed) != onset => return,
            Decision::Second { .. } => {}
            Decision::First => {
                self.onset.store(onset, Relaxed);
                let notes = (self.notes.load(Relaxed) + 1) % (MOST_NOTES + 1);
                self.notes.store(notes, Relaxed);
                set(OutputParameter::Notes, notes as f32 / MOST_NOTES as f32);
                let latency_ms = (result.latency() as f64 * 1000.0 / host_rate) as f32;
                let latency = (latency_ms / LONGEST_LATENCY_MS).min(1.0);
                set(OutputParameter::Latency, latency);
            }
        }
        for (class, probability) in result.probabilities.iter().enumerate() {
            set(OutputParameter::Probability(class), *probability);
        }
        let number = (result.class + 1) as f32;
        set(OutputParameter::Technique, number / MAX_CLASSES as f32);
        set(OutputParameter::Confidence, result.probability());

        let recorded = self.recorded.load(Relaxed);
        let (place, cells) = &self.decisions[recorded.min(DECISIONS - 1)];
        place.store(offset as u32, Relaxed);
        for (cell, now) in cells.iter().zip(&self.now) {
            cell.store(now.load(Relaxed), Relaxed);
        }
        self.recorded.store((recorded + 1).min(DECISIONS), Relaxed);
    }

    /// Calls `give_out` with what was recorded since the last time, in order of time. For the audio
    /// thread; real-time safe as far as `give_out` is.
    pub fn take(&self, mut give_out: impl FnMut(&Reading)) {
        let recorded = self.recorded.swap(0, Relaxed);
        for (offset, cells) in &self.decisions[..recorded] {
            give_out(&Reading {
                offset: offset.load(Relaxed),
                values: std::array::from_fn(|i| f32::from_bits(cells[i].load(Relaxed))),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(onset_id: u64) -> Classification {
        let mut probabilities = [0.0; MAX_CLASSES];
        probabilities[(onset_id % 8) as usize] = 0.75;
        Classification {
            seen: 624,
            probabilities,
            ..Classification::numbered(onset_id)
        }
    }

    #[test]
    fn every_decision_of_a_block_is_given_out_once_with_its_place() {
        let outputs = OutputParameters::default();
        outputs.record(&note(2), 5, 48_000.0);
        outputs.record(&note(4), 17, 48_000.0);
        let mut readings = Vec::new();
        outputs.take(|reading| readings.push(*reading));
        assert_eq!(
            readings.iter().map(|r| r.offset).collect::<Vec<_>>(),
            [5, 17]
        );
        for (reading, (class, notes)) in readings.iter().zip([(2, 1.0), (4, 2.0)]) {
            let value = |parameter: OutputParameter| reading.values[parameter.index()];
            assert_eq!(value(OutputParameter::Probability(class)), 0.75);
            assert_eq!(value(OutputParameter::Probability(0)), 0.0);
            assert_eq!(value(OutputParameter::Technique), (class + 1) as f32 / 8.0);
            assert_eq!(value(OutputParameter::Confidence), 0.75);
            assert_eq!(value(OutputParameter::Latency), 0.13);
            assert_eq!(value(OutputParameter::Notes) * MOST_NOTES as f32, notes);
        }
        outputs.take(|reading| panic!("{reading:?} a second time"));
        assert_eq!(outputs.value(OutputParameter::Technique), 5.0 / 8.0);
    }

    #[test]
    fn a_second_decision_amends_its_own_note_and_counts_no_other() {
        let outputs = OutputParameters::default();
        let second = |onset_id| Classification {
            decision: Decision::Second {
                was: 0,
                was_gated: false,
            },
            seen: 7_200,
            class: 7,
            ..note(onset_id)
        };
        outputs.record(&note(3), 0, 48_000.0);
        outputs.record(&second(2), 1, 48_000.0);
        assert_eq!(outputs.value(OutputParameter::Technique), 0.5);
        outputs.record(&second(3), 2, 48_000.0);
        assert_eq!(outputs.value(OutputParameter::Technique), 1.0);
        assert_eq!(outputs.value(OutputParameter::Latency), 0.13);
        let mut offsets = Vec::new();
        outputs.take(|reading| offsets.push(reading.offset));
        assert_eq!(offsets, [0, 2]);
    }

    #[test]
    fn what_is_no_number_in_the_range_is_not_given_out() {
        let outputs = OutputParameters::default();
        let strange = Classification {
            probabilities: [f32::NAN, f32::INFINITY, -1.0, 2.0, 0.5, 0.0, 0.0, 0.0],
            class: 1,
            seen: u64::MAX,
            ..note(1)
        };
        outputs.record(&strange, 0, 48_000.0);
        outputs.take(|reading| {
            assert!(
                reading.values.iter().all(|v| (0.0..=1.0).contains(v)),
                "{reading:?}"
            );
        });
    }

    #[test]
    fn of_too_many_decisions_the_newest_is_given_out() {
        let outputs = OutputParameters::default();
        for onset in 0..100 {
            outputs.record(&note(onset), onset as usize, 48_000.0);
        }
        let mut offsets = Vec::new();
        outputs.take(|reading| offsets.push(reading.offset));
        assert_eq!(offsets.len(), DECISIONS);
        assert_eq!(offsets.last(), Some(&99));
    }

    #[test]
    fn the_count_of_notes_is_exact_to_its_end_and_starts_anew() {
        let outputs = OutputParameters::default();
        for onset in 1..=u64::from(MOST_NOTES) + 1 {
            outputs.record(&note(onset), 0, 48_000.0);
            let notes = outputs.value(OutputParameter::Notes) * MOST_NOTES as f32;
            assert_eq!(notes as u64, onset % (u64::from(MOST_NOTES) + 1));
        }
    }

    #[test]
    fn ids_and_texts_lead_back_to_where_they_came_from() {
        for parameter in OutputParameter::all() {
            assert_eq!(OutputParameter::with_id(parameter.id()), Some(parameter));
            for step in 0..=8 {
                let value = f64::from(step) / 8.0;
                let text = parameter.text(value);
                let with_unit = format!("{text} {}", parameter.unit());
                for text in [text, with_unit] {
                    assert_eq!(parameter.value(&text), Some(value), "{parameter:?} {text}");
                }
            }
            assert_eq!(parameter.value("nonsense"), None);
        }
        assert_eq!(OutputParameter::with_id(FIRST_ID - 1), None);
        assert_eq!(OutputParameter::with_id(FIRST_ID + COUNT as u32), None);
    }
}
