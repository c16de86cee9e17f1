//! Random numbers on a logarithmic scale.

use rand::RngExt;

/// A number drawn evenly on a logarithmic scale from `range`, whose ends are positive.
pub fn log_uniform(range: (f32, f32), random: &mut impl rand::Rng) -> f32 {
    random.random_range(range.0.ln()..=range.1.ln()).exp()
}
