//! The comparison as a table and as JSON.

use std::fmt;

use serde::Serialize;
use tocco_engines::EngineId;
use tocco_engines::WeightFormat;

use super::is_foreign;

/// The JSON document.
#[derive(Serialize)]
pub struct Report {
    /// Kind of the processor.
    pub processor: String,
    /// Engines.
    pub inference: Vec<Inference>,
    /// Merely reading as many bytes.
    pub limit: Vec<Limit>,
}

/// An engine with a network.
#[derive(Serialize)]
pub struct Inference {
    /// Name of the engine.
    pub engine: &'static str,
    /// Id of the model package.
    pub model: String,
    /// What the weights are stored as.
    pub weights: &'static str,
    /// Inferences one after the other.
    pub warm_us: Percentiles,
    /// Inferences with nothing of the engine in the caches.
    pub cold_us: Percentiles,
}

/// Merely reading as many bytes as `native` has weights; medians.
#[derive(Serialize)]
pub struct Limit {
    /// Id of the model package.
    pub model: String,
    /// What the weights are stored as.
    pub weights: &'static str,
    /// One time after the other.
    pub warm_us: f64,
    /// With nothing of it in the caches.
    pub cold_us: f64,
}

/// Of the times of many inferences, µs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of them took no longer.
    pub median: f64,
    /// 99 % of them took no longer.
    pub p99: f64,
}

impl Percentiles {
    /// Of `times`, not empty.
    pub fn of(times: &[f64]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        Self {
            median: at(0.5),
            p99: at(0.99),
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl Report {
    /// Of this machine, with nothing measured yet.
    pub fn new() -> Self {
        Self {
            processor: crate::processor::name(),
            inference: Vec::new(),
            limit: Vec::new(),
        }
    }

    /// The fastest foreign engine with `model`, by what `time` takes of it.
    fn best_other(&self, model: &str, time: impl Fn(&Inference) -> f64) -> Option<f64> {
        let others = self
            .inference
            .iter()
            .filter(|one| one.model == model && is_foreign(one.engine));
        others.map(time).min_by(f64::total_cmp)
    }

    fn limit(&self, model: &str, weights: &str) -> Option<&Limit> {
        let same = |limit: &&Limit| limit.model == model && limit.weights == weights;
        self.limit.iter().find(same)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; one core; µs", self.processor)?;
        writeln!(
            f,
            "{:<14}{:<7}{:<9}{:>9}{:>9}{:>10}{:>10}{:>10}{:>9}{:>10}{:>10}",
            "engine",
            "model",
            "weights",
            "warm",
            "p99",
            "of other",
            "of limit",
            "cold",
            "p99",
            "of other",
            "of limit"
        )?;
        for one in &self.inference {
            let ratio = |time: f64, to: Option<f64>| {
                to.map_or_else(|| "-".to_owned(), |to| format!("{:.2}", time / to))
            };
            let limit = self
                .limit(&one.model, one.weights)
                .filter(|_| !is_foreign(one.engine));
            writeln!(
                f,
                "{:<14}{:<7}{:<9}{:>9.2}{:>9.2}{:>10}{:>10}{:>10.2}{:>9.2}{:>10}{:>10}",
                one.engine,
                one.model,
                one.weights,
                one.warm_us.median,
                one.warm_us.p99,
                ratio(
                    one.warm_us.median,
                    self.best_other(&one.model, |o| o.warm_us.median)
                ),
                ratio(one.warm_us.median, limit.map(|limit| limit.warm_us)),
                one.cold_us.median,
                one.cold_us.p99,
                ratio(
                    one.cold_us.median,
                    self.best_other(&one.model, |o| o.cold_us.median)
                ),
                ratio(one.cold_us.median, limit.map(|limit| limit.cold_us)),
            )?;
        }
        for limit in &self.limit {
            writeln!(
                f,
                "{:<14}{:<7}{:<9}{:>9.2}{:>39.2}",
                "reading", limit.model, limit.weights, limit.warm_us, limit.cold_us
            )?;
        }
        writeln!(
            f,
            "\nof other: to the fastest engine that is not ours, with f32 weights"
        )?;
        writeln!(f, "of limit: to merely reading as many bytes")?;
        write!(
            f,
            "default weights of {}: {}",
            EngineId::Native,
            WeightFormat::DEFAULT
        )
    }
}
