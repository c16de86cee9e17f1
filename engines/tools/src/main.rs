//! `tocco-engine-tools`: installs engine libraries, converts models, runs model files.

use std::process::ExitCode;

use clap::Parser;
use tocco_engine_tools::Command;

/// Engine libraries, model formats, model files.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
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
