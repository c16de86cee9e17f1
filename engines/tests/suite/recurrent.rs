//! Recurrent networks against the double-precision reference, step by step and in blocks.

use serde_json::{Value, json};

use crate::random_package::Random;
use tocco_engines::WeightFormat;
use tocco_engines::native::{InstructionSet, NativeEngine, NativeOptions};
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::network::Network;
use tocco_engines::reference::Reference;
use tocco_engines::{Engine, rtneural};

/// How far an output may be from double precision, however long the stream.
pub const TOLERANCE: f64 = 2e-6;

fn matrix(random: &mut Random, rows: usize, columns: usize, scale: f32) -> Value {
    let rows: Vec<_> = (0..rows)
        .map(|_| random.vector(columns, scale, 0.0))
        .collect();
    json!(rows)
}

/// A layer of random weights, of the size that training starts from.
fn layer(random: &mut Random, kind: &str, inputs: usize, units: usize) -> Value {
    let scale = (1.0 / units as f32).sqrt();
    let gates = if kind == "gru" { 3 } else { 4 };
    let kernel = matrix(random, inputs, gates * units, scale);
    let recurrent = matrix(random, units, gates * units, scale);
    let bias = if kind == "gru" {
        matrix(random, 2, gates * units, scale)
    } else {
        json!(random.vector(gates * units, scale, 0.0))
    };
    json!({"type": kind, "activation": "", "shape": [null, null, units],
           "weights": [kernel, recurrent, bias]})
}

fn parse(inputs: usize, layers: &[Value]) -> Network {
    let model = json!({"in_shape": [null, null, inputs], "layers": layers});
    rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap()
}

/// Layers of `kind`, each with so many units, and a dense layer.
fn network(kind: &str, inputs: usize, units: &[usize], outputs: usize) -> Network {
    let mut random = Random::new(units.iter().sum::<usize>() as u64);
    let mut layers = Vec::new();
    let mut width = inputs;
    for &units in units {
        layers.push(layer(&mut random, kind, width, units));
        width = units;
    }
    let weights = [
        matrix(&mut random, width, outputs, 0.2),
        json!(random.vector(outputs, 0.2, 0.0)),
    ];
    layers.push(
        json!({"type": "dense", "activation": "", "shape": [null, null, outputs],
                       "weights": weights}),
    );
    parse(inputs, &layers)
}

fn native(network: &Network, instructions: InstructionSet, weights: WeightFormat) -> NativeEngine {
    let options = NativeOptions {
        weights,
        instructions,
    };
    NativeEngine::with_options(network, options)
}

/// An engine and what it is called in a test.
pub struct Named {
    pub name: String,
    pub engine: Box<dyn Engine>,
}

/// One engine for each instruction set of this processor, as `engine` makes them.
pub fn for_each_set<E: Engine + 'static>(engine: impl Fn(InstructionSet) -> E) -> Vec<Named> {
    let named = |set: InstructionSet| Named {
        name: set.to_string(),
        engine: Box::new(engine(set)),
    };
    InstructionSet::available().into_iter().map(named).collect()
}

/// The largest distance of each of `engines` from double precision, of any output in `steps` steps of
/// noise. They step side by side, so that the reference, which is slow, is computed once.
pub fn worst(network: &Network, engines: &mut [Named], steps: usize) -> Vec<f64> {
    let mut random = Random::new(3);
    let mut reference = Reference::new(network);
    let mut outputs = vec![0.0; network.n_outputs()];
    let mut worst = vec![0.0_f64; engines.len()];
    for _ in 0..steps {
        let inputs = random.vector(network.n_inputs(), 1.0, 0.0);
        let exact = reference.step(&inputs);
        for (named, worst) in engines.iter_mut().zip(&mut worst) {
            outputs.fill(f32::NAN);
            named.engine.infer(&inputs, &mut outputs).unwrap();
            for (y, exact) in outputs.iter().zip(&exact) {
                let error = (f64::from(*y) - exact).abs();
                *worst = worst.max(if error.is_nan() { f64::INFINITY } else { error });
            }
        }
    }
    worst
}

/// Fails if one of `engines` is further than [`TOLERANCE`] from double precision in `steps` steps.
pub fn check(network: &Network, engines: &mut [Named], steps: usize, what: &str) {
    let errors = worst(network, engines, steps);
    for (Named { name, .. }, error) in engines.iter().zip(errors) {
        println!("{what}, {name}, {steps} steps: {error:e}");
        assert!(error <= TOLERANCE, "{what}, {name}: {error:e}");
    }
}

