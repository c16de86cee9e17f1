//! How a model is put to the test.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Listener, Technique};
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{Classifier, EngineId, ModelPackage};
use tocco_recognizer::adaptation::SelfTraining;
use tocco_recognizer::decision::most_probable;

use crate::architecture::Architecture;
use crate::calibration::with_statistics_of_features;
use crate::decisions::{Learner, decide};
use crate::early_stopping::{Split, best_epochs, by_player};
use crate::fewer_techniques::Fewer;
use crate::listening::Listening;
use crate::metrics::{Confusion, Tally};
use crate::notes::{Missed, Note, Notes, Onsets};
use crate::package::package;
use crate::parallel;
use crate::playing::{Networks, Performances};
use crate::progress::Progress;
use crate::reliability::Graded;
use crate::temperature::{self, tempered};
use crate::training::{Trained, train};

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
                "Each player is tested with a network that has never heard that player; nothing \
                 that was fitted on notes left out, be it how long to train or a temperature, was \
                 fitted on that player's: what a new user will see."
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
    /// The labelled notes that were not detected.
    pub missed: Vec<Missed>,
    /// Players who were tested.
    pub players: Vec<String>,
    /// The folders that the recordings lie in.
    pub folders: Vec<String>,
    /// Takes that were heard.
    pub n_takes: usize,
    /// The same notes altered, where that was asked for.
    pub conditions: Vec<ConditionResult>,
    /// The second decisions of the same notes, if the model names another that amends its answers.
    pub second: Option<Box<Evaluation>>,
    /// The same notes of players who are listened to; see [`listening`](crate::listening).
    pub listening: Vec<Listening>,
    /// The same players playing; where that was asked for, see [`playing`](crate::playing).
    pub performances: Option<Performances>,
    /// The same answers where fewer techniques are played and the others masked.
    pub fewer: Vec<Fewer>,
}

/// One part of an evaluation.
#[derive(Debug, Clone)]
pub struct Part {
    /// The player, or the number of the fold.
    pub name: String,
    /// Its notes.
    pub confusion: Confusion,
    /// The answers in the order of the notes.
    pub answers: Vec<Answer>,
    /// The temperature of the softmax that gave them.
    pub temperature: f64,
    /// What the network's player can be learnt with by listening; only where a part is a player, and
    /// for networks whose notes are compared by their features.
    pub learner: Option<Learner>,
    /// The network as a package, with the statistics that listening needs if it has any; only where a
    /// part is a player.
    pub package: Option<Arc<ModelPackage>>,
}

/// What a network made of a note.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Index of the note's take.
    pub take: usize,
    /// Index of the folder of the note's recording.
    pub folder: usize,
    /// Index of the note's player.
    pub player: usize,
    /// What was played.
    pub played: Technique,
    /// Probability of each technique, by class, `[n_classes]`.
    pub probabilities: Vec<f32>,
    /// Where the note lies, `[n_point]`, for the part's learner; empty without one.
    pub point: Vec<f32>,
}

impl Answer {
    /// The likeliest class.
    pub fn class(&self) -> usize {
        most_probable(&self.probabilities)
    }

    /// The answer's probability, with `temperature` times that of the network.
    pub fn graded(&self, temperature: f64) -> Graded {
        let class = self.class();
        Graded {
            confidence: tempered(&self.probabilities, temperature)[class],
            right: class == self.played.class(),
        }
    }
}

/// What became of the notes under a condition.
#[derive(Debug, Clone)]
pub struct ConditionResult {
    /// The condition.
    pub name: &'static str,
    /// All notes that are detected without it, at those onsets.
    pub at_clean_onsets: Confusion,
    /// The notes that are detected under it.
    pub confusion: Confusion,
    /// Those that are not.
    pub missed: Vec<Missed>,
    /// The answers: at clean onsets, and to the notes that are detected under the condition.
    pub answers: [Vec<Answer>; 2],
}

