//! The native engine against the double-precision reference.

use crate::random_package::{Random, a, b, c, package};
use approx::assert_abs_diff_eq;
use tocco_engines::WeightFormat;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{Classifier, EngineId, LoadError, ModelPackage, reference};

/// Raw features near the mean of `package`'s scaler.
fn features(package: &ModelPackage, random: &mut Random) -> Vec<f32> {
    let n = package.manifest.input.features.len();
    random.vector(n, 2.0, 0.0)
}

/// How far a probability may be from double precision with weights as they were trained.
const TOLERANCE: f64 = 1e-5;

/// Compares the probabilities of `notes` random feature vectors.
fn compare(package: &ModelPackage, notes: usize) {
    compare_on(package, notes, EngineId::Native);
}

fn compare_on(package: &ModelPackage, notes: usize, engine: EngineId) {
    compare_as(package, notes, engine, WeightFormat::F32, TOLERANCE);
}

fn compare_as(
    package: &ModelPackage,
    notes: usize,
    engine: EngineId,
    weights: WeightFormat,
    tolerance: f64,
) {
    let network = package.network().unwrap();
    let scaler = package.scaler().unwrap();
    let mut classifier = Classifier::with_weights(package, engine, weights).unwrap();
    let mut random = Random::new(5);
    let mut probabilities = vec![0.0; classifier.n_classes()];
    let mut scaled = vec![0.0; classifier.n_features()];
    for _ in 0..notes {
        let raw = features(package, &mut random);
        classifier.classify(&raw, &mut probabilities).unwrap();
        scaler.apply(&raw, &mut scaled);
        for (p, expected) in probabilities
            .iter()
            .zip(reference::infer(&network, &scaled))
        {
            assert_abs_diff_eq!(f64::from(*p), expected, epsilon = tolerance);
        }
    }
}

#[test]
fn coarser_weights_stay_near_the_reference() {
    // Random weights, whose probabilities lie close to each other; docs/engines-benchmark.md has
    // the errors of the trained networks on real notes.
    for (weights, tolerance) in [
        (WeightFormat::F16, 4e-3),
        (WeightFormat::Bf16, 1.5e-2),
        (WeightFormat::Int8, 6e-2),
    ] {
        for engine in [EngineId::Native, EngineId::NativeFixed] {
            compare_as(&a(), 10, engine, weights, tolerance);
            compare_as(&b(), 30, engine, weights, tolerance);
            compare_as(&c(), 200, engine, weights, tolerance);
        }
    }
}

#[test]
fn a_package_chooses_its_weight_format() {
    let mut package = c();
    let bytes = |package: &ModelPackage| {
        Classifier::new(package, EngineId::Native)
            .unwrap()
            .weight_bytes()
    };
    let by_default = bytes(&package);
    package.manifest.network.weight_format = Some(WeightFormat::F32);
    let text = package.manifest.to_toml("model.toml").unwrap();
    assert!(text.contains("weight_format = \"f32\""), "{text}");
    let parse = |text: &str| tocco_engines::Manifest::parse(text, "model.toml");
    assert_eq!(parse(&text).unwrap(), package.manifest);
    let exact = bytes(&package);
    assert!(by_default < exact, "{by_default}, {exact}");
    package.manifest.network.weight_format = Some(WeightFormat::Int8);
    assert!(bytes(&package) < by_default);
    let error = parse(&text.replace("\"f32\"", "\"f64\"")).unwrap_err();
    let LoadError::Malformed(malformed) = error else {
        panic!("{error}");
    };
    assert!(
        malformed.field.starts_with("network.weight_format"),
        "{malformed}"
    );
    assert!(malformed.found.contains("f64"), "{malformed}");
}

#[test]
fn the_papers_networks_agree_with_the_reference() {
    compare(&a(), 10);
    compare(&b(), 30);
    compare(&c(), 200);
}

