//! What can be done to the sound of a note so that it might be another one: another string, guitar,
//! room, microphone, with another note still ringing, or muted with the palm.
//!
//! Each of them works on plain slices of samples and draws its random numbers from the generator
//! it is given, so that a copy depends on its seed alone.

pub mod equaliser;
pub mod noise;
pub mod palm_damping;
pub mod ringing;
pub mod room;
pub mod slow_attack;
pub mod varispeed;

/// The factor of an amplitude for a level in dB.
pub fn amplitude(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

/// Mean square of `samples`; 0 if there are none.
pub fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32
}

/// A number drawn evenly on a logarithmic scale from `range`, whose ends are positive.
pub fn log_uniform(range: (f32, f32), random: &mut impl rand::Rng) -> f32 {
    use rand::RngExt;
    random.random_range(range.0.ln()..=range.1.ln()).exp()
}
