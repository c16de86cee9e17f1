//! Plucked strings, as sums of their partials.

use std::f64::consts::{PI, TAU};

use super::noise::{Burst, Noise};
use crate::SAMPLE_RATE;

/// Partials are left out that would lie above this on an ideal string, Hz. Stiffness raises the others, the
/// last ones of low strings even above half the sample rate: they come out mirrored, and weak. To leave them
/// out, too, would change every sample.
const HIGHEST_PARTIAL_HZ: f64 = 18_000.0;

/// How stiffness raises the partials: partial k of an ideal string lies at k f0, of a stiff one at
/// k f0 sqrt(1 + B k²) (Fletcher and Rossing, The Physics of Musical Instruments, section 2.18).
/// B of a medium steel string. It makes the high partials arrive before the others after each
/// round trip, which is what a pluck near the bridge sounds like.
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
    /// How long the pick pulls the string aside before it lets go, seconds.
    pub pull_s: f64,
    /// The pick's own noise, counted from when it lets go; gain relative to the pull.
    pub scrape: Burst,
    /// After this time the fretting hand lets go and the string stops, seconds.
    pub ring_s: f64,
}

/// Damping of the lowest partials by air and bridge, 1/s.
const DAMPING: f64 = 2.0;
/// Damping inside the string at 1 kHz, 1/s; grows with frequency to the power of 1.5.
const INNER_DAMPING: f64 = 1.5;
/// The pick comes to rest on the string so long before it lets go, seconds.
pub const SETTLING_S: f64 = 0.020;
/// What is heard of that: a soft, low rustle, which hides the beginning of the pluck.
const SETTLING: Burst = Burst {
    delay_s: 0.0,
    attack_s: 0.006,
    decay_s: 0.020,
    low_hz: 60.0,
    high_hz: 1_500.0,
    gain: 0.03,
};
/// Damping by the hand that stops the string, 1/s.
const STOPPING: f64 = 120.0;

impl Pluck {
    /// The force on the bridge that this pluck brings about, `[length]`; the pick lets go after
    /// [`SETTLING_S`]. The pull is 1.
    ///
    /// The pick pulls the string aside, and with it at the bridge, then lets go. A pluck at part p
    /// of the string leaves partial k with a force on the bridge in proportion to sin(k π p) / k
    /// (Fletcher and Rossing, section 2.7): together, a rectangular wave that is up for part p of
    /// each period. Dampers act on each partial as the square of its movement where they touch: a
    /// finger at a node leaves exactly those partials alone that rest there.
    pub fn play(&self, noise: &mut Noise, length: usize) -> Vec<f64> {
        let rate = f64::from(SAMPLE_RATE);
        let mut out = vec![0.0; length];
        let release = ((SETTLING_S * rate) as usize).min(length);
        let pull_samples = ((self.pull_s * rate) as usize).clamp(1, release);
        let stop = release + ((self.ring_s * rate) as usize).min(length - release);
        let partials = (HIGHEST_PARTIAL_HZ / self.fundamental_hz) as u32;
        let mut pull = 0.0;
        for k in 1..=partials {
            let k = f64::from(k);
            let stretch = (1.0 + INHARMONICITY * k * k).sqrt();
            let frequency_hz = k * self.fundamental_hz * stretch;
            let rounded = 1.0 + (frequency_hz / self.brightness_hz).powi(2);
            let gain = (k * PI * self.position).sin() / (k * rounded) * noise.vary(0.1);
            pull += gain;

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
            let (mut sine, mut cosine) = (0.0, gain);
            let mut ring = |out: &mut [f64], decay: f64| {
                let (turn_sine, turn_cosine) = (decay * angle.sin(), decay * angle.cos());
                for sample in out {
                    *sample += cosine;
                    (sine, cosine) = (
                        sine * turn_cosine + cosine * turn_sine,
                        cosine * turn_cosine - sine * turn_sine,
                    );
                }
            };
            ring(&mut out[release..stop], decay);
            ring(&mut out[stop..], stopped);
        }
        for (n, sample) in out[release - pull_samples..release].iter_mut().enumerate() {
            *sample = pull * ((n + 1) as f64 / pull_samples as f64).powi(2);
        }
        out.iter_mut().for_each(|sample| *sample /= pull);
        SETTLING.add(noise, &mut out);
        self.scrape.add(noise, &mut out[release..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pluck(position: f64, touch: Touch) -> Vec<f64> {
        let pluck = Pluck {
            fundamental_hz: 200.0,
            position,
            brightness_hz: 10_000.0,
            touch,
            pull_s: 0.005,
            scrape: Burst {
                gain: 0.0,
                ..SETTLING
            },
            ring_s: 0.5,
        };
        let length = (0.6 * f64::from(SAMPLE_RATE)) as usize;
        pluck.play(&mut Noise::new(1), length)
    }

    /// Amplitude of the sine of `hertz` in the 50 ms from `from_s` after the release on.
    fn amplitude(force: &[f64], hertz: f64, from_s: f64) -> f64 {
        let rate = f64::from(SAMPLE_RATE);
        let start = ((SETTLING_S + from_s) * rate) as usize;
        let length = (0.05 * rate) as usize;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in force[start..start + length].iter().enumerate() {
            let phase = TAU * hertz * n as f64 / rate;
            re += sample * phase.cos();
            im += sample * phase.sin();
        }
        2.0 * re.hypot(im) / length as f64
    }

    #[test]
    fn the_force_is_up_for_the_part_of_the_period_at_which_the_string_is_plucked() {
        for position in [0.1, 0.25] {
            let force = pluck(position, Touch::Open);
            let period = SAMPLE_RATE as usize / 200;
            let start = (SETTLING_S * f64::from(SAMPLE_RATE)) as usize + period / 2;
            let wave = &force[start..start + period];
            let up = wave.iter().filter(|force| **force > 0.4).count();
            let found = up as f64 / period as f64;
            assert!((found - position).abs() < 0.04, "{found} at {position}");
        }
    }

    #[test]
    fn a_finger_at_the_middle_leaves_the_even_partials() {
        let touch = Touch::Node {
            divisor: 2,
            damping: 300.0,
        };
        let force = pluck(0.2, touch);
        assert!(amplitude(&force, 200.0, 0.05) < 0.01 * amplitude(&force, 400.0, 0.05));
    }

    #[test]
    fn the_palm_takes_the_high_partials_first() {
        let touch = Touch::Palm {
            position: 0.04,
            damping: 60.0,
        };
        let lost =
            |force: &[f64], hertz| amplitude(force, hertz, 0.0) / amplitude(force, hertz, 0.1);
        let (open, muted) = (pluck(0.17, Touch::Open), pluck(0.17, touch));
        assert!(lost(&muted, 1_600.0) > 10.0 * lost(&open, 1_600.0));
        assert!(lost(&muted, 1_600.0) > 3.0 * lost(&muted, 200.0));
    }
}
