//! Overlapping triangular filters over a magnitude spectrum.

use super::fourier_transform::N_BINS;
use super::inner_product::inner_product;
use super::timbreid::WINDOW;

/// Triangular filters, each from the one before's peak to the one after's peak.
///
/// timbreID `tIDLib_createFilterbank` and `tIDLib_filterbankMultiply`: the corners lie on the bins
/// nearest to the boundary frequencies; a filter of one bin passes it, one of two bins averages
/// them; the weighted magnitudes are summed, and the bands divided by the sum of all bands.
pub(super) struct Filterbank {
    filters: Vec<Filter>,
    bands: Vec<f64>,
}

struct Filter {
    first_bin: usize,
    weights: Vec<f64>,
}

impl Filterbank {
    /// Builds the filters between `boundaries`, rising frequencies in hertz: one filter less than
    /// two fewer than there are boundaries would be empty, so there are `boundaries.len() - 2`.
    /// `sample_rate` in hertz places the bins of the spectrum. Allocates.
    pub(super) fn new(boundaries: &[f64], sample_rate: f64) -> Self {
        let corners: Vec<usize> = boundaries
            .iter()
            .map(|&frequency| nearest_bin(frequency, sample_rate))
            .collect();
        let filters: Vec<Filter> = corners
            .windows(3)
            .map(|corners| Filter::triangle(corners[0], corners[1], corners[2]))
            .collect();
        Self {
            bands: vec![0.0; filters.len()],
            filters,
        }
    }

    /// Filters `magnitudes`, `[N_BINS]`; all bands of silence are 0. Real-time safe.
    pub(super) fn compute(&mut self, magnitudes: &[f64; N_BINS]) {
        let mut sum = 0.0;
        for (band, filter) in self.bands.iter_mut().zip(&self.filters) {
            *band = filter.apply(magnitudes);
            sum += *band;
        }
        if sum > 0.0 {
            for band in &mut self.bands {
                *band /= sum;
            }
        }
    }

    /// The bands, which sum up to 1, `[n_bands]`.
    pub(super) fn bands(&self) -> &[f64] {
        &self.bands
    }
}

impl Filter {
    /// The filter over the bins `start..=finish` that is 1 at `peak`.
    fn triangle(start: usize, peak: usize, finish: usize) -> Self {
        let weights = match finish - start {
            0 => vec![1.0],
            1 => vec![0.5, 0.5],
            _ => (start..=finish)
                .map(|bin| {
                    if bin < peak {
                        (bin - start) as f64 / (peak - start) as f64
                    } else {
                        (finish - bin) as f64 / (finish - peak) as f64
                    }
                })
                .collect(),
        };
        Self {
            first_bin: start,
            weights,
        }
    }

    fn apply(&self, magnitudes: &[f64; N_BINS]) -> f64 {
        let magnitudes = &magnitudes[self.first_bin..][..self.weights.len()];
        inner_product(magnitudes, &self.weights)
    }
}

/// The bin nearest to `frequency` hertz, the lower one of two equally near.
fn nearest_bin(frequency: f64, sample_rate: f64) -> usize {
    let position = frequency * WINDOW as f64 / sample_rate;
    let bin = (position - 0.5).ceil().max(0.0) as usize;
    bin.min(N_BINS - 1)
}
