//! How measured values are spread.

use serde::{Deserialize, Serialize};

/// Mean, standard deviation and the percentiles that a real-time system is judged by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// What half of them stay under or reach.
    pub median: f64,
    /// What 99 % of them stay under or reach.
    pub p99: f64,
    /// What 99.9 % of them stay under or reach.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these values; all zero of none.
    pub fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        // The nearest-rank percentile.
        let rank = |share: f64| values[((share * count as f64).ceil() as usize).max(1) - 1];
        Self {
            count,
            mean,
            std: variance.sqrt(),
            median: rank(0.5),
            p99: rank(0.99),
            p999: rank(0.999),
            max: values[count - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_spread_of_a_thousand_values() {
        let spread = Spread::of((1..=1000).rev().map(f64::from).collect());
        assert_eq!((spread.count, spread.mean), (1000, 500.5));
        assert_eq!((spread.median, spread.p99), (500.0, 990.0));
        assert_eq!((spread.p999, spread.max), (999.0, 1000.0));
        assert!((spread.std - 288.675).abs() < 1e-3);
        assert_eq!(Spread::of(Vec::new()).count, 0);
    }
}
