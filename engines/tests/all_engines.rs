//! Every engine runs every network of the paper and agrees with double precision.
//!
//! An engine whose library is missing is named and skipped, except in CI, where its absence is a
//! failure: `cargo xtask engines install --yes` makes all of them present.

use std::sync::Mutex;

use tocco_engines::native::WeightFormat;
use tocco_engines::network::Network;
use tocco_engines::package::Tensors;
use tocco_engines::{Classifier, EngineId, LoadError, Manifest, ModelPackage, Tensor, reference};

/// Feature vectors that each engine is run on.
const VECTORS: usize = 1000;

/// Largest difference in probability.
const TOLERANCE: f64 = 1e-5;

/// Deterministic noise: xorshift64*, Vigna 2016.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }

    /// Roughly normal, with the deviation given.
    fn normal(&mut self, deviation: f32) -> f32 {
        // The sum of six uniform numbers from -1 to 1 has variance 2.
        (0..6).map(|_| self.next()).sum::<f32>() * deviation / 2.0_f32.sqrt()
    }

    fn values(&mut self, n: usize, deviation: f32) -> Vec<f32> {
        (0..n).map(|_| self.normal(deviation)).collect()
    }
}

/// A network with the shape of the paper's, its weights drawn so that the signal keeps its size.
struct Shape {
    id: &'static str,
    n_features: usize,
    hidden: &'static [usize],
    /// How many of the hidden layers are followed by batch normalisation.
    normalised: usize,
    parameters: usize,
}

const SHAPES: [Shape; 3] = [
    Shape {
        id: "a",
        n_features: 180,
        hidden: &[800; 4],
        normalised: 3,
        parameters: 2_083_208,
    },
    Shape {
        id: "b",
        n_features: 173,
        hidden: &[350; 6],
        normalised: 0,
        parameters: 677_958,
    },
    Shape {
        id: "c",
        n_features: 173,
        hidden: &[350],
        normalised: 0,
        parameters: 63_708,
    },
];

const N_CLASSES: usize = 8;

fn package(shape: &Shape) -> ModelPackage {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ shape.n_features as u64);
    let mut tensors = Tensors::new();
    let mut layers = String::new();
    let mut inputs = shape.n_features;
    let mut add = |name: String, sizes: &[usize], values: Vec<f32>| {
        tensors.insert(name, Tensor::new(sizes.to_vec(), values).unwrap());
    };
    for (i, &outputs) in shape.hidden.iter().chain(&[N_CLASSES]).enumerate() {
        let last = i == shape.hidden.len();
        let deviation = (2.0 / inputs as f32).sqrt();
        let name = format!("dense_{i}");
        add(
            format!("{name}.weight"),
            &[outputs, inputs],
            noise.values(outputs * inputs, deviation),
        );
        add(
            format!("{name}.bias"),
            &[outputs],
            noise.values(outputs, 0.1),
        );
        layers += &format!(
            "[[network.layers]]\nkind = \"dense\"\nname = \"{name}\"\ninputs = {inputs}\noutputs = {outputs}\n"
        );
        let activation = if last { "softmax" } else { "relu" };
        layers += &format!("[[network.layers]]\nkind = \"{activation}\"\n");
        if i < shape.normalised {
            let name = format!("batch_norm_{i}");
            let positive = |mut values: Vec<f32>| {
                values
                    .iter_mut()
                    .for_each(|value| *value = 0.5 + value.abs());
                values
            };
            add(
                format!("{name}.gamma"),
                &[outputs],
                positive(noise.values(outputs, 0.5)),
            );
            add(
                format!("{name}.beta"),
                &[outputs],
                noise.values(outputs, 0.2),
            );
            add(
                format!("{name}.mean"),
                &[outputs],
                positive(noise.values(outputs, 0.2)),
            );
            add(
                format!("{name}.variance"),
                &[outputs],
                positive(noise.values(outputs, 0.5)),
            );
            layers += &format!(
                "[[network.layers]]\nkind = \"batch_norm\"\nname = \"{name}\"\nsize = {outputs}\nepsilon = 1e-3\n"
            );
        }
        inputs = outputs;
    }
    let names = |prefix: &str, n: usize| -> Vec<String> {
        (0..n).map(|i| format!("{prefix}_{i}")).collect()
    };
    let manifest = format!(
        "format = 1\nid = \"{}\"\ntitle = \"Random\"\nlabels = {:?}\nlicence = \"CC0-1.0\"\n\
         [input]\nsample_rate = 48000\nhop = 64\nwindow = 704\npost_onset_hops = 5\n\
         preset = \"timbreid\"\nfeatures = {:?}\n[scaler]\nkind = \"none\"\n\
         [network]\nweights = \"weights.safetensors\"\n{layers}",
        shape.id,
        names("class", N_CLASSES),
        names("feature", shape.n_features),
    );
    let manifest = Manifest::parse(&manifest, "model.toml").unwrap();
    ModelPackage::new(manifest, tensors, "built in").unwrap()
}

