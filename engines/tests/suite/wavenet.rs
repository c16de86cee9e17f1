//! Residual and gated blocks, as packages describe them: against double precision, against Neural
//! Amp Modeler's definition, in blocks, and refused in words.

use std::fs;

use tocco_engines::convert::{Format, convert, convert_signal};
use tocco_engines::native::{InstructionSet, NativeEngine, NativeOptions};
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::network::Network;
use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::{
    AUDIO_PRESET, DEFAULT_ONSET, FORMAT, HOP, Input, LayerSpec, NetworkSpec, SAMPLE_RATE,
    ScalerSpec,
};
use tocco_engines::reference::Reference;
use tocco_engines::{Engine, LoadError, Malformed, Manifest, ModelPackage, Tensor, foreign};

use crate::counting_allocator::CALLS;
use crate::random_package::{self, Random};
use crate::recurrent::{self, Named, blockwise, check, for_each_set, stepwise};

/// Random tensors for layers, of the size that training starts from.
struct Filler {
    random: Random,
    n_inputs: usize,
    skip_sum: usize,
    tensors: Tensors,
}

impl Filler {
    fn new(seed: u64, n_inputs: usize) -> Self {
        Self {
            random: Random::new(seed),
            n_inputs,
            skip_sum: 0,
            tensors: Tensors::new(),
        }
    }

    fn insert(&mut self, name: &str, part: &str, shape: &[usize], scale: f32, offset: f32) {
        let values = self.random.vector(shape.iter().product(), scale, offset);
        let tensor = Tensor::new(shape.to_vec(), values).unwrap();
        self.tensors.insert(format!("{name}.{part}"), tensor);
    }

    /// The width behind `layers`, whose input is `width` wide.
    fn fill(&mut self, layers: &[LayerSpec], width: usize) -> usize {
        layers.iter().fold(width, |width, layer| match layer {
            LayerSpec::Conv1d {
                name,
                filters,
                kernel,
                groups,
                ..
            } => {
                let inputs = width / groups;
                let scale = (1.0 / (inputs * kernel) as f32).sqrt();
                self.insert(name, "weight", &[*filters, *kernel, inputs], scale, 0.0);
                self.insert(name, "bias", &[*filters], 0.1, 0.0);
                *filters
            }
            LayerSpec::Dense { name, outputs, .. } => {
                let scale = (1.0 / width as f32).sqrt();
                self.insert(name, "weight", &[*outputs, width], scale, 0.0);
                self.insert(name, "bias", &[*outputs], 0.1, 0.0);
                *outputs
            }
            LayerSpec::BatchNorm { name, size, .. } => {
                self.insert(name, "gamma", &[*size], 0.3, 0.7);
                self.insert(name, "beta", &[*size], 0.3, 0.0);
                self.insert(name, "mean", &[*size], 0.3, 0.1);
                self.insert(name, "variance", &[*size], 0.5, 1.0);
                width
            }
            LayerSpec::Condition { name } => {
                let shape = [width, self.n_inputs];
                self.insert(name, "weight", &shape, 0.5, 0.0);
                width
            }
            LayerSpec::Gated {} => width / 2,
            LayerSpec::Residual { layers } => self.fill(layers, width),
            LayerSpec::Skip { layers } => {
                self.skip_sum = self.fill(layers, width);
                width
            }
            LayerSpec::SkipSum {} => self.skip_sum,
            _ => width,
        })
    }
}

/// What a package of `layers` on the sound itself says, and its tensors.
fn parts(seed: u64, n_inputs: usize, layers: Vec<LayerSpec>) -> (Manifest, Tensors) {
    let mut filler = Filler::new(seed, n_inputs);
    let n_outputs = filler.fill(&layers, n_inputs);
    let manifest = Manifest {
        format: FORMAT,
        id: "wavenet".to_owned(),
        title: "Random weights".to_owned(),
        labels: (0..n_outputs.max(1)).map(|i| format!("out {i}")).collect(),
        licence: "GPL-3.0-or-later".to_owned(),
        second: None,
        input: Input {
            sample_rate: SAMPLE_RATE,
            hop: HOP,
            window: HOP,
            onset: DEFAULT_ONSET.to_owned(),
            post_onset_hops: 0,
            preset: AUDIO_PRESET.to_owned(),
            features: (0..n_inputs).map(|i| format!("in {i}")).collect(),
        },
        scaler: ScalerSpec::None {},
        network: NetworkSpec {
            weights: Some("weights.safetensors".to_owned()),
            file: None,
            weight_format: None,
            layers,
        },
        provenance: None,
        accuracy: Vec::new(),
    };
    (manifest, filler.tensors)
}

