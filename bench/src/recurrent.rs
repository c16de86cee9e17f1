//! How long one step of a network at audio rate takes: one input, one output; in RTNeural's own
//! territory, one LSTM or GRU layer and a dense one, and in Neural Amp Modeler's, a WaveNet.

pub mod instructions;
pub mod published;
pub mod report;
pub mod scalar;
pub mod shape;
mod signal;
mod wavenet;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tocco_engines::Engine;
use tocco_engines::WeightFormat;
use tocco_engines::convert::Format;
use tocco_engines::native::{InstructionSet, NativeEngine, NativeOptions};
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::network::Network;

use instructions::Counter;
use report::{Absent, Report, Row};
use scalar::ScalarEngine;
use shape::Shape;
use signal::SignalEngine;

use crate::machine::Machine;
use crate::statistics::{Spread, order};

/// Steps of a block.
pub const BLOCK: usize = 64;

/// Blocks, and as many steps one by one, that are timed before it is the next engine's turn.
const SERIES: usize = 20;

/// When an engine's turn has taken so long, it ends: some need a thousand times as long as others.
const TURN: Duration = Duration::from_millis(20);

/// Steps that are counted.
const COUNTED_STEPS: usize = 6400;

/// The engine of a row, as far as they are ours: `native` and `native-fixed` with a weight format, and
/// the yardstick.
pub const ENGINES: [&str; 4] = ["native", "native-f16", "native-fixed", "scalar"];

/// One engine with one network.
struct Contestant {
    name: &'static str,
    shape: Shape,
    engine: Box<dyn Engine>,
    /// ns a step
    steps: Vec<f64>,
    blocks: Vec<f64>,
}

/// An engine of ours by its name in [`ENGINES`].
///
/// # Errors
/// If there is no such engine, or it has not this shape.
pub fn make(name: &str, network: &Network) -> Result<Box<dyn Engine>> {
    let f16 = NativeOptions {
        weights: WeightFormat::F16,
        ..NativeOptions::default()
    };
    Ok(match name {
        "native" => Box::new(NativeEngine::new(network)),
        "native-f16" => Box::new(NativeEngine::with_options(network, f16)),
        "native-fixed" => Box::new(NativeFixedEngine::new(network, "the benchmark")?),
        "scalar" => Box::new(ScalarEngine::new(network)?),
        _ => anyhow::bail!("no engine \"{name}\"; there are {}", ENGINES.join(", ")),
    })
}

/// Measures `shapes` on `machine`, each engine `turns` times, and counts instructions with
/// `counter`.
///
/// # Errors
/// If an engine fails.
pub fn compare(
    machine: Machine,
    shapes: &[Shape],
    turns: usize,
    counter: Option<&Counter>,
) -> Result<Report> {
    let mut contestants = Vec::new();
    let mut absent: Vec<Absent> = Vec::new();
    for &shape in shapes {
        let network = shape.network()?;
        for name in ENGINES {
            let engine = match make(name, &network) {
                Ok(engine) => engine,
                Err(reason) => {
                    absent.push(Absent {
                        engine: name,
                        network: shape.to_string(),
                        reason: format!("{reason:#}"),
                    });
                    continue;
                }
            };
            let exact = NativeEngine::new(&network).weight_bytes();
            if name == "native-f16" && engine.weight_bytes() == exact {
                continue; // Small layers stay f32.
            }
            contestants.push(Contestant {
                name,
                shape,
                engine,
                steps: Vec::new(),
                blocks: Vec::new(),
            });
        }
        for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
            match SignalEngine::new(&network, format) {
                Ok(engine) => contestants.push(Contestant {
                    name: format.engine().name(),
                    shape,
                    engine: Box::new(engine),
                    steps: Vec::new(),
                    blocks: Vec::new(),
                }),
                Err(reason) => absent.push(Absent {
                    engine: format.engine().name(),
                    network: shape.to_string(),
                    reason,
                }),
            }
        }
    }
    for turn in 0..turns {
        for index in order(contestants.len(), turn) {
            contestants[index].run()?;
        }
        if turn + 1 == turns / 2 {
            eprintln!("half of {turns} turns done");
        }
    }
    let mut rows = Vec::new();
    for contestant in &contestants {
        let ours = ENGINES.contains(&contestant.name);
        let counter = counter.filter(|_| ours);
        let count = |block| counter.and_then(|c| c.count(contestant.name, contestant.shape, block));
        let block_ns = Spread::of(&contestant.blocks);
        rows.push(Row {
            engine: contestant.name,
            network: contestant.shape.to_string(),
            step_ns: Spread::of(&contestant.steps),
            real_time_factor: 1e9 / 48_000.0 / block_ns.median,
            block_ns,
            step_instructions: count(false),
            block_instructions: count(true),
        });
    }
    Ok(Report {
        machine,
        instructions: InstructionSet::best().to_string(),
        block: BLOCK,
        rows,
        absent,
        published: published::RTNEURAL.to_vec(),
    })
}

impl Contestant {
    fn run(&mut self) -> Result<()> {
        let inputs = signal();
        let mut outputs = [0.0; BLOCK];
        // Untimed: brings the engine back into the caches, the code of either way.
        run_steps(&mut *self.engine, &inputs, &mut outputs)?;
        self.engine.process_block(&inputs, &mut outputs)?;
        let begin = Instant::now();
        for _ in 0..SERIES {
            if begin.elapsed() > TURN {
                break;
            }
            let start = Instant::now();
            run_steps(&mut *self.engine, &inputs, &mut outputs)?;
            self.steps.push(per_step(start));
            let start = Instant::now();
            self.engine.process_block(&inputs, &mut outputs)?;
            self.blocks.push(per_step(start));
        }
        let finite = outputs.iter().all(|y| y.is_finite());
        ensure!(finite, "{}, {}: {outputs:?}", self.name, self.shape);
        Ok(())
    }
}

/// ns since `start`, for one of [`BLOCK`] steps.
fn per_step(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / BLOCK as f64
}

/// A block of a decaying tone.
fn signal() -> [f32; BLOCK] {
    std::array::from_fn(|i| 0.5 * (0.2 * i as f32).sin())
}

fn run_steps(engine: &mut dyn Engine, inputs: &[f32], outputs: &mut [f32]) -> Result<()> {
    for (x, y) in inputs.chunks_exact(1).zip(outputs.chunks_exact_mut(1)) {
        engine.infer(x, y)?;
    }
    Ok(())
}

/// What is counted: `COUNTED_STEPS` steps, in blocks or one by one. Callgrind knows it by its name.
///
/// # Errors
/// If the engine fails.
#[inline(never)]
pub fn counted_steps(engine: &mut dyn Engine, in_blocks: bool) -> Result<()> {
    let inputs = signal();
    let mut outputs = [0.0; BLOCK];
    for _ in 0..COUNTED_STEPS / BLOCK {
        if in_blocks {
            engine.process_block(&inputs, &mut outputs)?;
        } else {
            run_steps(engine, &inputs, &mut outputs)?;
        }
    }
    Ok(())
}