impl ConditionResult {
    /// All labelled notes.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            confusion: self.confusion.clone(),
            ..Tally::default()
        };
        for note in &self.missed {
            tally.missed[note.technique.class()] += 1;
        }
        tally
    }
}

/// Notes heard under a condition.
#[derive(Debug, Clone)]
pub struct Altered {
    /// The condition.
    pub name: &'static str,
    /// The notes at the onsets that are detected without it.
    pub at_clean_onsets: Notes,
    /// The notes that are detected under it.
    pub detected: Notes,
}

impl Evaluation {
    /// Each player's networks, with those of `later`, the model that amends this one's answers, if there
    /// is one; none where parts are no players.
    pub fn networks(&self, later: Option<&Self>) -> Vec<Networks> {
        let networks = self.parts.iter().enumerate().filter_map(|(i, part)| {
            let mut packages = vec![part.package.clone()?];
            if let Some(later) = later {
                packages.push(later.parts.get(i)?.package.clone()?);
            }
            Some(Networks {
                player: part.name.clone(),
                packages,
            })
        });
        networks.collect()
    }

    /// All answers.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> + Clone {
        self.parts.iter().flat_map(|part| &part.answers)
    }

    /// The answers' probabilities as they were given.
    pub fn graded(&self) -> Vec<Graded> {
        self.answers().map(|answer| answer.graded(1.0)).collect()
    }

    /// The answers' probabilities as they would be without temperature.
    pub fn graded_untempered(&self) -> Vec<Graded> {
        let graded = |part: &Part| {
            let temperature = 1.0 / part.temperature;
            let answers = part.answers.iter();
            answers
                .map(move |a| a.graded(temperature))
                .collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(graded).collect()
    }

    /// The second decisions that follow when `later`, the same protocol for the model that this one
    /// names as its second, amends these answers.
    ///
    /// # Errors
    /// When the two are not about the same notes.
    pub fn amended(&self, later: &Self) -> Result<Self> {
        let parts = self.parts.iter().zip(&later.parts).map(|(first, second)| {
            let answers = amend(&first.answers, &second.answers)?;
            Ok(Part {
                name: first.name.clone(),
                confusion: Confusion::of(&answers),
                answers,
                // There is none of both together.
                temperature: 1.0,
                learner: None,
                package: None,
            })
        });
        let conditions = self.conditions.iter().zip(&later.conditions);
        let conditions = conditions.map(|(first, second)| {
            let answers = [
                amend(&first.answers[0], &second.answers[0])?,
                amend(&first.answers[1], &second.answers[1])?,
            ];
            Ok(ConditionResult {
                name: first.name,
                at_clean_onsets: Confusion::of(&answers[0]),
                confusion: Confusion::of(&answers[1]),
                missed: first.missed.clone(),
                answers,
            })
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let mut confusion = Confusion::default();
        parts.iter().for_each(|part| confusion.add(&part.confusion));
        Ok(Self {
            model: format!("{}, amended by {}", self.model, later.model),
            parts,
            confusion,
            conditions: conditions.collect::<Result<_>>()?,
            second: None,
            listening: Vec::new(),
            performances: None,
            fewer: Vec::new(),
            ..self.clone()
        })
    }

    /// The mean probability that the answers were given with; for calibrated probabilities it is
    /// the accuracy.
    pub fn mean_confidence(&self) -> f64 {
        let graded = self.graded();
        let sum: f64 = graded.iter().map(|g| f64::from(g.confidence)).sum();
        sum / graded.len().max(1) as f64
    }

    /// The temperature that would have fitted all answers best.
    pub fn best_temperature(&self) -> f64 {
        best_temperature(&self.parts)
    }

    /// Confusion and missed notes of each take, in the order of the takes: the parts whose notes
    /// belong together.
    pub fn by_take(&self) -> Vec<Tally> {
        self.tallies(|answer| answer.take, |missed| missed.take)
    }

    /// The same of each player.
    pub fn by_player(&self) -> Vec<Tally> {
        self.tallies(|answer| answer.player, |missed| missed.player)
    }

    /// The same of each folder of recordings, with its name.
    pub fn by_folder(&self) -> Vec<(&str, Tally)> {
        let tallies = self.tallies(|answer| answer.folder, |missed| missed.folder);
        let names = self.folders.iter().map(String::as_str);
        names.zip(tallies).collect()
    }

    fn tallies(
        &self,
        answered: impl Fn(&Answer) -> usize,
        missed: impl Fn(&Missed) -> usize,
    ) -> Vec<Tally> {
        let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
        for answer in self.answers() {
            let tally = tallies.entry(answered(answer)).or_default();
            tally.confusion.count(answer.played.class(), answer.class());
        }
        for note in &self.missed {
            let tally = tallies.entry(missed(note)).or_default();
            tally.missed[note.technique.class()] += 1;
        }
        tallies.into_values().collect()
    }
}

/// The amended answers to the same notes.
fn amend(first: &[Answer], second: &[Answer]) -> Result<Vec<Answer>> {
    if first.len() != second.len() {
        bail!(
            "second decision: expected answers to the same {} notes, found {}; both models must \
             hear the notes alike",
            first.len(),
            second.len()
        );
    }
    let pairs = first.iter().zip(second);
    pairs
        .map(|(first, second)| {
            if (first.take, first.played) != (second.take, second.played) {
                bail!("second decision: the two models were tested on different notes");
            }
            let decided = decide(&[], &[first, second]);
            decided.into_iter().last().context("second decision: none")
        })
        .collect()
}

fn best_temperature(parts: &[Part]) -> f64 {
    let untempered: Vec<(Vec<f32>, usize)> = parts
        .iter()
        .flat_map(|part| {
            let plain = |a: &Answer| tempered(&a.probabilities, 1.0 / part.temperature);
            let answers = part.answers.iter();
            answers.map(move |answer| (plain(answer), answer.played.class()))
        })
        .collect();
    temperature::fit(untempered.iter().map(|(p, class)| (p.as_slice(), *class)))
}

/// Runs `package` as it is on `corpus`.
///
/// # Errors
/// When a recording is wrong, the package cannot be run, or its labels are not the techniques.
pub fn holdout(corpus: &Corpus, package: &ModelPackage, engine: EngineId) -> Result<Evaluation> {
    holdout_with(corpus, package, engine, &[])
}

/// As [`holdout`], and on the notes of the same corpus under conditions.
///
/// # Errors
/// As [`holdout`].
pub fn holdout_with(
    corpus: &Corpus,
    package: &ModelPackage,
    engine: EngineId,
    altered: &[Altered],
) -> Result<Evaluation> {
    let listener = Listener::of(package)?;
    let notes = Notes::hear(corpus, &listener, None, 0, parallel::available())?;
    let mut classifier = Classifier::new(package, engine)?;
    let training = SelfTraining::new(package)?;
    let shared = Arc::new(package.clone());
    let temperature = temperature_of(package);
    let mut tested = Vec::new();
    for (player, name) in notes.players.iter().enumerate() {
        let own = |note: &&Note| note.player == player;
        let test = |classifier: &mut Classifier, notes: &Notes| {
            let own = notes.notes.iter().filter(own);
            classify(name, classifier, training.as_ref(), own, temperature)
        };
        tested.push(Tested {
            part: Part {
                package: Some(shared.clone()),
                ..test(&mut classifier, &notes)?
            },
            altered: (altered.iter())
                .map(|altered| {
                    Ok([
                        test(&mut classifier, &altered.at_clean_onsets)?,
                        test(&mut classifier, &altered.detected)?,
                    ])
                })
                .collect::<Result<_>>()?,
        });
    }
    let id = &package.manifest.id;
    Ok(summary(id, Protocol::Holdout, &notes, tested, altered))
}

/// What cross-validation is run with beside the model and the notes.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What computes the probabilities.
    pub engine: EngineId,
    /// Begins all random numbers.
    pub seed: u64,
    /// Trainings at the same time.
    pub threads: NonZeroUsize,
    /// Where it is told how far it has come.
    pub progress: &'a Progress,
}

/// Trains `architecture` as `protocol` says and tests on what was left out, and by
/// leave-one-player-out also on the notes of the same player in `altered`.
///
/// The number of epochs is chosen by parting the training notes in the same way again, and the
/// temperature on the answers to the other parts, by the networks that those were left out of: nothing
/// is ever chosen on the notes that test.
///
/// # Errors
/// When there are too few notes or players, or the engine cannot run the networks.
pub fn cross_validate(
    architecture: &Architecture,
    notes: &Notes,
    protocol: Protocol,
    altered: &[Altered],
    run: Run<'_>,
) -> Result<Evaluation> {
    let all: Vec<&Note> = notes.notes.iter().collect();
    let splits = match protocol {
        Protocol::RandomFiveFold => at_random(&all, run.seed),
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
    train_and_test(architecture, notes, protocol, splits, altered, run)
}

/// Trains a network for each of `splits` and tests it on what that leaves out, and by
/// leave-one-player-out also on the notes of the same player in `altered`.
///
/// # Errors
/// When the engine cannot run the networks.
pub(crate) fn train_and_test(
    architecture: &Architecture,
    notes: &Notes,
    protocol: Protocol,
    splits: Vec<Split<'_>>,
    altered: &[Altered],
    run: Run<'_>,
) -> Result<Evaluation> {
    // The networks are independent of each other: train them side by side.
    let networks = parallel::map(splits, run.threads, |split| -> Result<Untempered<'_>> {
        let inner = match protocol {
            Protocol::LeaveOnePlayerOut => by_player(&split.training, &notes.players),
            // One inner part is enough where all parts are alike.
            _ => at_random(&split.training, run.seed)
                .into_iter()
                .take(1)
                .collect(),
        };
        let epochs = best_epochs(architecture, inner, run.seed, NonZeroUsize::MIN);
        let trained = train(architecture, &split.training, &[], epochs, run.seed);
        let package = package(architecture, &trained, None, Vec::new())?;
        let mut classifier = Classifier::new(&package, run.engine)?;
        let left_out = split.left_out.iter().copied();
        let part = classify(&split.name, &mut classifier, None, left_out, 1.0)?;
        run.progress.line(format!(
            "{} {} without {}: {epochs} epochs, {:.3} of {} notes",
            architecture.id,
            protocol.name(),
            part.name,
            part.confusion.accuracy(),
            part.confusion.notes()
        ));
        Ok(Untempered {
            split,
            trained,
            part,
        })
    });
    let networks = networks.into_iter().collect::<Result<Vec<_>>>()?;
    let tempered = |i: usize| {
        let mut others: Vec<Part> = networks.iter().map(|n| n.part.clone()).collect();
        others.remove(i);
        best_temperature(&others)
    };
    let temperatures: Vec<f64> = (0..networks.len())
        .map(|i| {
            if architecture.recipe.tempered {
                tempered(i)
            } else {
                1.0
            }
        })
        .collect();
    let jobs = networks.into_iter().zip(temperatures).collect();
    let tested = parallel::map(
        jobs,
        run.threads,
        |(network, temperature)| -> Result<Tested> {
            let Untempered {
                split, mut trained, ..
            } = network;
            trained.temperature = temperature;
            let package = package(architecture, &trained, None, Vec::new())?;
            let mut classifier = Classifier::new(&package, run.engine)?;
            // A fold is nobody who could be learnt.
            let package = match protocol {
                Protocol::LeaveOnePlayerOut => {
                    Some(with_statistics_of_features(package, &split.training)?)
                }
                _ => None,
            };
            let training = package.as_ref().map(SelfTraining::new).transpose()?;
            let left_out = split.left_out.iter().copied();
            let training = training.as_ref().and_then(Option::as_ref);
            let mut part = classify(
                &split.name,
                &mut classifier,
                training,
                left_out,
                temperature,
            )?;
            part.package = package.map(Arc::new);
            let mut test = |notes: &Notes| -> Result<Part> {
                // The same players in the same order: it is the same corpus.
                let own = notes.notes.iter();
                let own = own.filter(|note| notes.players[note.player] == split.name);
                classify(&split.name, &mut classifier, training, own, temperature)
            };
            let altered = altered
                .iter()
                .map(|altered| Ok([test(&altered.at_clean_onsets)?, test(&altered.detected)?]));
            Ok(Tested {
                altered: altered.collect::<Result<_>>()?,
                part,
            })
        },
    );
    let tested = tested.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(summary(architecture.id, protocol, notes, tested, altered))
}

/// A network that has its weights and not yet its temperature.
struct Untempered<'a> {
    split: Split<'a>,
    trained: Trained,
    /// What was left out, at the temperature 1.
    part: Part,
}

