//! The inputs that the outputs in the golden files are of.

/// `steps` vectors of `width` numbers from -1 up to 1, as `make.py` has them: the same linear congruential
/// generator.
pub fn inputs(steps: usize, width: usize) -> Vec<Vec<f32>> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % 2048) as f32 / 1024.0 - 1.0
    };
    (0..steps)
        .map(|_| (0..width).map(|_| next()).collect())
        .collect()
}
