//! What the plugin hears on this machine and, emulated, on another: the same notes, or an error.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::bundle;
use crate::cargo;
use crate::cross::Cross;

/// How far a feature may be from this machine's, of its size or of 1, whichever is more.
const FEATURE_TOLERANCE: f64 = 1e-4;

/// Blocks of 64 samples in a second of the features' 48 kHz.
const BLOCKS_PER_SECOND: f64 = 750.0;

/// Blocks from a note's onset to the features that are compared.
const BLOCKS_TO_FEATURES: usize = 11;

/// What plays and what measures.
const PROGRAMS: [&str; 2] = ["demo", "tocco-corpus"];

const FORMATS: [&str; 2] = ["clap", "vst3"];
const PRESETS: [&str; 2] = ["timbreid", "timbreid-48k"];

/// Options of `cargo xtask compare`.
#[derive(Args)]
#[command(after_help = "Example: \
    cargo xtask compare --target aarch64-unknown-linux-gnu --recordings 4\n\n\
    The recordings are those in ../shared/recordings/takes, or in the folder that --recordings-in names.")]
pub struct CompareArguments {
    /// The other machine
    #[arg(long, value_name = "TRIPLE")]
    target: String,
    /// Play so many recordings, of all players
    #[arg(long, value_name = "N", default_value_t = 30)]
    recordings: usize,
    /// The folder with the recordings, WAV
    #[arg(long, value_name = "DIR")]
    recordings_in: Option<PathBuf>,
    /// Models to play with besides the plugin's own choice
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    model: Vec<String>,
    /// The inference engine [default: the plugin's]
    #[arg(long, value_name = "ID")]
    engine: Option<String>,
}

/// The greatest distances seen.
#[derive(Default)]
struct Seen {
    /// How far a probability may be from this machine's.
    tolerance: f64,
    notes: usize,
    second: usize,
    probability: f64,
    features: usize,
    feature: f64,
}

/// Compares, and prints what was seen.
///
/// # Errors
/// Names the recording, the note and the difference.
pub fn run(arguments: &CompareArguments, here: &Path) -> Result<()> {
    let takes = takes(arguments, here)?;
    let cross = Cross::set_up_to_run(&arguments.target)?;
    bundle::for_machine(&cross)?;
    bundle::with_programs(&PROGRAMS)?;
    cross.build(&PROGRAMS)?;

    let mut models = vec![None];
    models.extend(arguments.model.iter().map(Some));
    let mut seen = Seen {
        tolerance: cross.tolerance(),
        ..Seen::default()
    };
    for take in &takes {
        let name = take.file_name().unwrap_or_default().to_string_lossy();
        for model in &models {
            let before = seen.notes;
            for format in FORMATS {
                let mut options = vec!["--offline", "--json", "--format", format];
                options.extend(model.iter().flat_map(|model| ["--model", model.as_str()]));
                options.extend(
                    arguments
                        .engine
                        .iter()
                        .flat_map(|e| ["--engine", e.as_str()]),
                );
                let [here, there] = both(&cross, "demo", &options, take)?;
                let here: Value = serde_json::from_str(&here)?;
                let there: Value = serde_json::from_str(&there)?;
                compare_notes(&here, &there, &mut seen)
                    .with_context(|| format!("{name}, {format}"))?;
                if format == FORMATS[0] && model.is_none() {
                    compare_features(&cross, &here, take, &mut seen)
                        .with_context(|| name.clone().into_owned())?;
                }
            }
            let model = model.map_or("the plugin's model", |model| model.as_str());
            println!("{name}, {model}: {} notes the same", seen.notes - before);
        }
    }
    for format in FORMATS {
        compare_states(&cross, format, &takes[0], &mut seen)
            .with_context(|| format!("states of the {format}"))?;
        println!("{format}: a state of either machine is the same on both");
    }
    println!(
        "{} recordings, CLAP and VST3, {}: {} notes and {} second decisions have the same names; \
         probabilities within {:.1e}, {} features within {:.1e}",
        takes.len(),
        cross.triple(),
        seen.notes,
        seen.second,
        seen.probability,
        seen.features,
        seen.feature
    );
    ensure!(seen.notes > 0, "no note was heard in any recording");
    Ok(())
}

