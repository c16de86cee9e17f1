//! Denormal numbers: decaying sound ends in floats so small that processors handle them slowly.

/// Runs `f` with denormal numbers flushed to zero on this thread, then restores the processor's
/// previous mode, also when `f` panics.
///
/// The mode belongs to the thread: every thread that computes wraps its work (the audio callback,
/// the whole body of a worker). Results can differ in the last bits from unflushed ones only
/// where a value lies under 1.2e-38.
///
/// Real-time safe: two register writes.
// Never inlined, so that arithmetic around the call cannot be moved into the flushed region.
#[inline(never)]
pub fn flush<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: the crate marks this unsafe because the compiler assumes the default floating-point
    // environment when it evaluates constants. Rounding and exceptions stay as they are; the only
    // difference is whether a value under `f32::MIN_POSITIVE` is kept or becomes zero, and no
    // code under a flush depends on which of the two it gets.
    unsafe { no_denormals::no_denormals(f) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn halving_the_smallest_normal_gives_zero_inside_only() {
        let half = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert!(half() > 0.0);
        assert_eq!(flush(half), 0.0);
        assert!(half() > 0.0);
    }

    #[test]
    fn denormal_inputs_count_as_zero_inside() {
        let denormal = black_box(f32::from_bits(1));
        let scaled = || black_box(denormal) * black_box(1e30);
        assert!(scaled() > 0.0);
        assert_eq!(flush(scaled), 0.0);
    }

    #[test]
    fn the_mode_is_restored_after_a_panic() {
        let panicked = std::panic::catch_unwind(|| flush(|| panic!("on purpose")));
        assert!(panicked.is_err());
        assert!(black_box(f32::MIN_POSITIVE) * black_box(0.5) > 0.0);
    }
}
