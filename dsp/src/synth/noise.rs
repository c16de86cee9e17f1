//! Seeded randomness: what differs from stroke to stroke, and noise to listen to.

use crate::SAMPLE_RATE;

/// A stream of random numbers that is the same for the same seed, everywhere and for ever, which
/// is why it is not left to a crate that may improve its algorithm (SplitMix64, Steele, Lea and
/// Flood 2014).
#[derive(Debug, Clone)]
pub struct Noise {
    state: u64,
}

impl Noise {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even distribution from -1 up to 1: white noise when taken sample by sample.
    pub fn sample(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A factor between 1 / (1 + `spread`) and 1 + `spread`.
    pub fn vary(&mut self, spread: f64) -> f64 {
        (1.0 + spread).powf(self.sample())
    }
}

/// A short burst of filtered noise: a finger or a pick scraping, strings rattling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// From the beginning of the stroke to that of the burst, seconds.
    pub delay_s: f64,
    /// Time constant of the rise, seconds.
    pub attack_s: f64,
    /// Time constant of the decay, seconds.
    pub decay_s: f64,
    /// Edge of the high-pass (12 dB/octave), Hz.
    pub low_hz: f64,
    /// Edge of the low-pass (6 dB/octave), Hz.
    pub high_hz: f64,
    /// Level: peak of the white noise before filtering.
    pub gain: f64,
}

impl Burst {
    /// Adds the burst to `out`, which begins with the stroke.
    pub fn add(&self, noise: &mut Noise, out: &mut [f64]) {
        let rate = f64::from(SAMPLE_RATE);
        let start = ((self.delay_s * rate) as usize).min(out.len());
        let pole = |hz: f64| (-std::f64::consts::TAU * hz / rate).exp();
        let (low, high) = (pole(self.low_hz), pole(self.high_hz));
        let (mut first, mut second, mut smooth) = (0.0, 0.0, 0.0);
        for (n, sample) in out[start..].iter_mut().enumerate() {
            let t = n as f64 / rate;
            let envelope = (1.0 - (-t / self.attack_s).exp()) * (-t / self.decay_s).exp();
            if t > 20.0 * (self.attack_s + self.decay_s) {
                break;
            }
            let mut x = self.gain * envelope * noise.sample();
            first = (1.0 - low) * x + low * first;
            x -= first;
            second = (1.0 - low) * x + low * second;
            x -= second;
            smooth = (1.0 - high) * x + high * smooth;
            *sample += smooth;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_splitmix64() {
        // First outputs for seed 1234567, from the algorithm's published test vector.
        let mut noise = Noise::new(1_234_567);
        assert_eq!(noise.next(), 6_457_827_717_110_365_317);
        assert_eq!(noise.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn samples_are_even_and_factors_stay_in_range() {
        let mut noise = Noise::new(1);
        let mean = (0..10_000).map(|_| noise.sample()).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.03, "{mean}");
        for _ in 0..1_000 {
            assert!((0.8..=1.25).contains(&noise.vary(0.25)));
        }
    }
}
