//! Recurrent layers.

/// Gated recurrent unit with the state `h` `[units]`:
///
/// ```text
/// z = sigmoid(W_z x + b_z + U_z h + c_z)
/// r = sigmoid(W_r x + b_r + U_r h + c_r)
/// n =    tanh(W_h x + b_h + r * (U_h h + c_h))
/// h' = z * h + (1 - z) * n          y = h'
/// ```
///
/// Source: Keras `GRU` with `reset_after = True`, its default, the only form that RTNeural
/// computes; gates in Keras' order z, r, h.
#[derive(Debug, Clone, PartialEq)]
pub struct Gru {
    /// Length of `x`.
    pub inputs: usize,
    /// Length of `h` and `y`.
    pub units: usize,
    /// `W` `[3, units, inputs]`, row-major.
    pub kernel: Vec<f32>,
    /// `U` `[3, units, units]`, row-major.
    pub recurrent: Vec<f32>,
    /// `b` `[3, units]`.
    pub input_bias: Vec<f32>,
    /// `c` `[3, units]`.
    pub recurrent_bias: Vec<f32>,
}

/// Long short-term memory with the states `h` and `c` `[units]`:
///
/// ```text
/// i = sigmoid(W_i x + U_i h + b_i)
/// f = sigmoid(W_f x + U_f h + b_f)
/// g =    tanh(W_c x + U_c h + b_c)
/// o = sigmoid(W_o x + U_o h + b_o)
/// c' = f * c + i * g
/// h' = o * tanh(c')                 y = h'
/// ```
///
/// Source: Keras `LSTM`; gates in Keras' order i, f, c, o.
#[derive(Debug, Clone, PartialEq)]
pub struct Lstm {
    /// Length of `x`.
    pub inputs: usize,
    /// Length of `h`, `c` and `y`.
    pub units: usize,
    /// `W` `[4, units, inputs]`, row-major.
    pub kernel: Vec<f32>,
    /// `U` `[4, units, units]`, row-major.
    pub recurrent: Vec<f32>,
    /// `b` `[4, units]`.
    pub bias: Vec<f32>,
}
