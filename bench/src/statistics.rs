//! What is said of many measured values, and in which order they are taken.

use serde::{Deserialize, Serialize};

/// Beyond so many times the distance between the quartiles above the upper one, a value is an
/// outlier. Source: Tukey, "Exploratory Data Analysis" (1977), the outer fence.
const FENCE: f64 = 3.0;

/// Mean, standard deviation and the percentiles that a real-time system is judged by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// The least: what a busy machine disturbs least.
    #[serde(default)]
    pub min: f64,
    /// What half of them stay under or reach.
    pub median: f64,
    /// What 95 % of them stay under or reach.
    #[serde(default)]
    pub p95: f64,
    /// What 99 % of them stay under or reach.
    pub p99: f64,
    /// What 99.9 % of them stay under or reach.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
    /// How many are outliers: further above the upper quartile than three times the distance
    /// between the quartiles.
    #[serde(default)]
    pub outliers: usize,
    /// The medians of the first and of the second half of them, in the order in which they came.
    #[serde(default)]
    pub halves: [f64; 2],
}

impl Spread {
    /// Of these values, in the order in which they came; all zero of none.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let (first, second) = values.split_at(values.len().div_ceil(2));
        let second = if second.is_empty() { first } else { second };
        let halves = [first, second].map(|half| percentile(&sorted(half), 0.5));
        let values = sorted(values);
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        let [lower, upper] = [0.25, 0.75].map(|share| percentile(&values, share));
        let fence = upper + FENCE * (upper - lower);
        Self {
            count,
            mean,
            std: variance.sqrt(),
            min: values[0],
            median: percentile(&values, 0.5),
            p95: percentile(&values, 0.95),
            p99: percentile(&values, 0.99),
            p999: percentile(&values, 0.999),
            max: values[count - 1],
            outliers: values.iter().filter(|value| **value > fence).count(),
            halves,
        }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The nearest-rank percentile of `sorted` values, not empty.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((share * sorted.len() as f64).ceil() as usize).max(1) - 1]
}

/// The order in which `n` contestants have their turn number `turn`: backwards every other time, and
/// then begun by the next one, so that what changes on the machine meets each of them alike and none
/// always follows the same one. In `2 * n` turns each has each place twice.
pub fn order(n: usize, turn: usize) -> impl Iterator<Item = usize> {
    (0..n).map(move |place| {
        let place = if turn.is_multiple_of(2) {
            place
        } else {
            n - 1 - place
        };
        (place + turn / 2) % n
    })
}

/// By how much, as a share, the ratio of two series differs between two measurements of both:
/// 0.1 if it is 10 % greater in one of them, whichever. `a` and `b` are the series' values in each
/// measurement.
pub fn ratio_change(a: [f64; 2], b: [f64; 2]) -> f64 {
    let change = (a[0] / b[0]) / (a[1] / b[1]);
    change.max(change.recip()) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_thousand_values() {
        let values: Vec<f64> = (1..=1000).rev().map(f64::from).collect();
        let spread = Spread::of(&values);
        assert_eq!((spread.count, spread.mean), (1000, 500.5));
        assert_eq!((spread.min, spread.median, spread.p99), (1.0, 500.0, 990.0));
        assert_eq!((spread.p999, spread.max), (999.0, 1000.0));
        assert!((spread.std - 288.675).abs() < 1e-3);
        assert_eq!(spread.outliers, 0);
        assert_eq!(spread.halves, [750.0, 250.0]);
        assert_eq!(Spread::of(&[]).count, 0);
        assert_eq!(Spread::of(&[7.0]).halves, [7.0, 7.0]);
    }

    #[test]
    fn outliers_lie_beyond_three_times_the_quartiles_distance() {
        // Quartiles 2 and 6: the fence is at 18.
        let mut values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 18.0];
        assert_eq!(Spread::of(&values).outliers, 0);
        values[7] = 18.1;
        assert_eq!(Spread::of(&values).outliers, 1);
        assert_eq!(
            Spread::of(&values).median,
            4.0,
            "an outlier moves no median"
        );
        assert_eq!(Spread::of(&[5.0; 9]).outliers, 0);
    }

    #[test]
    fn everyone_has_every_place_and_follows_either_neighbour() {
        const N: usize = 5;
        let mut places = [[0; N]; N];
        let mut after = [[0; N]; N];
        for turn in 0..2 * N {
            let order: Vec<usize> = order(N, turn).collect();
            for (place, &who) in order.iter().enumerate() {
                places[who][place] += 1;
            }
            for pair in order.windows(2) {
                after[pair[0]][pair[1]] += 1;
            }
        }
        assert_eq!(places, [[2; N]; N]);
        for (who, followers) in after.iter().enumerate() {
            let (next, before) = ((who + 1) % N, (who + N - 1) % N);
            assert_eq!((followers[next], followers[before]), (4, 4));
        }
        let turns = [0, 1, 2, 3].map(|turn| order(3, turn).collect::<Vec<_>>());
        assert_eq!(turns, [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]]);
        assert_eq!(order(1, 3).collect::<Vec<_>>(), [0]);
        assert_eq!(order(0, 0).count(), 0);
    }

    #[test]
    fn a_ratio_changes_whichever_of_the_two_does() {
        assert_eq!(ratio_change([2.0, 4.0], [3.0, 6.0]), 0.0, "both alike");
        assert!((ratio_change([10.0, 11.0], [5.0, 5.0]) - 0.1).abs() < 1e-12);
        assert!((ratio_change([5.0, 5.0], [10.0, 11.0]) - 0.1).abs() < 1e-12);
    }
}
