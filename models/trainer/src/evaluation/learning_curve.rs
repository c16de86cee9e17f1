//! What a further player in the training is worth: leave-one-player-out once more, with networks
//! that have heard only some of the other players.
//!
//! For each number of players every choice of them is trained on, so that the points of the curve
//! differ in how many were heard, not in who. Each note is tested as often as there are choices.

use anyhow::{Result, bail};

use crate::architecture::Architecture;
use crate::evaluation::metrics::Confusion;
use crate::evaluation::protocol::{Run, train_and_test};
use crate::evaluation::{Evaluation, Order, Protocol};
use crate::notes::{Note, Notes};
use crate::splits::{Split, by_player};

/// A model with the notes that it hears.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// The model.
    pub architecture: &'a Architecture,
    /// All notes, with their copies.
    pub notes: &'a Notes,
}

impl<'a> Model<'a> {
    /// Of both together.
    pub fn new((architecture, notes): &'a (Architecture, Notes)) -> Self {
        Self {
            architecture,
            notes,
        }
    }
}

/// A point of the curve.
#[derive(Debug, Clone, Default)]
pub struct Point {
    /// Players that each network has heard, of those that are tested.
    pub players: usize,
    /// Players that each network has heard beside them: those who are only trained on.
    pub only_trained_on: usize,
    /// Networks that were trained for the first decisions, and again for the second ones.
    pub networks: usize,
    /// First decisions and, if there are any, second ones.
    pub plain: Vec<Confusion>,
    /// The same with players who are listened to, techniques mixed; empty where nobody is.
    pub listening: Vec<Confusion>,
}

impl Point {
    fn add(&mut self, evaluation: &Evaluation) {
        self.networks += evaluation.parts.len();
        pool(&mut self.plain, evaluation);
        let mixed = evaluation
            .listening
            .iter()
            .find(|l| l.order == Order::Mixed);
        if let Some(listening) = mixed {
            pool(&mut self.listening, &listening.evaluation);
        }
    }
}

/// Adds the first and the second decisions of `evaluation` to `decisions`.
fn pool(decisions: &mut Vec<Confusion>, evaluation: &Evaluation) {
    let both = std::iter::once(evaluation).chain(evaluation.second.as_deref());
    for (i, evaluation) in both.enumerate() {
        if decisions.len() == i {
            decisions.push(Confusion::default());
        }
        decisions[i].add(&evaluation.confusion);
    }
}

/// Refuses so many players to be tested that there is no curve.
///
/// # Errors
/// When they are fewer than three.
pub fn check_players(players: usize) -> Result<()> {
    if players < 3 {
        bail!(
            "--learning-curve: expected recordings of at least three players, found {players}; add \
             recordings, or leave it out"
        );
    }
    Ok(())
}

/// The curve of `first`, amended by `second` if there is one; `whole` is leave-one-player-out of the
/// same with all other players heard, the last point. `complete` makes an evaluation of `first` whole
/// with the same of `second`, as that one was.
///
/// # Errors
/// When there are fewer than three players, the engine cannot run the networks, or `complete` fails.
pub fn learning_curve(
    first: Model<'_>,
    second: Option<Model<'_>>,
    whole: &Evaluation,
    complete: impl Fn(Evaluation, Option<Evaluation>) -> Result<Evaluation>,
    run: Run<'_>,
) -> Result<Vec<Point>> {
    let tested = |player: &usize| {
        let mut notes = first.notes.notes.iter();
        notes.any(|note| note.player == *player && !note.only_trains)
    };
    let players = (0..first.notes.players.len()).filter(tested).count();
    check_players(players)?;
    let others = players - 1;
    let only_trained_on = whole.only_trained_on.len();
    let beside = match only_trained_on {
        0 => String::new(),
        more => format!(" and {more} who are only trained on"),
    };
    let mut curve = Vec::new();
    for players in 1..others {
        let mut point = Point {
            players,
            only_trained_on,
            ..Point::default()
        };
        let choices = choices(others, players);
        for (i, choice) in choices.iter().enumerate() {
            run.progress.line(format!(
                "learning curve: {players} of {others} other players{beside} heard, choice {} of {}",
                i + 1,
                choices.len()
            ));
            let test = |model: Model<'_>| {
                let Model {
                    architecture,
                    notes,
                } = model;
                let splits = splits(notes, choice);
                let protocol = Protocol::LeaveOnePlayerOut;
                train_and_test(architecture, notes, protocol, splits, &[], run)
            };
            let later = second.map(test).transpose()?;
            point.add(&complete(test(first)?, later)?);
        }
        curve.push(point);
    }
    let mut point = Point {
        players: others,
        only_trained_on,
        ..Point::default()
    };
    point.add(whole);
    curve.push(point);
    Ok(curve)
}

