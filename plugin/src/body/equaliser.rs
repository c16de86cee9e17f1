//! Three bands: a low shelf, a bell in the middle, a high shelf.
//!
//! Each is a state variable filter by the trapezoidal rule that keeps the topology of the analogue one:
//! V. Zavalishin, *The Art of VA Filter Design*, chapter 4. The form, and how its outputs are mixed to
//! shelves and bells, are A. Simper's, *Solving the continuous SVF equations using trapezoidal integration
//! and equivalent currents*, Cytomic 2013. Its state is that of two capacitors, whatever the coefficients
//! are: they may move with every sample, and nothing clicks.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Channels that it has a state for; more pass as they are.
pub const CHANNELS: usize = 2;

/// Bands: low, mid and high.
pub const BANDS: usize = 3;

/// Where the bands are, Hz: the middle of the bell, and where a shelf has half of its decibels.
const CENTRES_HZ: [f64; BANDS] = [120.0, 800.0, 4_500.0];

const KINDS: [Kind; BANDS] = [Kind::LowShelf, Kind::Bell, Kind::HighShelf];

/// Quality of the shelves: as steep as can be without a bump.
const SHELF_QUALITY: f64 = FRAC_1_SQRT_2;

/// Quality of the bell.
const BELL_QUALITY: f64 = 0.7;

/// Highest centre, as a share of the rate.
const HIGHEST: f64 = 0.45;

/// Where `band` is at `host_rate` Hz, Hz.
fn centre_hz(band: usize, host_rate: f64) -> f64 {
    CENTRES_HZ[band].min(HIGHEST * host_rate)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    LowShelf,
    Bell,
    HighShelf,
}

impl Kind {
    /// Simper's g and k, and how much is heard of the input, the band pass and the low pass. At 0 dB that
    /// is the input alone.
    fn coefficients(self, tangent: f64, gain_db: f64) -> [f64; 5] {
        // The square root of the gain.
        let root = 10f64.powf(gain_db / 40.0);
        let gain = root * root;
        let k = 1.0 / SHELF_QUALITY;
        match self {
            Self::LowShelf => [tangent / root.sqrt(), k, 1.0, k * (root - 1.0), gain - 1.0],
            Self::Bell => {
                let k = 1.0 / (BELL_QUALITY * root);
                [tangent, k, 1.0, k * (gain - 1.0), 0.0]
            }
            Self::HighShelf => [
                tangent * root.sqrt(),
                k,
                gain,
                k * (1.0 - root) * root,
                1.0 - gain,
            ],
        }
    }
}

/// One filter, for all channels.
#[derive(Debug, Clone, Copy)]
struct Band {
    kind: Kind,
    /// Of half the angle that its frequency turns by in a sample.
    tangent: f64,
    /// [`Kind::coefficients`] at this sample, what each sample adds to them, and where that ends.
    now: [f64; 5],
    step: [f64; 5],
    end: [f64; 5],
    /// Simper's a1, a2 and a3, which follow from `now`.
    solved: [f64; 3],
}

impl Band {
    fn new(kind: Kind, centre_hz: f64, host_rate: f64) -> Self {
        let tangent = (PI * centre_hz / host_rate).tan();
        let flat = kind.coefficients(tangent, 0.0);
        let mut band = Self {
            kind,
            tangent,
            now: flat,
            step: [0.0; 5],
            end: flat,
            solved: [0.0; 3],
        };
        band.solve();
        band
    }

    fn solve(&mut self) {
        let [g, k, ..] = self.now;
        let a1 = 1.0 / (1.0 + g * (g + k));
        self.solved = [a1, g * a1, g * g * a1];
    }

    fn glide(&mut self, gain_db: f64, samples: f64) {
        self.end = self.kind.coefficients(self.tangent, gain_db);
        let steps = self.end.iter().zip(self.now);
        for (step, (end, now)) in self.step.iter_mut().zip(steps) {
            *step = (end - now) / samples;
        }
    }

    fn advance(&mut self) {
        for (now, step) in self.now.iter_mut().zip(self.step) {
            *now += step;
        }
        self.solve();
    }

    /// Without what rounding left of the way.
    fn arrive(&mut self) {
        self.now = self.end;
        self.solve();
    }

    /// The next sample of a channel with this `state`.
    fn filter(&self, state: &mut [f64; 2], input: f64) -> f64 {
        let [a1, a2, a3] = self.solved;
        let [_, _, of_input, of_band, of_low] = self.now;
        let [first, second] = *state;
        let rest = input - second;
        let band = a1 * first + a2 * rest;
        let low = second + a2 * first + a3 * rest;
        *state = [2.0 * band - first, 2.0 * low - second];
        of_input * input + of_band * band + of_low * low
    }
}

/// For the audio thread; nothing in it allocates. With finite input its state is finite: it is stable
/// whatever the gains are, and has the range of 64 bits for samples of 32.
#[derive(Debug)]
pub struct Equaliser {
    bands: [Band; BANDS],
    /// Samples until the gains are there.
    left: u32,
    states: [[[f64; 2]; BANDS]; CHANNELS],
}

