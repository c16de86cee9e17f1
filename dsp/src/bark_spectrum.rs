//! The Bark spectrum of a short frame: what the log-Bark patch is made of, and what the flux
//! onset detector listens to.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::SAMPLE_RATE;

/// Samples of one frame, 2.67 ms.
pub(crate) const FRAME: usize = 128;
/// Bark bands.
pub(crate) const BANDS: usize = 24;
/// The lowest band begins here, hertz.
const LOWEST_HERTZ: f64 = 40.0;

/// Hertz to Bark, 6 asinh(f / 600) (Wang, Sekey and Gersho 1992).
pub(crate) fn bark(hertz: f64) -> f64 {
    6.0 * (hertz / 600.0).asinh()
}

/// Where a band has its middle, Bark.
pub(crate) fn centre(band: usize) -> f64 {
    bark(LOWEST_HERTZ) + (band + 1) as f64
}

/// Power in [`BANDS`] Bark bands of a frame.
///
/// Hann window, zero-padded to twice its length; power spectrum, a full-scale sine being 1;
/// triangular filters of ±1 Bark, one Bark apart, the lowest beginning at 40 Hz.
pub(crate) struct BarkSpectrum {
    transform: Arc<dyn RealToComplex<f64>>,
    /// Hann, scaled so that the squared magnitude of a full-scale sine is 1.
    window: Vec<f64>,
    frame: Vec<f64>,
    bins: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    /// First bin and weights of each band, `[BANDS]`.
    bands: Vec<(usize, Vec<f64>)>,
}

impl BarkSpectrum {
    /// Plans the transform for frames of `frame` samples, at least [`FRAME`]: a shorter one has
    /// bands without a bin. Allocates.
    pub(crate) fn new(frame: usize) -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(2 * frame);
        let hann: Vec<f64> = (0..frame)
            .map(|i| 0.5 - 0.5 * (TAU * i as f64 / frame as f64).cos())
            .collect();
        let sum: f64 = hann.iter().sum();
        Self {
            window: hann.iter().map(|weight| weight * 2.0 / sum).collect(),
            frame: transform.make_input_vec(),
            bins: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            transform,
            bands: (0..BANDS).map(|band| triangle(band, 2 * frame)).collect(),
        }
    }

    /// The powers of `samples` times `gain`, `[BANDS]`. `samples` has as many as a frame.
    ///
    /// Real-time safe.
    pub(crate) fn powers(&mut self, samples: &[f32], gain: f64) -> [f64; BANDS] {
        let (head, padding) = self.frame.split_at_mut(self.window.len());
        for ((value, &sample), weight) in head.iter_mut().zip(samples).zip(&self.window) {
            *value = f64::from(sample) * gain * weight;
        }
        // The transform leaves its input changed.
        padding.fill(0.0);
        self.transform
            .process_with_scratch(&mut self.frame, &mut self.bins, &mut self.scratch)
            .expect("the plan made these buffers");
        let mut powers = [0.0; BANDS];
        for (power, (first, weights)) in powers.iter_mut().zip(&self.bands) {
            let bins = self.bins[*first..].iter().zip(weights);
            *power = bins.map(|(bin, weight)| bin.norm_sqr() * weight).sum();
        }
        powers
    }
}

/// The triangular filter of a band for a transform of `transform` samples: its first bin and the
/// weights from there.
fn triangle(band: usize, transform: usize) -> (usize, Vec<f64>) {
    let weight = |bin: usize| {
        let hertz = bin as f64 * f64::from(SAMPLE_RATE) / transform as f64;
        1.0 - (bark(hertz) - centre(band)).abs()
    };
    let bins = (0..=transform / 2).filter(|&bin| weight(bin) > 0.0);
    let first = bins.clone().next().unwrap_or(0);
    (first, bins.map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_has_a_bin_and_the_filters_of_neighbours_sum_to_one() {
        let bands: Vec<_> = (0..BANDS).map(|band| triangle(band, 2 * FRAME)).collect();
        assert!(bands.iter().all(|(_, weights)| !weights.is_empty()));
        // 3 kHz lies between two centres.
        let sum: f64 = bands
            .iter()
            .filter_map(|(first, weights)| weights.get(16_usize.checked_sub(*first)?))
            .sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn a_sine_on_a_bin_has_its_power_in_the_bands_around_it() {
        // Bin 32 of 256, 6 kHz; the main lobe reaches four bins (of 256) to each side.
        let samples: Vec<f32> = (0..FRAME)
            .map(|i| 0.25 * (TAU * i as f64 / 8.0).sin() as f32)
            .collect();
        let powers = BarkSpectrum::new(FRAME).powers(&samples, 4.0);
        // Sum over the lobe of a Hann window at half-bin steps: 2 * 1.5.
        let sum: f64 = powers.iter().sum();
        assert!((sum - 3.0).abs() < 0.01, "{sum}");
        let loudest = (0..BANDS).max_by(|&a, &b| powers[a].total_cmp(&powers[b]));
        assert!((centre(loudest.unwrap()) - bark(6_000.0)).abs() < 1.0);
    }
}
