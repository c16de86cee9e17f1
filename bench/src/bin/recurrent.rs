//! `cargo xtask bench recurrent`: how long one step of a recurrent network takes.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
#[cfg(target_os = "linux")]
use tocco_bench::inference::pin_to_core;
use tocco_bench::machine::Machine;
use tocco_bench::program;
use tocco_bench::recurrent::instructions::Counter;
use tocco_bench::recurrent::shape::Shape;
use tocco_bench::recurrent::{compare, counted_steps, make};

/// Times one step of LSTM, GRU and WaveNet networks with one input and one output, in every engine
/// that can run them, step by step and in blocks of 64: in one process on one core, the engines
/// taking turns. Beside them stands plain scalar code, the yardstick between machines, and RTNeural's
/// times, which are quoted. onnx, litert and torch begin anew with each step or block, because their
/// files have no state.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench recurrent",
    after_help = "Examples:\n  \
        cargo xtask bench recurrent --json > recurrent.json\n  \
        cargo xtask bench recurrent --quick --network lstm-40"
)]
struct Arguments {
    /// Fewer runs, and no instructions counted
    #[arg(long)]
    quick: bool,
    /// Only this network, such as lstm-40, gru-32, wavenet-tanh or wavenet-gated; may be given several times
    #[arg(long, value_name = "NAME")]
    network: Vec<Shape>,
    /// The processor core to run on
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
    /// Only run this engine, for Valgrind to count
    #[arg(long, hide = true, value_name = "ENGINE")]
    count: Option<String>,
    #[arg(long, hide = true)]
    in_blocks: bool,
}

fn main() -> ExitCode {
    program::run(|| perform(&Arguments::parse()))
}

fn perform(arguments: &Arguments) -> Result<()> {
    let shapes = if arguments.network.is_empty() {
        Shape::all()
    } else {
        arguments.network.clone()
    };
    if let Some(name) = &arguments.count {
        for shape in shapes {
            let mut engine = make(name, &shape.network()?)?;
            counted_steps(&mut *engine, arguments.in_blocks)?;
        }
        return Ok(());
    }
    let machine = Machine::this();
    #[cfg(target_os = "linux")]
    pin_to_core(arguments.core)?;
    let counter = if arguments.quick {
        None
    } else {
        Counter::new()
    };
    let turns = if arguments.quick { 10 } else { 100 };
    let report = compare(machine, &shapes, turns, counter.as_ref())?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
