//! One program for who has no Rust: `tocco demo`, `tocco evaluate` and what else there is.
//!
//! What a command does is in the library of the crate that does it, and `cargo xtask` calls the same. Here
//! is what a program needs that is no part of a checkout: it finds its models and bundles
//! ([`installation`]), and speaks of itself by its own name ([`wording`]).

pub mod installation;
pub mod wording;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tocco_bench::demo::command::{self as demo, DemoArguments};
use tocco_corpus::command as corpus;

/// Tocco on the command line: plays recordings to the plugin, measures and makes models, fetches engines.
#[derive(Parser)]
#[command(name = "tocco", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Stream a recording through the plugin and name each note as it comes
    Demo(DemoArguments),
    #[command(flatten)]
    Trainer(tocco_trainer::commands::Command),
    #[command(flatten)]
    Corpus(corpus::Command),
    #[command(flatten)]
    Engines(tocco_engine_tools::Command),
}

/// Whether `word` is the name of a command, for a program that does other things, too.
#[must_use]
pub fn is_command(word: &OsStr) -> bool {
    // The command line is not to be made for that: its defaults would be fixed before it is known where
    // the models lie.
    wording::COMMANDS.iter().any(|known| *known == word)
}

/// Runs the command that `arguments` name after the program's own name, and tells errors on stderr.
///
/// To be called while no other thread of the process runs.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // SAFETY: no other thread runs, as was asked for.
    unsafe { installation::tell() };
    // Whoever reads may have had enough: `… | head`.
    sigpipe::reset();
    let matches = wording::of_the_program(Arguments::command()).get_matches_from(arguments);
    let done = Arguments::from_arg_matches(&matches)
        .map_err(anyhow::Error::from)
        .and_then(|arguments| perform(arguments.command));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", wording::own(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Trainer(command) => command.run(),
        Command::Corpus(command) => command.run(),
        Command::Engines(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent_and_speak_of_this_program() {
        let mut command = wording::of_the_program(Arguments::command());
        command.clone().debug_assert();
        command.build();
        for sub in command.get_subcommands_mut() {
            let help = sub.render_long_help().to_string();
            assert!(!help.contains("cargo xtask"), "{help}");
        }
    }

    #[test]
    fn commands_are_told_from_options() {
        let command = Arguments::command();
        let mut names: Vec<&str> = command.get_subcommands().map(|c| c.get_name()).collect();
        let mut known = wording::COMMANDS;
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
        for word in known {
            assert!(is_command(OsStr::new(word)), "{word}");
        }
        for word in ["--headless", "help", ""] {
            assert!(!is_command(OsStr::new(word)), "{word}");
        }
    }
}
