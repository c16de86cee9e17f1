//! What a few examples from the player are worth.
//!
//! A player teaches the model some notes of each technique and is then tested on other takes. For
//! each tested take, the examples of a technique come from other takes of the same session, drawn
//! at random, all from one take or spread over all of them ([`HitsFrom`]): notes of one take
//! resemble each other, and examples from the take that is tested would flatter. A technique of
//! which the session has no other take is not taught then. So every note is tested as often as
//! there are draws, whatever the number of examples; those whose technique could be taught are
//! also counted alone.
//!
//! A session is a player with one guitar, microphone and room: what a profile is made for.
//! [`Teaching::any_session`] asks what it is worth on another day.

mod measured;
mod subject;
mod teaching;
mod trial;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::Result;
use tocco_engines::EngineId;
use tocco_recognizer::adaptation::Calibration;

use crate::parallel;
use measured::{Outcome, count};
use subject::classes;
use teaching::{draw, notes_to_teach, teach};
use trial::{Test, Trials};

pub use measured::{Measured, Part, Tested};
pub use subject::{Subject, amended_by, heard_by, left_out_subjects, subjects_of};
pub use teaching::{HitsFrom, Teaching};

/// No take is tested.
const NO_TAKE: usize = usize::MAX;

/// Teaches and tests all `subjects`, for each number of examples of `lesson`. Listening is measured if all
/// of them can learn so.
///
/// # Errors
/// When `engine` cannot run the models, or their labels are not the techniques.
pub fn measure(
    subjects: &[Subject<'_>],
    lesson: &Teaching,
    engine: EngineId,
    threads: NonZeroUsize,
) -> Result<Vec<Measured>> {
    let jobs: Vec<(usize, &Subject<'_>)> = subjects.iter().enumerate().collect();
    let taught = parallel::map(jobs, threads, |(player, subject)| {
        teach_and_test(player, subject, lesson, engine)
    });
    let mut measured: Vec<Measured> = (lesson.hits.iter())
        .map(|hits| Measured::nothing(*hits))
        .collect();
    let taught: Vec<Vec<Outcomes>> = taught.into_iter().collect::<Result<_>>()?;
    // Figures of some players must not stand beside those of all.
    let mut outcomes = taught.iter().flatten();
    let all_listen = outcomes.all(|outcomes| outcomes.listening.is_some());
    for (subject, taught) in subjects.iter().zip(taught) {
        let has_second = subject.second.is_some();
        for (measured, Outcomes { taught, listening }) in measured.iter_mut().zip(taught) {
            measured.add_both(&subject.name, taught, has_second);
            if let Some(listening) = listening.filter(|_| all_listen) {
                let nothing = Box::new(Measured::nothing(measured.hits));
                let measured = measured.listening.get_or_insert(nothing);
                measured.add_both(&subject.name, listening, has_second);
            }
        }
    }
    Ok(measured)
}

/// A calibration of `subject` with `hits` notes of each technique.
///
/// # Errors
/// When the model cannot be calibrated, or its labels are not the techniques.
pub fn taught(subject: &Subject<'_>, hits: usize, lesson: &Teaching) -> Result<Calibration> {
    let mut calibration = Calibration::new(&subject.package)?;
    let classes = classes(&subject.package)?;
    let examples = draw(&classes, subject, NO_TAKE, 0, hits, lesson);
    teach(&mut calibration, &classes, subject, &examples, lesson)?;
    Ok(calibration)
}

/// First and second decisions, of which there may be none, of one player's notes.
struct Outcomes {
    taught: [Outcome; 2],
    /// After the lesson, while the player is listened to; `None` if the model cannot.
    listening: Option<[Outcome; 2]>,
}

/// What became of the player's notes for each number of examples.
fn teach_and_test(
    player: usize,
    subject: &Subject<'_>,
    lesson: &Teaching,
    engine: EngineId,
) -> Result<Vec<Outcomes>> {
    let mut trial = Trials::new(subject, lesson, engine)?;
    let mut takes: Vec<usize> = subject.notes.iter().map(|note| note.take).collect();
    takes.dedup();
    let mut results = Vec::new();
    for &hits in &lesson.hits {
        let mut outcomes = Outcomes {
            taught: [Outcome::default(), Outcome::default()],
            listening: None,
        };
        for &take in &takes {
            // A take of a table may hold several techniques, of which some can be taught.
            let mut nothing = BTreeMap::new();
            for note in subject.notes.iter().filter(|note| note.take == take) {
                nothing.entry(note.technique.class()).or_insert_with(|| {
                    let others = notes_to_teach(subject, take, note.technique, lesson);
                    let score = Tested {
                        player,
                        take,
                        notes: 0,
                        right: 0,
                        teachable: !others.is_empty(),
                    };
                    [score; 2]
                });
            }
            let (mut taught, mut listening) = (nothing.clone(), nothing);
            for i in 0..lesson.draws {
                let Test {
                    plain,
                    listening: heard,
                } = trial.test(take, i, hits)?;
                count(&mut outcomes.taught, &mut taught, &plain);
                if let Some(heard) = heard {
                    let nothing = || [Outcome::default(), Outcome::default()];
                    let outcomes = outcomes.listening.get_or_insert_with(nothing);
                    count(outcomes, &mut listening, &heard);
                }
            }
            for scores in taught.into_values() {
                for (outcome, score) in outcomes.taught.iter_mut().zip(scores) {
                    outcome.takes.push(score);
                }
            }
            for scores in listening.into_values() {
                for (outcome, score) in outcomes.listening.iter_mut().flatten().zip(scores) {
                    outcome.takes.push(score);
                }
            }
        }
        results.push(outcomes);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use crate::notes::{Note, Notes};
    use crate::package::package;
    use crate::statistics::with_statistics;
    use crate::training::tests::{easy_corpus, easy_notes};
    use crate::training::train;
    use tocco_corpus::Technique;

    /// Eight techniques of four players that are easy to tell apart, in three takes each: two of a
    /// first session, one of a second.
    fn notes() -> (Notes, Vec<String>) {
        let mut notes = easy_corpus(173, 48);
        for (i, note) in notes.notes.iter_mut().enumerate() {
            note.take = (note.player * 8 + note.technique.class()) * 3 + i / 32 % 3;
        }
        notes.notes.sort_by_key(|note| note.take);
        notes.n_takes = 96;
        let session = |take: usize| ["first", "first", "second"][take % 3].to_owned();
        (notes, (0..96).map(session).collect())
    }

    fn lesson() -> Teaching {
        Teaching {
            hits: vec![0, 1, 3],
            draws: 2,
            seed: 1,
            hits_from: HitsFrom::OneTake,
            any_session: false,
            mask_unused: false,
            one_wrong: false,
        }
    }

    /// A model that was trained for an epoch and knows little.
    fn subjects<'a>(notes: &'a Notes, sessions: &'a [String]) -> Vec<Subject<'a>> {
        let architecture = Architecture::find("c").unwrap();
        let all: Vec<&Note> = notes.notes.iter().take(8).collect();
        let trained = train(&architecture, &all, &[], 1, 1);
        let package = package(&architecture, &trained, None, Vec::new()).unwrap();
        subjects_of(&package, notes, sessions)
    }

    #[test]
    fn what_is_tested_is_never_taught_and_no_other_session_teaches() {
        let (notes, sessions) = notes();
        let subjects = subjects(&notes, &sessions);
        let subject = &subjects[0];
        let classes = classes(&subject.package).unwrap();
        let mut calibration = Calibration::new(&subject.package).unwrap();
        for (any_session, mask_unused, hits_from) in [
            (false, false, HitsFrom::OneTake),
            (true, false, HitsFrom::OneTake),
            (false, true, HitsFrom::Spread),
            (true, false, HitsFrom::Spread),
        ] {
            let lesson = Teaching {
                any_session,
                mask_unused,
                hits_from,
                ..lesson()
            };
            for tested in 0..24 {
                calibration.reset();
                let examples = draw(&classes, subject, tested, 0, 3, &lesson);
                teach(&mut calibration, &classes, subject, &examples, &lesson).unwrap();
                let mut embedder = Calibration::new(&subject.package).unwrap();
                let mut may_not: Vec<Vec<f32>> = Vec::new();
                for note in &notes.notes {
                    let other = sessions[note.take] != sessions[tested];
                    if note.take == tested || note.player != 0 || (other && !any_session) {
                        may_not.push(embedder.embed(&note.features).unwrap());
                    }
                }
                let profile = calibration.profile();
                // In the second session the tested technique has no other take.
                let alone = tested % 3 == 2 && !any_session;
                assert_eq!(profile.examples.len(), if alone { 21 } else { 24 });
                for example in &profile.examples {
                    assert!(!may_not.contains(&example.embedding));
                }
                assert!(profile.masked.is_empty(), "all techniques are played");
            }
        }
    }

    #[test]
    fn examples_come_from_one_take_or_from_all_in_turn() {
        let (notes, sessions) = notes();
        let subjects = subjects(&notes, &sessions);
        let subject = &subjects[0];
        let classes = classes(&subject.package).unwrap();
        let mut calibration = Calibration::new(&subject.package).unwrap();
        // The takes of the examples of a technique that is not tested.
        let mut takes = |hits_from, any_session, tested, i| -> Vec<usize> {
            let lesson = Teaching {
                hits_from,
                any_session,
                ..lesson()
            };
            calibration.reset();
            let examples = draw(&classes, subject, tested, i, 3, &lesson);
            teach(&mut calibration, &classes, subject, &examples, &lesson).unwrap();
            let profile = calibration.profile();
            let own = profile.examples.iter().filter(|e| e.label == "Kick");
            let embeddings: Vec<Vec<f32>> = own.map(|e| e.embedding.clone()).collect();
            let take_of = |embedding: &Vec<f32>| {
                let note = subject
                    .notes
                    .iter()
                    .find(|note| calibration.embed(&note.features).unwrap() == *embedding);
                note.unwrap().take
            };
            let mut takes: Vec<usize> = embeddings.iter().map(take_of).collect();
            takes.sort_unstable();
            takes.dedup();
            takes
        };
        let mut seen = Vec::new();
        for draw in 0..8 {
            let one = takes(HitsFrom::OneTake, true, 3, draw);
            assert_eq!(one.len(), 1);
            seen.extend(one);
            assert_eq!(takes(HitsFrom::Spread, true, 3, draw), [0, 1, 2]);
            assert_eq!(takes(HitsFrom::Spread, false, 3, draw), [0, 1]);
            assert_eq!(takes(HitsFrom::Spread, true, 0, draw), [1, 2]);
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 1, "another take in another draw: {seen:?}");
    }

    #[test]
    fn examples_help_and_every_note_is_tested_once_a_draw() {
        let (notes, sessions) = notes();
        let subjects = subjects(&notes, &sessions);
        let threads = NonZeroUsize::new(2).unwrap();
        let measured = measure(&subjects, &lesson(), EngineId::Native, threads).unwrap();
        let hits: Vec<usize> = measured.iter().map(|m| m.hits).collect();
        assert_eq!(hits, [0, 1, 3]);
        for measured in &measured {
            assert_eq!(measured.confusion.notes(), 2 * 384);
            assert_eq!(measured.takes.len(), 96);
            let notes: usize = measured.takes.iter().map(|take| take.notes).sum();
            assert_eq!(notes, 2 * 384);
            let right: usize = measured.takes.iter().map(|take| take.right).sum();
            assert_eq!(right, measured.confusion.right());
            // A technique has two takes in the first session, and one in the second.
            let [taught, untaught] = [true, false].map(|teachable| measured.part(teachable));
            assert_eq!([taught.notes, untaught.notes], [512, 256]);
            let sum = taught.accuracy * 512.0 + untaught.accuracy * 256.0;
            assert!((sum - right as f64).abs() < 1e-6);
            let [low, high] = measured.interval();
            let accuracy = measured.confusion.accuracy();
            assert!(low <= accuracy && accuracy <= high);
        }
        let accuracy = |i: usize| measured[i].confusion.accuracy();
        assert!(
            accuracy(2) > accuracy(0) + 0.05,
            "{} {}",
            accuracy(0),
            accuracy(2)
        );
        // The same draws give the same numbers, whatever the number of threads.
        let again = measure(&subjects, &lesson(), EngineId::Native, NonZeroUsize::MIN).unwrap();
        for (a, b) in measured.iter().zip(&again) {
            assert_eq!(a.confusion, b.confusion);
            assert!(a.second.is_none());
        }
    }

    #[test]
    fn each_technique_of_a_take_could_be_taught_or_not_by_itself() {
        let (mut notes, sessions) = notes();
        // The third takes of the first two techniques are alone in their session. Half of the second one
        // becomes of the first technique: now each of the two has what teaches the other.
        let (first, second) = (2, 5);
        let technique = Technique::ALL[0];
        for note in notes.notes.iter_mut().filter(|n| n.take == second).take(2) {
            note.technique = technique;
        }
        let subjects = subjects(&notes, &sessions);
        let threads = NonZeroUsize::new(2).unwrap();
        for measured in measure(&subjects, &lesson(), EngineId::Native, threads).unwrap() {
            assert_eq!(measured.takes.len(), 97);
            let told = |take: usize| -> Vec<(usize, bool)> {
                let tested = measured.takes.iter().filter(|t| t.take == take);
                tested.map(|t| (t.notes, t.teachable)).collect()
            };
            assert_eq!(told(first), [(2 * 4, true)]);
            assert_eq!(told(second), [(2 * 2, true), (2 * 2, false)]);
            let [taught, untaught] = [true, false].map(|teachable| measured.part(teachable));
            assert_eq!([taught.notes, untaught.notes], [512 + 12, 256 - 12]);
            let [low, high] = measured.interval();
            let accuracy = measured.confusion.accuracy();
            assert!(low <= accuracy && accuracy <= high);
        }
    }

    #[test]
    fn a_second_model_is_taught_the_same_and_amends() {
        let (notes, sessions) = notes();
        let threads = NonZeroUsize::new(2).unwrap();
        let measure = |subjects: &[Subject<'_>]| {
            measure(subjects, &lesson(), EngineId::Native, threads).unwrap()
        };
        let alone = measure(&subjects(&notes, &sessions));
        // Amended by itself a model answers as it did.
        let mut twice = subjects(&notes, &sessions);
        amended_by(&mut twice, subjects(&notes, &sessions)).unwrap();
        for (alone, twice) in alone.iter().zip(measure(&twice)) {
            assert_eq!(twice.confusion, alone.confusion);
            let amended = twice.second.unwrap();
            assert_eq!(amended.hits, alone.hits);
            assert_eq!(amended.confusion, alone.confusion);
            assert_eq!(amended.takes, alone.takes);
        }
        let mut fewer = subjects(&notes, &sessions);
        fewer[1].notes.pop();
        let error = amended_by(&mut twice, fewer).unwrap_err().to_string();
        assert!(error.contains("different notes"), "{error}");
    }

    /// What listening on adds: the tested notes are the same, and without a lesson it is more than
    /// the network alone, as the players' own notes lie together.
    #[test]
    fn listening_goes_on_after_the_lesson_for_models_that_can() {
        let (notes, sessions) = notes();
        let threads = NonZeroUsize::new(2).unwrap();
        let plain = measure(
            &subjects(&notes, &sessions),
            &lesson(),
            EngineId::Native,
            threads,
        );
        assert!(
            plain.unwrap().iter().all(|m| m.listening.is_none()),
            "c cannot"
        );

        let architecture = Architecture::find("tocco").unwrap();
        let mut easy = easy_notes(architecture.features.len(), 48);
        for (note, other) in easy.iter_mut().zip(&notes.notes) {
            (note.take, note.player) = (other.take, other.player);
            note.technique = other.technique;
        }
        for note in &mut easy {
            // Levels in dB: of each class other ones are louder, and this player's all are.
            let lit = |f: usize| f % Technique::ALL.len() == note.technique.class();
            let player = 2.0 * note.player as f32;
            for (f, level) in note.features.iter_mut().enumerate() {
                let noise = 5.0 * (*level - level.floor());
                *level = -40.0 + player + noise + if lit(f) { 20.0 } else { 0.0 };
            }
        }
        let notes = Notes {
            notes: easy,
            ..notes
        };
        let training: Vec<&Note> = notes.notes.iter().filter(|n| n.player < 2).collect();
        let trained = train(&architecture, &training, &[], 20, 1);
        let without_statistics = package(&architecture, &trained, None, Vec::new()).unwrap();
        let package = with_statistics(without_statistics.clone(), &training).unwrap();
        let mut subjects = subjects_of(&package, &notes, &sessions);
        amended_by(&mut subjects, subjects_of(&package, &notes, &sessions)).unwrap();
        for measured in measure(&subjects, &lesson(), EngineId::Native, threads).unwrap() {
            let listening = measured.listening.as_ref().unwrap();
            assert_eq!(listening.hits, measured.hits);
            assert_eq!(listening.confusion.notes(), measured.confusion.notes());
            assert_eq!(listening.takes.len(), measured.takes.len());
            assert_ne!(
                listening.confidence, measured.confidence,
                "something is learnt"
            );
            // Amended by itself a model answers as it did, listening or not.
            let second = listening.second.as_ref().unwrap();
            assert_eq!(second.confusion, listening.confusion);
            let (before, after) = (&measured.confusion, &listening.confusion);
            assert!(
                after.accuracy() >= before.accuracy(),
                "{} hits: {} {}",
                measured.hits,
                before.accuracy(),
                after.accuracy()
            );
        }

        // Where one player's network heard too little to learn so, nobody's figure is of the others alone.
        subjects[0].package = without_statistics;
        for measured in measure(&subjects, &lesson(), EngineId::Native, threads).unwrap() {
            assert_eq!(measured.players.len(), subjects.len());
            assert!(measured.listening.is_none());
        }
    }
}