impl Equaliser {
    /// For a host at `host_rate` Hz, flat.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        let band = |band: usize| Band::new(KINDS[band], centre_hz(band, host_rate), host_rate);
        Self {
            bands: std::array::from_fn(band),
            left: 0,
            states: [[[0.0; 2]; BANDS]; CHANNELS],
        }
    }

    /// Has the gains `gains_db`, dB, within so many [`samples`](Self::advance), at least one. It computes
    /// powers, and is not for every sample. Real-time safe.
    pub fn glide(&mut self, gains_db: [f32; BANDS], samples: u32) {
        self.left = samples.max(1);
        for (band, gain_db) in self.bands.iter_mut().zip(gains_db) {
            band.glide(f64::from(gain_db), f64::from(self.left));
        }
    }

    /// Whether the gains are on their way. Real-time safe.
    #[must_use]
    pub fn is_gliding(&self) -> bool {
        self.left > 0
    }

    /// Goes on by a sample. Real-time safe.
    pub fn advance(&mut self) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        for band in &mut self.bands {
            match self.left {
                0 => band.arrive(),
                _ => band.advance(),
            }
        }
    }

    /// The next sample of `channel`, finite as `sample` is. Real-time safe.
    #[must_use]
    pub fn filter(&mut self, channel: usize, sample: f64) -> f64 {
        let Some(states) = self.states.get_mut(channel) else {
            return sample;
        };
        let bands = self.bands.iter().zip(states);
        bands.fold(sample, |sample, (band, state)| band.filter(state, sample))
    }

    /// Forgets what it heard; the gains stay. Real-time safe.
    pub fn clear(&mut self) {
        self.states = [[[0.0; 2]; BANDS]; CHANNELS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(gains_db: [f32; BANDS], host_rate: f64) -> Equaliser {
        let mut equaliser = Equaliser::new(host_rate);
        equaliser.glide(gains_db, 1);
        equaliser.advance();
        assert!(!equaliser.is_gliding());
        equaliser
    }

    /// Gain at `frequency`, dB: of what an impulse leaves.
    fn gain_at(frequency: f64, gains_db: [f32; BANDS], host_rate: f64) -> f64 {
        let mut equaliser = with(gains_db, host_rate);
        let (mut real, mut imaginary) = (0.0, 0.0);
        for index in 0..(host_rate / 4.0) as usize {
            let impulse = if index == 0 { 1.0 } else { 0.0 };
            let sample = equaliser.filter(1, impulse);
            let angle = 2.0 * PI * frequency * index as f64 / host_rate;
            real += sample * angle.cos();
            imaginary -= sample * angle.sin();
        }
        20.0 * real.hypot(imaginary).log10()
    }

    #[test]
    fn each_band_has_its_gain_where_it_is_at_every_rate() {
        for host_rate in [8_000.0, 44_100.0, 192_000.0] {
            for gain_db in [-15.0_f32, 6.0, 15.0] {
                let gain = f64::from(gain_db);
                // A shelf is half-way up at its centre, and all of it at its end.
                for (band, part) in [(0, 0.5), (1, 1.0), (2, 0.5)] {
                    let mut gains_db = [0.0; BANDS];
                    gains_db[band] = gain_db;
                    let centre = centre_hz(band, host_rate);
                    assert!(centre <= 0.45 * host_rate);
                    let at = |shelf: usize| if band == shelf { gain } else { 0.0 };
                    for (frequency, expected) in [
                        (centre, part * gain),
                        (2.0, at(0)),
                        (0.499 * host_rate, at(2)),
                    ] {
                        let found = gain_at(frequency, gains_db, host_rate);
                        let place = format!("band {band}, {frequency} of {host_rate} Hz");
                        assert!((found - expected).abs() < 0.1, "{found} dB: {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn flat_it_is_the_input() {
        let mut equaliser = with([12.0, -9.0, 3.0], 48_000.0);
        let sample = |index: usize| (index as f64 * 0.7).sin();
        assert!((0..99).any(|index| equaliser.filter(0, sample(index)) != sample(index)));
        equaliser.glide([0.0; BANDS], 16);
        for index in 0..15 {
            equaliser.advance();
            assert!(equaliser.is_gliding());
            let _ = equaliser.filter(0, sample(index));
        }
        equaliser.advance();
        for index in 0..999 {
            assert_eq!(equaliser.filter(0, sample(index)), sample(index));
        }
    }

    #[test]
    fn channels_are_apart_and_what_is_cleared_is_forgotten() {
        let mut equaliser = with([15.0; BANDS], 48_000.0);
        assert_ne!(equaliser.filter(0, 1.0), 1.0);
        assert_eq!(equaliser.filter(1, 0.0), 0.0);
        assert_eq!(equaliser.filter(CHANNELS, 0.5), 0.5, "it has none");
        assert_ne!(equaliser.filter(0, 0.0), 0.0);
        equaliser.clear();
        assert_eq!(equaliser.filter(0, 0.0), 0.0);
    }
}
