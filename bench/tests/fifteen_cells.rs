//! Every engine with every network of the paper as it is shipped, on 250 notes: those of our
//! synthesised performances, which everyone has, through the plugin's own detector and features.
//!
//! An engine whose library is missing is named and skipped, except on the gate (`CI=true`), where
//! its absence is a failure: `cargo xtask engines install --yes` makes all of them present.

use std::path::PathBuf;

use tocco_bench::inference::feature_vectors::FeatureVectors;
use tocco_bench::plugin_host::model_folder;
use tocco_corpus::Recording;
use tocco_dsp::synth::Performance;
use tocco_engines::WeightFormat;
use tocco_engines::{Classifier, EngineId, LoadError, ModelPackage, reference};

/// Notes that each cell is run on.
const NOTES: usize = 250;
/// Largest difference in probability from double precision.
const TOLERANCE: f64 = 1e-5;

fn notes() -> FeatureVectors {
    let recordings = (1..=7)
        .map(|seed| {
            let recording = Recording {
                samples: Performance::demo(seed).samples,
                sample_rate: tocco_dsp::SAMPLE_RATE,
            };
            (PathBuf::from(format!("performance {seed}")), recording)
        })
        .collect();
    FeatureVectors::new(recordings, "synthesised performances".to_owned())
}

fn winner(probabilities: &[f64]) -> usize {
    (0..probabilities.len())
        .max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))
        .expect("there are classes")
}

#[test]
fn every_engine_gives_what_double_precision_gives() {
    let notes = notes();
    let mut failures = Vec::new();
    for model in ["a", "b", "c"] {
        let package = ModelPackage::load(model_folder(model)).unwrap();
        let network = package.network().unwrap();
        let scaler = package.scaler().unwrap();
        let mut vectors = notes.raw(&package).unwrap();
        assert!(vectors.len() >= NOTES, "only {} notes", vectors.len());
        vectors.truncate(NOTES);
        let expected: Vec<Vec<f64>> = vectors
            .iter()
            .map(|features| {
                let mut scaled = vec![0.0; features.len()];
                scaler.apply(features, &mut scaled);
                reference::infer(&network, &scaled)
            })
            .collect();
        for id in EngineId::ALL {
            let mut classifier = match Classifier::with_weights(&package, id, WeightFormat::F32) {
                Ok(classifier) => classifier,
                Err(missing @ LoadError::Engine { .. }) if std::env::var_os("CI").is_none() => {
                    eprintln!("skipped: {missing}");
                    continue;
                }
                Err(error) => panic!("{model} with {id}: {error}"),
            };
            let (mut largest, mut other_winners) = (0.0_f64, 0);
            let mut found = vec![0.0; classifier.n_classes()];
            for (features, expected) in vectors.iter().zip(&expected) {
                classifier.classify(features, &mut found).unwrap();
                let found: Vec<f64> = found.iter().copied().map(f64::from).collect();
                let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
                // A probability that is no number is as far off as can be.
                largest = differences.fold(largest, |largest, difference| {
                    if difference.is_nan() {
                        f64::INFINITY
                    } else {
                        largest.max(difference)
                    }
                });
                other_winners += usize::from(winner(&found) != winner(expected));
            }
            println!(
                "{model} with {id}: largest difference {largest:.1e}, {other_winners} other winners"
            );
            if largest > TOLERANCE || other_winners > 0 {
                failures.push(format!("{model} with {id}: {largest:e}, {other_winners}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