/// Recordings of all players, spread over the folder.
fn takes(arguments: &CompareArguments, here: &Path) -> Result<Vec<PathBuf>> {
    let folder = match &arguments.recordings_in {
        Some(folder) => here.join(folder),
        None => tocco_recordings::shared().join("recordings/takes"),
    };
    let entries = folder.read_dir().with_context(|| {
        format!(
            "{}: no recordings; say --recordings-in DIR",
            folder.display()
        )
    })?;
    let mut takes = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wav") {
            takes.push(path);
        }
    }
    takes.sort();
    ensure!(!takes.is_empty(), "{}: has no WAV files", folder.display());
    Ok(spread(&takes, arguments.recordings))
}

/// So many of `all`, at least one, at even distances; all where there are no more.
fn spread<T: Clone>(all: &[T], count: usize) -> Vec<T> {
    let count = count.max(1).min(all.len());
    let chosen = (0..count).map(|index| all[index * all.len() / count].clone());
    chosen.collect()
}

/// What a program prints about a recording, here and there.
fn both(cross: &Cross, program: &str, options: &[&str], take: &Path) -> Result<[String; 2]> {
    Ok([
        printed(here(program)?, options, take)?,
        printed(cross.run(&cross.program(program))?, options, take)?,
    ])
}

fn here(program: &str) -> Result<Command> {
    let mut command = Command::new(cargo::target_folder()?.join("release").join(program));
    command.env("TOCCO_BUNDLES", cargo::bundles()?);
    Ok(command)
}

