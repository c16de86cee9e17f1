//! The command `evaluate`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use tocco_corpus::Listener;
use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::adaptation::{Calibration, second_profile};

use super::corpora::{Data, alter, hear};
use super::options::{ReportOptions, TrainingOptions, check_engine};
use super::packages::load;
use crate::architecture::Architecture;
use crate::evaluation::fewer_techniques::fewer_techniques;
use crate::evaluation::learning_curve::{Model, check_players, learning_curve};
use crate::evaluation::listening::listen;
use crate::evaluation::playing::perform;
use crate::evaluation::protocol::{Run, cross_validate, holdout_with};
use crate::evaluation::{Evaluation, Protocol};
use crate::performance::Repertoire;
use crate::progress::Progress;
use crate::report::{json, table};
use crate::sessions::sessions;

/// Examples of the command line.
pub const EXAMPLES: &str = "Examples:\n  \
    cargo xtask evaluate --data my-recordings --model a\n  \
    cargo xtask evaluate --data ../shared/recordings --model c \
    --protocol leave-one-player-out --json";

/// Options of `evaluate`.
#[derive(Args)]
pub struct EvaluateArguments {
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
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    training: TrainingOptions,
}

/// Measures a model as asked.
///
/// # Errors
/// When options exclude each other, or a recording or a package cannot be read.
pub fn run(arguments: &EvaluateArguments) -> Result<()> {
    let EvaluateArguments {
        model,
        engine,
        protocol,
        conditions,
        ..
    } = arguments;
    let seed = arguments.training.seed;
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
    arguments.data.check(*protocol)?;
    arguments.report.check(*protocol)?;
    check_engine(*engine)?;
    let progress = Progress::on_screen();
    let threads = arguments.training.threads();
    let corpora = arguments.data.scan()?;
    let corpus = &corpora.tested;
    if arguments.learning_curve {
        check_players(corpus.players().len())?;
    }
    let sessions = sessions(corpus);
    let altered = |listener: &Listener| {
        if *conditions {
            alter(corpus, listener, seed, threads, &progress)
        } else {
            Ok(Vec::new())
        }
    };
    let holdout = |package: &ModelPackage| {
        let altered = altered(&Listener::of(package)?)?;
        holdout_with(corpus, package, *engine, &altered, threads)
    };
    let run = Run {
        engine: *engine,
        seed,
        threads,
        progress: &progress,
    };
    let cross_validate = |model: Model<'_>| {
        let altered = altered(&model.architecture.listener())?;
        cross_validate(model.architecture, model.notes, *protocol, &altered, run)
    };
    // Both decisions, and what listening is worth.
    let complete = |mut evaluation: Evaluation, later: Option<Evaluation>| -> Result<Evaluation> {
        if !arguments.no_listening {
            evaluation.listening = listen(&evaluation, later.as_ref(), &sessions, seed)?;
        }
        evaluation.fewer = fewer_techniques(&evaluation, later.as_ref())?;
        if let Some(later) = &later {
            evaluation.second = Some(Box::new(evaluation.amended(later)?));
        }
        Ok(evaluation)
    };
    // The points of a learning curve are without performances, which take long.
    let whole = |evaluation: Evaluation, later: Option<Evaluation>| -> Result<Evaluation> {
        let networks = evaluation.networks(later.as_ref());
        let mut evaluation = complete(evaluation, later)?;
        if *conditions {
            progress.line(format!("{}: performances", evaluation.model));
            let repertoires = Repertoire::of(corpus)?;
            evaluation.performances = Some(perform(&repertoires, &networks, *engine, seed)?);
        }
        Ok(evaluation)
    };
    let mut curve = Vec::new();
    let evaluation = match protocol {
        Protocol::Holdout => {
            let models = arguments.report.models();
            let package = load(&models, model)?;
            // A profile that does not fit is to be missed before the work.
            let own = match &arguments.profile {
                Some(profile) => taught(&package, profile)?,
                None => package.clone(),
            };
            let second = package.manifest.second.as_ref();
            let second = second.filter(|_| !arguments.no_second);
            let later = second.map(|id| {
                let mut second = load(&models, id)?;
                package.check_second(&second)?;
                // A profile of one network alone is of the first one, as in the plugin.
                let profile = arguments.profile.as_deref().map(second_profile);
                if let Some(profile) = profile.filter(|profile| profile.exists()) {
                    second = taught(&second, &profile)?;
                }
                holdout(&second)
            });
            let later = later.transpose()?;
            whole(holdout(&own)?, later)?
        }
        Protocol::RandomFiveFold | Protocol::LeaveOnePlayerOut => {
            let hear = |id: &str| {
                let architecture = Architecture::find(id)?;
                let notes = hear(&architecture, &corpora, seed, threads, &progress)?;
                anyhow::Ok((architecture, notes))
            };
            let first = hear(model)?;
            let second = first.0.second.filter(|_| !arguments.no_second);
            let second = second.map(hear).transpose()?;
            let (first, second) = (Model::new(&first), second.as_ref().map(Model::new));
            let later = second.map(cross_validate).transpose()?;
            let evaluation = whole(cross_validate(first)?, later)?;
            if arguments.learning_curve {
                curve = learning_curve(first, second, &evaluation, complete, run)?;
            }
            evaluation
        }
    };
    if arguments.report.json {
        let document = json::json_with_curve(&evaluation, &curve);
        println!("{}", serde_json::to_string(&document)?);
    } else {
        print!("{}", table::table(&evaluation));
        if !curve.is_empty() {
            print!("\nLearning curve\n\n{}", table::learning_curve(&curve));
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
