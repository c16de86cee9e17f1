//! `bfcc`: Bark-frequency cepstral coefficients.

use super::bark_spectrum;
use super::cosine_transform::CosineTransform;

/// The cosine transform of the Bark bands as they are: linear, without a logarithm (timbreID
/// `bfcc~.c` with normalisation on).
pub(super) struct Bfcc {
    transform: CosineTransform,
}

impl Bfcc {
    /// Prepares the coefficients of the Bark bands for `sample_rate` hertz. Allocates.
    pub(super) fn new(sample_rate: f64) -> Self {
        Self {
            transform: CosineTransform::new(bark_spectrum::n_bands(sample_rate)),
        }
    }

    /// Coefficient `i`, counted from 0, of `bark_bands`, `[n_bands]`. Real-time safe.
    pub(super) fn coefficient(&self, i: usize, bark_bands: &[f64]) -> f32 {
        self.transform.coefficient(i, bark_bands) as f32
    }
}
