//! Largest value of a window.

use super::conv2d::{Padding, output_size};

/// Largest value of each channel over the last `pool_time` steps and a run of `pool_features`
/// features, for frames `[features, channels]`:
///
/// `y[f, c] = max_{k, j} x_{t - k}[f stride_features + j - pad, c]`
///
/// The window moves by `stride_time` steps, so that the first output comes at step
/// `pool_time - 1` and then one at every `stride_time`-th step. One-dimensional pooling is that of
/// frames with one feature.
///
/// Source: Keras `MaxPooling1D` and `MaxPooling2D` with `padding = "valid"` over time; along the
/// features `same` is possible as well, whose padding never is the largest value.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPool {
    /// Features of the input frame.
    pub features: usize,
    /// Channels of both frames.
    pub channels: usize,
    /// Steps in the window.
    pub pool_time: usize,
    /// Features in the window.
    pub pool_features: usize,
    /// Steps from one output to the next.
    pub stride_time: usize,
    /// Input features from one output feature to the next.
    pub stride_features: usize,
    /// Borders along the features.
    pub padding: Padding,
}

impl MaxPool {
    /// Features of the output frame.
    #[must_use]
    pub fn output_features(&self) -> usize {
        self.padding
            .arrange(self.features, self.pool_features, self.stride_features)
            .map_or(0, |(n, _)| n)
    }
}

/// Largest value of each channel over windows of frames and bands of one patch
/// `[frames, bands, channels]`.
///
/// Source: Keras `MaxPooling2D`; padding never is the largest value.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPool2d {
    /// Frames and bands of the input patch.
    pub size: [usize; 2],
    /// Channels of both patches.
    pub channels: usize,
    /// Frames and bands in the window.
    pub pool: [usize; 2],
    /// Strides over frames and bands.
    pub stride: [usize; 2],
    /// Borders of frames and bands.
    pub padding: [Padding; 2],
}

impl MaxPool2d {
    /// Frames and bands of the output patch.
    #[must_use]
    pub fn output_size(&self) -> [usize; 2] {
        output_size(self.size, self.pool, self.stride, self.padding)
    }
}
