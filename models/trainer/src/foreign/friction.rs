//! What slides, rubs, creaks and blows: noise and pulses under envelopes that wander.

use rand::{Rng, RngExt};

use super::RATE;
use super::resonator::Resonator;
use crate::augmentation::log_uniform::log_uniform;

/// A curve over `n` samples that goes through random heights, so many a second, in straight lines.
fn wandering(n: usize, a_second: f32, random: &mut impl Rng) -> Vec<f32> {
    let step = (RATE / a_second).max(1.0);
    let knots: Vec<f32> = (0..(n as f32 / step) as usize + 2)
        .map(|_| random.random_range(0.0..=1.0_f32))
        .collect();
    let value = |i: usize| {
        let place = i as f32 / step;
        let (knot, past) = (place as usize, place.fract());
        knots[knot] + past * (knots[knot + 1] - knots[knot])
    };
    (0..n).map(value).collect()
}

/// Raises the beginning of `samples` out of silence, and lets the end fall.
fn fade(samples: &mut [f32], attack_s: f32, release_s: f32) {
    let n = samples.len();
    for (i, sample) in samples.iter_mut().enumerate() {
        let rise = (i as f32 / (attack_s * RATE).max(1.0)).min(1.0);
        let fall = ((n - i) as f32 / (release_s * RATE).max(1.0)).min(1.0);
        *sample *= rise * fall;
    }
}

/// Cloth or skin: noise of a wide band that comes in strokes.
pub fn rub(random: &mut impl Rng) -> Vec<f32> {
    let n = (log_uniform((0.08, 1.2), random) * RATE) as usize;
    let strokes = wandering(n, log_uniform((3.0, 25.0), random), random);
    let grain = wandering(n, log_uniform((60.0, 2_000.0), random), random);
    let (low, high) = (
        log_uniform((80.0, 1_500.0), random),
        log_uniform((1_000.0, 8_000.0), random),
    );
    let mut bands = [
        Resonator::new(low, low * random.random_range(0.5..=1.5)),
        Resonator::new(high, high * random.random_range(0.4..=1.2)),
    ];
    let bright = log_uniform((0.02, 1.0), random);
    let mut samples: Vec<f32> = (strokes.iter().zip(&grain))
        .map(|(stroke, grain)| {
            let noise = random.random_range(-1.0..=1.0_f32) * stroke * stroke * grain * grain;
            bands[0].step(noise) + bright * bands[1].step(noise)
        })
        .collect();
    let attack_s = log_uniform((0.001, 0.1), random);
    fade(&mut samples, attack_s, 0.05);
    samples
}

/// Stick and slip: pulses whose rate wanders, through a few resonances.
pub fn creak(random: &mut impl Rng) -> Vec<f32> {
    let n = (log_uniform((0.1, 1.0), random) * RATE) as usize;
    let rate = wandering(n, log_uniform((2.0, 12.0), random), random);
    let level = wandering(n, log_uniform((4.0, 30.0), random), random);
    let slowest = log_uniform((15.0, 150.0), random);
    let range = log_uniform((1.5, 8.0), random);
    let mut bodies: Vec<Resonator> = (0..random.random_range(2..=6))
        .map(|_| {
            let hertz = log_uniform((150.0, 5_000.0), random);
            Resonator::ringing(hertz, log_uniform((0.005, 0.08), random))
        })
        .collect();
    let mut phase = 0.0;
    let mut samples: Vec<f32> = (rate.iter().zip(&level))
        .map(|(rate, level)| {
            phase += slowest * range.powf(*rate) / RATE;
            let mut pulse = 0.0;
            if phase >= 1.0 {
                phase = random.random_range(0.0..=0.2_f32);
                pulse = level * random.random_range(0.5..=1.0_f32);
            }
            bodies.iter_mut().map(|body| body.strike(pulse)).sum()
        })
        .collect();
    fade(&mut samples, log_uniform((0.001, 0.05), random), 0.05);
    samples
}

/// A finger along a wound string: noise and a harmonic tone whose pitch follows the finger's speed.
pub fn squeak(random: &mut impl Rng) -> Vec<f32> {
    let n = (log_uniform((0.03, 0.5), random) * RATE) as usize;
    let pitch = log_uniform((300.0, 3_500.0), random);
    let glide = log_uniform((0.4, 2.5), random);
    let tone = random.random_range(0.0..=1.0_f32);
    let grit = wandering(n, log_uniform((20.0, 300.0), random), random);
    let mut bands = [Resonator::default(); 3];
    let mut body = Resonator::new(
        log_uniform((150.0, 2_000.0), random),
        log_uniform((100.0, 800.0), random),
    );
    let body_level = log_uniform((0.05, 1.0), random);
    let mut phase = 0.0_f32;
    let mut samples: Vec<f32> = (0..n)
        .map(|i| {
            let past = i as f32 / n as f32;
            // Fastest in the middle.
            let speed = (std::f32::consts::PI * past).sin().max(0.05);
            let hertz = pitch * glide.powf(past) * (0.6 + 0.4 * speed);
            if i % 16 == 0 {
                for (k, band) in bands.iter_mut().enumerate() {
                    let hertz = hertz * (k + 1) as f32;
                    band.tune(hertz, 0.15 * hertz);
                }
            }
            phase = (phase + hertz / RATE).fract();
            let saw = 2.0 * phase - 1.0;
            let noise = random.random_range(-1.0..=1.0_f32);
            let source = speed * (0.3 + 0.7 * grit[i]) * (tone * saw + (1.0 - tone) * noise);
            let sound: f32 = bands.iter_mut().map(|band| band.step(source)).sum();
            sound + body_level * body.step(source)
        })
        .collect();
    fade(&mut samples, log_uniform((0.001, 0.06), random), 0.02);
    samples
}

/// Air on the microphone: low noise that swells.
pub fn wind(random: &mut impl Rng) -> Vec<f32> {
    let n = (log_uniform((0.2, 1.5), random) * RATE) as usize;
    let gusts = wandering(n, log_uniform((2.0, 40.0), random), random);
    let hertz = log_uniform((30.0, 400.0), random);
    let mut low = Resonator::new(hertz, 2.0 * hertz);
    let mut high = Resonator::new(hertz * 8.0, hertz * 8.0);
    let hiss = log_uniform((0.005, 0.3), random);
    let mut samples: Vec<f32> = (gusts.iter())
        .map(|gust| {
            let noise = random.random_range(-1.0..=1.0_f32) * gust * gust;
            low.step(noise) + hiss * high.step(noise)
        })
        .collect();
    fade(&mut samples, log_uniform((0.002, 0.2), random), 0.1);
    samples
}
