//! `cargo xtask bench instances`: what many instances cost.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use tocco_bench::instances::{HEADER, Instances};
use tocco_bench::program;
use tocco_engines::EngineId;

/// Runs several instances of the bundled CLAP in one host in real time, in silence and with two
/// notes a second: processor time of each kind of thread, and results late. Fails if a note is
/// lost.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench instances",
    after_help = "Example: cargo xtask bench instances --count 1 --count 16 --model b --seconds 5"
)]
struct Arguments {
    /// How many instances; may be given several times
    #[arg(long, default_values_t = [1, 4, 8])]
    count: Vec<usize>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// The engine
    #[arg(long, value_name = "ID", default_value_t = EngineId::Native)]
    engine: EngineId,
    /// The network
    #[arg(long, value_name = "ID", default_value = "a")]
    model: String,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(value) if value >= 2.0 && f64::is_finite(value) => Ok(value),
        _ => bail!("expected 2 or more"),
    }
}

fn main() -> ExitCode {
    program::run(|| run(Arguments::parse()))
}

fn run(arguments: Arguments) -> Result<()> {
    let instances = Instances {
        counts: arguments.count,
        seconds: arguments.seconds,
        engine: arguments.engine,
        model: arguments.model,
    };
    let print = |line: &dyn std::fmt::Display| {
        if arguments.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    };
    print(&HEADER);
    let report = instances.run(|findings| print(findings))?;
    print(&format_args!(
        "\n{} with {}, {} s each; {}, {} cores",
        report.engine, report.model, report.seconds, report.machine.processor, report.machine.cores
    ));
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    let lost: u64 = report.runs.iter().map(|run| run.lost).sum();
    if lost > 0 {
        bail!("{lost} notes were lost");
    }
    Ok(())
}
