//! What the engines are measured against: the same network in double precision, one plain loop a
//! layer, nothing folded and nothing packed. Allocates; not for the audio thread.

use crate::network::{Activation, Layer, Network};

/// Outputs `[n_outputs]` of `network` for the scaled `features` `[n_inputs]`.
///
/// # Panics
/// When `features` has another length than the network's input.
#[must_use]
pub fn infer(network: &Network, features: &[f32]) -> Vec<f64> {
    assert_eq!(
        features.len(),
        network.n_inputs(),
        "features of the reference network"
    );
    let mut x: Vec<f64> = features.iter().copied().map(f64::from).collect();
    for layer in network.layers() {
        x = match layer {
            Layer::Dense(dense) => dense
                .weight
                .chunks_exact(dense.inputs)
                .zip(&dense.bias)
                .map(|(row, bias)| {
                    let sum: f64 = row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum();
                    sum + f64::from(*bias)
                })
                .collect(),
            Layer::BatchNorm(norm) => x
                .iter()
                .enumerate()
                .map(|(i, x)| {
                    let deviation = (f64::from(norm.variance[i]) + norm.epsilon).sqrt();
                    f64::from(norm.gamma[i]) * (x - f64::from(norm.mean[i])) / deviation
                        + f64::from(norm.beta[i])
                })
                .collect(),
            Layer::Activation(activation) => activate(*activation, &x),
        };
    }
    x
}

fn activate(activation: Activation, x: &[f64]) -> Vec<f64> {
    match activation {
        Activation::Relu => x.iter().map(|x| x.max(0.0)).collect(),
        Activation::Tanh => x.iter().map(|x| x.tanh()).collect(),
        Activation::Sigmoid => x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
        Activation::Softmax { temperature } => {
            let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = x
                .iter()
                .map(|x| ((x - largest) / f64::from(temperature)).exp())
                .collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(|power| power / sum).collect()
        }
    }
}
