//! Which operations each engine has, answered by trying: a model file for each, run and compared
//! with the reference in double precision.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tocco_engines::convert::{Format, convert_signal};
use tocco_engines::native::NativeEngine;
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::network::Network;
use tocco_engines::reference::Reference;
use tocco_engines::{Engine, EngineId, LoadError, foreign, rtneural};

use crate::random::Random;

/// Steps of the signal that an operation is tried on.
const STEPS: usize = 16;

/// Largest difference from double precision that counts as the same, relative to the larger of 1
/// and the value.
const TOLERANCE: f64 = 1e-5;

/// The paper's list of the most common layers and activations, in its order.
pub const OPERATIONS: [&str; 14] = [
    "Dense",
    "GRU",
    "LSTM",
    "Conv1D",
    "Conv2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Batch normalization",
    "TanH",
    "Sigmoid",
    "Softmax",
    "ReLU",
    "Leaky ReLU",
    "PReLU",
];

/// What became of an operation in an engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// The paper's name of it.
    pub operation: String,
    /// Name of the engine.
    pub engine: String,
    /// Whether the engine gives what double precision gives; nothing where it was not tried.
    pub works: Option<bool>,
    /// Largest difference from double precision.
    pub difference: Option<f64>,
    /// Why it does not work or was not tried.
    pub reason: Option<String>,
}

/// Tries every operation in every engine.
///
/// # Errors
/// When a model file of ours is at fault.
pub fn run() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for name in OPERATIONS {
        let (network, file) = network(name)?;
        for id in EngineId::ALL {
            eprintln!("operations: {name} in {id}");
            trials.push(trial(name, &network, &file, id));
        }
    }
    Ok(trials)
}

fn trial(name: &str, network: &Network, file: &str, id: EngineId) -> Trial {
    let mut trial = Trial {
        operation: name.to_owned(),
        engine: id.name().to_owned(),
        works: None,
        difference: None,
        reason: None,
    };
    match difference(network, file, id) {
        Ok(difference) => {
            trial.works = Some(difference <= TOLERANCE);
            trial.difference = Some(difference);
            if difference > TOLERANCE {
                trial.reason = Some(format!("differs by {difference:.1e}"));
            }
        }
        Err(Obstacle::NotTried(reason)) => trial.reason = Some(reason),
        Err(Obstacle::Fails(reason)) => {
            trial.works = Some(false);
            trial.reason = Some(reason);
        }
    }
    trial
}

/// Why an operation has no result.
enum Obstacle {
    /// The engine or a file for it is not there.
    NotTried(String),
    /// The engine refuses the file or fails.
    Fails(String),
}

impl From<LoadError> for Obstacle {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Engine { .. } => Self::NotTried(error.to_string()),
            error => Self::Fails(error.to_string()),
        }
    }
}

fn difference(network: &Network, file: &str, id: EngineId) -> Result<f64, Obstacle> {
    let width = network.n_inputs();
    let inputs = Random::new().numbers(STEPS * width, 1.0);
    let mut reference = Reference::new(network);
    let expected: Vec<Vec<f64>> = inputs.chunks(width).map(|x| reference.step(x)).collect();
    let format = Format::ALL.into_iter().find(|format| format.engine() == id);
    let (found, first, stride) = match (id, format) {
        (EngineId::Onnx | EngineId::LiteRt | EngineId::Torch, Some(format)) => {
            let signal = convert_signal(network, format, STEPS)
                .map_err(|error| Obstacle::NotTried(error.to_string()))?;
            let mut engine = foreign::load_bytes(id, &signal.model, "the trial", inputs.len())?;
            let found = answer(&mut *engine, &inputs)?;
            (found, signal.first, signal.stride)
        }
        _ => {
            // Our own engines read the file and go step by step.
            let read = rtneural::parse(file.as_bytes(), "the trial")?;
            let mut engine: Box<dyn Engine> = match id {
                EngineId::NativeFixed => Box::new(
                    NativeFixedEngine::new(&read, "the trial")
                        .map_err(|error| Obstacle::Fails(error.to_string()))?,
                ),
                _ => Box::new(NativeEngine::new(&read)),
            };
            let sizes = [engine.n_features(), engine.n_classes()];
            if sizes != [width, network.n_outputs()] {
                return Err(Obstacle::Fails(format!(
                    "maps {} values to {}, expected {width} to {}",
                    sizes[0],
                    sizes[1],
                    network.n_outputs()
                )));
            }
            let mut found = Vec::new();
            for step in inputs.chunks(width) {
                found.extend(answer(&mut *engine, step)?);
            }
            (found, 0, 1)
        }
    };
    let pairs = found
        .chunks(network.n_outputs())
        .enumerate()
        .flat_map(|(i, found)| found.iter().zip(&expected[first + i * stride]));
    let differences = pairs.map(|(&found, &expected)| {
        let difference = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
        if difference.is_nan() {
            f64::INFINITY
        } else {
            difference
        }
    });
    Ok(differences.fold(0.0, f64::max))
}

fn answer(engine: &mut dyn Engine, inputs: &[f32]) -> Result<Vec<f32>, Obstacle> {
    let mut outputs = vec![f32::NAN; engine.n_classes()];
    match engine.infer(inputs, &mut outputs) {
        Ok(()) => Ok(outputs),
        Err(error) => Err(Obstacle::Fails(error.to_string())),
    }
}

