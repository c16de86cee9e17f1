//! Small inputs that failed once, each run as its README says and held against its right value.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cargo;

/// What a case comes to when it does not fail.
enum Outcome {
    Passed,
    /// It needs something that is not here.
    Skipped(&'static str),
}

/// A case: its number, what it is about, and how it is checked.
type Case = (&'static str, &'static str, fn(&Cases) -> Result<Outcome>);

const CASES: &[Case] = &[
    ("01", "TFLite models with open outputs", open_outputs),
    ("03", "fast repeated notes", repeated_notes),
    ("04", "a constant under the sound", constant),
    ("07", "odd chunks in WAV files", odd_chunks),
    ("09", "24 valid bits in 32", valid_bits),
    ("10", "other forms of WAV", wav_forms),
    ("11", "labels with decimal commas", decimal_commas),
    ("12", "labels with frequencies", spectral_labels),
    ("14", "RTNeural's in_skip", in_skip),
    ("15", "RTNeural's exported layers", exported_layers),
    ("17", "an engine library cut short", library_cut_short),
    ("18", "a state_dict as TorchScript", state_dict),
    ("20", "files where the user stands", relative_files),
    ("24", "a relative target folder", relative_target),
];

/// Cases that need a host of their own or a program that dies: each is a test of the suite, which runs it.
const IN_THE_SUITE: [(&str, &str, &str); 3] = [
    (
        "02",
        "a start and stop around each block",
        "a_stop_around_every_block_loses_nothing, bench/tests/hosts",
    ),
    (
        "19",
        "calls out of order",
        "any_order_of_calls_passes_the_sound_on, bench/tests/hosts",
    ),
    (
        "23",
        "a tool that dies without a word",
        "a_tool_that_dies_of_a_signal_is_told_with_the_signal, xtask/tests/calls.rs",
    ),
];

/// Runs all cases where they are there, and says which are in the suite.
///
/// # Errors
/// If a case fails.
pub fn run() -> Result<()> {
    let folder = tocco_recordings::shared().join("cases");
    if !folder.is_dir() {
        println!(
            "cases: skipped, there is no {}; set TOCCO_SHARED",
            folder.display()
        );
        return Ok(());
    }
    let cases = Cases {
        folder: folder.canonicalize()?,
        own: tempfile::tempdir().context("no temporary folder")?,
    };
    let mut failed = 0;
    for (number, title, check) in CASES {
        match check(&cases) {
            Ok(Outcome::Passed) => println!("{number} passed   {title}"),
            Ok(Outcome::Skipped(why)) => println!("{number} skipped  {title}: {why}"),
            Err(error) => {
                failed += 1;
                println!("{number} FAILED   {title}: {error:#}");
            }
        }
    }
    for (number, title, test) in IN_THE_SUITE {
        println!("{number} in tests {title}: {test}");
    }
    ensure!(failed == 0, "{failed} of {} cases failed", CASES.len());
    Ok(())
}

struct Cases {
    /// The cases, which are only read.
    folder: PathBuf,
    /// For what is written.
    own: tempfile::TempDir,
}

impl Cases {
    /// The folder of the case with this number.
    fn case(&self, number: &str) -> Result<PathBuf> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(number) {
                return Ok(path);
            }
        }
        bail!("there is no folder {}/{number}-...", self.folder.display());
    }

    /// Calls xtask as a user in `folder` does.
    fn xtask(&self, folder: &Path, arguments: &[&str]) -> Result<Output> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.current_dir(folder).args(arguments);
        let output = command.output().context("cannot start xtask")?;
        // A program that died of a signal ends so; none may, whatever it reads.
        let code = output.status.code();
        ensure!(
            code.is_some_and(|code| code < 128),
            "{} ended with {}: {}",
            arguments.join(" "),
            output.status,
            errors(&output)
        );
        Ok(output)
    }

    /// What it prints, which must be well.
    fn printed(&self, folder: &Path, arguments: &[&str]) -> Result<String> {
        let output = self.xtask(folder, arguments)?;
        let arguments = arguments.join(" ");
        ensure!(output.status.success(), "{arguments}: {}", errors(&output));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// That it refuses, and that the refusal has each of `words`.
    fn refused(&self, folder: &Path, arguments: &[&str], words: &[&str]) -> Result<()> {
        let output = self.xtask(folder, arguments)?;
        let (message, arguments) = (errors(&output), arguments.join(" "));
        ensure!(!output.status.success(), "{arguments}: not refused");
        for word in words {
            ensure!(
                message.contains(word),
                "{arguments}: no word of {word:?}: {message}"
            );
        }
        Ok(())
    }

    /// Onset times of the notes that the demo hears, seconds.
    fn notes(&self, folder: &Path, file: &str, more: &[&str]) -> Result<Vec<f64>> {
        let arguments = [&["demo", "--offline", "--json", "--input", file], more].concat();
        let document: Value = serde_json::from_str(&self.printed(folder, &arguments)?)?;
        let notes = document["notes"].as_array().context("no notes")?;
        Ok(notes
            .iter()
            .filter_map(|note| note["time_s"].as_f64())
            .collect())
    }

    /// The feature vector of a file after a block.
    fn features(&self, folder: &Path, file: &str, block: &str) -> Result<String> {
        let arguments = ["features", "--input", file, "--at-blocks", block];
        let table = self.printed(folder, &arguments)?;
        let row = table.lines().nth(1).context("no row")?;
        // All but the file's name.
        Ok(row.split_once(',').context("one column")?.1.to_owned())
    }
}

