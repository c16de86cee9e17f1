//! The plugin's event log: one JSON line for each decision about a note, the first ones and those
//! that amend them, written by its service thread to the file that the environment variable
//! [`VARIABLE`] names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The environment variable that switches the log on; read when an instance is made.
pub const VARIABLE: &str = "TOCCO_EVENT_LOG";

/// The environment variable that names the user's `tocco.toml`; set to nothing, none is read.
const CONFIGURATION: &str = "TOCCO_CONFIG";

/// Whether instances begin as delivered, and not as a `tocco.toml` says that the environment names.
pub(crate) fn begins_as_delivered() -> bool {
    std::env::var_os(CONFIGURATION).is_none_or(|file| file.is_empty())
}

/// Has the instances that are made from here on log to `path`. They begin as delivered, whatever the
/// user's own `tocco.toml` says: only one that the environment names is read.
///
/// # Safety
/// No other thread reads or writes the environment meanwhile.
pub(crate) unsafe fn log_to(path: &Path) {
    // SAFETY: the caller's promise.
    unsafe {
        std::env::set_var(VARIABLE, path);
        if begins_as_delivered() {
            std::env::set_var(CONFIGURATION, "");
        }
    }
}

/// Has the instances that are made from here on begin as the `tocco.toml` at `file` says, for the audit.
///
/// # Safety
/// No other thread reads or writes the environment meanwhile.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn configure_by(file: &Path) {
    // SAFETY: the caller's promise.
    unsafe { std::env::set_var(CONFIGURATION, file) };
}

/// Which decision about a note a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The first one.
    #[default]
    First,
    /// The one that amends it.
    Second,
}

/// A decision about a note as the plugin logged it. Positions are in samples of the host's rate since activation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoggedNote {
    /// Which instance of the plugin heard it.
    pub instance: u64,
    /// Number of the onset within the instance.
    pub id: u64,
    /// Which decision it is. A second one has the id of the first.
    #[serde(default)]
    pub decision: Decision,
    /// Whether it is a second decision for another class than the first.
    #[serde(default)]
    pub changed: bool,
    /// Where the note begins.
    pub position: u64,
    /// End of the hop in which the onset detector fired.
    pub detected: u64,
    /// End of the hop after which the features were there.
    pub features_ready: u64,
    /// End of the hop in which the result reached the audio thread.
    pub seen: u64,
    /// Name of the most probable class.
    pub technique: String,
    /// Its index.
    pub class: usize,
    /// Its probability.
    pub probability: f32,
    /// Of every class, `[n_classes]`.
    pub probabilities: Vec<f32>,
    /// Peak level in dB.
    pub peak_db: f32,
    /// Whether the note was held back from MIDI, by the confidence gate or as foreign.
    pub gated: bool,
    /// Whether it was held back as foreign.
    #[serde(default)]
    pub rejected: bool,
    /// Whether the audio thread classified it itself.
    pub inline: bool,
    /// Microseconds that the inference took.
    pub inference_us: f64,
    /// Callbacks later than the earliest possible one.
    pub late_blocks: u64,
    /// Id of the model package.
    pub model: String,
    /// Id of the engine.
    pub engine: String,
}

impl LoggedNote {
    /// Milliseconds from the note's beginning to its result, at a host rate in samples per second.
    pub fn latency_ms(&self, sample_rate: f64) -> f64 {
        (self.seen as f64 - self.position as f64) / sample_rate * 1000.0
    }
}

/// The last line that an instance writes, when it is freed: its counts of everything.
#[derive(Debug, Deserialize)]
struct LastLine {
    instance: u64,
    counters: Counters,
}

/// The plugin's counters since the instance was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Onsets detected.
    pub onsets: u64,
    /// Results that reached the audio thread.
    pub results: u64,
    /// Notes dropped because the queue to the classifier thread was full.
    pub dropped_full: u64,
    /// Notes whose engine reported a failure.
    pub failed: u64,
    /// Notes under way when the stream was reset or stopped.
    pub abandoned: u64,
    /// Results by lateness, in callbacks after the first possible one: none, one, more.
    pub late_blocks: [u64; 3],
    /// Results that found no room in the queue to the event log.
    pub unlogged: u64,
    /// Notes that taught a network something about the player.
    #[serde(default)]
    pub learned: u64,
    /// Models and engines taken into use after the first.
    pub swaps: u64,
    /// Calls of the audio callback.
    pub callbacks: u64,
    /// Second decisions.
    #[serde(default)]
    pub second: SecondDecisionCounters,
}

/// The plugin's counters of second decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondDecisionCounters {
    /// Onsets detected while there was a second network.
    pub expected: u64,
    /// Second decisions that reached the audio thread.
    pub results: u64,
    /// Those for another class than the first.
    pub changed: u64,
    /// Given up because the queue to the classifier thread was full.
    pub dropped_full: u64,
    /// Given up because the engine reported a failure.
    pub failed: u64,
    /// Given up at a swap, a reset or the end.
    pub abandoned: u64,
    /// Those that found no room in the queue to the event log.
    pub unlogged: u64,
}

