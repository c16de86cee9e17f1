//! `infer` and `convert` as they are called: files in, files out.
//!
//! An engine whose library is missing is named and skipped, except in CI, where that is a failure.

#[path = "../../tests/golden/inputs.rs"]
mod inputs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use inputs::inputs;
use serde_json::Value;
use tocco_engines::WeightFormat;
use tocco_engines::convert::Format;
use tocco_engines::reference::Reference;
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

#[cfg(unix)]
#[test]
fn a_reader_that_has_had_enough_is_no_fault() {
    use std::os::unix::process::ExitStatusExt;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Command::new(env!("CARGO_BIN_EXE_tocco-engine-tools"))
        .args(["engines", "list"])
        .stdout(writer)
        .output()
        .unwrap();
    // SIGPIPE, as other programs in a pipe end.
    assert_eq!(ended.status.signal(), Some(13));
    // A library may have said that it is there.
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        !said.contains("error") && !said.contains("panicked"),
        "{said}"
    );
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

        let infer = |file: &Path| {
            let engine = format.engine().name();
            let output = succeeds(&[
                "infer",
                "--engine",
                engine,
                "--file",
                path(file),
                "--input",
                path(&x_file),
            ]);
            rows(&String::from_utf8(output.stdout).unwrap())
        };
        let (by_infer, of_package) = (infer(&file), infer(&own));
        assert_eq!(of_package.len(), by_infer.len(), "{format}");
        let mut classifier =
            Classifier::with_weights(&package, format.engine(), WeightFormat::F32).unwrap();
        let mut probabilities = vec![0.0; 8];
        for ((x, found), of_package) in x.iter().zip(&by_infer).zip(&of_package) {
            classifier.classify(x, &mut probabilities).unwrap();
            let expected = tocco_engines::reference::infer(&network, x);
            for (c, expected) in of_package.iter().zip(&expected) {
                assert!((c - expected).abs() <= 1e-5, "{format}, of a folder");
            }
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

    // A format behind it is written nevertheless.
    let out = folder.path().join("out");
    let output = tool(&[
        "convert",
        "--model",
        path(folder.path()),
        "--to",
        "rtneural,onnx",
        "--out",
        path(&out),
        "--json",
    ]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("error: rtneural has no layer like leaky_relu"),
        "{error}"
    );
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused = document[0]["refused"].as_str().unwrap();
    assert!(refused.contains("leaky_relu"), "{refused}");
    assert!(document[0]["file"].is_null() && !out.join("leaky.json").exists());
    let file = out.join("leaky.onnx");
    assert!(document[1]["refused"].is_null() && file.is_file());
    assert_eq!(document[1]["file"], path(&file));
}

