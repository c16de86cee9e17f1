//! Intervals for figures of few takes and fewer players: the percentile bootstrap (Efron 1979).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often the parts are drawn anew.
const DRAWS: usize = 2_000;
/// Begins the random numbers: the same parts give the same interval.
const SEED: u64 = 1;

/// The 95 % interval of `figure` when as many parts as there are are drawn from `parts` with
/// replacement, again and again. Notes of a part must not be drawn on their own: they resemble
/// each other.
pub fn interval<P>(parts: &[P], figure: impl Fn(&[&P]) -> f64) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut figures: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let drawn: Vec<&P> = parts
                .iter()
                .map(|_| &parts[random.random_range(0..parts.len())])
                .collect();
            figure(&drawn)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    (figures[DRAWS / 40], figures[DRAWS - 1 - DRAWS / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_has_the_width_of_theory() {
        let parts: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let mean = |drawn: &[&f64]| drawn.iter().copied().sum::<f64>() / drawn.len() as f64;
        let (low, high) = interval(&parts, mean);
        // 1.96 deviations of 0.5 / sqrt(100) to each side.
        assert!((low - 0.402).abs() < 0.02, "{low}");
        assert!((high - 0.598).abs() < 0.02, "{high}");
        assert_eq!(interval(&parts, mean), (low, high));
        assert_eq!(interval(&[1.0, 1.0], mean), (1.0, 1.0));
    }
}
