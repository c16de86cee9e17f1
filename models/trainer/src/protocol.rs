//! How a model is put to the test.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Listener, Technique};
use tocco_dsp::OnsetConfig;
use tocco_engines::{Classifier, EngineId, ModelPackage};

use crate::architecture::Architecture;
use crate::early_stopping::{Split, best_epochs, by_player};
use crate::metrics::Confusion;
use crate::notes::{Note, Notes, Onsets};
use crate::package::package;
use crate::parallel;
use crate::progress::Progress;
use crate::training::train;

/// Parts of the random protocol (paper, section 3.3).
const FOLDS: usize = 5;

/// How training and test are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Run the package as it is on the recordings, through the plugin's own code
    Holdout,
    /// Train five times on 4/5 of the notes, drawn at random (the paper's protocol; it leaks)
    #[value(name = "random-5fold")]
    RandomFiveFold,
    /// Train once for each player, without that player
    LeaveOnePlayerOut,
}

impl Protocol {
    /// Its name on the command line and in packages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holdout => "holdout",
            Self::RandomFiveFold => "random-5fold",
            Self::LeaveOnePlayerOut => "leave-one-player-out",
        }
    }

    /// What its figures mean, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Holdout => {
                "The package as it is on these recordings; if it was trained on them, the figures \
                 say nothing about other players."
            }
            Self::RandomFiveFold => {
                "Notes are divided at random into five parts (the paper's protocol). It leaks: \
                 notes of the same take, which resemble each other, are in training and test. \
                 Compare with the paper by it, expect nothing from it."
            }
            Self::LeaveOnePlayerOut => {
                "Each player is tested with a network that has never heard that player, trained \
                 for a time that was chosen without that player: what a new user will see."
            }
        }
    }
}

/// What a protocol found.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The model's id.
    pub model: String,
    /// How it was tested.
    pub protocol: Protocol,
    /// How the onsets were found.
    pub onsets: Onsets,
    /// What the detected, labelled notes were taken for.
    pub confusion: Confusion,
    /// Notes and right answers by part: a player or a fold.
    pub parts: Vec<Part>,
    /// Players whose recordings were heard.
    pub players: Vec<String>,
    /// Takes that were heard.
    pub n_takes: usize,
}

/// One part of an evaluation.
#[derive(Debug, Clone)]
pub struct Part {
    /// The player, or the number of the fold.
    pub name: String,
    /// Its notes.
    pub confusion: Confusion,
    /// Sum of the probabilities that the answers were given with.
    pub confidence: f64,
}

impl Evaluation {
    /// The mean probability that the answers were given with; for calibrated probabilities it is
    /// the accuracy.
    pub fn mean_confidence(&self) -> f64 {
        let sum: f64 = self.parts.iter().map(|part| part.confidence).sum();
        sum / self.confusion.notes().max(1) as f64
    }
}

/// Runs `package` as it is on `corpus`.
///
/// # Errors
/// When a recording is wrong, the package cannot be run, or its labels are not the techniques.
pub fn holdout(corpus: &Corpus, package: &ModelPackage, engine: EngineId) -> Result<Evaluation> {
    let input = &package.manifest.input;
    let listener = Listener {
        onset: OnsetConfig::default(),
        preset: input.preset.parse()?,
        features: input.features.clone(),
        post_onset_hops: input.post_onset_hops as usize,
    };
    let notes = Notes::hear(corpus, &listener, None, 0)?;
    let mut classifier = Classifier::new(package, engine)?;
    let mut parts = Vec::new();
    for (player, name) in notes.players.iter().enumerate() {
        let own = notes.notes.iter().filter(|note| note.player == player);
        parts.push(classify(name, &mut classifier, own)?);
    }
    Ok(summary(
        &package.manifest.id,
        Protocol::Holdout,
        &notes,
        parts,
    ))
}

/// Trains `architecture` as `protocol` says and tests on what was left out.
///
/// The number of epochs is chosen by parting the training notes in the same way again, so that
/// nothing is ever chosen on the notes that test.
///
/// # Errors
/// When there are too few notes or players, or `engine` cannot run the networks.
pub fn cross_validate(
    architecture: &Architecture,
    notes: &Notes,
    protocol: Protocol,
    engine: EngineId,
    seed: u64,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Evaluation> {
    let all: Vec<&Note> = notes.notes.iter().collect();
    let splits = match protocol {
        Protocol::RandomFiveFold => at_random(&all, seed),
        Protocol::LeaveOnePlayerOut => by_player(&all, &notes.players),
        Protocol::Holdout => bail!("--protocol holdout trains nothing"),
    };
    if splits.len() < 2 {
        bail!(
            "--protocol {}: expected recordings of at least two players and {FOLDS} notes, found \
             {} players and {} notes; add recordings, or use --protocol holdout",
            protocol.name(),
            notes.players.len(),
            all.len()
        );
    }
    // The networks are independent of each other: train them side by side.
    let splits = with_epochs(architecture, notes, splits, protocol, seed, threads);
    let parts = parallel::map(splits, threads, |(split, epochs)| -> Result<Part> {
        let trained = train(architecture, &split.training, &[], epochs, seed);
        let package = package(architecture, &trained, None, Vec::new())?;
        let mut classifier = Classifier::new(&package, engine)?;
        let left_out = split.left_out.iter().copied();
        let part = classify(&split.name, &mut classifier, left_out)?;
        progress.line(format!(
            "{} {} without {}: {epochs} epochs, {:.3} of {} notes",
            architecture.id,
            protocol.name(),
            part.name,
            part.confusion.accuracy(),
            part.confusion.notes()
        ));
        Ok(part)
    });
    let parts = parts.into_iter().collect::<Result<Vec<Part>>>()?;
    Ok(summary(architecture.id, protocol, notes, parts))
}

/// Each split with the number of epochs that is best within its training notes.
fn with_epochs<'a>(
    architecture: &Architecture,
    notes: &Notes,
    splits: Vec<Split<'a>>,
    protocol: Protocol,
    seed: u64,
    threads: NonZeroUsize,
) -> Vec<(Split<'a>, usize)> {
    let choose = |split: Split<'a>| {
        let inner = match protocol {
            Protocol::LeaveOnePlayerOut => by_player(&split.training, &notes.players),
            // One inner part is enough where all parts are alike.
            _ => at_random(&split.training, seed)
                .into_iter()
                .take(1)
                .collect(),
        };
        let epochs = best_epochs(architecture, inner, seed, NonZeroUsize::MIN);
        (split, epochs)
    };
    parallel::map(splits, threads, choose)
}

