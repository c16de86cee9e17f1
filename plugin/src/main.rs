//! Tocco as a program of its own, on JACK or ALSA, and what else there is on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // `tocco demo` and the like; all else is for playing.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| tocco_cli::is_command(&word))
    {
        return tocco_cli::run(std::env::args_os());
    }
    tocco::standalone::run(std::env::args_os())
}
