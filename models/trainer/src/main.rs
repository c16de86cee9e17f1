//! `tocco-trainer`: trains model packages and measures them.

use std::process::ExitCode;

use clap::Parser;
use tocco_trainer::commands::Command;

/// Trains model packages and measures them.
#[derive(Parser)]
#[command(name = "tocco-trainer", disable_help_subcommand = true)]
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
