//! A checked network, independent of the file it came from and of the engine that will run it.
//!
//! Everything that builds a [`Network`] checks that the layers fit each other and that their
//! parameters have the sizes they claim, so that engines and exporters need not.

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
    /// A function without parameters.
    Activation(Activation),
}

/// `y = W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Length of `x`.
    pub inputs: usize,
    /// Length of `y`.
    pub outputs: usize,
    /// `W` `[outputs, inputs]`, row-major.
    pub weight: Vec<f32>,
    /// `b` `[outputs]`.
    pub bias: Vec<f32>,
}

/// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// `[size]`
    pub gamma: Vec<f32>,
    /// `[size]`
    pub beta: Vec<f32>,
    /// `[size]`
    pub mean: Vec<f32>,
    /// `[size]`, not negative
    pub variance: Vec<f32>,
    /// Guard against a variance of zero, positive.
    pub epsilon: f64,
}

impl BatchNorm {
    /// Length of `x` and `y`.
    #[must_use]
    pub fn size(&self) -> usize {
        self.gamma.len()
    }

    /// The same as `y_i = scale_i x_i + shift_i`: (scale, shift) of element `i`, in double
    /// precision.
    #[must_use]
    pub fn scale_and_shift(&self, i: usize) -> (f64, f64) {
        let scale = f64::from(self.gamma[i]) / (f64::from(self.variance[i]) + self.epsilon).sqrt();
        (
            scale,
            f64::from(self.beta[i]) - f64::from(self.mean[i]) * scale,
        )
    }
}

/// A function without parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `exp(x_i / T) / sum_j exp(x_j / T)`.
    Softmax {
        /// `T`, positive.
        temperature: f32,
    },
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

    /// Number of parameters as Keras counts them: the two statistics of batch normalisation,
    /// which training does not touch by gradient, are parameters as well.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| match layer {
                Layer::Dense(dense) => dense.weight.len() + dense.bias.len(),
                Layer::BatchNorm(norm) => 4 * norm.size(),
                Layer::Activation(_) => 0,
            })
            .sum()
    }
}
