//! The guitar's body: what the bridge's movement sounds like in the room.

use std::f64::consts::PI;

use super::modes::{Mode, add_response};
use super::noise::Noise;
use crate::SAMPLE_RATE;

/// The body's lowest resonances, as heard through a microphone nearby: frequency (Hz), decay (s),
/// gain relative to the bridge's movement (dB). The second is the air in the sound hole, the third
/// the top plate.
const RESONANCES: [(f64, f64, f64); 8] = [
    (56.0, 0.030, 0.0),
    (105.0, 0.045, 10.0),
    (208.0, 0.030, 12.0),
    (269.0, 0.020, 8.0),
    (330.0, 0.020, 8.0),
    (430.0, 0.020, 8.0),
    (520.0, 0.015, 8.0),
    (590.0, 0.014, 8.0),
];

/// Above the last of [`RESONANCES`] the plates have too many modes to name: one about every so
/// many Hz (Fletcher and Rossing, The Physics of Musical Instruments, section 9.4), up to
/// [`HIGHEST_MODE_HZ`].
const MODE_SPACING_HZ: f64 = 70.0;
const HIGHEST_MODE_HZ: f64 = 9_000.0;
/// Periods times pi in which such a mode falls to 1/e.
const QUALITY: f64 = 30.0;
/// Gain of such a mode at 1 kHz, dB, and its fall with frequency, dB an octave.
const MODE_DB: f64 = 0.0;
const MODE_DB_PER_OCTAVE: f64 = -6.0;

/// Part of the bridge's movement that reaches the listener as it is, dB.
const DIRECT_DB: f64 = -14.0;

/// The wood does not change from one performance to the next.
const WOOD: u64 = 0x70cc0;

/// Turns the movement of the bridge into sound.
pub fn radiate(bridge: &[f64]) -> Vec<f64> {
    let direct = amplitude(DIRECT_DB);
    let mut sound: Vec<f64> = bridge.iter().map(|sample| direct * sample).collect();
    add_response(&modes(), bridge, &mut sound);
    sound
}

fn modes() -> Vec<Mode> {
    let named = RESONANCES.map(|(frequency_hz, decay_s, gain_db)| Mode {
        frequency_hz,
        decay_s,
        gain: steady_gain(gain_db, decay_s),
    });
    let mut modes = named.to_vec();
    let mut wood = Noise::new(WOOD);
    let mut frequency_hz = RESONANCES[RESONANCES.len() - 1].0;
    loop {
        frequency_hz += MODE_SPACING_HZ * wood.vary(1.0);
        if frequency_hz > HIGHEST_MODE_HZ {
            return modes;
        }
        let decay_s = QUALITY / (PI * frequency_hz);
        let gain_db = MODE_DB + MODE_DB_PER_OCTAVE * (frequency_hz / 1_000.0).log2();
        // A plate pushes the air now this way, now the other.
        let sign = wood.sample().signum();
        modes.push(Mode {
            frequency_hz,
            decay_s,
            gain: sign * steady_gain(gain_db, decay_s) * wood.vary(0.5),
        });
    }
}

/// A resonance held by a steady tone grows to decay * rate / 2 times its answer to one sample:
/// this makes the gain that of the steady tone.
fn steady_gain(gain_db: f64, decay_s: f64) -> f64 {
    amplitude(gain_db) * 2.0 / (decay_s * f64::from(SAMPLE_RATE))
}

fn amplitude(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}