impl SecondDecisionCounters {
    /// Second decisions that were given up for whatever reason.
    pub fn given_up(&self) -> u64 {
        self.dropped_full + self.failed + self.abandoned
    }
}

impl Counters {
    /// Notes that were lost for whatever reason.
    pub fn lost(&self) -> u64 {
        self.dropped_full + self.failed + self.abandoned
    }
}

/// Reads a log while the plugin writes it.
pub struct EventLog {
    path: PathBuf,
    counters: BTreeMap<u64, Counters>,
    reader: Option<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    partial: String,
    lines: usize,
}

impl EventLog {
    /// A log that need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            counters: BTreeMap::new(),
            reader: None,
            partial: String::new(),
            lines: 0,
        }
    }

    /// The decisions that were logged since the last call, of both kinds.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is not what the plugin is documented to write.
    pub fn read_new(&mut self) -> Result<Vec<LoggedNote>> {
        if self.reader.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.reader = Some(BufReader::new(file)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error).context(self.path.display().to_string()),
            }
        }
        let mut notes = Vec::new();
        while let Some(reader) = &mut self.reader {
            reader.read_line(&mut self.partial)?;
            if !self.partial.ends_with('\n') {
                break;
            }
            self.lines += 1;
            match serde_json::from_str::<LastLine>(&self.partial) {
                Ok(last) => {
                    self.counters.insert(last.instance, last.counters);
                }
                Err(_) => {
                    let note = serde_json::from_str(&self.partial)
                        .with_context(|| format!("{} line {}", self.path.display(), self.lines))?;
                    notes.push(note);
                }
            }
            self.partial.clear();
        }
        Ok(notes)
    }

    /// The counts of every instance that was freed, as far as they have been read.
    pub fn counters(&self) -> &BTreeMap<u64, Counters> {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINE: &str = r#"{"instance":1,"id":7,"position":1000,"detected":1280,"features_ready":1600,"seen":1664,"technique":"Tom","class":2,"probability":0.9,"probabilities":[0.0,0.1,0.9],"peak_db":-12.5,"gated":false,"inline":true,"inference_us":5.5,"late_blocks":0,"model":"c","engine":"native"}"#;

    #[test]
    fn a_line_counts_once_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut log = EventLog::new(file.path());
        file.write_all(&LINE.as_bytes()[..40]).unwrap();
        assert_eq!(log.read_new().unwrap(), []);
        file.write_all(&LINE.as_bytes()[40..]).unwrap();
        file.write_all(b"\n").unwrap();
        let notes = log.read_new().unwrap();
        assert_eq!((notes.len(), notes[0].id), (1, 7));
        assert!((notes[0].latency_ms(48_000.0) - 13.833).abs() < 1e-3);
    }

    #[test]
    fn the_last_line_brings_the_counters() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let counters = r#"{"onsets":9,"notes":9,"results":6,"dropped_full":1,"failed":0,"abandoned":2,"late_blocks":[6,0,0],"unlogged":0,"swaps":4,"callbacks":99}"#;
        writeln!(file, "{LINE}\n{{\"instance\":1,\"counters\":{counters}}}").unwrap();
        let mut log = EventLog::new(file.path());
        assert_eq!(log.read_new().unwrap().len(), 1);
        let counters = &log.counters()[&1];
        assert_eq!(
            (counters.onsets, counters.results, counters.lost()),
            (9, 6, 3)
        );
    }

    #[test]
    fn a_line_says_which_decision_it_is() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let told = |decision: &str| {
            LINE.replace(
                "\"id\":7,",
                &format!("\"id\":7,\"decision\":\"{decision}\",\"changed\":true,"),
            )
        };
        writeln!(file, "{LINE}\n{}\n{}", told("first"), told("second")).unwrap();
        let notes = EventLog::new(file.path()).read_new().unwrap();
        let decisions: Vec<Decision> = notes.iter().map(|note| note.decision).collect();
        let (first, second) = (Decision::First, Decision::Second);
        assert_eq!(decisions, [first, first, second]);
        assert!(notes[2].changed && !notes[0].changed);
        writeln!(file, "{}", told("third")).unwrap();
        assert!(EventLog::new(file.path()).read_new().is_err());
    }

    #[test]
    fn a_broken_line_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{LINE}\n{{\"instance\":").unwrap();
        let error = EventLog::new(file.path()).read_new().unwrap_err();
        assert!(error.to_string().ends_with("line 2"), "{error:#}");
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_empty() {
        let mut log = EventLog::new(Path::new("/nonexistent/log"));
        assert_eq!(log.read_new().unwrap(), []);
    }
}
