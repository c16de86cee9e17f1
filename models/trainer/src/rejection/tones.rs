//! Plucked strings of no guitar in particular: decaying harmonics, so that other instruments than those
//! that were recorded are notes, too.

use rand::{Rng, RngExt};
use tocco_dsp::SAMPLE_RATE;

use crate::augmentation::log_uniform::log_uniform;

const RATE: f32 = SAMPLE_RATE as f32;

/// A stream of `n` tones, and when each begins, samples.
pub fn tones(n: usize, random: &mut impl Rng) -> (Vec<f32>, Vec<usize>) {
    let mut samples = Vec::new();
    let mut places = Vec::new();
    let mut at = (0.3 * RATE) as usize;
    for _ in 0..n {
        let ring_s = log_uniform((0.06, 1.0), random);
        samples.resize(at + (1.2 * RATE) as usize, 0.0);
        pluck(&mut samples[at..], ring_s, random);
        places.push(at);
        at += (log_uniform((0.1, 0.6), random) * RATE) as usize;
    }
    (samples, places)
}

/// Adds a tone that falls by 60 dB in about `ring_s` seconds.
fn pluck(samples: &mut [f32], ring_s: f32, random: &mut impl Rng) {
    let hertz = log_uniform((80.0, 1_200.0), random);
    let level = log_uniform((0.05, 0.5), random);
    let attack = log_uniform((0.0001, 0.004), random) * RATE;
    let partials = random.random_range(1..=20);
    // How fast the harmonics fall, with their number and with time.
    let (tilt, damping) = (
        random.random_range(0.0..=1.5),
        log_uniform((0.05, 1.0), random),
    );
    let stiffness = log_uniform((1e-6, 1e-4), random);
    for partial in 1..=partials {
        let k = partial as f32;
        let hertz = hertz * k * (1.0 + stiffness * k * k).sqrt();
        if hertz > 0.45 * RATE {
            break;
        }
        let turn = std::f32::consts::TAU * hertz / RATE;
        let phase = random.random_range(0.0..=std::f32::consts::TAU) * damping.min(1.0);
        let fall = 1000_f32.ln() * k.powf(damping) / (ring_s * RATE);
        let gain = level * k.powf(-tilt);
        for (i, sample) in samples.iter_mut().enumerate() {
            let t = i as f32;
            let envelope = (t / attack).min(1.0) * (-fall * t).exp();
            *sample += gain * envelope * (turn * t + phase).sin();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn tones_begin_where_they_are_said_to_and_decay() {
        let (samples, places) = tones(3, &mut ChaCha8Rng::seed_from_u64(1));
        let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>();
        assert_eq!(power(&samples[..places[0]]), 0.0);
        for place in &places {
            let (before, after) = (&samples[place - 480..*place], &samples[*place..place + 480]);
            assert!(power(after) > power(before));
        }
        let end = &samples[samples.len() - 480..];
        assert!(power(end) < 0.01 * power(&samples[places[0]..places[0] + 480]));
    }
}
