//! How the programs of this crate end.

use std::process::ExitCode;

/// The exit code of a program that ends with `result`. An error is told on stderr, in one line with
/// its causes.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
