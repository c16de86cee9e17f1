//! A network that learns its player by listening: what it has learnt, and the notes under way that
//! it may still learn from, by the number of their onset.
//!
//! ```text
//! features     hear         keeps the note's point
//! answer       learnt       the point, and what was learnt so far
//! last answer  observation  the point, once, to be learnt from
//! off          forget       everything
//! ```
//!
//! The answer may come from the classifier thread and the decision that teaches 150 ms after the
//! features: in between the point waits here. [`SelfTraining`] says how it is learnt,
//! [`decision`](crate::decision) when.
//!
//! What was learnt belongs to the loaded model and is part of no state: a swap, an example in a
//! lesson and a restart of the plugin forget it.
//!
//! For the audio thread: a fixed number of places, no allocation after `new`, no unbounded loop.

use tocco_engines::{LoadError, ModelPackage};

use super::SelfTraining;
use crate::decision::{Learnt, Observation};
use crate::pending_decisions::CAPACITY;

/// What one network learns.
pub struct Learner {
    training: SelfTraining,
    /// `[CAPACITY]`: whose point lies in the place; that of onset `n` is `n % CAPACITY`.
    onsets: Vec<Option<u64>>,
    /// `[CAPACITY, n_point]`, row-major.
    points: Vec<f32>,
}

impl Learner {
    /// For the network of `package`, of a player that was not heard yet. `None` if the package has
    /// no statistics of its features to compare notes by. Allocates.
    ///
    /// # Errors
    /// When the package is malformed.
    pub fn new(package: &ModelPackage) -> Result<Option<Self>, LoadError> {
        Ok(SelfTraining::new(package)?.map(Self::of_training))
    }

    fn of_training(training: SelfTraining) -> Self {
        Self {
            onsets: vec![None; CAPACITY],
            // Ones, because zeros may be pages that the system has not given yet.
            points: vec![1.0; CAPACITY * training.n_point()],
            training,
        }
    }

    /// Keeps the point of the note of onset `onset_id` with the raw `features` `[n_features]`, for
    /// the next [`CAPACITY`] onsets. Real-time safe.
    pub fn hear(&mut self, onset_id: u64, features: &[f32]) {
        let place = place(onset_id);
        let n_point = self.training.n_point();
        let points = self.points.get_mut(place * n_point..(place + 1) * n_point);
        if let (Some(onset), Some(point)) = (self.onsets.get_mut(place), points) {
            *onset = Some(onset_id);
            self.training.point(features, point);
        }
    }

    /// The note of onset `onset_id` and what was learnt before it. `None` if it was not heard, or its
    /// last answer was given already. Real-time safe.
    #[inline]
    #[must_use]
    pub fn learnt(&self, onset_id: u64) -> Option<Learnt<'_>> {
        let point = point(&self.onsets, &self.points, &self.training, onset_id)?;
        Some((&self.training, point))
    }

    /// The note of onset `onset_id`, to be learnt from its last answer: it is given once. `None` if it
    /// was not heard. Real-time safe.
    #[inline]
    pub fn observation(&mut self, onset_id: u64) -> Option<Observation<'_>> {
        let Self {
            training,
            onsets,
            points,
        } = self;
        let point = point(onsets, points, training, onset_id)?;
        *onsets.get_mut(place(onset_id))? = None;
        Some(Observation { training, point })
    }

    /// Forgets the player and the notes under way. Real-time safe.
    pub fn forget(&mut self) {
        self.training.forget();
        self.onsets.fill(None);
    }
}

fn place(onset_id: u64) -> usize {
    onset_id as usize % CAPACITY
}