/// A part with what became of it under each condition.
struct Tested {
    part: Part,
    /// At clean onsets, and with those detected under it.
    altered: Vec<[Part; 2]>,
}

/// The temperature of the softmax that a package ends with; 1 if it is not made of layers.
fn temperature_of(package: &ModelPackage) -> f64 {
    match package.manifest.network.layers.last() {
        Some(LayerSpec::Softmax { temperature }) => *temperature,
        _ => 1.0,
    }
}

/// Five parts drawn at random, each left out once; what is only trained on is in all trainings.
fn at_random<'a>(notes: &[&'a Note], seed: u64) -> Vec<Split<'a>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (always, mut order): (Vec<&Note>, Vec<&Note>) =
        notes.iter().partition(|note| note.only_trains);
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
            training: (training.into_iter().map(|(_, note)| note))
                .chain(always.iter().copied())
                .collect(),
            left_out: left_out.into_iter().map(|(_, note)| note).collect(),
        }
    };
    (0..n_folds).map(fold).collect()
}

impl Confusion {
    /// What `answers` took the notes for.
    pub(crate) fn of(answers: &[Answer]) -> Self {
        let mut confusion = Self::default();
        for answer in answers {
            confusion.count(answer.played.class(), answer.class());
        }
        confusion
    }
}

