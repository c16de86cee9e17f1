//! The readers.

use std::path::{Component, Path};
use std::sync::atomic::AtomicBool;

use nice_plug::params::Params;
use nice_plug::plugin::{ParamValue, PluginState};
use tocco::configuration::Configuration;
use tocco::model::ModelSource;
use tocco::osc::command::{self, Asked};
use tocco::params::ToccoParams;
use tocco::presets::{self, Preset};
use tocco::voices::{sfz, sound_file};

use tocco_corpus::{Recording, TakeName, Technique, parse_labels_csv, parse_onset_labels};
use tocco_engine_tools::table;
use tocco_engines::convert::Format;
use tocco_engines::native::NativeEngine;
use tocco_engines::network::Network;
use tocco_engines::{
    Classifier, Engine, EngineId, Manifest, ModelPackage, file_kind, inspect, rtneural,
};
use tocco_recognizer::adaptation::{Calibration, Profile};

/// One reader.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    pub(crate) read: fn(&[u8]),
}

/// All readers.
pub const TARGETS: &[Target] = &[
    Target {
        name: "model_toml",
        read: model_toml,
    },
    Target {
        name: "package",
        read: package,
    },
    Target {
        name: "safetensors",
        read: safetensors,
    },
    Target {
        name: "rtneural_json",
        read: rtneural_json,
    },
    Target {
        name: "file_kind",
        read: |bytes| {
            let _ = file_kind::check_unnamed(bytes, "fuzz");
        },
    },
    Target {
        name: "onnx",
        read: onnx,
    },
    Target {
        name: "tflite",
        read: |bytes| describe(bytes, Format::TfLite),
    },
    Target {
        name: "torchscript",
        read: |bytes| describe(bytes, Format::TorchScript),
    },
    Target {
        name: "labels_csv",
        read: labels_csv,
    },
    Target {
        name: "onset_labels",
        read: onset_labels,
    },
    Target {
        name: "take_name",
        read: take_name,
    },
    Target {
        name: "wav",
        read: wav,
    },
    Target {
        name: "infer_csv",
        read: infer_csv,
    },
    Target {
        name: "state",
        read: state,
    },
    Target {
        name: "sfz",
        read: |bytes| {
            let _ = sfz::parse(&String::from_utf8_lossy(bytes));
        },
    },
    Target {
        name: "flac",
        read: flac,
    },
    Target {
        name: "configuration",
        read: configuration,
    },
    Target {
        name: "preset",
        read: preset,
    },
    Target {
        name: "osc_command",
        read: osc_command,
    },
];

/// A sound of the user's: what is read is finite and no longer than it may be.
fn flac(bytes: &[u8]) {
    let (file, go_on) = (Path::new("fuzz"), AtomicBool::new(false));
    let read = sound_file::from_bytes(bytes.to_vec(), file, 8_000.0, &go_on);
    for sample in read.into_iter().flatten() {
        assert!(sample.is_finite());
    }
}

/// A manifest by itself: what is read is written and read again as the same.
fn model_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(manifest) = Manifest::parse(text, "fuzz")
        && let Ok(written) = manifest.to_toml("fuzz")
    {
        let again = Manifest::parse(&written, "written").expect("what was written is read");
        assert_eq!(again, manifest);
    }
}

/// A manifest and, after the first byte 0, its weights.
fn package(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (manifest, weights) = bytes.split_at(end.unwrap_or(bytes.len()));
    let Ok(manifest) = std::str::from_utf8(manifest) else {
        return;
    };
    read_package(manifest, weights.get(1..).unwrap_or_default());
}

/// The weights of a small network.
fn safetensors(bytes: &[u8]) {
    read_package(include_str!("../corpus/small.toml"), bytes);
}

fn read_package(manifest: &str, weights: &[u8]) {
    let Ok(package) = ModelPackage::from_bytes(manifest, weights, "fuzz") else {
        return;
    };
    // A package may name a file elsewhere; there is none.
    let Ok(mut classifier) = Classifier::new(&package, EngineId::Native) else {
        return;
    };
    let features = vec![0.5; classifier.n_features()];
    let mut probabilities = vec![0.0; classifier.n_classes()];
    // Some notes, so that what is remembered is used.
    for _ in 0..3 {
        classifier
            .classify(&features, &mut probabilities)
            .expect("the lengths are right");
    }
}

fn rtneural_json(bytes: &[u8]) {
    if let Ok(network) = rtneural::parse(bytes, "fuzz") {
        run(&network);
    }
}

