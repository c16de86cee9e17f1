//! `tocco-trainer`: trains model packages and measures them.

mod calibrate;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use tocco_corpus::{Corpus, Listener};
use tocco_engines::package::MANIFEST_FILE;
use tocco_engines::package::manifest::{Accuracy, Provenance};
use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::adaptation::Calibration;
use tocco_recognizer::adaptation::second_profile;
use tocco_trainer::architecture::Architecture;
use tocco_trainer::calibration::{sessions, with_statistics};
use tocco_trainer::conditions::{CONDITIONS, Recordings};
use tocco_trainer::early_stopping::{best_epochs, by_player};
use tocco_trainer::fewer_techniques::fewer_techniques;
use tocco_trainer::learning_curve::{Model, learning_curve};
use tocco_trainer::listening::listen;
use tocco_trainer::model_card::model_card;
use tocco_trainer::notes::{Note, Notes};
use tocco_trainer::package::{package, round_to_half};
use tocco_trainer::parallel;
use tocco_trainer::performance::Repertoire;
use tocco_trainer::playing::perform;
use tocco_trainer::progress::Progress;
use tocco_trainer::protocol::{Altered, Evaluation, Protocol, Run, cross_validate, holdout_with};
use tocco_trainer::report;
use tocco_trainer::training::train;

/// The seed of the shipped packages.
const SEED: u64 = 1;

/// Trains model packages and measures them.
#[derive(Parser)]
#[command(name = "tocco-trainer", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train model packages from recordings with labels
    ///
    /// Measures each model by both protocols (random-5fold, leave-one-player-out), then trains it
    /// on all notes and writes model.toml, weights.safetensors and the model card README.md. The
    /// same seed gives the same bytes.
    #[command(after_help = "Example: cargo xtask train --data ../shared/recordings --model c")]
    Train(TrainArguments),
    /// Measure a model: onsets, accuracy, macro-F1, confusion matrix
    ///
    /// holdout runs the package as it is; the other two protocols train networks of the same
    /// architecture without what they are tested on. JSON: confusion has a row for each technique
    /// that was played and a column for each answer; accuracy is that of the detected notes,
    /// accuracy_with_missed counts a note that was not detected as wrong.
    #[command(after_help = "Examples:\n  \
        cargo xtask evaluate --data my-recordings --model a\n  \
        cargo xtask evaluate --data ../shared/recordings --model c \
        --protocol leave-one-player-out --json")]
    Evaluate(EvaluateArguments),
    /// Measure what a few examples from the player are worth, or write a calibration profile
    ///
    /// Teaches the model so many notes of each technique and tests it on other takes of the same
    /// player. holdout teaches the package as it is; leave-one-player-out trains a network without
    /// each player first.
    #[command(after_help = calibrate::EXAMPLES)]
    Calibrate(calibrate::CalibrateArguments),
}

/// Which recordings.
#[derive(Args)]
struct Data {
    /// Folder of recordings with their labels; can be given several times
    #[arg(long = "data", value_name = "DIR", required = true)]
    tested: Vec<PathBuf>,
    /// Folder of recordings that networks are trained on and never tested on, but for those of the
    /// player left out; can be given several times
    #[arg(long = "training-data", value_name = "DIR")]
    only_trained_on: Vec<PathBuf>,
}

/// The recordings of [`Data`].
struct Corpora {
    tested: Corpus,
    only_trained_on: Option<Corpus>,
}

impl Data {
    /// The options, without where the folders lie.
    fn in_words(&self) -> String {
        let name = |folder: &PathBuf| {
            let name = folder.file_name().unwrap_or_default();
            name.to_string_lossy().to_uppercase()
        };
        let tested = self.tested.iter().map(|f| format!(" --data {}", name(f)));
        let more = self.only_trained_on.iter();
        let more = more.map(|f| format!(" --training-data {}", name(f)));
        tested.chain(more).collect()
    }

