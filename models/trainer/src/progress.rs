//! What is going on, on stderr and in a log file.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result};

/// Tells the progress of a long command, line by line, with the seconds since its start.
pub struct Progress {
    start: Instant,
    log: Option<Mutex<File>>,
}

impl Progress {
    /// Tells it on stderr.
    pub fn on_screen() -> Self {
        Self {
            start: Instant::now(),
            log: None,
        }
    }

    /// Tells it on stderr and in the file `log`, which is begun anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn with_log(log: &Path) -> Result<Self> {
        let cannot = || {
            format!(
                "{}: cannot be written; name another file with --log",
                log.display()
            )
        };
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).with_context(cannot)?;
        }
        let file = File::create(log).with_context(cannot)?;
        Ok(Self {
            log: Some(Mutex::new(file)),
            ..Self::on_screen()
        })
    }

    /// Tells one line.
    pub fn line(&self, line: impl AsRef<str>) {
        let line = format!(
            "{:8.1} s  {}",
            self.start.elapsed().as_secs_f64(),
            line.as_ref()
        );
        eprintln!("{line}");
        if let Some(log) = &self.log {
            let mut log = log
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            // A full disk must not end a training that has come this far.
            if let Err(error) = writeln!(log, "{line}") {
                eprintln!("the log file cannot be written: {error}");
            }
        }
    }
}
