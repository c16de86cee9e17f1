//! Tocco as a program of its own, on JACK or ALSA.

use std::process::ExitCode;

fn main() -> ExitCode {
    tocco::standalone::run(std::env::args_os())
}
