//! Activation functions, in place.

use crate::network::Activation;

/// Applies `activation` to `values`. Real-time safe.
pub(crate) fn apply(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
        Activation::LeakyRelu { slope } => values
            .iter_mut()
            .for_each(|x| *x = if *x < 0.0 { slope * *x } else { *x }),
        Activation::Elu { alpha } => values
            .iter_mut()
            .for_each(|x| *x = if *x < 0.0 { alpha * x.exp_m1() } else { *x }),
        Activation::Tanh => values.iter_mut().for_each(|x| *x = x.tanh()),
        Activation::Sigmoid => values.iter_mut().for_each(|x| *x = sigmoid(*x)),
        Activation::Softmax { temperature } => softmax(values, temperature),
    }
}

/// `alpha x` below zero; `alpha` is repeated over `values`. Real-time safe.
pub(super) fn prelu(alpha: &[f32], values: &mut [f32]) {
    for (x, alpha) in values.iter_mut().zip(alpha.iter().cycle()) {
        if *x < 0.0 {
            *x *= alpha;
        }
    }
}

/// `1 / (1 + exp(-x))`; the overflow of `exp` to infinity gives the right limit, 0.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `exp(x_i / T) / sum_j exp(x_j / T)`.
///
/// The largest value is subtracted first, so that no exponential overflows and the sum is at
/// least 1. Whatever comes in, the result is finite and sums to 1: infinities count as the
/// largest numbers there are, NaN as the smallest.
fn softmax(values: &mut [f32], temperature: f32) {
    let mut largest = f32::MIN;
    for x in values.iter_mut() {
        *x = if x.is_nan() {
            f32::MIN
        } else {
            x.clamp(f32::MIN, f32::MAX)
        };
        largest = largest.max(*x);
    }
    let mut sum = 0.0;
    for x in values.iter_mut() {
        *x = ((*x - largest) / temperature).exp();
        sum += *x;
    }
    for x in values.iter_mut() {
        *x /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn applied<const N: usize>(activation: Activation, mut values: [f32; N]) -> [f32; N] {
        apply(activation, &mut values);
        values
    }

    #[test]
    fn softmax_of_huge_and_broken_values_is_a_distribution() {
        for values in [
            [1e30, -1e30, 1e30],
            [f32::INFINITY, 0.0, 1.0],
            [f32::NEG_INFINITY; 3],
            [f32::NAN, 1.0, 2.0],
            [f32::NAN; 3],
        ] {
            let p = applied(Activation::Softmax { temperature: 1.0 }, values);
            assert!(
                p.iter().all(|p| (0.0..=1.0).contains(p)),
                "{values:?} gave {p:?}"
            );
            assert_relative_eq!(p.iter().sum::<f32>(), 1.0, epsilon = 1e-6);
        }
        let p = applied(
            Activation::Softmax { temperature: 1.0 },
            [f32::NAN, 1.0, 2.0],
        );
        assert_eq!(p[0], 0.0);
    }

    #[test]
    fn temperature_flattens() {
        let x = [1.0_f32, 3.0];
        let p = applied(Activation::Softmax { temperature: 2.0 }, x);
        let expected = 1.0 / (1.0 + (-1.0_f64).exp());
        assert_relative_eq!(f64::from(p[1]), expected, epsilon = 1e-7);
    }

    #[test]
    fn sigmoid_reaches_its_limits() {
        assert_eq!(
            applied(Activation::Sigmoid, [-1e9, 0.0, 1e9]),
            [0.0, 0.5, 1.0]
        );
    }
}
