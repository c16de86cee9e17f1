//! RTNeural's JSON: `in_shape` and the layers with their weights as Keras gives them, the kernel
//! of a dense layer being `[inputs][outputs]`.
//!
//! Source: the format that RTNeural's `model_utils.py` writes, as its documentation has it.

use serde::Serialize;

use super::folded::{FoldedActivation, FoldedLayer, FoldedNetwork};

#[derive(Serialize)]
struct Model<'a> {
    in_shape: (Batch, usize),
    layers: Vec<DenseLayer<'a>>,
}

/// The size of the batch, which stays open: `null`.
type Batch = ();

#[derive(Serialize)]
struct DenseLayer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    activation: &'static str,
    shape: (Batch, usize),
    /// Kernel `[inputs][outputs]` and bias `[outputs]`.
    weights: (Vec<Vec<f32>>, &'a [f32]),
}

pub(super) fn write(network: &FoldedNetwork) -> Vec<u8> {
    let model = Model {
        in_shape: ((), network.n_inputs()),
        layers: network.layers.iter().map(dense).collect(),
    };
    let mut text = serde_json::to_vec(&model).expect("plain data is always JSON");
    text.push(b'\n');
    text
}

fn dense(layer: &FoldedLayer) -> DenseLayer<'_> {
    let kernel = (0..layer.inputs)
        .map(|input| {
            layer
                .weight
                .chunks_exact(layer.inputs)
                .map(|row| row[input])
                .collect()
        })
        .collect();
    DenseLayer {
        kind: "dense",
        activation: match layer.activation {
            FoldedActivation::None => "",
            FoldedActivation::Relu => "relu",
            FoldedActivation::Tanh => "tanh",
            FoldedActivation::Sigmoid => "sigmoid",
            FoldedActivation::Softmax => "softmax",
        },
        shape: ((), layer.outputs),
        weights: (kernel, &layer.bias),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_transposed() {
        let network = FoldedNetwork {
            layers: vec![FoldedLayer {
                inputs: 3,
                outputs: 2,
                weight: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                bias: vec![0.1, 0.2],
                activation: FoldedActivation::Relu,
            }],
        };
        assert_eq!(
            String::from_utf8(write(&network)).unwrap(),
            "{\"in_shape\":[null,3],\"layers\":[{\"type\":\"dense\",\"activation\":\"relu\",\
             \"shape\":[null,2],\"weights\":[[[1.0,4.0],[2.0,5.0],[3.0,6.0]],[0.1,0.2]]}]}\n"
        );
    }
}
