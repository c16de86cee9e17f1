//! Another note that is still ringing when the next one is played.

use std::ops::Range;

use rand::{Rng, RngExt};
use tocco_corpus::Technique;

use super::level::{amplitude, power};

/// How long after its onset a note counts as ringing, samples: 60 ms.
const EARLIEST: usize = 2_880;

/// The part of a note after its attack.
#[derive(Debug, Clone, Copy)]
pub struct Ringing<'a> {
    /// What was played.
    pub technique: Technique,
    /// From 60 ms after the onset to the next onset or the latest that was asked for.
    pub samples: &'a [f32],
}

impl<'a> Ringing<'a> {
    /// What rings after the onset at sample `onset` of `recording` until the next one at `next`, or
    /// until `latest` samples after the onset, if the technique lets the string ring and at least
    /// `shortest` samples are there.
    pub fn after(
        technique: Technique,
        recording: &'a [f32],
        onset: usize,
        next: usize,
        latest: usize,
        shortest: usize,
    ) -> Option<Self> {
        let end = next.min(onset + latest).min(recording.len());
        let samples = recording.get(onset + EARLIEST..end)?;
        let rings = technique.is_pitched() && technique != Technique::PalmMute;
        (rings && samples.len() >= shortest).then_some(Self { technique, samples })
    }

    /// `n` samples from a random place.
    pub fn draw(&self, n: usize, random: &mut impl Rng) -> &'a [f32] {
        let start = random.random_range(0..=self.samples.len() - n);
        &self.samples[start..][..n]
    }
}

/// Adds `ringing` to `samples`, both `[n]`, so that over the samples `attack` it has `level_db`
/// against the power of what is there.
pub fn add_ringing(samples: &mut [f32], ringing: &[f32], attack: Range<usize>, level_db: f32) {
    let ringing_power = power(&ringing[attack.clone()]);
    if ringing_power > 0.0 {
        let gain = amplitude(level_db) * (power(&samples[attack]) / ringing_power).sqrt();
        for (sample, value) in samples.iter_mut().zip(ringing) {
            *sample += gain * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn only_what_rings_before_the_next_note_is_taken() {
        let recording: Vec<f32> = (0..40_000).map(|i| i as f32).collect();
        let after =
            |technique, next| Ringing::after(technique, &recording, 1_000, next, 19_200, 500);
        let pick = Technique::PickOverSoundHole;
        assert!(after(Technique::Kick, 40_000).is_none());
        assert!(after(pick, 4_000).is_none());
        assert_eq!(after(pick, 10_000).unwrap().samples.last(), Some(&9_999.0));
        let long = after(pick, 40_000).unwrap();
        assert_eq!((long.samples[0], long.samples.len()), (3_880.0, 16_320));
        let part = long.draw(500, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(part.len(), 500);
    }

    #[test]
    fn the_level_is_kept_over_the_attack() {
        let mut samples = vec![0.0; 100];
        samples[60..].fill(1.0);
        let before = samples.clone();
        add_ringing(&mut samples, &[0.01; 100], 60..100, -20.0);
        assert!(
            samples
                .iter()
                .zip(&before)
                .all(|(a, b)| (a - b - 0.1).abs() < 1e-6)
        );
        add_ringing(&mut samples, &[0.0; 100], 60..100, -20.0);
        assert!((samples[0] - 0.1).abs() < 1e-6);
    }
}