/// The last lines that it wrote for people, in one.
fn errors(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("xtask:"))
        .collect();
    lines[lines.len().saturating_sub(3)..].join(" ")
}

/// The numbers of a text, whatever is between them.
fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']'))
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn same(found: &[f64], expected: &[f64], tolerance: f64) -> Result<()> {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance;
    ensure!(
        found.len() == expected.len() && found.iter().zip(expected).all(close),
        "expected {expected:?}, found {found:?}"
    );
    Ok(())
}

fn open_outputs(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("01")?;
    let expected = [0.25, 0.5, 0.5, 1.0, 0.75, 1.5, 1.0, 2.0];
    for (file, input, n) in [
        ("crash.tflite", "x10.csv", 80),
        ("short.tflite", "x4.csv", 8),
    ] {
        let arguments = [
            "infer", "--engine", "litert", "--file", file, "--input", input,
        ];
        let output = cases.xtask(&folder, &arguments)?;
        if !output.status.success() {
            let message = errors(&output);
            if message.contains("not found in") {
                return Ok(Outcome::Skipped("LiteRT is not installed"));
            }
            ensure!(
                message.contains("output"),
                "{file}: refused without a reason: {message}"
            );
            continue;
        }
        let found = numbers(&String::from_utf8(output.stdout)?);
        ensure!(
            found.len() == n,
            "{file}: expected {n} values, found {}",
            found.len()
        );
        if n == expected.len() {
            same(&found, &expected, 1e-6)?;
        }
    }
    Ok(Outcome::Passed)
}

fn repeated_notes(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("03")?;
    for (file, spacing) in [
        ("every100_damped20.wav", 0.100),
        ("every100_damped30.wav", 0.100),
        ("every150_damped20.wav", 0.150),
        ("every150_damped30.wav", 0.150),
        ("every250_damped0.wav", 0.250),
        ("every250_damped20.wav", 0.250),
    ] {
        let found = cases.notes(&folder, file, &["--no-second", "--no-adapt"])?;
        let expected: Vec<f64> = (0..16).map(|i| 0.5 + f64::from(i) * spacing).collect();
        same(&found, &expected, 0.020).context(file)?;
    }
    Ok(Outcome::Passed)
}

fn constant(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("04")?;
    let without = cases.notes(&folder, "dc000.wav", &[])?;
    ensure!(without.len() == 8, "dc000.wav: {} notes", without.len());
    for file in ["dc050.wav", "dc070.wav", "dc100.wav", "dc200.wav"] {
        let found = cases.notes(&folder, file, &[])?;
        same(&found, &without, 0.020).context(file)?;
    }
    Ok(Outcome::Passed)
}

fn odd_chunks(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("07")?;
    let even = cases.features(&folder, "even_ixml.wav", "380")?;
    for file in ["odd_bext.wav", "odd_ixml.wav"] {
        let found = cases.features(&folder, file, "380")?;
        ensure!(found == even, "{file}: other features than even_ixml.wav");
    }
    Ok(Outcome::Passed)
}

