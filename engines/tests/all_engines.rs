//! Every engine runs every network of the paper and agrees with double precision.
//!
//! An engine whose library is missing is named and skipped, except in CI, where its absence is a
//! failure: `cargo xtask engines install --yes` makes all of them present.

#[path = "suite/random_package.rs"]
mod random_package;

use std::sync::Mutex;

use random_package::Random;
use serde::Deserialize;
use tocco_engines::WeightFormat;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{Classifier, EngineId, LoadError, ModelPackage, reference};

/// Feature vectors that each engine is run on.
const VECTORS: usize = 1000;

/// How often each of two threads runs its engine on all of them. A library that was not made for two
/// threads was wrong once in 1,200 answers (`docs/real-time.md`).
const ROUNDS: usize = 10;

/// Largest difference in probability.
const TOLERANCE: f64 = 1e-5;

/// Raw feature vectors and what double precision makes of them.
fn cases(package: &ModelPackage) -> Vec<(Vec<f32>, Vec<f64>)> {
    let (network, scaler) = (package.network().unwrap(), package.scaler().unwrap());
    let mut random = Random::new(1);
    (0..VECTORS)
        .map(|_| {
            let features = random.vector(network.n_inputs(), 2.0, 0.0);
            let mut scaled = vec![0.0; features.len()];
            scaler.apply(&features, &mut scaled);
            let probabilities = reference::infer(&network, &scaled);
            (features, probabilities)
        })
        .collect()
}

fn winner<T: PartialOrd>(values: &[T]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// The classifier with weights as they were trained, or `None` after saying why the engine is
/// absent.
fn classifier(package: &ModelPackage, id: EngineId) -> Option<Classifier> {
    match Classifier::with_weights(package, id, WeightFormat::F32) {
        Ok(classifier) => Some(classifier),
        Err(error @ LoadError::Engine { .. }) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI all engines must be present: {error}"
            );
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{id} with network {}: {error}", package.manifest.id),
    }
}

/// Largest difference in probability, and for how many vectors another class wins.
fn compare(classifier: &mut Classifier, cases: &[(Vec<f32>, Vec<f64>)]) -> (f64, usize) {
    classifier.prime().unwrap();
    let mut probabilities = vec![0.0; classifier.n_classes()];
    let (mut largest, mut other_winners) = (0.0_f64, 0);
    for (features, expected) in cases {
        classifier.classify(features, &mut probabilities).unwrap();
        for (&found, expected) in probabilities.iter().zip(expected) {
            let difference = (f64::from(found) - expected).abs();
            // A probability that is no number is as far off as can be.
            largest = largest.max(if difference.is_nan() {
                f64::INFINITY
            } else {
                difference
            });
        }
        other_winners += usize::from(winner(&probabilities) != winner(expected));
    }
    (largest, other_winners)
}

/// The libraries are made for one thread each; one test at a time keeps the numbers readable.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `package` in `engines` and checks them against double precision.
fn every_engine_agrees(package: &ModelPackage, engines: &[EngineId]) {
    let name = &package.manifest.id;
    let cases = cases(package);
    let mut failures = Vec::new();
    for &id in engines {
        let Some(mut classifier) = classifier(package, id) else {
            continue;
        };
        let (largest, other_winners) = compare(&mut classifier, &cases);
        println!(
            "{name}, engine {id}: largest difference {largest:.1e}, {other_winners} other winners of {VECTORS}"
        );
        if largest > TOLERANCE || other_winners > 0 {
            failures.push(format!("{id}: {largest:e}, {other_winners}"));
        }
    }
    assert!(failures.is_empty(), "{name}: {failures:#?}");
}

#[test]
fn every_engine_agrees_with_double_precision_on_every_network() {
    let _alone = ONE_AT_A_TIME.lock();
    for (package, parameters) in [
        (random_package::a(), 2_083_208),
        (random_package::b(), 677_958),
        (random_package::c(), 63_708),
    ] {
        let network = package.network().unwrap();
        assert_eq!(network.parameter_count(), parameters);
        every_engine_agrees(&package, &EngineId::ALL);
    }
}