fn run(network: &Network) {
    // Some steps, so that what is remembered is used; few, since strides and kernels are large.
    let mut engine = NativeEngine::new(network);
    let input = vec![0.25; engine.n_features()];
    let mut output = vec![0.0; engine.n_classes()];
    for _ in 0..3 {
        engine
            .infer(&input, &mut output)
            .expect("the lengths are right");
    }
    engine.reset();
}

/// A model, and the names of the files that its weights lie in: none may lead out of a folder.
fn onnx(bytes: &[u8]) {
    describe(bytes, Format::Onnx);
    for name in inspect::companions(bytes, "fuzz").unwrap_or_default() {
        assert!(name.is_relative());
        assert!(!name.components().any(|part| part == Component::ParentDir));
    }
}

fn describe(bytes: &[u8], format: Format) {
    if let Ok(description) = inspect::describe(bytes, format, "fuzz") {
        for tensor in description.inputs.iter().chain(&description.outputs) {
            let _ = (tensor.n_values(), tensor.to_string());
        }
    }
}

fn labels_csv(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(rows) = parse_labels_csv(text, "fuzz")
    {
        assert!(
            rows.iter()
                .all(|row| row.time_s >= 0.0 && row.time_s.is_finite())
        );
    }
}

fn onset_labels(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(times) = parse_onset_labels(text, "fuzz")
    {
        assert!(times.is_sorted() && times.iter().all(|time| time.is_finite()));
    }
}

fn take_name(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = TakeName::parse(Path::new(text));
    }
}

fn wav(bytes: &[u8]) {
    if let Ok(recording) = Recording::parse(bytes, "fuzz") {
        assert!(recording.sample_rate > 0);
        assert!(recording.samples.iter().all(|sample| sample.is_finite()));
    }
}

/// What `infer` runs a model on.
fn infer_csv(bytes: &[u8]) {
    if let Ok(rows) = table::rows(bytes, "fuzz") {
        assert!(rows.windows(2).all(|pair| pair[0].len() == pair[1].len()));
    }
}

/// A saved state of the plugin: what is left of it is read by the framework and in range, and a
/// profile in it is taken or refused.
fn state(bytes: &[u8]) {
    let Ok(mended) = tocco::state::mended(bytes) else {
        return;
    };
    let state: PluginState = serde_json::from_slice(&mended).expect("what was mended is read");
    for (id, value) in &state.params {
        if let ParamValue::F32(value) = value {
            assert!(value.is_finite(), "{id}: {value}");
        }
    }
    let written = serde_json::to_vec(&state).expect("a state is written");
    assert_eq!(tocco::state::mended(&written), Ok(written));
    let params = ToccoParams::default();
    params.deserialize_fields(&state.fields);
    assert!(!params.serialize_fields().is_empty());
    let base = ModelSource::C.package().expect("it is built in");
    for text in params.calibration.saved().profiles.values() {
        let mut calibration = Calibration::new(&base).expect("it can be taught");
        if let Ok(profile) = Profile::parse(text, "fuzz")
            && calibration.restore(&profile, "fuzz").is_ok()
        {
            let _ = (calibration.package(), calibration.report());
        }
    }
}

/// `tocco.toml`: what is taken of it is in range, and what is refused is told with its line.
fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let read = Configuration::parse(text, Path::new("fuzz"));
    for (id, value) in &read.settings {
        assert!((0.0..=1.0).contains(value), "{id}: {value}");
    }
    assert!(read.notes.iter().flatten().all(|note| *note < 128));
    for reason in &read.refused {
        assert!(reason.starts_with("fuzz, line "), "{reason}");
    }
}

/// A preset that somebody gave away: what it sets is in range, and once it is saved again it is read as the
/// same, but for the fifth decimal, which is not written.
fn preset(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(preset) = Preset::parse(text, "fuzz") else {
        return;
    };
    let params = ToccoParams::default();
    let targets = preset.targets(&params);
    for (param, value) in &targets {
        assert!((0.0..=1.0).contains(value), "{value}");
        // SAFETY: the parameters outlive the loop, and their values are atomic.
        unsafe { param._internal_set_normalized_value(*value) };
    }
    let written = presets::write(&params);
    let again = Preset::parse(&written, "written").expect("what was written is read");
    for ((_, value), (_, again)) in targets.iter().zip(again.targets(&params)) {
        assert!((value - again).abs() < 1e-4, "{value}, {written}");
    }
}

/// A packet from anybody on this machine: what it asks for is about a technique that there is.
fn osc_command(bytes: &[u8]) {
    for asked in command::parse(bytes).into_iter().flatten() {
        if let Asked::Teach(Some(class)) | Asked::Use { class, .. } = asked {
            assert!(class < Technique::ALL.len(), "{asked:?}");
        }
    }
}
