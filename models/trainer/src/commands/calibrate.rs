//! The command `calibrate`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tocco_engines::EngineId;
use tocco_recognizer::adaptation::{save_profiles, second_profile};

use super::corpora::{Data, hear};
use super::options::{ReportOptions, TrainingOptions, check_engine};
use super::packages::load;
use crate::architecture::Architecture;
use crate::evaluation::Protocol;
use crate::evaluation::calibration::{
    HitsFrom, Teaching, amended_by, heard_by, left_out_subjects, measure, subjects_of, taught,
};
use crate::progress::Progress;
use crate::report::calibration::{json, table};
use crate::sessions::sessions;

/// Examples of the command line.
pub const EXAMPLES: &str = "Examples:\n  \
    cargo xtask calibrate --data my-recordings --model c --hits 3 --profile me.json\n  \
    cargo xtask calibrate --data ../shared/recordings --model c \
    --protocol leave-one-player-out --hits 1,3,5 --json";

/// Options of `calibrate`.
#[derive(Args)]
pub struct CalibrateArguments {
    #[command(flatten)]
    data: Data,
    /// The model's id
    #[arg(long, value_name = "ID", default_value = "c")]
    model: String,
    /// Examples of each technique, fewer where the player's other takes have fewer; several numbers are
    /// measured in turn, and 0 for comparison
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "3")]
    hits: Vec<usize>,
    /// How training and test are kept apart: holdout or leave-one-player-out
    #[arg(long, value_enum, default_value_t = Protocol::Holdout)]
    protocol: Protocol,
    /// Write what was taught, with the last number of --hits, as a profile of one player
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// How often the examples are drawn anew
    #[arg(long, value_name = "N", default_value = "20")]
    draws: NonZeroUsize,
    /// Take the examples of a technique from one other take, or in turn from all of them
    #[arg(long, value_enum, default_value_t = HitsFrom::OneTake)]
    hits_from: HitsFrom,
    /// Take examples from all sessions of the player, not only from the one that is tested
    #[arg(long)]
    any_session: bool,
    /// Mask the techniques of which the player has no recording
    #[arg(long)]
    mask_unused: bool,
    /// Make one example of each lesson a note of another technique
    #[arg(long)]
    one_wrong: bool,
    /// Leave out the second decisions of a model that names another one to amend its answers
    #[arg(long)]
    no_second: bool,
    /// What computes the probabilities: native, native-fixed, onnx, litert, torch
    #[arg(long, value_name = "ID", default_value = "native")]
    engine: EngineId,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    training: TrainingOptions,
}

