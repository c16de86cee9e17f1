//! Overlapping triangular filters over a magnitude spectrum.

use super::fourier_transform::N_BINS;
use super::inner_product::inner_product;
use super::window::WINDOW;

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
    /// Builds a filter around each of `boundaries`, rising frequencies in hertz, but the first and
    /// the last. `sample_rate` in hertz is what the bins are believed to span. Allocates.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Bins 100 hertz apart.
    const SAMPLE_RATE: f64 = 100.0 * WINDOW as f64;

    fn weights(boundaries: [f64; 3]) -> (usize, Vec<f64>) {
        let bank = Filterbank::new(&boundaries, SAMPLE_RATE);
        assert_eq!(bank.filters.len(), 1);
        let filter = &bank.filters[0];
        (filter.first_bin, filter.weights.clone())
    }

    #[test]
    fn a_wide_filter_is_a_triangle_on_the_nearest_bins() {
        let (first, weights) = weights([149.0, 420.0, 551.0]);
        assert_eq!(first, 1);
        assert_eq!(weights, [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_narrow_filter_averages_or_passes() {
        assert_eq!(weights([90.0, 140.0, 210.0]), (1, vec![0.5, 0.5]));
        assert_eq!(weights([90.0, 100.0, 110.0]), (1, vec![1.0]));
    }

    #[test]
    fn the_lower_of_two_equally_near_bins_is_taken() {
        assert_eq!(nearest_bin(150.0, SAMPLE_RATE), 1);
        assert_eq!(nearest_bin(151.0, SAMPLE_RATE), 2);
        assert_eq!(nearest_bin(0.0, SAMPLE_RATE), 0);
        assert_eq!(nearest_bin(1e9, SAMPLE_RATE), N_BINS - 1);
    }

    #[test]
    fn the_bands_sum_up_to_one_except_in_silence() {
        let mut bank = Filterbank::new(&[0.0, 200.0, 400.0, 600.0], SAMPLE_RATE);
        let mut magnitudes = [0.0; N_BINS];
        bank.compute(&magnitudes);
        assert_eq!(bank.bands(), [0.0, 0.0]);
        magnitudes[1] = 6.0;
        magnitudes[3] = 2.0;
        bank.compute(&magnitudes);
        assert_eq!(bank.bands(), [0.8, 0.2]);
    }
}
