//! The set of our own: one sound a technique, from sines, noise and a plucked string.
//!
//! The string is Karplus and Strong's ("Digital Synthesis of Plucked-String and Drum Timbres",
//! Computer Music Journal 7(2), 1983): a delay line full of noise whose neighbours are averaged as
//! it goes round.

use std::f64::consts::TAU;

use tocco_dsp::Technique;

/// Peak of each sound, full scale 1: as loud as a hard hit of the guitar.
pub const PEAK: f32 = 0.5;

/// Longest sound, seconds.
pub const LONGEST: f64 = 1.2;

/// Seconds at the end of a sound in which it fades out.
const FADE: f64 = 0.01;

/// The sound of a technique at `rate` Hz. The same every time. Allocates.
#[must_use]
pub fn render(technique: Technique, rate: f64) -> Vec<f32> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ technique as u64);
    let mut samples: Vec<f64> = match technique {
        Technique::Kick => {
            let mut drum = sweep(rate, 0.35, 165.0, 48.0, 0.035, 0.11);
            add(&mut drum, &burst(rate, 0.008, 0.35, 0.002, &mut noise));
            drum
        }
        Technique::Tom => {
            let mut drum = sweep(rate, 0.45, 230.0, 118.0, 0.06, 0.13);
            add(&mut drum, &burst(rate, 0.01, 0.15, 0.003, &mut noise));
            drum
        }
        Technique::Snare1 => {
            let mut drum = sweep(rate, 0.25, 260.0, 185.0, 0.02, 0.05);
            let rattle = burst(rate, 0.25, 0.9, 0.055, &mut noise);
            add(&mut drum, &brightened(&rattle, 0.85));
            drum
        }
        Technique::Snare2 => {
            // Four hands, one after the other.
            let mut clap = vec![0.0; (0.3 * rate) as usize];
            for (start, decay) in [(0.0, 0.004), (0.009, 0.004), (0.019, 0.004), (0.028, 0.06)] {
                let hand = burst(rate, 0.25, 1.0, decay, &mut noise);
                let start = (start * rate) as usize;
                add(&mut clap[start..], &brightened(&hand, 0.6));
            }
            clap
        }
        Technique::NaturalHarmonics => {
            let mut bell = vec![0.0; (LONGEST * rate) as usize];
            for (ratio, level, decay) in [
                (1.0, 1.0, 0.40),
                (2.0, 0.6, 0.30),
                (3.0, 0.25, 0.20),
                (4.16, 0.3, 0.12),
                (5.43, 0.15, 0.07),
            ] {
                let partial = sweep(rate, LONGEST, 880.0 * ratio, 880.0 * ratio, 1.0, decay);
                let partial: Vec<f64> = partial.iter().map(|sample| level * sample).collect();
                add(&mut bell, &partial);
            }
            bell
        }
        Technique::PalmMute => string(rate, 0.3, 98.0, 0.25, 0.06, &mut noise),
        Technique::PickNearBridge => string(rate, 0.8, 293.7, 0.9, 0.25, &mut noise),
        Technique::PickOverSoundHole => string(rate, LONGEST, 196.0, 0.5, 0.45, &mut noise),
    };
    let fade = (FADE * rate) as usize;
    for (left, sample) in samples.iter_mut().rev().take(fade).enumerate() {
        *sample *= left as f64 / fade as f64;
    }
    let peak = samples
        .iter()
        .fold(0.0f64, |peak, sample| peak.max(sample.abs()));
    let gain = f64::from(PEAK) / peak.max(1e-9);
    samples
        .iter()
        .map(|sample| (gain * sample) as f32)
        .collect()
}

/// Marsaglia's xorshift: noise from -1 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A sine that falls from one frequency to another in about `glide` seconds and dies away in about
/// `decay`.
fn sweep(rate: f64, seconds: f64, from: f64, to: f64, glide: f64, decay: f64) -> Vec<f64> {
    let mut phase = 0.0;
    (0..(seconds * rate) as usize)
        .map(|i| {
            let t = i as f64 / rate;
            let frequency = to + (from - to) * (-t / glide).exp();
            phase += TAU * frequency / rate;
            // Begun within half a millisecond: no click of its own.
            phase.sin() * (-t / decay).exp() * (t / 0.0005).min(1.0)
        })
        .collect()
}

/// Noise that dies away.
fn burst(rate: f64, seconds: f64, level: f64, decay: f64, noise: &mut Noise) -> Vec<f64> {
    (0..(seconds * rate) as usize)
        .map(|i| level * noise.next() * (-(i as f64) / rate / decay).exp())
        .collect()
}

/// Without so much of its lows: `share` of the sample before is taken away.
fn brightened(samples: &[f64], share: f64) -> Vec<f64> {
    let mut last = 0.0;
    let differences = samples.iter().map(|sample| {
        let difference = sample - share * last;
        last = *sample;
        difference
    });
    differences.collect()
}

/// A plucked string; `bright` from 0 to 1.
fn string(
    rate: f64,
    seconds: f64,
    pitch: f64,
    bright: f64,
    decay: f64,
    noise: &mut Noise,
) -> Vec<f64> {
    let period = ((rate / pitch) as usize).max(2);
    let mut line: Vec<f64> = (0..period).map(|_| noise.next()).collect();
    // A softer pick: the noise without its edges, more often where there are more samples.
    let rounds = ((1.0 - bright) * rate / 6_000.0) as usize + 1;
    for _ in 0..rounds {
        for i in 0..period {
            line[i] = (line[i] + line[(i + 1) % period]) / 2.0;
        }
    }
    // Each place comes round once a period.
    let loss = (-(period as f64) / (decay * rate)).exp();
    (0..(seconds * rate) as usize)
        .map(|i| {
            let at = i % period;
            let sample = line[at];
            line[at] = loss * (sample + line[(at + 1) % period]) / 2.0
                + loss * bright * 0.3 * (sample - line[(at + 1) % period]) / 2.0;
            sample
        })
        .collect()
}

fn add(to: &mut [f64], from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_technique_has_a_sound_of_its_own_at_every_rate() {
        for rate in [8_000.0, 44_100.0, 48_000.0, 192_000.0] {
            let sounds = Technique::ALL.map(|technique| render(technique, rate));
            for (technique, sound) in Technique::ALL.into_iter().zip(&sounds) {
                assert!(sound.len() <= (LONGEST * rate) as usize);
                assert!(sound.len() > (0.1 * rate) as usize);
                let peak = sound.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
                assert!(
                    (peak - PEAK).abs() < 1e-3,
                    "{technique} at {rate} Hz: {peak}"
                );
                assert!(sound.iter().all(|sample| sample.is_finite()));
                assert_eq!(sound.last(), Some(&0.0));
                // It is there at once, and softer at its end.
                let energy = |part: &[f32]| part.iter().map(|s| s * s).sum::<f32>();
                let half = sound.len() / 2;
                let (first, last) = (energy(&sound[..half]), energy(&sound[half..]));
                assert!(
                    first > 3.0 * last,
                    "{technique} at {rate} Hz: {first}, {last}"
                );
                assert!(energy(&sound[..(0.02 * rate) as usize]) > 0.02 * first);
                assert_eq!(*sound, render(technique, rate), "the same every time");
            }
            for (i, sound) in sounds.iter().enumerate() {
                assert!(!sounds[..i].contains(sound));
            }
        }
    }
}
