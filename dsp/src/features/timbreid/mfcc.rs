//! `mfcc`: mel-frequency cepstral coefficients.

use super::cosine_transform::CosineTransform;
use super::filterbank::Filterbank;
use super::fourier_transform::N_BINS;
use super::scale::Scale;

/// The mel scale with timbreID's default spacing, to its end there (`MAXMELS`).
pub(super) const SCALE: Scale = Scale {
    spacing: 100.0,
    highest: 3962.0,
    hertz,
};

/// The cosine transform of triangular mel bands as they are: summing up to 1, linear, without a
/// logarithm (timbreID `mfcc~.c` with normalisation on).
pub(super) struct Mfcc {
    filterbank: Filterbank,
    transform: CosineTransform,
}

impl Mfcc {
    /// Builds the bands up to half of `sample_rate` hertz. Allocates.
    pub(super) fn new(sample_rate: f64) -> Self {
        Self {
            filterbank: Filterbank::new(&SCALE.boundaries(sample_rate), sample_rate),
            transform: CosineTransform::new(SCALE.n_bands(sample_rate)),
        }
    }

    /// Computes the mel bands of `magnitudes`, `[N_BINS]`. Real-time safe.
    pub(super) fn compute(&mut self, magnitudes: &[f64; N_BINS]) {
        self.filterbank.compute(magnitudes);
    }

    /// Coefficient `i`, counted from 0; all are 0 in silence. Real-time safe.
    pub(super) fn coefficient(&self, i: usize) -> f32 {
        self.transform.coefficient(i, self.filterbank.bands()) as f32
    }
}

/// Mel to hertz: f = 700 (exp(m / 1127) - 1) (timbreID `tIDLib_mel2freq`).
fn hertz(mel: f64) -> f64 {
    700.0 * (mel / 1127.0).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_coefficient_is_the_sum_of_the_bands() {
        let mut mfcc = Mfcc::new(48_000.0);
        mfcc.compute(&[0.25; N_BINS]);
        assert!((mfcc.coefficient(0) - 1.0).abs() < 1e-6);
        mfcc.compute(&[0.0; N_BINS]);
        assert_eq!(mfcc.coefficient(0), 0.0);
    }

    #[test]
    fn a_thousand_hertz_are_about_a_thousand_mel() {
        assert!((hertz(1_000.0) - 1_000.0).abs() < 1.0);
    }
}
