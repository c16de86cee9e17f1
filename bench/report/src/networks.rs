//! Recurrent and convolutional networks at audio rate, in every engine that can run them: blocks of
//! a signal, the engines taking turns on one core.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tocco_bench::recurrent::shape::Shape;
use tocco_bench::statistics::{self, Spread};
use tocco_engines::WeightFormat;
use tocco_engines::convert::{Format, convert_signal};
use tocco_engines::native::{NativeEngine, NativeOptions};
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::network::Network;
use tocco_engines::{Engine, foreign, rtneural};

use crate::budget::Budget;
use crate::random::Random;

/// Steps of a block.
pub const BLOCK: usize = tocco_bench::recurrent::BLOCK;

/// Timed blocks before it is the next engine's turn.
const SERIES: usize = 10;

/// The shapes that audio effects use: recurrent ones of RTNeural's own comparison, two stacks of
/// convolutions.
const RECURRENT: [&str; 4] = ["lstm-16", "lstm-40", "gru-16", "gru-32"];
const CONVOLUTIONAL: [&str; 2] = ["conv1d-8x3", "wavenet-8x8"];

/// How often each engine has its turn.
pub fn turns(budget: Budget) -> usize {
    budget.choose(200, 40, 2)
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Networks {
    /// Steps of a block.
    pub block: usize,
    /// Engines with networks.
    pub rows: Vec<Row>,
    /// What could not be measured.
    pub absent: Vec<Absent>,
}

/// An engine with a network.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name of the engine.
    pub engine: String,
    /// Name of the network.
    pub network: String,
    /// What the weights are stored as.
    pub weights: String,
    /// One step of a block, ns.
    pub step_ns: Spread,
}

/// An engine without a network.
#[derive(Debug, Serialize, Deserialize)]
pub struct Absent {
    /// Name of the engine.
    pub engine: String,
    /// Name of the network.
    pub network: String,
    /// Why.
    pub reason: String,
}

struct Contestant {
    network: &'static str,
    weights: WeightFormat,
    engine: Box<dyn Engine>,
    /// Whether the engine takes a whole block as one input.
    whole: bool,
    times: Vec<f64>,
}

/// Measures, each engine `turns` times.
///
/// # Errors
/// If an engine fails.
pub fn run(turns: usize, core: usize) -> Result<Networks> {
    #[cfg(target_os = "linux")]
    tocco_bench::inference::pin_to_core(core)?;
    #[cfg(not(target_os = "linux"))]
    let _ = core;
    let mut contestants = Vec::new();
    let mut absent = Vec::new();
    for name in RECURRENT.into_iter().chain(CONVOLUTIONAL) {
        let network = network(name)?;
        let mut add = |weights, engine, whole| {
            contestants.push(Contestant {
                network: name,
                weights,
                engine,
                whole,
                times: Vec::new(),
            });
        };
        let exact = NativeEngine::new(&network);
        let bytes = exact.weight_bytes();
        add(WeightFormat::F32, Box::new(exact), false);
        let f16 = NativeOptions {
            weights: WeightFormat::F16,
            ..NativeOptions::default()
        };
        let coarse = NativeEngine::with_options(&network, f16);
        if coarse.weight_bytes() != bytes {
            add(WeightFormat::F16, Box::new(coarse), false);
        }
        let mut missing = |engine: &str, reason: String| {
            absent.push(Absent {
                engine: engine.to_owned(),
                network: name.to_owned(),
                reason,
            });
        };
        match NativeFixedEngine::new(&network, name) {
            Ok(fixed) => add(WeightFormat::F32, Box::new(fixed), false),
            Err(error) => missing("native-fixed", error.to_string()),
        }
        for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
            let engine = format.engine();
            let loaded = convert_signal(&network, format, BLOCK)
                .map_err(|error| error.to_string())
                .and_then(|signal| {
                    foreign::load_bytes(engine, &signal.model, name, BLOCK)
                        .map_err(|error| error.to_string())
                });
            match loaded {
                Ok(engine) => add(WeightFormat::F32, engine, true),
                Err(reason) => missing(engine.name(), reason),
            }
        }
    }
    let signal: Vec<f32> = (0..BLOCK).map(|i| 0.5 * (0.2 * i as f32).sin()).collect();
    for turn in 0..turns {
        for index in statistics::order(contestants.len(), turn) {
            contestants[index].run(&signal)?;
        }
    }
    let rows = contestants.iter().map(|contestant| Row {
        engine: contestant.engine.name().to_owned(),
        network: contestant.network.to_owned(),
        weights: contestant.weights.name().to_owned(),
        step_ns: Spread::of(&contestant.times),
    });
    Ok(Networks {
        block: BLOCK,
        rows: rows.collect(),
        absent,
    })
}

impl Contestant {
    fn run(&mut self, signal: &[f32]) -> Result<()> {
        let mut outputs = [0.0; BLOCK];
        // The first is untimed: it brings the engine back into the caches.
        for timed in 0..=SERIES {
            let start = Instant::now();
            if self.whole {
                self.engine.infer(signal, &mut outputs)?;
            } else {
                self.engine.process_block(signal, &mut outputs)?;
            }
            let elapsed = start.elapsed();
            if timed > 0 {
                self.times.push(elapsed.as_secs_f64() * 1e9 / BLOCK as f64);
            }
        }
        let finite = outputs.iter().all(|y| y.is_finite());
        ensure!(
            finite,
            "{} with {}: {outputs:?}",
            self.engine.name(),
            self.network
        );
        Ok(())
    }
}

/// A network of the name; its weights are no pattern.
fn network(name: &str) -> Result<Network> {
    let convolutions: &[(usize, usize)] = match name {
        // Kernel and dilation of each layer.
        "conv1d-8x3" => &[(3, 1), (3, 1), (3, 1)],
        "wavenet-8x8" => &[
            (3, 1),
            (3, 2),
            (3, 4),
            (3, 8),
            (3, 16),
            (3, 32),
            (3, 64),
            (3, 128),
        ],
        recurrent => return recurrent.parse::<Shape>()?.network(),
    };
    let mut random = Random::new();
    let mut layers: Vec<Value> = Vec::new();
    let mut inputs = 1;
    for &(kernel, dilation) in convolutions {
        let weights = [
            random.array(&[kernel, inputs, 8], 0.4),
            random.array(&[8], 0.1),
        ];
        layers.push(json!({
            "type": "conv1d", "activation": "tanh", "shape": [null, null, 8],
            "kernel_size": [kernel], "dilation": [dilation], "weights": weights,
        }));
        inputs = 8;
    }
    let weights = [random.array(&[8, 1], 0.4), random.array(&[1], 0.1)];
    layers.push(json!({
        "type": "dense", "activation": "", "shape": [null, null, 1], "weights": weights,
    }));
    let file = json!({"in_shape": [null, null, 1], "layers": layers}).to_string();
    Ok(rtneural::parse(file.as_bytes(), name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_maps_one_sample_to_one() {
        for name in RECURRENT.into_iter().chain(CONVOLUTIONAL) {
            let network = network(name).unwrap();
            assert_eq!((network.n_inputs(), network.n_outputs()), (1, 1), "{name}");
        }
    }
}
