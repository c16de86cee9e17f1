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

mod projection;
mod report;
mod teaching;
mod trial;

use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Listener, Take, Technique};
use tocco_engines::Statistics;
use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::adaptation::Calibration;

use crate::architecture::Architecture;
use crate::early_stopping::{best_epochs, by_player};
use crate::metrics::Confusion;
use crate::notes::{Note, Notes};
use crate::package::package;
use crate::parallel;
use crate::progress::Progress;
use crate::protocol::Answer;
use crate::training::train;

use projection::projection;
use teaching::{draw, notes_to_teach, teach};
use trial::{Test, Trials};

pub use report::{Json, json, table};
pub use teaching::{HitsFrom, Teaching};

/// Times that the takes are drawn again for the interval.
const RESAMPLES: usize = 2_000;

/// Longest embedding, `[n_embedding]`, whose statistics are worth their bytes.
const LONGEST_EMBEDDING: usize = 256;

/// No take is tested.
const NO_TAKE: usize = usize::MAX;

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

/// What a number of examples gave.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Examples of each technique.
    pub hits: usize,
    /// Every note once a draw.
    pub confusion: Confusion,
    /// The same by player.
    pub players: Vec<(String, Confusion)>,
    /// The tested takes.
    pub takes: Vec<Tested>,
    /// Sum of the probabilities that the answers were given with.
    pub confidence: f64,
    /// The second decisions, if there are any.
    pub second: Option<Box<Measured>>,
    /// The same notes when the player is listened to after the lesson: all that is played in the
    /// session, mixed, but for the examples. Only for models that learn so.
    pub listening: Option<Box<Measured>>,
}

/// A tested take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    /// Index of its player among the subjects.
    pub player: usize,
    /// Notes, times draws.
    pub notes: usize,
    /// Right answers.
    pub right: usize,
    /// Whether there is another take to teach its technique from.
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
    fn nothing(hits: usize) -> Self {
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
    fn add_both(&mut self, player: &str, [first, second]: [Outcome; 2], has_second: bool) {
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

fn interval<'a>(takes: impl Iterator<Item = &'a Tested> + Clone, n_players: usize) -> [f64; 2] {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let players: Vec<Vec<&Tested>> = (0..n_players)
        .map(|player| takes.clone().filter(|t| t.player == player).collect())
        .collect();
    let mut accuracies: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (mut right, mut notes) = (0, 0);
            for own in &players {
                for _ in 0..own.len() {
                    let take = own[random.random_range(0..own.len())];
                    right += take.right;
                    notes += take.notes;
                }
            }
            right as f64 / notes.max(1) as f64
        })
        .collect();
    accuracies.sort_by(f64::total_cmp);
    let at = |share: f64| accuracies[(share * (RESAMPLES - 1) as f64).round() as usize];
    [at(0.025), at(0.975)]
}

