//! What a number of examples gave.

use std::collections::BTreeMap;

use crate::evaluation::answer::Answer;
use crate::evaluation::bootstrap;
use crate::evaluation::metrics::Confusion;

/// What a number of examples gave.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Examples of each technique that were asked for, as in [`Teaching::hits`](super::Teaching::hits).
    pub hits: usize,
    /// Every note once a draw.
    pub confusion: Confusion,
    /// The same by player.
    pub players: Vec<(String, Confusion)>,
    /// The tested takes, each by its techniques.
    pub takes: Vec<Tested>,
    /// Sum of the probabilities that the answers were given with.
    pub confidence: f64,
    /// The second decisions, if there are any.
    pub second: Option<Box<Measured>>,
    /// The same notes when the player is listened to after the lesson: all that is played in the
    /// session, mixed, but for the examples. Only if the networks of all players learn so.
    pub listening: Option<Box<Measured>>,
}

/// The notes of one technique in a tested take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    /// Index of its player among the subjects.
    pub player: usize,
    /// Index of the take.
    pub take: usize,
    /// Notes, times draws.
    pub notes: usize,
    /// Right answers.
    pub right: usize,
    /// Whether there is another take to teach the technique from.
    pub teachable: bool,
}

/// Notes of some of the tested takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Notes, times draws.
    pub notes: usize,
    /// Share of right answers.
    pub accuracy: f64,
    /// Its 95 % interval over takes, as [`Measured::interval`].
    pub interval: [f64; 2],
}

impl Measured {
    pub(super) fn nothing(hits: usize) -> Self {
        Self {
            hits,
            confusion: Confusion::default(),
            players: Vec::new(),
            takes: Vec::new(),
            confidence: 0.0,
            second: None,
            listening: None,
        }
    }

    /// First decisions and, if there are any, second ones.
    pub(super) fn add_both(
        &mut self,
        player: &str,
        [first, second]: [Outcome; 2],
        has_second: bool,
    ) {
        if has_second {
            let nothing = Box::new(Self::nothing(self.hits));
            self.second.get_or_insert(nothing).add(player, second);
        }
        self.add(player, first);
    }

    fn add(&mut self, player: &str, outcome: Outcome) {
        self.confidence += outcome.confidence;
        self.confusion.add(&outcome.confusion);
        self.players.push((player.to_owned(), outcome.confusion));
        self.takes.extend(outcome.takes);
    }

    /// The mean probability that the answers were given with; for calibrated probabilities it is
    /// the accuracy.
    pub fn mean_confidence(&self) -> f64 {
        self.confidence / self.confusion.notes().max(1) as f64
    }

    /// The 95 % interval of the accuracy if the takes were others of their kind: mistakes come as
    /// whole takes, so it is takes that are drawn again, with replacement, each player's own.
    pub fn interval(&self) -> [f64; 2] {
        interval(self.takes.iter(), self.players.len())
    }

    /// The notes whose technique could be taught, or those whose technique could not because the
    /// take that is tested is the only one; the same notes for every number of examples.
    pub fn part(&self, teachable: bool) -> Part {
        let takes = || self.takes.iter().filter(|t| t.teachable == teachable);
        let notes: usize = takes().map(|take| take.notes).sum();
        let right: usize = takes().map(|take| take.right).sum();
        Part {
            notes,
            accuracy: right as f64 / notes.max(1) as f64,
            interval: interval(takes(), self.players.len()),
        }
    }
}

/// Of the accuracy over `takes`, each player's own drawn again.
fn interval<'a>(takes: impl Iterator<Item = &'a Tested>, n_players: usize) -> [f64; 2] {
    // Of each take right answers and notes, of all its techniques together.
    let mut players: Vec<BTreeMap<usize, (usize, usize)>> = vec![BTreeMap::new(); n_players];
    for tested in takes {
        if let Some(takes) = players.get_mut(tested.player) {
            let (right, notes) = takes.entry(tested.take).or_default();
            (*right, *notes) = (*right + tested.right, *notes + tested.notes);
        }
    }
    let players: Vec<Vec<(usize, usize)>> = (players.into_iter())
        .map(|takes| takes.into_values().collect())
        .collect();
    let accuracy = |drawn: &[&(usize, usize)]| {
        let right: usize = drawn.iter().map(|take| take.0).sum();
        let notes: usize = drawn.iter().map(|take| take.1).sum();
        right as f64 / notes.max(1) as f64
    };
    bootstrap::interval_of_groups(&players, accuracy).into()
}

/// What became of one player's notes.
#[derive(Default)]
pub(super) struct Outcome {
    /// Over all takes and draws.
    pub(super) confusion: Confusion,
    pub(super) takes: Vec<Tested>,
    /// Sum of the probabilities that the answers were given with.
    pub(super) confidence: f64,
}

/// Counts the first and second decisions about each note, the `scores` by the class that was played.
pub(super) fn count(
    outcomes: &mut [Outcome; 2],
    scores: &mut BTreeMap<usize, [Tested; 2]>,
    decided: &[Vec<Answer>],
) {
    for note in decided {
        for (decision, (answer, outcome)) in note.iter().zip(&mut *outcomes).enumerate() {
            let (played, class) = (answer.played.class(), answer.class());
            outcome.confusion.count(played, class);
            outcome.confidence += f64::from(answer.probabilities[class]);
            if let Some(scores) = scores.get_mut(&played) {
                scores[decision].notes += 1;
                scores[decision].right += usize::from(played == class);
            }
        }
    }
}
