//! The demo's command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::playing::PERFORMANCE;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(arguments)
        .output()
        .unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = demo(arguments);
    assert!(output.status.success(), "{}", error(&output));
    // Nothing but the document may be on stdout.
    serde_json::from_slice(&output.stdout).unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wav(folder: &TempDir, name: &str, rate: u32, channels: u16) -> PathBuf {
    let path = folder.path().join(name);
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for sample in &PERFORMANCE.channels[0] {
        for _ in 0..channels {
            writer.write_sample(*sample).unwrap();
        }
    }
    writer.finalize().unwrap();
    path
}

#[test]
fn the_document_has_every_note_and_what_it_promises() {
    let document = json(&["--offline", "--json"]);
    assert_eq!(document["host"], "clap");
    assert_eq!(document["sample_rate"], 48_000);
    assert_eq!(document["block"], 64);
    let notes = document["notes"].as_array().unwrap();
    assert!(notes.len() >= 24, "{} notes", notes.len());
    for note in notes {
        assert!(note["time_s"].as_f64().unwrap() >= 0.0);
        assert!(!note["technique"].as_str().unwrap().is_empty());
        let probability = note["probability"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&probability));
        let latency = note["latency_ms"].as_f64().unwrap();
        assert!((5.0..20.0).contains(&latency), "{latency} ms");
        assert_eq!(note["late_blocks"], 0);
    }
    let summary = &document["summary"];
    assert_eq!(summary["notes"], notes.len());
    assert_eq!(summary["audio_altered_samples"], 0);
    assert_eq!(summary["played"]["by_class"].as_array().unwrap().len(), 8);
}

#[test]
fn a_recording_and_the_other_models_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rate, channels) in [("mono.wav", 48_000, 1), ("stereo.wav", 44_100, 2)] {
        let path = wav(&folder, name, rate, channels);
        let file = path.to_str().unwrap();
        for model in ["a", "b", "C", "tocco", "tocco-sure"] {
            let document = json(&["--input", file, "--model", model, "--offline", "--json"]);
            assert_eq!(document["sample_rate"], rate);
            assert_eq!(document["summary"]["model"], model.to_lowercase());
            assert!(document["notes"].as_array().unwrap().len() >= 24);
        }
    }
}

#[test]
fn without_notes_nothing_is_said_of_what_named_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silence.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    (0..48_000).for_each(|_| writer.write_sample(0_i16).unwrap());
    writer.finalize().unwrap();
    let file = path.to_str().unwrap();
    let output = demo(&["--input", file, "--offline"]);
    assert!(output.status.success(), "{}", error(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no note in "), "{text}");
    assert!(!text.contains("model"), "{text}");
    assert!(!text.contains("latency from"), "{text}");
    let document = json(&["--input", file, "--offline", "--json"]);
    assert_eq!(document["summary"]["notes"], 0);
    assert_eq!(document["summary"]["model"], Value::Null);
}

#[test]
fn a_profile_changes_what_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let package = tocco_engines::ModelPackage::load(Path::new(models).join("tocco")).unwrap();
    let mut calibration = tocco_recognizer::adaptation::Calibration::new(&package).unwrap();
    let plain = json(&["--model", "tocco", "--offline", "--json"]);
    let techniques = |document: &Value| -> Vec<String> {
        let notes = document["notes"].as_array().unwrap().iter();
        let technique = notes.map(|note| note["technique"].as_str().unwrap().to_owned());
        technique.collect()
    };
    // The player says that the first technique that is heard is never played.
    let heard = techniques(&plain);
    let labels = calibration.labels().to_vec();
    let class = labels.iter().position(|label| *label == heard[0]).unwrap();
    calibration.mask(class, true).unwrap();
    let profile = folder.path().join("me.json");
    calibration.save(&profile).unwrap();
    let profile = profile.to_str().unwrap();
    let taught = json(&[
        "--model",
        "tocco",
        "--profile",
        profile,
        "--offline",
        "--json",
    ]);
    let taught = techniques(&taught);
    assert_eq!(taught.len(), heard.len());
    assert!(!taught.contains(&heard[0]), "{taught:?}");

    let output = demo(&["--model", "c", "--profile", profile, "--offline"]);
    assert!(!output.status.success());
    let message = error(&output);
    assert!(
        message.contains("expected a profile of the model C, found one of tocco"),
        "{message}"
    );
    let output = demo(&["--model", "tocco", "--profile", "absent.json", "--offline"]);
    assert!(
        error(&output).contains("absent.json: cannot be read"),
        "{}",
        error(&output)
    );
}

