//! Colours of guitars and microphones: a chain of minimum-phase filters.

use std::f32::consts::TAU;

use rand::{Rng, RngExt};

use super::level::amplitude;
use super::log_uniform::log_uniform;

/// The highest shelf, as a share of the sample rate: near half of it a shelf has nothing left to act on,
/// and above it would not be stable.
const HIGHEST: f32 = 0.45;

/// Between which bounds the filters of an [`Equaliser`] are drawn, each evenly in dB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EqualiserRange {
    /// Slope of the whole spectrum, at most so many dB an octave up or down.
    pub tilt_db: f32,
    /// Two to six bells, each at most so many dB up or down.
    pub bell_db: f32,
    /// A shelf at the low and one at the high end, each at most so many dB up or down.
    pub shelf_db: f32,
}

/// Filters one after the other.
#[derive(Debug, Clone, Default)]
pub struct Equaliser {
    sections: Vec<Biquad>,
    sample_rate: f32,
}

impl Equaliser {
    /// No filters yet, for sound at `sample_rate` Hz.
    pub fn new(sample_rate: f32) -> Self {
        Self {
            sections: Vec::new(),
            sample_rate,
        }
    }

    /// Filters drawn from `range`.
    pub fn draw(range: &EqualiserRange, sample_rate: f32, random: &mut impl Rng) -> Self {
        let mut any = |limit: f32| random.random_range(-limit..=limit);
        let (tilt, low, high) = (any(range.tilt_db), any(range.shelf_db), any(range.shelf_db));
        let mut equaliser = Self::new(sample_rate);
        equaliser.tilt(tilt);
        equaliser.high_shelf(log_uniform((80.0, 400.0), random), low);
        equaliser.high_shelf(log_uniform((2_000.0, 10_000.0), random), high);
        for _ in 0..random.random_range(2..=6) {
            let hertz = log_uniform((80.0, 12_000.0), random);
            let quality = log_uniform((0.5, 3.0), random);
            let db = random.random_range(-range.bell_db..=range.bell_db);
            equaliser.bell(hertz, quality, db);
        }
        equaliser
    }

    /// Adds a slope of `db` an octave: shelves of `db`, an octave apart.
    pub fn tilt(&mut self, db: f32) {
        for octave in 0..9 {
            self.high_shelf(62.5 * 2_f32.powi(octave), db);
        }
    }

    /// Adds a shelf of first order: unchanged far below `hertz`, `db` far above, half of it there. From
    /// 0.45 of the sample rate on nothing is added.
    ///
    /// Bilinear transform of (sqrt(g) s + w) / (s / sqrt(g) + w).
    pub fn high_shelf(&mut self, hertz: f32, db: f32) {
        if hertz >= HIGHEST * self.sample_rate {
            return;
        }
        let root = amplitude(db).sqrt();
        let k = (0.5 * TAU * hertz / self.sample_rate).tan();
        let a0 = 1.0 / root + k;
        self.sections.push(Biquad {
            b: [(root + k) / a0, (k - root) / a0, 0.0],
            a: [(k - 1.0 / root) / a0, 0.0],
        });
    }

    /// Adds a bell of `db` at `hertz` (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad
    /// filter coefficients", peaking EQ).
    pub fn bell(&mut self, hertz: f32, quality: f32, db: f32) {
        let root = amplitude(db).sqrt();
        let w = TAU * hertz / self.sample_rate;
        let alpha = w.sin() / (2.0 * quality);
        let a0 = 1.0 + alpha / root;
        self.sections.push(Biquad {
            b: [
                (1.0 + alpha * root) / a0,
                -2.0 * w.cos() / a0,
                (1.0 - alpha * root) / a0,
            ],
            a: [-2.0 * w.cos() / a0, (1.0 - alpha / root) / a0],
        });
    }

    /// Filters `samples` in place, from rest.
    pub fn apply(&self, samples: &mut [f32]) {
        for section in &self.sections {
            section.apply(samples);
        }
    }
}

/// A section of second order; the leading coefficient of the denominator is 1.
#[derive(Debug, Clone, Copy)]
struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
}

impl Biquad {
    /// Transposed direct form II.
    fn apply(&self, samples: &mut [f32]) {
        let [b0, b1, b2] = self.b;
        let [a1, a2] = self.a;
        let (mut s1, mut s2) = (0.0, 0.0);
        for sample in samples {
            let x = *sample;
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain at `hertz`, dB.
    fn gain(equaliser: &Equaliser, hertz: f32) -> f32 {
        let step = TAU * hertz / 48_000.0;
        let mut sound: Vec<f32> = (0..9600).map(|i| (i as f32 * step).sin()).collect();
        equaliser.apply(&mut sound);
        10.0 * (2.0 * crate::augmentation::level::power(&sound[4800..])).log10()
    }

    #[test]
    fn a_bell_and_a_shelf_have_their_gain_where_they_should() {
        let mut bell = Equaliser::new(48_000.0);
        bell.bell(1_000.0, 1.0, 6.0);
        assert!((gain(&bell, 1_000.0) - 6.0).abs() < 0.1);
        assert!(gain(&bell, 100.0).abs() < 0.2);
        let mut shelf = Equaliser::new(48_000.0);
        shelf.high_shelf(1_000.0, -8.0);
        assert!((gain(&shelf, 1_000.0) + 4.0).abs() < 0.1);
        assert!((gain(&shelf, 15_000.0) + 8.0).abs() < 0.3);
        assert!(gain(&shelf, 50.0).abs() < 0.2);
    }

    #[test]
    fn a_tilt_is_stable_at_every_rate() {
        for rate in [8_000.0, 22_050.0, 32_000.0] {
            for db in [-1.5, 1.5] {
                let mut tilt = Equaliser::new(rate);
                tilt.tilt(db);
                let mut click = vec![0.0; 4_800];
                click[0] = 1.0;
                tilt.apply(&mut click);
                let end = crate::augmentation::level::power(&click[2_400..]);
                assert!(end < 1e-6, "{db} dB at {rate} Hz: {end}");
            }
        }
    }

    #[test]
    fn a_tilt_is_a_slope() {
        let mut tilt = Equaliser::new(48_000.0);
        tilt.tilt(2.0);
        for hertz in [200.0, 800.0, 3_200.0] {
            let slope = gain(&tilt, 2.0 * hertz) - gain(&tilt, hertz);
            assert!((slope - 2.0).abs() < 0.3, "{slope} dB at {hertz} Hz");
        }
    }
}