fn package(seed: u64, n_inputs: usize, layers: Vec<LayerSpec>) -> ModelPackage {
    let (manifest, tensors) = parts(seed, n_inputs, layers);
    ModelPackage::new(manifest, tensors, "random").unwrap()
}

/// What is wrong with `layers` on two inputs.
fn refused(layers: Vec<LayerSpec>) -> Malformed {
    let (manifest, tensors) = parts(1, 2, layers);
    match ModelPackage::new(manifest, tensors, "random") {
        Err(LoadError::Malformed(malformed)) => *malformed,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was accepted"),
    }
}

fn conv(name: impl Into<String>, filters: usize, kernel: usize, dilation: usize) -> LayerSpec {
    LayerSpec::Conv1d {
        name: name.into(),
        filters,
        kernel,
        dilation,
        groups: 1,
    }
}

fn residual(layers: Vec<LayerSpec>) -> LayerSpec {
    LayerSpec::Residual { layers }
}

fn skip(layers: Vec<LayerSpec>) -> LayerSpec {
    LayerSpec::Skip { layers }
}

/// A layer array as Neural Amp Modeler calls it, without what changes the number of channels.
fn array(
    name: &str,
    channels: usize,
    kernel: usize,
    dilations: &[usize],
    gated: bool,
) -> impl Iterator<Item = LayerSpec> {
    dilations.iter().enumerate().map(move |(i, &dilation)| {
        let (width, activation) = match gated {
            true => (2 * channels, LayerSpec::Gated {}),
            false => (channels, LayerSpec::Tanh {}),
        };
        residual(vec![
            conv(format!("{name}_{i}"), width, kernel, dilation),
            LayerSpec::Condition {
                name: format!("{name}_{i}_input"),
            },
            activation,
            skip(vec![]),
            conv(format!("{name}_{i}_out"), channels, 1, 1),
        ])
    })
}

/// Two layer arrays of `channels` and half as many, as Neural Amp Modeler's WaveNet has them.
fn amplifier(channels: usize, kernel: usize, dilations: &[usize], gated: bool) -> Vec<LayerSpec> {
    let half = channels / 2;
    let mut layers = vec![conv("first_in", channels, 1, 1)];
    layers.extend(array("first", channels, kernel, dilations, gated));
    layers.push(skip(vec![
        LayerSpec::SkipSum {},
        conv("first_head", half, 1, 1),
    ]));
    layers.push(conv("second_in", half, 1, 1));
    layers.extend(array("second", half, kernel, dilations, gated));
    layers.extend([LayerSpec::SkipSum {}, conv("second_head", 1, 1, 1)]);
    layers
}

const STANDARD: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

fn standard(gated: bool) -> Network {
    package(2, 1, amplifier(16, 3, &STANDARD, gated))
        .network()
        .unwrap()
}

fn native(network: &Network, instructions: InstructionSet) -> NativeEngine {
    let options = NativeOptions {
        instructions,
        ..NativeOptions::default()
    };
    NativeEngine::with_options(network, options)
}

/// The tensors of a package in double precision, as whole signals see them.
struct Signals<'a> {
    tensors: &'a Tensors,
    /// `[steps]`
    input: &'a [f64],
}

/// `[steps][channels]`
type Signal = Vec<Vec<f64>>;

