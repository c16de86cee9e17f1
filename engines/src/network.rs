//! A checked network, independent of the file it came from and of the engine that will run it.
//!
//! Everything that builds a [`Network`] checks that the layers fit each other and that their
//! parameters have the sizes they claim, so that engines and exporters need not.
//!
//! # Steps
//! A network is evaluated in steps: one input vector `[n_inputs]`, one output vector
//! `[n_outputs]`. For a classifier a step is a note, and the steps have nothing to do with each
//! other. Recurrent layers and causal convolutions see the steps as time and remember earlier
//! ones; before the first step, and after a reset, everything remembered is zero.
//!
//! Layers that move by more than one step of time at once (a stride in time, pooling over time)
//! give a new output only at some steps. At the others all layers behind them rest, and the
//! network's output stays what it was (zero before the first). So every new output is that of the
//! framework which evaluates the whole signal at once.
//!
//! # Blocks
//! Some layers have layers of their own: [`Layer::Residual`] adds what they make of a vector to that
//! vector, [`Layer::Skip`] to the skip sum. This is a second vector of the step, beside the one that
//! passes from layer to layer. It begins empty, [`Layer::Skip`] adds to it, [`Layer::SkipSum`] goes
//! on with it and leaves it empty. A WaveNet is made of these, [`Layer::Conv1d`], [`Layer::Gated`]
//! and [`Layer::Condition`].
//!
//! Source: van den Oord et al., "WaveNet: a generative model for raw audio", 2016.
//!
//! # Frames
//! Two-dimensional layers see the vector of a step as a frame `[features, channels]`, the channel
//! index running fastest, which is Keras' order.

mod activation;
mod builder;
mod condition;
mod conv1d;
mod conv2d;
pub(crate) mod flat;
pub(crate) mod fold;
mod linear;
mod max_pool;
mod recurrent;

pub use activation::Activation;
pub(crate) use builder::{Block, Builder, DEEPEST, Misfit};
pub use condition::Condition;
pub use conv1d::Conv1d;
pub use conv2d::{CausalConv2d, Conv2d, Padding};
pub use linear::{BatchNorm, Dense};
pub use max_pool::{MaxPool, MaxPool2d};
pub use recurrent::{Gru, Lstm};

/// Layers with their parameters as trained: nothing folded, nothing packed.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) n_inputs: usize,
    pub(crate) n_outputs: usize,
    pub(crate) layers: Vec<Layer>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// `y = W x + b`.
    Dense(Dense),
    /// Batch normalisation in its inference form.
    BatchNorm(BatchNorm),
    /// A function of each element, or of the whole vector for softmax.
    Activation(Activation),
    /// `y = x` above zero, `alpha x` below; `alpha` `[size]`, repeated if `x` is longer.
    Prelu(Vec<f32>),
    /// Causal convolution over time.
    Conv1d(Conv1d),
    /// Convolution of frames, causal over time.
    CausalConv2d(CausalConv2d),
    /// Gated recurrent unit.
    Gru(Gru),
    /// Long short-term memory.
    Lstm(Lstm),
    /// Largest value over time and features.
    MaxPool(MaxPool),
    /// Goes on with the first values of the network's input as a patch `[frames, bands, channels]`
    /// and leaves the rest for [`Layer::ConcatSide`]. Only as the first layer.
    Split([usize; 3]),
    /// Appends the values that [`Layer::Split`] left.
    ConcatSide,
    /// `y = x + gain u`, `u` being the network's first input, of a network with one output.
    AddInput {
        /// `gain`.
        gain: f32,
    },
    /// Convolution of one patch, without memory.
    Conv2d(Conv2d),
    /// Largest value over a patch's frames and bands, without memory.
    MaxPool2d(MaxPool2d),
    /// `y_i = tanh(x_i) sigmoid(x_{n + i})`: `[2 n]` to `[n]`.
    Gated,
    /// Adds a linear function of the network's input.
    Condition(Condition),
    /// `y = x + f(x)`, `f` being the layers inside.
    Residual(Vec<Layer>),
    /// `y = x`; adds `f(x)` to the skip sum, `f` being the layers inside, which may be none.
    Skip(Vec<Layer>),
    /// `y` is the skip sum, which is empty afterwards.
    SkipSum,
}

impl Layer {
    /// Number of parameters, see [`Network::parameter_count`].
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.weight.len() + dense.bias.len(),
            Self::BatchNorm(norm) => 4 * norm.size(),
            Self::Prelu(alpha) => alpha.len(),
            Self::Conv1d(conv) => conv.weight.len() + conv.bias.len(),
            Self::CausalConv2d(conv) => conv.weight.len() + conv.bias.len(),
            Self::Conv2d(conv) => conv.weight.len() + conv.bias.len(),
            Self::Gru(gru) => {
                gru.kernel.len()
                    + gru.recurrent.len()
                    + gru.input_bias.len()
                    + gru.recurrent_bias.len()
            }
            Self::Lstm(lstm) => lstm.kernel.len() + lstm.recurrent.len() + lstm.bias.len(),
            Self::Condition(condition) => condition.weight.len(),
            Self::Residual(layers) | Self::Skip(layers) => {
                layers.iter().map(Self::parameter_count).sum()
            }
            Self::Activation(_)
            | Self::Gated
            | Self::SkipSum
            | Self::MaxPool(_)
            | Self::MaxPool2d(_)
            | Self::Split(_)
            | Self::ConcatSide
            | Self::AddInput { .. } => 0,
        }
    }
}

impl Network {
    /// Length of the input, `[n_inputs]`.
    #[must_use]
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Length of the output, `[n_outputs]`.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// The layers in the order in which they are evaluated.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What lies before the last dense layer and the softmax that follows it: the network that makes
    /// embeddings. `None` if the network does not end so, or nothing lies before. Allocates.
    #[must_use]
    pub fn before_head(&self) -> Option<Self> {
        match &self.layers[..] {
            [
                before @ ..,
                Layer::Dense(dense),
                Layer::Activation(Activation::Softmax { .. }),
            ] if !before.is_empty() => Some(Self {
                n_inputs: self.n_inputs,
                n_outputs: dense.inputs,
                layers: before.to_vec(),
            }),
            _ => None,
        }
    }

    /// How much of the input [`Layer::Split`] sends through the layers: all of it without one.
    #[must_use]
    pub fn split(&self) -> usize {
        match self.layers.first() {
            Some(Layer::Split(patch)) => patch.iter().product(),
            _ => self.n_inputs,
        }
    }

    /// Number of parameters as Keras counts them: the two statistics of batch normalisation,
    /// which training does not touch by gradient, are parameters as well.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.layers.iter().map(Layer::parameter_count).sum()
    }
}
