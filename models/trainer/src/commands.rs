//! The commands, one a file.

pub mod calibrate;
pub mod evaluate;
pub mod reject;
pub mod train;

mod corpora;
mod options;
mod packages;
mod unheard;

use anyhow::Result;
use clap::Subcommand;

/// What is trained and measured.
#[derive(Subcommand)]
pub enum Command {
    /// Train model packages from recordings with labels
    ///
    /// Measures each model by both protocols (random-5fold, leave-one-player-out), then trains it
    /// on all notes and writes model.toml, weights.safetensors and the model card README.md. The
    /// same seed gives the same bytes.
    #[command(after_help = train::EXAMPLE)]
    Train(train::TrainArguments),
    /// Measure a model: onsets, accuracy, macro-F1, confusion matrix
    ///
    /// holdout runs the package as it is; the other two protocols train networks of the same
    /// architecture without what they are tested on. JSON: confusion has a row for each technique
    /// that was played and a column for each answer; accuracy is that of the detected notes,
    /// accuracy_with_missed counts a note that was not detected as wrong.
    #[command(after_help = evaluate::EXAMPLES)]
    Evaluate(evaluate::EvaluateArguments),
    /// Measure what a few examples from the player are worth, or write a calibration profile
    ///
    /// Teaches the model so many notes of each technique and tests it on other takes of the same
    /// player. holdout teaches the package as it is; leave-one-player-out trains a network without
    /// each player first.
    #[command(after_help = calibrate::EXAMPLES)]
    Calibrate(calibrate::CalibrateArguments),
    /// Train and measure what tells notes from foreign sounds
    ///
    /// Measures by leave-one-player-out how many onsets in speech, handling and other noise are held back,
    /// and how many notes that costs. With --write the rejection of the model, and of the second one that
    /// amends its answers, is trained on all and put into their packages, which are otherwise left as they
    /// are.
    #[command(after_help = reject::EXAMPLE)]
    Reject(reject::RejectArguments),
}

impl Command {
    /// Does it, and prints what came out.
    ///
    /// # Errors
    /// Names the file or the option, what was expected and what was found.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Train(arguments) => train::run(arguments),
            Self::Evaluate(arguments) => evaluate::run(arguments),
            Self::Calibrate(arguments) => calibrate::run(arguments),
            Self::Reject(arguments) => reject::run(arguments),
        }
    }
}