impl Signals<'_> {
    fn values(&self, name: &str) -> Vec<f64> {
        let values = self.tensors[name].values();
        values.iter().copied().map(f64::from).collect()
    }

    /// A causal convolution of a whole signal.
    fn conv(&self, name: &str, kernel: usize, dilation: usize, x: &Signal) -> Signal {
        let (weight, bias) = (
            self.values(&format!("{name}.weight")),
            self.values(&format!("{name}.bias")),
        );
        let inputs = x[0].len();
        let output = |t: usize, o: usize| {
            let mut sum = bias[o];
            for k in 0..kernel {
                if let Some(then) = t.checked_sub((kernel - 1 - k) * dilation) {
                    for i in 0..inputs {
                        sum += weight[(o * kernel + k) * inputs + i] * x[then][i];
                    }
                }
            }
            sum
        };
        let step = |t| (0..bias.len()).map(|o| output(t, o)).collect();
        (0..x.len()).map(step).collect()
    }

    /// One layer array: what leaves it, and what it adds to `head`.
    fn array(
        &self,
        name: &str,
        kernel: usize,
        dilations: &[usize],
        gated: bool,
        x: &Signal,
        head: &mut Signal,
    ) -> Signal {
        let mut x = x.clone();
        for (i, &dilation) in dilations.iter().enumerate() {
            let mixin = self.values(&format!("{name}_{i}_input.weight"));
            let mut z = self.conv(&format!("{name}_{i}"), kernel, dilation, &x);
            for (z, input) in z.iter_mut().zip(self.input) {
                z.iter_mut().zip(&mixin).for_each(|(z, v)| *z += v * input);
                if gated {
                    let gates = z.split_off(z.len() / 2);
                    let open = gates.iter().map(|gate| 1.0 / (1.0 + (-gate).exp()));
                    *z = z
                        .iter()
                        .zip(open)
                        .map(|(z, open)| z.tanh() * open)
                        .collect();
                } else {
                    z.iter_mut().for_each(|z| *z = z.tanh());
                }
            }
            sum(head, &z);
            sum(&mut x, &self.conv(&format!("{name}_{i}_out"), 1, 1, &z));
        }
        x
    }
}

fn sum(a: &mut Signal, b: &Signal) {
    for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
        *a += b;
    }
}

#[test]
fn the_layers_describe_neural_amp_modelers_wavenet() {
    for gated in [false, true] {
        let dilations = [1, 2, 5];
        let package = package(7, 1, amplifier(6, 2, &dilations, gated));
        let input = Random::new(4).vector(40, 1.0, 0.0);
        let network = package.network().unwrap();
        let mut reference = Reference::new(&network);
        let found: Vec<f64> = input.iter().map(|x| reference.step(&[*x])[0]).collect();

        let input: Vec<f64> = input.into_iter().map(f64::from).collect();
        let signals = Signals {
            tensors: &package.tensors,
            input: &input,
        };
        let x = input.iter().map(|x| vec![*x]).collect();
        let x = signals.conv("first_in", 1, 1, &x);
        let mut head = vec![vec![0.0; 6]; input.len()];
        let x = signals.array("first", 2, &dilations, gated, &x, &mut head);
        let mut head = signals.conv("first_head", 1, 1, &head);
        let x = signals.conv("second_in", 1, 1, &x);
        signals.array("second", 2, &dilations, gated, &x, &mut head);
        let expected = signals.conv("second_head", 1, 1, &head);
        for (t, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected[0]).abs();
            assert!(error < 1e-12, "gated: {gated}, step {t}: {error:e}");
        }
    }
}

#[test]
fn ten_thousand_steps_of_a_wavenet_stay_at_the_reference() {
    for gated in [false, true] {
        let network = standard(gated);
        let mut engines = for_each_set(|set| native(&network, set));
        let what = format!("WaveNet, gated: {gated}");
        check(&network, &mut engines, recurrent::steps(), &what);
    }
}

