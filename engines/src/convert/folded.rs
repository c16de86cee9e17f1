//! A network as the operations that the formats write: batch normalisation folded, shapes known.

use super::{Format, Unconvertible};
use crate::network::fold::{Step, fold};
use crate::network::{Activation, Conv2d, Dense, Layer, MaxPool2d, Network, Padding};

/// Operations in the order in which they are evaluated.
#[derive(Debug, PartialEq)]
pub(super) struct FoldedNetwork {
    pub(super) n_inputs: usize,
    pub(super) n_outputs: usize,
    pub(super) stages: Vec<Stage>,
}

/// An operation and what comes out of it.
#[derive(Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) operation: Operation,
    pub(super) output: Shape,
}

/// Shape of a value, without the batch of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[n]`
    Vector(usize),
    /// `[frames, bands, channels]`
    Patch([usize; 3]),
}

/// What is done to the value.
#[derive(Debug, PartialEq)]
pub(super) enum Operation {
    /// `W x + b`.
    Dense(Dense),
    Relu,
    Tanh,
    Sigmoid,
    /// Over a vector; its temperature is folded into what comes before.
    Softmax,
    LeakyRelu(f32),
    Elu(f32),
    /// One alpha for each channel, or for each value.
    Prelu(Vec<f32>),
    /// `scale x + shift`, one of each for each channel, or for each value.
    ScaleShift(Vec<f32>, Vec<f32>),
    /// The first values of the network's input as a patch.
    Split([usize; 3]),
    Conv2d(Conv2d),
    MaxPool2d(MaxPool2d),
    /// The patch as a vector, the channel running fastest.
    Flatten,
    /// Appends the network's inputs from this one on.
    ConcatSide(usize),
}

impl Shape {
    /// Number of values.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Vector(n) => n,
            Self::Patch(sizes) => sizes.iter().product(),
        }
    }

    fn channels(self) -> usize {
        match self {
            Self::Vector(n) | Self::Patch([_, _, n]) => n,
        }
    }

    /// `[1, n]` or `[1, frames, bands, channels]`.
    pub(super) fn sizes(self) -> Vec<usize> {
        match self {
            Self::Vector(n) => vec![1, n],
            Self::Patch([frames, bands, channels]) => vec![1, frames, bands, channels],
        }
    }

    /// Parameters of an operation on values of this shape, for a format that keeps channels
    /// before frames and bands: their sizes `[n]`, `[channels, 1, 1]` or
    /// `[channels, frames, bands]`, and the parameters in that order.
    pub(super) fn channels_first(self, parameters: &[f32]) -> (Vec<usize>, Vec<f32>) {
        match self {
            Self::Patch([frames, bands, channels]) if parameters.len() != channels => {
                let mut turned = Vec::with_capacity(parameters.len());
                for channel in 0..channels {
                    turned.extend(parameters.iter().skip(channel).step_by(channels));
                }
                (vec![channels, frames, bands], turned)
            }
            Self::Patch([_, _, channels]) => (vec![channels, 1, 1], parameters.to_vec()),
            Self::Vector(n) => (vec![n], parameters.to_vec()),
        }
    }
}

impl FoldedNetwork {
    /// Folds batch normalisation into its neighbours as `native` does.
    ///
    /// # Errors
    /// When the network has a layer with memory: the files are of networks without.
    pub(super) fn new(network: &Network, format: Format) -> Result<Self, Unconvertible> {
        let mut stages = Stages {
            shape: Shape::Vector(network.n_inputs()),
            list: Vec::new(),
        };
        for step in fold(network) {
            match step {
                Step::ScaleShift(affine) => {
                    let scale = affine.iter().map(|(scale, _)| *scale as f32).collect();
                    let shift = affine.iter().map(|(_, shift)| *shift as f32).collect();
                    stages.scale_shift(scale, shift);
                }
                Step::Kept(_) => {
                    let layer = "one with layers inside (residual, skip)";
                    return Err(Unconvertible::new(layer, format));
                }
                Step::Layer(layer) => stages.layer(layer, network, format)?,
            }
        }
        stages.flatten();
        Ok(Self {
            n_inputs: network.n_inputs(),
            n_outputs: network.n_outputs(),
            stages: stages.list,
        })
    }
}

struct Stages {
    shape: Shape,
    list: Vec<Stage>,
}

