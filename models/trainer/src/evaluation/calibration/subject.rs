//! The players that teach a model, each with a model that has never heard that player.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use tocco_corpus::{Corpus, Listener, Technique};
use tocco_engines::ModelPackage;

use crate::architecture::Architecture;
use crate::early_stopping::best_epochs;
use crate::notes::{Note, Notes};
use crate::package::package;
use crate::parallel;
use crate::progress::Progress;
use crate::splits::by_player;
use crate::statistics::{what_is_missing, with_statistics};
use crate::training::train;

/// A player with a model that has never heard that player.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The player.
    pub name: String,
    /// The model.
    pub package: ModelPackage,
    /// All notes of the player.
    pub notes: Vec<&'a Note>,
    /// The session of each take of the corpus, `[n_takes]`.
    pub sessions: &'a [String],
    /// The same player with the model that amends this one's answers, if one does: it hears the same
    /// notes, in the same order, and is taught the same.
    pub second: Option<Box<Subject<'a>>>,
}

/// Each player of `notes` with a network of `architecture` trained on the others only, for a time
/// that was chosen without that player.
///
/// # Errors
/// When there is no player to be tested, or none beside.
pub fn left_out_subjects<'a>(
    architecture: &Architecture,
    notes: &'a Notes,
    sessions: &'a [String],
    seed: u64,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Vec<Subject<'a>>> {
    let all: Vec<&Note> = notes.notes.iter().collect();
    let splits = by_player(&all, &notes.players);
    // One is enough who is tested, if another one is only trained on.
    if splits.is_empty() {
        let (only_train, tested): (Vec<&Note>, Vec<&Note>) =
            all.iter().copied().partition(|note| note.only_trains);
        let tested: BTreeSet<usize> = tested.iter().map(|note| note.player).collect();
        bail!(
            "--protocol leave-one-player-out: expected notes of a player to be tested and of another one to \
             train on, found {} players to be tested and {} notes only to train on; add \
             recordings, or use --protocol holdout",
            tested.len(),
            only_train.len()
        );
    }
    let subjects = parallel::map(splits, threads, |split| -> Result<Subject<'a>> {
        let inner = by_player(&split.training, &notes.players);
        let epochs = best_epochs(architecture, inner, seed, NonZeroUsize::MIN);
        let trained = train(architecture, &split.training, &[], epochs, seed);
        progress.line(format!(
            "{} without {}: trained for {epochs} epochs",
            architecture.id, split.name
        ));
        if let Some(missing) = what_is_missing(&split.training) {
            progress.line(format!(
                "{} without {}: {missing}",
                architecture.id, split.name
            ));
        }
        let package = package(architecture, &trained, None, Vec::new())?;
        Ok(Subject {
            name: split.name,
            package: with_statistics(package, &split.training)?,
            notes: split.left_out,
            sessions,
            second: None,
        })
    });
    subjects.into_iter().collect()
}

/// Each player of `notes` with the same `package`.
pub fn subjects_of<'a>(
    package: &ModelPackage,
    notes: &'a Notes,
    sessions: &'a [String],
) -> Vec<Subject<'a>> {
    let subject = |(player, name): (usize, &String)| Subject {
        name: name.clone(),
        package: package.clone(),
        notes: notes.notes.iter().filter(|n| n.player == player).collect(),
        sessions,
        second: None,
    };
    let subjects = notes.players.iter().enumerate().map(subject);
    subjects
        .filter(|subject| !subject.notes.is_empty())
        .collect()
}

/// The notes of `corpus` as `package` hears them, `threads` takes at the same time.
///
/// # Errors
/// When a recording is wrong, or the package wants features there are not.
pub fn heard_by(package: &ModelPackage, corpus: &Corpus, threads: NonZeroUsize) -> Result<Notes> {
    let listener = Listener::of(package)?;
    Notes::hear(corpus, &listener, None, 0, threads)
}

/// `subjects`, whose answers those of `later`, the same players in the same order, amend.
///
/// # Errors
/// When the two have not heard the same notes.
pub fn amended_by<'a>(subjects: &mut [Subject<'a>], later: Vec<Subject<'a>>) -> Result<()> {
    let known = |subject: &Subject<'_>| -> Vec<(usize, Technique)> {
        let notes = subject.notes.iter();
        notes.map(|note| (note.take, note.technique)).collect()
    };
    let fits = |(a, b): (&Subject<'_>, &Subject<'_>)| a.name == b.name && known(a) == known(b);
    if subjects.len() != later.len() || !subjects.iter().zip(&later).all(fits) {
        bail!("second decision: the two models hear different notes in these recordings");
    }
    for (subject, later) in subjects.iter_mut().zip(later) {
        subject.second = Some(Box::new(later));
    }
    Ok(())
}

/// The technique of each class of a package, which may order its labels as it likes.
pub(super) fn classes(package: &ModelPackage) -> Result<Vec<Technique>> {
    let labels = package.manifest.labels.iter();
    Ok(labels
        .map(|label| label.parse())
        .collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::tests::easy_corpus;

    #[test]
    fn one_player_is_enough_beside_those_who_are_only_trained_on() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 1;
        let mut notes = easy_corpus(architecture.features.len(), 4);
        let sessions = vec!["A".to_owned(); notes.n_takes];
        let progress = Progress::on_screen();
        let threads = NonZeroUsize::MIN;
        for note in &mut notes.notes {
            note.only_trains = note.player != 0;
        }
        let subjects = left_out_subjects(&architecture, &notes, &sessions, 1, threads, &progress);
        let subjects = subjects.unwrap();
        assert_eq!((subjects.len(), subjects[0].name.as_str()), (1, "A"));
        drop(subjects);
        notes.notes.retain(|note| note.only_trains);
        let refused = left_out_subjects(&architecture, &notes, &sessions, 1, threads, &progress);
        let message = refused.unwrap_err().to_string();
        assert!(
            message.contains("found 0 players to be tested"),
            "{message}"
        );
    }
}