/// Each player left out, with networks that hear those of the others, in alphabetical order, whose
/// places are in `choice`.
fn splits<'a>(notes: &'a Notes, choice: &[usize]) -> Vec<Split<'a>> {
    let all: Vec<&Note> = notes.notes.iter().collect();
    let mut splits = by_player(&all, &notes.players);
    for split in &mut splits {
        let tested = split.training.iter().filter(|note| !note.only_trains);
        let mut others: Vec<usize> = tested.map(|note| note.player).collect();
        others.sort_unstable();
        others.dedup();
        let chosen: Vec<usize> = (choice.iter())
            .filter_map(|place| others.get(*place).copied())
            .collect();
        // Who is tested nowhere is no choice, and is heard in each.
        split
            .training
            .retain(|note| chosen.contains(&note.player) || !others.contains(&note.player));
    }
    splits
}

/// All ways to choose `size` of the numbers below `n`, each ascending.
fn choices(n: usize, size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for last in size - 1..n {
        for mut choice in choices(last, size - 1) {
            choice.push(last);
            all.push(choice);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::protocol::cross_validate;
    use crate::progress::Progress;
    use crate::training::tests::easy_corpus;
    use std::num::NonZeroUsize;
    use tocco_engines::EngineId;

    #[test]
    fn every_choice_is_made_once() {
        assert_eq!(choices(3, 1), [[0], [1], [2]]);
        assert_eq!(choices(3, 2), [[0, 1], [0, 2], [1, 2]]);
        assert_eq!(choices(3, 3), [[0, 1, 2]]);
        assert_eq!(choices(6, 3).len(), 20);
    }

    #[test]
    fn a_network_hears_the_chosen_players_and_never_the_one_it_is_tested_on() {
        let notes = easy_corpus(2, 12);
        for choice in choices(3, 2) {
            for (left_out, split) in splits(&notes, &choice).iter().enumerate() {
                assert_eq!(split.name, notes.players[left_out]);
                assert_eq!(split.left_out.len(), 24);
                assert!(split.left_out.iter().all(|note| note.player == left_out));
                assert_eq!(split.training.len(), 48);
                assert!(split.training.iter().all(|note| note.player != left_out));
            }
        }
    }

    #[test]
    fn who_is_only_trained_on_is_heard_in_each_choice() {
        let mut notes = easy_corpus(2, 12);
        for note in &mut notes.notes {
            note.only_trains = note.player == 3;
        }
        let choices = choices(2, 1);
        for choice in &choices {
            let splits = splits(&notes, choice);
            assert_eq!(splits.len(), 3, "nobody is tested who is only trained on");
            for split in splits {
                let heard = |player: usize| split.training.iter().any(|note| note.player == player);
                assert_eq!((0..3).filter(|player| heard(*player)).count(), 1);
                assert!(heard(3));
            }
        }
    }

    #[test]
    fn the_curve_of_easy_notes_has_a_point_for_each_number_of_players() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 10;
        architecture.recipe.early_stopping = false;
        let notes = easy_corpus(architecture.features.len(), 12);
        let run = Run {
            engine: EngineId::Native,
            seed: 1,
            threads: NonZeroUsize::new(2).unwrap(),
            progress: &Progress::on_screen(),
        };
        let protocol = Protocol::LeaveOnePlayerOut;
        let whole = cross_validate(&architecture, &notes, protocol, &[], run).unwrap();
        let model = Model {
            architecture: &architecture,
            notes: &notes,
        };
        let alone = |evaluation, _| Ok(evaluation);
        let curve = learning_curve(model, None, &whole, alone, run).unwrap();
        let shape = |p: &Point| (p.players, p.networks, p.plain[0].notes());
        let shapes: Vec<_> = curve.iter().map(shape).collect();
        assert_eq!(shapes, [(1, 12, 288), (2, 12, 288), (3, 4, 96)]);
        assert_eq!(curve[2].plain[0], whole.confusion);
        assert!(curve.iter().all(|point| point.only_trained_on == 0));
        assert!(curve.iter().all(|point| point.listening.is_empty()));

        let few = Notes {
            players: notes.players[..2].to_vec(),
            ..notes.clone()
        };
        let model = Model {
            architecture: &architecture,
            notes: &few,
        };
        let error = learning_curve(model, None, &whole, alone, run).unwrap_err();
        assert!(
            error.to_string().contains("three players, found 2"),
            "{error}"
        );
    }
}
