//! A palm on the strings: open notes become muted ones.
//!
//! The hand at the bridge takes energy out of the string from the moment it is plucked, out of
//! high partials sooner than out of low ones. So a note is damped in time and frequency: after the
//! onset every frequency decays exponentially, by more dB a millisecond the higher it is.

use std::f32::consts::PI;

use rand::{Rng, RngExt};
use realfft::RealFftPlanner;

use super::level::amplitude;
use super::log_uniform::log_uniform;

/// Samples of a frame.
const FRAME: usize = 128;
/// Samples from one frame to the next.
const HOP: usize = 32;
/// No frequency falls by more than this, dB.
const DEEPEST_DB: f32 = 60.0;

/// How much a palm damps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PalmDamping {
    /// What every frequency loses, dB a millisecond.
    pub all_db: f32,
    /// What 1 kHz loses beside that, dB a millisecond.
    pub kilohertz_db: f32,
    /// How the latter grows with the frequency: its power.
    pub exponent: f32,
}

impl PalmDamping {
    /// A palm that rests lightly to firmly, drawn at random.
    pub fn draw(random: &mut impl Rng) -> Self {
        Self {
            all_db: log_uniform((0.1, 1.0), random),
            kilohertz_db: log_uniform((0.2, 3.0), random),
            exponent: random.random_range(0.6..=1.4),
        }
    }

    /// What `hertz` loses, dB a millisecond.
    fn loss_db(&self, hertz: f32) -> f32 {
        self.all_db + self.kilohertz_db * (hertz / 1000.0).powf(self.exponent)
    }

    /// Damps what comes after the sample `onset` of `samples`; short-time Fourier transform with
    /// frames of 128 samples under the root of a Hann window, before and after.
    pub fn apply(
        &self,
        samples: &mut [f32],
        onset: usize,
        sample_rate: f32,
        planner: &mut RealFftPlanner<f32>,
    ) {
        let forward = planner.plan_fft_forward(FRAME);
        let inverse = planner.plan_fft_inverse(FRAME);
        let window: Vec<f32> = (0..FRAME)
            .map(|i| (PI * (i as f32 + 0.5) / FRAME as f32).sin())
            .collect();
        // Squared sines at four overlapping frames sum to 2; the transforms multiply by FRAME.
        let scale = 1.0 / (2 * FRAME) as f32;
        let losses: Vec<f32> = (0..=FRAME / 2)
            .map(|bin| self.loss_db(bin as f32 * sample_rate / FRAME as f32))
            .collect();

        let padding = FRAME - HOP;
        let mut padded = vec![0.0; samples.len() + 2 * FRAME];
        padded[padding..][..samples.len()].copy_from_slice(samples);
        let mut damped = vec![0.0; padded.len()];
        let (mut frame, mut bins) = (forward.make_input_vec(), forward.make_output_vec());
        for start in (0..=padded.len() - FRAME).step_by(HOP) {
            for ((value, sample), weight) in frame.iter_mut().zip(&padded[start..]).zip(&window) {
                *value = sample * weight;
            }
            forward
                .process(&mut frame, &mut bins)
                .expect("the plan made these buffers");
            let middle = start as f32 + 0.5 * FRAME as f32 - (padding + onset) as f32;
            let milliseconds = 1000.0 * middle.max(0.0) / sample_rate;
            for (bin, loss) in bins.iter_mut().zip(&losses) {
                *bin *= scale * amplitude(-(loss * milliseconds).min(DEEPEST_DB));
            }
            inverse
                .process(&mut bins, &mut frame)
                .expect("real gains leave a real signal's spectrum one");
            for ((sum, value), weight) in damped[start..].iter_mut().zip(&frame).zip(&window) {
                *sum += value * weight;
            }
        }
        samples.copy_from_slice(&damped[padding..][..samples.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augmentation::level::power;

    fn tone(hertz: f32, n: usize) -> Vec<f32> {
        let step = 2.0 * PI * hertz / 48_000.0;
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn before_the_onset_nothing_changes() {
        let sound = tone(1_000.0, 2_000);
        let mut damped = sound.clone();
        let palm = PalmDamping {
            all_db: 1.0,
            kilohertz_db: 1.0,
            exponent: 1.0,
        };
        palm.apply(&mut damped, 1_000, 48_000.0, &mut RealFftPlanner::new());
        for (before, after) in sound[..900].iter().zip(&damped) {
            assert!((before - after).abs() < 1e-5, "{before} {after}");
        }
    }

    #[test]
    fn high_partials_decay_faster_and_all_by_their_rate() {
        let palm = PalmDamping {
            all_db: 0.5,
            kilohertz_db: 0.5,
            exponent: 1.0,
        };
        for (hertz, expected_db) in [(750.0, 0.875), (3_000.0, 2.0)] {
            let mut sound = tone(hertz, 2_000);
            palm.apply(&mut sound, 500, 48_000.0, &mut RealFftPlanner::new());
            // Ten milliseconds apart.
            let fall = power(&sound[1_200..1_328]) / power(&sound[720..848]);
            let rate = -10.0 * fall.log10() / 10.0;
            assert!((rate - expected_db).abs() < 0.1, "{rate} dB/ms at {hertz}");
        }
    }
}