/// What `classifier`, whose softmax has `temperature`, makes of `notes`; with `training` also where
/// they lie.
pub(crate) fn classify<'a>(
    name: &str,
    classifier: &mut Classifier,
    training: Option<&SelfTraining>,
    notes: impl Iterator<Item = &'a Note>,
    temperature: f64,
) -> Result<Part> {
    // A package may order its labels as it likes.
    let techniques: Vec<Technique> = classifier
        .labels()
        .iter()
        .map(|label| label.parse())
        .collect::<Result<_, _>>()
        .context("labels: the package classifies something else than these recordings hold")?;
    let mut outputs = vec![0.0; techniques.len()];
    let mut part = Part {
        name: name.to_owned(),
        confusion: Confusion::default(),
        answers: Vec::new(),
        temperature,
        learner: training.map(|training| Learner {
            training: training.clone(),
            techniques: techniques.clone(),
        }),
        package: None,
    };
    for note in notes {
        classifier.classify(&note.features, &mut outputs)?;
        let mut probabilities = vec![0.0; Technique::ALL.len()];
        for (technique, output) in techniques.iter().zip(&outputs) {
            probabilities[technique.class()] = *output;
        }
        let mut point = Vec::new();
        if let Some(Learner { training, .. }) = &mut part.learner {
            point = vec![0.0; training.n_point()];
            training.point(&note.features, &mut point);
        }
        let answer = Answer {
            take: note.take,
            folder: note.folder,
            player: note.player,
            played: note.technique,
            probabilities,
            point,
        };
        part.confusion.count(note.technique.class(), answer.class());
        part.answers.push(answer);
    }
    Ok(part)
}

