//! How right a model is: what an evaluation found, and how it is made.
//!
//! [`protocol`] keeps training and test apart and has each note answered; [`conditions`] are the same
//! notes altered, [`playing`] the same players in performances, [`listening`] the same players learnt,
//! [`fewer_techniques`] the same answers among fewer techniques, [`learning_curve`] the same with fewer
//! players heard, and [`calibration`] the same after a lesson; [`rejection`] is
//! about sounds that are no notes. [`decisions`] applies the product's own
//! rule; [`metrics`], [`reliability`] and [`bootstrap`] make figures of the answers.

pub mod answer;
pub mod bootstrap;
pub mod calibration;
pub mod conditions;
pub mod decisions;
pub mod fewer_techniques;
pub mod learning_curve;
pub mod listening;
pub mod metrics;
pub mod playing;
pub mod protocol;
pub mod rejection;
pub mod reliability;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tocco_engines::ModelPackage;

use crate::notes::{Missed, Onsets};
use crate::temperature::{self, tempered};
use answer::Answer;
use decisions::{AdaptiveNetwork, decide};
use metrics::{Confusion, Tally};
use playing::{Networks, Performances};
use reliability::Graded;

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
    /// Players whom networks have heard and who were not tested.
    pub only_trained_on: Vec<String>,
    /// The folders that the recordings lie in.
    pub folders: Vec<String>,
    /// Takes that were heard.
    pub n_takes: usize,
    /// The same notes altered, where that was asked for.
    pub conditions: Vec<ConditionResult>,
    /// The second decisions of the same notes, if the model names another that amends its answers.
    pub second: Option<Box<Evaluation>>,
    /// The same notes of players who are listened to; see [`listening`].
    pub listening: Vec<Listening>,
    /// The same players playing; where that was asked for, see [`playing`].
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
    /// The temperature of the softmax that gave them; `None` if no single softmax did: a decision of two
    /// networks, or what was learnt by listening.
    pub temperature: Option<f64>,
    /// What the network's player can be learnt with by listening; only where a part is a player, and
    /// for networks whose notes are compared by their features.
    pub learner: Option<AdaptiveNetwork>,
    /// The network as a package, with the statistics that listening needs if it has any; only where a
    /// part is a player.
    pub package: Option<Arc<ModelPackage>>,
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

/// What became of the notes of players who were listened to.
#[derive(Debug, Clone)]
pub struct Listening {
    /// In which order they were heard.
    pub order: Order,
    /// The answers, [`ROUNDS`](listening::ROUNDS) of each note, with the second decisions if there are any.
    pub evaluation: Evaluation,
    /// Those to the second half of each session alone, when the first half had been heard: of the
    /// first network and, if there are any, the second decisions.
    pub second_half: Vec<Confusion>,
}

/// In which order the notes of a session are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// All mixed: a player who uses all techniques in turn.
    Mixed,
    /// One take after another: a player who tries one technique for some time, then another.
    TakeByTake,
}

impl Order {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Mixed, Self::TakeByTake];

    /// Its name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::TakeByTake => "take by take",
        }
    }
}

/// What became of the notes of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Fewer {
    /// The set's name.
    pub name: &'static str,
    /// Its labelled notes, detected or not.
    pub labelled: usize,
    /// Those that were detected.
    pub notes: usize,
    /// Right answers: first decisions and, if there are any, second ones.
    pub right: Vec<usize>,
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

    /// The answers' probabilities as they would be without temperature; `None` where there is none to leave
    /// out.
    pub fn graded_untempered(&self) -> Option<Vec<Graded>> {
        let mut graded = Vec::new();
        for part in &self.parts {
            let temperature = 1.0 / part.temperature?;
            graded.extend(part.answers.iter().map(|a| a.graded(temperature)));
        }
        Some(graded)
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
                temperature: None,
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
        let tallies = self.tallies(|answer| answer.take, |missed| missed.take);
        tallies.into_values().collect()
    }

    /// The same of each player.
    pub fn by_player(&self) -> Vec<Tally> {
        let tallies = self.tallies(|answer| answer.player, |missed| missed.player);
        tallies.into_values().collect()
    }

    /// The same of each folder of recordings, with its name, also of one without labelled notes.
    pub fn by_folder(&self) -> Vec<(&str, Tally)> {
        let mut tallies = self.tallies(|answer| answer.folder, |missed| missed.folder);
        let names = self.folders.iter().enumerate();
        names
            .map(|(i, name)| (name.as_str(), tallies.remove(&i).unwrap_or_default()))
            .collect()
    }

    fn tallies(
        &self,
        answered: impl Fn(&Answer) -> usize,
        missed: impl Fn(&Missed) -> usize,
    ) -> BTreeMap<usize, Tally> {
        let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
        for answer in self.answers() {
            let tally = tallies.entry(answered(answer)).or_default();
            tally.confusion.count(answer.played.class(), answer.class());
        }
        for note in &self.missed {
            let tally = tallies.entry(missed(note)).or_default();
            tally.missed[note.technique.class()] += 1;
        }
        tallies
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

pub(crate) fn best_temperature(parts: &[Part]) -> f64 {
    let untempered: Vec<(Vec<f32>, usize)> = parts
        .iter()
        .flat_map(|part| {
            let temperature = part.temperature.unwrap_or(1.0);
            let plain = move |a: &Answer| tempered(&a.probabilities, 1.0 / temperature);
            let answers = part.answers.iter();
            answers.map(move |answer| (plain(answer), answer.played.class()))
        })
        .collect();
    temperature::fit(untempered.iter().map(|(p, class)| (p.as_slice(), *class)))
}
