//! `cargo xtask bench engines`: how long one inference takes, and what weight formats cost.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tocco_bench::inference::feature_vectors::FeatureVectors;
use tocco_bench::inference::{Comparison, agreement};
use tocco_bench::program;

/// Times one inference of every engine with every network of the paper, in one process on one
/// core, the engines taking turns: with warm caches, and with caches that have been emptied, as
/// they are when an inference runs only at a note. Beside them stands the time that merely reading
/// as many bytes takes.
///
/// The networks work on the notes of recordings where there are any, because zeros behind a ReLU
/// are skipped: how many there are depends on the input. A synthesised performance has fewer notes, and
/// nobody played them: it shows that everything works.
///
/// The foreign engines run on one thread, set up for audio. TOCCO_ENGINE_SETTINGS=library-defaults
/// leaves them as they come: then they stand beside native alone.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench engines",
    after_help = "Examples:\n  \
        cargo xtask bench engines --json > engines.json\n  \
        cargo xtask bench engines --quick --model c\n  \
        cargo xtask bench engines --agreement --data ../shared/recordings"
)]
struct Arguments {
    /// Fewer runs: half a minute instead of several
    #[arg(long)]
    quick: bool,
    /// Only this network; may be given several times
    #[arg(long, value_name = "ID", default_values = ["a", "b", "c"])]
    model: Vec<String>,
    /// Folder of recordings with labels [default: ../shared/recordings, or that in TOCCO_SHARED, if it
    /// is there, else a synthesised performance]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Listen to a synthesised performance of 17 s, also where there are recordings
    #[arg(long, conflicts_with = "data")]
    synthesised: bool,
    /// The processor core to run on
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// Turns of each engine with warm caches, 27 inferences each [default: 100, with --quick 12]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    warm_turns: Option<u32>,
    /// Inferences with cold caches [default: 201, with --quick 21]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cold_runs: Option<u32>,
    /// Instead of times: each weight format's results against double precision
    #[arg(long)]
    agreement: bool,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    program::run(|| perform(&Arguments::parse()))
}

fn perform(arguments: &Arguments) -> Result<()> {
    let beside = tocco_recordings::shared().join("recordings");
    let data = arguments.data.clone().or(beside.is_dir().then_some(beside));
    let vectors = match data.filter(|_| !arguments.synthesised) {
        Some(data) => FeatureVectors::from_recordings(&data)?,
        None => FeatureVectors::synthesised(),
    };
    eprintln!("notes from {}", vectors.source);
    if arguments.agreement {
        let table = agreement::compare(&arguments.model, &vectors)?;
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&table)?);
        } else {
            println!("{}", agreement::HEADER);
            table.iter().for_each(|row| println!("{row}"));
        }
        return Ok(());
    }
    let comparison = Comparison {
        models: arguments.model.clone(),
        warm_turns: arguments
            .warm_turns
            .unwrap_or(if arguments.quick { 12 } else { 100 }) as usize,
        cold_runs: arguments
            .cold_runs
            .unwrap_or(if arguments.quick { 21 } else { 201 }) as usize,
        core: arguments.core,
    };
    let report = comparison.run(&vectors)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
