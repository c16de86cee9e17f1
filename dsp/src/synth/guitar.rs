//! The instrument: six strings and a body, played stroke by stroke.

use super::body;
use super::noise::{Burst, Noise};
use super::percussion::{self, Hit};
use super::string::{Pluck, Touch};
use crate::{SAMPLE_RATE, Technique};

/// Fundamentals of the open strings 1 to 6 in standard tuning, Hz.
const OPEN_STRINGS_HZ: [f64; 6] = [329.63, 246.94, 196.0, 146.83, 110.0, 82.41];

/// What a player does at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// When, seconds from the start.
    pub time_s: f64,
    /// How.
    pub technique: Technique,
    /// String, 1 (thin) to 6 (thick); no matter for hits.
    pub string: u8,
    /// Fret, 0 (open) to 12; for natural harmonics the fret above whose place the finger touches
    /// the string: 12, 7 or 5; no matter for hits.
    pub fret: u8,
    /// How loud: peak of this stroke alone, dB full scale.
    pub peak_db: f64,
    /// How long a string may ring, seconds; no matter for hits.
    pub ring_s: f64,
}

/// A synthesised guitar and its player's hands, which never do the same thing twice in the same
/// way but do the same things for the same seed.
pub struct Guitar {
    noise: Noise,
}

impl Guitar {
    /// A guitar in the hands that `seed` describes.
    pub fn new(seed: u64) -> Self {
        Self {
            noise: Noise::new(seed),
        }
    }

    /// Adds `stroke` to `sound`, `[samples at SAMPLE_RATE]`, from its time to the end at most.
    ///
    /// # Panics
    /// When the string is not 1 to 6.
    pub fn play(&mut self, stroke: &Stroke, sound: &mut [f32]) {
        let rate = f64::from(SAMPLE_RATE);
        let start = ((stroke.time_s * rate).round() as usize).min(sound.len());
        let out = &mut sound[start..];
        // After that, everything has died away.
        let length = out.len().min(((stroke.ring_s + 0.5) * rate) as usize);
        // Harder strokes are brighter: about 1 at -16 dB, doubled in 20 dB.
        let hardness = 10f64.powf((stroke.peak_db + 16.0) / 66.0);
        let stroke_sound = match stroke.technique {
            Technique::Kick => self.hit(percussion::KICK, hardness, length),
            Technique::Snare1 => self.hit(percussion::SNARE_1, hardness, length),
            Technique::Tom => self.hit(percussion::TOM, hardness, length),
            Technique::Snare2 => self.hit(percussion::SNARE_2, hardness, length),
            Technique::NaturalHarmonics
            | Technique::PalmMute
            | Technique::PickNearBridge
            | Technique::PickOverSoundHole => {
                let pluck = self.pluck(stroke, hardness);
                body::radiate(&pluck.play(&mut self.noise, length))
            }
        };
        let attack = &stroke_sound[..stroke_sound.len().min(SAMPLE_RATE as usize / 10)];
        let peak = attack.iter().fold(0.0f64, |peak, s| peak.max(s.abs()));
        if peak > 0.0 {
            let gain = 10f64.powf(stroke.peak_db / 20.0) / peak;
            for (sample, stroke) in out.iter_mut().zip(stroke_sound) {
                *sample += (gain * stroke) as f32;
            }
        }
    }

    fn hit(&mut self, hit: Hit, hardness: f64, length: usize) -> Vec<f64> {
        hit.play(hardness, &mut self.noise, length)
    }

    fn pluck(&mut self, stroke: &Stroke, hardness: f64) -> Pluck {
        let open_hz = OPEN_STRINGS_HZ[usize::from(stroke.string) - 1];
        let fretted_hz = open_hz * 2f64.powf(f64::from(stroke.fret) / 12.0);
        let scrape = Burst {
            attack_s: 0.0004,
            decay_s: 0.006,
            low_hz: 2_500.0,
            high_hz: 16_000.0,
            gain: 0.12 * hardness,
        };
        let base = Pluck {
            fundamental_hz: fretted_hz,
            position: 0.22,
            brightness_hz: 2_500.0 * hardness,
            touch: Touch::Open,
            scrape,
            ring_s: stroke.ring_s,
        };
        let vary = self.noise.vary(0.05);
        match stroke.technique {
            Technique::NaturalHarmonics => Pluck {
                fundamental_hz: open_hz,
                position: 0.18 * vary,
                brightness_hz: 1_500.0 * hardness,
                scrape: Burst {
                    decay_s: 0.003,
                    gain: 0.06 * hardness,
                    ..scrape
                },
                touch: Touch::Node {
                    divisor: match stroke.fret {
                        5 => 4,
                        7 => 3,
                        _ => 2,
                    },
                    damping: 100.0,
                },
                ..base
            },
            Technique::PalmMute => Pluck {
                position: 0.15 * vary,
                brightness_hz: 1_600.0 * hardness,
                touch: Touch::Palm {
                    position: 0.04,
                    damping: 60.0,
                },
                scrape: Burst {
                    decay_s: 0.002,
                    gain: 0.4 * hardness,
                    ..scrape
                },
                ..base
            },
            Technique::PickNearBridge => Pluck {
                position: 0.06 * vary,
                brightness_hz: 3_000.0 * hardness,
                scrape: Burst {
                    decay_s: 0.004,
                    gain: 0.08 * hardness,
                    ..scrape
                },
                ..base
            },
            _ => Pluck {
                position: 0.27 * vary,
                ..base
            },
        }
    }
}
