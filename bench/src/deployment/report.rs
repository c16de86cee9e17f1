//! The deployment test as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::Absent;
use super::run::RunFindings;
use crate::plugin_host::StreamFormat;

/// The JSON document.
#[derive(Serialize)]
pub struct Report {
    /// Hz.
    pub sample_rate: f64,
    /// Samples in a block.
    pub block: usize,
    /// Notes played in each run.
    pub notes: usize,
    /// Whether every core was kept busy by another process.
    pub loaded: bool,
    /// Processor cores.
    pub cores: usize,
    /// Kind of the processor.
    pub processor: String,
    /// The runs.
    pub runs: Vec<RunFindings>,
    /// What could not be run here.
    pub absent: Vec<Absent>,
}

impl Report {
    /// Of runs on this machine.
    pub fn new(
        notes: usize,
        loaded: bool,
        (runs, absent): (Vec<RunFindings>, Vec<Absent>),
    ) -> Self {
        Self {
            sample_rate: StreamFormat::PAPER.sample_rate,
            block: StreamFormat::PAPER.max_block,
            notes,
            loaded,
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            processor: crate::processor::name(),
            runs,
            absent,
        }
    }
}

/// The table's first line.
pub const HEADER: &str = "engine        model  wake     results  lost  mispaired  one late  more late  \
     execution µs      inference µs   callback µs p99.9/max            CPU   memory\n\
     \x20                                                                            \
     mean ± std        mean    max    with note        without         %     MiB";

impl fmt::Display for RunFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: usize| 100.0 * count as f64 / self.results.max(1) as f64;
        let wake = if self.is_inline { "inline" } else { &self.wake };
        write!(
            f,
            "{:<14}{:<7}{:<9}{:>7}{:>6}{:>11}{:>8.2} %{:>9.2} %{:>9.1} ± {:<8.1}{:>6.1}{:>8.1}{:>8.1} /{:>8.1}{:>8.1} /{:>8.1}{:>6.1}{:>8.1}",
            self.engine,
            self.model,
            wake,
            self.results,
            self.lost,
            self.mispaired,
            share(self.late[1]),
            share(self.late[2]),
            self.execution_us.mean,
            self.execution_us.std,
            self.inference_us.mean,
            self.inference_us.max,
            self.callback_with_note_us.p999,
            self.callback_with_note_us.max,
            self.callback_without_note_us.p999,
            self.callback_without_note_us.max,
            self.cpu_percent,
            self.memory_mib,
        )
    }
}
