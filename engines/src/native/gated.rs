//! Values that pass through gates: `tanh(a) sigmoid(b)`.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::InstructionSet;
use super::activation::SMALLEST;
use super::lanes::{Lanes, Plain};
use super::tanh::Fraction;
use super::weights::Workspace;

/// Writes `y` `[steps, n]` from `x` `[steps, 2 n]`: of each step first the values, then the gates.
/// Real-time safe.
pub(super) fn apply(workspace: &Workspace, x: &[f32], y: &mut [f32], n: usize) {
    for (x, y) in x.chunks_exact(2 * n).zip(y.chunks_exact_mut(n)) {
        let (values, gates) = x.split_at(n);
        match workspace.set() {
            // SAFETY: a workspace's set is one that the processor has.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { gate_avx512(values, gates, y) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { gate_avx2(values, gates, y) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => unsafe { gate_as::<float32x4_t>(values, gates, y) },
            // SAFETY: plain Rust needs no instructions of its own.
            _ => unsafe { gate_as::<Plain>(values, gates, y) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn gate_avx512(values: &[f32], gates: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { gate_as::<__m512>(values, gates, y) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn gate_avx2(values: &[f32], gates: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { gate_as::<__m256>(values, gates, y) }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn gate_as<V: Lanes>(values: &[f32], gates: &[f32], y: &mut [f32]) {
    let mut values = values.chunks_exact(V::WIDTH);
    let mut gates = gates.chunks_exact(V::WIDTH);
    let mut y = y.chunks_exact_mut(V::WIDTH);
    // SAFETY: the caller's promise; each place has room for a vector.
    unsafe {
        for ((value, gate), y) in (&mut values).zip(&mut gates).zip(&mut y) {
            gate_vector::<V>(value.as_ptr(), gate.as_ptr(), y.as_mut_ptr());
        }
        let y = y.into_remainder();
        if !y.is_empty() {
            let (mut value, mut gate, mut whole) = ([0.0; 16], [0.0; 16], [0.0; 16]);
            value[..y.len()].copy_from_slice(values.remainder());
            gate[..y.len()].copy_from_slice(gates.remainder());
            gate_vector::<V>(value.as_ptr(), gate.as_ptr(), whole.as_mut_ptr());
            y.copy_from_slice(&whole[..y.len()]);
        }
    }
}

/// # Safety
/// As for [`Lanes`]; there is a vector at each place.
#[inline(always)]
unsafe fn gate_vector<V: Lanes>(value: *const f32, gate: *const f32, y: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let value = Fraction::tanh(V::load(value));
        let gated = value.multiply(Fraction::sigmoid(V::load(gate)));
        gated.value().flush(SMALLEST).store(y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::weights::Packing;

    /// What is computed of steps of `2 n` values.
    fn gated(set: InstructionSet, x: &[f32], n: usize) -> Vec<f32> {
        let workspace = Packing::new(set).finish();
        let mut y = vec![f32::NAN; x.len() / 2];
        apply(&workspace, x, &mut y, n);
        y
    }

    #[test]
    fn every_width_and_instruction_set_agrees_with_double_precision() {
        for set in InstructionSet::available() {
            for n in 1..40 {
                let steps = 3;
                let x: Vec<f32> = (0..2 * n * steps)
                    .map(|i| 9.0 * (1.7 * i as f32).sin())
                    .collect();
                for (step, y) in gated(set, &x, n).chunks_exact(n).enumerate() {
                    let x = &x[step * 2 * n..];
                    for (i, y) in y.iter().enumerate() {
                        let (value, gate) = (f64::from(x[i]), f64::from(x[n + i]));
                        let exact = value.tanh() / (1.0 + (-gate).exp());
                        let error = (f64::from(*y) - exact).abs();
                        assert!(error <= 3e-7, "{set}, {n}, {value}, {gate}: {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_comes_in_is_finite_and_a_shut_gate_is_shut() {
        let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30];
        for set in InstructionSet::available() {
            for value in broken {
                for gate in broken {
                    let y = gated(set, &[value, gate], 1)[0];
                    assert!((-1.0..=1.0).contains(&y), "{set}: {value}, {gate}: {y}");
                }
                assert_eq!(gated(set, &[value, -1e30], 1), [0.0], "{set}: {value}");
            }
        }
    }
}
