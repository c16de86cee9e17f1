//! Activation functions.

/// A function of each element, or of the whole vector for softmax.
///
/// Source: `keras.activations`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` above zero, `slope x` below. Keras' default slope is 0.3, PyTorch's 0.01.
    LeakyRelu {
        /// Usually small and positive.
        slope: f32,
    },
    /// `x` above zero, `alpha (exp(x) - 1)` below.
    Elu {
        /// 1 by default in Keras, and always in RTNeural's files.
        alpha: f32,
    },
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