/// The error of a call that fails.
fn fails(arguments: &[&str]) -> String {
    let output = tool(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(output.status.code().is_some(), "{arguments:?} died");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A zip archive of files with the content `x`.
fn archive(path: &Path, names: &[&str]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for name in names {
        archive.start_file(*name, stored).unwrap();
        std::io::Write::write_all(&mut archive, b"x").unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn files_that_no_engine_runs_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    archive(&at("weights.pt"), &["weights/data.pkl", "weights/data/0"]);
    archive(&at("net.keras"), &["config.json", "model.weights.h5"]);
    fs::write(at("old.pth"), b"\x80\x02ccollections\nOrderedDict\n)R.").unwrap();
    fs::write(at("net.h5"), b"\x89HDF\r\n\x1a\n\0\0").unwrap();
    fs::write(at("net.gguf"), b"GGUF\x03\0\0\0").unwrap();
    fs::write(at("net.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    let nam = r#"{"version": "0.5.4", "architecture": "LSTM", "config": {}, "weights": [0.5]}"#;
    fs::write(at("amp.nam"), nam).unwrap();
    fs::write(at("amp.json"), nam).unwrap();
    fs::create_dir(at("saved")).unwrap();
    fs::write(at("saved/saved_model.pb"), b"").unwrap();
    for (name, what, remedy) in [
        ("weights.pt", "state_dict", "torch.jit.save"),
        ("old.pth", "pickle", "torch.jit.save"),
        ("net.keras", "Keras", ".tflite"),
        ("net.h5", "HDF5", ".tflite"),
        ("net.gguf", "GGUF", "export"),
        ("net.safetensors", "safetensors", "export"),
        ("amp.nam", "Neural Amp Modeler", "techniques"),
        ("amp.json", "Neural Amp Modeler", "techniques"),
        ("saved", "SavedModel", "from_saved_model"),
    ] {
        let out = at("out");
        let error = fails(&["convert", "--from", path(&at(name)), "--out", path(&out)]);
        assert!(error.contains(name), "{error}");
        assert!(error.contains(what) && error.contains(remedy), "{error}");
        assert!(!error.contains("copied completely"), "{error}");
        assert!(!out.exists(), "{name}");
    }
    fs::write(at("x.csv"), "0.5,0.1\n").unwrap();
    let (weights, x) = (at("weights.pt"), at("x.csv"));
    let infer = [
        "infer",
        "--engine",
        "torch",
        "--file",
        path(&weights),
        "--input",
        path(&x),
    ];
    assert!(fails(&infer).contains("torch.jit.save"));
}

#[test]
fn a_package_runs_by_infer_in_the_engines_that_have_its_layers() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/package/wavenet");
    let seed = fs::read(seed).unwrap();
    let end = seed.iter().position(|byte| *byte == 0).unwrap();
    fs::write(at("model.toml"), &seed[..end]).unwrap();
    fs::write(at("weights.safetensors"), &seed[end + 1..]).unwrap();
    let x = inputs(6, 2);
    fs::write(at("x.csv"), csv(&x)).unwrap();
    let x_file = at("x.csv");
    let mut infer = [
        "infer",
        "--engine",
        "native",
        "--file",
        path(folder.path()),
        "--input",
        path(&x_file),
    ];
    let output = succeeds(&infer);
    let found = rows(&String::from_utf8(output.stdout).unwrap());
    let network = ModelPackage::load(folder.path())
        .unwrap()
        .network()
        .unwrap();
    let mut reference = Reference::new(&network);
    for (x, found) in x.iter().zip(&found) {
        let exact = reference.step(x);
        assert!((found[0] - exact[0]).abs() < 2e-6, "{found:?}, {exact:?}");
    }
    infer[2] = "native-fixed";
    assert!(fails(&infer).contains("choose native"));
    infer[2] = "onnx";
    let error = fails(&infer);
    assert!(error.contains("onnx has no layer like conv1d"), "{error}");

    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/c");
    fs::write(&x_file, csv(&inputs(2, 173))).unwrap();
    infer[4] = path(&shipped);
    let mut of = |engine| {
        infer[2] = engine;
        rows(&String::from_utf8(succeeds(&infer).stdout).unwrap())
    };
    let native = of("native");
    for format in [Format::Onnx, Format::TfLite, Format::TorchScript] {
        if is_present(format) {
            let other = of(format.engine().name());
            for (a, b) in native.iter().flatten().zip(other.iter().flatten()) {
                assert!((a - b).abs() < 1e-5, "{format}");
            }
        }
    }
}

#[test]
fn aida_x_and_input_layers_run_by_infer_and_as_packages() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // 2 x + 0.5, and x.
    let dense =
        r#"{"type": "dense", "activation": "", "shape": [null, 1], "weights": [[[2.0]], [0.5]]}"#;
    let input = r#"{"type": "unknown", "activation": "", "shape": [[null, 1]], "weights": []}"#;
    let file = at("amp.json");
    fs::write(
        &file,
        format!(r#"{{"in_shape": [null, 1], "in_skip": 1, "layers": [{input}, {dense}]}}"#),
    )
    .unwrap();
    fs::write(at("x.csv"), "0.25\n-1\n").unwrap();
    let (x, own) = (at("x.csv"), at("own"));
    let infer = [
        "infer",
        "--engine",
        "native",
        "--file",
        path(&file),
        "--input",
        path(&x),
    ];
    let output = succeeds(&infer);
    assert_eq!(
        rows(&String::from_utf8(output.stdout).unwrap()),
        [[1.25], [-2.5]]
    );
    // The engine with fixed shapes has not this one, and says so.
    let mut fixed = infer;
    fixed[2] = "native-fixed";
    assert!(fails(&fixed).contains("choose native"));
    succeeds(&["convert", "--from", path(&file), "--out", path(&own)]);
    let package = ModelPackage::load(&own).unwrap();
    assert_eq!(package.manifest.labels.len(), 1);
    let network = package.network().unwrap();
    assert_eq!(tocco_engines::reference::infer(&network, &[0.25]), [1.25]);
    // The other formats have no such layer, and say so.
    let converted = at("converted");
    for format in ["onnx", "tflite", "torchscript", "rtneural"] {
        let error = fails(&[
            "convert",
            "--model",
            path(&own),
            "--to",
            format,
            "--out",
            path(&converted),
        ]);
        assert!(error.contains("in_skip"), "{error}");
    }

    // Gains alone are part of the layers.
    let gains = at("gains.json");
    fs::write(
        &gains,
        format!(
            r#"{{"in_shape": [null, 1], "in_gain": 20, "out_gain": -20, "layers": [{dense}]}}"#
        ),
    )
    .unwrap();
    let own = at("own-gains");
    succeeds(&["convert", "--from", path(&gains), "--out", path(&own)]);
    let formats: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    succeeds(&[
        "convert",
        "--model",
        path(&own),
        "--to",
        &formats.join(","),
        "--out",
        path(&converted),
    ]);
    let written = converted.join("gains.json");
    let output = succeeds(&[
        "infer",
        "--engine",
        "native",
        "--file",
        path(&written),
        "--input",
        path(&x),
    ]);
    let found = rows(&String::from_utf8(output.stdout).unwrap());
    assert!((found[0][0] - 0.55).abs() < 1e-6, "{found:?}");

    fs::write(
        &file,
        r#"{"in_shape": [null, 1], "residual": 1, "layers": []}"#,
    )
    .unwrap();
    let error = fails(&["convert", "--from", path(&file), "--out", path(&at("no"))]);
    assert!(error.contains("residual: expected"), "{error}");
}

/// A package in `folder` of the model file with the `name`.
fn package_of(folder: &Path, name: &str) {
    let manifest = format!(
        "format = 1\nid = \"net\"\ntitle = \"Net\"\nlabels = [\"a\"]\nlicence = \"CC0-1.0\"\n\
         [input]\nsample_rate = 48000\nhop = 64\nwindow = 704\npost_onset_hops = 5\n\
         preset = \"timbreid\"\nfeatures = [\"f\"]\n[scaler]\nkind = \"none\"\n[network]\n\
         file = \"{name}\"\n"
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("model.toml"), manifest).unwrap();
}

#[test]
fn packages_of_files_that_are_not_run_so_are_answered_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("x.csv"), "0.5\n").unwrap();
    let (x, out) = (at("x.csv"), at("out"));
    for (name, by_infer, by_convert) in [
        ("net.onnx", "choose engine onnx", "a file of onnx"),
        ("net.pt", "choose engine torch", "a file of torchscript"),
        (
            "net.h5",
            "no engine runs such a file",
            "no engine runs such a file",
        ),
    ] {
        let own = at("own");
        package_of(&own, name);
        fs::write(own.join(name), b"never read").unwrap();
        for engine in ["native", "native-fixed", "litert"] {
            let error = fails(&[
                "infer",
                "--engine",
                engine,
                "--file",
                path(&own),
                "--input",
                path(&x),
            ]);
            assert!(error.contains(name), "{error}");
            assert!(error.contains(by_infer), "{error}");
        }
        let error = fails(&[
            "convert",
            "--model",
            path(&own),
            "--to",
            "tflite",
            "--out",
            path(&out),
        ]);
        assert!(error.contains("network.file: expected"), "{error}");
        assert!(error.contains(by_convert), "{error}");
        assert!(!out.exists(), "{name}");
    }
}

#[test]
fn a_package_is_not_converted_over_its_own_network() {
    let folder = tempfile::tempdir().unwrap();
    package_of(folder.path(), "net.json");
    let model = r#"{"in_shape": [null, 1], "author": "me", "layers": [
        {"type": "dense", "activation": "", "shape": [null, 1], "weights": [[[2.0]], [0.5]]}]}"#;
    let file = folder.path().join("net.json");
    fs::write(&file, model).unwrap();
    let convert = |formats: &'static str| {
        [
            "convert",
            "--model",
            path(folder.path()),
            "--to",
            formats,
            "--out",
            path(folder.path()),
        ]
    };
    let error = fails(&convert("onnx,rtneural"));
    assert!(error.contains("found its network.file"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), model);
    assert!(!folder.path().join("net.onnx").exists());
    succeeds(&convert("onnx"));
}