/// An emulator takes an hour for what a processor does in seconds: `cargo xtask emulate` says so.
pub fn steps() -> usize {
    match std::env::var_os("TOCCO_EMULATED") {
        Some(_) => 500,
        None => 10_000,
    }
}

#[test]
fn ten_thousand_steps_stay_at_the_reference() {
    let steps = steps();
    for kind in ["lstm", "gru"] {
        for units in [8, 16, 24, 32, 40, 64] {
            // With one output `native` takes what has sizes that the compiler knows, with two what has none.
            for outputs in [1, 2] {
                let network = network(kind, 1, &[units], outputs);
                let mut engines = for_each_set(|set| native(&network, set, WeightFormat::F32));
                if outputs == 1 {
                    engines.push(Named {
                        name: "fixed".to_owned(),
                        engine: Box::new(NativeFixedEngine::new(&network, "model.json").unwrap()),
                    });
                }
                let what = format!("{kind} {units} {outputs}");
                check(&network, &mut engines, steps, &what);
            }
        }
    }
}

#[test]
fn any_size_and_any_stack_agrees_with_the_reference() {
    let stacks: [(usize, &[usize], usize); 8] = [
        (1, &[1], 1),
        (1, &[3], 2),
        (2, &[7], 1),
        (5, &[17], 8),
        (1, &[33, 9], 1),
        (3, &[16, 16, 16], 5),
        (9, &[100], 3),
        (64, &[129], 1),
    ];
    for kind in ["lstm", "gru"] {
        for (inputs, units, outputs) in stacks {
            let network = network(kind, inputs, units, outputs);
            let mut engines = for_each_set(|set| native(&network, set, WeightFormat::F32));
            let what = format!("{kind} {inputs} {units:?}");
            check(&network, &mut engines, 300, &what);
        }
    }
}

#[test]
fn large_layers_may_be_of_half_precision() {
    for kind in ["lstm", "gru"] {
        let network = network(kind, 1, &[64], 1);
        for set in InstructionSet::available() {
            let exact = native(&network, set, WeightFormat::F32);
            let half = native(&network, set, WeightFormat::F16);
            assert!(
                2 * half.weight_bytes() < exact.weight_bytes() * 21 / 20 + 2048,
                "{kind}, {set}: {}, {}",
                half.weight_bytes(),
                exact.weight_bytes()
            );
        }
        let mut halves = for_each_set(|set| native(&network, set, WeightFormat::F16));
        let errors = worst(&network, &mut halves, 1000);
        for (Named { name, .. }, error) in halves.iter().zip(errors) {
            assert!(error < 1e-3, "{kind}, {name}: {error:e}");
        }
    }
}

/// What `engine` makes of `inputs` step by step from its beginning.
pub fn stepwise(engine: &mut dyn Engine, inputs: &[f32]) -> Vec<f32> {
    engine.reset();
    let mut outputs = vec![0.0; inputs.len() / engine.n_features() * engine.n_classes()];
    let steps = outputs.chunks_exact_mut(engine.n_classes());
    for (inputs, outputs) in inputs.chunks_exact(engine.n_features()).zip(steps) {
        engine.infer(inputs, outputs).unwrap();
    }
    outputs
}

/// The same in blocks of so many steps.
pub fn blockwise(engine: &mut dyn Engine, inputs: &[f32], block: usize) -> Vec<f32> {
    engine.reset();
    let (n_inputs, n_outputs) = (engine.n_features(), engine.n_classes());
    let mut outputs = vec![0.0; inputs.len() / n_inputs * n_outputs];
    let blocks = outputs.chunks_mut(block * n_outputs);
    for (inputs, outputs) in inputs.chunks(block * n_inputs).zip(blocks) {
        engine.process_block(inputs, outputs).unwrap();
    }
    outputs
}

#[test]
fn a_block_is_the_same_as_its_steps() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut engines: Vec<Box<dyn Engine>> = Vec::new();
    for kind in ["lstm", "gru"] {
        for (inputs, units, outputs) in [(1, &[40][..], 1), (1, &[40], 2), (3, &[20, 33], 2)] {
            let network = network(kind, inputs, units, outputs);
            engines.push(Box::new(NativeEngine::new(&network)));
        }
        let network = network(kind, 1, &[16], 1);
        engines.push(Box::new(
            NativeFixedEngine::new(&network, "model.json").unwrap(),
        ));
    }
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if let Ok(network) = rtneural::load(&path) {
            let engine = NativeEngine::new(&network);
            engines.push(Box::new(engine));
            files += 1;
        }
    }
    assert!(files > 10, "{files}");
    for mut engine in engines {
        let inputs = Random::new(8).vector(300 * engine.n_features(), 1.0, 0.0);
        let expected = stepwise(&mut *engine, &inputs);
        for block in [1, 2, 63, 64, 300] {
            let found = blockwise(&mut *engine, &inputs, block);
            assert_eq!(found, expected, "{}, blocks of {block}", engine.name());
        }
    }
}

