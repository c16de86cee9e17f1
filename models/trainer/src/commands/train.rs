//! The command `train`.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use tocco_engines::package::MANIFEST_FILE;
use tocco_engines::package::manifest::{Accuracy, Provenance};
use tocco_engines::{EngineId, shipped};

use super::corpora::{Corpora, Data, as_argument};
use super::options::{TrainingOptions, are_installed};
use super::unheard::{Unheard, tell};
use crate::architecture::Architecture;
use crate::early_stopping::best_epochs;
use crate::evaluation::Protocol;
use crate::evaluation::fewer_techniques::fewer_techniques;
use crate::evaluation::listening::listen;
use crate::evaluation::playing::perform;
use crate::evaluation::protocol::{Run, cross_validate};
use crate::notes::Note;
use crate::package::{package, round_to_half};
use crate::performance::Repertoire;
use crate::progress::Progress;
use crate::report::model_card::model_card;
use crate::sessions::sessions;
use crate::splits::by_player;
use crate::statistics::{what_is_missing, with_statistics};
use crate::training::train;

/// An example of the command line.
pub const EXAMPLE: &str = "Example: cargo xtask train --data ../shared/recordings --model c";

/// Options of `train`.
#[derive(Args)]
pub struct TrainArguments {
    #[command(flatten)]
    data: Data,
    /// Which model to train; can be given several times; without it, all
    #[arg(long = "model", value_name = "ID")]
    models: Vec<String>,
    /// Where the packages go, each into a folder of its id
    #[arg(long, value_name = "DIR", default_value_os_t = default_out())]
    out: PathBuf,
    /// Where the recordings come from, for the packages and their cards
    #[arg(long, value_name = "TEXT")]
    origin: Option<String>,
    #[command(flatten)]
    training: TrainingOptions,
    /// File for the progress, beside the screen
    #[arg(long, value_name = "FILE", default_value = "out/train.log")]
    log: PathBuf,
}

/// Where the packages of this project lie; where a program found models that came with it, they are not to
/// be replaced.
fn default_out() -> PathBuf {
    if are_installed() {
        "my-models".into()
    } else {
        shipped::models_folder()
    }
}

/// Trains, measures and writes the packages.
///
/// # Errors
/// When a recording cannot be read, a training diverges, or a package cannot be written.
pub fn run(arguments: &TrainArguments) -> Result<()> {
    let architectures = if arguments.models.is_empty() {
        Architecture::all()
    } else {
        let models = arguments.models.iter();
        models
            .map(|id| Architecture::find(id))
            .collect::<Result<_>>()?
    };
    let corpora = arguments.data.scan()?;
    corpora.players()?;
    // What would fail when all is trained is to fail now.
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("--out {}: cannot be made", out.display()))?;
    let progress = Progress::with_log(&arguments.log)?;
    let threads = arguments.training.threads();
    let mut unheard = BTreeMap::new();
    for architecture in &architectures {
        train_package(
            architecture,
            &corpora,
            &mut unheard,
            arguments,
            threads,
            &progress,
        )?;
    }
    // When all are there: one of them may be another one's second.
    for architecture in &architectures {
        if architecture.recipe.augmentation.sound.is_some() {
            progress.line(what_rejects(architecture, arguments));
        }
    }
    Ok(())
}

/// What to do next for a model that is trained and does not reject anything yet.
fn what_rejects(architecture: &Architecture, arguments: &TrainArguments) -> String {
    let (id, out) = (
        architecture.id,
        as_argument(&arguments.out.to_string_lossy()),
    );
    let data = arguments.data.as_given();
    let reject = format!("reject{data} --models {out} --model {id} --write");
    let is_absent = |second: &&str| !arguments.out.join(second).join(MANIFEST_FILE).is_file();
    match architecture.second.filter(is_absent) {
        None => format!("{id}: it rejects nothing yet; train that with the command {reject}"),
        Some(second) => format!(
            "{id}: it rejects nothing yet; train that with the commands train{data} --model {second} --out \
             {out}, because {second} is not there, and {reject}"
        ),
    }
}

