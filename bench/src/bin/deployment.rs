//! `cargo xtask bench deployment`: the paper's deployment test.

use std::fmt::Display;
use std::hint::spin_loop;
use std::process::{self, ExitCode};
use std::{io, thread};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use tocco_bench::deployment::report::{Callbacks, HEADER, Report, Row};
use tocco_bench::deployment::{Deployment, Playing, run};
use tocco_bench::program;
use tocco_engines::EngineId;

/// Notes of a full run: the paper's (section 3.4).
const NOTES: usize = 768;
/// Notes of a quick one.
const QUICK_NOTES: usize = 96;

/// Streams notes in real time through the bundled plugin, at 48 kHz and 64 samples a block, with
/// each engine and network: how late the results are, what the callback takes, processor and
/// memory. The paper's polling worker runs beside our classifier thread.
///
/// All five engines with three networks take about 18 minutes, with --quick about 3. Measure on an
/// idle machine, or with --overload on one that is made busy on every core. Fails if a result was
/// lost or went to another note.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench deployment",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo xtask bench deployment --json > deployment.json\n  \
        cargo xtask bench deployment --engine native --model a --model b --overload\n  \
        cargo xtask bench deployment --quick --wake armed --wake futex\n  \
        cargo xtask bench deployment --engine native --isolated-core 1"
)]
struct Arguments {
    #[command(flatten)]
    measurement: Measurement,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Args)]
struct Measurement {
    /// Notes to play in each run [default: 768, with --quick 96]
    #[arg(long)]
    notes: Option<usize>,
    /// Milliseconds from one note to the next, played as whole blocks (1.3 ms) and a third of one; the paper
    /// has 2000
    #[arg(long, default_value_t = 45.0, value_parser = spacing)]
    spacing_ms: f64,
    /// Only this engine; may be given several times [default: all there are]
    #[arg(long, value_name = "ID")]
    engine: Vec<EngineId>,
    /// Only this network; may be given several times
    #[arg(long, value_name = "ID", default_values = ["a", "b", "c"])]
    model: Vec<String>,
    /// How the classifier thread is woken: polling (the paper's), armed (ours), futex
    #[arg(long, value_name = "WAY", default_values = ["polling", "armed"], value_parser = ["polling", "armed", "futex"])]
    wake: Vec<String>,
    /// Few notes: to see it run, not to judge by
    #[arg(long)]
    quick: bool,
    /// Keep every core busy with another process meanwhile
    #[arg(long)]
    overload: bool,
    /// Leave this core to the audio thread and put every other thread on one core together, as where
    /// cores are isolated (`isolcpus`)
    #[arg(long, value_name = "CORE")]
    isolated_core: Option<usize>,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// What this program does as its own child.
#[derive(Subcommand)]
enum Child {
    /// One run in this process
    #[command(hide = true)]
    Single {
        engine: EngineId,
        model: String,
        wake: String,
        notes: usize,
        spacing_ms: f64,
        isolated_core: Option<usize>,
    },
    /// Keeps a core busy until it is killed or its input ends
    #[command(hide = true)]
    Spin,
}

fn spacing(text: &str) -> Result<f64> {
    match text.parse() {
        // The plugin's shortest time between onsets is 20 ms unless set otherwise.
        Ok(value) if value >= 25.0 && f64::is_finite(value) => Ok(value),
        _ => bail!("expected 25 or more"),
    }
}

fn main() -> ExitCode {
    program::run(|| perform(Arguments::parse()))
}

fn perform(arguments: Arguments) -> Result<()> {
    match arguments.child {
        Some(Child::Single {
            engine,
            model,
            wake,
            notes,
            spacing_ms,
            isolated_core,
        }) => {
            let playing = Playing::new(notes, spacing_ms);
            let findings = run::measure(engine, &model, &wake, playing, isolated_core)?;
            println!("{}", serde_json::to_string(&findings)?);
            Ok(())
        }
        Some(Child::Spin) => {
            thread::spawn(|| {
                // Nothing is ever written: it ends with the program that began this one.
                let _ = io::copy(&mut io::stdin(), &mut io::sink());
                process::exit(0);
            });
            loop {
                spin_loop();
            }
        }
        None => compare(arguments.measurement),
    }
}

fn compare(measurement: Measurement) -> Result<()> {
    let Measurement {
        notes,
        spacing_ms,
        engine,
        model,
        wake,
        quick,
        overload,
        isolated_core,
        json,
    } = measurement;
    let notes = notes.unwrap_or(if quick { QUICK_NOTES } else { NOTES });
    let playing = Playing::new(notes, spacing_ms);
    let deployment = Deployment {
        playing,
        engines: if engine.is_empty() {
            EngineId::ALL.to_vec()
        } else {
            engine
        },
        models: model,
        wakes: wake,
        overload,
        isolated_core,
    };
    let print = |line: &dyn Display| {
        if json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    };
    print(&HEADER);
    let findings = deployment.run(|run| print(&Row(run)))?;
    let report = Report::new(playing, overload, findings);
    print(&Callbacks(&report.runs));
    print(&format_args!(
        "\n{} notes every {:.1} ms{}; {}, {} cores",
        playing.notes,
        playing.spacing_ms,
        if overload { ", every core busy" } else { "" },
        report.machine.processor,
        report.machine.cores
    ));
    for absent in &report.absent {
        eprintln!(
            "not measured: {} with {}: {}",
            absent.engine, absent.model, absent.reason
        );
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    let faulty = report.runs.iter().filter(|run| !run.is_complete());
    let faulty: Vec<String> = faulty
        .map(|run| format!("{} with {}, {}", run.engine, run.model, run.wake))
        .collect();
    if !faulty.is_empty() {
        bail!(
            "results were lost or went to another note: {}",
            faulty.join("; ")
        );
    }
    Ok(())
}
