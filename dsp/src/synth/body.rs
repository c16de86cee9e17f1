//! The guitar's body: what the bridge's movement sounds like in the room.

use super::modes::{Mode, add_response};

/// The body's resonances up to 1.2 kHz, as heard through a microphone nearby: frequency (Hz),
/// decay (s), gain relative to the direct sound (dB). The second is the air in the sound hole,
/// the third the top plate.
const RESONANCES: [(f64, f64, f64); 9] = [
    (56.0, 0.030, -6.0),
    (105.0, 0.045, -3.0),
    (208.0, 0.030, 0.0),
    (269.0, 0.020, -4.0),
    (330.0, 0.020, -4.0),
    (430.0, 0.020, -6.0),
    (520.0, 0.015, -6.0),
    (730.0, 0.012, -8.0),
    (1_150.0, 0.006, -8.0),
];

/// Part of the bridge's movement that reaches the listener as it is, dB.
const DIRECT_DB: f64 = -6.0;

/// Turns the movement of the bridge into sound.
pub fn radiate(bridge: &[f64]) -> Vec<f64> {
    let direct = 10f64.powf(DIRECT_DB / 20.0);
    let mut sound: Vec<f64> = bridge.iter().map(|sample| direct * sample).collect();
    let modes = RESONANCES.map(|(frequency_hz, decay_s, gain_db)| Mode {
        frequency_hz,
        decay_s,
        // A resonance held by a steady tone grows to decay * rate / 2 times its answer to one
        // sample: this makes the gain that of the steady tone.
        gain: 10f64.powf(gain_db / 20.0) * 2.0 / (decay_s * f64::from(crate::SAMPLE_RATE)),
    });
    add_response(&modes, bridge, &mut sound);
    sound
}