#[test]
fn feature_vectors_to_check_with_must_be_some() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/c");
    let names = ModelPackage::load(shipped).unwrap().manifest.input.features;
    let file = folder.path().join("x.csv");
    fs::write(&file, names.join(",") + "\n").unwrap();
    let error = fails(&[
        "convert",
        "--model",
        "c",
        "--to",
        "rtneural",
        "--out",
        path(folder.path()),
        "--features",
        path(&file),
    ]);
    assert!(
        error.contains("x.csv: expected at least one row"),
        "{error}"
    );
    assert!(error.contains("found none"), "{error}");
    assert!(!folder.path().join("c.json").exists());
}

#[cfg(unix)]
#[test]
fn files_are_replaced_and_never_written_into() {
    use std::time::{Duration, Instant};

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let convert = [
        "convert",
        "--model",
        "c",
        "--to",
        "rtneural",
        "--out",
        path(folder.path()),
    ];
    // Whoever has the old file open, or linked, keeps it.
    fs::write(at("c.json"), b"old").unwrap();
    fs::hard_link(at("c.json"), at("kept")).unwrap();
    succeeds(&convert);
    assert_eq!(fs::read(at("kept")).unwrap(), b"old");
    assert!(fs::read(at("c.json")).unwrap().starts_with(b"{"));

    fs::remove_file(at("c.json")).unwrap();
    let made = Command::new("mkfifo").arg(at("c.json")).status().unwrap();
    assert!(made.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tocco-engine-tools"))
        .args(convert)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut waits = false;
    while !waits && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
        waits = begun.elapsed() > Duration::from_secs(60);
    }
    if waits {
        let _ = child.kill();
    }
    let output = child.wait_with_output().unwrap();
    assert!(!waits, "it waits for a reader");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("c.json: kind of file"), "{error}");
    assert!(error.contains("found a named pipe"), "{error}");
}

