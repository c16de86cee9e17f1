//! White noise for the unit tests.

/// `length` samples, evenly spread from -`amplitude` up to `amplitude`, the same on every run (a linear
/// congruential generator with the constants of Numerical Recipes). What tests say of it holds for these
/// very samples.
pub(crate) fn white_noise(length: usize, amplitude: f32) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| amplitude * next()).collect()
}

#[test]
fn it_is_even_and_within_its_amplitude() {
    let noise = white_noise(10_000, 0.5);
    let mean = noise.iter().sum::<f32>() / 10_000.0;
    assert!(mean.abs() < 0.02, "{mean}");
    assert!(noise.iter().all(|sample| (-0.5..0.5).contains(sample)));
}
