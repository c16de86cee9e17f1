//! Ways of plucking a string.
//!
//! The numbers, and those of the [body](super::body), were found by a search for plucks that sound,
//! from 5 ms before to 100 ms after the onset, like real ones: whose spectra are near the mean over
//! the takes of one player, and near single notes of four.

use super::noise::Burst;
use super::string::Touch;

/// A way of plucking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plucking {
    /// Where the pick is, as part of the string's length from the bridge.
    pub position: f64,
    /// Frequency from which on the pick's width rounds off the partials, Hz, at medium loudness.
    pub brightness_hz: f64,
    /// How long the pick pulls, seconds.
    pub pull_s: f64,
    /// What touches the string; of a node, the stroke's fret says which.
    pub touch: Touch,
    /// The pick's own noise when it lets go.
    pub scrape: Burst,
}

/// Natural harmonics: the finger on the node takes the other partials away.
pub const NATURAL_HARMONICS: Plucking = Plucking {
    position: 0.17,
    brightness_hz: 10_000.0,
    pull_s: 0.0098,
    touch: Touch::Node {
        divisor: 2,
        damping: 130.0,
    },
    scrape: Burst {
        delay_s: 0.0,
        attack_s: 0.00093,
        decay_s: 0.0061,
        low_hz: 30.0,
        high_hz: 700.0,
        gain: 0.45,
    },
};

/// Palm mute: the side of the hand lies on the strings at the bridge.
pub const PALM_MUTE: Plucking = Plucking {
    position: 0.2,
    brightness_hz: 3_600.0,
    pull_s: 0.015,
    touch: Touch::Palm {
        position: 0.06,
        damping: 85.0,
    },
    scrape: Burst {
        delay_s: 0.0008,
        attack_s: 0.00018,
        decay_s: 0.0037,
        low_hz: 120.0,
        high_hz: 620.0,
        gain: 0.49,
    },
};

/// Close to the bridge.
pub const NEAR_BRIDGE: Plucking = Plucking {
    position: 0.1,
    brightness_hz: 2_100.0,
    pull_s: 0.015,
    touch: Touch::Open,
    scrape: Burst {
        delay_s: 0.00097,
        attack_s: 0.0002,
        decay_s: 0.041,
        low_hz: 890.0,
        high_hz: 300.0,
        gain: 0.38,
    },
};

/// Over the sound hole: ordinary playing.
pub const OVER_SOUND_HOLE: Plucking = Plucking {
    position: 0.31,
    brightness_hz: 18_000.0,
    pull_s: 0.015,
    touch: Touch::Open,
    scrape: Burst {
        delay_s: 0.0023,
        attack_s: 0.00016,
        decay_s: 0.042,
        low_hz: 8_000.0,
        high_hz: 300.0,
        gain: 9.1,
    },
};
