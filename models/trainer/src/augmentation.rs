//! Copies of a note as it might have been heard otherwise.

use rand::{Rng, RngExt};

/// How the copies of a note differ from it. Each value is drawn evenly from its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Copies a note, besides the note as it is.
    pub copies: usize,
    /// The window ends at most this many samples earlier or later: the detector's jitter, and
    /// where in a hop the note happens to begin.
    pub jitter: i64,
    /// The level changes by at most this, dB up or down.
    pub gain_db: f32,
    /// White noise is added, its level in dB below the window's peak: from, to.
    pub noise_db: (f32, f32),
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            copies: 24,
            jitter: 64,
            gain_db: 9.0,
            noise_db: (-80.0, -50.0),
        }
    }
}

impl Augmentation {
    /// How many samples later than the note's own the window of a copy ends.
    pub fn shift(&self, random: &mut impl Rng) -> i64 {
        random.random_range(-self.jitter..=self.jitter)
    }

    /// Changes the level, the polarity and the noise floor of a window.
    pub fn alter(&self, window: &mut [f32], random: &mut impl Rng) {
        let peak = window.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let gain = amplitude(random.random_range(-self.gain_db..=self.gain_db));
        let gain = if random.random_bool(0.5) { gain } else { -gain };
        let noise = peak * amplitude(random.random_range(self.noise_db.0..=self.noise_db.1));
        for sample in window {
            *sample = gain * (*sample + noise * random.random_range(-1.0_f32..=1.0));
        }
    }
}

fn amplitude(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn copies_stay_within_their_ranges() {
        let augmentation = Augmentation::default();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut inverted, mut shifts) = (0, Vec::new());
        for _ in 0..1000 {
            let mut window = [1.0, 0.0];
            augmentation.alter(&mut window, &mut random);
            let level = 20.0 * window[0].abs().log10();
            assert!(level.abs() < augmentation.gain_db + 0.1, "{level} dB");
            assert!(window[1].abs() < window[0].abs() * 0.01);
            inverted += usize::from(window[0] < 0.0);
            shifts.push(augmentation.shift(&mut random));
        }
        assert!((400..600).contains(&inverted), "{inverted}");
        assert_eq!(shifts.iter().min(), Some(&-64));
        assert_eq!(shifts.iter().max(), Some(&64));
    }

    #[test]
    fn silence_stays_silent() {
        let mut window = [0.0; 8];
        Augmentation::default().alter(&mut window, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(window.map(f32::abs), [0.0; 8]);
    }
}
