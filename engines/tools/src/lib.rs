//! The command-line tools around the engines; `cargo xtask engines`, `convert` and `infer` call
//! them, and so does the program `tocco`.

mod convert;
mod infer;
mod install;
mod list;
mod manifest_template;
mod package_names;
mod pins;
mod probe;
pub mod table;
mod verify;

use anyhow::Result;
use clap::Subcommand;

/// Engine libraries, model formats, model files.
#[derive(Subcommand)]
pub enum Command {
    /// The libraries of the engines onnx, litert and torch
    Engines {
        /// What is done with them.
        #[command(subcommand)]
        command: Engines,
    },
    /// Write a model in another format and check the file, or write the manifest of a foreign one
    Convert(convert::ConvertArguments),
    /// Run a model file of any engine over the rows of a CSV file
    Infer(infer::InferArguments),
}

/// Fetches the libraries of engines, or looks for them.
#[derive(Subcommand)]
pub enum Engines {
    /// Fetch the pinned libraries and build the one for TorchScript
    Install(install::InstallArguments),
    /// Say which engines are present, which are not, and why
    List(list::ListArguments),
}

impl Command {
    /// Does it, and prints what came out.
    ///
    /// # Errors
    /// Names the file or the option, what was expected and what was found.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Engines { command } => match command {
                Engines::Install(arguments) => install::run(arguments),
                Engines::List(arguments) => list::run(arguments),
            },
            Self::Convert(arguments) => convert::run(arguments),
            Self::Infer(arguments) => infer::run(arguments),
        }
    }
}