/// Scaled feature vectors and what double precision makes of them.
fn cases(network: &Network) -> Vec<(Vec<f32>, Vec<f64>)> {
    let mut noise = Noise(1);
    (0..VECTORS)
        .map(|_| {
            let features = noise.values(network.n_inputs(), 1.0);
            let probabilities = reference::infer(network, &features);
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

#[test]
fn every_engine_agrees_with_double_precision_on_every_network() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut failures = Vec::new();
    for shape in &SHAPES {
        let package = package(shape);
        let network = package.network().unwrap();
        assert_eq!(
            network.parameter_count(),
            shape.parameters,
            "network {}",
            shape.id
        );
        let cases = cases(&network);
        for id in EngineId::ALL {
            let Some(mut classifier) = classifier(&package, id) else {
                continue;
            };
            let (largest, other_winners) = compare(&mut classifier, &cases);
            println!(
                "network {}, engine {id}: largest difference {largest:.1e}, {other_winners} other winners of {VECTORS}",
                shape.id
            );
            if largest.is_nan() || largest > TOLERANCE || other_winners > 0 {
                failures.push(format!(
                    "{} with {id}: {largest:e}, {other_winners}",
                    shape.id
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_engine_refuses_slices_of_the_wrong_length() {
    let _alone = ONE_AT_A_TIME.lock();
    let shape = &SHAPES[2];
    let package = package(shape);
    for id in EngineId::ALL {
        let Some(mut classifier) = classifier(&package, id) else {
            continue;
        };
        let features = vec![0.0; shape.n_features];
        let mut probabilities = vec![0.0; N_CLASSES];
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
[[network.layers]]
kind = "split"
frames = 9
bands = 7
channels = 2
[[network.layers]]
kind = "conv2d"
name = "conv_same"
filters = 5
kernel = [3, 3]
stride = [2, 2]
padding = "same"
[[network.layers]]
kind = "leaky_relu"
slope = 0.2
[[network.layers]]
kind = "batch_norm"
name = "norm_patch"
size = 5
epsilon = 1e-3
[[network.layers]]
kind = "max_pool2d"
pool = [3, 3]
stride = [2, 1]
padding = [1, 1]
[[network.layers]]
kind = "conv2d"
name = "conv_zeros"
filters = 4
kernel = [2, 3]
padding = [1, 2]
[[network.layers]]
kind = "prelu"
name = "prelu_patch"
size = 4
[[network.layers]]
kind = "max_pool2d"
pool = [2, 2]
padding = "same"
[[network.layers]]
kind = "elu"
[[network.layers]]
kind = "conv2d"
name = "conv_valid"
filters = 3
kernel = [1, 2]
padding = "valid"
[[network.layers]]
kind = "relu"
[[network.layers]]
kind = "max_pool2d"
pool = [1, 1]
padding = "valid"
[[network.layers]]
kind = "concat_side"
[[network.layers]]
kind = "dense"
name = "hidden"
inputs = 17
outputs = 9
[[network.layers]]
kind = "tanh"
[[network.layers]]
kind = "prelu"
name = "prelu_vector"
size = 9
[[network.layers]]
kind = "sigmoid"
[[network.layers]]
kind = "batch_norm"
name = "norm_vector"
size = 9
epsilon = 1e-3
[[network.layers]]
kind = "relu"
[[network.layers]]
kind = "dense"
name = "last"
inputs = 9
outputs = 8
[[network.layers]]
kind = "softmax"
temperature = 1.5
"#;

#[test]
fn every_layer_of_a_package_runs_in_every_engine() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut noise = Noise(7);
    let mut tensors = Tensors::new();
    for (name, sizes) in [
        ("conv_same.weight", &[5, 3, 3, 2][..]),
        ("conv_same.bias", &[5]),
        ("conv_zeros.weight", &[4, 2, 3, 5]),
        ("conv_zeros.bias", &[4]),
        ("conv_valid.weight", &[3, 1, 2, 4]),
        ("conv_valid.bias", &[3]),
        ("hidden.weight", &[9, 17]),
        ("hidden.bias", &[9]),
        ("last.weight", &[8, 9]),
        ("last.bias", &[8]),
        ("prelu_patch.alpha", &[4]),
        ("prelu_vector.alpha", &[9]),
        ("norm_patch.gamma", &[5]),
        ("norm_patch.beta", &[5]),
        ("norm_patch.mean", &[5]),
        ("norm_patch.variance", &[5]),
        ("norm_vector.gamma", &[9]),
        ("norm_vector.beta", &[9]),
        ("norm_vector.mean", &[9]),
        ("norm_vector.variance", &[9]),
    ] {
        let mut values = noise.values(sizes.iter().product(), 0.5);
        if name.ends_with("variance") {
            values
                .iter_mut()
                .for_each(|value| *value = 0.3 + value.abs());
        }
        tensors.insert(
            name.to_owned(),
            Tensor::new(sizes.to_vec(), values).unwrap(),
        );
    }
    let features: Vec<String> = (0..131).map(|i| format!("feature_{i}")).collect();
    let labels: Vec<String> = (0..N_CLASSES).map(|i| format!("class_{i}")).collect();
    let manifest = format!(
        "format = 1\nid = \"every-layer\"\ntitle = \"Random\"\nlabels = {labels:?}\n\
         licence = \"CC0-1.0\"\n[input]\nsample_rate = 48000\nhop = 64\nwindow = 704\n\
         post_onset_hops = 5\npreset = \"timbreid\"\nfeatures = {features:?}\n\
         [scaler]\nkind = \"none\"\n[network]\nweights = \"w.safetensors\"\n{EVERY_LAYER}"
    );
    let manifest = Manifest::parse(&manifest, "model.toml").unwrap();
    let package = ModelPackage::new(manifest, tensors, "built in").unwrap();
    let network = package.network().unwrap();
    let cases = cases(&network);
    let mut failures = Vec::new();
    for id in EngineId::ALL {
        if id == EngineId::NativeFixed {
            // Its shapes are the paper's.
            continue;
        }
        let Some(mut classifier) = classifier(&package, id) else {
            continue;
        };
        let (largest, other_winners) = compare(&mut classifier, &cases);
        println!(
            "every layer, engine {id}: largest difference {largest:.1e}, {other_winners} other winners of {VECTORS}"
        );
        if largest.is_nan() || largest > TOLERANCE || other_winners > 0 {
            failures.push(format!("{id}: {largest:e}, {other_winners}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
