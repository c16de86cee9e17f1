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
    interval_of_groups(&[parts], figure)
}

/// The same when each group's parts stand for those of that group alone: as many as it has are drawn
/// from it.
pub fn interval_of_groups<P>(
    groups: &[impl AsRef<[P]>],
    figure: impl Fn(&[&P]) -> f64,
) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut figures: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let mut drawn: Vec<&P> = Vec::new();
            for group in groups {
                let parts = group.as_ref();
                let draw = |_: &P| &parts[random.random_range(0..parts.len())];
                drawn.extend(parts.iter().map(draw));
            }
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

    #[test]
    fn a_group_is_never_drawn_for_another() {
        let groups = [vec![0.0; 3], vec![1.0; 5]];
        let sum = |drawn: &[&f64]| drawn.iter().copied().sum::<f64>();
        assert_eq!(interval_of_groups(&groups, sum), (5.0, 5.0));
        let none: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        assert_eq!(interval_of_groups(&none, sum), (0.0, 0.0));
    }
}
