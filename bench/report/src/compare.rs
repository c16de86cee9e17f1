//! What changed between two reports, and whether it exceeds the noise.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;

/// What of another report is compared.
#[derive(Debug, Deserialize)]
pub struct Old {
    /// How much was measured.
    pub budget: String,
    /// Its machine, revision and engines.
    pub conditions: Conditions,
    /// Its numbers.
    pub measures: Vec<Measure>,
}

/// A number of the report that another report has as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is, the same in every report.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// By how much it differs between two halves of the same run, as a share; nothing for what is counted. In
    /// older reports that is 0.
    pub noise: Option<f64>,
}

/// A number of two reports.
#[derive(Debug, PartialEq, Serialize)]
pub struct Change {
    /// As [`Measure::name`].
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// In the old report, if it was there.
    pub old: Option<f64>,
    /// In the new one, if it is there.
    pub new: Option<f64>,
    /// What may be noise, as a share: the larger noise of the two, and at least 2 % of a time.
    pub noise: f64,
}

impl Change {
    /// The change as a share of the old number; nothing where one of them is missing.
    pub fn share(&self) -> Option<f64> {
        match (self.old?, self.new?) {
            (0.0, 0.0) => Some(0.0),
            (0.0, _) => Some(f64::INFINITY),
            (old, new) => Some(new / old - 1.0),
        }
    }

    /// Whether it is more than noise. What is in one report alone counts as a change.
    pub fn is_real(&self) -> bool {
        self.share().is_none_or(|share| share.abs() > self.noise)
    }
}

/// The report at `path`.
///
/// # Errors
/// When it is no JSON report.
pub fn read(path: &Path) -> Result<Old> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| {
        format!(
            "{}: expected the report.json that this command writes",
            path.display()
        )
    })
}

/// All numbers of both, the new report's order first.
pub fn changes(old: &[Measure], new: &[Measure]) -> Vec<Change> {
    /// What even a quiet machine does not repeat.
    const LEAST: f64 = 0.02;
    let find = |list: &[Measure], name: &str| list.iter().find(|m| m.name == name).cloned();
    let mut changes = Vec::new();
    for measure in new {
        let before = find(old, &measure.name);
        let earlier = before.as_ref().and_then(|m| m.noise).unwrap_or(0.0);
        // The halves of a time may be equal by chance.
        let noise = measure.noise.map(|own| own.max(earlier).max(LEAST));
        changes.push(Change {
            name: measure.name.clone(),
            unit: measure.unit.clone(),
            old: before.map(|measure| measure.value),
            new: Some(measure.value),
            noise: noise.unwrap_or(0.0),
        });
    }
    for measure in old {
        if find(new, &measure.name).is_none() {
            changes.push(Change {
                name: measure.name.clone(),
                unit: measure.unit.clone(),
                old: Some(measure.value),
                new: None,
                noise: 0.0,
            });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(name: &str, value: f64, noise: Option<f64>) -> Measure {
        Measure {
            name: name.to_owned(),
            value,
            unit: "µs".to_owned(),
            noise,
        }
    }

    #[test]
    fn what_exceeds_the_noise_of_either_report_is_real() {
        let old = [
            measure("a", 10.0, Some(0.05)),
            measure("b", 10.0, Some(0.01)),
            measure("gone", 1.0, Some(0.0)),
        ];
        let new = [
            measure("a", 10.4, Some(0.01)),
            measure("b", 10.4, Some(0.01)),
            measure("c", 1.0, Some(0.0)),
        ];
        let found = changes(&old, &new);
        let real: Vec<_> = found
            .iter()
            .map(|c| (c.name.as_str(), c.is_real()))
            .collect();
        assert_eq!(
            real,
            [("a", false), ("b", true), ("c", true), ("gone", true)]
        );
        assert!((found[0].share().unwrap() - 0.04).abs() < 1e-12);
    }

    #[test]
    fn what_is_counted_has_no_noise() {
        let found = changes(&[measure("n", 4.0, None)], &[measure("n", 5.0, None)]);
        assert!(found[0].is_real());
        let found = changes(&[measure("n", 4.0, None)], &[measure("n", 4.0, None)]);
        assert!(!found[0].is_real());
        let found = changes(&[measure("n", 0.0, None)], &[measure("n", 2.0, None)]);
        assert!(found[0].is_real());
        // As older reports write it.
        let found = changes(
            &[measure("n", 400.0, Some(0.0))],
            &[measure("n", 401.0, None)],
        );
        assert!(found[0].is_real());
    }

    #[test]
    fn a_time_whose_halves_are_equal_has_noise_all_the_same() {
        let times = |value| [measure("t", value, Some(0.0))];
        assert!(!changes(&times(10.0), &times(10.1))[0].is_real());
        assert!(changes(&times(10.0), &times(10.3))[0].is_real());
    }
}