impl Stages {
    fn push(&mut self, operation: Operation, output: Shape) {
        self.shape = output;
        self.list.push(Stage { operation, output });
    }

    fn flatten(&mut self) {
        if let Shape::Patch(_) = self.shape {
            self.push(Operation::Flatten, Shape::Vector(self.shape.len()));
        }
    }

    /// Parameters that repeat within a vector, one for each of its values: a frame of channels that lies in
    /// it as a vector.
    fn for_each_value(&self, parameters: Vec<f32>) -> Vec<f32> {
        match self.shape {
            Shape::Vector(n) => parameters.iter().copied().cycle().take(n).collect(),
            Shape::Patch(_) => parameters,
        }
    }

    fn scale_shift(&mut self, scale: Vec<f32>, shift: Vec<f32>) {
        let [scale, shift] = [scale, shift].map(|parameters| self.for_each_value(parameters));
        self.push(Operation::ScaleShift(scale, shift), self.shape);
    }

    fn layer(
        &mut self,
        layer: Layer,
        network: &Network,
        format: Format,
    ) -> Result<(), Unconvertible> {
        let same = self.shape;
        match layer {
            Layer::Dense(dense) => {
                self.flatten();
                let outputs = dense.outputs;
                self.push(Operation::Dense(dense), Shape::Vector(outputs));
            }
            Layer::Activation(Activation::Softmax { temperature }) => {
                self.flatten();
                self.divide(temperature);
                self.push(Operation::Softmax, self.shape);
            }
            Layer::Activation(Activation::Relu) => self.push(Operation::Relu, same),
            Layer::Activation(Activation::Tanh) => self.push(Operation::Tanh, same),
            Layer::Activation(Activation::Sigmoid) => self.push(Operation::Sigmoid, same),
            Layer::Activation(Activation::LeakyRelu { slope }) => {
                self.push(Operation::LeakyRelu(slope), same);
            }
            Layer::Activation(Activation::Elu { alpha }) => self.push(Operation::Elu(alpha), same),
            Layer::Prelu(alpha) => {
                let alpha = match alpha[..] {
                    [alpha] => vec![alpha; same.channels()],
                    _ => self.for_each_value(alpha),
                };
                self.push(Operation::Prelu(alpha), same);
            }
            Layer::Split(patch) => self.push(Operation::Split(patch), Shape::Patch(patch)),
            Layer::Conv2d(conv) => {
                let [frames, bands] = conv.output_size();
                let output = Shape::Patch([frames, bands, conv.filters]);
                self.push(Operation::Conv2d(conv), output);
            }
            Layer::MaxPool2d(pool) => {
                let [frames, bands] = pool.output_size();
                let output = Shape::Patch([frames, bands, pool.channels]);
                self.push(Operation::MaxPool2d(pool), output);
            }
            Layer::ConcatSide => {
                self.flatten();
                let first = network.split();
                let output = Shape::Vector(self.shape.len() + network.n_inputs() - first);
                self.push(Operation::ConcatSide(first), output);
            }
            Layer::AddInput { .. } => {
                return Err(Unconvertible::new(
                    "the input added to the output (in_skip)",
                    format,
                ));
            }
            Layer::Gated => return Err(Unconvertible::new("gated", format)),
            Layer::Condition(_) => return Err(Unconvertible::new("condition", format)),
            // `fold` leaves none of these.
            Layer::Residual(_) => return Err(Unconvertible::new("residual", format)),
            Layer::Skip(_) | Layer::SkipSum => return Err(Unconvertible::new("skip", format)),
            Layer::BatchNorm(_) => return Err(Unconvertible::new("batch_norm", format)),
            Layer::Conv1d(_) => return Err(Unconvertible::new("conv1d, with memory,", format)),
            Layer::CausalConv2d(_) => {
                return Err(Unconvertible::new("conv2d with memory", format));
            }
            Layer::Gru(_) => return Err(Unconvertible::new("gru", format)),
            Layer::Lstm(_) => return Err(Unconvertible::new("lstm", format)),
            Layer::MaxPool(_) => return Err(Unconvertible::new("max_pool with memory", format)),
        }
        Ok(())
    }

