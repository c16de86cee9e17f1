//! What is right when fewer techniques are played and the others are masked.
//!
//! A masked technique has the probability 0 in each network before they are put together, as in the
//! plugin ([`Calibration::mask`](tocco_recognizer::adaptation::Calibration::mask)).

use anyhow::{Result, bail};
use tocco_corpus::Technique;
use tocco_recognizer::decision::{amend, most_probable};

use crate::evaluation::answer::Answer;
use crate::evaluation::{Evaluation, Fewer};

/// Techniques that somebody may play with, and their name.
pub const SETS: [(&str, &[Technique]); 5] = [
    ("all eight", &Technique::ALL),
    ("four percussive", PERCUSSIVE),
    (
        "four pitched",
        &[
            Technique::NaturalHarmonics,
            Technique::PalmMute,
            Technique::PickNearBridge,
            Technique::PickOverSoundHole,
        ],
    ),
    (
        "four percussive and ordinary picking",
        &[
            PERCUSSIVE[0],
            PERCUSSIVE[1],
            PERCUSSIVE[2],
            PERCUSSIVE[3],
            Technique::PickOverSoundHole,
        ],
    ),
    (
        "kick, snare 1, harmonics, palm mute, ordinary picking",
        &[
            Technique::Kick,
            Technique::Snare1,
            Technique::NaturalHarmonics,
            Technique::PalmMute,
            Technique::PickOverSoundHole,
        ],
    ),
];

const PERCUSSIVE: &[Technique] = &[
    Technique::Kick,
    Technique::Snare1,
    Technique::Tom,
    Technique::Snare2,
];

/// The answers of `evaluation`, amended by those of `later` if there are any, for all [`SETS`].
///
/// # Errors
/// When the two are not about the same notes.
pub fn fewer_techniques(evaluation: &Evaluation, later: Option<&Evaluation>) -> Result<Vec<Fewer>> {
    let first: Vec<&Answer> = evaluation.answers().collect();
    let later: Option<Vec<&Answer>> = later.map(|later| later.answers().collect());
    if later
        .as_ref()
        .is_some_and(|later| later.len() != first.len())
    {
        bail!("fewer techniques: the two models were tested on different notes");
    }
    let sets = SETS.iter().map(|(name, techniques)| {
        let missed = evaluation.missed.iter();
        let missed = missed.filter(|missed| techniques.contains(&missed.technique));
        let mut fewer = Fewer {
            name,
            labelled: missed.count(),
            notes: 0,
            right: vec![0; 1 + usize::from(later.is_some())],
        };
        for (i, answer) in first.iter().enumerate() {
            if !techniques.contains(&answer.played) {
                continue;
            }
            (fewer.notes, fewer.labelled) = (fewer.notes + 1, fewer.labelled + 1);
            let own = masked(&answer.probabilities, techniques);
            fewer.right[0] += usize::from(most_probable(&own) == answer.played.class());
            if let Some(later) = &later {
                let mut both = masked(&later[i].probabilities, techniques);
                amend(&own, None, &mut both);
                let class = most_probable(&both);
                fewer.right[1] += usize::from(class == answer.played.class());
            }
        }
        fewer
    });
    Ok(sets.collect())
}

/// `probabilities` by class without all but `techniques`.
fn masked(probabilities: &[f32], techniques: &[Technique]) -> Vec<f32> {
    let mut left = vec![0.0; probabilities.len()];
    for technique in techniques {
        left[technique.class()] = probabilities[technique.class()];
    }
    let sum: f32 = left.iter().sum();
    if sum > 0.0 {
        left.iter_mut().for_each(|p| *p /= sum);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_leaves_its_share_to_the_others() {
        let probabilities = [0.1, 0.0, 0.0, 0.0, 0.2, 0.5, 0.1, 0.1];
        let pitched = masked(&probabilities, SETS[2].1);
        assert_eq!(pitched[0], 0.0);
        assert!((pitched[5] - 0.5 / 0.9).abs() < 1e-6);
        let percussive = masked(&probabilities, PERCUSSIVE);
        assert_eq!(percussive, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(most_probable(&percussive), 0);
        let none = masked(&[0.0; 8], PERCUSSIVE);
        assert_eq!(none, [0.0; 8]);
        assert_eq!(masked(&probabilities, SETS[0].1), probabilities);
    }

    #[test]
    fn sets_are_what_their_names_say() {
        for (name, techniques) in SETS {
            let mut classes: Vec<usize> = techniques.iter().map(|t| t.class()).collect();
            classes.sort_unstable();
            classes.dedup();
            assert_eq!(classes.len(), techniques.len(), "{name}");
        }
        assert!(SETS[1].1.iter().all(|technique| !technique.is_pitched()));
        assert!(SETS[2].1.iter().all(|technique| technique.is_pitched()));
        assert_eq!(
            SETS.map(|(_, techniques)| techniques.len()),
            [8, 4, 4, 5, 5]
        );
    }
}
