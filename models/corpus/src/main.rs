//! `tocco-corpus`: what the analysis makes of a recording.

use std::process::ExitCode;

use clap::Parser;
use tocco_corpus::command::Command;

/// What the analysis makes of a recording.
#[derive(Parser)]
#[command(name = "tocco-corpus", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // Whoever reads may have had enough: `… | head`.
    sigpipe::reset();
    match Arguments::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
