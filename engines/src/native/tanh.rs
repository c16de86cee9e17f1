//! Hyperbolic tangent and logistic function of whole vectors.
//!
//! Both are made of one exponential: `sigmoid(x) = 1 / (1 + exp(-x))` and
//! `tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x))`. The exponential is `2^n 2^f` with a whole `n` and
//! `f` from -1/2 to 1/2; `2^f` is a polynomial of fifth degree that is 1 at 0, so that `tanh(0)`
//! is 0, and else as near as such a polynomial comes: a relative error of 9.2e-8, found by
//! reweighted least squares in 30 digits. With the rounding of `f32` both functions are within
//! 2e-7 of the true ones, whatever comes in. Where a gate is shut or
//! open the result is as near to 0 or 1 as the true one: what a cell holds does not leak away.
//! What is no number counts as large.

use super::lanes::Lanes;

/// Beyond, `tanh` is 1 for an `f32`, and so is `sigmoid`; for the small values of the latter the
/// limit is further out. No product of two `under`s overflows.
const TANH_LIMIT: f32 = 10.0;
const SIGMOID_LIMIT: f32 = 60.0;

/// `2^f` from -1/2 to 1/2, the constant term first.
#[allow(clippy::approx_constant)] // Near ln 2, and not it: the best of a polynomial.
const POWER: [f32; 6] = [
    1.0,
    0.693_147,
    0.240_222_42,
    0.055_507_34,
    9.671_513e-3,
    1.326_472_4e-3,
];

/// `over / under` for each lane, not yet divided, so that a product of several needs one division.
#[derive(Clone, Copy)]
pub(super) struct Fraction<V> {
    pub(super) over: V,
    pub(super) under: V,
}

impl<V: Lanes> Fraction<V> {
    /// `tanh(x)`; `under` is from 1 to 5e8.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn tanh(x: V) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let one = V::splat(1.0);
            let power = power_of_two(x.clamp(TANH_LIMIT), -2.0 * std::f32::consts::LOG2_E);
            Self {
                over: power.multiply_add(V::splat(-1.0), one),
                under: power.add(one),
            }
        }
    }

    /// `sigmoid(x)`; `under` is from 1 to 2e26.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn sigmoid(x: V) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let one = V::splat(1.0);
            let power = power_of_two(x.clamp(SIGMOID_LIMIT), -std::f32::consts::LOG2_E);
            Self {
                over: one,
                under: power.add(one),
            }
        }
    }

    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn multiply(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                over: self.over.multiply(other.over),
                under: self.under.multiply(other.under),
            }
        }
    }

    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn value(self) -> V {
        // SAFETY: the caller's promise.
        unsafe { self.over.divide(self.under) }
    }
}

/// `2^(factor x)`, at most 2^126 and at least its inverse.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn power_of_two<V: Lanes>(x: V, factor: f32) -> V {
    /// What is added to this leaves its whole part in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    let [c0, c1, c2, c3, c4, c5] = POWER;
    // SAFETY: the caller's promise.
    unsafe {
        let factor = V::splat(factor);
        let whole = x.multiply_add(factor, V::splat(WHOLE));
        let n = whole.add(V::splat(-WHOLE));
        let f = x.multiply_add(factor, n.multiply(V::splat(-1.0)));
        // In pairs, which wait less for each other.
        let square = f.multiply(f);
        let low = f.multiply_add(V::splat(c1), V::splat(c0));
        let middle = f.multiply_add(V::splat(c3), V::splat(c2));
        let high = f.multiply_add(V::splat(c5), V::splat(c4));
        let upper = square.multiply_add(high, middle);
        square.multiply_add(upper, low).scale(whole)
    }
}

#[cfg(test)]
mod tests {
    use crate::native::InstructionSet;
    use crate::native::activation;
    use crate::native::weights::Packing;
    use crate::network::Activation;

    /// The largest absolute error that the functions may have.
    const TOLERANCE: f64 = 2e-7;

    /// Numbers from 1e-30 to infinity of both signs, every 127th of all there are from 1/64 to 16
    /// and fewer beyond, and zero.
    fn sweep() -> impl Iterator<Item = f32> {
        let bits = |x: f32| x.to_bits();
        let coarse = (bits(1e-30)..=bits(f32::INFINITY)).step_by(1 << 14);
        let fine = (bits(1.0 / 64.0)..bits(16.0)).step_by(127);
        let positive = coarse.chain(fine).map(f32::from_bits);
        let ends = [0.0, f32::INFINITY];
        ends.into_iter().chain(positive).flat_map(|x| [x, -x])
    }

    /// The largest error of `activation` over the sweep, and where.
    fn worst(set: InstructionSet, activation: Activation, exact: fn(f64) -> f64) -> (f64, f32) {
        let workspace = Packing::new(set).finish();
        let inputs: Vec<f32> = sweep().collect();
        let mut outputs = inputs.clone();
        activation::apply(&workspace, activation, inputs.len(), &mut outputs);
        let errors = inputs.iter().zip(&outputs).map(|(x, y)| {
            let error = (f64::from(*y) - exact(f64::from(*x))).abs();
            (if error.is_nan() { f64::INFINITY } else { error }, *x)
        });
        errors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    }

    #[test]
    fn the_functions_are_as_exact_as_they_say_everywhere() {
        for set in InstructionSet::available() {
            for (activation, exact) in [
                (Activation::Tanh, f64::tanh as fn(f64) -> f64),
                (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
            ] {
                let (error, at) = worst(set, activation, exact);
                println!("{set}: {activation:?}: {error:e} at {at}");
                assert!(
                    error <= TOLERANCE,
                    "{set}: {activation:?}({at}) is {error:e} off"
                );
            }
        }
    }

    #[test]
    fn a_gate_that_is_open_or_shut_is_so_exactly() {
        for set in InstructionSet::available() {
            let workspace = Packing::new(set).finish();
            let mut values = [
                20.0,
                1e30,
                f32::INFINITY,
                -60.0,
                -1e30,
                f32::NEG_INFINITY,
                f32::NAN,
            ];
            activation::apply(&workspace, Activation::Sigmoid, 7, &mut values);
            assert_eq!(values, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0], "{set}");
        }
    }
}