/// Layers of every kind that belongs to blocks, in any order that fits.
struct Draw {
    random: Random,
    names: usize,
    skip_sum: Option<usize>,
}

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        ((self.random.next() + 1.0) * 0.5 * n as f32) as usize % n
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("layer_{}", self.names)
    }

    fn conv(&mut self, width: usize, filters: usize) -> LayerSpec {
        let divides = |n: &usize| width.is_multiple_of(*n) && filters.is_multiple_of(*n);
        let groups: Vec<usize> = (1..=4).filter(divides).collect();
        let groups = groups[self.below(groups.len())];
        LayerSpec::Conv1d {
            name: self.name(),
            filters,
            kernel: 1 + self.below(4),
            dilation: 1 + self.below(9),
            groups,
        }
    }

    /// Some layers behind a vector of `width`, and the width behind them.
    fn layers(&mut self, width: usize, depth: usize) -> (Vec<LayerSpec>, usize) {
        let mut width = width;
        let mut layers = Vec::new();
        for _ in 0..1 + self.below(5) {
            let layer = match self.below(10) {
                0 | 1 => {
                    let filters = 1 + self.below(20);
                    let conv = self.conv(width, filters);
                    width = filters;
                    conv
                }
                2 if width.is_multiple_of(2) => {
                    width /= 2;
                    LayerSpec::Gated {}
                }
                3 => LayerSpec::Condition { name: self.name() },
                4 => LayerSpec::Tanh {},
                5 => LayerSpec::BatchNorm {
                    name: self.name(),
                    size: width,
                    epsilon: 1e-3,
                },
                6 | 7 if depth < 3 => {
                    let (mut inside, w) = self.layers(width, depth + 1);
                    inside.push(self.conv(w, width));
                    residual(inside)
                }
                8 if depth < 3 => {
                    let mut inside = Vec::new();
                    let mut w = width;
                    if self.below(2) == 0 {
                        (inside, w) = self.layers(width, depth + 1);
                    }
                    match self.skip_sum {
                        Some(sum) if sum != w => inside.push(self.conv(w, sum)),
                        _ => self.skip_sum = Some(w),
                    }
                    skip(inside)
                }
                9 if self.skip_sum.is_some() => {
                    width = self.skip_sum.take().unwrap();
                    LayerSpec::SkipSum {}
                }
                _ => LayerSpec::LeakyRelu { slope: 0.2 },
            };
            layers.push(layer);
        }
        (layers, width)
    }
}

/// A network of random layers on `n_inputs` inputs.
fn random_network(seed: u64, n_inputs: usize) -> Network {
    let mut draw = Draw {
        random: Random::new(seed),
        names: 0,
        skip_sum: None,
    };
    let (mut layers, mut width) = draw.layers(n_inputs, 0);
    if let Some(sum) = draw.skip_sum {
        layers.push(LayerSpec::SkipSum {});
        width = sum;
    }
    layers.push(LayerSpec::Dense {
        name: "out".to_owned(),
        inputs: width,
        outputs: 2,
    });
    package(seed, n_inputs, layers).network().unwrap()
}

#[test]
fn random_blocks_agree_with_the_reference_in_blocks_of_any_length() {
    let mut kinds = [0; 5];
    for seed in 1..=200 {
        let network = random_network(seed, 1 + seed as usize % 4);
        let text = format!("{:?}", network.layers());
        for (count, kind) in
            kinds
                .iter_mut()
                .zip(["Residual([", "Skip([", "SkipSum", "Gated", "Condition("])
        {
            *count += usize::from(text.contains(kind));
        }
        let mut engines = for_each_set(|set| native(&network, set));
        check(&network, &mut engines, 60, &format!("seed {seed}"));
        for Named { name, engine } in &mut engines {
            let inputs = Random::new(8).vector(150 * network.n_inputs(), 1.0, 0.0);
            let expected = stepwise(&mut **engine, &inputs);
            for block in [1, 2, 63, 64, 150] {
                let found = blockwise(&mut **engine, &inputs, block);
                assert_eq!(found, expected, "seed {seed}, {name}, blocks of {block}");
            }
        }
    }
    assert!(kinds.iter().all(|count| *count > 20), "{kinds:?}");
}

#[test]
fn a_block_of_a_wavenet_is_the_same_as_its_steps() {
    for gated in [false, true] {
        let mut engine = NativeEngine::new(&standard(gated));
        let inputs = Random::new(8).vector(3000, 1.0, 0.0);
        let expected = stepwise(&mut engine, &inputs);
        for block in [1, 7, 64, 500, 3000] {
            let found = blockwise(&mut engine, &inputs, block);
            assert!(found == expected, "gated: {gated}, blocks of {block}");
        }
    }
}

#[test]
fn what_is_no_number_is_silence_and_nothing_stays_after_a_reset() {
    for gated in [false, true] {
        let mut engine = NativeEngine::new(&standard(gated));
        let good = Random::new(2).vector(1500, 1.0, 0.0);
        let expected = stepwise(&mut engine, &good);
        let silence = stepwise(&mut engine, &[0.0; 70]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let found = stepwise(&mut engine, &[bad; 70]);
            assert_eq!(found, silence, "gated: {gated}, {bad}");
            assert!(stepwise(&mut engine, &good) == expected, "after {bad}");
        }
        for huge in [f32::MAX, f32::MIN] {
            stepwise(&mut engine, &[huge; 70]);
            assert!(stepwise(&mut engine, &good) == expected, "after {huge}");
        }
    }
}

