//! Convolution over time and frequency.

/// How a convolution or a pooling treats the borders of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// No padding: `ceil((n - kernel + 1) / stride)` outputs.
    Valid,
    /// `ceil(n / stride)` outputs; `max((outputs - 1) stride + kernel - n, 0)` zeros are added,
    /// half of them (rounded down) before the first value. TensorFlow's and Keras' `same`.
    Same,
    /// So many zeros on both sides: `floor((n + 2 pad - kernel) / stride) + 1` outputs. PyTorch's
    /// and burn's way.
    Explicit(usize),
}

impl Padding {
    /// Outputs along an axis of `n` values, and the zeros before the first of them; `None` if the
    /// kernel does not fit or a size is zero.
    #[must_use]
    pub fn arrange(self, n: usize, kernel: usize, stride: usize) -> Option<(usize, usize)> {
        if n == 0 || kernel == 0 || stride == 0 {
            return None;
        }
        match self {
            Self::Valid => Some(((n.checked_sub(kernel)?) / stride + 1, 0)),
            Self::Same => {
                let outputs = n.div_ceil(stride);
                let covered = ((outputs - 1) * stride).checked_add(kernel)?;
                Some((outputs, covered.saturating_sub(n) / 2))
            }
            Self::Explicit(pad) => {
                let padded = pad.checked_mul(2)?.checked_add(n)?;
                Some(((padded.checked_sub(kernel)?) / stride + 1, pad))
            }
        }
    }
}

/// Convolution of frames `[features, inputs]` to frames `[output_features, filters]`, causal over
/// time, one frame a step:
///
/// `y_t[f, o] = b[o] + sum_k sum_j sum_i W[o, k, j, i] x_{t - (kernel_time - 1 - k) dilation}[f stride + j - pad, i]`
///
/// with `x = 0` before the first step and outside the frame.
///
/// Source: Keras `Conv2D` on `[time, features, channels]` (kernel
/// `[kernel_time, kernel_features, inputs, filters]`), whose padding along the features is kept,
/// and along time replaced by zeros in the past; dilation only in time and stride only along the
/// features, as in RTNeural's pull request 89.
#[derive(Debug, Clone, PartialEq)]
pub struct CausalConv2d {
    /// Features of the input frame.
    pub features: usize,
    /// Channels of the input frame.
    pub inputs: usize,
    /// Channels of the output frame.
    pub filters: usize,
    /// Taps over time.
    pub kernel_time: usize,
    /// Taps along the features.
    pub kernel_features: usize,
    /// Steps between two taps over time.
    pub dilation: usize,
    /// Input features from one output feature to the next.
    pub stride: usize,
    /// Borders along the features.
    pub padding: Padding,
    /// `W` `[filters, kernel_time, kernel_features, inputs]`, row-major.
    pub weight: Vec<f32>,
    /// `b` `[filters]`.
    pub bias: Vec<f32>,
}

impl CausalConv2d {
    /// Features of the output frame.
    #[must_use]
    pub fn output_features(&self) -> usize {
        self.padding
            .arrange(self.features, self.kernel_features, self.stride)
            .map_or(0, |(n, _)| n)
    }

    /// Steps that the layer looks at, the present one included.
    #[must_use]
    pub fn history(&self) -> usize {
        (self.kernel_time - 1) * self.dilation + 1
    }
}

/// Convolution of one patch `[frames, bands, inputs]` to a patch `[frames', bands', filters]`:
///
/// `y[t, f, o] = b[o] + sum_k sum_j sum_i W[o, k, j, i] x[t stride_0 + k - pad_0, f stride_1 + j - pad_1, i]`
///
/// with `x = 0` outside the patch.
///
/// Source: Keras `Conv2D`; with [`Padding::Explicit`] PyTorch `Conv2d`, whose weight is stored as
/// `[filters, inputs, kernel_0, kernel_1]` and has to be turned to the order below.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2d {
    /// Frames and bands of the input patch.
    pub size: [usize; 2],
    /// Channels of the input patch.
    pub inputs: usize,
    /// Channels of the output patch.
    pub filters: usize,
    /// Taps over frames and bands.
    pub kernel: [usize; 2],
    /// Strides over frames and bands.
    pub stride: [usize; 2],
    /// Borders of frames and bands.
    pub padding: [Padding; 2],
    /// `W` `[filters, kernel_0, kernel_1, inputs]`, row-major.
    pub weight: Vec<f32>,
    /// `b` `[filters]`.
    pub bias: Vec<f32>,
}

impl Conv2d {
    /// Frames and bands of the output patch.
    #[must_use]
    pub fn output_size(&self) -> [usize; 2] {
        output_size(self.size, self.kernel, self.stride, self.padding)
    }
}

/// Frames and bands after a window of `kernel` has moved over `size`.
pub(super) fn output_size(
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [Padding; 2],
) -> [usize; 2] {
    [0, 1].map(|axis| {
        padding[axis]
            .arrange(size[axis], kernel[axis], stride[axis])
            .map_or(0, |(n, _)| n)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrangements_are_those_of_the_frameworks() {
        // From TensorFlow's definition of its padding algorithms.
        assert_eq!(Padding::Valid.arrange(24, 3, 2), Some((11, 0)));
        assert_eq!(Padding::Same.arrange(24, 3, 2), Some((12, 0)));
        assert_eq!(Padding::Same.arrange(13, 3, 2), Some((7, 1)));
        assert_eq!(Padding::Same.arrange(5, 4, 1), Some((5, 1)));
        assert_eq!(Padding::Explicit(1).arrange(24, 3, 2), Some((12, 1)));
        assert_eq!(Padding::Valid.arrange(2, 3, 1), None);
        assert_eq!(Padding::Same.arrange(2, 3, 0), None);
        assert_eq!(Padding::Explicit(usize::MAX).arrange(2, 3, 1), None);
    }
}