fn summary(
    model: &str,
    protocol: Protocol,
    notes: &Notes,
    tested: Vec<Tested>,
    altered: &[Altered],
) -> Evaluation {
    let conditions = altered.iter().enumerate().map(|(i, altered)| {
        let answers = [0, 1].map(|onsets| {
            let answers = tested.iter().map(|t| &t.altered[i][onsets].answers);
            answers.flatten().cloned().collect::<Vec<_>>()
        });
        ConditionResult {
            name: altered.name,
            at_clean_onsets: Confusion::of(&answers[0]),
            confusion: Confusion::of(&answers[1]),
            missed: altered.detected.missed.clone(),
            answers,
        }
    });
    let conditions = conditions.collect();
    let mut confusion = Confusion::default();
    tested.iter().for_each(|t| confusion.add(&t.part.confusion));
    Evaluation {
        model: model.to_owned(),
        protocol,
        onsets: notes.onsets.clone(),
        confusion,
        parts: tested.into_iter().map(|t| t.part).collect(),
        missed: notes.missed.clone(),
        players: (notes.players.iter().enumerate())
            .filter(|(player, _)| {
                let tested = |note: &&Note| note.player == *player && !note.only_trains;
                let missed = notes.missed.iter().any(|note| note.player == *player);
                missed || notes.notes.iter().any(|note| tested(&note))
            })
            .map(|(_, name)| name.clone())
            .collect(),
        folders: notes.folders.clone(),
        n_takes: notes.n_takes,
        conditions,
        second: None,
        listening: Vec::new(),
        performances: None,
        fewer: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::tests::easy_corpus;

    #[test]
    fn every_note_is_tested_once_and_never_trained_on_then() {
        let notes = easy_corpus(2, 12);
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
        let notes = easy_corpus(architecture.features.len(), 12);
        for protocol in [Protocol::RandomFiveFold, Protocol::LeaveOnePlayerOut] {
            let evaluation = cross_validate(
                &architecture,
                &notes,
                protocol,
                &[],
                Run {
                    engine: EngineId::Native,
                    seed: 1,
                    threads: NonZeroUsize::new(2).unwrap(),
                    progress: &Progress::on_screen(),
                },
            )
            .unwrap();
            assert_eq!(evaluation.confusion.notes(), 96);
            assert!(evaluation.confusion.accuracy() > 0.95, "{evaluation:?}");
        }
    }

    #[test]
    fn a_temperature_changes_probabilities_but_no_answer() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 5;
        architecture.recipe.early_stopping = false;
        let notes = easy_corpus(architecture.features.len(), 12);
        let evaluate = |tempered: bool| {
            let mut architecture = architecture.clone();
            architecture.recipe.tempered = tempered;
            let altered = [Altered {
                name: "unchanged",
                at_clean_onsets: notes.clone(),
                detected: notes.clone(),
            }];
            let run = Run {
                engine: EngineId::Native,
                seed: 1,
                threads: NonZeroUsize::new(2).unwrap(),
                progress: &Progress::on_screen(),
            };
            let protocol = Protocol::LeaveOnePlayerOut;
            cross_validate(&architecture, &notes, protocol, &altered, run).unwrap()
        };
        let (plain, cold) = (evaluate(false), evaluate(true));
        assert_eq!(plain.confusion, cold.confusion);
        assert_eq!(cold.conditions[0].confusion, cold.confusion);
        assert_eq!(cold.conditions[0].at_clean_onsets, cold.confusion);
        assert!(cold.parts.iter().all(|part| part.temperature < 1.0));
        assert!(cold.mean_confidence() > plain.mean_confidence() + 0.01);
        for (a, b) in plain.graded().iter().zip(cold.graded_untempered()) {
            assert!((a.confidence - b.confidence).abs() < 1e-3, "{a:?} {b:?}");
        }
    }
}