#[test]
fn blocks_of_no_whole_number_of_steps_are_refused() {
    let mut engine = NativeEngine::new(&network("lstm", 2, &[8], 3));
    assert_eq!(engine.process_block(&[], &mut []), Ok(()));
    assert_eq!(engine.process_block(&[0.0; 4], &mut [0.0; 6]), Ok(()));
    let error = engine.process_block(&[0.0; 3], &mut [0.0; 6]).unwrap_err();
    assert_eq!(error.to_string(), "features: expected 4 values, found 3");
    let error = engine.process_block(&[0.0; 4], &mut [0.0; 5]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "probabilities: expected room for 6 values, found 5"
    );
}

#[test]
fn nothing_broken_stays_after_a_reset() {
    for kind in ["lstm", "gru"] {
        let any = NativeEngine::new(&network(kind, 1, &[24], 2));
        let network = network(kind, 1, &[24], 1);
        let engines: [Box<dyn Engine>; 3] = [
            Box::new(any),
            Box::new(NativeEngine::new(&network)),
            Box::new(NativeFixedEngine::new(&network, "model.json").unwrap()),
        ];
        for mut engine in engines {
            let good = Random::new(2).vector(50, 1.0, 0.0);
            let expected = stepwise(&mut *engine, &good);
            for bad in [
                f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
            ] {
                let n_outputs = engine.n_classes();
                let mut outputs = vec![0.0; 70 * n_outputs];
                engine.process_block(&[bad; 70], &mut outputs).unwrap();
                assert!(outputs.iter().all(|y| y.is_finite()), "{bad}: {outputs:?}");
                let outputs = &mut outputs[..n_outputs];
                engine.infer(&[bad], outputs).unwrap();
                assert!(outputs.iter().all(|y| y.is_finite()), "{bad}: {outputs:?}");
                assert_eq!(
                    stepwise(&mut *engine, &good),
                    expected,
                    "{kind} after {bad}"
                );
            }
        }
    }
}

#[test]
fn what_decays_ends_in_zero_and_not_in_denormal_numbers() {
    for kind in ["lstm", "gru"] {
        let gates = if kind == "gru" { 3 } else { 4 };
        let mut random = Random::new(4);
        let kernel = matrix(&mut random, 1, gates * 8, 0.5);
        let recurrent = matrix(&mut random, 8, gates * 8, 0.1);
        let bias = if kind == "gru" {
            json!(vec![vec![0.0; gates * 8]; 2])
        } else {
            json!(vec![0.0; gates * 8])
        };
        let layer = json!({"type": kind, "activation": "", "shape": [null, null, 8],
                           "weights": [kernel, recurrent, bias]});
        let network = parse(1, &[layer]);
        for set in InstructionSet::available() {
            let mut engine = native(&network, set, WeightFormat::F32);
            let mut outputs = [0.0; 8];
            engine.infer(&[1.0], &mut outputs).unwrap();
            assert!(outputs.iter().all(|y| *y != 0.0));
            for step in 0..2000 {
                engine.infer(&[0.0], &mut outputs).unwrap();
                assert!(
                    !outputs.iter().any(|y| y.is_subnormal()),
                    "{kind}, {set}, step {step}"
                );
            }
            assert_eq!(outputs, [0.0; 8], "{kind}, {set}");
        }
    }
}

#[test]
fn what_a_cell_holds_it_holds() {
    // A forget gate that is open for good, an input gate that is shut: nothing may leak away.
    let bias = [-40.0, 40.0, 0.5, 40.0];
    let layer = json!({"type": "lstm", "activation": "", "shape": [null, null, 1],
                       "weights": [[[80.0, 0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]], bias]});
    let network = parse(1, &[layer]);
    for set in InstructionSet::available() {
        let mut engine = native(&network, set, WeightFormat::F32);
        let (mut first, mut last) = ([0.0], [0.0]);
        engine.infer(&[1.0], &mut first).unwrap();
        assert!(first[0] > 0.6, "{set}: {first:?}");
        for _ in 0..100_000 {
            engine.infer(&[0.0], &mut last).unwrap();
        }
        assert_eq!(last, first, "{set}");
    }
}
