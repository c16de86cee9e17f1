//! The deployment test as tables and as JSON.

use std::fmt;

use serde::Serialize;

use super::run::{BLOCK_US, RunFindings};
use super::{Absent, Playing};
use crate::machine::Machine;
use crate::plugin_host::StreamFormat;
use crate::statistics::Spread;

/// The JSON document.
#[derive(Serialize)]
pub struct Report {
    /// Hz.
    pub sample_rate: f64,
    /// Samples in a block.
    pub block: usize,
    /// A block's length, microseconds.
    pub block_us: f64,
    /// The notes of each run.
    #[serde(flatten)]
    pub playing: Playing,
    /// Whether every core was kept busy by another process.
    pub overload: bool,
    /// The machine.
    #[serde(flatten)]
    pub machine: Machine,
    /// The runs.
    pub runs: Vec<RunFindings>,
    /// What could not be run here.
    pub absent: Vec<Absent>,
}

impl Report {
    /// Of runs on this machine.
    pub fn new(
        playing: Playing,
        overload: bool,
        (runs, absent): (Vec<RunFindings>, Vec<Absent>),
    ) -> Self {
        Self {
            sample_rate: StreamFormat::PAPER.sample_rate,
            block: StreamFormat::PAPER.max_block,
            block_us: BLOCK_US,
            playing,
            overload,
            machine: Machine::this(),
            runs,
            absent,
        }
    }
}

/// The first lines of the table of runs, of which [`Row`] is a line.
pub const HEADER: &str = "\
late: against the first callback after the inference could have finished; [paper]: against the
callback that follows the features' one. Execution: as the audio thread sees it. CPU: of one core.

engine        model wake    results  lost  mispaired   1 late   2+ late  [paper 1 / 2+]     \
execution µs    inference µs med/max    CPU  memory  missed";

/// A line of the table of runs.
pub struct Row<'a>(pub &'a RunFindings);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(run) = self;
        let share = |count: usize| 100.0 * count as f64 / run.results.max(1) as f64;
        write!(
            f,
            "{:<14}{:<6}{:<8}{:>7}{:>6}{:>11}{:>7.2} %{:>8.2} %{:>8.2} /{:>5.2} %{:>9.1} ± {:<7.1}\
             {:>10.1} /{:>8.1}{:>6.1} %{:>5.0} MiB{:>5}",
            run.engine,
            run.model,
            wake(run),
            run.results,
            run.lost,
            run.mispaired,
            share(run.late[1]),
            share(run.late[2]),
            share(run.late_for_next_block[1]),
            share(run.late_for_next_block[2]),
            run.execution_us.mean,
            run.execution_us.std,
            run.inference_us.median,
            run.inference_us.max,
            run.cpu_percent,
            run.memory_mib,
            run.missed_blocks,
        )?;
        if !run.books_balance {
            f.write_str("  the plugin's books do not balance")?;
        }
        if !run.real_time_priority {
            f.write_str("  (no real-time priority for the host)")?;
        }
        Ok(())
    }
}

/// The duration of the callbacks, a line for each run.
pub struct Callbacks<'a>(pub &'a [RunFindings]);

impl fmt::Display for Callbacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\ncallback, µs of a block of {BLOCK_US:.0} µs; with a note: blocks with features or a \
             result in them\n\n\
             {:<28}{:^44}{:^44}",
            "", "with a note", "without"
        )?;
        write!(f, "{:<14}{:<6}{:<8}", "engine", "model", "wake")?;
        for _ in 0..2 {
            write!(
                f,
                "{:>8}{:>9}{:>9}{:>9}{:>9}",
                "blocks", "p50", "p99", "p99.9", "max"
            )?;
        }
        for run in self.0 {
            write!(f, "\n{:<14}{:<6}{:<8}", run.engine, run.model, wake(run))?;
            for spread in [&run.callback_with_note_us, &run.callback_without_note_us] {
                let Spread {
                    count,
                    median,
                    p99,
                    p999,
                    max,
                    ..
                } = spread;
                write!(f, "{count:>8}{median:>9.1}{p99:>9.1}{p999:>9.1}{max:>9.1}")?;
            }
        }
        Ok(())
    }
}

fn wake(run: &RunFindings) -> &str {
    if run.is_inline { "inline" } else { &run.wake }
}
