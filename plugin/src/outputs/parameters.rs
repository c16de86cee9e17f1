//! Parameters that the plugin sets and the host only reads: what the last note was, and how things
//! stand.
//!
//! The framework has none, so the entry of each plugin format shows them to its host by hand. The
//! audio thread [`record`](OutputParameters::record)s every decision with its place in the block;
//! when the block is done the entry, on the same thread,
//! [gives out](OutputParameters::give_out) what the block brought. How things [`stand`] otherwise is
//! told by other threads, and given out at the start of the next block.
//!
//! Values are normalised, 0 to 1, as VST3 and Sushi's OSC know them.
//!
//! [`stand`]: OutputParameters::stand

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};

use tocco_dsp::Technique;

use crate::status_summary::StatusSummary;
use crate::velocity_lesson;
use tocco_recognizer::classification::{Classification, Decision, MAX_CLASSES};

/// Decisions remembered of one block; one more takes the place of the last.
const DECISIONS: usize = 64;

/// Latency at which the parameter ends, milliseconds.
pub const LONGEST_LATENCY_MS: f32 = 100.0;

/// Notes after which the count starts anew. A power of two: the normalised value is exact in 32 bits.
pub const MOST_NOTES: u32 = 1 << 16;

/// Examples at which the parameter ends: more than can be taught. A power of two as above.
pub const MOST_EXAMPLES: u32 = 1 << 10;

/// Suppressed hits after which their counts start anew, and hits of the velocity's lesson at which
/// the parameter ends. A power of two as above.
pub const MOST_HITS: u32 = 1 << 16;

/// How many tell of the last note.
const OF_NOTE: usize = MAX_CLASSES + 4;

