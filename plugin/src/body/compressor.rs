//! A compressor all of whose settings follow from one amount.
//!
//! Feed-forward, with a soft knee: D. Giannoulis, M. Massberg and J. D. Reiss, *Digital Dynamic Range
//! Compressor Design: A Tutorial and Analysis*, J. Audio Eng. Soc. 60 (6), 2012, equation 4. The level is
//! a peak with an attack and a release, that of the louder channel for all of them: what is in the middle
//! stays there. The make-up is such that a level of [`KEPT_DB`] stays as it is.

/// Level that no amount changes, dB full scale: of a firm touch.
pub const KEPT_DB: f64 = -16.0;

/// Level from which on it compresses, dB full scale: the middle of the knee.
const THRESHOLD_DB: f64 = -32.0;

/// Width of the knee, dB.
const KNEE_DB: f64 = 12.0;

/// What it takes of a decibel above the knee at full amount: a ratio of 4 to 1.
const MOST: f64 = 0.75;

/// Time constants of a rising and of a falling level, seconds.
const ATTACK: f64 = 0.003;
const RELEASE: f64 = 0.08;

/// Lower levels are as this one, full scale 1.
const SILENCE: f64 = 1e-6;

/// What a steady level of `level_db` dB full scale gains at `amount`, 0 to 1, in dB. Real-time safe.
#[must_use]
pub fn gain_db(amount: f64, level_db: f64) -> f64 {
    MOST * amount * (excess_db(KEPT_DB) - excess_db(level_db))
}

/// By how much a level is above the threshold, with the knee.
fn excess_db(level_db: f64) -> f64 {
    let above = level_db - THRESHOLD_DB;
    if 2.0 * above <= -KNEE_DB {
        0.0
    } else if 2.0 * above < KNEE_DB {
        (above + KNEE_DB / 2.0).powi(2) / (2.0 * KNEE_DB)
    } else {
        above
    }
}

/// For the audio thread; nothing in it allocates.
#[derive(Debug)]
pub struct Compressor {
    /// Shares of the way that a rising and a falling level goes in a sample.
    attack: f64,
    release: f64,
    level: f64,
    /// The gain at this sample, what each sample adds to it, where that ends, and in how many samples.
    gain: f64,
    step: f64,
    end: f64,
    left: u32,
}

impl Compressor {
    /// For a host at `host_rate` Hz, at no amount.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        let share = |seconds: f64| 1.0 - (-1.0 / (seconds * host_rate)).exp();
        Self {
            attack: share(ATTACK),
            release: share(RELEASE),
            level: 0.0,
            gain: 1.0,
            step: 0.0,
            end: 1.0,
            left: 0,
        }
    }

    /// Has the gain that `amount`, 0 to 1, means at the level of now within so many
    /// [`samples`](Self::advance), at least one. Real-time safe.
    pub fn glide(&mut self, amount: f32, samples: u32) {
        self.end = match amount > 0.0 {
            true => {
                let level_db = 20.0 * self.level.max(SILENCE).log10();
                10f64.powf(gain_db(f64::from(amount), level_db) / 20.0)
            }
            false => 1.0,
        };
        self.left = match self.end == self.gain {
            true => 0,
            false => samples.max(1),
        };
        self.step = (self.end - self.gain) / f64::from(self.left.max(1));
    }

    /// Whether it leaves all as it is until the next [`glide`](Self::glide). Real-time safe.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.left == 0 && self.gain == 1.0
    }

    /// Goes on by a sample, and returns the factor that it has. Real-time safe.
    #[must_use]
    pub fn advance(&mut self) -> f64 {
        if self.left > 0 {
            self.left -= 1;
            self.gain = match self.left {
                0 => self.end,
                _ => self.gain + self.step,
            };
        }
        self.gain
    }

    /// Hears a sample, the greatest magnitude of all channels. It must be finite. Real-time safe.
    pub fn hear(&mut self, peak: f64) {
        let way = peak - self.level;
        let share = if way > 0.0 { self.attack } else { self.release };
        self.level += share * way;
    }

    /// Forgets what it heard; no amount is left. Real-time safe.
    pub fn reset(&mut self) {
        (self.level, self.gain, self.left) = (0.0, 1.0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_keeps_one_level_and_has_its_ratio_and_a_knee() {
        for amount in [0.0, 0.3, 1.0] {
            assert_eq!(gain_db(amount, KEPT_DB), 0.0);
            // Above the knee; 10 dB more are 10 dB less what is taken.
            let taken = gain_db(amount, -10.0) - gain_db(amount, 0.0);
            assert!((taken - 7.5 * amount).abs() < 1e-9);
            // Below it all that is soft is as much louder.
            assert_eq!(gain_db(amount, -40.0), gain_db(amount, -120.0));
            assert!((gain_db(amount, -60.0) - 12.0 * amount).abs() < 1e-9);
        }
        let curve = |tenth: i32| f64::from(tenth) / 10.0 + gain_db(1.0, f64::from(tenth) / 10.0);
        // Nothing that is louder comes out softer, and there is no corner.
        let slopes: Vec<f64> = (-600..0).map(|at| curve(at + 1) - curve(at)).collect();
        assert!(slopes.iter().all(|slope| (0.024..0.101).contains(slope)));
        assert!(
            slopes
                .windows(2)
                .all(|pair| (pair[0] - pair[1]).abs() < 1e-3)
        );
    }

    #[test]
    fn a_steady_level_has_the_gain_of_the_curve_at_every_rate() {
        for host_rate in [8_000.0, 48_000.0, 192_000.0] {
            for level in [0.001, 0.02, 0.158_489, 1.0] {
                let mut compressor = Compressor::new(host_rate);
                let mut gain = 0.0;
                for index in 0..host_rate as usize {
                    if index.is_multiple_of(16) {
                        compressor.glide(0.8, 16);
                    }
                    gain = compressor.advance();
                    compressor.hear(level);
                }
                let found = 20.0 * gain.log10();
                let expected = gain_db(f64::from(0.8_f32), 20.0 * level.log10());
                assert!((found - expected).abs() < 0.01, "{found} {expected}");
            }
        }
    }

    #[test]
    fn it_rises_in_the_attack_and_falls_in_the_release() {
        let mut compressor = Compressor::new(48_000.0);
        for (seconds, peak, expected) in [
            (ATTACK, 1.0, 1.0 - (-1.0f64).exp()),
            (1.0, 1.0, 1.0),
            (RELEASE, 0.0, (-1.0f64).exp()),
        ] {
            for _ in 0..(seconds * 48_000.0) as usize {
                compressor.hear(peak);
            }
            let level = compressor.level;
            assert!((level - expected).abs() < 5e-3, "{level} {expected}");
        }
    }

    #[test]
    fn without_an_amount_it_is_idle_whatever_it_hears() {
        let mut compressor = Compressor::new(48_000.0);
        for index in 0..99 {
            compressor.glide(0.0, 16);
            assert!(compressor.is_idle());
            assert_eq!(compressor.advance(), 1.0);
            compressor.hear(f64::from(index));
        }
        compressor.glide(1.0, 16);
        assert!(!compressor.is_idle());
        compressor.reset();
        assert!(compressor.is_idle());
        assert_eq!((compressor.advance(), compressor.level), (1.0, 0.0));
    }
}