#[test]
fn open_output_sizes_are_those_that_the_engine_finds() {
    if !is_present(Format::TfLite) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tflite/short.tflite");
    succeeds(&[
        "convert",
        "--from",
        path(&file),
        "--out",
        path(folder.path()),
    ]);
    let package = ModelPackage::load(folder.path()).unwrap();
    assert_eq!(package.manifest.labels.len(), 8);
    assert_eq!(package.manifest.input.features.len(), 4);
}

/// An ONNX model `y = x W`, `W` `[2, 3]` in `net.onnx.data`; of elements of another type if so
/// asked.
fn external_onnx(folder: &Path, element: u8) -> PathBuf {
    let field = |number: u8, bytes: &[u8]| {
        assert!(bytes.len() < 256);
        let length = match bytes.len() as u8 {
            n if n < 128 => vec![n],
            n => vec![n, 1],
        };
        [&[number << 3 | 2][..], &length, bytes].concat()
    };
    let value = |name: &[u8], size: u8| {
        let sizes = [field(1, &[8, 1]), field(1, &[8, size])].concat();
        let tensor = [vec![8, element], field(2, &sizes)].concat();
        [field(1, name), field(2, &field(1, &tensor))].concat()
    };
    let location = [field(1, b"location"), field(2, b"net.onnx.data")].concat();
    let weight = [
        &[8, 2, 8, 3, 16, element][..],
        &field(8, b"w"),
        &field(13, &location),
        // data_location
        &[14 << 3, 1],
    ]
    .concat();
    let node = [
        field(1, b"x"),
        field(1, b"w"),
        field(2, b"y"),
        field(4, b"MatMul"),
    ]
    .concat();
    let graph = [
        field(1, &node),
        field(2, b"g"),
        field(5, &weight),
        field(11, &value(b"x", 2)),
        field(12, &value(b"y", 3)),
    ]
    .concat();
    let opset = [field(1, b""), vec![16, 17]].concat();
    let path = folder.join("net.onnx");
    fs::write(
        &path,
        [vec![8, 8], field(7, &graph), field(8, &opset)].concat(),
    )
    .unwrap();
    let weights: Vec<u8> = (1_u8..=6)
        .flat_map(|w| f32::from(w).to_le_bytes())
        .collect();
    fs::write(folder.join("net.onnx.data"), weights).unwrap();
    path
}

