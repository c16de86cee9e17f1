//! The notes on the terminal, one a line.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::join::join_within;
use crate::last_minute::Decided;
use crate::service::{Shared, Status};

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(10);

/// Longest wait for the last line to be read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes the notes until it is finished.
pub struct Listing {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Listing {
    /// Writes the notes that `shared` hears to the standard output.
    pub fn start(shared: Arc<Shared>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let write = move || {
            let mut count = 0;
            loop {
                let last = until.load(Acquire);
                let decided;
                (decided, count) = shared.last_minute.since(count);
                let mut lines = String::new();
                if !decided.is_empty() {
                    let status = shared.status();
                    let of = |decided: &Decided| line(decided, &status);
                    lines = decided.iter().map(of).collect();
                }
                let mut out = std::io::stdout().lock();
                // Who closes the pipe has read enough.
                if out
                    .write_all(lines.as_bytes())
                    .and_then(|()| out.flush())
                    .is_err()
                    || last
                {
                    return;
                }
                drop(out);
                std::thread::sleep(PERIOD);
            }
        };
        Self {
            over,
            thread: std::thread::spawn(write),
        }
    }

    /// Writes the last lines, and waits for them unless their reader takes none.
    pub fn finish(self) {
        self.over.store(true, Release);
        join_within(self.thread, PATIENCE);
    }
}

/// Seconds, technique, probability and level; what a second decision makes of it, if that is another.
fn line(decided: &Decided, status: &Status) -> String {
    let result = &decided.result;
    if result.is_second() && !result.changed() {
        return String::new();
    }
    let label = status
        .model(result.model)
        .and_then(|model| model.labels.get(result.class));
    let label = label.map_or("?", String::as_str);
    let remark = match (result.is_second(), result.rejected, result.gated) {
        (true, ..) => "  amended",
        (false, true, _) => "  foreign",
        (false, false, true) => "  under the gate",
        (false, false, false) => "",
    };
    format!(
        "{:9.3} s  {label:<24} {:3.0} %  {:4.0} dB{remark}\n",
        decided.seconds,
        100.0 * result.probability(),
        result.note.peak_db
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_recognizer::classification::{Classification, Decision};

    #[test]
    fn a_note_is_a_line_and_an_answer_that_stays_is_none() {
        let mut result = Classification::numbered(4);
        result.probabilities = [0.874; 8];
        result.note.peak_db = -23.4;
        let decided = Decided {
            seconds: 12.3456,
            stream: 1,
            result,
        };
        let written = line(&decided, &Status::default());
        assert_eq!(
            written,
            format!("{:9.3} s  {:<24}  87 %   -23 dB\n", 12.346, "?")
        );
        let mut foreign = decided;
        (foreign.result.gated, foreign.result.rejected) = (true, true);
        assert!(line(&foreign, &Status::default()).ends_with("  foreign\n"));
        let second = |was: usize| {
            let mut decided = decided;
            decided.result.decision = Decision::Second {
                was,
                was_gated: false,
            };
            line(&decided, &Status::default())
        };
        assert_eq!(second(4), "");
        assert!(second(5).ends_with("  amended\n"));
    }
}
