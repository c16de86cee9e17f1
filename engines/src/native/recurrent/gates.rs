//! The sums of a recurrent layer's gates.
//!
//! # Layout
//! The units are cut into panels, as many as there are sums in registers. A panel is four rows of
//! biases `[vectors, 4, width]`, `f32`, and then, column by column, the weights of the inputs
//! `[inputs, vectors, gates, width]` and of the state `[units, vectors, gates, width]`: the order
//! in which they are read, so that one broadcast input or state feeds all gates of all units of
//! the panel. Units are padded with zeros to whole vectors, panels to whole cache lines.

use crate::native::lanes::Lanes;
use crate::native::panel::{F32, Stored};
use crate::native::weights::LINE;

use super::Cell;

/// Rows of biases, for every cell.
pub(super) const BIASES: usize = 4;

/// Sums that hide the time that an addition takes: two at once, each four cycles.
const SUMS: usize = 8;

/// The matrices of a layer.
pub(super) struct Gates<'a> {
    pub(super) inputs: usize,
    pub(super) units: usize,
    /// `[gates, units, inputs]`
    pub(super) kernel: &'a [f32],
    /// `[gates, units, units]`
    pub(super) recurrent: &'a [f32],
    /// `[4, units]`
    pub(super) bias: Vec<f32>,
}

impl Gates<'_> {
    /// All weights.
    pub(super) fn weights(&self) -> impl Iterator<Item = f32> {
        self.kernel.iter().chain(self.recurrent).copied()
    }

    /// Appends all panels.
    pub(super) fn pack<S: Stored>(&self, panels: &[usize], width: usize, bytes: &mut Vec<u8>) {
        let gates = self.kernel.len() / (self.units * self.inputs);
        let mut first = 0;
        for vectors in panels {
            let end = first + vectors * width;
            let vectors = (first..end).step_by(width);
            for unit in vectors.clone() {
                for row in 0..BIASES {
                    for unit in unit..unit + width {
                        let there = unit < self.units;
                        let bias = if there {
                            self.bias[row * self.units + unit]
                        } else {
                            0.0
                        };
                        F32::push(bias, bytes);
                    }
                }
            }
            for (matrix, columns) in [(self.kernel, self.inputs), (self.recurrent, self.units)] {
                for column in 0..columns {
                    for unit in vectors.clone() {
                        for gate in 0..gates {
                            for unit in unit..unit + width {
                                let at = (gate * self.units + unit) * columns + column;
                                let weight = if unit < self.units { matrix[at] } else { 0.0 };
                                S::push(weight, bytes);
                            }
                        }
                    }
                }
            }
            bytes.resize(bytes.len().next_multiple_of(LINE), 0);
            first = end;
        }
    }
}

/// Bytes of a panel of `rows` units and `columns` inputs and state, weights of `stored` bytes.
#[inline(always)]
pub(super) fn panel_bytes<C: Cell>(rows: usize, columns: usize, stored: usize) -> usize {
    (rows * (BIASES * F32::BYTES + columns * C::GATES * stored)).next_multiple_of(LINE)
}

/// The biases of a panel of `N` vectors.
///
/// # Safety
/// As for [`Lanes`]; `panel` points to a panel of `N` vectors.
#[inline(always)]
pub(super) unsafe fn biases<V: Lanes, const N: usize>(panel: *const u8) -> [[V; BIASES]; N] {
    let mut at: *const f32 = panel.cast();
    // SAFETY: the caller's promise.
    unsafe {
        // No closures, which would not be compiled for the instruction set.
        let mut biases = [[V::splat(0.0); BIASES]; N];
        for bias in biases.as_flattened_mut() {
            *bias = V::load(at);
            at = at.add(V::WIDTH);
        }
        biases
    }
}

/// Adds the products of `n` columns of `weights` `[n, N, G, V::WIDTH]` with `values` `[n]`, and
/// returns where the next column begins.
///
/// # Safety
/// As for [`Lanes`]; there is as much as that behind both pointers.
#[inline(always)]
pub(super) unsafe fn add_columns<V: Lanes, S: Stored, const G: usize, const N: usize>(
    weights: *const u8,
    values: *const f32,
    n: usize,
    sums: &mut [[V; G]; N],
) -> *const u8 {
    // SAFETY: the caller's promise.
    unsafe {
        if const { N * G < SUMS && 2 * N * G <= V::PANEL } {
            if const { 2 * N * G < SUMS && 3 * N * G <= V::PANEL } {
                add_interleaved::<V, S, G, N, 3>(weights, values, n, sums);
            } else {
                add_interleaved::<V, S, G, N, 2>(weights, values, n, sums);
            }
        } else {
            for column in 0..n {
                add_column::<V, S, G, N>(weights, values, column, sums);
            }
        }
        weights.add(n * N * G * V::WIDTH * S::BYTES)
    }
}

/// Additions to one sum have to wait for each other: where there are few sums, `I` columns have
/// sums of their own.
#[inline(always)]
unsafe fn add_interleaved<V: Lanes, S: Stored, const G: usize, const N: usize, const I: usize>(
    weights: *const u8,
    values: *const f32,
    n: usize,
    sums: &mut [[V; G]; N],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut interleaved = [[[V::splat(0.0); G]; N]; I];
        interleaved[0] = *sums;
        let mut column = 0;
        while column + I <= n {
            for (i, sums) in interleaved.iter_mut().enumerate() {
                add_column::<V, S, G, N>(weights, values, column + i, sums);
            }
            column += I;
        }
        while column < n {
            add_column::<V, S, G, N>(weights, values, column, &mut interleaved[0]);
            column += 1;
        }
        *sums = interleaved[0];
        for others in &interleaved[1..] {
            for (sums, others) in sums.iter_mut().zip(others) {
                for (sum, other) in sums.iter_mut().zip(others) {
                    *sum = sum.add(*other);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn add_column<V: Lanes, S: Stored, const G: usize, const N: usize>(
    weights: *const u8,
    values: *const f32,
    column: usize,
    sums: &mut [[V; G]; N],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let value = V::splat(*values.add(column));
        let weights = weights.add(column * N * G * V::WIDTH * S::BYTES);
        for (i, sums) in sums.iter_mut().enumerate() {
            for (gate, sum) in sums.iter_mut().enumerate() {
                let weight = weights.add((i * G + gate) * V::WIDTH * S::BYTES);
                *sum = S::load::<V>(weight).multiply_add(value, *sum);
            }
        }
    }
}
