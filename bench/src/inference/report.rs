//! The comparison as a table and as JSON.

use std::fmt;

use serde::{Deserialize, Serialize};
use tocco_engines::{EngineId, Settings, WeightFormat};

use super::is_foreign;
use crate::statistics::Spread;

/// The JSON document.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// Kind of the processor.
    pub processor: String,
    /// How the foreign engines were set up.
    pub settings: Settings,
    /// Engines.
    pub inference: Vec<Inference>,
    /// Merely reading as many bytes.
    pub limit: Vec<Limit>,
    /// What could not be measured.
    pub absent: Vec<Absent>,
}

/// An engine that could not be measured.
#[derive(Serialize, Deserialize)]
pub struct Absent {
    /// Name of the engine.
    pub engine: String,
    /// Id of the model package.
    pub model: String,
    /// Why, and what to do about it.
    pub reason: String,
}

/// An engine with a network.
#[derive(Clone, Serialize, Deserialize)]
pub struct Inference {
    /// Name of the engine.
    pub engine: String,
    /// Id of the model package.
    pub model: String,
    /// What the weights are stored as.
    pub weights: String,
    /// Bytes of weights that an inference reads at most; 0 where the engine cannot tell.
    pub weight_bytes: usize,
    /// Inferences one after the other.
    pub warm_us: Spread,
    /// Inferences with nothing of the engine in the caches.
    pub cold_us: Spread,
}

/// Merely reading as many bytes as `native` has weights; medians.
#[derive(Clone, Serialize, Deserialize)]
pub struct Limit {
    /// Id of the model package.
    pub model: String,
    /// What the weights are stored as.
    pub weights: String,
    /// How many bytes.
    pub bytes: usize,
    /// One time after the other.
    pub warm_us: f64,
    /// With nothing of it in the caches.
    pub cold_us: f64,
}

impl Report {
    /// Of this machine, with nothing measured yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            processor: crate::processor::name(),
            settings,
            inference: Vec::new(),
            limit: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// The fastest foreign engine with `model`, by what `time` takes of it.
    fn best_other(&self, model: &str, time: impl Fn(&Inference) -> f64) -> Option<f64> {
        let others = self
            .inference
            .iter()
            .filter(|one| one.model == model && is_foreign(&one.engine));
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
                .limit(&one.model, &one.weights)
                .filter(|_| !is_foreign(&one.engine));
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