#[test]
fn blocks_make_no_heap_call() {
    let random = (1..20).map(|seed| random_network(seed, 2));
    for network in random.chain([standard(false), standard(true)]) {
        let mut engine = NativeEngine::new(&network);
        let inputs = vec![0.1; 200 * network.n_inputs()];
        let mut outputs = vec![0.0; 200 * network.n_outputs()];
        let before = CALLS.get();
        let steps = inputs.chunks_exact(network.n_inputs());
        for (x, y) in steps.zip(outputs.chunks_exact_mut(network.n_outputs())) {
            engine.infer(x, y).unwrap();
        }
        engine.process_block(&inputs, &mut outputs).unwrap();
        engine.reset();
        assert_eq!(CALLS.get() - before, 0, "{network:?}");
    }
}

#[test]
fn a_wavenet_is_saved_and_loaded_as_the_same() {
    let mut package = package(3, 1, amplifier(4, 3, &[1, 2], true));
    let folder = tempfile::tempdir().unwrap();
    package.save(folder.path()).unwrap();
    let loaded = ModelPackage::load(folder.path()).unwrap();
    package.source.clone_from(&loaded.source);
    assert_eq!(loaded, package);
    assert_eq!(loaded.network().unwrap(), package.network().unwrap());
    // 4 and 2 channels of two layers each, gated; Keras' way of counting.
    let layer = |n: usize| (2 * n * n * 3 + 2 * n) + 2 * n + (n * n + n);
    let heads = (4 * 2 + 2) + (2 + 1);
    let inputs = (4 + 4) + (4 * 2 + 2);
    assert_eq!(
        package.parameter_count().unwrap(),
        2 * layer(4) + 2 * layer(2) + heads + inputs
    );
}

#[test]
fn a_classifier_may_have_residual_blocks() {
    let dense = |name: &str, inputs: usize, outputs: usize| LayerSpec::Dense {
        name: name.to_owned(),
        inputs,
        outputs,
    };
    let block = |i: usize| {
        residual(vec![
            dense(&format!("a_{i}"), 12, 30),
            LayerSpec::Relu {},
            residual(vec![dense(&format!("b_{i}"), 30, 30), LayerSpec::Relu {}]),
            dense(&format!("c_{i}"), 30, 12),
        ])
    };
    let layers = vec![
        dense("in", 20, 12),
        block(0),
        LayerSpec::Relu {},
        block(1),
        dense("out", 12, 8),
        LayerSpec::Softmax { temperature: 1.0 },
    ];
    let mut filler = Filler::new(5, 20);
    filler.fill(&layers, 20);
    let package = random_package::with_tensors("residual", 20, layers, filler.tensors);
    let network = package.network().unwrap();
    let mut engines = for_each_set(|set| native(&network, set));
    check(&network, &mut engines, 200, "residual blocks");
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let error = refused(vec![
        conv("a", 3, 1, 1),
        residual(vec![skip(vec![]), residual(vec![conv("b", 4, 2, 1)])]),
        LayerSpec::SkipSum {},
    ]);
    assert_eq!(error.field, "network.layers[1].layers[1]");
    assert!(error.expected.starts_with("a vector of 3"), "{error}");
    assert_eq!(error.found, "a vector of 4");

    let error = refused(vec![residual(vec![])]);
    assert_eq!(error.field, "network.layers[0]");
    let error = refused(vec![conv("a", 3, 1, 1), LayerSpec::Gated {}]);
    assert!(error.expected.contains("even"), "{error}");
    let error = refused(vec![LayerSpec::SkipSum {}]);
    assert!(error.expected.contains("skip"), "{error}");
    let error = refused(vec![skip(vec![])]);
    assert!(error.expected.contains("skip_sum"), "{error}");
    let error = refused(vec![skip(vec![conv("a", 3, 1, 1)]), skip(vec![])]);
    assert_eq!(error.field, "network.layers[1]");
    let error = refused(vec![residual(vec![conv("a", 2, 1, 0)])]);
    assert_eq!(error.field, "network.layers[0].layers[0].dilation");
    let error = refused(vec![residual(vec![conv("a", 2, 1, 1)]), conv("a", 2, 1, 1)]);
    assert_eq!(error.field, "network.layers[1].name");
    let error = refused(vec![conv("a", 2, 3, usize::MAX / 2)]);
    assert!(error.expected.contains("remember"), "{error}");
    let deep = |n| (0..n).fold(conv("a", 2, 1, 1), |inside, _| residual(vec![inside]));
    package(1, 2, vec![deep(16)]);
    let error = refused(vec![deep(17)]);
    assert!(error.expected.contains("deep"), "{error}");
    assert_eq!(error.found, "17");

    let (mut manifest, tensors) = parts(1, 2, vec![conv("a", 2, 1, 1)]);
    manifest.input.preset = "timbreid".to_owned();
    let error = ModelPackage::new(manifest, tensors, "random").unwrap_err();
    assert!(error.to_string().contains("softmax"), "{error}");
}

