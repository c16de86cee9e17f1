//! A network as dense layers, each with one activation: what all formats have in common.

use super::Unconvertible;
use crate::native::fold::{Step, fold};
use crate::network::{Activation, Dense, Layer, Network};

/// Dense layers in the order in which they are evaluated; at least one.
#[derive(Debug, PartialEq)]
pub(super) struct FoldedNetwork {
    pub(super) layers: Vec<FoldedLayer>,
}

/// `y = activation(W x + b)`.
#[derive(Debug, PartialEq)]
pub(super) struct FoldedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `W` `[outputs, inputs]`, row-major.
    pub(super) weight: Vec<f32>,
    /// `b` `[outputs]`.
    pub(super) bias: Vec<f32>,
    pub(super) activation: FoldedActivation,
}

/// What follows a dense layer. The temperature of a softmax is folded into the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldedActivation {
    None,
    Relu,
    Tanh,
    Sigmoid,
    Softmax,
}

impl FoldedNetwork {
    /// Folds batch normalisation into its neighbours as `native` does. One that has no dense
    /// neighbour, and an activation that follows none, get a diagonal dense layer.
    ///
    /// # Errors
    /// When the network has a layer that is neither dense nor batch normalisation nor one of the
    /// activations of [`FoldedActivation`].
    pub(super) fn new(network: &Network) -> Result<Self, Unconvertible> {
        let mut layers: Vec<FoldedLayer> = Vec::new();
        let mut size = network.n_inputs();
        for (i, step) in fold(network).into_iter().enumerate() {
            match step {
                Step::Layer(Layer::Dense(dense)) => {
                    size = dense.outputs;
                    layers.push(FoldedLayer::new(dense));
                }
                Step::ScaleShift(affine) => {
                    let scale: Vec<f32> = affine.iter().map(|(scale, _)| *scale as f32).collect();
                    let shift = affine.iter().map(|(_, shift)| *shift as f32).collect();
                    layers.push(FoldedLayer::diagonal(&scale, shift));
                }
                Step::Layer(Layer::Activation(activation)) => {
                    if !matches!(layers.last(), Some(layer) if layer.activation == FoldedActivation::None)
                    {
                        layers.push(FoldedLayer::diagonal(&vec![1.0; size], vec![0.0; size]));
                    }
                    if let Some(layer) = layers.last_mut() {
                        layer.activate(activation, i)?;
                    }
                }
                Step::Layer(_) => return Err(Unconvertible { step: i }),
            }
        }
        if layers.is_empty() {
            layers.push(FoldedLayer::diagonal(&vec![1.0; size], vec![0.0; size]));
        }
        Ok(Self { layers })
    }

    pub(super) fn n_inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    pub(super) fn n_outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }
}

impl FoldedLayer {
    fn new(dense: Dense) -> Self {
        Self {
            inputs: dense.inputs,
            outputs: dense.outputs,
            weight: dense.weight,
            bias: dense.bias,
            activation: FoldedActivation::None,
        }
    }

    /// `y_i = scale_i x_i + shift_i`.
    fn diagonal(scale: &[f32], shift: Vec<f32>) -> Self {
        let n = scale.len();
        let mut weight = vec![0.0; n * n];
        for (i, &scale) in scale.iter().enumerate() {
            weight[i * n + i] = scale;
        }
        Self {
            inputs: n,
            outputs: n,
            weight,
            bias: shift,
            activation: FoldedActivation::None,
        }
    }

    fn activate(&mut self, activation: Activation, step: usize) -> Result<(), Unconvertible> {
        self.activation = match activation {
            Activation::Relu => FoldedActivation::Relu,
            Activation::Tanh => FoldedActivation::Tanh,
            Activation::Sigmoid => FoldedActivation::Sigmoid,
            Activation::Softmax { temperature } => {
                for value in self.weight.iter_mut().chain(&mut self.bias) {
                    *value /= temperature;
                }
                FoldedActivation::Softmax
            }
            Activation::LeakyRelu { .. } | Activation::Elu { .. } => {
                return Err(Unconvertible { step });
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::BatchNorm;

    fn dense(weight: &[f32], bias: &[f32]) -> Layer {
        Layer::Dense(Dense {
            inputs: weight.len() / bias.len(),
            outputs: bias.len(),
            weight: weight.to_vec(),
            bias: bias.to_vec(),
        })
    }

    /// `y = scale x + shift`, with mean 1 and variance 4.
    fn norm(scale: &[f32], shift: &[f32]) -> Layer {
        Layer::BatchNorm(BatchNorm {
            gamma: scale.iter().map(|scale| scale * 2.0).collect(),
            beta: scale
                .iter()
                .zip(shift)
                .map(|(scale, shift)| scale + shift)
                .collect(),
            mean: vec![1.0; scale.len()],
            variance: vec![3.5; scale.len()],
            epsilon: 0.5,
        })
    }

    fn fold(n_inputs: usize, n_outputs: usize, layers: Vec<Layer>) -> Vec<FoldedLayer> {
        let network = Network {
            n_inputs,
            n_outputs,
            layers,
        };
        FoldedNetwork::new(&network).unwrap().layers
    }

    fn folded(weight: &[f32], bias: &[f32], activation: FoldedActivation) -> FoldedLayer {
        FoldedLayer {
            inputs: weight.len() / bias.len(),
            outputs: bias.len(),
            weight: weight.to_vec(),
            bias: bias.to_vec(),
            activation,
        }
    }

    const RELU: Layer = Layer::Activation(Activation::Relu);

    #[test]
    fn a_normalisation_goes_into_the_next_dense_layer() {
        let layers = vec![
            dense(&[1.0, 2.0], &[0.0, 0.0]),
            RELU,
            norm(&[2.0, 3.0], &[10.0, 20.0]),
            dense(&[1.0, 1.0], &[0.5]),
        ];
        assert_eq!(
            fold(1, 1, layers),
            [
                folded(&[1.0, 2.0], &[0.0, 0.0], FoldedActivation::Relu),
                folded(&[2.0, 3.0], &[30.5], FoldedActivation::None),
            ]
        );
    }

    #[test]
    fn a_normalisation_without_dense_neighbours_becomes_a_diagonal_layer() {
        let layers = vec![norm(&[2.0, 3.0], &[1.0, 5.0]), RELU];
        assert_eq!(
            fold(2, 2, layers),
            [folded(
                &[2.0, 0.0, 0.0, 3.0],
                &[1.0, 5.0],
                FoldedActivation::Relu
            )]
        );
    }

    #[test]
    fn the_temperature_of_a_softmax_divides_the_layer_before_it() {
        let softmax = Layer::Activation(Activation::Softmax { temperature: 2.0 });
        assert_eq!(
            fold(1, 2, vec![dense(&[1.0, 2.0], &[4.0, 6.0]), softmax.clone()]),
            [folded(&[0.5, 1.0], &[2.0, 3.0], FoldedActivation::Softmax)]
        );
        assert_eq!(
            fold(1, 1, vec![RELU, softmax]),
            [
                folded(&[1.0], &[0.0], FoldedActivation::Relu),
                folded(&[0.5], &[0.0], FoldedActivation::Softmax),
            ]
        );
    }
}
