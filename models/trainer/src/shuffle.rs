//! Random orders (Fisher and Yates 1938).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Puts `items` into an order drawn at random.
pub fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.random_range(0..=i));
    }
}
