//! The simplest note there is, for tests that need to know where it begins and how loud it is.

use std::f32::consts::TAU;

use crate::SAMPLE_RATE;

/// Adds a decaying tone of 12 partials of `hertz`, which begins with a pick's click, to `samples` at
/// [`SAMPLE_RATE`] from `start` on.
///
/// # Panics
/// If `start` lies behind the end of `samples`.
pub fn add_tone(samples: &mut [f32], start: usize, hertz: f32, amplitude: f32) {
    for (i, sample) in samples[start..].iter_mut().enumerate() {
        let t = i as f32 / SAMPLE_RATE as f32;
        let tone: f32 = (1..13)
            .map(|k| {
                let k = k as f32;
                (TAU * hertz * k * t + k).sin() * (-3.0 * k * t).exp() / k
            })
            .sum();
        *sample += amplitude * tone;
    }
}