fn valid_bits(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("09")?;
    let plain = cases.features(&folder, "plain24.wav", "380")?;
    let found = cases.features(&folder, "24in32.wav", "380")?;
    ensure!(
        found == plain,
        "24in32.wav: other features than plain24.wav"
    );
    Ok(Outcome::Passed)
}

fn wav_forms(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("10")?;
    for file in [
        "float64.wav",
        "float32_fmt40.wav",
        "one_byte_more.wav",
        "rf64.wav",
        "bw64.wav",
    ] {
        // 86400 samples are 1350 blocks.
        cases.features(&folder, file, "1349")?;
        let arguments = ["features", "--input", file, "--at-blocks", "1350"];
        cases.refused(&folder, &arguments, &["below 1350"])?;
        cases.notes(&folder, file, &[])?;
    }
    for (file, name) in [
        ("flac.wav", "FLAC"),
        ("mp3.wav", "MP3"),
        ("aiff.wav", "AIFF"),
    ] {
        let words = [name, "ffmpeg -i"];
        cases.refused(
            &folder,
            &["features", "--input", file, "--at-blocks", "1"],
            &words,
        )?;
        cases.refused(&folder, &["demo", "--offline", "--input", file], &words)?;
    }
    Ok(Outcome::Passed)
}

fn decimal_commas(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("11")?;
    let evaluate = |data| {
        let options = [
            "--model",
            "tocco",
            "--no-second",
            "--no-listening",
            "--json",
        ];
        cases.printed(
            &folder,
            &[&["evaluate", "--data", data], &options[..]].concat(),
        )
    };
    let (comma, point) = (evaluate("comma")?, evaluate("point")?);
    ensure!(comma == point, "comma: other figures than point");
    let document: Value = serde_json::from_str(&comma)?;
    let recall = &document["onset"]["recall"];
    ensure!(recall == 1.0, "expected a recall of 1, found {recall}");
    Ok(Outcome::Passed)
}

fn spectral_labels(cases: &Cases) -> Result<Outcome> {
    let arguments = ["evaluate", "--data", "take", "--model", "tocco", "--json"];
    let document = cases.printed(&cases.case("12")?, &arguments)?;
    let document: Value = serde_json::from_str(&document)?;
    let labelled = &document["labelled"];
    ensure!(labelled == 8, "expected 8 labelled notes, found {labelled}");
    Ok(Outcome::Passed)
}

fn in_skip(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("14")?;
    let arguments = [
        "infer",
        "--engine",
        "native",
        "--file",
        "skip.json",
        "--input",
        "x.csv",
    ];
    let output = cases.xtask(&folder, &arguments)?;
    if output.status.success() {
        let right = std::fs::read_to_string(folder.join("right.txt"))?;
        let right = right
            .lines()
            .find_map(|line| line.strip_prefix("skip.json"));
        let right = numbers(right.context("right.txt: no line of skip.json")?);
        same(&numbers(&String::from_utf8(output.stdout)?), &right, 1e-5)?;
    } else {
        let message = errors(&output);
        ensure!(
            message.contains("in_skip"),
            "refused without the field: {message}"
        );
    }
    Ok(Outcome::Passed)
}

fn exported_layers(cases: &Cases) -> Result<Outcome> {
    let folder = cases.case("15")?;
    let infer = |file| {
        let arguments = [
            "infer", "--engine", "native", "--file", file, "--input", "x.csv",
        ];
        cases.xtask(&folder, &arguments)
    };
    let right = [0.195_826_74, -0.292_167_66, -0.015_433_803, -0.109_078_32];
    for (file, layer) in [
        ("plain.json", ""),
        ("nested.json", "input"),
        ("dropout.json", "dropout"),
    ] {
        let output = infer(file)?;
        if output.status.success() {
            let found = numbers(&String::from_utf8(output.stdout)?);
            same(&found, &right, 1e-6).context(file)?;
        } else {
            let message = errors(&output);
            let told = !layer.is_empty() && message.to_lowercase().contains(layer);
            ensure!(told, "{file}: refused without its layer: {message}");
            ensure!(
                !message.contains("RTNeural exporter"),
                "{file}: that wrote it: {message}"
            );
        }
    }
    Ok(Outcome::Passed)
}

