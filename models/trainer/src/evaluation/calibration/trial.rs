//! One test: a lesson, the tested take, and what listening on makes of it.

use anyhow::{Result, bail};
use tocco_corpus::Technique;
use tocco_engines::{Classifier, EngineId};
use tocco_recognizer::adaptation::{Calibration, SelfTraining};

use super::subject::{Subject, classes};
use super::teaching::{Teaching, draw, teach};
use crate::evaluation::answer::Answer;
use crate::evaluation::decisions::{AdaptiveNetwork, decide, learn};
use crate::evaluation::listening::mixed;
use crate::evaluation::protocol::classify;

/// A player's networks, which are taught and tested again and again.
pub(super) struct Trials<'a> {
    /// The player with the first network and, if there is one, with the second.
    subjects: Vec<&'a Subject<'a>>,
    /// Of each network.
    calibrations: Vec<Calibration>,
    /// The technique of each class.
    classes: Vec<Technique>,
    lesson: &'a Teaching,
    engine: EngineId,
}

/// The decisions about each note of the tested take: the first and, if there is one, the second.
pub(super) struct Test {
    pub(super) plain: Vec<Vec<Answer>>,
    /// The same while the player is listened to; `None` if the networks cannot.
    pub(super) listening: Option<Vec<Vec<Answer>>>,
}

impl<'a> Trials<'a> {
    pub(super) fn new(
        subject: &'a Subject<'a>,
        lesson: &'a Teaching,
        engine: EngineId,
    ) -> Result<Self> {
        let mut subjects = vec![subject];
        subjects.extend(subject.second.as_deref());
        let mut calibrations = Vec::new();
        for other in &subjects {
            if other.package.manifest.labels != subject.package.manifest.labels {
                bail!("second decision: the two models have different labels");
            }
            calibrations.push(Calibration::new(&other.package)?);
        }
        Ok(Self {
            subjects,
            calibrations,
            classes: classes(&subject.package)?,
            lesson,
            engine,
        })
    }

    /// Teaches lesson number `number` with `hits` examples of each technique, and tests `take`.
    pub(super) fn test(&mut self, take: usize, number: usize, hits: usize) -> Result<Test> {
        let first = self.subjects[0];
        let examples = draw(&self.classes, first, take, number, hits, self.lesson);
        let is_tested = |note: &usize| first.notes[*note].take == take;
        let session = notes_to_hear(first, take, &examples);
        let mut parts = Vec::new();
        for (subject, calibration) in self.subjects.iter().zip(&mut self.calibrations) {
            calibration.reset();
            teach(calibration, &self.classes, subject, &examples, self.lesson)?;
            let package = calibration.package()?;
            let mut classifier = Classifier::new(&package, self.engine)?;
            let training = SelfTraining::new(&package)?;
            // Without listening the rest of the session does not matter.
            let notes = session
                .iter()
                .filter(|n| training.is_some() || is_tested(n));
            let notes = notes.map(|note| subject.notes[*note]);
            parts.push(classify(
                "",
                &mut classifier,
                training.as_ref(),
                notes,
                1.0,
            )?);
        }
        let mut answers: Vec<Vec<&Answer>> = Vec::new();
        for part in &parts {
            answers.push(part.answers.iter().filter(|a| a.take == take).collect());
        }
        let decide_plain = |note: usize| {
            let plain: Vec<&Answer> = answers.iter().map(|answers| answers[note]).collect();
            decide(&[], &plain)
        };
        let plain = (0..answers[0].len()).map(decide_plain).collect();
        let learners = parts.iter().map(|part| part.learner.clone());
        let learners = learners.collect::<Option<Vec<AdaptiveNetwork>>>();
        let listening = learners.map(|mut learners| {
            let mut heard = Vec::new();
            for note in mixed(session.len(), self.lesson.seed ^ number as u64) {
                let plain: Vec<&Answer> = parts.iter().map(|part| &part.answers[note]).collect();
                let decided = decide(&learners, &plain);
                learn(&mut learners, &plain, &decided);
                if plain[0].take == take {
                    heard.push(decided);
                }
            }
            heard
        });
        Ok(Test { plain, listening })
    }
}

/// What the player plays, by the notes' places, in the session of the take `tested`, without the
/// `examples` of [`draw`].
fn notes_to_hear(subject: &Subject<'_>, tested: usize, examples: &[(usize, usize)]) -> Vec<usize> {
    let session = &subject.sessions[tested];
    let is_example = |note: usize| examples.iter().any(|(_, example)| *example == note);
    (0..subject.notes.len())
        .filter(|note| {
            subject.sessions[subject.notes[*note].take] == *session && !is_example(*note)
        })
        .collect()
}
