//! Hits on body and muted strings.
//!
//! The numbers were found by a search for hits that sound, from 5 ms before to 100 ms after the
//! onset, like real ones: whose spectra are near the mean over four players, and nearer to it than
//! to those of the other techniques by the measure of how much real hits differ.

use super::modes::{Mode, add_response, push};
use super::noise::{Burst, Noise};
use crate::SAMPLE_RATE;

/// A kind of hit: what strikes, and what answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// How long hand and wood stay in touch at medium loudness, seconds: the softer the hand, the
    /// longer, and the fewer high modes answer.
    pub contact_s: f64,
    /// Part of that time in which the force rises.
    pub skew: f64,
    /// Skin is no smooth spring: the force trembles by this multiple of itself.
    pub roughness: f64,
    /// The lowest modes that answer: frequency (Hz), decay (s), gain (dB).
    pub modes: &'static [(f64, f64, f64)],
    /// The many others.
    pub plates: Plates,
    /// Strings that are thrown against the frets; gain relative to the modes.
    pub slap: Option<Burst>,
}

/// Plates above their lowest modes: too many to name, so that a law says what they do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plates {
    /// Gain of a mode at 1 kHz, dB.
    pub gain_db: f64,
    /// Its change with frequency, dB an octave.
    pub db_per_octave: f64,
    /// Decay of a mode at 1 kHz, s; falls with the square root of the frequency.
    pub decay_s: f64,
}

/// Frequencies of the first and the last of the many modes, and the mean step between two, Hz. A
/// guitar's plates have one in 70 Hz or so (Fletcher and Rossing, The Physics of Musical
/// Instruments, section 9.4).
const FIRST_MODE_HZ: f64 = 600.0;
const LAST_MODE_HZ: f64 = 18_000.0;
const MODE_STEP_HZ: f64 = 60.0;

impl Plates {
    /// The modes as one hit finds them: the hand never lands twice on the same spot.
    fn modes(&self, noise: &mut Noise) -> Vec<Mode> {
        let mut modes = Vec::new();
        let mut frequency_hz = FIRST_MODE_HZ;
        while frequency_hz < LAST_MODE_HZ {
            let octaves = (frequency_hz / 1_000.0).log2();
            let gain_db = self.gain_db + self.db_per_octave * octaves;
            modes.push(Mode {
                frequency_hz,
                decay_s: self.decay_s / (frequency_hz / 1_000.0).sqrt(),
                gain: 10f64.powf(gain_db / 20.0) * noise.sample().signum() * noise.vary(0.5),
            });
            frequency_hz += MODE_STEP_HZ * noise.vary(1.0);
        }
        modes
    }
}

/// Palm on the lower body: a soft blow that moves the air in the body and the top plate.
pub const KICK: Hit = Hit {
    contact_s: 0.012,
    skew: 0.1,
    roughness: 120.0,
    modes: &[
        (90.0, 0.043, 0.0),
        (99.1, 0.02, -31.5),
        (232.0, 0.058, -41.5),
        (309.0, 0.013, -38.5),
        (460.0, 0.021, -43.0),
    ],
    plates: Plates {
        gain_db: -28.4,
        db_per_octave: -5.4,
        decay_s: 0.012,
    },
    slap: None,
};

/// Fingers on the lower side: hard and short, the stiff wood of the side answers.
pub const SNARE_1: Hit = Hit {
    contact_s: 0.0037,
    skew: 0.79,
    roughness: 1_100.0,
    modes: &[
        (101.0, 0.052, -13.5),
        (163.0, 0.03, -35.5),
        (272.0, 0.026, 0.0),
        (368.0, 0.017, -28.0),
        (631.0, 0.0082, -22.0),
    ],
    plates: Plates {
        gain_db: -1.09,
        db_per_octave: -4.5,
        decay_s: 0.012,
    },
    slap: None,
};

/// Thumb on the upper body: firm and round.
pub const TOM: Hit = Hit {
    contact_s: 0.0049,
    skew: 0.26,
    roughness: 70.0,
    modes: &[
        (71.0, 0.034, 0.0),
        (89.8, 0.058, -27.5),
        (253.0, 0.0095, -27.0),
        (381.0, 0.024, -0.5),
        (480.0, 0.012, -34.0),
    ],
    plates: Plates {
        gain_db: -4.94,
        db_per_octave: -11.0,
        decay_s: 0.013,
    },
    slap: None,
};

/// Fingers on the muted strings at the end of the fingerboard: a dull blow, and a few milliseconds
/// later the strings hit the frets.
pub const SNARE_2: Hit = Hit {
    contact_s: 0.014,
    skew: 0.25,
    roughness: 8.5,
    modes: &[
        (78.1, 0.054, -16.0),
        (170.0, 0.023, 0.0),
        (188.0, 0.031, -18.5),
        (373.0, 0.026, -34.5),
        (554.0, 0.014, -34.5),
    ],
    plates: Plates {
        gain_db: -17.2,
        db_per_octave: -6.2,
        decay_s: 0.012,
    },
    slap: Some(Burst {
        delay_s: 0.0051,
        attack_s: 0.00033,
        decay_s: 0.0096,
        low_hz: 30.0,
        high_hz: 17_000.0,
        gain: 0.13,
    }),
};

impl Hit {
    /// Strikes once; `hardness` shortens the touch (1: medium). The level is arbitrary.
    pub fn play(&self, hardness: f64, noise: &mut Noise, length: usize) -> Vec<f64> {
        let mut out = vec![0.0; length];
        let mut modes = self.plates.modes(noise);
        modes.extend(
            self.modes
                .iter()
                .map(|(frequency_hz, decay_s, gain_db)| Mode {
                    frequency_hz: frequency_hz * noise.vary(0.02),
                    decay_s: decay_s * noise.vary(0.1),
                    gain: 10f64.powf(gain_db / 20.0) * noise.vary(0.25),
                }),
        );
        let mut force = push(self.contact_s / hardness * noise.vary(0.1), self.skew);
        let roughness = self.roughness * hardness * noise.vary(0.3);
        force
            .iter_mut()
            .for_each(|force| *force *= 1.0 + roughness * noise.sample());
        for mode in modes {
            // Of most modes nothing is left long before the end.
            let heard = (20.0 * mode.decay_s * f64::from(SAMPLE_RATE)) as usize + force.len();
            let heard = heard.min(length);
            add_response(&[mode], &force[..heard.min(force.len())], &mut out[..heard]);
        }
        if let Some(slap) = self.slap {
            let slap = Burst {
                delay_s: slap.delay_s * noise.vary(0.2),
                decay_s: slap.decay_s * noise.vary(0.2),
                gain: slap.gain * hardness * noise.vary(0.4),
                ..slap
            };
            slap.add(noise, &mut out);
        }
        out
    }
}
