//! What the demo found, for people and as JSON.

use std::fmt;

use serde::Serialize;

use super::{BLOCK, FIRST_KEY, Logged};
use crate::event_log::LoggedNote;
use crate::plugin_host::MidiMessage;
use crate::sound::Sound;
use crate::statistics::Spread;
use crate::streaming::Played;

/// How far a heard onset may lie from a played one, in seconds: the tolerance of the paper's
/// onset evaluation.
const TOLERANCE_S: f64 = 0.020;

/// The JSON document.
#[derive(Debug, Serialize)]
pub struct Report {
    host: &'static str,
    sample_rate: u32,
    block: usize,
    notes: Vec<Heard>,
    /// What all notes have in common.
    pub summary: Summary,
}

/// One note that the plugin heard.
#[derive(Debug, Clone, Serialize)]
pub struct Heard {
    time_s: f64,
    technique: String,
    probability: f32,
    latency_ms: f64,
    late_blocks: u64,
    class: usize,
    /// Whether it was held back from MIDI, by the confidence gate or as foreign.
    gated: bool,
    /// Whether it was held back as foreign.
    rejected: bool,
    inline: bool,
    inference_us: f64,
    peak_db: f32,
    probabilities: Vec<f32>,
    /// The decision that amended it, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<Amended>,
}

/// A second decision about a note.
#[derive(Debug, Clone, Serialize)]
pub struct Amended {
    #[serde(skip)]
    time_s: f64,
    technique: String,
    probability: f32,
    probabilities: Vec<f32>,
    latency_ms: f64,
    changed: bool,
    #[serde(skip)]
    class: usize,
}

/// Counts and times over all notes; those of first decisions where nothing else is said.
#[derive(Debug, Serialize)]
pub struct Summary {
    source: String,
    duration_s: f64,
    elapsed_s: f64,
    offline: bool,
    /// What decided; nothing where no note was heard.
    model: Option<String>,
    engine: Option<String>,
    notes: usize,
    /// Held back from MIDI, by the confidence gate or as foreign.
    gated: usize,
    /// Of these, as foreign.
    rejected: usize,
    midi_note_on: usize,
    midi_poly_pressure: usize,
    /// Whether the notes on were compared with the log, and are the same: not where a state or a file of the
    /// user's may have changed their keys.
    midi_as_logged: bool,
    audio_altered_samples: u64,
    latency_ms: Latency,
    late_blocks: LateBlocks,
    host_missed_blocks: u64,
    /// Milliseconds that the host's blocks began after they were due: what the machine and its system
    /// add to each latency.
    host_late_ms: Latency,
    /// What came of second decisions, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<SecondSummary>,
    /// Notes that taught the networks something about the player.
    learned: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    played: Option<Comparison>,
}

/// Counts and times of second decisions.
#[derive(Debug, Serialize)]
struct SecondSummary {
    amended: usize,
    changed: usize,
    latency_ms: Latency,
}

/// Milliseconds, of results from a note's beginning to the audio thread that has it.
#[derive(Debug, Default, Serialize)]
struct Latency {
    mean: f64,
    median: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

/// How many results came how many callbacks later than they could have.
#[derive(Debug, Serialize)]
struct LateBlocks {
    none: usize,
    one: usize,
    more: usize,
}

/// What was played beside what was heard.
#[derive(Debug, Serialize)]
struct Comparison {
    notes: usize,
    heard: usize,
    heard_as_played: usize,
    /// Of those heard, where the last decision names what was played; only if there were second
    /// ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    amended_as_played: Option<usize>,
    not_played: usize,
    /// For each played technique that occurs: class, played, heard, heard as played.
    by_class: Vec<ClassCount>,
}

#[derive(Debug, Default, Serialize)]
struct ClassCount {
    class: usize,
    technique: String,
    played: usize,
    heard: usize,
    heard_as_played: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    amended_as_played: Option<usize>,
}

impl Amended {
    /// A second decision on the host's time line; `sample_rate` in samples per second.
    pub fn new(note: &LoggedNote, sample_rate: f64) -> Self {
        Self {
            time_s: note.position as f64 / sample_rate,
            technique: note.technique.clone(),
            probability: note.probability,
            probabilities: note.probabilities.clone(),
            latency_ms: note.latency_ms(sample_rate),
            changed: note.changed,
            class: note.class,
        }
    }
}

impl fmt::Display for Amended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:9.3} s\u{2192} {:<24} {:>5.1} %  {:6.2} ms",
            self.time_s,
            self.technique,
            self.probability * 100.0,
            self.latency_ms
        )
    }
}