#[test]
fn weights_beside_an_onnx_file_come_along() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    let file = external_onnx(&from, 1);
    let own = folder.path().join("own");
    succeeds(&["convert", "--from", path(&file), "--out", path(&own)]);
    let weights = fs::read(own.join("net.onnx.data")).unwrap();
    assert_eq!(weights, fs::read(from.join("net.onnx.data")).unwrap());
    let package = ModelPackage::load(&own).unwrap();
    if is_present(Format::Onnx) {
        let mut classifier =
            Classifier::with_weights(&package, Format::Onnx.engine(), WeightFormat::F32).unwrap();
        let mut y = [0.0; 3];
        classifier.classify(&[1.0, 10.0], &mut y).unwrap();
        assert_eq!(y, [41.0, 52.0, 63.0]);
        let x = folder.path().join("x.csv");
        fs::write(&x, "1,10\n").unwrap();
        let output = succeeds(&[
            "infer",
            "--engine",
            "onnx",
            "--file",
            path(&file),
            "--input",
            path(&x),
        ]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "41,52,63\n");
    }

    // Never over another file of the name.
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("net.onnx.data"), b"mine").unwrap();
    let error = fails(&["convert", "--from", path(&file), "--out", path(&other)]);
    assert!(error.contains("another file of this name"), "{error}");
    assert_eq!(fs::read(other.join("net.onnx.data")).unwrap(), b"mine");

    fs::remove_file(from.join("net.onnx.data")).unwrap();
    let error = fails(&[
        "convert",
        "--from",
        path(&file),
        "--out",
        path(&folder.path().join("no")),
    ]);
    assert!(error.contains("net.onnx.data beside it"), "{error}");
}

#[test]
fn inputs_that_are_no_f32_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let integers = external_onnx(folder.path(), 7);
    let error = fails(&[
        "convert",
        "--from",
        path(&integers),
        "--out",
        path(&at("out")),
    ]);
    assert!(
        error.contains("input x: expected a tensor of float32, found INT64"),
        "{error}"
    );
}

/// Where files may have no more than a block, as on a disk that is full.
#[cfg(target_os = "linux")]
#[test]
fn outputs_that_cannot_be_written_leave_those_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (folder.path().join("x.csv"), folder.path().join("y.csv"));
    fs::write(&x, csv(&inputs(500, 1))).unwrap();
    fs::write(&y, "the ones before").unwrap();
    let model = golden("gru_1_3");
    let infer = |shell: &str, output: &str| {
        Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_tocco-engine-tools"))
            .args(["infer", "--engine", "native", "--file", path(&model)])
            .args(["--input", path(&x), "--output", output])
            .output()
            .unwrap()
    };
    let output = infer("ulimit -f 1;", path(&y));
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(&y).unwrap(), "the ones before");
    assert!(infer("", path(&y)).status.success());
    let written = fs::read_to_string(&y).unwrap();
    assert_eq!(rows(&written).len(), 500);
    // What is no file is written to all the same.
    let output = infer("", "/dev/stdout");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap() == written);
}

