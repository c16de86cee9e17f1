//! The command `reject`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use tocco_engines::EngineId;
use tocco_recognizer::rejection::DEFAULT_STRICTNESS;

use super::corpora::Data;
use super::options::{ReportOptions, TrainingOptions};
use super::packages::load;
use crate::architecture::Architecture;
use crate::evaluation::protocol::Run;
use crate::evaluation::rejection::{measure, train_on_all};
use crate::progress::Progress;
use crate::rejection::material::{hear, recordings};

/// An example of the command line.
pub const EXAMPLE: &str =
    "Example: cargo xtask reject --data ../shared/recordings --model tocco --json";

/// Options of `reject`.
#[derive(Args)]
pub struct RejectArguments {
    #[command(flatten)]
    data: Data,
    /// The model's id
    #[arg(long, value_name = "ID")]
    model: String,
    /// Folder of WAV files of sounds that are no guitar, to test with and never to train on
    #[arg(long, value_name = "DIR")]
    foreign: Option<PathBuf>,
    /// Leave no kinds of made sounds out, which is four times as quick and says less
    #[arg(long)]
    known_kinds: bool,
    /// How strictly foreign sounds are rejected in the figures by player, technique and kind of sound, 0
    /// to 1: the parameter "Reject foreign sounds", by default as delivered
    #[arg(long, value_name = "X", default_value_t = DEFAULT_STRICTNESS)]
    strictness: f32,
    /// Train on all and put what was trained into the packages; those that came with an installed Tocco are
    /// not replaced: name others with --models
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    training: TrainingOptions,
}

/// Measures, and trains if asked to.
///
/// # Errors
/// When a recording or a package cannot be read, or a package cannot be written.
pub fn run(arguments: &RejectArguments) -> Result<()> {
    ensure!(
        (0.0..=1.0).contains(&arguments.strictness),
        "--strictness: expected 0 to 1, found {}; 0 rejects nothing, {DEFAULT_STRICTNESS} is as delivered",
        arguments.strictness
    );
    if arguments.write {
        arguments.report.check_writing()?;
    }
    let models = arguments.report.models();
    let progress = Progress::on_screen();
    let threads = arguments.training.threads();
    let first = Architecture::find(&arguments.model)?;
    let second = first.second.map(Architecture::find).transpose()?;
    let architectures: Vec<&Architecture> = std::iter::once(&first).chain(&second).collect();
    let packages = architectures.iter().map(|a| load(&models, a.id));
    let packages = packages.collect::<Result<Vec<_>>>()?;
    let corpora = arguments.data.scan()?;
    let players = corpora.players()?;
    let recorded = arguments.foreign.as_deref().map(recordings).transpose()?;
    progress.line(format!(
        "{}: hears the recordings, notes played from them, and foreign sounds",
        arguments.model
    ));
    let streams = hear(
        &architectures,
        &corpora.tested,
        corpora.only_trained_on.as_ref(),
        &recorded.unwrap_or_default(),
        arguments.training.seed,
        threads,
    )?;
    progress.line(format!(
        "{}: {} onsets heard",
        arguments.model,
        streams.iter().map(|s| s.onsets.len()).sum::<usize>()
    ));
    let run = Run {
        engine: EngineId::Native,
        seed: arguments.training.seed,
        threads,
        progress: &progress,
    };
    let (report, thresholds) = measure(
        &architectures,
        &packages,
        &streams,
        &players,
        !arguments.known_kinds,
        arguments.strictness,
        run,
    )?;
    if arguments.report.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.text());
    }
    if arguments.write {
        let seed = arguments.training.seed;
        for package in train_on_all(&architectures, &packages, &streams, &thresholds, seed)? {
            let folder = models.join(&package.manifest.id);
            package.save(&folder)?;
            progress.line(format!("written to {}", folder.display()));
        }
    }
    Ok(())
}