impl Heard {
    /// A logged note on the host's time line; `sample_rate` in samples per second.
    pub fn new(note: &LoggedNote, sample_rate: f64) -> Self {
        Self {
            time_s: note.position as f64 / sample_rate,
            technique: note.technique.clone(),
            probability: note.probability,
            latency_ms: note.latency_ms(sample_rate),
            late_blocks: note.late_blocks,
            class: note.class,
            gated: note.gated,
            rejected: note.rejected,
            inline: note.inline,
            inference_us: note.inference_us,
            peak_db: note.peak_db,
            probabilities: note.probabilities.clone(),
            second: None,
        }
    }

    /// The class of the last decision.
    fn last_class(&self) -> usize {
        self.second
            .as_ref()
            .map_or(self.class, |second| second.class)
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:9.3} s  {:<24} {:>5.1} %  {:6.2} ms",
            self.time_s,
            self.technique,
            self.probability * 100.0,
            self.latency_ms
        )?;
        if self.rejected {
            f.write_str("  (foreign: no MIDI)")?;
        } else if self.gated {
            f.write_str("  (below the gate: no MIDI)")?;
        }
        if self.late_blocks > 0 {
            write!(f, "  ({} blocks late)", self.late_blocks)?;
        }
        Ok(())
    }
}

impl Report {
    pub(super) fn new(
        host: &'static str,
        sound: &Sound,
        offline: bool,
        logged: &Logged,
        played: &Played,
    ) -> Self {
        let rate = f64::from(sound.sample_rate);
        let hear = |note: &LoggedNote| Heard {
            second: (logged.second.get(&note.id)).map(|second| Amended::new(second, rate)),
            ..Heard::new(note, rate)
        };
        let notes: Vec<Heard> = logged.first.iter().map(hear).collect();
        let late = |test: fn(u64) -> bool| notes.iter().filter(|n| test(n.late_blocks)).count();
        let sent = |test: fn(&MidiMessage) -> bool| {
            played.midi.iter().filter(|m| test(&m.message)).count()
        };
        let of_last = |field: fn(&LoggedNote) -> &String| logged.first.last().map(field).cloned();
        let summary = Summary {
            source: sound.source.clone(),
            duration_s: sound.duration_s(),
            elapsed_s: played.elapsed_s,
            offline,
            model: of_last(|n| &n.model),
            engine: of_last(|n| &n.engine),
            notes: notes.len(),
            gated: notes.iter().filter(|n| n.gated).count(),
            rejected: notes.iter().filter(|n| n.rejected).count(),
            midi_note_on: sent(|m| matches!(m, MidiMessage::NoteOn { .. })),
            midi_poly_pressure: sent(|m| matches!(m, MidiMessage::PolyPressure(_))),
            midi_as_logged: logged.is_as_sent,
            audio_altered_samples: played.altered,
            latency_ms: Latency::of(&notes.iter().map(|n| n.latency_ms).collect::<Vec<_>>()),
            late_blocks: LateBlocks {
                none: late(|blocks| blocks == 0),
                one: late(|blocks| blocks == 1),
                more: late(|blocks| blocks > 1),
            },
            host_missed_blocks: played.missed_blocks,
            host_late_ms: Latency::of(&played.late_ms),
            second: SecondSummary::of(&notes),
            learned: logged.learned,
            played: (!sound.played.is_empty()).then(|| Comparison::new(sound, &notes)),
        };
        Self {
            host,
            sample_rate: sound.sample_rate,
            block: BLOCK,
            notes,
            summary,
        }
    }
}

impl SecondSummary {
    fn of(notes: &[Heard]) -> Option<Self> {
        let seconds = || notes.iter().filter_map(|note| note.second.as_ref());
        let summary = Self {
            amended: seconds().count(),
            changed: seconds().filter(|second| second.changed).count(),
            latency_ms: Latency::of(
                &seconds()
                    .map(|second| second.latency_ms)
                    .collect::<Vec<_>>(),
            ),
        };
        (summary.amended > 0).then_some(summary)
    }
}

impl Latency {
    fn of(values: &[f64]) -> Self {
        let spread = Spread::of(values);
        Self {
            mean: spread.mean,
            median: spread.median,
            p95: spread.p95,
            p99: spread.p99,
            max: spread.max,
        }
    }
}

