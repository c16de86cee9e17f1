//! Convolution over time.

/// Causal convolution over time, one step at once:
///
/// `y_t[o] = b[o] + sum_k sum_i W[o, k, i] x_{t - (kernel - 1 - k) dilation}[i]`
///
/// with `x = 0` before the first step. It is what deep learning calls a convolution: the kernel is
/// not reversed, its last tap meets the newest input.
///
/// With `groups` above 1 the inputs and outputs are cut into that many equal runs, and each run of
/// outputs sees only its run of inputs. With a `stride` there is a new output at the first step
/// and at every `stride`-th after it.
///
/// Source: Keras `Conv1D` with `padding = "causal"` (kernel `[kernel, inputs / groups, outputs]`),
/// which is what RTNeural computes whatever padding the file's author trained with; the stride as
/// in RTNeural's pull request 145 (one forward step, then `stride - 1` steps that only remember).
#[derive(Debug, Clone, PartialEq)]
pub struct Conv1d {
    /// Length of `x_t`, a multiple of `groups`.
    pub inputs: usize,
    /// Length of `y_t`, a multiple of `groups`.
    pub outputs: usize,
    /// Number of taps.
    pub kernel: usize,
    /// Steps between two taps.
    pub dilation: usize,
    /// Steps from one output to the next.
    pub stride: usize,
    /// Number of groups.
    pub groups: usize,
    /// `W` `[outputs, kernel, inputs / groups]`, row-major.
    pub weight: Vec<f32>,
    /// `b` `[outputs]`.
    pub bias: Vec<f32>,
}

impl Conv1d {
    /// Steps that the layer looks at, the present one included.
    #[must_use]
    pub fn history(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }
}
