//! The guitar's body: what the force on the bridge sounds like.

use std::f64::consts::{PI, TAU};

use super::modes::{Mode, add_response};
use super::noise::Noise;
use crate::SAMPLE_RATE;

/// A body, and what takes up its sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Body {
    /// The lowest resonances: frequency (Hz), decay (s), gain relative to a steady force on the
    /// bridge (dB).
    pub resonances: &'static [(f64, f64, f64)],
    /// Gain of the other modes at 1 kHz, dB.
    pub mode_db: f64,
    /// Its change with frequency, dB an octave.
    pub mode_db_per_octave: f64,
    /// Edge below which the force itself is heard less and less (12 dB an octave), Hz: what is small
    /// beside the wavelength radiates badly.
    pub edge_hz: f64,
}

/// A guitar nearby: the air in the sound hole at 100 Hz, the top plate above, and much of the force
/// as it is.
pub const BODY: Body = Body {
    resonances: &[
        (100.0, 0.045, 2.0),
        (200.0, 0.03, -14.0),
        (430.0, 0.02, -19.5),
        (560.0, 0.015, -12.0),
    ],
    mode_db: -12.7,
    mode_db_per_octave: -2.3,
    edge_hz: 280.0,
};

/// Above the last of the resonances the plates have too many modes to name: one about every so
/// many Hz (Fletcher and Rossing, The Physics of Musical Instruments, section 9.4), up to
/// [`HIGHEST_MODE_HZ`].
const MODE_SPACING_HZ: f64 = 70.0;
const HIGHEST_MODE_HZ: f64 = 9_000.0;
/// Periods times pi in which such a mode falls to 1/e.
const QUALITY: f64 = 30.0;

/// The wood does not change from one performance to the next.
const WOOD: u64 = 0x70cc0;

impl Body {
    /// Turns the force on the bridge into sound.
    pub fn radiate(&self, force: &[f64]) -> Vec<f64> {
        let mut sound = self.high_passed(force);
        add_response(&self.modes(), force, &mut sound);
        sound
    }

    fn high_passed(&self, force: &[f64]) -> Vec<f64> {
        let pole = (-TAU * self.edge_hz / f64::from(SAMPLE_RATE)).exp();
        let (mut first, mut second) = (0.0, 0.0);
        let high_pass = |sample: &f64| {
            first = (1.0 - pole) * sample + pole * first;
            let once = sample - first;
            second = (1.0 - pole) * once + pole * second;
            once - second
        };
        force.iter().map(high_pass).collect()
    }

    fn modes(&self) -> Vec<Mode> {
        let named = self
            .resonances
            .iter()
            .map(|&(frequency_hz, decay_s, gain_db)| Mode {
                frequency_hz,
                decay_s,
                gain: steady_gain(gain_db, decay_s),
            });
        let mut modes: Vec<Mode> = named.collect();
        let mut wood = Noise::new(WOOD);
        let mut frequency_hz = modes.last().map_or(0.0, |mode| mode.frequency_hz);
        loop {
            frequency_hz += MODE_SPACING_HZ * wood.vary(1.0);
            if frequency_hz > HIGHEST_MODE_HZ {
                return modes;
            }
            let decay_s = QUALITY / (PI * frequency_hz);
            let octaves = (frequency_hz / 1_000.0).log2();
            let gain_db = self.mode_db + self.mode_db_per_octave * octaves;
            // A plate pushes the air now this way, now the other.
            let sign = wood.sample().signum();
            modes.push(Mode {
                frequency_hz,
                decay_s,
                gain: sign * steady_gain(gain_db, decay_s) * wood.vary(0.5),
            });
        }
    }
}

/// A resonance held by a steady tone grows to decay * rate / 2 times its answer to one sample:
/// this makes the gain that of the steady tone.
fn steady_gain(gain_db: f64, decay_s: f64) -> f64 {
    10f64.powf(gain_db / 20.0) * 2.0 / (decay_s * f64::from(SAMPLE_RATE))
}