    fn scan(&self) -> Result<Corpora> {
        let all: Vec<&PathBuf> = self.tested.iter().chain(&self.only_trained_on).collect();
        // What lies in two folders is found among all of them.
        Corpus::scan_all(&all)?;
        let more = (!self.only_trained_on.is_empty()).then(|| {
            let more = Corpus::scan_all(&self.only_trained_on);
            more.context("--training-data")
        });
        Ok(Corpora {
            tested: Corpus::scan_all(&self.tested)?,
            only_trained_on: more.transpose()?,
        })
    }
}

#[derive(Args)]
struct TrainArguments {
    #[command(flatten)]
    data: Data,
    /// Which model to train; can be given several times; without it, all
    #[arg(long = "model", value_name = "ID")]
    models: Vec<String>,
    /// Where the packages go, each into a folder of its id
    #[arg(long, value_name = "DIR", default_value_os_t = tocco_trainer::package::models_folder())]
    out: PathBuf,
    /// Begins all random numbers
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Trainings at the same time; by default as many as there are processors
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// File for the progress, beside the screen
    #[arg(long, value_name = "FILE", default_value = "out/train.log")]
    log: PathBuf,
}

#[derive(Args)]
struct EvaluateArguments {
    #[command(flatten)]
    data: Data,
    /// The model's id
    #[arg(long, value_name = "ID")]
    model: String,
    /// What computes the probabilities: native, native-fixed, onnx, litert, torch
    #[arg(long, value_name = "ID", default_value = "native")]
    engine: EngineId,
    /// How training and test are kept apart
    #[arg(long, value_enum, default_value_t = Protocol::Holdout)]
    protocol: Protocol,
    /// Also measure the same notes altered (nothing or another note ringing before, other rooms,
    /// microphones and levels), and performances made of each player's own notes; not with
    /// random-5fold
    #[arg(long)]
    conditions: bool,
    /// A calibration profile to test the package with, as calibrate or the plugin wrote it, and that of
    /// the second model beside it if there is one; only with holdout
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Leave out the second decisions of a model that names another one to amend its answers
    #[arg(long)]
    no_second: bool,
    /// Leave out what the model learns by listening to the player
    #[arg(long)]
    no_listening: bool,
    /// Also train networks that have heard only some of the other players, each choice of them: what
    /// a further player is worth; only with leave-one-player-out, which then takes nearly three times
    /// as long
    #[arg(long)]
    learning_curve: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Folder of the model packages, for the protocol holdout
    #[arg(long, value_name = "DIR", default_value_os_t = tocco_trainer::package::models_folder())]
    models: PathBuf,
    /// Begins all random numbers of the protocols that train
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Trainings at the same time; by default as many as there are processors
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Train(arguments) => train_packages(&arguments),
        Command::Evaluate(arguments) => evaluate(&arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.unwrap_or_else(parallel::available)
}

fn train_packages(arguments: &TrainArguments) -> Result<()> {
    let architectures = if arguments.models.is_empty() {
        Architecture::all()
    } else {
        let models = arguments.models.iter();
        models
            .map(|id| Architecture::find(id))
            .collect::<Result<_>>()?
    };
    let corpora = arguments.data.scan()?;
    let progress = Progress::with_log(&arguments.log)?;
    let threads = threads(arguments.threads);
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
    Ok(())
}

/// A model's notes and leave-one-player-out. A model that amends another one's answers is measured
/// along with that one; when it is trained itself, it need not be measured again.
struct Unheard {
    notes: Notes,
    evaluation: Evaluation,
}

impl Unheard {
    fn measure(architecture: &Architecture, corpora: &Corpora, run: Run<'_>) -> Result<Self> {
        let Run {
            seed,
            threads,
            progress,
            ..
        } = run;
        let notes = hear(architecture, corpora, seed, threads, progress)?;
        let listener = architecture.listener();
        // The paper's networks were made for what they were recorded with.
        let altered = match architecture.recipe.augmentation.sound {
            Some(_) => alter(&corpora.tested, &listener, seed, threads, progress)?,
            None => Vec::new(),
        };
        let protocol = Protocol::LeaveOnePlayerOut;
        let evaluation = cross_validate(architecture, &notes, protocol, &altered, run)?;
        tell(&evaluation, progress);
        Ok(Self { notes, evaluation })
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
    let (id, seed) = (architecture.id, arguments.seed);
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
            "{} takes, {} labelled notes{} by the guitarists {}, from the onset studies of Stefani \
             and Turchet (GitHub domenicostefani){}; not part of this project",
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
            if corpora.only_trained_on.is_some() {
                " and from Karoryfer's Shinyguitar (CC0)"
            } else {
                ""
            }
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

fn hear(
    architecture: &Architecture,
    corpora: &Corpora,
    seed: u64,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Notes> {
    let augmentation = Some(&architecture.recipe.augmentation);
    let listener = architecture.listener();
    let hear = |corpus| Notes::hear(corpus, &listener, augmentation, seed, threads);
    let mut notes = hear(&corpora.tested)?;
    let only_trained_on = corpora.only_trained_on.as_ref();
    if let Some(more) = only_trained_on.map(hear).transpose()? {
        notes.train_also_on(more);
    }
    progress.line(format!(
        "{}: {} notes of {} players in {} takes",
        architecture.id,
        notes.notes.len(),
        notes.players.len(),
        notes.n_takes
    ));
    Ok(notes)
}

/// The notes of `corpus` under all conditions.
fn alter(
    corpus: &Corpus,
    listener: &Listener,
    seed: u64,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Vec<Altered>> {
    let recordings = Recordings::read(corpus)?;
    let altered = CONDITIONS.iter().map(|(name, condition)| {
        let detected = recordings.hear(*condition, listener, seed, threads)?;
        let at_clean_onsets =
            recordings.hear_at_clean_onsets(*condition, listener, seed, threads)?;
        progress.line(format!(
            "{name}: {} of {} notes detected",
            detected.notes.len(),
            detected.onsets.labelled
        ));
        Ok(Altered {
            name,
            at_clean_onsets,
            detected,
        })
    });
    altered.collect()
}

fn evaluate(arguments: &EvaluateArguments) -> Result<()> {
    let EvaluateArguments {
        model,
        engine,
        protocol,
        conditions,
        seed,
        ..
    } = arguments;
    if *conditions && *protocol == Protocol::RandomFiveFold {
        bail!(
            "--conditions: expected the protocol holdout or leave-one-player-out, found {}; leave \
             one of them out",
            protocol.name()
        );
    }
    if arguments.learning_curve && *protocol != Protocol::LeaveOnePlayerOut {
        bail!(
            "--learning-curve: expected the protocol leave-one-player-out, found {}; leave one of \
             them out",
            protocol.name()
        );
    }
    if arguments.profile.is_some() && *protocol != Protocol::Holdout {
        bail!(
            "--profile: expected the protocol holdout, found {}; a profile belongs to a package as it \
             is, leave one of them out",
            protocol.name()
        );
    }
    let progress = Progress::on_screen();
    let threads = threads(arguments.threads);
    let corpora = arguments.data.scan()?;
    let corpus = &corpora.tested;
    let sessions = sessions(corpus);
    let altered = |listener: &Listener| {
        if *conditions {
            alter(corpus, listener, *seed, threads, &progress)
        } else {
            Ok(Vec::new())
        }
    };
    let holdout = |package: &ModelPackage| {
        let altered = altered(&Listener::of(package)?)?;
        holdout_with(corpus, package, *engine, &altered)
    };
    let run = Run {
        engine: *engine,
        seed: *seed,
        threads,
        progress: &progress,
    };
    let cross_validate = |model: Model<'_>| {
        let altered = altered(&model.architecture.listener())?;
        cross_validate(model.architecture, model.notes, *protocol, &altered, run)
    };
    // Both decisions, and what listening is worth.
    let whole = |mut evaluation: Evaluation, later: Option<Evaluation>| -> Result<Evaluation> {
        if !arguments.no_listening {
            evaluation.listening = listen(&evaluation, later.as_ref(), &sessions, *seed)?;
        }
        evaluation.fewer = fewer_techniques(&evaluation, later.as_ref())?;
        if *conditions {
            let networks = evaluation.networks(later.as_ref());
            let repertoires = Repertoire::of(corpus)?;
            evaluation.performances = Some(perform(&repertoires, &networks, *engine, *seed)?);
        }
        if let Some(later) = &later {
            evaluation.second = Some(Box::new(evaluation.amended(later)?));
        }
        Ok(evaluation)
    };
    let mut curve = Vec::new();
    let evaluation = match protocol {
        Protocol::Holdout => {
            let package = load(&arguments.models, model)?;
            let second = package.manifest.second.as_ref();
            let second = second.filter(|_| !arguments.no_second);
            let later = second.map(|id| {
                let mut second = load(&arguments.models, id)?;
                package.check_second(&second)?;
                // A profile of one network alone is of the first one, as in the plugin.
                let profile = arguments.profile.as_deref().map(second_profile);
                if let Some(profile) = profile.filter(|profile| profile.exists()) {
                    second = taught(&second, &profile)?;
                }
                holdout(&second)
            });
            let later = later.transpose()?;
            let package = match &arguments.profile {
                Some(profile) => taught(&package, profile)?,
                None => package,
            };
            whole(holdout(&package)?, later)?
        }
        Protocol::RandomFiveFold | Protocol::LeaveOnePlayerOut => {
            let hear = |id: &str| {
                let architecture = Architecture::find(id)?;
                let notes = hear(&architecture, &corpora, *seed, threads, &progress)?;
                anyhow::Ok((architecture, notes))
            };
            let first = hear(model)?;
            let second = first.0.second.filter(|_| !arguments.no_second);
            let second = second.map(hear).transpose()?;
            let (first, second) = (Model::new(&first), second.as_ref().map(Model::new));
            let later = second.map(cross_validate).transpose()?;
            let evaluation = whole(cross_validate(first)?, later)?;
            if arguments.learning_curve {
                curve = learning_curve(first, second, &evaluation, whole, run)?;
            }
            evaluation
        }
    };
    if arguments.json {
        let json = report::json_with_curve(&evaluation, &curve);
        println!("{}", serde_json::to_string(&json)?);
    } else {
        print!("{}", report::table(&evaluation));
        if !curve.is_empty() {
            print!("\nLearning curve\n\n{}", report::learning_curve(&curve));
        }
    }
    Ok(())
}

/// `package` with what it was taught in `profile`.
fn taught(package: &ModelPackage, profile: &Path) -> Result<ModelPackage> {
    let mut calibration = Calibration::new(package)?;
    calibration.load(profile)?;
    Ok(calibration.package()?)
}

/// The package `id` in the folder `models`.
fn load(models: &Path, id: &str) -> Result<ModelPackage> {
    let there = packages(models);
    if !there.iter().any(|package| package == id) {
        bail!(
            "--model: expected one of {} in {}, found {id:?}; train it with cargo xtask train, or \
             name another folder with --models",
            if there.is_empty() {
                "none".to_owned()
            } else {
                there.join(", ")
            },
            models.display()
        );
    }
    Ok(ModelPackage::load(models.join(id))?)
}

/// The folders in `models` that have a manifest, in alphabetical order.
fn packages(models: &Path) -> Vec<String> {
    let mut packages: Vec<String> = fs::read_dir(models)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join(MANIFEST_FILE).is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    packages.sort();
    packages
}

fn tell(evaluation: &Evaluation, progress: &Progress) {
    progress.line(format!(
        "{} {}: accuracy {:.3}, macro-F1 {:.3} of {} notes",
        evaluation.model,
        evaluation.protocol.name(),
        evaluation.confusion.accuracy(),
        evaluation.confusion.macro_f1(),
        evaluation.confusion.notes()
    ));
}

/// Three digits, as in the card: more would mean nothing with some hundred notes.
fn rounded(share: f64) -> f64 {
    (share * 1e3).round() / 1e3
}
