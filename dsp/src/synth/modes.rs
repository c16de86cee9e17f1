//! Vibration modes: what a body or a string does with a push.

use std::f64::consts::TAU;

use crate::SAMPLE_RATE;

/// One mode of vibration: its answer to a short push is a decaying sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// Frequency, Hz.
    pub frequency_hz: f64,
    /// Time in which the vibration falls to 1/e, seconds.
    pub decay_s: f64,
    /// Amplitude of the sine that a push of total 1 leaves behind.
    pub gain: f64,
}

/// Adds the answer of `modes` to `force` (zero after its end) to `out`.
pub fn add_response(modes: &[Mode], force: &[f64], out: &mut [f64]) {
    for mode in modes {
        let rate = f64::from(SAMPLE_RATE);
        let radius = (-1.0 / (mode.decay_s * rate)).exp();
        let angle = TAU * mode.frequency_hz / rate;
        let (a1, a2) = (2.0 * radius * angle.cos(), -radius * radius);
        let b = mode.gain * radius * angle.sin();
        let (mut y1, mut y2) = (0.0, 0.0);
        let forces = force.iter().copied().chain(std::iter::repeat(0.0));
        for (sample, force) in out.iter_mut().zip(forces) {
            let y = a1 * y1 + a2 * y2 + b * force;
            (y1, y2) = (y, y1);
            *sample += y;
        }
    }
}

/// A smooth push of total 1 that takes `width_s` seconds: rises in the first `skew` of the time
/// and falls in the rest, both as half a cosine.
pub fn push(width_s: f64, skew: f64) -> Vec<f64> {
    let length = ((width_s * f64::from(SAMPLE_RATE)) as usize).max(4);
    let rise = ((length as f64 * skew) as usize).clamp(1, length - 1);
    let half_cosine =
        |i: usize, n: usize| 0.5 - 0.5 * (std::f64::consts::PI * (i as f64 + 0.5) / n as f64).cos();
    let mut push: Vec<f64> = (0..rise)
        .map(|i| half_cosine(i, rise))
        .chain(
            (0..length - rise)
                .rev()
                .map(|i| half_cosine(i, length - rise)),
        )
        .collect();
    let total: f64 = push.iter().sum();
    push.iter_mut().for_each(|value| *value /= total);
    push
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_of_one_sample_leaves_a_decaying_sine() {
        let mode = Mode {
            frequency_hz: 1_000.0,
            decay_s: 0.01,
            gain: 0.5,
        };
        let mut out = vec![0.0; 2_000];
        add_response(&[mode], &[1.0], &mut out);
        for (n, sample) in out.iter().enumerate() {
            let t = (n + 1) as f64 / f64::from(SAMPLE_RATE);
            let expected = 0.5 * (-t / 0.01).exp() * (TAU * 1_000.0 * t).sin();
            assert!((sample - expected).abs() < 1e-9, "sample {n}");
        }
    }

    #[test]
    fn a_push_totals_one_and_peaks_where_told() {
        let push = push(0.010, 0.25);
        assert_eq!(push.len(), 480);
        assert!((push.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let peak = push.iter().copied().fold(0.0, f64::max);
        let at = push.iter().position(|value| *value == peak).unwrap();
        assert!(at.abs_diff(120) <= 1, "{at}");
    }
}
