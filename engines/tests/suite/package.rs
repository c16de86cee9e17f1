//! Packages are written, read back, and refused in words when anything is wrong with them.

use std::fs;
use std::path::Path;

use crate::random_package::{a, b, c};
use tocco_engines::package::MANIFEST_FILE;
use tocco_engines::{Classifier, EngineId, LoadError, Malformed, Manifest, ModelPackage, Tensor};

/// The text of both files of network C.
fn files_of_c() -> (String, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    c().save(dir.path()).unwrap();
    (
        fs::read_to_string(dir.path().join(MANIFEST_FILE)).unwrap(),
        fs::read(dir.path().join("weights.safetensors")).unwrap(),
    )
}

fn malformed(result: Result<ModelPackage, LoadError>) -> Malformed {
    match result {
        Err(LoadError::Malformed(malformed)) => *malformed,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

/// The error that the manifest of C gives with `from` replaced by `to`.
fn edited(from: &str, to: &str) -> Malformed {
    let (manifest, weights) = files_of_c();
    assert!(
        manifest.contains(from),
        "nothing to replace: {from}\n{manifest}"
    );
    malformed(ModelPackage::from_bytes(
        &manifest.replacen(from, to, 1),
        &weights,
        "test",
    ))
}

#[test]
fn parameters_are_those_of_the_paper() {
    assert_eq!(a().parameter_count().unwrap(), 2_083_208);
    assert_eq!(b().parameter_count().unwrap(), 677_958);
    assert_eq!(c().parameter_count().unwrap(), 63_708);
}

#[test]
fn a_saved_package_is_loaded_back_and_saved_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let again = tempfile::tempdir().unwrap();
    let mut package = a();
    package.save(dir.path()).unwrap();
    let loaded = ModelPackage::load(dir.path()).unwrap();
    package.source.clone_from(&loaded.source);
    assert_eq!(loaded, package);
    loaded.save(again.path()).unwrap();
    for file in [MANIFEST_FILE, "weights.safetensors"] {
        let first = fs::read(dir.path().join(file)).unwrap();
        assert_eq!(first, fs::read(again.path().join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_package_that_cannot_be_saved_whole_leaves_the_old_weights() {
    let dir = tempfile::tempdir().unwrap();
    let mut package = c();
    package.save(dir.path()).unwrap();
    let weights = dir.path().join("weights.safetensors");
    let old = fs::read(&weights).unwrap();
    fs::remove_file(dir.path().join(MANIFEST_FILE)).unwrap();
    fs::create_dir(dir.path().join(MANIFEST_FILE)).unwrap();
    for tensor in package.tensors.values_mut() {
        *tensor = tensor.rounded_to_half();
    }
    let error = package.save(dir.path()).unwrap_err().to_string();
    assert!(error.contains("found a folder"), "{error}");
    assert!(fs::read(&weights).unwrap() == old, "other weights");
    let files = fs::read_dir(dir.path()).unwrap();
    assert_eq!(files.count(), 2, "no draft is left");
}

/// Other systems have no such names.
#[cfg(target_os = "linux")]
#[test]
fn a_model_file_is_found_in_a_folder_whose_name_is_no_unicode() {
    use std::os::unix::ffi::OsStrExt;

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(std::ffi::OsStr::from_bytes(b"net\xff"));
    fs::create_dir(&folder).unwrap();
    let manifest = "format = 1\nid = \"net\"\ntitle = \"Net\"\nlabels = [\"a\"]\nlicence = \"CC0-1.0\"\n\
        [input]\nsample_rate = 48000\nhop = 64\nwindow = 704\npost_onset_hops = 5\npreset = \"timbreid\"\n\
        features = [\"f\"]\n[scaler]\nkind = \"none\"\n[network]\nfile = \"net.json\"\n";
    fs::write(folder.join(MANIFEST_FILE), manifest).unwrap();
    let model = r#"{"in_shape": [null, 1], "layers": [
        {"type": "dense", "activation": "", "shape": [null, 1], "weights": [[[2.0]], [0.5]]}]}"#;
    fs::write(folder.join("net.json"), model).unwrap();
    let package = ModelPackage::load(&folder).unwrap();
    assert_eq!(package.network_file(), Some(folder.join("net.json")));
    assert_eq!(package.network().unwrap().n_inputs(), 1);
}

#[test]
fn the_manifest_of_the_contract_is_read() {
    let (manifest, _) = files_of_c();
    let more = format!(
        "{manifest}\n[provenance]\ndata = \"four players\"\ntrained_by = \"cargo xtask train\"\nseed = 7\n\
         [[accuracy]]\nprotocol = \"random-5fold\"\naccuracy = 0.9\nmacro_f1 = 0.8\nnotes = 831\n"
    );
    let manifest = Manifest::parse(&more, "model.toml").unwrap();
    assert_eq!(manifest.provenance.unwrap().seed, Some(7));
    assert_eq!(manifest.accuracy[0].notes, 831);
}

#[test]
fn the_onset_method_is_written_only_where_it_is_not_the_papers() {
    let (text, _) = files_of_c();
    assert!(!text.contains("onset ="), "{text}");
    let mut manifest = Manifest::parse(&text, "model.toml").unwrap();
    assert_eq!(manifest.input.onset, "mkl");
    manifest.input.onset = "flux".to_owned();
    let written = manifest.to_toml("model.toml").unwrap();
    assert!(written.contains("\nonset = \"flux\"\n"), "{written}");
    let again = Manifest::parse(&written, "model.toml").unwrap();
    assert_eq!(again, manifest);
}

#[test]
fn a_second_package_is_kept_and_must_fit() {
    let mut first = c();
    first.manifest.second = Some("later".to_owned());
    let folder = tempfile::tempdir().unwrap();
    first.save(folder.path()).unwrap();
    let loaded = ModelPackage::load(folder.path()).unwrap();
    assert_eq!(loaded.manifest, first.manifest);

    let mut second = c();
    second.manifest.id = "later".to_owned();
    second.manifest.input.post_onset_hops += 1;
    first.check_second(&second).unwrap();
    type Fault = fn(&mut ModelPackage);
    let faults: [(&str, Fault); 4] = [
        ("id", |second| second.manifest.id = "c".to_owned()),
        ("labels", |second| second.manifest.labels.swap(0, 1)),
        ("input.onset", |second| {
            second.manifest.input.onset = "flux".to_owned();
        }),
        ("input.post_onset_hops", |second| {
            second.manifest.input.post_onset_hops -= 1;
        }),
    ];
    for (field, fault) in faults {
        let mut second = second.clone();
        fault(&mut second);
        let LoadError::Malformed(error) = first.check_second(&second).unwrap_err() else {
            panic!("{field}: another kind of error")
        };
        assert_eq!(
            (error.field.as_str(), error.file.as_str()),
            (field, "random/model.toml")
        );
        assert_ne!(error.expected, error.found);
    }
}

/// C with a rejection that says twice what the first scaled feature is above zero, less one.
fn c_with_rejection() -> ModelPackage {
    let mut package = c();
    let n_features = package.manifest.input.features.len();
    let mut first = vec![0.0; 2 * n_features];
    first[0] = 1.0;
    for (name, shape, values) in [
        ("rejection.0.weight", vec![2, n_features], first),
        ("rejection.0.bias", vec![2], vec![0.0; 2]),
        ("rejection.1.weight", vec![1, 2], vec![2.0, 0.0]),
        ("rejection.1.bias", vec![1], vec![-1.0]),
    ] {
        let tensor = Tensor::new(shape, values).unwrap();
        package.tensors.insert(name.to_owned(), tensor);
    }
    package
}

#[test]
fn a_rejection_is_kept_and_changes_nothing_else() {
    let (plain, package) = (c(), c_with_rejection());
    let folder = tempfile::tempdir().unwrap();
    package.save(folder.path()).unwrap();
    let loaded = ModelPackage::load(folder.path()).unwrap();
    assert_eq!(loaded.tensors, package.tensors);
    // Lessons that were saved before there was one still fit.
    assert_eq!(loaded.fingerprint(), plain.fingerprint());
    assert_eq!(loaded.rejection().unwrap().unwrap().n_outputs(), 1);
    assert_eq!(plain.rejection().unwrap(), None);

    let scaler = loaded.scaler().unwrap();
    let classifier = |package| Classifier::new(package, EngineId::Native).unwrap();
    let (mut rejecting, mut plain) = (classifier(&loaded), classifier(&plain));
    for above in [-1.0, 0.25, 3.0] {
        let mut features = scaler.mean().to_vec();
        features[0] += above * scaler.scale()[0];
        let mut probabilities = [[0.0; 8]; 2];
        for (classifier, probabilities) in [&mut rejecting, &mut plain]
            .into_iter()
            .zip(&mut probabilities)
        {
            classifier.classify(&features, probabilities).unwrap();
        }
        assert_eq!(probabilities[0], probabilities[1]);
        let log_odds = rejecting.rejection().unwrap();
        let expected = 2.0 * above.max(0.0) - 1.0;
        assert!((log_odds - expected).abs() < 1e-2, "{log_odds} {expected}");
        assert_eq!(plain.rejection(), None);
    }
}

#[test]
fn a_rejection_that_does_not_fit_is_refused_by_name() {
    type Fault = fn(&mut ModelPackage);
    let faults: [(&str, Fault); 4] = [
        ("rejection.0.bias", |package| {
            package.tensors.remove("rejection.0.bias");
        }),
        ("rejection.0.weight", |package| {
            let narrow = Tensor::new(vec![2, 3], vec![0.0; 6]).unwrap();
            package
                .tensors
                .insert("rejection.0.weight".to_owned(), narrow);
        }),
        ("rejection.1.weight", |package| {
            for (name, shape) in [("weight", vec![2, 2]), ("bias", vec![2])] {
                let values = vec![0.0; shape.iter().product()];
                let tensor = Tensor::new(shape, values).unwrap();
                package
                    .tensors
                    .insert(format!("rejection.1.{name}"), tensor);
            }
        }),
        ("rejection.3.bias", |package| {
            let bias = Tensor::new(vec![1], vec![0.0]).unwrap();
            package.tensors.insert("rejection.3.bias".to_owned(), bias);
        }),
    ];
    for (name, fault) in faults {
        let mut package = c_with_rejection();
        fault(&mut package);
        let (manifest, tensors) = (package.manifest, package.tensors);
        let error = malformed(ModelPackage::new(manifest, tensors, "test"));
        assert_eq!(error.field, name);
        assert!(
            error.file.ends_with("weights.safetensors"),
            "{}",
            error.file
        );
    }
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Path::new("/nowhere/at/all");
    let error = ModelPackage::load(folder).unwrap_err().to_string();
    let manifest = folder.join("model.toml");
    let expected = format!("{}: cannot be read", manifest.display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn an_unknown_field_is_refused_with_its_line() {
    let error = edited("licence =", "lisence =");
    assert!(error.found.contains("unknown field `lisence`"), "{error}");
    assert!(error.field.contains("line 5"), "{error}");
}

#[test]
fn an_unknown_field_of_a_layer_without_parameters_is_refused() {
    let error = edited("kind = \"relu\"", "kind = \"relu\"\nslope = 0.1");
    assert!(error.found.contains("unknown field `slope`"), "{error}");
    assert!(error.field.contains("network.layers"), "{error}");
}

#[test]
fn an_unknown_layer_is_refused_with_the_list() {
    let error = edited("kind = \"relu\"", "kind = \"swish\"");
    assert!(
        error.found.contains("swish") && error.found.contains("`dense`"),
        "{error}"
    );
    assert!(error.field.contains("network.layers[1]"), "{error}");
}

#[test]
fn every_value_of_the_manifest_is_checked() {
    for (from, to, field) in [
        ("format = 1", "format = 2", "format"),
        ("id = \"c\"", "id = \"../c\"", "id"),
        ("id = \"c\"", "id = \"c\"\nsecond = \"../c\"", "second"),
        ("id = \"c\"", "id = \"c\"\nsecond = \"\"", "second"),
        ("id = \"c\"", "id = \"c\"\nsecond = \"c\"", "second"),
        (
            "sample_rate = 48000",
            "sample_rate = 44100",
            "input.sample_rate",
        ),
        ("hop = 64", "hop = 128", "input.hop"),
        ("window = 704", "window = 4000000000", "input.window"),
        ("hop = 64", "hop = 64\nonset = \"\"", "input.onset"),
        (
            "post_onset_hops = 5",
            "post_onset_hops = 100000",
            "input.post_onset_hops",
        ),
        ("preset = \"timbreid\"", "preset = \"\"", "input.preset"),
        ("\"feature_1\"", "\"feature_0\"", "input.features[1]"),
        ("\"class 1\"", "\"class 0\"", "labels[1]"),
        ("\"class 1\", ", "", "labels"),
        (
            "weights = \"weights.safetensors\"",
            "weights = \"../w\"",
            "network.weights",
        ),
        (
            "weights = \"weights.safetensors\"",
            "weights = \"C:w\"",
            "network.weights",
        ),
        (
            "weights = \"weights.safetensors\"",
            "file = \"c.onnx\"",
            "network",
        ),
        ("weights = \"weights.safetensors\"\n", "", "network.weights"),
        (
            "name = \"dense_1\"",
            "name = \"dense_0\"",
            "network.layers[2].name",
        ),
        (
            "inputs = 173",
            "inputs = 172",
            "network.layers[0] \"dense_0\": inputs",
        ),
        (
            "inputs = 350",
            "inputs = 349",
            "network.layers[2] \"dense_1\": inputs",
        ),
        (
            "kind = \"softmax\"",
            "kind = \"softmax\"\ntemperature = 0.0",
            "network.layers[3].temperature",
        ),
        (
            "kind = \"softmax\"",
            "kind = \"softmax\"\ntemperature = nan",
            "network.layers[3].temperature",
        ),
        ("kind = \"softmax\"", "kind = \"tanh\"", "network.layers"),
        ("outputs = 350", "outputs = 351", "dense_0.weight"),
        ("name = \"dense_1\"", "name = \"dense_9\"", "dense_9.weight"),
        ("kind = \"standard\"", "kind = \"none\"", "scaler.mean"),
        (
            "kind = \"standard\"",
            "kind = \"inline\"\nmean = [0.0]\nscale = [1.0]",
            "scaler.mean",
        ),
    ] {
        let error = edited(from, to);
        assert_eq!(error.field, field, "{from} -> {to}: {error}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn labels_must_be_as_many_as_outputs() {
    let error = edited("\"class 7\"]", "\"class 7\", \"class 8\"]");
    assert_eq!(
        (error.field.as_str(), error.found.as_str()),
        ("labels", "9")
    );
}

#[test]
fn sizes_that_the_file_does_not_hold_are_refused_before_memory_is_taken() {
    let huge = "outputs = 4611686018427387904";
    assert_eq!(edited("outputs = 350", huge).field, "dense_0.weight");
}

#[test]
fn every_truncation_of_the_weights_is_refused() {
    let (manifest, weights) = files_of_c();
    for length in [0, 7, 8, 9, 100, 500, weights.len() / 2, weights.len() - 1] {
        let error = malformed(ModelPackage::from_bytes(
            &manifest,
            &weights[..length],
            "test",
        ));
        assert_eq!(error.file, "test/weights.safetensors");
        assert_eq!(error.field, "header", "{error}");
    }
}

#[test]
fn broken_tensors_are_refused() {
    let change = |name: &str, tensor: Option<Tensor>| {
        let mut package = c();
        match tensor {
            Some(tensor) => package.tensors.insert(name.to_owned(), tensor),
            None => package.tensors.remove(name),
        };
        malformed(ModelPackage::new(package.manifest, package.tensors, "test"))
    };
    let tensor = |shape: &[usize], value: f32| {
        Some(Tensor::new(shape.to_vec(), vec![value; shape.iter().product()]).unwrap())
    };
    assert_eq!(change("dense_0.bias", None).field, "dense_0.bias");
    assert_eq!(
        change("dense_0.bias", tensor(&[350, 1], 0.0)).field,
        "dense_0.bias"
    );
    assert_eq!(
        change("dense_2.bias", tensor(&[350], 0.0)).field,
        "dense_2.bias"
    );
    assert_eq!(change("scaler.scale", tensor(&[173], 0.0)).field, "scaler");
}

#[test]
fn values_that_are_not_finite_are_refused_on_both_ways() {
    let mut package = c();
    let values = vec![f32::NAN; 8];
    package.tensors.insert(
        "dense_1.bias".to_owned(),
        Tensor::new(vec![8], values).unwrap(),
    );
    let dir = tempfile::tempdir().unwrap();
    let error = package.save(dir.path()).unwrap_err().to_string();
    assert!(error.contains("dense_1.bias[0]"), "{error}");

    let (manifest, mut weights) = files_of_c();
    let end = weights.len();
    weights[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = malformed(ModelPackage::from_bytes(&manifest, &weights, "test"));
    assert_eq!(error.found, "inf");
}

#[test]
fn other_number_types_are_refused() {
    let (manifest, weights) = files_of_c();
    let at = weights.windows(5).position(|w| w == b"\"F32\"").unwrap();
    let mut integers = weights;
    integers[at..at + 5].copy_from_slice(b"\"I32\"");
    let error = malformed(ModelPackage::from_bytes(&manifest, &integers, "test"));
    assert_eq!(
        (error.expected.as_str(), error.found.as_str()),
        ("F32, F16 or BF16 values", "I32")
    );
}

#[test]
fn half_precision_is_read_and_written() {
    let package = c();
    let mut halved = package.clone();
    for tensor in halved.tensors.values_mut() {
        *tensor = tensor.rounded_to_half();
    }
    let dir = tempfile::tempdir().unwrap();
    halved.save(dir.path()).unwrap();
    assert_eq!(
        ModelPackage::load(dir.path()).unwrap().tensors,
        halved.tensors
    );

    // Every value is the nearest: a half has eleven binary digits, and steps of 2^-24 next to zero.
    for (name, tensor) in &package.tensors {
        let half = halved.tensors[name].values();
        for (exact, half) in tensor.values().iter().zip(half) {
            let step = (exact.abs() / 2048.0).max(2f32.powi(-25));
            assert!((exact - half).abs() <= step, "{name}: {exact} {half}");
        }
    }
}
