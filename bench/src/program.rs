//! How the programs of this crate begin and end.

use std::process::ExitCode;

use anyhow::Result;

/// Runs the `work` of a program, which is all that its `main` does. An error is told on stderr, in one line
/// with its causes.
///
/// Where the reader of its output has had enough, as in `… | head`, the program ends without a word: what it
/// starts must end by itself.
pub fn run(work: impl FnOnce() -> Result<()>) -> ExitCode {
    sigpipe::reset();
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
