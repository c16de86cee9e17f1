//! Bursts of noise: hands that clap, paper and clothes.

use rand::{Rng, RngExt};

use super::RATE;
use super::impacts::add;
use super::resonator::Resonator;
use crate::augmentation::log_uniform::log_uniform;

/// A burst of noise through `bands` that decays by 60 dB in `decay_s` after an attack.
fn burst(bands: &mut [Resonator], attack_s: f32, decay_s: f32, random: &mut impl Rng) -> Vec<f32> {
    let n = ((attack_s + decay_s) * RATE) as usize + 1;
    let fall = (-(1000_f32.ln()) / (decay_s * RATE)).exp();
    let attack = (attack_s * RATE).max(1.0);
    let mut level = 1.0;
    (0..n)
        .map(|i| {
            let rise = (i as f32 / attack).min(1.0);
            level *= if rise < 1.0 { 1.0 } else { fall };
            let noise = random.random_range(-1.0..=1.0_f32) * rise * level;
            bands.iter_mut().map(|band| band.step(noise)).sum()
        })
        .collect()
}

/// Palms on each other: they touch at several places within some milliseconds. One or several claps.
pub fn clap(random: &mut impl Rng) -> Vec<f32> {
    let hertz = log_uniform((500.0, 3_000.0), random);
    let mut bands = [
        Resonator::new(hertz, hertz * random.random_range(0.3..=1.2)),
        Resonator::new(2.6 * hertz, 2.0 * hertz),
    ];
    let decay_s = log_uniform((0.02, 0.15), random);
    let gap_s = log_uniform((0.12, 0.6), random);
    let mut samples = Vec::new();
    for clap in 0..random.random_range(1..=5) {
        let at = (clap as f32 * gap_s * random.random_range(0.9..=1.1_f32) * RATE) as usize;
        let mut touch = at;
        for _ in 0..random.random_range(1..=4) {
            let attack_s = log_uniform((0.0001, 0.002), random);
            let decay_s = decay_s * log_uniform((0.4, 1.0), random);
            let one = burst(&mut bands, attack_s, decay_s, random);
            add(&mut samples, touch, &one, log_uniform((0.2, 1.0), random));
            touch += (log_uniform((0.001, 0.015), random) * RATE) as usize;
        }
    }
    samples
}

/// Many small bursts of high noise.
pub fn rustle(random: &mut impl Rng) -> Vec<f32> {
    let length_s = log_uniform((0.1, 1.2), random);
    let a_second = log_uniform((15.0, 400.0), random);
    let lowest = log_uniform((800.0, 4_000.0), random);
    let decay_s = log_uniform((0.002, 0.03), random);
    let mut samples = vec![0.0; (length_s * RATE) as usize];
    for _ in 0..(length_s * a_second) as usize + 1 {
        let hertz = log_uniform((lowest, 4.0 * lowest), random);
        let mut bands = [Resonator::new(hertz, 0.5 * hertz)];
        let one = burst(&mut bands, 0.0005, decay_s, random);
        let at = random.random_range(0..samples.len());
        add(&mut samples, at, &one, log_uniform((0.03, 1.0), random));
    }
    samples
}
