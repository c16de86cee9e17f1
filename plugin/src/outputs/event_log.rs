//! The event log: one line of JSON for each decision, for the demo and for measurements. A note that
//! is decided twice has two lines with the same `id`, told apart by `decision`. A last line has the
//! counts of everything when the instance ends.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use tocco_recognizer::classification::Classification;
use tocco_recognizer::counters::Counters;
use tocco_recognizer::model::ModelInfo;

/// Environment variable that names the file to append to.
pub const VARIABLE: &str = "TOCCO_EVENT_LOG";

/// Why there is no event log.
#[derive(Debug, thiserror::Error)]
#[error("event log {file}: {error}; check the path in {VARIABLE}")]
pub struct LogError {
    file: PathBuf,
    #[source]
    error: std::io::Error,
}

/// A line of the log. Positions are host samples since the stream began.
#[derive(Debug, Serialize)]
struct Line<'a> {
    instance: u64,
    id: u64,
    decision: &'static str,
    /// Of a second decision: whether it is for another class than the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    position: u64,
    detected: u64,
    features_ready: u64,
    seen: u64,
    technique: &'a str,
    class: usize,
    probability: f32,
    probabilities: &'a [f32],
    peak_db: f32,
    gated: bool,
    /// Log odds that it is no note, if the model can tell, and whether it is rejected as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<f32>,
    rejected: bool,
    inline: bool,
    wake_us: f64,
    inference_us: f64,
    late_blocks: u32,
    model: &'a str,
    /// Of a second decision: the model that amended the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    amended_by: Option<&'a str>,
    engine: &'a str,
}

/// The last line of an instance.
#[derive(Debug, Serialize)]
struct LastLine<'a> {
    instance: u64,
    counters: &'a Counters,
}

/// An open log. Not for the audio thread.
pub struct EventLog {
    path: PathBuf,
    file: File,
    instance: u64,
    /// Whole lines, written at once, because several instances may append to the same file.
    lines: Vec<u8>,
}

impl EventLog {
    /// Opens `file` to append the lines of plugin instance number `instance`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(file: &Path, instance: u64) -> Result<Self, LogError> {
        let opened = File::options().create(true).append(true).open(file);
        Ok(Self {
            path: file.to_owned(),
            file: opened.map_err(|error| LogError {
                file: file.to_owned(),
                error,
            })?,
            instance,
            lines: Vec::new(),
        })
    }

    /// Adds a line about `result`, which came from the model `info`.
    pub fn add(&mut self, result: &Classification, info: &ModelInfo) {
        let second = result.is_second();
        let amended_by = info.stages.second.as_ref().filter(|_| second);
        let line = Line {
            instance: self.instance,
            id: result.note.onset_id,
            decision: if second { "second" } else { "first" },
            changed: second.then(|| result.changed()),
            position: result.note.position,
            detected: result.note.detected,
            features_ready: result.note.features_ready,
            seen: result.seen,
            technique: info.labels.get(result.class).map_or("", String::as_str),
            class: result.class,
            probability: result.probability(),
            probabilities: &result.probabilities[..result.n_classes],
            peak_db: result.note.peak_db,
            gated: result.gated,
            rejection: result.rejection,
            rejected: result.rejected,
            inline: result.inline,
            wake_us: result.wake.as_secs_f64() * 1e6,
            inference_us: result.inference.as_secs_f64() * 1e6,
            late_blocks: result.late_blocks,
            model: info.id(),
            amended_by: amended_by.map(|info| info.id.as_str()),
            engine: info.engine.name(),
        };
        self.push(&line);
    }

    /// Adds the last line: the instance's counts of everything.
    pub fn end(&mut self, counters: &Counters) {
        self.push(&LastLine {
            instance: self.instance,
            counters,
        });
    }

    fn push(&mut self, line: &impl Serialize) {
        // Writing into memory, and nothing in a line can fail to be JSON.
        if serde_json::to_writer(&mut self.lines, line).is_ok() {
            self.lines.push(b'\n');
        }
    }

    /// Writes the lines added since the last time.
    ///
    /// # Errors
    /// When the file cannot be written; the lines are given up.
    pub fn flush(&mut self) -> Result<(), LogError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.lines);
        self.lines.clear();
        written.map_err(|error| LogError {
            file: self.path.clone(),
            error,
        })
    }
}
