//! The resonance that all foreign sounds are made of.

use std::f32::consts::TAU;

use super::RATE;

/// A digital resonator of two poles, its gain 1 at the resonance (Klatt 1980, "Software for a
/// cascade/parallel formant synthesizer", for the poles; there the gain is 1 at 0 Hz).
#[derive(Debug, Clone, Copy, Default)]
pub struct Resonator {
    gain: f32,
    a: f32,
    b: f32,
    earlier: [f32; 2],
}

impl Resonator {
    /// At `hertz` with the bandwidth `width_hz`.
    pub fn new(hertz: f32, width_hz: f32) -> Self {
        let mut resonator = Self::default();
        resonator.tune(hertz, width_hz);
        resonator
    }

    /// One that a blow lets ring for `decay_s` seconds until 60 dB are gone.
    pub fn ringing(hertz: f32, decay_s: f32) -> Self {
        // exp(-pi width t) is a thousandth then.
        Self::new(hertz, 1000_f32.ln() / (std::f32::consts::PI * decay_s))
    }

    /// Moves it while it sounds.
    pub fn tune(&mut self, hertz: f32, width_hz: f32) {
        let hertz = hertz.clamp(10.0, 0.45 * RATE);
        let radius = (-std::f32::consts::PI * width_hz / RATE).exp();
        self.a = 2.0 * radius * (TAU * hertz / RATE).cos();
        self.b = -radius * radius;
        let turn = TAU * hertz / RATE;
        // The distance of the poles from the resonance on the unit circle.
        let near = 1.0 - radius;
        let far = (1.0 - 2.0 * radius * (2.0 * turn).cos() + radius * radius).sqrt();
        self.gain = near * far;
    }

    /// The next sample.
    pub fn step(&mut self, input: f32) -> f32 {
        let output = self.gain * input + self.a * self.earlier[0] + self.b * self.earlier[1];
        self.earlier = [output, self.earlier[0]];
        output
    }

    /// The next sample, a unit blow counting as one of the same height at any bandwidth.
    pub fn strike(&mut self, input: f32) -> f32 {
        let gain = self.gain.max(1e-9);
        self.step(input / gain) * 0.1
    }
}
