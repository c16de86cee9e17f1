//! Noise of microphones and preamplifiers.

use rand::{Rng, RngExt};

/// Adds white noise with values between plus and minus `peak`.
pub fn add_noise(samples: &mut [f32], peak: f32, random: &mut impl Rng) {
    for sample in samples {
        *sample += peak * random.random_range(-1.0_f32..=1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn noise_keeps_to_its_level() {
        let mut samples = vec![1.0; 10_000];
        add_noise(&mut samples, 0.1, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(samples.iter().all(|s| (s - 1.0).abs() <= 0.1));
        let mean = samples.iter().sum::<f32>() / 1e4;
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
    }
}
