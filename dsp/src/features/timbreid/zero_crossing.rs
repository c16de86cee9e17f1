//! `zeroCrossing`: how often the signal changes sign.

/// How often the sign changes from sample to sample of `window`; a step onto zero or off it is half
/// a change, and half a change left over at the end is dropped (timbreID `zeroCrossing~.c`).
///
/// Real-time safe.
pub(super) fn zero_crossings(window: &[f32]) -> u32 {
    let sign = |sample: f32| i32::from(sample > 0.0) - i32::from(sample < 0.0);
    let steps = window.iter().zip(window.iter().skip(1));
    let halves: u32 = steps
        .map(|(&before, &after)| sign(after).abs_diff(sign(before)))
        .sum();
    halves / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_changes_of_sign() {
        assert_eq!(zero_crossings(&[1.0, -1.0, 1.0, 1.0, -0.5]), 3);
        assert_eq!(zero_crossings(&[0.5; 704]), 0);
    }

    #[test]
    fn passing_through_zero_is_one_crossing() {
        assert_eq!(zero_crossings(&[1.0, 0.0, 0.0, -1.0]), 1);
        assert_eq!(zero_crossings(&[1.0, 0.0, 0.0, 1.0]), 1);
        assert_eq!(zero_crossings(&[1.0, 0.0]), 0);
    }
}
