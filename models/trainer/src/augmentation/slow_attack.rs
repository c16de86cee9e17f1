//! Attacks of other guitars: the same note rises more slowly.
//!
//! The strings of one guitar and pick reach half of their peak a millisecond after the onset, those of
//! another after three to six. A note is faded in from its onset on.

use std::f32::consts::PI;

use rand::Rng;

use super::log_uniform::log_uniform;

/// From what range the time to half of the amplitude is drawn, seconds.
const HALF_S: (f32, f32) = (0.001, 0.006);

/// How slowly a note rises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowAttack {
    /// When the gain is one half, seconds after the onset; it rises as a sine does, and is 1 after twice
    /// that time.
    pub half_s: f32,
}

impl SlowAttack {
    /// One drawn at random, evenly on a logarithmic scale.
    pub fn draw(random: &mut impl Rng) -> Self {
        Self {
            half_s: log_uniform(HALF_S, random),
        }
    }

    /// Fades `samples` in from the sample `onset` on; what lies before it falls silent.
    pub fn apply(&self, samples: &mut [f32], onset: usize, sample_rate: f32) {
        let rise = 2.0 * self.half_s * sample_rate;
        for (i, sample) in samples.iter_mut().enumerate() {
            let past = (i as f32 - onset as f32) / rise;
            if past >= 1.0 {
                break;
            }
            *sample *= 0.5 - 0.5 * (PI * past.max(0.0)).cos();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_it_is_there_after_the_time_and_all_after_twice() {
        let mut samples = vec![1.0; 1_000];
        SlowAttack { half_s: 0.004 }.apply(&mut samples, 100, 48_000.0);
        assert!(samples[..=100].iter().all(|s| *s == 0.0));
        assert!((samples[100 + 192] - 0.5).abs() < 1e-4);
        assert!(samples[100..484].is_sorted());
        assert!(samples[484..].iter().all(|s| *s == 1.0));
    }
}
