//! Whole signals through the foreign engines: every network of `tests/golden`, as a file of their
//! format, against double precision step by step.
//!
//! An engine whose library is missing is named and skipped, except in CI, where that is a failure.

use std::fs;
use std::path::Path;

use tocco_engines::convert::{Format, convert_signal};
use tocco_engines::reference::Reference;
use tocco_engines::{LoadError, foreign, rtneural};

const STEPS: usize = 24;

/// Relative to the larger of 1 and the value.
const TOLERANCE: f64 = 5e-6;

#[test]
fn every_layer_with_memory_is_computed_over_a_signal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| {
            !path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("patch")
        })
        .collect();
    files.sort();
    assert!(files.len() > 60, "only {} networks", files.len());
    let (mut compared, mut unconvertible, mut failures) = (0, 0, Vec::new());
    for path in &files {
        let name = path.file_stem().unwrap().to_string_lossy();
        let network = rtneural::load(path).unwrap();
        let width = network.n_inputs();
        let mut seed = 1_u32;
        let inputs: Vec<f32> = (0..STEPS * width)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 16) % 2048) as f32 / 1024.0 - 1.0
            })
            .collect();
        let mut reference = Reference::new(&network);
        let expected: Vec<Vec<f64>> = inputs
            .chunks(width)
            .map(|step| reference.step(step))
            .collect();
        for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
            let signal = match convert_signal(&network, format, STEPS) {
                Ok(signal) => signal,
                Err(error) => {
                    // The one thing that a format lacks.
                    assert!(
                        name.contains("grouped") || name.contains("depthwise"),
                        "{error}"
                    );
                    unconvertible += 1;
                    continue;
                }
            };
            let loaded = foreign::load_bytes(format.engine(), &signal.model, &name, inputs.len());
            let mut engine = match loaded {
                Ok(engine) => engine,
                Err(error @ LoadError::Engine { .. }) => {
                    assert!(std::env::var_os("CI").is_none(), "{error}");
                    eprintln!("skipped: {error}");
                    continue;
                }
                Err(error) => {
                    failures.push(format!("{name} as {format}: {error}"));
                    continue;
                }
            };
            let mut outputs = vec![f32::NAN; engine.n_classes()];
            assert_eq!(outputs.len(), signal.steps_out * network.n_outputs());
            engine.infer(&inputs, &mut outputs).unwrap();
            let largest = outputs
                .chunks(network.n_outputs())
                .enumerate()
                .flat_map(|(i, found)| {
                    found
                        .iter()
                        .zip(&expected[signal.first + i * signal.stride])
                })
                .map(|(&found, &expected)| {
                    (f64::from(found) - expected).abs() / expected.abs().max(1.0)
                })
                // A value that was not written is as far off as can be.
                .map(|error| if error.is_nan() { f64::INFINITY } else { error })
                .fold(0.0, f64::max);
            compared += 1;
            if !largest.le(&TOLERANCE) {
                failures.push(format!("{name} as {format}: {largest:e}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    println!("{compared} files compared");
    assert!(
        unconvertible <= 3,
        "{unconvertible} files were not to be written"
    );
    if std::env::var_os("CI").is_some() {
        assert_eq!(compared + unconvertible, 3 * files.len());
    }
}
