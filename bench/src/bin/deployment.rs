//! `cargo xtask bench deployment`: the paper's deployment test.

use std::hint::spin_loop;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use tocco_bench::deployment::report::{HEADER, Report};
use tocco_bench::deployment::{Deployment, run};
use tocco_engines::EngineId;

/// Streams notes in real time through the bundled plugin, at 48 kHz and 64 samples a block, with
/// each engine and network: how late the results are, what the callback takes, processor and
/// memory. The paper's polling worker runs beside our classifier thread.
///
/// The paper plays 768 notes (section 3.4). A run takes about 0.25 s a note. Measure on an idle
/// machine, or with --loaded on one that is made busy on every core.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench deployment",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo xtask bench deployment --json > deployment.json\n  \
        cargo xtask bench deployment --notes 100 --engine native --model a --loaded"
)]
struct Arguments {
    #[command(flatten)]
    measurement: Measurement,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Args)]
struct Measurement {
    /// Notes to play in each run
    #[arg(long, default_value_t = 768)]
    notes: usize,
    /// Only this engine; may be given several times [default: all there are]
    #[arg(long, value_name = "ID")]
    engine: Vec<EngineId>,
    /// Only this network; may be given several times
    #[arg(long, value_name = "ID", default_values = ["a", "b", "c"])]
    model: Vec<String>,
    /// How the classifier thread is woken: polling (the paper's), armed (ours), futex
    #[arg(long, value_name = "WAY", default_values = ["polling", "armed"])]
    wake: Vec<String>,
    /// Keep every core busy with another process meanwhile
    #[arg(long)]
    loaded: bool,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// What this program does as its own child.
#[derive(Subcommand)]
enum Part {
    /// One run in this process
    #[command(hide = true)]
    Single {
        engine: EngineId,
        model: String,
        wake: String,
        notes: usize,
    },
    /// Keeps a core busy until it is killed
    #[command(hide = true)]
    Spin,
}

fn main() -> ExitCode {
    match perform(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: Arguments) -> Result<()> {
    match arguments.part {
        Some(Part::Single {
            engine,
            model,
            wake,
            notes,
        }) => {
            let findings = run::measure(engine, &model, &wake, notes)?;
            println!("{}", serde_json::to_string(&findings)?);
            Ok(())
        }
        Some(Part::Spin) => loop {
            spin_loop();
        },
        None => compare(arguments.measurement),
    }
}

fn compare(measurement: Measurement) -> Result<()> {
    let Measurement {
        notes,
        engine,
        model,
        wake,
        loaded,
        json,
    } = measurement;
    let engines = if engine.is_empty() {
        EngineId::ALL.to_vec()
    } else {
        engine
    };
    let deployment = Deployment {
        notes,
        engines,
        models: model,
        wakes: wake,
        loaded,
    };
    let print = |line: &dyn std::fmt::Display| {
        if json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    };
    print(&HEADER);
    let findings = deployment.run(|run| print(run))?;
    let report = Report::new(notes, loaded, findings);
    for absent in &report.absent {
        eprintln!(
            "not measured: {} with {}: {}",
            absent.engine, absent.model, absent.reason
        );
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(())
}