/// A network with the operation, and its file.
fn network(name: &str) -> Result<(Network, String)> {
    let (in_shape, layers) = operation(name);
    let file = json!({"in_shape": in_shape, "layers": layers(&mut Random::new())}).to_string();
    Ok((rtneural::parse(file.as_bytes(), name)?, file))
}

/// Makes the layers of a file.
type Layers = fn(&mut Random) -> Vec<Value>;

/// The shape that goes into one of [`OPERATIONS`], and its layers.
fn operation(name: &str) -> (Value, Layers) {
    let vector = |n: usize| json!([null, null, n]);
    let frame = json!([null, null, 6, 2]);
    let (in_shape, layers): (Value, Layers) = match name {
        "Dense" => (vector(6), |random| vec![dense(random, 6, 5)]),
        // With a dense output, as audio effects have them.
        "GRU" => (vector(1), |random| {
            let weights = [[1, 24], [8, 24], [2, 24]].map(|sizes| random.array(&sizes, 0.5));
            vec![layer("gru", 8, json!(weights)), dense(random, 8, 1)]
        }),
        "LSTM" => (vector(1), |random| {
            let weights = [&[1, 32][..], &[8, 32], &[32]].map(|sizes| random.array(sizes, 0.5));
            vec![layer("lstm", 8, json!(weights)), dense(random, 8, 1)]
        }),
        "Conv1D" => (vector(3), |random| {
            let weights = [&[3, 3, 4][..], &[4]].map(|sizes| random.array(sizes, 0.5));
            let mut conv = layer("conv1d", 4, json!(weights));
            conv["kernel_size"] = json!([3]);
            conv["dilation"] = json!([2]);
            vec![conv]
        }),
        "Conv2D" => (frame, |random| {
            let weights = [&[2, 3, 2, 4][..], &[4]].map(|sizes| random.array(sizes, 0.5));
            let mut conv = layer("conv2d", 4, json!(weights));
            conv["shape"] = json!([null, null, 4, 4]);
            for (field, value) in [
                ("kernel_size_time", 2),
                ("kernel_size_feature", 3),
                ("dilation", 1),
                ("strides", 1),
                ("num_filters_in", 2),
                ("num_features_in", 6),
                ("num_filters_out", 4),
            ] {
                conv[field] = json!(value);
            }
            conv["padding"] = json!("valid");
            vec![conv]
        }),
        "MaxPooling1D" => (vector(3), |_| {
            let mut pool = layer("maxpool1d", 3, json!([]));
            pool["pool_size"] = json!([2]);
            pool["strides"] = json!([2]);
            vec![pool]
        }),
        "MaxPooling2D" => (frame, |_| {
            let mut pool = layer("maxpool2d", 2, json!([]));
            pool["shape"] = json!([null, null, 3, 2]);
            pool["pool_size"] = json!([2, 2]);
            pool["strides"] = json!([2, 2]);
            vec![pool]
        }),
        "Batch normalization" => (vector(6), |random| {
            let [gamma, beta, mean] = [(); 3].map(|()| random.array(&[6], 1.0));
            let variance: Vec<f32> = random.numbers(6, 0.4).iter().map(|v| v + 0.5).collect();
            let mut norm = layer("batchnorm", 6, json!([gamma, beta, mean, variance]));
            norm["epsilon"] = json!(0.001);
            vec![norm]
        }),
        "Leaky ReLU" => (vector(6), |_| {
            let mut leaky = layer("leakyrelu", 6, json!([]));
            leaky["alpha"] = json!(0.2);
            vec![leaky]
        }),
        "PReLU" => (vector(6), |random| {
            vec![layer("prelu", 6, json!([random.array(&[1, 6], 0.5)]))]
        }),
        "TanH" => (vector(6), |_| vec![activation("tanh")]),
        "Sigmoid" => (vector(6), |_| vec![activation("sigmoid")]),
        "Softmax" => (vector(6), |_| vec![activation("softmax")]),
        _ => (vector(6), |_| vec![activation("relu")]),
    };
    (in_shape, layers)
}

fn layer(kind: &str, n: usize, weights: Value) -> Value {
    json!({"type": kind, "activation": "", "shape": [null, null, n], "weights": weights})
}

fn dense(random: &mut Random, inputs: usize, outputs: usize) -> Value {
    let weights = [
        random.array(&[inputs, outputs], 0.5),
        random.array(&[outputs], 0.5),
    ];
    layer("dense", outputs, json!(weights))
}

fn activation(name: &str) -> Value {
    json!({"type": "activation", "activation": name, "shape": [null, null, 6], "weights": []})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_has_every_operation_and_a_wrong_answer_is_noticed() {
        for name in OPERATIONS {
            let (network, file) = network(name).unwrap();
            let found = trial(name, &network, &file, EngineId::Native);
            assert_eq!(found.works, Some(true), "{found:?}");
            // Another network's file is not what the reference computes.
            let other = if name == "TanH" { "Sigmoid" } else { "TanH" };
            let (_, file) = super::network(other).unwrap();
            let found = trial(name, &network, &file, EngineId::Native);
            assert_eq!(found.works, Some(false), "{found:?}");
        }
    }
}
