//! The magnitude spectrum of the window, shared by all spectral features.

use std::array;
use std::f64::consts::TAU;

use super::fourier_transform::{FourierTransform, N_BINS};
use super::window::WINDOW;

/// What samples are limited to: their transform then stays below what single precision can hold.
const LOUDEST: f32 = 1e30;

/// Blackman window, Fourier transform without padding, magnitudes without scaling (timbreID
/// `tIDLib.c` and the port's defaults).
pub(super) struct Spectrum {
    window_function: [f32; WINDOW],
    transform: FourierTransform,
    magnitudes: [f64; N_BINS],
}

impl Spectrum {
    /// Tabulates the window and the transform.
    pub(super) fn new() -> Self {
        Self {
            window_function: blackman(),
            transform: FourierTransform::new(),
            magnitudes: [0.0; N_BINS],
        }
    }

    /// Computes the magnitudes of `samples`, `[WINDOW]`. Real-time safe.
    pub(super) fn compute(&mut self, samples: &[f32]) {
        let mut windowed = self.window_function;
        for (windowed, sample) in windowed.iter_mut().zip(samples) {
            *windowed *= sample.clamp(-LOUDEST, LOUDEST);
        }
        let [re, im] = self.transform.compute(&windowed);
        for ((magnitude, re), im) in self.magnitudes.iter_mut().zip(re).zip(im) {
            let [re, im] = [re, im].map(f64::from);
            *magnitude = (re * re + im * im).sqrt();
        }
    }

    /// The magnitude at each bin from 0 hertz to half the sample rate, `[N_BINS]`, linear.
    pub(super) fn magnitudes(&self) -> &[f64; N_BINS] {
        &self.magnitudes
    }
}

/// The periodic Blackman window (timbreID `tIDLib_blackmanWindow`).
///
/// The constants are rounded to single precision, as in the reference: its first weight is not 0
/// but -1.5e-8.
fn blackman() -> [f32; WINDOW] {
    let [constant, double] = [0.42_f32, 0.08_f32].map(f64::from);
    array::from_fn(|i| {
        let angle = TAU * i as f64 / WINDOW as f64;
        (constant - 0.5 * angle.cos() + double * (2.0 * angle).cos()) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_on_a_bin_gives_the_transform_of_the_window_function() {
        let mut spectrum = Spectrum::new();
        let samples: Vec<f32> = (0..WINDOW)
            .map(|i| (TAU * 50.0 * i as f64 / WINDOW as f64).sin() as f32)
            .collect();
        spectrum.compute(&samples);
        // The Blackman window has three lines on each side: 0.42, 0.25, 0.04 of the window length,
        // of which a sine takes half.
        let expected = [0.0, 0.02, 0.125, 0.21, 0.125, 0.02, 0.0];
        for (bin, share) in (47..=53).zip(expected) {
            let difference = spectrum.magnitudes()[bin] - share * WINDOW as f64;
            assert!(difference.abs() < 1e-4, "bin {bin}: off by {difference}");
        }
    }

    #[test]
    fn the_loudest_finite_samples_do_not_overflow() {
        let mut spectrum = Spectrum::new();
        spectrum.compute(&[f32::MAX; WINDOW]);
        assert!(spectrum.magnitudes().iter().all(|m| m.is_finite()));
    }
}