/// Five parts drawn at random, each left out once.
fn at_random<'a>(notes: &[&'a Note], seed: u64) -> Vec<Split<'a>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<&Note> = notes.to_vec();
    for i in (1..order.len()).rev() {
        order.swap(i, random.random_range(0..=i));
    }
    let n_folds = FOLDS.min(order.len());
    let fold = |fold: usize| {
        let of_fold = |(i, _): &(usize, &Note)| i % n_folds == fold;
        let (left_out, training): (Vec<_>, Vec<_>) =
            order.iter().copied().enumerate().partition(of_fold);
        Split {
            name: format!("fold {}", fold + 1),
            training: training.into_iter().map(|(_, note)| note).collect(),
            left_out: left_out.into_iter().map(|(_, note)| note).collect(),
        }
    };
    (0..n_folds).map(fold).collect()
}

fn classify<'a>(
    name: &str,
    classifier: &mut Classifier,
    notes: impl Iterator<Item = &'a Note>,
) -> Result<Part> {
    // A package may order its labels as it likes.
    let techniques: Vec<Technique> = classifier
        .labels()
        .iter()
        .map(|label| label.parse())
        .collect::<Result<_, _>>()
        .context("labels: the package classifies something else than these recordings hold")?;
    let mut probabilities = vec![0.0; techniques.len()];
    let mut part = Part {
        name: name.to_owned(),
        confusion: Confusion::default(),
        confidence: 0.0,
    };
    for note in notes {
        classifier.classify(&note.features, &mut probabilities)?;
        let best = (0..probabilities.len())
            .max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))
            .context("labels: expected at least one, found none")?;
        let answer = techniques[best].class();
        part.confusion.count(note.technique.class(), answer);
        part.confidence += f64::from(probabilities[best]);
    }
    Ok(part)
}

fn summary(model: &str, protocol: Protocol, notes: &Notes, parts: Vec<Part>) -> Evaluation {
    let mut confusion = Confusion::default();
    for (played, answer) in (0..8).flat_map(|played| (0..8).map(move |answer| (played, answer))) {
        let counts = parts
            .iter()
            .map(|part| part.confusion.counts[played][answer]);
        confusion.counts[played][answer] = counts.sum();
    }
    Evaluation {
        model: model.to_owned(),
        protocol,
        onsets: notes.onsets.clone(),
        confusion,
        parts,
        players: notes.players.clone(),
        n_takes: notes.n_takes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::tests::easy_notes;

    fn easy(n_features: usize) -> Notes {
        Notes {
            notes: easy_notes(n_features, 12),
            players: ["A", "B", "C", "D"].map(str::to_owned).into(),
            onsets: Onsets {
                labelled: 96,
                detected: 96,
                delays_s: vec![0.006; 96],
            },
            n_takes: 96,
        }
    }

    #[test]
    fn every_note_is_tested_once_and_never_trained_on_then() {
        let notes = easy(2);
        let all: Vec<&Note> = notes.notes.iter().collect();
        let mut tested = Vec::new();
        for split in at_random(&all, 3) {
            for note in &split.left_out {
                assert!(!split.training.iter().any(|other| other.take == note.take));
                tested.push(note.take);
            }
            assert_eq!(split.left_out.len() + split.training.len(), all.len());
        }
        tested.sort_unstable();
        assert_eq!(tested, (0..all.len()).collect::<Vec<_>>());
    }

    #[test]
    fn easy_notes_of_unheard_players_are_told_apart() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 20;
        let notes = easy(architecture.features.len());
        for protocol in [Protocol::RandomFiveFold, Protocol::LeaveOnePlayerOut] {
            let evaluation = cross_validate(
                &architecture,
                &notes,
                protocol,
                EngineId::Native,
                1,
                NonZeroUsize::new(2).unwrap(),
                &Progress::on_screen(),
            )
            .unwrap();
            assert_eq!(evaluation.confusion.notes(), 96);
            assert!(evaluation.confusion.accuracy() > 0.95, "{evaluation:?}");
        }
    }
}