fn train_package(
    architecture: &Architecture,
    corpora: &Corpora,
    unheard: &mut BTreeMap<&'static str, Unheard>,
    arguments: &TrainArguments,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<()> {
    let (id, seed) = (architecture.id, arguments.training.seed);
    let corpus = &corpora.tested;
    let run = Run {
        engine: EngineId::Native,
        seed,
        threads,
        progress,
    };
    let second = architecture.second.map(Architecture::find).transpose()?;
    for architecture in std::iter::once(architecture).chain(&second) {
        if !unheard.contains_key(architecture.id) {
            let measured = Unheard::measure(architecture, corpora, run)?;
            unheard.insert(architecture.id, measured);
        }
    }
    let Unheard { notes, evaluation } = &unheard[id];
    let later = second.map(|second| &unheard[second.id].evaluation);
    let mut evaluation = evaluation.clone();
    evaluation.listening = listen(&evaluation, later, &sessions(corpus), seed)?;
    evaluation.fewer = fewer_techniques(&evaluation, later)?;
    if architecture.recipe.augmentation.sound.is_some() {
        let networks = evaluation.networks(later);
        progress.line(format!("{id}: performances"));
        let repertoires = Repertoire::of(corpus)?;
        let performances = perform(&repertoires, &networks, EngineId::Native, seed)?;
        evaluation.performances = Some(performances);
    }
    if let Some(later) = later {
        let amended = evaluation.amended(later)?;
        tell(&amended, progress);
        evaluation.second = Some(Box::new(amended));
    }
    let random = cross_validate(architecture, notes, Protocol::RandomFiveFold, &[], run)?;
    tell(&random, progress);
    let evaluations = [evaluation, random];

    let all: Vec<&Note> = notes.notes.iter().collect();
    let more = all.iter().filter(|note| note.only_trains).count();
    let epochs = best_epochs(architecture, by_player(&all, &notes.players), seed, threads);
    progress.line(format!("{id}: training on all notes for {epochs} epochs"));
    if let Some(missing) = what_is_missing(&all) {
        progress.line(format!("{id}: {missing}"));
    }
    let mut trained = train(architecture, &all, &[], epochs, seed);
    if architecture.recipe.tempered {
        // The networks of the first protocol are this one without a player each.
        trained.temperature = evaluations[0].best_temperature();
    }
    let accuracy = evaluations.iter().map(|evaluation| Accuracy {
        protocol: evaluation.protocol.name().to_owned(),
        accuracy: rounded(evaluation.confusion.accuracy()),
        macro_f1: rounded(evaluation.confusion.macro_f1()),
        notes: evaluation.confusion.notes(),
    });
    let provenance = Provenance {
        data: format!(
            "{} takes, {} labelled notes{} by the guitarists {}{}; not part of this project",
            notes.n_takes,
            notes.onsets.labelled,
            if more == 0 {
                format!(" ({} detected)", all.len())
            } else {
                format!(
                    " and {more} that are only trained on ({} detected)",
                    all.len()
                )
            },
            notes.players.join(", "),
            (arguments.origin.as_ref()).map_or(String::new(), |origin| format!(", from {origin}"))
        ),
        trained_by: Some(format!(
            "cargo xtask train{} --model {id} --seed {seed}",
            arguments.data.in_words()
        )),
        seed: Some(seed),
    };
    let package = package(architecture, &trained, Some(provenance), accuracy.collect())?;
    let mut package = with_statistics(package, &all)?;
    // The means of features that it takes need no more digits, and the plugin is smaller.
    round_to_half(&mut package.tensors, ".projection");
    let folder = arguments.out.join(id);
    package.save(&folder)?;
    let card = folder.join("README.md");
    fs::write(
        &card,
        model_card(architecture, &package, &evaluations, epochs),
    )
    .with_context(|| format!("{}: cannot be written", card.display()))?;
    progress.line(format!("{id}: written to {}", folder.display()));
    Ok(())
}

/// Three digits, as in the card: more would mean nothing with some hundred notes.
fn rounded(share: f64) -> f64 {
    (share * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        train: TrainArguments,
    }

    #[test]
    fn what_to_do_next_names_what_was_given_and_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let line = [
            "train",
            "--data",
            "some/takes",
            "--training-data",
            "more",
            "--out",
            out,
        ];
        let arguments = Line::parse_from(line).train;
        let architecture = Architecture::find("tocco").unwrap();
        let data = "--data some/takes --training-data more";
        let reject = format!("reject {data} --models {out} --model tocco --write");
        let told = what_rejects(&architecture, &arguments);
        let second = format!("train {data} --model tocco-late --out {out}, because");
        assert!(told.contains(&second) && told.ends_with(&reject), "{told}");

        fs::create_dir(folder.path().join("tocco-late")).unwrap();
        fs::write(folder.path().join("tocco-late").join(MANIFEST_FILE), "").unwrap();
        let told = what_rejects(&architecture, &arguments);
        let alone = format!("with the command {reject}");
        assert!(told.ends_with(&alone), "{told}");
        // What others read has no paths of this machine.
        assert_eq!(
            arguments.data.in_words(),
            " --data TAKES --training-data MORE"
        );

        let line = ["train", "--data", ".", "--training-data", "my takes"];
        let data = Line::parse_from(line).train.data;
        assert_eq!(data.as_given(), " --data . --training-data \"my takes\"");
        let here = std::env::current_dir().unwrap();
        let here = here.file_name().unwrap().to_string_lossy().to_uppercase();
        assert_eq!(
            data.in_words(),
            format!(
                " --data {} --training-data \"MY TAKES\"",
                as_argument(&here)
            )
        );
    }
}
