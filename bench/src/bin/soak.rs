//! `cargo xtask bench soak`: hours of audio through one instance of the plugin.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use tocco_bench::program;
use tocco_bench::soak;

/// Streams hours of synthesised playing through one instance of the bundled CLAP, offline, while
/// states are loaded, models swapped, and rate and block length change. Fails if memory grows or
/// a note goes uncounted.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench soak")]
struct Arguments {
    /// Hours of audio
    #[arg(long, default_value_t = 8.0)]
    hours: f64,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    program::run(|| run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<()> {
    let findings = soak::run(arguments.hours, |hours, memory_mib| {
        eprintln!("soak: {hours:.2} h, {memory_mib:.1} MiB");
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        println!("{findings:#?}");
    }
    if !findings.failures.is_empty() {
        bail!("{}", findings.failures.join("; "));
    }
    Ok(())
}
