//! Plucked strings, as sums of their partials.

use std::f64::consts::{PI, TAU};

use super::noise::{Burst, Noise};
use crate::SAMPLE_RATE;

/// Partials above this are neither heard nor kept apart by the sample rate, Hz.
const HIGHEST_PARTIAL_HZ: f64 = 18_000.0;

/// How stiffness raises the partials: partial k of an ideal string lies at k f0, of a stiff one at
/// k f0 sqrt(1 + B k²) (Fletcher and Rossing, The Physics of Musical Instruments, section 2.18).
/// B of a medium steel string.
const INHARMONICITY: f64 = 6e-5;

/// What touches the string while it sounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Touch {
    /// Nothing.
    Open,
    /// The palm, on the string's last part before the bridge.
    Palm {
        /// Middle of the palm, as part of the string's length from the bridge.
        position: f64,
        /// Damping of a partial that moves most there, 1/s.
        damping: f64,
    },
    /// A fingertip of the fretting hand at 1/n of the string.
    Node {
        /// n: 2, 3 or 4.
        divisor: u32,
        /// Damping of a partial that moves most there, 1/s.
        damping: f64,
    },
}

/// One pluck of a string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pluck {
    /// The string's fundamental, Hz.
    pub fundamental_hz: f64,
    /// Where it is plucked, as part of the string's length from the bridge.
    pub position: f64,
    /// Frequency from which on the pick's width rounds off the partials (12 dB/octave), Hz.
    pub brightness_hz: f64,
    /// What touches the string.
    pub touch: Touch,
    /// The pick's own noise; gain relative to the string.
    pub scrape: Burst,
    /// After this time the fretting hand lets go and the string stops, seconds.
    pub ring_s: f64,
}

/// Damping of the lowest partials by air and bridge, 1/s.
const DAMPING: f64 = 2.0;
/// Damping inside the string at 1 kHz, 1/s; grows with frequency to the power of 1.5.
const INNER_DAMPING: f64 = 1.5;
/// A plectrum holds the string aside and with it pulls at the bridge; when it lets go, the bridge
/// springs back. Size of that push relative to the string's swing, and its duration, seconds.
const RELEASE: f64 = 0.2;
const RELEASE_S: f64 = 0.003;
/// Damping by the finger that stops the string, 1/s.
const STOPPING: f64 = 60.0;

impl Pluck {
    /// The movement of the bridge that this pluck brings about, `[length]`.
    ///
    /// A pluck at part p of the string leaves partial k with a velocity at the bridge in
    /// proportion to sin(k π p) (Fletcher and Rossing, section 2.7). Dampers act on each partial
    /// as the square of its movement where they touch: a finger at a node leaves exactly those
    /// partials alone that rest there.
    pub fn play(&self, noise: &mut Noise, length: usize) -> Vec<f64> {
        let rate = f64::from(SAMPLE_RATE);
        let mut out = vec![0.0; length];
        let partials = (HIGHEST_PARTIAL_HZ / self.fundamental_hz) as u32;
        let mut total = 0.0;
        for k in 1..=partials {
            let k = f64::from(k);
            let stretch = (1.0 + INHARMONICITY * k * k).sqrt();
            let frequency_hz = k * self.fundamental_hz * stretch;
            let rounded = 1.0 + (frequency_hz / self.brightness_hz).powi(2);
            let gain = (k * PI * self.position).sin() / rounded * noise.vary(0.1);
            total += gain.abs();

            let mut damping = DAMPING + INNER_DAMPING * (frequency_hz / 1_000.0).powf(1.5);
            damping += match self.touch {
                Touch::Open => 0.0,
                Touch::Palm { position, damping } => {
                    // Soft skin takes high frequencies faster, and something always moves.
                    let skin = (1.0 + (frequency_hz / 2_000.0).powi(2)).sqrt();
                    damping * (0.15 + (k * PI * position).sin().powi(2)) * skin
                }
                Touch::Node { divisor, damping } => {
                    damping * (k * PI / f64::from(divisor)).sin().powi(2)
                }
            };

            let angle = TAU * frequency_hz / rate;
            let decay = (-damping / rate).exp();
            let stopped = (-(damping + STOPPING) / rate).exp();
            let stop = ((self.ring_s * rate) as usize).min(length);
            let (mut sine, mut cosine) = (0.0, gain);
            let mut ring = |out: &mut [f64], decay: f64| {
                let (turn_sine, turn_cosine) = (decay * angle.sin(), decay * angle.cos());
                for sample in out {
                    *sample += sine;
                    (sine, cosine) = (
                        sine * turn_cosine + cosine * turn_sine,
                        cosine * turn_cosine - sine * turn_sine,
                    );
                }
            };
            ring(&mut out[..stop], decay);
            ring(&mut out[stop..], stopped);
        }
        // The same swing of the string, however many partials share it.
        out.iter_mut().for_each(|sample| *sample /= total);
        for (n, sample) in out
            .iter_mut()
            .enumerate()
            .take((6.0 * RELEASE_S * rate) as usize)
        {
            *sample -=
                RELEASE * (PI * self.position).sin() * (-(n as f64) / (RELEASE_S * rate)).exp();
        }
        self.scrape.add(noise, &mut out);
        out
    }
}