/// The point `[n_point]` of the note of onset `onset_id`, if it is there.
fn point<'a>(
    onsets: &[Option<u64>],
    points: &'a [f32],
    training: &SelfTraining,
    onset_id: u64,
) -> Option<&'a [f32]> {
    let place = place(onset_id);
    if *onsets.get(place)? != Some(onset_id) {
        return None;
    }
    let n_point = training.n_point();
    points.get(place * n_point..(place + 1) * n_point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::MAX_CLASSES;
    use crate::decision::answer;
    use crate::model::tests::shipped;

    fn learner() -> Learner {
        let package = shipped("tocco");
        Learner::new(&package).unwrap().unwrap()
    }

    /// Features that lie apart for different `kind`, around the means of the training.
    fn features(kind: u32) -> Vec<f32> {
        let package = shipped("tocco");
        let scaler = package.scaler().unwrap();
        let scaled = scaler.mean().iter().zip(scaler.scale()).enumerate();
        let sign = |i: usize| f32::from(i as u16 % 7) - 3.0 + kind as f32 / 4.0;
        scaled.map(|(i, (m, s))| m + 0.3 * s * sign(i)).collect()
    }

    const EVEN: [f32; MAX_CLASSES] = [1.0 / MAX_CLASSES as f32; MAX_CLASSES];

    fn adjusted(learner: &Learner, onset_id: u64) -> [f32; MAX_CLASSES] {
        let mut probabilities = EVEN;
        answer(learner.learnt(onset_id), &mut probabilities);
        probabilities
    }

    /// Takes the note for one of `class`; whether that taught anything.
    fn learn(learner: &mut Learner, onset_id: u64, class: usize) -> bool {
        let Some(Observation { training, point }) = learner.observation(onset_id) else {
            return false;
        };
        let before = training.learned();
        training.learn(class, point);
        training.learned() != before
    }

    #[test]
    fn only_packages_with_statistics_of_features_can_learn() {
        for id in ["a", "b", "c", "tocco", "tocco-sure", "tocco-late"] {
            let learner = Learner::new(&shipped(id)).unwrap();
            assert_eq!(learner.is_some(), id.starts_with("tocco"));
        }
    }

    #[test]
    fn a_note_is_learnt_once_and_changes_later_ones() {
        let mut learner = learner();
        learner.hear(0, &features(0));
        assert_eq!(adjusted(&learner, 0), EVEN, "nothing was learnt yet");
        assert!(learn(&mut learner, 0, 3));
        assert!(!learn(&mut learner, 0, 3));
        assert_eq!(adjusted(&learner, 0), EVEN, "it is used up");
        learner.hear(1, &features(0));
        let after = adjusted(&learner, 1);
        assert_ne!(after, EVEN);
        assert!((after.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        // A class that there is not uses a note up and teaches nothing.
        assert!(!learn(&mut learner, 1, MAX_CLASSES));
        learner.hear(1, &features(0));
        assert_eq!(adjusted(&learner, 1), after);
    }

    #[test]
    fn notes_that_were_not_heard_do_nothing() {
        let mut learner = learner();
        for id in [0, 1, CAPACITY as u64, u64::MAX] {
            assert!(!learn(&mut learner, id, 0));
            assert_eq!(adjusted(&learner, id), EVEN);
        }
        learner.hear(0, &features(0));
        learn(&mut learner, 0, 0);
        learner.hear(1, &features(0));
        assert_ne!(adjusted(&learner, 1), EVEN);
        for id in [0, 2, 1 + CAPACITY as u64, u64::MAX] {
            assert!(!learn(&mut learner, id, 0));
            assert_eq!(adjusted(&learner, id), EVEN);
        }
    }

    #[test]
    fn a_place_that_is_taken_again_belongs_to_the_newer_note() {
        let wrapped = CAPACITY as u64;
        let (mut learner, mut other) = (learner(), learner());
        for (id, kind) in [(0, 0), (1, 1), (wrapped, 2), (u64::MAX, 3)] {
            learner.hear(id, &features(kind));
        }
        assert!(!learn(&mut learner, 0, 1), "its place was taken");
        other.hear(7, &features(2));
        // The note is the one that it would be in any other place.
        assert!(learn(&mut learner, wrapped, 1) && learn(&mut other, 7, 1));
        other.hear(8, &features(1));
        assert_ne!(adjusted(&learner, 1), EVEN);
        assert_eq!(adjusted(&learner, 1), adjusted(&other, 8));
        other.hear(9, &features(3));
        assert_eq!(adjusted(&learner, u64::MAX), adjusted(&other, 9));
    }

    #[test]
    fn what_is_forgotten_starts_anew() {
        let (mut learner, mut fresh) = (learner(), learner());
        for id in 0..40 {
            learner.hear(id, &features(id as u32));
            assert!(learn(&mut learner, id, id as usize % MAX_CLASSES));
        }
        learner.hear(40, &features(1));
        assert_ne!(adjusted(&learner, 40), EVEN);
        learner.forget();
        assert!(!learn(&mut learner, 40, 1), "it was under way");
        for learner in [&mut learner, &mut fresh] {
            learner.hear(41, &features(2));
            assert_eq!(adjusted(learner, 41), EVEN);
            assert!(learn(learner, 41, 2));
            learner.hear(42, &features(5));
        }
        assert_eq!(adjusted(&learner, 42), adjusted(&fresh, 42));
    }

    #[test]
    fn features_that_are_no_numbers_or_too_few_poison_nothing() {
        let mut learner = learner();
        let nonsense = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN, 0.0];
        for (id, value) in (0..).zip(nonsense) {
            learner.hear(id, &vec![value; features(0).len()]);
            learn(&mut learner, id, id as usize);
        }
        learner.hear(10, &[]);
        learn(&mut learner, 10, 1);
        learner.hear(11, &features(0));
        let after = adjusted(&learner, 11);
        assert!(after.iter().all(|p| (0.0..=1.0).contains(p)), "{after:?}");
        assert!((after.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
