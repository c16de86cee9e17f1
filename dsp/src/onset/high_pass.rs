//! What a microphone picks up below the guitar is kept from the onset detector.

use std::f64::consts::{PI, SQRT_2};

use crate::{HOP, SAMPLE_RATE};

/// The cutoff, hertz: under the low E string's 82 Hz.
const CUTOFF_HZ: f64 = 60.0;

/// A Butterworth high-pass of second order by the bilinear transform, in transposed direct form.
///
/// It starts settled: as if the first sample had sounded forever, so that a constant is never
/// heard. Double precision, since its poles lie close to 1.
pub(super) struct HighPass {
    gain: f64,
    a1: f64,
    a2: f64,
    /// `None` until the first sample.
    state: Option<[f64; 2]>,
}

impl HighPass {
    pub(super) fn new() -> Self {
        let k = (PI * CUTOFF_HZ / f64::from(SAMPLE_RATE)).tan();
        let norm = 1.0 + SQRT_2 * k + k * k;
        Self {
            gain: 1.0 / norm,
            a1: 2.0 * (k * k - 1.0) / norm,
            a2: (1.0 - SQRT_2 * k + k * k) / norm,
            state: None,
        }
    }

    /// The next hop, which must be finite, filtered. Real-time safe.
    pub(super) fn process(&mut self, hop: &[f32; HOP]) -> [f32; HOP] {
        let settled = f64::from(hop[0]) * self.gain;
        let [mut first, mut second] = self.state.unwrap_or([-settled, settled]);
        let filtered = hop.map(|sample| {
            let x = f64::from(sample) * self.gain;
            let y = x + first;
            first = second - 2.0 * x - self.a1 * y;
            second = x - self.a2 * y;
            y as f32
        });
        self.state = Some([first, second]);
        filtered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a sine's level after it has run in, dB.
    fn response_db(hertz: f64) -> f64 {
        let mut filter = HighPass::new();
        let sine = |i: usize| (2.0 * PI * hertz * i as f64 / 48_000.0).sin() as f32;
        let samples: Vec<f32> = (0..96_000).map(sine).collect();
        let hops = samples.as_chunks().0.iter();
        let filtered: Vec<f32> = hops.flat_map(|hop| filter.process(hop)).collect();
        let power: f32 = filtered[48_000..].iter().map(|x| x * x).sum();
        10.0 * f64::from(power / 24_000.0).log10()
    }

    #[test]
    fn it_is_a_butterworth_high_pass() {
        for hertz in [15.0, 30.0, 60.0, 120.0, 1_000.0] {
            let expected = -10.0 * (1.0 + (CUTOFF_HZ / hertz).powi(4)).log10();
            let found = response_db(hertz);
            assert!((found - expected).abs() < 0.1, "{hertz} Hz: {found} dB");
        }
    }

    #[test]
    fn a_constant_is_never_heard() {
        let mut filter = HighPass::new();
        for _ in 0..100 {
            let loudest = filter.process(&[0.7; HOP]).map(f32::abs);
            assert!(loudest.iter().all(|x| *x < 1e-6));
        }
    }
}
