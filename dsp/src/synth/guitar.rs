//! The instrument: six strings and a body, played stroke by stroke.

use super::body::BODY;
use super::noise::{Burst, Noise};
use super::percussion::{self, Hit};
use super::plucking::{self, Plucking};
use super::string::{Pluck, SETTLING_S, Touch};
use crate::{SAMPLE_RATE, Technique};

/// Fundamentals of the open strings 1 to 6 in standard tuning, Hz.
const OPEN_STRINGS_HZ: [f64; 6] = [329.63, 246.94, 196.0, 146.83, 110.0, 82.41];

/// What a player does at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// When, seconds from the start; of a pluck, when the pick lets go.
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

    /// Adds `stroke` to `sound`, `[samples at SAMPLE_RATE]`, from its time (of a pluck, from when
    /// the pick comes to rest on the string) to the end at most.
    ///
    /// # Panics
    /// When the string is not 1 to 6.
    pub fn play(&mut self, stroke: &Stroke, sound: &mut [f32]) {
        let (before_s, stroke_sound) = match stroke.technique {
            Technique::Kick => self.hit(&percussion::KICK, stroke),
            Technique::Snare1 => self.hit(&percussion::SNARE_1, stroke),
            Technique::Tom => self.hit(&percussion::TOM, stroke),
            Technique::Snare2 => self.hit(&percussion::SNARE_2, stroke),
            Technique::NaturalHarmonics => self.pluck(&plucking::NATURAL_HARMONICS, stroke),
            Technique::PalmMute => self.pluck(&plucking::PALM_MUTE, stroke),
            Technique::PickNearBridge => self.pluck(&plucking::NEAR_BRIDGE, stroke),
            Technique::PickOverSoundHole => self.pluck(&plucking::OVER_SOUND_HOLE, stroke),
        };
        let attack = &stroke_sound[..stroke_sound.len().min(SAMPLE_RATE as usize / 10)];
        let peak = attack.iter().fold(0.0f64, |peak, s| peak.max(s.abs()));
        if peak > 0.0 {
            let gain = 10f64.powf(stroke.peak_db / 20.0) / peak;
            let start = samples(stroke.time_s - before_s).min(sound.len());
            for (sample, stroke) in sound[start..].iter_mut().zip(stroke_sound) {
                *sample += (gain * stroke) as f32;
            }
        }
    }

    /// The sound of a hit, and how long before the stroke's time it begins, seconds.
    fn hit(&mut self, hit: &Hit, stroke: &Stroke) -> (f64, Vec<f64>) {
        let length = samples(stroke.ring_s + DYING_S);
        (0.0, hit.play(hardness(stroke), &mut self.noise, length))
    }

    /// The same of a pluck.
    fn pluck(&mut self, plucking: &Plucking, stroke: &Stroke) -> (f64, Vec<f64>) {
        let open_hz = OPEN_STRINGS_HZ[usize::from(stroke.string) - 1];
        let (touch, stopped) = match plucking.touch {
            Touch::Node { damping, .. } => {
                let divisor = match stroke.fret {
                    5 => 4,
                    7 => 3,
                    _ => 2,
                };
                (Touch::Node { divisor, damping }, 0)
            }
            touch => (touch, stroke.fret),
        };
        let hardness = hardness(stroke);
        let pluck = Pluck {
            fundamental_hz: open_hz * 2f64.powf(f64::from(stopped) / 12.0),
            position: plucking.position * self.noise.vary(0.1),
            brightness_hz: plucking.brightness_hz * hardness,
            touch,
            pull_s: plucking.pull_s * self.noise.vary(0.3),
            scrape: Burst {
                gain: plucking.scrape.gain * hardness * self.noise.vary(0.3),
                ..plucking.scrape
            },
            ring_s: stroke.ring_s,
        };
        let length = samples(SETTLING_S + stroke.ring_s + DYING_S);
        let force = pluck.play(&mut self.noise, length);
        (SETTLING_S, BODY.radiate(&force))
    }
}

/// After so long without a hand's doing everything has died away, seconds.
const DYING_S: f64 = 0.5;

/// Harder strokes are brighter: about 1 at -16 dB, doubled in 20 dB.
fn hardness(stroke: &Stroke) -> f64 {
    10f64.powf((stroke.peak_db + 16.0) / 66.0)
}

/// Samples in a time, 0 before the start.
fn samples(time_s: f64) -> usize {
    (time_s * f64::from(SAMPLE_RATE)).round() as usize
}
