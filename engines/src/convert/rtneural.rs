//! RTNeural's JSON: `in_shape` and the layers with their weights as Keras gives them, the kernel
//! of a dense layer being `[inputs][outputs]`.
//!
//! RTNeural's convolutions and poolings have memory, so patches, which have none, are refused.
//!
//! Source: the format that RTNeural's `model_utils.py` writes, as its documentation has it.

use serde_json::{Value, json};

use super::folded::{FoldedNetwork, Operation};
use super::{Format, Unconvertible};
use crate::network::Dense;

/// # Errors
/// When an operation is not one of RTNeural's.
pub(super) fn write(network: &FoldedNetwork) -> Result<Vec<u8>, Unconvertible> {
    let mut layers: Vec<Value> = Vec::new();
    let mut activated = true;
    for stage in &network.stages {
        let size = stage.output.len();
        let name = match &stage.operation {
            Operation::Dense(dense) => {
                layers.push(kernel_and_bias(dense));
                activated = false;
                continue;
            }
            // Exactly scale x + shift: a mean of 0 and a deviation of 1.
            Operation::ScaleShift(scale, shift) => {
                layers.push(json!({
                    "type": "batchnorm", "activation": "", "shape": [null, size],
                    "weights": [scale, shift, vec![0.0; size], vec![1.0; size]],
                    "epsilon": 1e-30,
                }));
                activated = true;
                continue;
            }
            // Keras shares an alpha over the time, whose axis its weight keeps: `[1, n]`.
            Operation::Prelu(alpha) => {
                layers.push(json!({
                    "type": "prelu", "activation": "", "shape": [null, size], "weights": [[alpha]],
                }));
                activated = true;
                continue;
            }
            Operation::Relu => "relu",
            Operation::Tanh => "tanh",
            Operation::Sigmoid => "sigmoid",
            Operation::Softmax => "softmax",
            Operation::Elu(1.0) => "elu",
            Operation::Elu(alpha) => {
                return Err(refused(format_args!("elu with alpha {alpha}")));
            }
            Operation::LeakyRelu(_) => return Err(refused("leaky_relu")),
            Operation::Split(_) => return Err(refused("split")),
            Operation::Conv2d(_) => return Err(refused("conv2d of a patch, without memory,")),
            Operation::MaxPool2d(_) => return Err(refused("max_pool2d")),
            Operation::Flatten => return Err(refused("flatten")),
            Operation::ConcatSide(_) => return Err(refused("concat_side")),
        };
        match layers.last_mut() {
            Some(layer) if !activated => layer["activation"] = json!(name),
            _ => layers.push(json!({
                "type": "activation", "activation": name, "shape": [null, size], "weights": [],
            })),
        }
        activated = true;
    }
    let model = json!({"in_shape": [null, network.n_inputs], "layers": layers});
    let mut text = model.to_string().into_bytes();
    text.push(b'\n');
    Ok(text)
}

fn refused(layer: impl ToString) -> Unconvertible {
    Unconvertible::new(layer, Format::RtNeural)
}

/// A layer with its kernel `[inputs][outputs]` and its bias `[outputs]`.
fn kernel_and_bias(dense: &Dense) -> Value {
    let kernel: Vec<Vec<f32>> = (0..dense.inputs)
        .map(|input| {
            dense
                .weight
                .chunks_exact(dense.inputs)
                .map(|row| row[input])
                .collect()
        })
        .collect();
    json!({
        "type": "dense", "activation": "", "shape": [null, dense.outputs],
        "weights": [kernel, dense.bias],
    })
}

#[cfg(test)]
mod tests {
    use super::super::folded::{Shape, Stage};
    use super::*;

    #[test]
    fn the_kernel_is_transposed_and_the_activation_joins_its_layer() {
        let dense = Dense {
            inputs: 3,
            outputs: 2,
            weight: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            bias: vec![0.5, 0.25],
        };
        let stage = |operation| Stage {
            operation,
            output: Shape::Vector(2),
        };
        let network = FoldedNetwork {
            n_inputs: 3,
            n_outputs: 2,
            stages: vec![stage(Operation::Dense(dense)), stage(Operation::Relu)],
        };
        let written: Value = serde_json::from_slice(&write(&network).unwrap()).unwrap();
        assert_eq!(
            written,
            json!({"in_shape": [null, 3], "layers": [{
                "type": "dense", "activation": "relu", "shape": [null, 2],
                "weights": [[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], [0.5, 0.25]],
            }]})
        );
    }

    /// RTNeural takes the lists as deep as its exporter writes them. Ours reads others, too, so that
    /// reading a file again does not tell.
    #[test]
    fn lists_lie_as_deep_in_each_other_as_those_of_the_exporter() {
        let stage = |operation| Stage {
            operation,
            output: Shape::Vector(3),
        };
        let dense = Dense {
            inputs: 3,
            outputs: 3,
            weight: vec![0.5; 9],
            bias: vec![0.25; 3],
        };
        for (operation, golden) in [
            (Operation::Dense(dense), "dense_1_3"),
            (Operation::Prelu(vec![0.25, 0.5, 0.75]), "prelu_3"),
            (
                Operation::ScaleShift(vec![2.0; 3], vec![1.0; 3]),
                "batchnorm_3",
            ),
        ] {
            let network = FoldedNetwork {
                n_inputs: 3,
                n_outputs: 3,
                stages: vec![stage(operation)],
            };
            let written: Value = serde_json::from_slice(&write(&network).unwrap()).unwrap();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
            let exported = std::fs::read(format!("{folder}/{golden}.json")).unwrap();
            let exported: Value = serde_json::from_slice(&exported).unwrap();
            let [written, exported] =
                [written, exported].map(|model| depths(&model["layers"][0]["weights"]));
            assert!(exported.iter().all(|depth| *depth > 0), "{golden}");
            assert_eq!(written, exported, "{golden}");
        }
    }

    /// How deep the numbers of each of the `weights` lie.
    fn depths(weights: &Value) -> Vec<usize> {
        let depth = |mut list: &Value| {
            let mut depth = 0;
            while list.is_array() {
                list = &list[0];
                depth += 1;
            }
            depth
        };
        weights.as_array().unwrap().iter().map(depth).collect()
    }
}
