//! How notes are divided into those that train and those that test.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::notes::Note;

/// Parts of the random protocol (paper, section 3.3).
pub const FOLDS: usize = 5;

/// A division of notes into those that train and those that test.
#[derive(Debug, Clone)]
pub struct Split<'a> {
    /// What is left out, for people.
    pub name: String,
    /// The notes to train on.
    pub training: Vec<&'a Note>,
    /// The notes left out.
    pub left_out: Vec<&'a Note>,
}

/// Leaves each player out in turn; of those who are only trained on, nobody is tested.
pub fn by_player<'a>(notes: &[&'a Note], players: &[String]) -> Vec<Split<'a>> {
    let mut splits = Vec::new();
    for (player, name) in players.iter().enumerate() {
        let (mut left_out, training): (Vec<&Note>, Vec<&Note>) =
            notes.iter().partition(|note| note.player == player);
        left_out.retain(|note| !note.only_trains);
        if !left_out.is_empty() && !training.is_empty() {
            splits.push(Split {
                name: name.clone(),
                training,
                left_out,
            });
        }
    }
    splits
}

/// Five parts drawn at random, each left out once; what is only trained on is in all trainings. None where
/// nothing would be left to train on.
pub fn at_random<'a>(notes: &[&'a Note], seed: u64) -> Vec<Split<'a>> {
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
    let mut folds: Vec<Split<'_>> = (0..n_folds).map(fold).collect();
    folds.retain(|split| !split.training.is_empty());
    folds
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
    fn a_single_note_leaves_nothing_to_train_on() {
        let notes = easy_corpus(2, 1);
        let all: Vec<&Note> = notes.notes.iter().collect();
        assert!(at_random(&all[..1], 1).is_empty());
        assert_eq!(at_random(&all[..2], 1).len(), 2);
    }
}
