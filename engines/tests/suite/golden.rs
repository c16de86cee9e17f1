//! Layer by layer against Keras in double precision: `tests/golden`, made by `make.py` there.

#[path = "../golden/inputs.rs"]
mod inputs;

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use tocco_engines::native::NativeEngine;
use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::reference::{self, Reference};
use tocco_engines::{Engine, Tensor, rtneural};

use crate::random_package;
use inputs::inputs;

/// What single precision may differ by, relative to the larger of 1 and the value: states of
/// recurrent layers carry rounding errors over 1,000 steps.
const TOLERANCE: f64 = 5e-6;

/// What double precision may differ by: the files keep nine decimals.
const REFERENCE_TOLERANCE: f64 = 2e-9;

#[derive(Deserialize)]
struct Streamed {
    golden: Golden,
}

#[derive(Deserialize)]
struct Golden {
    steps: usize,
    at: Vec<usize>,
    outputs: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Patch {
    layers: Vec<LayerSpec>,
    tensors: std::collections::BTreeMap<String, PatchTensor>,
    features: Vec<f32>,
    probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct PatchTensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// The golden files whose names begin with `patch`, or the others.
fn files(patches: bool) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read(path).unwrap(),
            )
        })
        .filter(|(name, _)| name.starts_with("patch") == patches)
        .collect();
    files.sort();
    files
}

fn check(
    name: &str,
    step: usize,
    found: impl IntoIterator<Item = f64>,
    expected: &[f64],
    tolerance: f64,
) {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len(), "{name}: outputs");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = tolerance * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= bound,
            "{name}: step {step}, output {i}: {found} instead of {expected}"
        );
    }
}

#[test]
fn every_layer_agrees_with_keras() {
    let files = files(false);
    assert_eq!(files.len(), 67);
    for (name, json) in files {
        let golden = serde_json::from_slice::<Streamed>(&json).unwrap().golden;
        let network = rtneural::parse(&json, &name).unwrap();
        let mut engine = NativeEngine::new(&network);
        let mut exact = Reference::new(&network);
        let inputs = inputs(golden.steps, network.n_inputs());
        let mut first_run = Vec::new();
        for run in 0..2 {
            let mut expected = golden.at.iter().zip(&golden.outputs).peekable();
            for (step, x) in inputs.iter().enumerate() {
                let mut y = vec![0.0; network.n_outputs()];
                engine.infer(x, &mut y).unwrap();
                if run == 0 {
                    let exact = exact.step(x);
                    if let Some((_, row)) = expected.next_if(|(at, _)| **at == step) {
                        check(
                            &name,
                            step,
                            y.iter().copied().map(f64::from),
                            row,
                            TOLERANCE,
                        );
                        check(&name, step, exact, row, REFERENCE_TOLERANCE);
                    }
                    first_run.push(y);
                } else {
                    assert_eq!(y, first_run[step], "{name}: step {step} after a reset");
                }
            }
            engine.reset();
        }
    }
}

#[test]
fn patches_agree_with_keras() {
    let files = files(true);
    assert_eq!(files.len(), 4);
    for (name, json) in files {
        let patch: Patch = serde_json::from_slice(&json).unwrap();
        let tensors: Tensors = patch
            .tensors
            .into_iter()
            .map(|(name, tensor)| (name, Tensor::new(tensor.shape, tensor.values).unwrap()))
            .collect();
        let package =
            random_package::with_tensors(&name, patch.features.len(), patch.layers, tensors);
        let network = package.network().unwrap();
        let mut engine = NativeEngine::new(&network);
        let mut probabilities = [0.0; 8];
        engine.infer(&patch.features, &mut probabilities).unwrap();
        check(
            &name,
            0,
            probabilities.map(f64::from),
            &patch.probabilities,
            TOLERANCE,
        );
        let exact = reference::infer(&network, &patch.features);
        check(&name, 0, exact, &patch.probabilities, REFERENCE_TOLERANCE);
        let manifest = package.manifest.to_toml("model.toml").unwrap();
        let again = tocco_engines::Manifest::parse(&manifest, "model.toml").unwrap();
        assert_eq!(
            again, package.manifest,
            "{name}: the manifest written and read"
        );
    }
}
