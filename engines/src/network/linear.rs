//! Dense layers and batch normalisation.

/// `y = W x + b`.
///
/// Source: Keras `Dense` (whose kernel is `[inputs, outputs]`), PyTorch `Linear` (stored as here).
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
///
/// One set of parameters a channel: of a vector that is longer than [`BatchNorm::size`], element
/// `i` belongs to channel `i % size`.
///
/// Source: Keras `BatchNormalization` with `axis = -1`, in inference.
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
    /// Number of channels.
    #[must_use]
    pub fn size(&self) -> usize {
        self.gamma.len()
    }

    /// The same as `y = scale x + shift`: (scale, shift) of channel `i`, in double precision.
    #[must_use]
    pub fn scale_and_shift(&self, i: usize) -> (f64, f64) {
        let scale = f64::from(self.gamma[i]) / (f64::from(self.variance[i]) + self.epsilon).sqrt();
        (
            scale,
            f64::from(self.beta[i]) - f64::from(self.mean[i]) * scale,
        )
    }
}