#[test]
fn engines_and_formats_without_blocks_say_so() {
    let network = standard(true);
    let error = NativeFixedEngine::new(&network, "it").err().unwrap();
    assert!(error.to_string().contains("choose native"), "{error}");
    for (layers, word) in [
        (vec![residual(vec![conv("a", 2, 1, 1)])], "residual"),
        (vec![LayerSpec::Gated {}], "gated"),
        (
            vec![LayerSpec::Condition {
                name: "a".to_owned(),
            }],
            "condition",
        ),
        (vec![skip(vec![]), LayerSpec::SkipSum {}], "skip"),
    ] {
        let network = package(1, 2, layers).network().unwrap();
        for format in Format::ALL {
            let error = convert(&network, format).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

/// A missing library is named and skipped, except in CI.
#[test]
fn other_engines_compute_whole_signals_of_random_blocks() {
    const STEPS: usize = 20;
    let mut compared = 0;
    for seed in 1..=40 {
        let network = random_network(seed, 1 + seed as usize % 4);
        let inputs = Random::new(8).vector(STEPS * network.n_inputs(), 1.0, 0.0);
        let mut reference = Reference::new(&network);
        let exact: Vec<f64> = inputs
            .chunks_exact(network.n_inputs())
            .flat_map(|inputs| reference.step(inputs))
            .collect();
        for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
            let signal = match convert_signal(&network, format, STEPS) {
                Ok(signal) => signal,
                Err(error) => {
                    assert!(error.to_string().contains("groups"), "{error}");
                    continue;
                }
            };
            let mut engine =
                match foreign::load_bytes(format.engine(), &signal.model, "it", inputs.len()) {
                    Ok(engine) => engine,
                    Err(error @ LoadError::Engine { .. }) => {
                        assert!(std::env::var_os("CI").is_none(), "{error}");
                        eprintln!("skipped: {error}");
                        continue;
                    }
                    Err(error) => panic!("seed {seed} as {format}: {error}"),
                };
            let mut outputs = vec![f32::NAN; exact.len()];
            engine.infer(&inputs, &mut outputs).unwrap();
            for (i, (y, exact)) in outputs.iter().zip(&exact).enumerate() {
                let error = (f64::from(*y) - exact).abs();
                assert!(
                    error <= 1e-5,
                    "seed {seed} as {format}, output {i}: {error:e}"
                );
            }
            compared += 1;
        }
    }
    println!("{compared} files compared");
    // Two of the formats know every layer.
    if std::env::var_os("CI").is_some() {
        assert!(compared >= 80, "only {compared} files were compared");
    }
}

#[test]
fn the_documents_example_is_a_package() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/wavenet.md");
    let text = fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let manifest = Manifest::parse(example, "docs/wavenet.md").unwrap();
    let mut filler = Filler::new(9, 1);
    filler.fill(&manifest.network.layers, 1);
    // The page names every tensor with its shape.
    for (name, tensor) in &filler.tensors {
        let line = format!("`{name}` `{:?}`", tensor.shape());
        assert!(text.contains(&line), "{line}");
    }
    let written = manifest.to_toml("model.toml").unwrap();
    assert_eq!(Manifest::parse(&written, "model.toml").unwrap(), manifest);
    let package = ModelPackage::new(manifest, filler.tensors, "docs").unwrap();
    let network = package.network().unwrap();
    let mut engine = [Named {
        name: "best".to_owned(),
        engine: Box::new(NativeEngine::new(&network)),
    }];
    check(&network, &mut engine, 100, "docs/wavenet.md");
}
