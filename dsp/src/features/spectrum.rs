//! The magnitude spectrum of the window, shared by all spectral features.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Blackman window, discrete Fourier transform without padding, magnitudes without scaling
/// (timbreID `tIDLib.c` and the port's defaults).
///
/// In double precision: no finite window of `f32` samples overflows, and the result is the same on
/// every machine to far more digits than a feature needs, whichever vector instructions the
/// transform uses.
pub(super) struct Spectrum {
    transform: Arc<dyn RealToComplex<f64>>,
    window_function: Vec<f64>,
    windowed: Vec<f64>,
    bins: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    magnitudes: Vec<f64>,
}

impl Spectrum {
    /// Plans the spectrum of windows of `window` samples. Allocates.
    pub(super) fn new(window: usize) -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(window);
        Self {
            window_function: blackman(window),
            windowed: transform.make_input_vec(),
            bins: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            magnitudes: vec![0.0; n_bins(window)],
            transform,
        }
    }

    /// Computes the magnitudes of `samples`, `[window]`. Real-time safe.
    pub(super) fn compute(&mut self, samples: &[f32]) {
        let weights = self.window_function.iter();
        for ((windowed, &sample), weight) in self.windowed.iter_mut().zip(samples).zip(weights) {
            *windowed = f64::from(sample) * weight;
        }
        self.transform
            .process_with_scratch(&mut self.windowed, &mut self.bins, &mut self.scratch)
            .expect("the plan made these buffers");
        for (magnitude, bin) in self.magnitudes.iter_mut().zip(&self.bins) {
            *magnitude = bin.norm_sqr().sqrt();
        }
    }

    /// The magnitude at each bin from 0 hertz to half the sample rate, `[window / 2 + 1]`, linear.
    pub(super) fn magnitudes(&self) -> &[f64] {
        &self.magnitudes
    }
}

/// How many bins the spectrum of `window` samples has.
pub(super) const fn n_bins(window: usize) -> usize {
    window / 2 + 1
}

/// The periodic Blackman window (timbreID `tIDLib_blackmanWindow`).
///
/// The constants are rounded to single precision, as in the reference: its first weight is not 0
/// but -1.5e-8.
fn blackman(window: usize) -> Vec<f64> {
    let [constant, double] = [0.42_f32, 0.08_f32].map(f64::from);
    let angles = (0..window).map(|i| TAU * i as f64 / window as f64);
    angles
        .map(|angle| constant - 0.5 * angle.cos() + double * (2.0 * angle).cos())
        .map(|weight| f64::from(weight as f32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_on_a_bin_gives_the_transform_of_the_window_function() {
        let window = 704;
        let mut spectrum = Spectrum::new(window);
        let samples: Vec<f32> = (0..window)
            .map(|i| (TAU * 50.0 * i as f64 / window as f64).sin() as f32)
            .collect();
        spectrum.compute(&samples);
        // The Blackman window has three lines on each side: 0.42, 0.25, 0.04 of the window length,
        // of which a sine takes half.
        let expected = [0.0, 0.02, 0.125, 0.21, 0.125, 0.02, 0.0];
        for (bin, share) in (47..=53).zip(expected) {
            let difference = spectrum.magnitudes()[bin] - share * window as f64;
            assert!(difference.abs() < 1e-4, "bin {bin}: off by {difference}");
        }
    }

    #[test]
    fn the_loudest_finite_samples_do_not_overflow() {
        let mut spectrum = Spectrum::new(704);
        spectrum.compute(&[f32::MAX; 704]);
        assert!(spectrum.magnitudes().iter().all(|m| m.is_finite()));
        assert!(spectrum.magnitudes()[0] > f64::from(f32::MAX));
    }
}
