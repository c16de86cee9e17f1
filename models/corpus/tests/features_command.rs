//! `tocco-corpus features`, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::TempDir;
use tocco_dsp::features::{FeatureExtractor, Preset};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocco-corpus"));
    command.arg("features").args(arguments).output().unwrap()
}

/// 4096 samples of a decaying tone at 48 kHz.
fn tone() -> Vec<f32> {
    let sample = |i: u16| {
        let t = f32::from(i) / 48_000.0;
        (-40.0 * t).exp() * (std::f32::consts::TAU * 330.0 * t).sin()
    };
    (0..4096).map(sample).collect()
}

fn write_wav(path: &Path, samples: &[f32]) {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
}

#[test]
fn rows_are_the_vectors_right_after_the_blocks() {
    let folder = TempDir::new().unwrap();
    let input = folder.path().join("tone.wav");
    write_wav(&input, &tone());

    let output = run(&[
        "--input",
        input.to_str().unwrap(),
        "--at-blocks",
        "20,3",
        "--preset",
        "timbreid-48k",
    ]);
    assert!(output.status.success(), "{output:?}");
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let names = Preset::Timbreid48k.feature_names();
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(header[..2], ["file", "block_index"]);
    assert_eq!(header[2..], names);

    let mut extractor = FeatureExtractor::new(Preset::Timbreid48k, &names).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    for (row, block) in rows.iter().zip([20, 3]) {
        assert_eq!(&row[0], "tone.wav");
        assert_eq!(row[1], block.to_string());
        let mut history = vec![0.0; extractor.history_len()];
        history.extend(&tone()[..(block + 1) * 64]);
        let mut expected = vec![0.0; names.len()];
        extractor.extract(
            &history[history.len() - extractor.history_len()..],
            &mut expected,
        );
        let values: Vec<f32> = row.iter().skip(2).map(|v| v.parse().unwrap()).collect();
        assert_eq!(values, expected, "block {block}");
    }
}

#[test]
fn mistakes_are_explained() {
    let folder = TempDir::new().unwrap();
    let input = folder.path().join("tone.wav");
    write_wav(&input, &tone());
    let input = input.to_str().unwrap();
    for (arguments, words) in [
        (vec!["--input", input, "--at-blocks", "64"], "below 64"),
        (vec!["--input", input, "--at-blocks", "1,x"], "'x'"),
        (vec!["--input", input], "--at-blocks"),
        (
            vec!["--input", input, "--at-blocks", "1", "--preset", "mfcc"],
            "\"timbreid-48k\"",
        ),
        (
            vec!["--input", "absent.wav", "--at-blocks", "1"],
            "absent.wav: cannot be read",
        ),
    ] {
        let output = run(&arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(words), "{arguments:?}: {message}");
        // What the system says is said once.
        assert!(message.matches("os error").count() <= 1, "{message}");
    }
}