/// Teaches and measures, or writes the profile.
///
/// # Errors
/// When the options exclude each other, or a recording or a package cannot be read.
pub fn run(arguments: &CalibrateArguments) -> Result<()> {
    let CalibrateArguments {
        model, protocol, ..
    } = arguments;
    if let Some(file) = &arguments.profile {
        check_profile(arguments, file)?;
    }
    arguments.data.check(*protocol)?;
    check_engine(arguments.engine)?;
    let mut hits = vec![0];
    hits.extend(arguments.hits.iter().copied().filter(|hits| *hits > 0));
    let lesson = Teaching {
        hits,
        draws: arguments.draws.get(),
        seed: arguments.training.seed,
        hits_from: arguments.hits_from,
        any_session: arguments.any_session,
        mask_unused: arguments.mask_unused,
        one_wrong: arguments.one_wrong,
    };
    let threads = arguments.training.threads();
    let corpora = arguments.data.scan()?;
    let corpus = &corpora.tested;
    if arguments.profile.is_some() {
        let players = corpus.players();
        ensure!(
            players.len() == 1,
            "--profile: expected recordings of one player, found {} players ({}); a profile is one \
             player's: give recordings of that player alone",
            players.len(),
            players.join(", ")
        );
    }
    let sessions = sessions(corpus);
    let (notes, later_notes);
    let subjects = match protocol {
        Protocol::Holdout => {
            let models = arguments.report.models();
            let package = load(&models, model)?;
            notes = heard_by(&package, corpus, threads)?;
            let mut subjects = subjects_of(&package, &notes, &sessions);
            let second = package.manifest.second.as_ref();
            if let Some(id) = second.filter(|_| !arguments.no_second) {
                let second = load(&models, id)?;
                package.check_second(&second)?;
                later_notes = heard_by(&second, corpus, threads)?;
                amended_by(&mut subjects, subjects_of(&second, &later_notes, &sessions))?;
            }
            subjects
        }
        Protocol::LeaveOnePlayerOut => {
            arguments.report.check(*protocol)?;
            let architecture = Architecture::find(model)?;
            let (seed, progress) = (arguments.training.seed, Progress::on_screen());
            notes = hear(&architecture, &corpora, seed, threads, &progress)?;
            let mut subjects =
                left_out_subjects(&architecture, &notes, &sessions, seed, threads, &progress)?;
            if let Some(id) = architecture.second.filter(|_| !arguments.no_second) {
                let second = Architecture::find(id)?;
                later_notes = hear(&second, &corpora, seed, threads, &progress)?;
                let later =
                    left_out_subjects(&second, &later_notes, &sessions, seed, threads, &progress)?;
                amended_by(&mut subjects, later)?;
            }
            subjects
        }
        Protocol::RandomFiveFold => bail!(
            "--protocol: expected holdout or leave-one-player-out, found {}; notes of one take in \
             training and test tell nothing of a player",
            protocol.name()
        ),
    };
    let measured = measure(&subjects, &lesson, arguments.engine, threads)?;
    if arguments.report.json {
        let document = json(model, *protocol, &lesson, &measured);
        println!("{}", serde_json::to_string(&document)?);
    } else {
        print!("{}", table(model, *protocol, &lesson, &measured));
    }
    let Some(file) = &arguments.profile else {
        return Ok(());
    };
    let subject = subjects.first().context("--profile: no player was heard")?;
    let hits = lesson.hits.last().copied().unwrap_or(0);
    let calibration = taught(subject, hits, &lesson)?;
    let labels = calibration.labels();
    for left_out in calibration.report() {
        eprintln!(
            "{} would have been taken for {} ({:.2}) without this example",
            labels[left_out.class], labels[left_out.answer], left_out.probability
        );
    }
    // The same notes are drawn for the second one: the two have heard the same ones.
    let second = subject.second.as_deref();
    let second = second.map(|second| taught(second, hits, &lesson));
    let second = second.transpose()?;
    save_profiles(file, &calibration, second.as_ref())?;
    eprintln!("written to {}", file.display());
    if second.is_some() {
        eprintln!("written to {}", second_profile(file).display());
    }
    Ok(())
}

/// Refuses what makes no profile that anybody wants, or none at `file`.
fn check_profile(arguments: &CalibrateArguments, file: &Path) -> Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    ensure!(
        folder.is_none_or(Path::is_dir) && !file.is_dir(),
        "--profile {}: expected a file in a folder that is there, found {}",
        file.display(),
        if file.is_dir() {
            "a folder"
        } else {
            "no such folder; make it, or name another"
        }
    );
    ensure!(
        arguments.protocol != Protocol::LeaveOnePlayerOut,
        "--profile: expected the protocol holdout, found {}; a profile is for a model as it is: leave \
         one of them out",
        arguments.protocol.name()
    );
    ensure!(
        arguments.hits.last() != Some(&0),
        "--profile: expected 1 or more as the last number of --hits, found 0; a profile without examples \
         teaches nothing"
    );
    ensure!(
        !arguments.one_wrong,
        "--profile: expected right examples, found --one-wrong, which puts a wrong one into each lesson; \
         leave one of them out"
    );
    Ok(())
}
