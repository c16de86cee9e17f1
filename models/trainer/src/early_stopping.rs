//! How long to train, found on notes that were left out.

use std::num::NonZeroUsize;

use crate::architecture::Architecture;
use crate::parallel;
use crate::splits::Split;
use crate::training::{CHECKPOINT_EPOCHS, train};

/// The number of epochs after which, over all `splits`, most of the notes left out are classified
/// rightly; all epochs of the recipe if there is nothing to compare, or the recipe says so.
pub fn best_epochs(
    architecture: &Architecture,
    splits: Vec<Split<'_>>,
    seed: u64,
    threads: NonZeroUsize,
) -> usize {
    let epochs = architecture.recipe.epochs;
    if !architecture.recipe.early_stopping {
        return epochs;
    }
    let curves = parallel::map(splits, threads, |split| {
        let trained = train(architecture, &split.training, &split.left_out, epochs, seed);
        trained.right_at_checkpoints
    });
    let n_checkpoints = curves.iter().map(Vec::len).max().unwrap_or(0);
    let right: Vec<usize> = (0..n_checkpoints)
        .map(|checkpoint| {
            curves
                .iter()
                .filter_map(|curve| curve.get(checkpoint))
                .sum()
        })
        .collect();
    best_checkpoint(&right).map_or(epochs, |best| (best + 1) * CHECKPOINT_EPOCHS)
}

/// The highest point of a curve after smoothing over three points, the first of equal ones: a
/// single lucky checkpoint says little.
fn best_checkpoint(right: &[usize]) -> Option<usize> {
    let smooth = |i: usize| {
        let near = &right[i.saturating_sub(1)..(i + 2).min(right.len())];
        near.iter().sum::<usize>() as f64 / near.len() as f64
    };
    (0..right.len())
        .rev()
        .max_by(|a, b| smooth(*a).total_cmp(&smooth(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::Note;
    use crate::splits::by_player;
    use crate::training::tests::easy_notes;

    #[test]
    fn a_lucky_point_does_not_win() {
        assert_eq!(best_checkpoint(&[1, 9, 1, 5, 6, 7, 6, 2]), Some(5));
        assert_eq!(best_checkpoint(&[4, 4, 4, 4]), Some(0));
        assert_eq!(best_checkpoint(&[]), None);
    }

    #[test]
    fn what_is_only_trained_on_is_never_tested_and_trains_nobody_elses_network() {
        let mut notes = easy_notes(3, 8);
        for (i, note) in notes.iter_mut().enumerate() {
            // All of player D, and every third note of the others.
            note.only_trains = note.player == 3 || i % 3 == 0;
        }
        let notes: Vec<&Note> = notes.iter().collect();
        let players: Vec<String> = ["A", "B", "C", "D"].map(str::to_owned).into();
        let splits = by_player(&notes, &players);
        let names: Vec<&str> = splits.iter().map(|split| split.name.as_str()).collect();
        assert_eq!(names, ["A", "B", "C"]);
        for (player, split) in splits.iter().enumerate() {
            assert!(split.left_out.iter().all(|note| !note.only_trains));
            assert!(split.training.iter().all(|note| note.player != player));
            let others = notes.iter().filter(|note| note.player != player);
            assert_eq!(split.training.len(), others.count());
        }
    }

    #[test]
    fn each_player_is_left_out_once() {
        let notes = easy_notes(3, 8);
        let notes: Vec<&Note> = notes.iter().collect();
        let players: Vec<String> = ["A", "B", "C", "D", "E"].map(str::to_owned).into();
        let splits = by_player(&notes, &players);
        let names: Vec<&str> = splits.iter().map(|split| split.name.as_str()).collect();
        assert_eq!(names, ["A", "B", "C", "D"], "E has no notes");
        for (player, split) in splits.iter().enumerate() {
            assert!(split.left_out.iter().all(|note| note.player == player));
            assert!(split.training.iter().all(|note| note.player != player));
            assert_eq!(split.left_out.len() + split.training.len(), notes.len());
        }
    }
}
