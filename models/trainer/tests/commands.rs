//! `tocco-trainer`, as a user runs it, on recordings of nothing but clicks.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use tocco_engines::ModelPackage;

fn run(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocco-trainer"));
    command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "numbers of a command that failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A 16-bit mono WAV file at 48 kHz.
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([48_000_u32, 96_000].map(u32::to_le_bytes).concat());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    wav
}

/// Takes of two players and two techniques, six notes each: kicks sound low, picks high.
fn recordings() -> TempDir {
    let folder = TempDir::new().unwrap();
    for player in ["AnnAri", "BeaBru"] {
        for (technique, hertz) in [("kick", 90.0), ("picknearbridge", 2_500.0)] {
            let sound = |i: u32| {
                let t = f64::from(i % 24_000) / 48_000.0 - 0.1;
                let tone = (std::f64::consts::TAU * hertz * t).sin() * (-30.0 * t).exp();
                if t < 0.0 { 0 } else { (2e4 * tone) as i16 }
            };
            let samples: Vec<i16> = (0..6 * 24_000).map(sound).collect();
            let name = format!("guitar_{technique}_mf_{player}_20240102");
            fs::write(folder.path().join(format!("{name}.wav")), wav(&samples)).unwrap();
            let times = (0..6).map(|i| format!("{}\n", f64::from(i) * 0.5 + 0.1));
            let labels = folder.path().join(format!("{name}.txt"));
            fs::write(labels, times.collect::<String>()).unwrap();
        }
    }
    folder
}

#[test]
fn a_package_is_trained_written_twice_the_same_and_measured() {
    let data = recordings();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    for out in ["first", "second"] {
        let threads = if out == "first" { "1" } else { "2" };
        let arguments = [
            "train",
            "--data",
            data,
            "--model",
            "c",
            "--out",
            out,
            "--threads",
            threads,
        ];
        let output = run(&arguments, folder.path());
        assert!(output.status.success(), "{output:?}");
    }
    for file in ["model.toml", "weights.safetensors", "README.md"] {
        let read = |out: &str| fs::read(folder.path().join(out).join("c").join(file)).unwrap();
        assert_eq!(read("first"), read("second"), "{file}");
    }
    let package = ModelPackage::load(folder.path().join("first/c")).unwrap();
    assert_eq!(package.parameter_count().unwrap(), 63_708);
    let protocols: Vec<&str> = package
        .manifest
        .accuracy
        .iter()
        .map(|a| a.protocol.as_str())
        .collect();
    assert_eq!(protocols, ["leave-one-player-out", "random-5fold"]);
    let log = fs::read_to_string(folder.path().join("out/train.log")).unwrap();
    assert!(log.contains("24 notes of 2 players"), "{log}");
    // The network of all has never heard the other six.
    let missing =
        "c: no note to train on of Snare 1, Tom, Snare 2, Natural harmonics, Palm mute, Pick over";
    assert!(log.contains(missing), "{log}");

    let arguments = [
        "evaluate", "--data", data, "--model", "c", "--models", "first", "--json",
    ];
    let output = run(&arguments, folder.path());
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["protocol"], "holdout");
    assert_eq!(json["notes"], 24);
    assert_eq!(json["onset"]["f1"], 1.0);
    assert_eq!(json["accuracy"], 1.0);
}

/// The files of `data` of which `which` holds, in a folder of their own.
fn only(data: &TempDir, which: impl Fn(&str) -> bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in fs::read_dir(data.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if which(name) {
            fs::copy(&path, folder.path().join(name)).unwrap();
        }
    }
    folder
}

#[test]
fn several_folders_are_measured_together_and_players_play() {
    let data = recordings();
    let (ann, bea) = (
        only(&data, |n| n.contains("Ann")),
        only(&data, |n| n.contains("Bea")),
    );
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let folder = TempDir::new().unwrap();
    let mut arguments = vec![
        "evaluate",
        "--data",
        ann.path().to_str().unwrap(),
        "--data",
        bea.path().to_str().unwrap(),
        "--model",
        "tocco",
        "--models",
        models,
        "--conditions",
        "--json",
    ];
    let output = run(&arguments, folder.path());
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["labelled"], 24);
    let folders = json["folders"].as_array().unwrap();
    let labelled = folders.iter().map(|folder| folder["labelled"].as_u64());
    assert_eq!(labelled.collect::<Vec<_>>(), [Some(12), Some(12)]);
    let names = json["conditions"].as_array().unwrap().iter();
    let quiet = names.filter(|c| c["name"].as_str().unwrap().starts_with("quiet before"));
    for quiet in quiet.clone() {
        assert!(quiet["recall"][0].is_number() && quiet["recall"][1].is_null());
    }
    assert_eq!(quiet.count(), 3);
    let performances = &json["performances"];
    assert!(performances["minutes"].as_f64().unwrap() > 9.0);
    let [all, apart] = ["all", "apart"].map(|which| performances[which]["notes"].as_u64());
    assert!(
        all > Some(1_000) && apart < all,
        "{all:?} and {apart:?} notes"
    );
    assert!(performances["all"]["onset"]["recall"].as_f64().unwrap() > 0.5);
    let second = &performances["all"]["accuracy"][1];
    assert!((0.0..=1.0).contains(&second.as_f64().unwrap()));
    assert!(performances["techniques"][7]["notes"] == 0);
    let sets = json["fewer_techniques"].as_array().unwrap();
    assert_eq!(sets[0]["techniques"], "all eight");
    assert_eq!(sets[0]["accuracy"][0], json["accuracy"]);
    assert_eq!(sets[0]["accuracy"][1], json["second"]["accuracy"]);

    // The same again, and the same folder twice.
    assert_eq!(run(&arguments, folder.path()).stdout, output.stdout);
    arguments[4] = arguments[2];
    let message = error(&run(&arguments, folder.path()));
    assert!(
        message.contains("expected each recording once"),
        "{message}"
    );
}

