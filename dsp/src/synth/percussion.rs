//! Hits on body and muted strings.

use super::modes::{Mode, add_response, push};
use super::noise::{Burst, Noise};

/// A kind of hit: what strikes, and what answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// How long hand and wood stay in touch at medium loudness, seconds: the softer the hand, the
    /// longer, and the fewer high modes answer.
    contact_s: f64,
    /// Part of that time in which the force rises.
    skew: f64,
    /// What answers: frequency (Hz), decay (s), gain (dB).
    modes: &'static [(f64, f64, f64)],
    /// Skin and strings; gain relative to the modes.
    burst: Burst,
}

/// Palm on the lower body: a soft blow that moves the air in the body and the top plate.
pub const KICK: Hit = Hit {
    contact_s: 0.0034,
    skew: 0.75,
    modes: &[
        (52.0, 0.070, -18.0),
        (105.0, 0.050, -18.0),
        (208.0, 0.032, -7.0),
        (311.0, 0.032, -17.0),
        (500.0, 0.025, -8.0),
        (590.0, 0.021, -10.0),
        (930.0, 0.027, -7.5),
        (1_670.0, 0.020, 0.0),
        (4_300.0, 0.009, -14.0),
    ],
    burst: Burst {
        attack_s: 0.0001,
        decay_s: 0.020,
        low_hz: 300.0,
        high_hz: 1_500.0,
        gain: 0.035,
    },
};

/// Fingers on the lower side: hard and short, the stiff wood of the side answers.
pub const SNARE_1: Hit = Hit {
    contact_s: 0.00036,
    skew: 0.75,
    modes: &[
        (53.0, 0.070, -11.0),
        (211.0, 0.032, -4.0),
        (328.0, 0.070, -21.0),
        (434.0, 0.025, -13.0),
        (519.0, 0.023, -12.0),
        (797.0, 0.023, -15.0),
        (1_148.0, 0.025, -21.0),
        (1_242.0, 0.011, -4.5),
        (1_420.0, 0.012, -3.0),
        (1_583.0, 0.018, -10.5),
        (1_818.0, 0.018, -10.0),
        (2_080.0, 0.010, -7.5),
        (2_600.0, 0.028, -24.0),
        (4_600.0, 0.003, 0.0),
        (6_500.0, 0.030, -25.0),
    ],
    burst: Burst {
        attack_s: 0.0001,
        decay_s: 0.0107,
        low_hz: 320.0,
        high_hz: 1_500.0,
        gain: 2.4,
    },
};

/// Thumb on the upper body: firm and round.
pub const TOM: Hit = Hit {
    contact_s: 0.00034,
    skew: 0.35,
    modes: &[
        (56.0, 0.069, -12.5),
        (105.0, 0.065, -1.0),
        (269.0, 0.070, -5.0),
        (328.0, 0.061, -11.5),
        (354.0, 0.063, -7.5),
        (430.0, 0.018, -14.0),
        (524.0, 0.027, -1.0),
        (624.0, 0.024, 0.0),
        (733.0, 0.016, -5.5),
        (926.0, 0.006, -21.5),
        (980.0, 0.021, -13.5),
        (1_320.0, 0.024, -18.0),
        (1_819.0, 0.024, -25.0),
    ],
    burst: Burst {
        attack_s: 0.0003,
        decay_s: 0.020,
        low_hz: 300.0,
        high_hz: 1_500.0,
        gain: 0.49,
    },
};

/// Fingers on the muted strings at the end of the fingerboard: the strings hit the frets.
pub const SNARE_2: Hit = Hit {
    contact_s: 0.0014,
    skew: 0.27,
    modes: &[
        (64.0, 0.041, -16.5),
        (105.0, 0.015, 0.0),
        (300.0, 0.032, -17.5),
        (401.0, 0.018, -13.0),
        (540.0, 0.006, -10.0),
        (677.0, 0.007, -10.5),
        (794.0, 0.018, -17.0),
        (996.0, 0.016, -17.5),
        (1_400.0, 0.004, -5.0),
        (2_300.0, 0.032, -29.0),
    ],
    burst: Burst {
        attack_s: 0.0001,
        decay_s: 0.0116,
        low_hz: 540.0,
        high_hz: 1_900.0,
        gain: 0.21,
    },
};

impl Hit {
    /// Strikes once; `hardness` shortens the touch (1: medium). The level is arbitrary.
    pub fn play(&self, hardness: f64, noise: &mut Noise, length: usize) -> Vec<f64> {
        let mut out = vec![0.0; length];
        let modes: Vec<Mode> = self
            .modes
            .iter()
            .map(|(frequency_hz, decay_s, gain_db)| Mode {
                frequency_hz: frequency_hz * noise.vary(0.01),
                decay_s: decay_s * noise.vary(0.1),
                // The hand never lands twice on the same spot.
                gain: 10f64.powf(gain_db / 20.0) * noise.vary(0.25),
            })
            .collect();
        let contact_s = self.contact_s / hardness * noise.vary(0.1);
        add_response(&modes, &push(contact_s, self.skew), &mut out);
        let burst = Burst {
            gain: self.burst.gain * hardness * noise.vary(0.2),
            ..self.burst
        };
        burst.add(noise, &mut out);
        out
    }
}