/// Each instance of the plugin has a thread of its own for the network.
#[test]
fn an_engine_on_two_threads_at_once_answers_as_on_one() {
    let _alone = ONE_AT_A_TIME.lock();
    let package = random_package::c();
    let cases = cases(&package);
    for id in EngineId::ALL {
        if classifier(&package, id).is_none() {
            continue;
        }
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut classifier = classifier(&package, id).unwrap();
                    for round in 0..ROUNDS {
                        let (largest, _) = compare(&mut classifier, &cases);
                        assert!(largest <= TOLERANCE, "{id}, round {round}: {largest:e}");
                    }
                });
            }
        });
    }
}

#[test]
fn every_engine_refuses_slices_of_the_wrong_length() {
    let _alone = ONE_AT_A_TIME.lock();
    let package = random_package::c();
    for id in EngineId::ALL {
        let Some(mut classifier) = classifier(&package, id) else {
            continue;
        };
        let features = vec![0.0; classifier.n_features()];
        let mut probabilities = vec![0.0; classifier.n_classes()];
        classifier
            .classify(&features[1..], &mut probabilities)
            .unwrap_err();
        classifier
            .classify(&features, &mut probabilities[1..])
            .unwrap_err();
        classifier.classify(&features, &mut probabilities).unwrap();
    }
}

/// Every layer that a manifest can name, with all paddings, on a patch of 9 x 7 x 2 and a side
/// vector of 5: the signal shrinks to 5 x 4, then 3 x 4, then 2 x 2 places of 3 channels.
const EVERY_LAYER: &str = r#"
[[layers]]
kind = "split"
frames = 9
bands = 7
channels = 2
[[layers]]
kind = "conv2d"
name = "conv_same"
filters = 5
kernel = [3, 3]
stride = [2, 2]
padding = "same"
[[layers]]
kind = "leaky_relu"
slope = 0.2
[[layers]]
kind = "batch_norm"
name = "norm_patch"
size = 5
epsilon = 1e-3
[[layers]]
kind = "max_pool2d"
pool = [3, 3]
stride = [2, 1]
padding = [1, 1]
[[layers]]
kind = "conv2d"
name = "conv_zeros"
filters = 4
kernel = [2, 3]
padding = [1, 2]
[[layers]]
kind = "prelu"
name = "prelu_patch"
size = 4
[[layers]]
kind = "max_pool2d"
pool = [2, 2]
padding = "same"
[[layers]]
kind = "elu"
[[layers]]
kind = "conv2d"
name = "conv_valid"
filters = 3
kernel = [1, 2]
padding = "valid"
[[layers]]
kind = "relu"
[[layers]]
kind = "max_pool2d"
pool = [1, 1]
padding = "valid"
[[layers]]
kind = "concat_side"
[[layers]]
kind = "dense"
name = "hidden"
inputs = 17
outputs = 9
[[layers]]
kind = "tanh"
[[layers]]
kind = "prelu"
name = "prelu_vector"
size = 9
[[layers]]
kind = "sigmoid"
[[layers]]
kind = "batch_norm"
name = "norm_vector"
size = 9
epsilon = 1e-3
[[layers]]
kind = "relu"
[[layers]]
kind = "dense"
name = "last"
inputs = 9
outputs = 8
[[layers]]
kind = "softmax"
temperature = 1.5
"#;

#[derive(Deserialize)]
struct Layers {
    layers: Vec<LayerSpec>,
}

#[test]
fn every_layer_of_a_package_runs_in_every_engine() {
    let _alone = ONE_AT_A_TIME.lock();
    let Layers { layers } = toml::from_str(EVERY_LAYER).unwrap();
    let package = random_package::package("every-layer", 131, layers);
    // The shapes of native-fixed are the paper's.
    let engines: Vec<EngineId> = EngineId::ALL
        .into_iter()
        .filter(|id| *id != EngineId::NativeFixed)
        .collect();
    every_engine_agrees(&package, &engines);
}
