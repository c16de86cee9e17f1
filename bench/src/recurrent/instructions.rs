//! Instructions of a step, counted by Valgrind's callgrind in a process of its own.

use std::process::Command;

use super::COUNTED_STEPS;
use super::shape::Shape;

/// Counts in runs of this program under Valgrind, which has no AVX-512: there the AVX2 kernels run.
pub struct Counter {
    program: std::path::PathBuf,
}

impl Counter {
    /// `None`, with the reason on stderr, where there is no Valgrind.
    pub fn new() -> Option<Self> {
        let found = Command::new("valgrind").arg("--version").output();
        match (found, std::env::current_exe()) {
            (Ok(output), Ok(program)) if output.status.success() => Some(Self { program }),
            _ => {
                eprintln!("instructions not counted: there is no valgrind; install it to count");
                None
            }
        }
    }

    /// Instructions of one step of `engine`, in blocks or one by one; `None` if Valgrind cannot run
    /// it, with the reason on stderr.
    pub fn count(&self, engine: &str, shape: Shape, in_blocks: bool) -> Option<f64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .args(["--collect-atstart=no", "--toggle-collect=*counted_steps*"])
            .arg(&self.program)
            .args(["--count", engine, "--network", &shape.to_string()])
            .args(in_blocks.then_some("--in-blocks"))
            .output();
        let text = match output {
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let count = collected(&text);
        if count.is_none() {
            eprintln!("instructions not counted: {engine}, {shape}: {text}");
        }
        count.map(|n| n as f64 / COUNTED_STEPS as f64)
    }
}

/// The number behind `Collected :` in callgrind's report, if it is not 0.
fn collected(report: &str) -> Option<u64> {
    let (_, rest) = report.split_once("Collected :")?;
    rest.split_whitespace()
        .next()?
        .parse()
        .ok()
        .filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_report() {
        assert_eq!(
            collected("==1== Events    : Ir\n==1== Collected : 1234\n"),
            Some(1234)
        );
        assert_eq!(collected("==1== Collected : 0\n"), None);
        assert_eq!(collected("valgrind: no such file"), None);
    }
}