fn printed(mut command: Command, options: &[&str], take: &Path) -> Result<String> {
    let output = command.args(options).arg("--input").arg(take).output()?;
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Saves a state on each machine, and plays with each on both.
fn compare_states(cross: &Cross, format: &str, take: &Path, seen: &mut Seen) -> Result<()> {
    // What no new instance has, so that a state which was not read would be noticed.
    const MODEL: &str = "b";
    let folder = tempfile::tempdir()?;
    let options = ["--offline", "--json", "--format", format];
    for (name, host) in [
        ("here", here("demo")?),
        ("there", cross.run(&cross.program("demo"))?),
    ] {
        let state = folder.path().join(name);
        let state = state.to_str().context("a folder whose name is no text")?;
        let saved = [&options[..], &["--model", MODEL, "--save-state", state]].concat();
        printed(host, &saved, take)?;
        let loaded = [&options[..], &["--state", state]].concat();
        let reports = both(cross, "demo", &loaded, take)?;
        let [here, there] = reports.map(|report| serde_json::from_str::<Value>(&report));
        let (here, there) = (here?, there?);
        for report in [&here, &there] {
            let model = report["summary"]["model"].as_str().unwrap_or_default();
            ensure!(
                model.eq_ignore_ascii_case(MODEL),
                "a state that was saved {name}: expected the model {MODEL}, found '{model}'"
            );
        }
        compare_notes(&here, &there, seen).with_context(|| format!("a state saved {name}"))?;
    }
    Ok(())
}

fn compare_notes(here: &Value, there: &Value, seen: &mut Seen) -> Result<()> {
    let notes = |report: &Value| report["notes"].as_array().cloned().context("no notes");
    let (here, there) = (notes(here)?, notes(there)?);
    ensure!(
        here.len() == there.len(),
        "{} notes here, {} there",
        here.len(),
        there.len()
    );
    for (here, there) in here.iter().zip(&there) {
        compare_note(here, there, seen)
            .with_context(|| format!("the note at {} s", here["time_s"]))?;
        seen.notes += 1;
    }
    Ok(())
}

fn compare_note(here: &Value, there: &Value, seen: &mut Seen) -> Result<()> {
    for field in ["time_s", "technique", "gated"] {
        ensure!(
            here[field] == there[field],
            "{field}: {} here, {} there",
            here[field],
            there[field]
        );
    }
    compare_probabilities(here, there, seen)?;
    let (here, there) = (&here["second"], &there["second"]);
    ensure!(
        here["technique"] == there["technique"],
        "the second decision: {} here, {} there",
        here["technique"],
        there["technique"]
    );
    if here.is_object() {
        compare_probabilities(here, there, seen).context("the second decision")?;
        seen.second += 1;
    }
    Ok(())
}

fn compare_probabilities(here: &Value, there: &Value, seen: &mut Seen) -> Result<()> {
    let of = |note: &Value| -> Result<Vec<f64>> {
        let list = note["probabilities"]
            .as_array()
            .context("no probabilities")?;
        list.iter()
            .map(|p| p.as_f64().context("a probability is no number"))
            .collect()
    };
    let (here, there) = (of(here)?, of(there)?);
    ensure!(here.len() == there.len(), "other numbers of techniques");
    for (here, there) in here.iter().zip(&there) {
        let distance = (here - there).abs();
        ensure!(
            distance <= seen.tolerance,
            "a probability is {here} here and {there} there"
        );
        seen.probability = seen.probability.max(distance);
    }
    Ok(())
}

fn compare_features(cross: &Cross, report: &Value, take: &Path, seen: &mut Seen) -> Result<()> {
    let duration = report["summary"]["duration_s"].as_f64().unwrap_or(0.0);
    let notes = report["notes"].as_array().map_or(&[][..], Vec::as_slice);
    let blocks: Vec<String> = notes
        .iter()
        .filter_map(|note| Some(note["time_s"].as_f64()? * BLOCKS_PER_SECOND))
        .map(|block| block as usize + BLOCKS_TO_FEATURES)
        .filter(|block| ((block + 2) as f64) < duration * BLOCKS_PER_SECOND)
        .map(|block| block.to_string())
        .collect();
    if blocks.is_empty() {
        return Ok(());
    }
    let blocks = blocks.join(",");
    for preset in PRESETS {
        let options = ["features", "--at-blocks", &blocks, "--preset", preset];
        let [here, there] = both(cross, "tocco-corpus", &options, take)?;
        let [rows, found] = [&here, &there].map(|text| text.lines().count());
        ensure!(
            rows == found && rows == blocks.split(',').count() + 1,
            "{preset}: expected a line for each of the blocks {blocks}, found {rows} lines here and \
             {found} there, the first with names"
        );
        let mut lines = here.lines().zip(there.lines());
        let (names, _) = lines.next().context("no features")?;
        for (here, there) in lines {
            let columns = names.split(',').zip(here.split(',').zip(there.split(',')));
            ensure!(
                here.split(',').count() == there.split(',').count(),
                "{preset}: a line has fewer features there"
            );
            for (name, (here, there)) in columns.skip(2) {
                let (here, there): (f64, f64) = (here.parse()?, there.parse()?);
                let distance = (here - there).abs() / here.abs().max(1.0);
                ensure!(
                    distance <= FEATURE_TOLERANCE,
                    "the feature {name} of {preset} is {here} here and {there} there"
                );
                seen.feature = seen.feature.max(distance);
                seen.features += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(technique: &str, probability: f64) -> Value {
        json!({"notes": [{
            "time_s": 0.5, "technique": technique, "gated": false,
            "probabilities": [probability, 1.0 - probability],
            "second": {"technique": "Tom", "probabilities": [0.5, 0.5]}
        }]})
    }

    #[test]
    fn as_many_recordings_are_played_as_were_asked_for() {
        let all: Vec<u32> = (0..30).collect();
        assert_eq!(spread(&all, 4), [0, 7, 15, 22]);
        let mut twenty = spread(&all, 20);
        twenty.dedup();
        assert_eq!(twenty.len(), 20);
        assert_eq!(spread(&all, 30), all);
        assert_eq!(spread(&all, 100), all);
        assert_eq!(spread(&all, 0), [0]);
    }

    #[test]
    fn notes_that_differ_are_told_apart() {
        let here = report("Kick", 0.9);
        let mut seen = Seen {
            tolerance: 1e-3,
            ..Seen::default()
        };
        compare_notes(&here, &report("Kick", 0.9005), &mut seen).unwrap();
        assert_eq!((seen.notes, seen.second), (1, 1));
        compare_notes(&here, &report("Tom", 0.9), &mut seen).unwrap_err();
        compare_notes(&here, &report("Kick", 0.902), &mut seen).unwrap_err();
        compare_notes(&here, &json!({"notes": []}), &mut seen).unwrap_err();
        let mut second = report("Kick", 0.9);
        second["notes"][0]["second"] = Value::Null;
        compare_notes(&here, &second, &mut seen).unwrap_err();
    }
}