fn library_cut_short(cases: &Cases) -> Result<Outcome> {
    const LIBRARY: &str = "libonnxruntime.so.1.27.0";
    let Some(installed) = std::env::var_os("TOCCO_ENGINE_DIR").map(PathBuf::from) else {
        return Ok(Outcome::Skipped("TOCCO_ENGINE_DIR is not set"));
    };
    let Ok(library) = std::fs::read(installed.join(LIBRARY)) else {
        return Ok(Outcome::Skipped("ONNX Runtime is not in TOCCO_ENGINE_DIR"));
    };
    let engines = cases.own.path().join("engines");
    std::fs::create_dir(&engines)?;
    std::fs::write(engines.join(LIBRARY), &library[..1_000_000])?;
    for other in ["libLiteRt.so", "libtocco_torch.so"] {
        // Where it is not installed it is listed as missing.
        let _ = std::fs::copy(installed.join(other), engines.join(other));
    }
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["engines", "list"])
        .env("TOCCO_ENGINE_DIR", &engines);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code().is_some_and(|code| code < 128),
        "{}",
        errors(&output)
    );
    for engine in ["native", "onnx", "litert", "torch"] {
        ensure!(
            text.contains(engine),
            "{engine} is not listed: {text} {}",
            errors(&output)
        );
    }
    let onnx = text
        .lines()
        .find(|line| line.contains("onnx"))
        .unwrap_or_default();
    ensure!(
        onnx.contains("broken"),
        "expected onnx to be broken, found: {onnx}"
    );
    Ok(Outcome::Passed)
}

fn state_dict(cases: &Cases) -> Result<Outcome> {
    let out = cases.own.path().join("package");
    let out = out
        .to_str()
        .context("the temporary folder's name is no text")?;
    let arguments = ["convert", "--from", "weights.pt", "--out", out];
    cases.refused(
        &cases.case("18")?,
        &arguments,
        &["state_dict", "torch.jit.save"],
    )?;
    Ok(Outcome::Passed)
}

fn relative_files(cases: &Cases) -> Result<Outcome> {
    let from = cases.case("15")?;
    let folder = cases.own.path().join("somewhere");
    std::fs::create_dir(&folder)?;
    for (file, name) in [("plain.json", "mine.json"), ("x.csv", "x.csv")] {
        std::fs::copy(from.join(file), folder.join(name))?;
    }
    let arguments = [
        "infer",
        "--engine",
        "native",
        "--file",
        "mine.json",
        "--input",
        "x.csv",
    ];
    cases.printed(&folder, &arguments)?;
    for missing in ["--file", "--input"] {
        let at = 1 + arguments
            .iter()
            .position(|a| *a == missing)
            .unwrap_or_default();
        let mut arguments = arguments;
        arguments[at] = "missing";
        let message = errors(&cases.xtask(&folder, &arguments)?);
        let said = message.matches("os error").count();
        ensure!(
            said == 1,
            "{missing}: the system's error is said {said} times: {message}"
        );
    }
    Ok(Outcome::Passed)
}

fn relative_target(cases: &Cases) -> Result<Outcome> {
    // The user's build folder, as seen from plugin/.
    let target = cargo::target_folder()?;
    let Ok(below) = target.strip_prefix(cargo::root()) else {
        return Ok(Outcome::Skipped("the build folder is not in the workspace"));
    };
    let bundle = target.join("bundled/Tocco.clap");
    let _ = std::fs::remove_file(&bundle);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("bundle")
        .current_dir(cargo::root().join("plugin"));
    let output = command
        .env("CARGO_TARGET_DIR", Path::new("..").join(below))
        .output()?;
    ensure!(output.status.success(), "{}", errors(&output));
    ensure!(bundle.exists(), "no bundle at {}", bundle.display());
    let stray = cargo::root().join("..").join(below);
    ensure!(!stray.exists(), "it was built in {}", stray.display());
    let _ = cases;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_the_suite_are_where_it_is_said() {
        for (number, _, place) in IN_THE_SUITE {
            let (test, place) = place.split_once(", ").unwrap();
            let place = cargo::root().join(place);
            let files = match place.is_dir() {
                true => crate::files::below(&place).unwrap(),
                false => vec![place],
            };
            let declares = |file: &PathBuf| {
                let text = std::fs::read_to_string(file).unwrap();
                text.contains(&format!("fn {test}("))
            };
            assert!(files.iter().any(declares), "{number}: {test}");
        }
    }
}
