//! What strikes something that is no guitar: feet, knuckles, switches, keys.

use rand::{Rng, RngExt};

use super::RATE;
use super::resonator::Resonator;
use crate::augmentation::log_uniform::log_uniform;

/// A resonance that is struck.
struct Mode {
    hertz: f32,
    decay_s: f32,
    gain: f32,
}

/// The sound of `modes` when a force of `contact_s` seconds strikes them `tremble` roughly.
fn struck(modes: &[Mode], contact_s: f32, tremble: f32, random: &mut impl Rng) -> Vec<f32> {
    let longest = modes.iter().fold(0.0_f32, |l, mode| l.max(mode.decay_s));
    let n = ((contact_s + longest).min(1.5) * RATE) as usize + 16;
    let contact = (contact_s * RATE).max(1.0);
    let force: Vec<f32> = (0..contact as usize + 1)
        .map(|i| {
            let half_wave = (std::f32::consts::PI * (i as f32 + 0.5) / (contact + 1.0)).sin();
            half_wave * (1.0 + tremble * random.random_range(-1.0..=1.0_f32)) / contact
        })
        .collect();
    let mut samples = vec![0.0; n];
    for mode in modes {
        let mut resonator = Resonator::ringing(mode.hertz, mode.decay_s);
        for (i, sample) in samples.iter_mut().enumerate() {
            let force = force.get(i).copied().unwrap_or(0.0);
            *sample += mode.gain * resonator.strike(force);
        }
    }
    samples
}

fn modes(n: usize, hertz: (f32, f32), decay_s: (f32, f32), random: &mut impl Rng) -> Vec<Mode> {
    let mut mode = || Mode {
        hertz: log_uniform(hertz, random),
        decay_s: log_uniform(decay_s, random),
        gain: random.random_range(-1.0..=1.0),
    };
    (0..n).map(|_| mode()).collect()
}

/// A soft and heavy blow: it swells for some milliseconds, and there is little above some hundred hertz.
pub fn thump(random: &mut impl Rng) -> Vec<f32> {
    let n = random.random_range(1..=5);
    let lowest = log_uniform((20.0, 70.0), random);
    let modes = modes(n, (lowest, 6.0 * lowest), (0.04, 0.5), random);
    let contact_s = log_uniform((0.006, 0.06), random);
    let tremble = log_uniform((0.01, 1.0), random);
    struck(&modes, contact_s, tremble, random)
}

/// A hard blow on wood, plastic or a table, one or several.
pub fn knock(random: &mut impl Rng) -> Vec<f32> {
    let n = random.random_range(4..=20);
    let lowest = log_uniform((120.0, 900.0), random);
    let highest = lowest * log_uniform((4.0, 20.0), random);
    let decay_s = log_uniform((0.02, 0.2), random);
    let modes = modes(n, (lowest, highest), (0.3 * decay_s, decay_s), random);
    let contact_s = log_uniform((0.0003, 0.006), random);
    let gap = (log_uniform((0.05, 0.4), random) * RATE) as usize;
    let mut samples = Vec::new();
    for i in 0..random.random_range(1..=4) {
        let one = struck(&modes, contact_s, 0.3, random);
        add(&mut samples, i * gap, &one, log_uniform((0.3, 1.0), random));
    }
    samples
}

/// A switch, a plug, a crackle: pulses and very short resonances.
pub fn click(random: &mut impl Rng) -> Vec<f32> {
    let mut samples = Vec::new();
    let mut at = 0;
    for _ in 0..random.random_range(1..=5) {
        let n = random.random_range(1..=4);
        let modes = modes(n, (700.0, 14_000.0), (0.001, 0.02), random);
        let mut one = struck(&modes, log_uniform((0.00003, 0.001), random), 0.5, random);
        if random.random_bool(0.3) {
            // A plug's jump, which a coupling capacitor lets decay.
            let decay = (-1.0 / (log_uniform((0.002, 0.05), random) * RATE)).exp();
            one.resize((0.15 * RATE) as usize, 0.0);
            let peak = one.iter().fold(1e-6_f32, |peak, s| peak.max(s.abs()));
            let mut jump = peak * log_uniform((0.3, 3.0), random);
            for sample in &mut one {
                *sample += jump;
                jump *= decay;
            }
        }
        add(&mut samples, at, &one, log_uniform((0.2, 1.0), random));
        at += (log_uniform((0.01, 0.3), random) * RATE) as usize;
    }
    samples
}

/// Small metal or glass, mostly many at a time.
pub fn jingle(random: &mut impl Rng) -> Vec<f32> {
    let n = random.random_range(3..=9);
    let lowest = log_uniform((1_200.0, 5_000.0), random);
    let modes = modes(n, (lowest, 16_000.0), (0.03, 0.6), random);
    let mut samples = Vec::new();
    let mut at = 0;
    let mean_gap_s = log_uniform((0.02, 0.2), random);
    for _ in 0..random.random_range(1..=12) {
        let one = struck(&modes, log_uniform((0.00005, 0.0005), random), 0.3, random);
        add(&mut samples, at, &one, log_uniform((0.05, 1.0), random));
        at += (mean_gap_s * random.random_range(0.2..=1.8_f32) * RATE) as usize;
    }
    samples
}

/// Adds `one` at the sample `at`, and makes room for it.
pub(super) fn add(samples: &mut Vec<f32>, at: usize, one: &[f32], gain: f32) {
    samples.resize(samples.len().max(at + one.len()), 0.0);
    for (sample, value) in samples[at..].iter_mut().zip(one) {
        *sample += gain * value;
    }
}
