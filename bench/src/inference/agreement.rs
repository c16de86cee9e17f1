//! What storing the weights more coarsely does to the results: each weight format against double
//! precision, on the feature vectors of real notes.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tocco_engines::WeightFormat;
use tocco_engines::native::{NativeEngine, NativeOptions};
use tocco_engines::{Engine, ModelPackage, reference};

use super::feature_vectors::{CLASSES, FeatureVectors};
use crate::plugin_host::model_folder;

/// One network with one weight format.
#[derive(Debug, Serialize, Deserialize)]
pub struct Agreement {
    /// Id of the model package.
    pub model: String,
    /// What the weights are stored as.
    pub weights: WeightFormat,
    /// Notes that were classified.
    pub notes: usize,
    /// Largest difference of a probability to double precision.
    pub largest_error: f64,
    /// Notes with another most probable class.
    pub changed_winners: usize,
    /// Of these, the largest lead that the right winner had in double precision.
    pub largest_lead_lost: f64,
}

/// Compares all weight formats with double precision.
///
/// # Errors
/// If a package cannot be read or there are no notes.
pub fn compare(models: &[String], vectors: &FeatureVectors) -> Result<Vec<Agreement>> {
    let mut table = Vec::new();
    for model in models {
        let package = ModelPackage::load(model_folder(model))?;
        let network = package.network()?;
        let features = vectors.scaled(&package)?;
        let exact: Vec<Vec<f64>> = features
            .iter()
            .map(|features| reference::infer(&network, features))
            .collect();
        for weights in WeightFormat::ALL {
            let options = NativeOptions {
                weights,
                ..NativeOptions::default()
            };
            let mut engine = NativeEngine::with_options(&network, options);
            let mut agreement = Agreement {
                model: model.clone(),
                weights,
                notes: features.len(),
                largest_error: 0.0,
                changed_winners: 0,
                largest_lead_lost: 0.0,
            };
            for (features, exact) in features.iter().zip(&exact) {
                let mut found = [0.0; CLASSES];
                engine.infer(features, &mut found)?;
                let found = found.map(f64::from);
                agreement.add(&found, exact);
            }
            table.push(agreement);
        }
    }
    Ok(table)
}

impl Agreement {
    fn add(&mut self, found: &[f64], exact: &[f64]) {
        for (found, exact) in found.iter().zip(exact) {
            self.largest_error = self.largest_error.max((found - exact).abs());
        }
        let (winner, expected) = (winner(found), winner(exact));
        if winner != expected {
            self.changed_winners += 1;
            let lead = exact[expected] - exact[winner];
            self.largest_lead_lost = self.largest_lead_lost.max(lead);
        }
    }
}

fn winner(probabilities: &[f64]) -> usize {
    let better = |best, i| {
        if probabilities[i] > probabilities[best] {
            i
        } else {
            best
        }
    };
    (0..probabilities.len()).fold(0, better)
}

/// The table's first line.
pub const HEADER: &str =
    "model  weights   notes  largest error  changed winners  largest lead lost";

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<7}{:<9}{:>6}{:>15.1e}{:>17}{:>19.4}",
            self.model,
            self.weights.name(),
            self.notes,
            self.largest_error,
            self.changed_winners,
            self.largest_lead_lost
        )
    }
}
