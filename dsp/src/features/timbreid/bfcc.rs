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
            transform: CosineTransform::new(bark_spectrum::SCALE.n_bands(sample_rate)),
        }
    }

    /// Coefficient `i`, counted from 0, of `bark_bands`, `[n_bands]`. Real-time safe.
    pub(super) fn coefficient(&self, i: usize, bark_bands: &[f64]) -> f32 {
        self.transform.coefficient(i, bark_bands) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_in_the_lowest_band_gives_half_a_cosine_step() {
        let bfcc = Bfcc::new(44_100.0);
        let mut bands = [0.0; 50];
        bands[0] = 1.0;
        for i in [0, 1, 25, 49] {
            let expected = (std::f64::consts::PI * i as f64 / 100.0).cos() as f32;
            assert!((bfcc.coefficient(i, &bands) - expected).abs() < 1e-6);
        }
    }
}