/// How many output parameters there are.
pub const COUNT: usize = OF_NOTE + 7;

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
    /// How the plugin is: the number of a [`StatusSummary`].
    Status,
    /// The class that is taught: 0 if none is, else its number from 1 on.
    Teaching,
    /// How many examples the model in use was taught.
    Examples,
    /// How many double hits were suppressed: see [`retrigger`](super::retrigger).
    DoubleHits,
    /// How many cross hits were.
    CrossHits,
    /// How the lesson of the velocity stands: the number of a
    /// [`crate::velocity_lesson::Standing`].
    Velocity,
    /// How many hits that lesson has heard.
    VelocityHits,
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
            Some(3) => Self::Notes,
            Some(4) => Self::Status,
            Some(5) => Self::Teaching,
            Some(6) => Self::Examples,
            Some(7) => Self::DoubleHits,
            Some(8) => Self::CrossHits,
            Some(9) => Self::Velocity,
            Some(_) => Self::VelocityHits,
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
            Self::Status => OF_NOTE,
            Self::Teaching => OF_NOTE + 1,
            Self::Examples => OF_NOTE + 2,
            Self::DoubleHits => OF_NOTE + 3,
            Self::CrossHits => OF_NOTE + 4,
            Self::Velocity => OF_NOTE + 5,
            Self::VelocityHits => OF_NOTE + 6,
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
            Self::Status => "Status".to_owned(),
            Self::Teaching => "Teaching".to_owned(),
            Self::Examples => "Examples".to_owned(),
            Self::DoubleHits => "Double hits".to_owned(),
            Self::CrossHits => "Cross hits".to_owned(),
            Self::Velocity => "Velocity status".to_owned(),
            Self::VelocityHits => "Velocity hits".to_owned(),
        }
    }

    /// The unit of its plain values.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Probability(_) | Self::Confidence => "%",
            Self::Latency => "ms",
            _ => "",
        }
    }

    /// The plain value at 1; at 0 it is 0.
    #[must_use]
    pub fn maximum(self) -> f64 {
        match self {
            Self::Probability(_) | Self::Confidence => 100.0,
            Self::Technique | Self::Teaching => MAX_CLASSES as f64,
            Self::Latency => f64::from(LONGEST_LATENCY_MS),
            Self::Notes => f64::from(MOST_NOTES),
            Self::Status => (StatusSummary::ALL.len() - 1) as f64,
            Self::Examples => f64::from(MOST_EXAMPLES),
            Self::DoubleHits | Self::CrossHits | Self::VelocityHits => f64::from(MOST_HITS),
            Self::Velocity => (velocity_lesson::Standing::ALL.len() - 1) as f64,
        }
    }

    /// Steps between 0 and 1; 0 if it is continuous, or as good as that.
    #[must_use]
    pub fn steps(self) -> usize {
        match self {
            Self::Technique | Self::Teaching => MAX_CLASSES,
            Self::Status => StatusSummary::ALL.len() - 1,
            Self::Velocity => velocity_lesson::Standing::ALL.len() - 1,
            _ => 0,
        }
    }

    /// A normalised value times [`maximum`](Self::maximum): whole where there are steps, since hosts cut off
    /// what is behind the point. Real-time safe.
    #[must_use]
    pub fn plain(self, normalized: f64) -> f64 {
        let plain = normalized * self.maximum();
        if self.steps() > 0 {
            plain.round()
        } else {
            plain
        }
    }

    /// A normalised value as it is written, without its unit.
    #[must_use]
    pub fn text(self, normalized: f64) -> String {
        let plain = normalized.clamp(0.0, 1.0) * self.maximum();
        match self {
            Self::Probability(_) | Self::Confidence | Self::Latency => format!("{plain:.1}"),
            Self::Technique | Self::Teaching => match (plain.round() as usize).checked_sub(1) {
                Some(class) => Technique::ALL[class].to_string(),
                None => NO_TECHNIQUE.to_owned(),
            },
            Self::Status => StatusSummary::ALL[plain.round() as usize].text().to_owned(),
            Self::Velocity => velocity_lesson::Standing::ALL[plain.round() as usize]
                .text()
                .to_owned(),
            Self::Notes
            | Self::Examples
            | Self::DoubleHits
            | Self::CrossHits
            | Self::VelocityHits => format!("{plain:.0}"),
        }
    }

    /// The normalised value of a text, with its unit or without.
    #[must_use]
    pub fn value(self, text: &str) -> Option<f64> {
        let text = text.trim();
        if self == Self::Status {
            let said = |status: &StatusSummary| text.eq_ignore_ascii_case(status.text());
            let number = StatusSummary::ALL.iter().position(said)?;
            return Some(number as f64 / self.maximum());
        }
        if self == Self::Velocity {
            let said =
                |standing: &velocity_lesson::Standing| text.eq_ignore_ascii_case(standing.text());
            let number = velocity_lesson::Standing::ALL.iter().position(said)?;
            return Some(number as f64 / self.maximum());
        }
        if matches!(self, Self::Technique | Self::Teaching) {
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

/// What stands beside the notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How the plugin is.
    pub status: StatusSummary,
    /// The class that is taught.
    pub teaching: Option<usize>,
    /// How many examples the model in use was taught.
    pub examples: usize,
    /// How many double hits were suppressed.
    pub double_hits: u64,
    /// How many cross hits were.
    pub cross_hits: u64,
    /// How the lesson of the velocity stands.
    pub velocity: velocity_lesson::Standing,
    /// How many hits it has heard.
    pub velocity_hits: usize,
}

/// The values of an instance. What tells of notes is written by the audio thread alone, the rest by
/// any other; [`value`](Self::value) may be read by any.
#[derive(Debug)]
pub struct OutputParameters {
    now: [AtomicU32; COUNT],
    /// What stands beside the notes, as it was given out last.
    given_standing: [AtomicU32; COUNT - OF_NOTE],
    /// Whether something of the block was given out: what changes from then on waits for the next, whose
    /// beginning it is told at.
    begun: AtomicBool,
    /// Number of the onset of the note that they tell of.
    onset: AtomicU32,
    notes: AtomicU32,
    /// How many of `decisions` the block brought.
    recorded: AtomicUsize,
    /// How many of those were given out.
    given: AtomicUsize,
    decisions: [(AtomicU32, Cells); DECISIONS],
}

/// Values of what tells of the last note, as bits.
type Cells = [AtomicU32; OF_NOTE];

impl Default for OutputParameters {
    fn default() -> Self {
        Self {
            now: Default::default(),
            given_standing: Default::default(),
            begun: AtomicBool::new(false),
            onset: AtomicU32::new(0),
            notes: AtomicU32::new(0),
            recorded: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
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

    /// Says how things stand beside the notes. For one thread at a time, but not for the audio
    /// thread.
    pub fn stand(&self, standing: Standing) {
        let set = |parameter: OutputParameter, number: usize| {
            let value = (number as f64 / parameter.maximum()).min(1.0) as f32;
            self.now[parameter.index()].store(value.to_bits(), Relaxed);
        };
        set(OutputParameter::Status, standing.status as usize);
        set(
            OutputParameter::Teaching,
            standing.teaching.map_or(0, |class| class + 1),
        );
        set(OutputParameter::Examples, standing.examples);
        let anew = |count: u64| (count % (u64::from(MOST_HITS) + 1)) as usize;
        set(OutputParameter::DoubleHits, anew(standing.double_hits));
        set(OutputParameter::CrossHits, anew(standing.cross_hits));
        set(OutputParameter::Velocity, standing.velocity as usize);
        set(OutputParameter::VelocityHits, standing.velocity_hits);
    }

    /// Calls `give` with the place in the block, the parameter and its normalised value for all that
    /// is new and lies no later than `until`, in order of time; without `until` for all of the block,
    /// which ends with that. For the audio thread, or one that takes its place; real-time safe as far
    /// as `give` is.
    pub fn give_out(&self, until: Option<u32>, mut give: impl FnMut(u32, OutputParameter, f32)) {
        let all = OutputParameter::all();
        let given = self.given.load(Relaxed);
        if !self.begun.swap(true, Relaxed) {
            let standing = all[OF_NOTE..].iter().zip(&self.now[OF_NOTE..]);
            for ((parameter, now), given) in standing.zip(&self.given_standing) {
                let bits = now.load(Relaxed);
                if given.swap(bits, Relaxed) != bits {
                    give(0, *parameter, f32::from_bits(bits));
                }
            }
        }
        let recorded = self.recorded.load(Relaxed);
        let waiting = &self.decisions[given.min(recorded)..recorded];
        let mut count = 0;
        for (offset, cells) in waiting {
            let offset = offset.load(Relaxed);
            if until.is_some_and(|until| offset > until) {
                break;
            }
            for (parameter, cell) in all.iter().zip(cells) {
                give(offset, *parameter, f32::from_bits(cell.load(Relaxed)));
            }
            count += 1;
        }
        match until {
            Some(_) => self.given.store(given + count, Relaxed),
            None => {
                self.recorded.store(0, Relaxed);
                self.given.store(0, Relaxed);
                self.begun.store(false, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_whole_number() {
        let stepped = OutputParameter::all().into_iter();
        let stepped = stepped.filter(|parameter| parameter.steps() > 0);
        let mut n = 0;
        for parameter in stepped {
            for step in 0..=parameter.steps() {
                let normalized = step as f32 / parameter.steps() as f32;
                assert_eq!(parameter.plain(f64::from(normalized)), step as f64);
                n += 1;
            }
        }
        assert!(n > 0);
    }

    /// The values of a decision.
    #[derive(Debug)]
    struct Reading {
        offset: u32,
        values: Vec<f32>,
    }

    /// Whole decisions up to `until`; what stands beside them is left out.
    fn taken(outputs: &OutputParameters, until: Option<u32>) -> Vec<Reading> {
        let mut readings: Vec<Reading> = Vec::new();
        outputs.give_out(until, |offset, parameter, value| match parameter.index() {
            OF_NOTE.. => {}
            0 => readings.push(Reading {
                offset,
                values: vec![value],
            }),
            index => {
                let reading = readings.last_mut().unwrap();
                assert_eq!((reading.offset, reading.values.len()), (offset, index));
                reading.values.push(value);
            }
        });
        assert!(
            readings
                .iter()
                .all(|reading| reading.values.len() == OF_NOTE)
        );
        readings
    }

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
        let mut readings = taken(&outputs, Some(4));
        assert!(readings.is_empty());
        for until in [Some(5), Some(16), None] {
            readings.extend(taken(&outputs, until));
        }
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
        assert_eq!(taken(&outputs, None).len(), 0, "a second time");
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
        let offsets: Vec<u32> = taken(&outputs, None).iter().map(|r| r.offset).collect();
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
        let readings = taken(&outputs, None);
        assert_eq!(readings.len(), 1);
        let mut values = readings[0].values.iter();
        assert!(values.all(|v| (0.0..=1.0).contains(v)), "{readings:?}");
    }

    #[test]
    fn of_too_many_decisions_the_newest_is_given_out() {
        let outputs = OutputParameters::default();
        for onset in 0..100 {
            outputs.record(&note(onset), onset as usize, 48_000.0);
        }
        let offsets: Vec<u32> = taken(&outputs, None).iter().map(|r| r.offset).collect();
        assert_eq!(offsets.len(), DECISIONS);
        assert_eq!(offsets.last(), Some(&99));
    }

    #[test]
    fn how_things_stand_is_told_when_it_changes() {
        let outputs = OutputParameters::default();
        let told = || {
            let mut told = Vec::new();
            outputs.give_out(None, |offset, parameter, value| {
                assert_eq!(offset, 0);
                told.push((parameter.name(), parameter.text(f64::from(value))));
            });
            told
        };
        assert_eq!(told(), []);
        let standing = Standing {
            status: StatusSummary::AnotherModel,
            teaching: Some(2),
            examples: 7,
            double_hits: 3,
            cross_hits: u64::from(MOST_HITS) + 1 + 4,
            velocity: velocity_lesson::Standing::Hard,
            velocity_hits: 5,
        };
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        outputs.stand(standing);
        let expected = [
            pair("Status", "another model, see log"),
            pair("Teaching", "Tom"),
            pair("Examples", "7"),
            pair("Double hits", "3"),
            pair("Cross hits", "4"),
            pair("Velocity status", "play hard"),
            pair("Velocity hits", "5"),
        ];
        assert_eq!(told(), expected);
        outputs.stand(standing);
        assert_eq!(told(), []);
        outputs.stand(Standing {
            teaching: None,
            ..standing
        });
        assert_eq!(told(), [pair("Teaching", "none")]);
        outputs.stand(Standing {
            examples: usize::MAX,
            ..standing
        });
        assert_eq!(told().last(), Some(&pair("Examples", "1024")));
    }

    #[test]
    fn what_changes_within_a_block_is_told_at_the_beginning_of_the_next() {
        let outputs = OutputParameters::default();
        let examples = |examples| {
            outputs.stand(Standing {
                status: StatusSummary::Listening,
                teaching: None,
                examples,
                double_hits: 0,
                cross_hits: 0,
                velocity: velocity_lesson::Standing::default(),
                velocity_hits: 0,
            });
        };
        let told = |until| {
            let mut told = Vec::new();
            outputs.give_out(until, |offset, parameter, value| {
                told.push((offset, parameter.text(f64::from(value))));
            });
            told
        };
        examples(1);
        assert!(told(Some(40)).contains(&(0, "1".to_owned())));
        // The end of a note was sent at 40.
        examples(2);
        assert_eq!(told(Some(50)), []);
        assert_eq!(told(None), []);
        assert_eq!(told(None), [(0, "2".to_owned())]);
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
            let steps = if parameter.steps() == 0 {
                8
            } else {
                parameter.steps()
            };
            for step in 0..=steps {
                let value = step as f64 / steps as f64;
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