impl Comparison {
    /// Pairs each played note with the nearest heard one that is free, within [`TOLERANCE_S`].
    fn new(sound: &Sound, notes: &[Heard]) -> Self {
        let mut free = vec![true; notes.len()];
        let amended = notes.iter().any(|note| note.second.is_some());
        let mut by_class: Vec<ClassCount> = Vec::new();
        for played in &sound.played {
            let distance = |index: &usize| (notes[*index].time_s - played.time_s).abs();
            let nearest = (0..notes.len())
                .filter(|index| free[*index] && distance(index) <= TOLERANCE_S)
                .min_by(|a, b| distance(a).total_cmp(&distance(b)));
            if by_class.len() <= played.class {
                by_class.resize_with(played.class + 1, ClassCount::default);
            }
            let count = &mut by_class[played.class];
            count.class = played.class;
            count.technique = sound.labels.get(played.class).cloned().unwrap_or_default();
            count.played += 1;
            if let Some(index) = nearest {
                free[index] = false;
                count.heard += 1;
                count.heard_as_played += usize::from(notes[index].class == played.class);
                if amended {
                    let right = notes[index].last_class() == played.class;
                    *count.amended_as_played.get_or_insert(0) += usize::from(right);
                }
            }
        }
        by_class.retain(|count| count.played > 0);
        Self {
            notes: sound.played.len(),
            heard: by_class.iter().map(|c| c.heard).sum(),
            heard_as_played: by_class.iter().map(|c| c.heard_as_played).sum(),
            amended_as_played: amended
                .then(|| by_class.iter().filter_map(|c| c.amended_as_played).sum()),
            not_played: free.iter().filter(|free| **free).count(),
            by_class,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.notes {
            0 => f.write_str("no note")?,
            1 => f.write_str("1 note")?,
            notes => write!(f, "{notes} notes")?,
        }
        write!(
            f,
            " in {:.1} s of {} ({:.1} s to play{})",
            self.duration_s,
            self.source,
            self.elapsed_s,
            if self.offline { ", offline" } else { "" },
        )?;
        if let (Some(model), Some(engine)) = (&self.model, &self.engine) {
            write!(f, ", model {model}, engine {engine}")?;
        }
        writeln!(f)?;
        if self.notes > 0 {
            writeln!(
                f,
                "latency from onset to result: mean {:.2} ms, 95 % within {:.2} ms, longest {:.2} ms",
                self.latency_ms.mean, self.latency_ms.p95, self.latency_ms.max
            )?;
        }
        writeln!(
            f,
            "results in the first possible block: {}, one block late: {}, later: {}; blocks the host began late: {}",
            self.late_blocks.none,
            self.late_blocks.one,
            self.late_blocks.more,
            self.host_missed_blocks
        )?;
        if !self.offline {
            writeln!(
                f,
                "the host's own blocks began late by {:.3} ms in the middle, 95 % within {:.3} ms, longest {:.3} ms",
                self.host_late_ms.median, self.host_late_ms.p95, self.host_late_ms.max
            )?;
        }
        let (keys, compared) = if self.midi_as_logged {
            let keys = format!(" from key {FIRST_KEY} up");
            (keys, ", the same notes as in the log")
        } else {
            (String::new(), "")
        };
        writeln!(
            f,
            "MIDI to the host: {} notes{keys}, {} poly pressures{compared}; audio altered in {} samples",
            self.midi_note_on, self.midi_poly_pressure, self.audio_altered_samples
        )?;
        if let Some(second) = &self.second {
            writeln!(
                f,
                "amended by a second decision: {} notes, to another technique (\u{2192}): {}; mean {:.2} ms after the onset, longest {:.2} ms",
                second.amended, second.changed, second.latency_ms.mean, second.latency_ms.max
            )?;
        }
        if self.learned > 0 {
            writeln!(f, "adapted to the player by {} notes", self.learned)?;
        }
        if let Some(played) = &self.played {
            write!(
                f,
                "\n{:<26}{:>7}{:>7}{:>16}",
                "what was played", "notes", "heard", "heard as played"
            )?;
            if played.amended_as_played.is_some() {
                write!(f, "{:>9}", "amended")?;
            }
            writeln!(f)?;
            for count in &played.by_class {
                write!(
                    f,
                    "{:<26}{:>7}{:>7}{:>16}",
                    count.technique, count.played, count.heard, count.heard_as_played
                )?;
                if let Some(amended) = count.amended_as_played {
                    write!(f, "{amended:>9}")?;
                }
                writeln!(f)?;
            }
            write!(
                f,
                "{:<26}{:>7}{:>7}{:>16}",
                "all", played.notes, played.heard, played.heard_as_played
            )?;
            if let Some(amended) = played.amended_as_played {
                write!(f, "{amended:>9}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_the_same_as_in_the_log_only_where_that_was_compared() {
        let sound = Sound {
            source: "nothing".to_owned(),
            sample_rate: 48_000,
            channels: vec![vec![0.0; 480]],
            played: Vec::new(),
            labels: Vec::new(),
        };
        let played = Played {
            midi: Vec::new(),
            altered: 0,
            blocks: 8,
            missed_blocks: 0,
            late_ms: Vec::new(),
            elapsed_s: 0.01,
        };
        for is_as_sent in [true, false] {
            let logged = Logged {
                is_as_sent,
                ..Logged::default()
            };
            let summary = Report::new("clap", &sound, true, &logged, &played).summary;
            let text = summary.to_string();
            assert_eq!(text.contains("the same notes as in the log"), is_as_sent);
            assert_eq!(text.contains("from key 36 up"), is_as_sent);
            let document = serde_json::to_value(&summary).unwrap();
            assert_eq!(document["midi_as_logged"], is_as_sent);
        }
    }
}
