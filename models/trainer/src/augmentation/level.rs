//! Levels of sound.

/// The factor of an amplitude for a level in dB.
pub fn amplitude(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

/// Mean square of `samples`; 0 if there are none.
pub fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32
}
