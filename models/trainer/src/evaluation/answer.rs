//! What a network made of a note.

use tocco_corpus::Technique;
use tocco_recognizer::decision::most_probable;

use super::metrics::Confusion;
use super::reliability::Graded;
use crate::temperature::tempered;

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
