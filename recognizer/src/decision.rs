//! The rule: what is answered about a note, what amends the answer, and what teaches.
//!
//! ```text
//! first answer    what the first network says, adjusted by what it learnt of the player
//! amended answer  its mean with what the second network says, adjusted likewise, of the same note
//!                 when more of it was heard
//! the class       the most probable one
//! what teaches    the last answer about a note, if it is sure enough and the note may be one of
//!                 that class to every network that learns: then all of them learn it. What is
//!                 rejected ([`rejection`](crate::rejection)) teaches none
//! ```
//!
//! ```
//! use tocco_recognizer::decision::{amend, most_probable};
//!
//! let first = [0.6, 0.3, 0.1];
//! let mut second = [0.3, 0.6, 0.1];
//! amend(&first, None, &mut second);
//! assert_eq!((most_probable(&first), most_probable(&second)), (0, 1));
//! ```
//!
//! The plugin decides by it on the audio thread ([`pipeline`](crate::pipeline)), and what is
//! published of its accuracy is measured with the same functions. All of them are real-time safe:
//! they work on slices and allocate nothing.

use crate::adaptation::SelfTraining;

/// How much the first network counts in the amended answer. Where other notes ring on or the room
/// answers, the first one, which has heard little of that, makes up for what the second one gets
/// wrong. Chosen from 0, 0.3 and 0.5 on leave-one-player-out: see `models/RESEARCH.md`;
/// `docs/accuracy.md` says what it is worth.
const FIRST_SHARE: f32 = 0.3;

/// An answer of a lower probability does not teach: what was taken for a note may be none.
/// `models/RESEARCH.md` says how many those are.
pub const LEAST_PROBABILITY: f32 = 0.4;

/// A note as a network's self-training sees it: what was learnt so far, and the note's point
/// `[n_point]`.
pub type Learnt<'a> = (&'a SelfTraining, &'a [f32]);

/// A note that a network may learn.
pub struct Observation<'a> {
    /// What learns.
    pub training: &'a mut SelfTraining,
    /// Where the note lies, `[n_point]`.
    pub point: &'a [f32],
}

/// Makes the first answer of the `probabilities` `[n_classes]` that a network gives a note. With
/// nothing `learnt` they are the answer. Real-time safe.
#[inline]
pub fn answer(learnt: Option<Learnt<'_>>, probabilities: &mut [f32]) {
    if let Some((training, point)) = learnt {
        training.adjust(point, probabilities);
    }
}

/// Makes the amended answer of the `probabilities` `[n_classes]` that the second network gives a
/// note, of which `first` `[n_classes]` was the first answer. Real-time safe.
#[inline]
pub fn amend(first: &[f32], learnt: Option<Learnt<'_>>, probabilities: &mut [f32]) {
    answer(learnt, probabilities);
    for (second, first) in probabilities.iter_mut().zip(first) {
        *second = amended(*first, *second);
    }
}

/// The amended probability of a class to which the two networks give the probabilities `first` and
/// `second`. Real-time safe.
#[inline]
#[must_use]
pub fn amended(first: f32, second: f32) -> f32 {
    FIRST_SHARE * first + (1.0 - FIRST_SHARE) * second
}

/// Index of the largest value, the first of equal ones; 0 for an empty slice. NaN is never the
/// largest. Real-time safe.
#[inline]
#[must_use]
pub fn most_probable(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (index, p) in probabilities.iter().enumerate().skip(1) {
        if *p > probabilities[best] || probabilities[best].is_nan() {
            best = index;
        }
    }
    best
}

