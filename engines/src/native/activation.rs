//! Activation functions, in place.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::InstructionSet;
use super::lanes::{Lanes, Plain};
use super::tanh::Fraction;
use super::weights::Workspace;
use crate::network::Activation;

/// Results smaller than this become 0, their limit.
pub(super) const SMALLEST: f32 = 1e-24;

/// Applies `activation` to `values`, vectors of `width`. Real-time safe.
pub(crate) fn apply(
    workspace: &Workspace,
    activation: Activation,
    width: usize,
    values: &mut [f32],
) {
    match activation {
        Activation::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
        Activation::LeakyRelu { slope } => values
            .iter_mut()
            .for_each(|x| *x = if *x < 0.0 { slope * *x } else { *x }),
        Activation::Elu { alpha } => values
            .iter_mut()
            .for_each(|x| *x = if *x < 0.0 { alpha * x.exp_m1() } else { *x }),
        Activation::Tanh | Activation::Sigmoid => {
            squash(workspace, activation == Activation::Tanh, values);
        }
        Activation::Softmax { temperature } => {
            for values in values.chunks_exact_mut(width) {
                softmax(values, temperature);
            }
        }
    }
}

/// The hyperbolic tangent, or else the logistic function.
fn squash(workspace: &Workspace, to_tanh: bool, values: &mut [f32]) {
    match workspace.set() {
        // SAFETY: a workspace's set is one that the processor has.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { squash_avx512(to_tanh, values) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { squash_avx2(to_tanh, values) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { squash_as::<float32x4_t>(to_tanh, values) },
        // SAFETY: plain Rust needs no instructions of its own.
        _ => unsafe { squash_as::<Plain>(to_tanh, values) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn squash_avx512(to_tanh: bool, values: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { squash_as::<__m512>(to_tanh, values) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn squash_avx2(to_tanh: bool, values: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { squash_as::<__m256>(to_tanh, values) }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn squash_as<V: Lanes>(to_tanh: bool, values: &mut [f32]) {
    let mut vectors = values.chunks_exact_mut(V::WIDTH);
    // SAFETY: the caller's promise; each place has room for a vector.
    unsafe {
        for vector in &mut vectors {
            squash_vector::<V>(to_tanh, vector.as_mut_ptr());
        }
        let rest = vectors.into_remainder();
        if !rest.is_empty() {
            let mut whole = [0.0; 16];
            whole[..rest.len()].copy_from_slice(rest);
            squash_vector::<V>(to_tanh, whole.as_mut_ptr());
            rest.copy_from_slice(&whole[..rest.len()]);
        }
    }
}

/// # Safety
/// As for [`Lanes`]; there is a vector at `at`.
#[inline(always)]
unsafe fn squash_vector<V: Lanes>(to_tanh: bool, at: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let x = V::load(at);
        let y = if to_tanh {
            Fraction::tanh(x)
        } else {
            Fraction::sigmoid(x)
        };
        y.value().flush(SMALLEST).store(at);
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
    use crate::native::weights::Packing;
    use approx::assert_relative_eq;

    fn applied<const N: usize>(activation: Activation, mut values: [f32; N]) -> [f32; N] {
        let workspace = Packing::new(InstructionSet::best()).finish();
        apply(&workspace, activation, N, &mut values);
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