#[test]
fn wrong_names_are_answered_with_the_right_ones() {
    for (arguments, expected) in [
        (
            ["--model", "z"],
            "there is no model 'z'; there are: A, B, C, Tocco",
        ),
        (
            ["--engine", "abacus"],
            "native, native-fixed, onnx, litert, torch",
        ),
    ] {
        let output = demo(&arguments);
        assert!(!output.status.success());
        assert!(error(&output).contains(expected), "{}", error(&output));
    }
}

/// Without one engine library on the machine: the bundle loads, ours run, the others are named.
#[test]
fn without_libraries_our_engines_run_and_the_others_are_missed_by_name() {
    let empty = tempfile::tempdir().unwrap();
    // A folder without libraries, or no folder at all.
    for folder in [empty.path().as_os_str(), "".as_ref()] {
        let demo = |engine: &str| {
            Command::new(env!("CARGO_BIN_EXE_demo"))
                .args(["--offline", "--json", "--model", "c", "--engine", engine])
                .env("TOCCO_ENGINE_DIR", folder)
                .env("XDG_DATA_HOME", empty.path())
                .output()
                .unwrap()
        };
        for engine in ["native", "native-fixed"] {
            let output = demo(engine);
            assert!(output.status.success(), "{}", error(&output));
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(document["summary"]["engine"], engine);
        }
        for (engine, library) in [
            ("onnx", "libonnxruntime"),
            ("litert", "libLiteRt"),
            ("torch", "libtocco_torch"),
        ] {
            let output = demo(engine);
            assert!(!output.status.success(), "{engine} ran");
            for expected in [library, "cargo xtask engines install"] {
                assert!(error(&output).contains(expected), "{}", error(&output));
            }
        }
    }
}

#[test]
fn a_recording_that_cannot_be_played_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.wav");
    std::fs::write(&text, "this is no sound").unwrap();
    let cut = wav(&folder, "cut.wav", 48_000, 1);
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let missing = folder.path().join("missing.wav");
    for (path, expected) in [
        (&text, "expected a WAV file"),
        (&cut, "the file is truncated"),
        (&missing, "No such file"),
    ] {
        let output = demo(&["--input", path.to_str().unwrap()]);
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"", "something was printed on stdout");
        let message = error(&output);
        assert!(
            message.contains(expected) && message.contains(name(path)),
            "{message}"
        );
    }
}

#[test]
fn a_rate_at_which_nobody_listens_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for rate in [4_000, 384_000] {
        let path = wav(&folder, "rate.wav", rate, 1);
        let output = demo(&["--input", path.to_str().unwrap(), "--offline"]);
        assert!(!output.status.success(), "{rate} Hz");
        let message = error(&output);
        let expected = format!("expected 8000 to 192000 Hz, found {rate}; convert it: ffmpeg -i");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn a_state_that_cannot_be_saved_is_told_before_the_sound() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent/state");
    for (path, found) in [
        (absent.as_path(), "no such folder"),
        (folder.path(), "a folder"),
    ] {
        let output = demo(&["--offline", "--save-state", path.to_str().unwrap()]);
        assert!(!output.status.success());
        let message = error(&output);
        assert!(
            message.contains("--save-state ") && message.contains(&format!("found {found}")),
            "{message}"
        );
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(!told.contains(" ms"), "a note was told: {told}");
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}