/// Lets all `networks` learn the note about which `last` `[n_classes]` is the last answer, or none
/// of them. Whether one learnt anything. Real-time safe.
pub fn teach(last: &[f32], networks: &mut [Observation<'_>]) -> bool {
    let class = most_probable(last);
    // Nor has an engine that says nothing, or no numbers, decided for the first class.
    let sure = last.get(class).is_some_and(|p| *p >= LEAST_PROBABILITY);
    let plausible = |network: &Observation<'_>| network.training.is_plausible(class, network.point);
    if !sure || !networks.iter().all(plausible) {
        return false;
    }
    let mut taught = false;
    for Observation { training, point } in networks {
        let before = training.learned();
        training.learn(class, point);
        taught |= training.learned() != before;
    }
    taught
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_engines::{Scaler, Statistics};

    #[test]
    fn amended_probabilities_are_probabilities() {
        let (first, second) = ([0.7, 0.2, 0.1], [0.0, 0.25, 0.75]);
        let mut both = second;
        amend(&first, None, &mut both);
        assert!((both.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{both:?}");
        // The second one has heard more.
        assert!(both[2] > both[0], "{both:?}");
        for class in 0..3 {
            let (low, high) = (
                first[class].min(second[class]),
                first[class].max(second[class]),
            );
            assert!((low..=high).contains(&both[class]));
        }
    }

    #[test]
    fn the_first_of_the_largest_wins_and_nan_never() {
        assert_eq!(most_probable(&[0.1, 0.4, 0.4]), 1);
        assert_eq!(most_probable(&[f32::NAN, 0.2, 0.3]), 2);
        assert_eq!(most_probable(&[0.2, f32::NAN]), 0);
        assert_eq!(most_probable(&[]), 0);
    }

    /// Notes of three classes lie around 0, 4 and 8, up to 1 to either side.
    fn training() -> SelfTraining {
        let note = |i: usize| (i / 2, vec![4.0 * (i / 2) as f32 + [-1.0, 1.0][i % 2]]);
        let notes: Vec<_> = (0..6).map(note).collect();
        let statistics = Statistics::fit_projected(3, &notes, vec![1.0]).unwrap();
        SelfTraining::from_statistics(Scaler::identity(1), &statistics).unwrap()
    }

    #[test]
    fn a_sure_answer_about_a_plausible_note_teaches_all_networks_and_any_other_none() {
        for (last, points, expected) in [
            ([0.1, 0.8, 0.1], [4.5, 3.5], true),
            ([0.31, 0.39, 0.3], [4.5, 3.5], false), // not sure
            ([0.8, 0.1, 0.1], [4.5, 3.5], false),   // sure, and no such note
            ([0.1, 0.8, 0.1], [4.5, 0.0], false),   // one network has heard something else
            ([f32::NAN, f32::NAN, f32::NAN], [0.0, 0.0], false),
        ] {
            let mut trainings = [training(), training()];
            let [first, second] = &mut trainings;
            let mut networks = [(first, &points[..1]), (second, &points[1..])]
                .map(|(training, point)| Observation { training, point });
            assert_eq!(teach(&last, &mut networks), expected, "{last:?} {points:?}");
            let learned = trainings.each_ref().map(SelfTraining::learned);
            assert_eq!(learned, [u64::from(expected); 2]);
        }
        assert!(!teach(&[], &mut []) && !teach(&[1.0], &mut []));
    }

    #[test]
    fn what_was_learnt_changes_both_answers() {
        let mut training = training();
        let (point, even) = ([4.6], [1.0 / 3.0; 3]);
        let with = |training: &SelfTraining, first: Option<&[f32]>| {
            let mut probabilities = even;
            let learnt = Some((training, &point[..]));
            match first {
                Some(first) => amend(first, learnt, &mut probabilities),
                None => answer(learnt, &mut probabilities),
            }
            probabilities
        };
        assert_eq!(with(&training, None), even, "nothing was learnt yet");
        for _ in 0..5 {
            let training = &mut training;
            let point = &point;
            assert!(teach(
                &[0.0, 1.0, 0.0],
                &mut [Observation { training, point }]
            ));
        }
        let first = with(&training, None);
        assert_eq!(most_probable(&first), 1);
        let both = with(&training, Some(&even));
        assert!(even[1] < both[1] && both[1] < first[1], "{both:?}");
    }
}