    /// Divides the value by `temperature`, in the dense layer before if there is one.
    fn divide(&mut self, temperature: f32) {
        if temperature == 1.0 {
            return;
        }
        if let Some(Stage {
            operation: Operation::Dense(dense),
            ..
        }) = self.list.last_mut()
        {
            for value in dense.weight.iter_mut().chain(&mut dense.bias) {
                *value /= temperature;
            }
        } else {
            let n = self.shape.len();
            self.scale_shift(vec![1.0 / temperature; n], vec![0.0; n]);
        }
    }
}

/// Zeros before the first and after the last frame and band, `[[before, after]; 2]`.
pub(super) fn zeros(
    size: [usize; 2],
    window: [usize; 2],
    stride: [usize; 2],
    padding: [Padding; 2],
) -> [[usize; 2]; 2] {
    [0, 1].map(|axis| {
        let (n, before) = padding[axis]
            .arrange(size[axis], window[axis], stride[axis])
            .unwrap_or((1, 0));
        let covered = (n - 1) * stride[axis] + window[axis];
        [before, covered.saturating_sub(size[axis] + before)]
    })
}

/// A convolution's weight `[filters, k0, k1, inputs]` as `[filters, inputs, k0, k1]`.
pub(super) fn inputs_before_kernel(conv: &Conv2d) -> Vec<f32> {
    let window = conv.kernel[0] * conv.kernel[1] * conv.inputs;
    conv.weight
        .chunks_exact(window)
        .flat_map(|filter| {
            (0..conv.inputs).flat_map(|input| filter.iter().skip(input).step_by(conv.inputs))
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::BatchNorm;

    fn dense(weight: &[f32], bias: &[f32]) -> Dense {
        Dense {
            inputs: weight.len() / bias.len(),
            outputs: bias.len(),
            weight: weight.to_vec(),
            bias: bias.to_vec(),
        }
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

    fn fold(n_inputs: usize, n_outputs: usize, layers: Vec<Layer>) -> Vec<Operation> {
        let network = Network {
            n_inputs,
            n_outputs,
            layers,
        };
        let folded = FoldedNetwork::new(&network, Format::Onnx).unwrap();
        let operations = folded.stages.into_iter().map(|stage| stage.operation);
        operations.collect()
    }

    const RELU: Layer = Layer::Activation(Activation::Relu);

    #[test]
    fn a_normalisation_goes_into_the_next_dense_layer() {
        let layers = vec![
            Layer::Dense(dense(&[1.0, 2.0], &[0.0, 0.0])),
            RELU,
            norm(&[2.0, 3.0], &[10.0, 20.0]),
            Layer::Dense(dense(&[1.0, 1.0], &[0.5])),
        ];
        assert_eq!(
            fold(1, 1, layers),
            [
                Operation::Dense(dense(&[1.0, 2.0], &[0.0, 0.0])),
                Operation::Relu,
                Operation::Dense(dense(&[2.0, 3.0], &[30.5])),
            ]
        );
    }

    #[test]
    fn a_normalisation_without_dense_neighbours_stays() {
        let layers = vec![norm(&[2.0, 3.0], &[1.0, 5.0]), RELU];
        assert_eq!(
            fold(2, 2, layers),
            [
                Operation::ScaleShift(vec![2.0, 3.0], vec![1.0, 5.0]),
                Operation::Relu
            ]
        );
    }

    #[test]
    fn the_temperature_of_a_softmax_divides_what_comes_before_it() {
        let softmax = Layer::Activation(Activation::Softmax { temperature: 2.0 });
        let layer = Layer::Dense(dense(&[1.0, 2.0], &[4.0, 6.0]));
        assert_eq!(
            fold(1, 2, vec![layer, softmax.clone()]),
            [
                Operation::Dense(dense(&[0.5, 1.0], &[2.0, 3.0])),
                Operation::Softmax
            ]
        );
        assert_eq!(
            fold(1, 1, vec![RELU, softmax]),
            [
                Operation::Relu,
                Operation::ScaleShift(vec![0.5], vec![0.0]),
                Operation::Softmax,
            ]
        );
    }

    #[test]
    fn zeros_are_those_that_the_window_reaches() {
        let zeros = |padding| zeros([13, 24], [3, 3], [2, 2], [padding; 2]);
        assert_eq!(zeros(Padding::Valid), [[0, 0], [0, 0]]);
        assert_eq!(zeros(Padding::Same), [[1, 1], [0, 1]]);
        assert_eq!(zeros(Padding::Explicit(1)), [[1, 1], [1, 0]]);
    }
}