/// Each player of `notes` with a network of `architecture` trained on the others only, for a time
/// that was chosen without that player.
///
/// # Errors
/// When there are fewer than two players.
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
    if splits.len() < 2 {
        bail!(
            "--protocol leave-one-player-out: expected recordings of at least two players, found \
             {}; add recordings, or use --protocol holdout",
            notes.players.len()
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

/// `package` with where its `training` notes and their copies lie, which a calibration starts from:
/// in a projection of their features where there is one and the network has room for it, or
/// else in their embeddings. Packages whose embeddings are longer than 256 values are left as they
/// are: the statistics would be larger than the network.
///
/// # Errors
/// When the network's last layers cannot be calibrated.
pub fn with_statistics(package: ModelPackage, training: &[&Note]) -> Result<ModelPackage> {
    let mut rows: Vec<(usize, &[f32])> = Vec::new();
    for note in training {
        let own = std::iter::once(&note.features).chain(&note.copies);
        rows.extend(own.map(|row| (note.technique.class(), row.as_slice())));
        let made = note.palm_mutes.iter();
        rows.extend(made.map(|row| (Technique::PalmMute.class(), row.as_slice())));
    }
    let input = &package.manifest.input;
    let projection = projection(&input.features).filter(|_| package.has_bypass());
    let n_classes = package.manifest.labels.len();
    let statistics = match projection {
        Some(projection) => {
            let scaler = package.scaler()?;
            let scaled = |(class, features): (usize, &[f32])| {
                let mut scaled = vec![0.0; features.len()];
                scaler.apply(features, &mut scaled);
                (class, scaled)
            };
            let rows: Vec<(usize, Vec<f32>)> = rows.into_iter().map(scaled).collect();
            Statistics::fit_projected(n_classes, &rows, projection)
        }
        None => {
            let mut calibration = Calibration::new(&package)?;
            if calibration.head().n_embedding() > LONGEST_EMBEDDING {
                return Ok(package);
            }
            let mut embeddings = Vec::new();
            for (class, features) in rows {
                embeddings.push((class, calibration.embed(features)?));
            }
            Statistics::fit(n_classes, &embeddings)
        }
    };
    // Without notes of some technique there is nothing to tell.
    let Some(statistics) = statistics else {
        return Ok(package);
    };
    let ModelPackage {
        manifest,
        mut tensors,
        source,
    } = package;
    tensors.extend(statistics.tensors());
    Ok(ModelPackage::new(manifest, tensors, source)?)
}

/// As [`with_statistics`], but only for packages that get statistics of their features; others are
/// left as they are.
///
/// # Errors
/// As [`with_statistics`].
pub fn with_statistics_of_features(
    package: ModelPackage,
    training: &[&Note],
) -> Result<ModelPackage> {
    if package.has_bypass() && projection(&package.manifest.input.features).is_some() {
        with_statistics(package, training)
    } else {
        Ok(package)
    }
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

/// The session of each take, `[n_takes]`: the code in its file name, without the date. Pitched and
/// percussive takes of one session carry different dates (`shared/recordings/README.md`).
pub fn sessions(corpus: &Corpus) -> Vec<String> {
    let session = |take: &Take| match take.session.rsplit_once('_') {
        Some((code, date)) if date.bytes().all(|b| b.is_ascii_digit()) => code.to_owned(),
        _ => take.session.clone(),
    };
    corpus.takes.iter().map(session).collect()
}

/// The notes of `corpus` as `package` hears them.
///
/// # Errors
/// When a recording is wrong, or the package wants features there are not.
pub fn heard_by(package: &ModelPackage, corpus: &Corpus) -> Result<Notes> {
    let listener = Listener::of(package)?;
    Notes::hear(corpus, &listener, None, 0, parallel::available())
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

/// Teaches and tests all `subjects`, for each number of examples of `lesson`.
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
    for (subject, taught) in subjects.iter().zip(taught) {
        let has_second = subject.second.is_some();
        for (measured, Outcomes { taught, listening }) in measured.iter_mut().zip(taught?) {
            measured.add_both(&subject.name, taught, has_second);
            if let Some(listening) = listening {
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

/// What became of one player's notes.
#[derive(Default)]
struct Outcome {
    /// Over all takes and draws.
    confusion: Confusion,
    takes: Vec<Tested>,
    /// Sum of the probabilities that the answers were given with.
    confidence: f64,
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
            let tested = subject.notes.iter().find(|note| note.take == take);
            let Some(technique) = tested.map(|note| note.technique) else {
                continue;
            };
            let score = Tested {
                player,
                notes: 0,
                right: 0,
                teachable: !notes_to_teach(subject, take, technique, lesson).is_empty(),
            };
            let (mut taught, mut listening) = ([score; 2], [score; 2]);
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
            for (outcome, score) in outcomes.taught.iter_mut().zip(taught) {
                outcome.takes.push(score);
            }
            for (outcome, score) in outcomes.listening.iter_mut().flatten().zip(listening) {
                outcome.takes.push(score);
            }
        }
        results.push(outcomes);
    }
    Ok(results)
}

/// Counts the first and second decisions about each note.
fn count(outcomes: &mut [Outcome; 2], scores: &mut [Tested; 2], decided: &[Vec<Answer>]) {
    for note in decided {
        let places = outcomes.iter_mut().zip(&mut *scores);
        for (answer, (outcome, score)) in note.iter().zip(places) {
            let (played, class) = (answer.played.class(), answer.class());
            outcome.confusion.count(played, class);
            outcome.confidence += f64::from(answer.probabilities[class]);
            score.notes += 1;
            score.right += usize::from(played == class);
        }
    }
}

/// The technique of each class of a package, which may order its labels as it likes.
fn classes(package: &ModelPackage) -> Result<Vec<Technique>> {
    let labels = package.manifest.labels.iter();
    Ok(labels
        .map(|label| label.parse())
        .collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use crate::training::tests::{easy_corpus, easy_notes};

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
        let package = package(&architecture, &trained, None, Vec::new()).unwrap();
        let package = with_statistics(package, &training).unwrap();
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
    }

    #[test]
    fn statistics_are_added_where_they_are_small() {
        let mut architecture = Architecture::find("c").unwrap();
        let notes = easy_notes(173, 4);
        let training: Vec<&Note> = notes.iter().collect();
        let trained = |architecture: &Architecture| {
            let trained = train(architecture, &training, &[], 1, 1);
            package(architecture, &trained, None, Vec::new()).unwrap()
        };
        let large = trained(&architecture);
        assert_eq!(with_statistics(large.clone(), &training).unwrap(), large);
        let sizes = architecture.layers.iter_mut();
        for layer in sizes {
            if let tocco_engines::package::manifest::LayerSpec::Dense {
                inputs, outputs, ..
            } = layer
            {
                for size in [inputs, outputs] {
                    if *size == 350 {
                        *size = 16;
                    }
                }
            }
        }
        let small = with_statistics(trained(&architecture), &training).unwrap();
        let statistics = small.statistics().unwrap().unwrap();
        assert_eq!(statistics.n_point(), 16);
    }
}
