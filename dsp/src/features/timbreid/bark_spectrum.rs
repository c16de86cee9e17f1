//! `barkSpec`: how the spectrum spreads over the Bark scale.

use super::filterbank::Filterbank;
use super::fourier_transform::N_BINS;
use super::scale::Scale;

/// The distance between the peaks of neighbouring bands, in Bark (the plugin's setting).
pub(super) const SPACING: f64 = 0.5;

/// The Bark scale to its end in timbreID (`MAXBARKS`).
pub(super) const SCALE: Scale = Scale {
    spacing: SPACING,
    highest: 26.0,
    hertz,
};

/// Triangular bands half a Bark apart, which sum up to 1.
pub(super) struct BarkSpectrum {
    filterbank: Filterbank,
}

impl BarkSpectrum {
    /// Builds the bands up to half of `sample_rate` hertz. Allocates.
    pub(super) fn new(sample_rate: f64) -> Self {
        Self {
            filterbank: Filterbank::new(&SCALE.boundaries(sample_rate), sample_rate),
        }
    }

    /// Computes the bands of `magnitudes`, `[N_BINS]`. Real-time safe.
    pub(super) fn compute(&mut self, magnitudes: &[f64; N_BINS]) {
        self.filterbank.compute(magnitudes);
    }

    /// The bands, `[n_bands]`, all 0 in silence.
    pub(super) fn bands(&self) -> &[f64] {
        self.filterbank.bands()
    }
}

/// Bark to hertz: f = 600 sinh(z / 6) (timbreID `tIDLib_bark2freq`, its formula 0; Wang, Sekey and
/// Gersho 1992).
fn hertz(bark: f64) -> f64 {
    600.0 * (bark / 6.0).sinh()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_half_the_sample_rate_or_at_26_bark() {
        let boundaries = |sample_rate| SCALE.boundaries(sample_rate);
        let last = |sample_rate| boundaries(sample_rate).pop().unwrap();
        assert!((last(44_100.0) - 600.0 * (25.5_f64 / 6.0).sinh()).abs() < 1e-9);
        assert!((last(48_000.0) - 600.0 * (26.0_f64 / 6.0).sinh()).abs() < 1e-9);
        assert_eq!(boundaries(192_000.0).len(), boundaries(48_000.0).len());
    }

    #[test]
    fn a_line_is_found_in_the_band_around_it() {
        // Boundary 17, 8.5 Bark, lies at 1164 Hz, next to bin 17 of 48 kHz; band 16 peaks there.
        let mut magnitudes = [0.0; N_BINS];
        magnitudes[17] = 1.0;
        let mut spectrum = BarkSpectrum::new(48_000.0);
        spectrum.compute(&magnitudes);
        let bands = spectrum.bands();
        let loudest = (0..bands.len()).max_by(|&a, &b| bands[a].total_cmp(&bands[b]));
        assert_eq!(loudest, Some(16));
    }
}