#[test]
fn the_papers_networks_agree_with_the_reference_when_their_shape_is_fixed() {
    compare_on(&a(), 10, EngineId::NativeFixed);
    compare_on(&b(), 30, EngineId::NativeFixed);
    compare_on(&c(), 200, EngineId::NativeFixed);
}

#[test]
fn another_shape_is_refused_by_the_fixed_engine_with_those_there_are() {
    let layers = vec![dense("d", 173, 8), LayerSpec::Softmax { temperature: 1.0 }];
    let package = package("other", 173, layers);
    let error = Classifier::new(&package, EngineId::NativeFixed)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("173-350-8") && error.contains("choose native"),
        "{error}"
    );
}

fn dense(name: &str, inputs: usize, outputs: usize) -> LayerSpec {
    LayerSpec::Dense {
        name: name.to_owned(),
        inputs,
        outputs,
    }
}

fn norm(name: &str, size: usize) -> LayerSpec {
    LayerSpec::BatchNorm {
        name: name.to_owned(),
        size,
        epsilon: 1e-3,
    }
}

#[test]
fn sizes_that_are_no_multiple_of_any_vector_agree() {
    for (inputs, hidden) in [(1, 1), (7, 3), (17, 31), (33, 65), (129, 15)] {
        let layers = vec![
            dense("in", inputs, hidden),
            LayerSpec::Tanh {},
            dense("middle", hidden, hidden + 1),
            LayerSpec::Sigmoid {},
            dense("out", hidden + 1, 8),
            LayerSpec::Softmax { temperature: 1.7 },
        ];
        compare(&package("sizes", inputs, layers), 20);
    }
}

#[test]
fn batch_normalisation_agrees_wherever_it_stands() {
    let softmax = || LayerSpec::Softmax { temperature: 1.0 };
    for layers in [
        // before the first dense layer, twice in a row
        vec![norm("n0", 13), norm("n1", 13), dense("d", 13, 8), softmax()],
        // between two dense layers: into the first
        vec![
            dense("d0", 13, 21),
            norm("n", 21),
            dense("d1", 21, 8),
            softmax(),
        ],
        // after an activation: into the next
        vec![
            dense("d0", 13, 21),
            LayerSpec::Relu {},
            norm("n", 21),
            dense("d1", 21, 8),
            softmax(),
        ],
        // between activations: nowhere to go
        vec![
            dense("d", 13, 8),
            LayerSpec::Tanh {},
            norm("n0", 8),
            LayerSpec::Relu {},
            norm("n1", 8),
            softmax(),
        ],
    ] {
        compare(&package("norm", 13, layers), 20);
    }
}

#[test]
fn broken_features_give_a_distribution_and_leave_no_trace() {
    let package = c();
    let mut classifier = Classifier::new(&package, EngineId::Native).unwrap();
    classifier.prime().unwrap();
    let good = vec![0.5; 173];
    let (mut before, mut after) = ([0.0; 8], [0.0; 8]);
    classifier.classify(&good, &mut before).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
        let mut p = [0.0; 8];
        classifier.classify(&[bad; 173], &mut p).unwrap();
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{bad}: {p:?}");
        assert_abs_diff_eq!(p.iter().sum::<f32>(), 1.0, epsilon = 1e-5);
    }
    classifier.classify(&good, &mut after).unwrap();
    assert_eq!(before, after);
}

#[test]
fn wrong_lengths_are_refused() {
    let mut classifier = Classifier::new(&c(), EngineId::Native).unwrap();
    assert!(classifier.classify(&[0.0; 172], &mut [0.0; 8]).is_err());
    assert!(classifier.classify(&[0.0; 173], &mut [0.0; 7]).is_err());
    let exact = Classifier::with_weights(&c(), EngineId::Native, WeightFormat::F32).unwrap();
    let parameters = 63_708 * 4;
    let bytes = exact.weight_bytes();
    assert!(
        (parameters..parameters * 21 / 20).contains(&bytes),
        "{bytes}"
    );
}
