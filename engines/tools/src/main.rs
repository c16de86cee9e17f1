//! The command-line tools around the engines; `cargo xtask engines`, `convert` and `infer` call
//! them.

mod convert;
mod infer;
mod install;
mod list;
mod manifest_template;
mod pins;
mod probe;
mod shipped;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

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

#[derive(Subcommand)]
enum Command {
    /// The libraries of the engines onnx, litert and torch
    Engines {
        #[command(subcommand)]
        command: Engines,
    },
    /// Write a model in another format and check the file, or write the manifest of a foreign one
    Convert(convert::ConvertArguments),
    /// Run a model file of any engine over the rows of a CSV file
    Infer(infer::InferArguments),
}

#[derive(Subcommand)]
enum Engines {
    /// Fetch the pinned libraries and build the one for TorchScript
    Install(install::InstallArguments),
    /// Say which engines are present, which are not, and why
    List(list::ListArguments),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match Arguments::parse().command {
        Command::Engines { command } => match command {
            Engines::Install(arguments) => install::run(&arguments),
            Engines::List(arguments) => list::run(&arguments),
        },
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Infer(arguments) => infer::run(&arguments),
    }
}
