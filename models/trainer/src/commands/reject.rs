//! The command `reject`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::architecture::Architecture;
use crate::evaluation::protocol::Run;
use crate::evaluation::rejection::{measure, train_on_all};
use crate::progress::Progress;
use crate::rejection::material::{hear, recordings};
use anyhow::Result;
use clap::Args;
use tocco_engines::EngineId;

use super::corpora::{Data, SEED, threads};
use super::packages::load;

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
    /// Train on all and put what was trained into the packages
    #[arg(long)]
    write: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Folder of the model packages
    #[arg(long, value_name = "DIR", default_value_os_t = tocco_engines::shipped::models_folder())]
    models: PathBuf,
    /// Begins all random numbers
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Trainings at the same time; by default as many as there are processors
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Measures, and trains if asked to.
///
/// # Errors
/// When a recording or a package cannot be read, or a package cannot be written.
pub fn run(arguments: &RejectArguments) -> Result<()> {
    let progress = Progress::on_screen();
    let threads = threads(arguments.threads);
    let first = Architecture::find(&arguments.model)?;
    let second = first.second.map(Architecture::find).transpose()?;
    let architectures: Vec<&Architecture> = std::iter::once(&first).chain(&second).collect();
    let packages = architectures.iter().map(|a| load(&arguments.models, a.id));
    let packages = packages.collect::<Result<Vec<_>>>()?;
    let corpora = arguments.data.scan()?;
    let recorded = arguments.foreign.as_deref().map(recordings).transpose()?;
    let streams = hear(
        &architectures,
        &corpora.tested,
        corpora.only_trained_on.as_ref(),
        &recorded.unwrap_or_default(),
        arguments.seed,
        threads,
    )?;
    progress.line(format!(
        "{}: {} onsets heard",
        arguments.model,
        streams.iter().map(|s| s.onsets.len()).sum::<usize>()
    ));
    let run = Run {
        engine: EngineId::Native,
        seed: arguments.seed,
        threads,
        progress: &progress,
    };
    let (report, thresholds) = measure(
        &architectures,
        &packages,
        &streams,
        &corpora.tested.players(),
        !arguments.known_kinds,
        run,
    )?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.text());
    }
    if arguments.write {
        let seed = arguments.seed;
        for package in train_on_all(&architectures, &packages, &streams, &thresholds, seed)? {
            let folder = arguments.models.join(&package.manifest.id);
            package.save(&folder)?;
            progress.line(format!("written to {}", folder.display()));
        }
    }
    Ok(())
}
