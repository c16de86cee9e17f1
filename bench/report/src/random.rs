//! Numbers that are no pattern, the same ones every time.

use serde_json::{Value, json};

/// A linear congruential generator: Numerical Recipes, section 7.1.
pub struct Random(u32);

impl Random {
    /// From the beginning.
    pub fn new() -> Self {
        Self(1)
    }

    /// From -`size` to `size`.
    pub fn number(&mut self, size: f32) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0) * size
    }

    /// `n` of them.
    pub fn numbers(&mut self, n: usize, size: f32) -> Vec<f32> {
        (0..n).map(|_| self.number(size)).collect()
    }

    /// An array of the given sizes, as JSON.
    pub fn array(&mut self, sizes: &[usize], size: f32) -> Value {
        match sizes {
            [] => json!(self.number(size)),
            [n, rest @ ..] => (0..*n).map(|_| self.array(rest, size)).collect(),
        }
    }
}
