//! Guitars and hands that are in no recording, made in the features: a log-Bark patch whose bands
//! are louder or softer and die away faster or slower.
//!
//! Copies of a note differ in a few broad filters; a body, a hand and a microphone differ in every
//! band, and each note that is shown gets its own. What a network can still tell techniques apart by
//! is then what no such difference explains.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tocco_dsp::features::LOG_BARK_FLOOR;

/// Bands of a log-Bark patch, two channels each.
pub(crate) const BARK_BANDS: usize = 24;
/// Features of a frame.
pub(crate) const FRAME_LEN: usize = 2 * BARK_BANDS;

/// How much patches are changed; all deviations are those of normal distributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchPerturbation {
    /// Deviation of a band's level, dB.
    pub band_db: f32,
    /// Deviation of what all bands have lost or won by the end of the window, dB.
    pub decay_db: f32,
    /// The same of each band on its own, added to that of all.
    pub band_decay_db: f32,
}

impl PatchPerturbation {
    /// Changes the raw features of patches of `frames` frames each, one after the other, each on
    /// its own.
    ///
    /// # Panics
    /// When the features are not those of the patches.
    pub fn apply(&self, features: &mut [f32], frames: &[usize], random: &mut impl Rng) {
        let mut rest = features;
        for n_frames in frames {
            let (patch, others) = rest.split_at_mut(n_frames * FRAME_LEN);
            self.apply_to_patch(patch, random);
            rest = others;
        }
        assert!(rest.is_empty(), "features beside the patches");
    }

    /// Changes `patch`, `[frames][bands][2]`: level, and level less its mean over the frames. Levels
    /// keep the preset's floor: what was silent stays silent.
    fn apply_to_patch(&self, patch: &mut [f32], random: &mut impl Rng) {
        let n_frames = patch.len() / FRAME_LEN;
        let mut normal = |deviation: f32| {
            let value: f32 = StandardNormal.sample(&mut *random);
            deviation * value
        };
        let all = normal(self.decay_db);
        for band in 0..BARK_BANDS {
            let (level, decay) = (normal(self.band_db), all + normal(self.band_decay_db));
            let mut mean = 0.0;
            for frame in 0..n_frames {
                let value = &mut patch[frame * FRAME_LEN + 2 * band];
                let gain_db = level + decay * frame as f32 / n_frames as f32;
                *value = louder(*value, gain_db);
                mean += *value / n_frames as f32;
            }
            for frame in 0..n_frames {
                let place = frame * FRAME_LEN + 2 * band;
                patch[place + 1] = patch[place] - mean;
            }
        }
    }
}

/// The level of the preset, dB, of what had `level_db` and is `gain_db` louder.
fn louder(level_db: f32, gain_db: f32) -> f32 {
    let floor = LOG_BARK_FLOOR as f32;
    let power = (10_f32.powf(level_db / 10.0) - floor).max(0.0);
    10.0 * (power * 10_f32.powf(gain_db / 10.0) + floor).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const FRAMES: usize = 13;

    fn patch(level_db: f32) -> Vec<f32> {
        [level_db, 0.0].repeat(FRAMES * BARK_BANDS)
    }

    #[test]
    fn without_deviations_nothing_changes() {
        let none = PatchPerturbation {
            band_db: 0.0,
            decay_db: 0.0,
            band_decay_db: 0.0,
        };
        let mut changed = patch(-20.0);
        none.apply(&mut changed, &[FRAMES], &mut ChaCha8Rng::seed_from_u64(1));
        for (found, expected) in changed.iter().zip(patch(-20.0)) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn silence_stays_silent_and_loud_bands_change_by_their_gain() {
        assert!((louder(-60.0, 30.0) + 60.0).abs() < 0.1);
        assert!((louder(-20.0, 6.0) + 14.0).abs() < 0.01);
        assert!((louder(-20.0, -90.0) + 60.0).abs() < 0.01);
    }

    #[test]
    fn levels_vary_by_the_deviations_and_motion_has_no_mean() {
        let perturbation = PatchPerturbation {
            band_db: 6.0,
            decay_db: 12.0,
            band_decay_db: 6.0,
        };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        // Far above the floor, so that it does not matter here.
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for _ in 0..500 {
            let mut patch = patch(0.0);
            perturbation.apply(&mut patch, &[FRAMES], &mut random);
            let level = |frame: usize, band: usize| patch[(frame * BARK_BANDS + band) * 2];
            for band in 0..BARK_BANDS {
                first.push(level(0, band));
                last.push(level(FRAMES - 1, band) - level(0, band));
                let motion: f32 = (0..FRAMES)
                    .map(|frame| patch[(frame * BARK_BANDS + band) * 2 + 1])
                    .sum();
                assert!(motion.abs() < 0.01, "{motion}");
            }
        }
        let deviation = |values: &[f32]| {
            (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt()
        };
        assert!(
            (deviation(&first) - 6.0).abs() < 0.3,
            "{}",
            deviation(&first)
        );
        let expected = 12.0_f32.hypot(6.0) * 12.0 / 13.0;
        assert!(
            (deviation(&last) - expected).abs() < 0.8,
            "{}",
            deviation(&last)
        );
    }
}
