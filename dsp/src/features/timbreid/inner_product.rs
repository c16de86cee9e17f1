//! The inner product that filters and cosine transforms consist of.

/// The sum of the products of `a` and `b`, `[n]` each. Real-time safe.
///
/// Four running sums side by side, because one alone would wait for each addition in turn.
pub(super) fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for i in 0..4 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_element_is_left_out() {
        for n in 0..10 {
            let ones = vec![1.0; n];
            let counted: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            assert_eq!(inner_product(&ones, &counted), (n * (n + 1) / 2) as f64);
        }
    }
}
