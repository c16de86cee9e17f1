//! `cargo xtask demo`: streams a recording through the bundled plugin and names each note.

use std::process::ExitCode;

use clap::Parser;
use tocco_bench::demo::command::{self, DemoArguments};
use tocco_bench::program;

#[derive(Parser)]
#[command(bin_name = "cargo xtask demo")]
struct Arguments {
    #[command(flatten)]
    demo: DemoArguments,
}

fn main() -> ExitCode {
    program::run(|| command::run(Arguments::parse().demo))
}