#[test]
fn what_is_only_trained_on_is_in_no_figure() {
    let data = recordings();
    let (kicks, picks) = (
        only(&data, |n| n.contains("kick")),
        only(&data, |n| !n.contains("kick")),
    );
    let folder = TempDir::new().unwrap();
    let measure = |more: &[&str]| -> serde_json::Value {
        let mut arguments = vec![
            "evaluate",
            "--data",
            kicks.path().to_str().unwrap(),
            "--model",
            "c",
            "--protocol",
            "leave-one-player-out",
            "--json",
        ];
        arguments.extend(more);
        let output = run(&arguments, folder.path());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let more = ["--training-data", picks.path().to_str().unwrap()];
    for (json, parts) in [(measure(&[]), 2), (measure(&more), 2)] {
        assert_eq!(json["labelled"], 12);
        assert_eq!(json["parts"].as_array().unwrap().len(), parts);
        assert_eq!(json["accuracy"], 1.0, "kicks are low");
    }
}

#[test]
fn a_player_teaches_a_model_and_gets_a_profile() {
    let data = recordings();
    let folder = TempDir::new().unwrap();
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let profile = folder.path().join("ann.json");
    let mut arguments = vec![
        "calibrate",
        "--data",
        data.path().to_str().unwrap(),
        "--model",
        "c",
        "--models",
        models,
        "--hits",
        "1,3",
        "--draws",
        "2",
        "--json",
        "--profile",
        profile.to_str().unwrap(),
    ];
    // A profile is one player's, and has right examples. What cannot be one is refused before the long work.
    let message = error(&run(&arguments, folder.path()));
    assert!(message.contains("found 2 players"), "{message}");
    for (more, expected) in [
        (&["--one-wrong"][..], "found --one-wrong"),
        (
            &["--protocol", "leave-one-player-out"],
            "expected the protocol holdout",
        ),
    ] {
        let message = error(&run(&[&arguments[..], more].concat(), folder.path()));
        assert!(
            message.contains("--profile: ") && message.contains(expected),
            "{message}"
        );
    }
    let mut none = arguments.clone();
    let absent = folder.path().join("absent/ann.json");
    let mut nowhere = arguments.clone();
    nowhere[13] = absent.to_str().unwrap();
    let message = error(&run(&nowhere, folder.path()));
    assert!(message.contains("found no such folder"), "{message}");
    for hits in ["0", "3,0"] {
        none[8] = hits;
        let message = error(&run(&none, folder.path()));
        assert!(
            message.contains("last number of --hits, found 0"),
            "{message}"
        );
    }
    assert!(!profile.exists());

    for file in fs::read_dir(data.path()).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("BeaBru") {
            fs::remove_file(path).unwrap();
        }
    }
    let output = run(&arguments, folder.path());
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let hits: Vec<_> = json["calibration"].as_array().unwrap().iter().collect();
    assert_eq!(hits.len(), 3, "0, 1 and 3 examples");
    for point in hits {
        assert_eq!(point["notes"], 24, "twelve notes, two draws");
    }
    let package = ModelPackage::load(Path::new(models).join("c")).unwrap();
    let mut calibration = tocco_recognizer::adaptation::Calibration::new(&package).unwrap();
    calibration.load(&profile).unwrap();
    let taught: Vec<usize> = calibration.taught().collect();
    assert_eq!(taught, [0, 0, 0, 6, 6, 6]);

    let evaluate = |more: &[&str]| {
        let mut arguments = vec!["evaluate", "--data", data.path().to_str().unwrap()];
        arguments.extend(["--model", "c", "--models", models, "--json"]);
        arguments.extend(more);
        run(&arguments, folder.path())
    };
    let of_kicks = |output: Output| -> serde_json::Value {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (plain, taught) = (
        of_kicks(evaluate(&[])),
        of_kicks(evaluate(&["--profile", profile.to_str().unwrap()])),
    );
    assert_ne!(plain["confidence"]["mean"], taught["confidence"]["mean"]);
    assert!(taught["accuracy"].as_f64() >= plain["accuracy"].as_f64());
    let message = error(&evaluate(&["--profile", "absent.json"]));
    assert!(message.contains("absent.json"), "{message}");
    let protocol = ["--protocol", "random-5fold", "--profile", "absent.json"];
    let message = error(&evaluate(&protocol));
    assert!(
        message.contains("--profile: expected the protocol holdout"),
        "{message}"
    );

    arguments.extend(["--protocol", "random-5fold"]);
    let message = error(&run(&arguments, folder.path()));
    assert!(message.contains("leave-one-player-out"), "{message}");
}

#[test]
fn what_came_with_tocco_is_not_written_into_and_one_player_rejects_nothing() {
    let data = recordings();
    let alone = only(&data, |n| n.contains("Ann"));
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let folder = TempDir::new().unwrap();
    let reject = |data: &TempDir, more: &[&str]| {
        let data = data.path().to_str().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tocco-trainer"))
            .args(["reject", "--data", data, "--model", "tocco"])
            .args(more)
            .env("TOCCO_MODELS", models)
            .current_dir(folder.path())
            .output()
            .unwrap();
        error(&output)
    };
    let message = reject(&data, &["--write"]);
    assert!(
        message
            .contains("--write: expected --models with a folder of your own packages, found none"),
        "{message}"
    );
    assert!(
        message.contains("copy that folder and name the copy with --models"),
        "{message}"
    );
    let message = reject(&data, &["--strictness", "1.5"]);
    assert!(
        message.contains("--strictness: expected 0 to 1, found 1.5"),
        "{message}"
    );
    // Where a folder was named, what is asked next is whether there is anything to choose a threshold on.
    for more in [&[][..], &["--write", "--models", models]] {
        let message = reject(&alone, more);
        assert!(message.contains("at least two players"), "{message}");
        assert!(message.contains("found those of AnnAri"), "{message}");
    }
}

#[test]
fn packages_are_refused_where_networks_are_trained() {
    let data = recordings();
    let folder = TempDir::new().unwrap();
    for (command, protocol) in [
        ("evaluate", "leave-one-player-out"),
        ("evaluate", "random-5fold"),
        ("calibrate", "leave-one-player-out"),
    ] {
        let arguments = [
            command,
            "--data",
            data.path().to_str().unwrap(),
            "--model",
            "c",
            "--protocol",
            protocol,
            "--models",
            "mine",
        ];
        let message = error(&run(&arguments, folder.path()));
        let expected = format!("--models: expected the protocol holdout, found {protocol}");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn mistakes_are_explained() {
    let data = recordings();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let refused = |arguments: &[&str]| error(&run(arguments, folder.path()));

    let message = refused(&["train", "--data", data, "--model", "d"]);
    assert!(
        message.contains("expected one of a, b, c, tocco"),
        "{message}"
    );
    let message = refused(&[
        "evaluate", "--data", data, "--model", "c", "--models", "models",
    ]);
    assert!(
        message.contains("expected one of none in models"),
        "{message}"
    );
    let message = refused(&[
        "evaluate", "--data", data, "--model", "c", "--engine", "fpga",
    ]);
    assert!(message.contains("native"), "{message}");
    fs::write(folder.path().join("file"), "").unwrap();
    let message = refused(&["train", "--data", data, "--model", "c", "--out", "file"]);
    assert!(message.contains("--out file: cannot be made"), "{message}");
    let message = refused(&["train", "--data", "absent"]);
    assert!(message.contains("absent: cannot be read"), "{message}");
    let message = refused(&[
        "evaluate",
        "--data",
        data,
        "--model",
        "c",
        "--protocol",
        "luck",
    ]);
    assert!(message.contains("leave-one-player-out"), "{message}");
}

#[test]
fn too_few_players_for_a_learning_curve_are_missed_before_the_work() {
    let data = recordings();
    let folder = TempDir::new().unwrap();
    let arguments = [
        "evaluate",
        "--data",
        data.path().to_str().unwrap(),
        "--model",
        "c",
        "--protocol",
        "leave-one-player-out",
        "--learning-curve",
    ];
    let message = error(&run(&arguments, folder.path()));
    assert!(
        message
            .contains("--learning-curve: expected recordings of at least three players, found 2"),
        "{message}"
    );
    assert!(!message.contains("players in"), "heard first: {message}");
}

#[test]
fn an_engine_that_is_not_there_is_missed_before_the_work() {
    let data = recordings();
    let folder = TempDir::new().unwrap();
    for command in ["evaluate", "calibrate"] {
        let output = Command::new(env!("CARGO_BIN_EXE_tocco-trainer"))
            .args([command, "--data", data.path().to_str().unwrap()])
            .args(["--model", "c", "--engine", "onnx"])
            .args(["--protocol", "leave-one-player-out"])
            .env("TOCCO_ENGINE_DIR", "")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let message = error(&output);
        assert!(message.contains("engines install"), "{message}");
        assert!(!message.contains("players in"), "heard first: {message}");
    }
}
