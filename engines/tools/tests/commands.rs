//! `infer` and `convert` as they are called: files in, files out.
//!
//! An engine whose library is missing is named and skipped, except in CI, where that is a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tocco_engines::convert::Format;
use tocco_engines::native::WeightFormat;
use tocco_engines::{Classifier, ModelPackage, discovery};

fn tool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tocco-engine-tools"))
        .args(arguments)
        .output()
        .unwrap()
}

fn succeeds(arguments: &[&str]) -> Output {
    let output = tool(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    output
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/{name}.json"))
}

/// Whether the library of the format's engine is there; says so if not.
fn is_present(format: Format) -> bool {
    let engine = format.engine();
    if discovery::file_names(engine).is_empty() {
        return true;
    }
    match discovery::find(engine) {
        Ok(_) => true,
        Err(missing) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI all engines must be present: {missing}"
            );
            eprintln!("skipped: {missing}");
            false
        }
    }
}

fn csv(rows: &[Vec<f32>]) -> String {
    let line = |row: &Vec<f32>| {
        let fields: Vec<String> = row.iter().map(f32::to_string).collect();
        fields.join(",") + "\n"
    };
    rows.iter().map(line).collect()
}

fn rows(text: &str) -> Vec<Vec<f64>> {
    let row = |line: &str| {
        line.split(',')
            .map(|field| field.parse().unwrap())
            .collect()
    };
    text.lines().map(row).collect()
}

/// The inputs of the golden files' `make.py`.
fn inputs(steps: usize, width: usize) -> Vec<Vec<f32>> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % 2048) as f32 / 1024.0 - 1.0
    };
    (0..steps)
        .map(|_| (0..width).map(|_| next()).collect())
        .collect()
}

#[test]
fn rtneural_files_of_one_and_of_several_inputs_give_what_keras_gives() {
    for (name, width) in [
        ("gru_1_3", 1),
        ("lstm_5_37", 5),
        ("several_layers", 3),
        ("several_frames", 14),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = golden(name);
        let model: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let golden = &model["golden"];
        let steps = golden["steps"].as_u64().unwrap() as usize;
        let (x, y) = (folder.path().join("x.csv"), folder.path().join("y.csv"));
        fs::write(&x, csv(&inputs(steps, width))).unwrap();
        succeeds(&[
            "infer",
            "--engine",
            "native",
            "--file",
            path(&file),
            "--input",
            path(&x),
            "--output",
            path(&y),
        ]);
        let found = rows(&fs::read_to_string(&y).unwrap());
        assert_eq!(found.len(), steps, "{name}");
        let at = golden["at"].as_array().unwrap();
        for (step, expected) in at.iter().zip(golden["outputs"].as_array().unwrap()) {
            let found = &found[step.as_u64().unwrap() as usize];
            let expected = expected.as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(expected) {
                let expected = expected.as_f64().unwrap();
                let bound = 5e-6 * expected.abs().max(1.0);
                assert!((found - expected).abs() <= bound, "{name}, step {step}");
            }
        }
    }
}

#[test]
fn a_converted_package_runs_by_infer_and_comes_back_as_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let formats: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    let document = succeeds(&[
        "convert",
        "--model",
        "c",
        "--to",
        &formats.join(","),
        "--out",
        path(&models),
        "--json",
    ]);
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(document.as_array().unwrap().len(), 4);

    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/c");
    let shipped = ModelPackage::load(shipped).unwrap();
    let network = shipped.network().unwrap();
    let x = inputs(5, network.n_inputs());
    let x_file = folder.path().join("x.csv");
    fs::write(&x_file, csv(&x)).unwrap();

    for (format, written) in Format::ALL.into_iter().zip(document.as_array().unwrap()) {
        let file = models.join(format!("c.{}", format.extension()));
        let own = folder.path().join(format.name());
        succeeds(&["convert", "--from", path(&file), "--out", path(&own)]);
        // Everything that can be read from the file is in it.
        let package = ModelPackage::load(&own).unwrap();
        assert_eq!(package.manifest.labels.len(), 8, "{format}");
        assert_eq!(
            package.manifest.input.features,
            shipped.manifest.input.features
        );
        assert_eq!(
            package.manifest.network.file.as_deref(),
            file.file_name().unwrap().to_str()
        );
        if !is_present(format) {
            assert!(written["unchecked"].is_string());
            continue;
        }
        assert!(
            written["random"]["largest"].as_f64().unwrap() <= 1e-5,
            "{written}"
        );

        let engine = format.engine().name();
        let output = succeeds(&[
            "infer",
            "--engine",
            engine,
            "--file",
            path(&file),
            "--input",
            path(&x_file),
        ]);
        let by_infer = rows(&String::from_utf8(output.stdout).unwrap());
        let mut classifier =
            Classifier::with_weights(&package, format.engine(), WeightFormat::F32).unwrap();
        let mut probabilities = vec![0.0; 8];
        for (x, found) in x.iter().zip(&by_infer) {
            classifier.classify(x, &mut probabilities).unwrap();
            let expected = tocco_engines::reference::infer(&network, x);
            for ((a, b), expected) in found.iter().zip(&probabilities).zip(expected) {
                assert!((a - expected).abs() <= 1e-5, "{format} by infer");
                assert!(
                    (f64::from(*b) - expected).abs() <= 1e-5,
                    "{format} as a package"
                );
            }
        }
    }
}

#[test]
fn a_layer_that_a_format_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "format = 1\nid = \"leaky\"\ntitle = \"Leaky\"\nlabels = [\"a\"]\nlicence = \"CC0-1.0\"\n\
        [input]\nsample_rate = 48000\nhop = 64\nwindow = 704\npost_onset_hops = 5\npreset = \"timbreid\"\n\
        features = [\"f\"]\n[scaler]\nkind = \"inline\"\nmean = [0.0]\nscale = [1.0]\n[network]\n\
        weights = \"w.safetensors\"\n[[network.layers]]\nkind = \"leaky_relu\"\nslope = 0.1\n\
        [[network.layers]]\nkind = \"softmax\"\n";
    fs::write(folder.path().join("model.toml"), manifest).unwrap();
    // A safetensors file without tensors.
    fs::write(folder.path().join("w.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    let output = tool(&[
        "convert",
        "--model",
        path(folder.path()),
        "--to",
        "rtneural",
        "--out",
        path(folder.path()),
    ]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("rtneural has no layer like leaky_relu"),
        "{error}"
    );
}
