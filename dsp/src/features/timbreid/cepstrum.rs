//! `cepstrum`: the real cepstrum.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner};

use super::fourier_transform::N_BINS;
use super::window::WINDOW;

/// The inverse Fourier transform of the logarithm of the magnitudes, not squared and without
/// offset (timbreID `cepstrum~.c`). A magnitude of 0 counts as 1, so that silence gives zeros.
pub(super) struct Cepstrum {
    transform: Arc<dyn ComplexToReal<f64>>,
    log_magnitudes: Vec<Complex<f64>>,
    quefrencies: Vec<f64>,
    scratch: Vec<Complex<f64>>,
    scale: f64,
}

impl Cepstrum {
    /// Plans the transform. Allocates.
    pub(super) fn new() -> Self {
        let transform = RealFftPlanner::new().plan_fft_inverse(WINDOW);
        Self {
            log_magnitudes: transform.make_input_vec(),
            quefrencies: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            scale: 1.0 / WINDOW as f64,
            transform,
        }
    }

    /// Computes the cepstrum of `magnitudes`, `[N_BINS]`. Real-time safe.
    pub(super) fn compute(&mut self, magnitudes: &[f64; N_BINS]) {
        for (log, &magnitude) in self.log_magnitudes.iter_mut().zip(magnitudes) {
            let magnitude = if magnitude == 0.0 { 1.0 } else { magnitude };
            *log = Complex::new(magnitude.ln(), 0.0);
        }
        self.transform
            .process_with_scratch(
                &mut self.log_magnitudes,
                &mut self.quefrencies,
                &mut self.scratch,
            )
            .expect("the plan made these buffers, and both ends are real");
    }

    /// Coefficient `i`, counted from 0 (a quefrency in samples). Real-time safe.
    pub(super) fn coefficient(&self, i: usize) -> f32 {
        (self.quefrencies[i] * self.scale) as f32
    }
}

/// How many coefficients are given out: the rest mirrors them.
pub(super) const N_COEFFICIENTS: usize = N_BINS;

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn a_ripple_of_the_logarithm_gives_one_coefficient() {
        let mut cepstrum = Cepstrum::new();
        let ripple = |bin: usize| 0.7 - 3.0 * (TAU * 20.0 * bin as f64 / WINDOW as f64).cos();
        cepstrum.compute(&std::array::from_fn(|bin| ripple(bin).exp()));
        for i in 0..N_COEFFICIENTS {
            let expected = match i {
                0 => 0.7,
                20 => -1.5,
                _ => 0.0,
            };
            assert!((cepstrum.coefficient(i) - expected).abs() < 1e-6, "{i}");
        }
    }

    #[test]
    fn a_bin_of_zero_counts_as_one() {
        let mut cepstrum = Cepstrum::new();
        cepstrum.compute(&[0.0; N_BINS]);
        assert!((0..N_COEFFICIENTS).all(|i| cepstrum.coefficient(i) == 0.0));
    }
}