/// What `id` and `apt-get` are here says of any arguments that this is not root, and that all is well.
#[cfg(target_os = "linux")]
#[test]
fn who_may_not_install_packages_is_told_what_root_types() {
    let (programs, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, program) in [("id", "/bin/echo"), ("apt-get", "/bin/true")] {
        std::os::unix::fs::symlink(program, programs.path().join(name)).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_tocco-engine-tools"))
        .args(["engines", "install", "--yes", "--engine", "onnx"])
        .args(["--dir", path(dir.path())])
        .env("PATH", programs.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{error}");
    assert!(error.contains("there is no sudo"), "{error}");
    assert!(
        error.contains("as root: apt-get install python3-pip"),
        "{error}"
    );
}

/// A library that a broken copy cut short must not take the process along.
#[cfg(target_os = "linux")]
#[test]
fn broken_libraries_are_listed_as_broken() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let list = || {
        let output = Command::new(env!("CARGO_BIN_EXE_tocco-engine-tools"))
            .args(["engines", "list", "--json"])
            .env(discovery::ENGINE_DIR, folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}: {error}", output.status);
        let entries: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(entries.len(), 5);
        assert_eq!(entries[0]["state"], "present");
        entries
    };
    let program = fs::read(env!("CARGO_BIN_EXE_tocco-engine-tools")).unwrap();
    fs::write(
        at("libonnxruntime.so.1.27.0"),
        &program[..program.len() / 2],
    )
    .unwrap();
    fs::write(at("libLiteRt.so"), b"garbage").unwrap();
    fs::create_dir(at("libtocco_torch.so")).unwrap();
    let entries = list();
    for (entry, name, why) in [
        (&entries[2], "libonnxruntime.so.1.27.0", "is cut short"),
        (&entries[3], "libLiteRt.so", "is no shared library"),
        (&entries[4], "libtocco_torch.so", "found a folder"),
    ] {
        assert_eq!(entry["state"], "broken", "{entry}");
        let reason = entry["reason"].as_str().unwrap();
        assert!(reason.contains(path(&at(name))), "{reason}");
        assert!(reason.contains(why), "{reason}");
        assert!(reason.contains("engines install"), "{reason}");
    }

    // A pipe, which opening would wait on for ever, and a library for another processor.
    fs::remove_file(at("libLiteRt.so")).unwrap();
    let made = Command::new("mkfifo")
        .arg(at("libLiteRt.so"))
        .status()
        .unwrap();
    assert!(made.success());
    let mut other = program;
    other[18] = 8;
    fs::write(at("libonnxruntime.so.1.27.0"), other).unwrap();
    let entries = list();
    let reason = |i: usize| entries[i]["reason"].as_str().unwrap();
    assert!(reason(3).contains("found a named pipe"), "{}", reason(3));
    assert!(
        reason(2).contains("is for another processor"),
        "{}",
        reason(2)
    );
}

/// Its functions have the same names and may take other arguments.
#[cfg(target_os = "linux")]
#[test]
fn another_file_of_litert_is_not_even_opened() {
    let folder = tempfile::tempdir().unwrap();
    // Whole, and made like a library.
    let program = env!("CARGO_BIN_EXE_tocco-engine-tools");
    fs::copy(program, folder.path().join("libLiteRt.so")).unwrap();
    let output = Command::new(program)
        .args(["engines", "list", "--json"])
        .env(discovery::ENGINE_DIR, folder.path())
        .output()
        .unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let entry = &entries[3];
    assert_eq!(entry["engine"], "litert");
    assert_eq!(entry["state"], "broken", "{entry}");
    let reason = entry["reason"].as_str().unwrap();
    assert!(
        reason.contains("is not the file of LiteRT 2.3.0 that was tested"),
        "{reason}"
    );
    assert!(reason.contains("engines install"), "{reason}");
}
