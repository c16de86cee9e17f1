//! Rooms: short impulse responses of decaying noise.

use rand::{Rng, RngExt};
use realfft::RealFftPlanner;

use super::level::amplitude;
use super::log_uniform::log_uniform;

/// Between which bounds rooms are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoomRange {
    /// Time in which the sound falls by 60 dB, seconds.
    pub rt60_s: (f32, f32),
    /// Energy of the reverberation against that of the direct sound, dB.
    pub level_db: (f32, f32),
}

/// A room as its microphone hears it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Time in which the sound falls by 60 dB, seconds.
    pub rt60_s: f32,
    /// Energy of the reverberation against that of the direct sound, dB.
    pub level_db: f32,
    /// When the reverberation begins, seconds after the direct sound.
    pub delay_s: f32,
}

impl Room {
    /// A room drawn from `range`.
    pub fn draw(range: &RoomRange, random: &mut impl Rng) -> Self {
        Self {
            rt60_s: log_uniform(range.rt60_s, random),
            level_db: random.random_range(range.level_db.0..=range.level_db.1),
            delay_s: log_uniform((5e-4, 1e-2), random),
        }
    }

    /// The impulse response: the direct sound, then noise under an exponential, a little duller
    /// than white as walls and air make it. At most `longest` samples; the energy is that of the
    /// whole response, so that a short view of a long room is not too loud.
    pub fn impulse_response(
        &self,
        sample_rate: f32,
        longest: usize,
        random: &mut impl Rng,
    ) -> Vec<f32> {
        let delay = ((self.delay_s * sample_rate) as usize).max(1);
        let n = (delay + (self.rt60_s * sample_rate) as usize).min(longest);
        // 60 dB are a factor of 1000.
        let decay = (-(1000_f32.ln()) / (self.rt60_s * sample_rate)).exp();
        // The energy of the whole tail: white noise between -1 and 1 has a power of 1/3, the
        // mean of two neighbours half of it.
        let energy = 1.0 / 6.0 / (1.0 - decay * decay);
        let mut gain = amplitude(self.level_db) / energy.sqrt();
        let mut response = vec![0.0; n.max(1)];
        response[0] = 1.0;
        let mut earlier = 0.0;
        for value in response.iter_mut().skip(delay) {
            let noise = random.random_range(-1.0_f32..=1.0);
            *value += gain * 0.5 * (noise + earlier);
            earlier = noise;
            gain *= decay;
        }
        response
    }
}

/// Convolution with the plans of its transforms kept.
#[derive(Default)]
pub struct Convolver {
    planner: RealFftPlanner<f32>,
}

impl Convolver {
    /// The first `samples.len()` samples of `samples` convolved with `response`; what is much longer
    /// than the response in parts whose results overlap.
    pub fn apply(&mut self, samples: &mut [f32], response: &[f32]) {
        let all = (samples.len() + response.len()).next_power_of_two();
        let n = all.min((4 * response.len()).next_power_of_two());
        let part = n - response.len();
        let forward = self.planner.plan_fft_forward(n);
        let inverse = self.planner.plan_fft_inverse(n);
        let spectrum_of = |values: &[f32]| {
            let mut input = forward.make_input_vec();
            input[..values.len()].copy_from_slice(values);
            let mut output = forward.make_output_vec();
            forward
                .process(&mut input, &mut output)
                .expect("the plan made these buffers");
            output
        };
        let factors = spectrum_of(response);
        let mut output = inverse.make_output_vec();
        let dry = samples.to_vec();
        samples.fill(0.0);
        for (i, dry) in dry.chunks(part).enumerate() {
            let mut product = spectrum_of(dry);
            for (bin, factor) in product.iter_mut().zip(&factors) {
                *bin *= factor;
            }
            inverse
                .process(&mut product, &mut output)
                .expect("a product of real signals' spectra is one");
            for (sample, value) in samples[i * part..].iter_mut().zip(&output) {
                *sample += value / n as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_long_sound_is_convolved_as_a_short_one() {
        let response: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7).sin()).collect();
        let dry: Vec<f32> = (0..1_000).map(|i| (i as f32 * 0.31).cos()).collect();
        let mut wet = dry.clone();
        Convolver::default().apply(&mut wet, &response);
        for (i, found) in wet.iter().enumerate() {
            let terms = response.iter().enumerate().filter(|(k, _)| *k <= i);
            let expected: f32 = terms.map(|(k, factor)| factor * dry[i - k]).sum();
            assert!((found - expected).abs() < 1e-3, "{i}: {found} {expected}");
        }
    }

    #[test]
    fn convolution_is_that_of_the_definition() {
        let mut samples = [1.0, 2.0, 0.0, -1.0];
        Convolver::default().apply(&mut samples, &[1.0, 0.0, 0.5]);
        for (found, expected) in samples.iter().zip([1.0, 2.0, 0.5, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{samples:?}");
        }
    }

    #[test]
    fn the_reverberation_has_its_energy_and_decay() {
        let room = Room {
            rt60_s: 0.2,
            level_db: -10.0,
            delay_s: 0.002,
        };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let response = room.impulse_response(48_000.0, 48_000, &mut random);
        assert_eq!(response.len(), 96 + 9_600);
        assert_eq!(response[..96].iter().filter(|v| **v != 0.0).count(), 1);
        let energy = |part: &[f32]| part.iter().map(|v| v * v).sum::<f32>();
        let level = 10.0 * energy(&response[1..]).log10();
        assert!((level + 10.0).abs() < 1.0, "{level} dB");
        // Half of the time, half of the dB.
        let fall = energy(&response[4896..5376]) / energy(&response[96..576]);
        assert!((10.0 * fall.log10() + 30.0).abs() < 2.0, "{fall}");
        assert_eq!(room.impulse_response(48_000.0, 500, &mut random).len(), 500);
    }
}
