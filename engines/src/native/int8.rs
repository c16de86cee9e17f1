//! The matrix-vector product with 8-bit weights.
//!
//! A row of weights is `scale q` with integers `q` from -127 to 127. The inputs become 16-bit
//! integers with one scale for all of them, so that nearly all of the error is that of the
//! weights. Sums of products are exact, and therefore the same for every instruction set.
//!
//! # Layout
//! In panels as in [`super::panel`], but a panel is, for each row, the scales `[rows]`, the
//! biases `[rows]`, `f32`, and the sums of the integers `[rows]`, `i32`; then the weights
//! `[inputs / COLUMNS, rows, COLUMNS]`: instructions for integers add up neighbouring columns.

use super::lanes::Lanes;
use super::panel::store;
use super::weights::{LINE, occurs, panels};

/// Largest layer, inputs: with more of them the inputs would have to be coarse for their sums not
/// to overflow.
pub(super) const MOST_INPUTS: usize = 8192;

/// Largest integer that an input becomes: 256 times the digit 127.
const LARGEST_INPUT: u32 = 127 * 256;

/// Largest integer that a weight becomes.
const LARGEST_WEIGHT: u32 = 127;

/// How far ahead of the sums weights are asked for, bytes.
const AHEAD: usize = 4096;

/// Bytes at the head of a panel, for each row.
const HEAD: usize = 12;

/// The largest integer that one of `inputs` may become without an overflow of their sum.
fn largest_input(inputs: usize) -> f32 {
    let most = i32::MAX as usize / (LARGEST_WEIGHT as usize * inputs);
    most.min(LARGEST_INPUT as usize) as f32
}

/// The scale and the integers of a row.
fn quantize_row(row: &[f32]) -> (f32, impl Iterator<Item = i8>) {
    let largest = row.iter().fold(0.0_f32, |largest, w| largest.max(w.abs()));
    let scale = largest / LARGEST_WEIGHT as f32;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    (scale, row.iter().map(move |w| (w * inverse).round() as i8))
}

/// Appends `weight` `[outputs, inputs]` and `bias` `[outputs]` in panels of at most `most` vectors
/// of `width` rows, for instructions that add up `columns`.
pub(super) fn pack(
    weight: &[f32],
    bias: &[f32],
    width: usize,
    most: usize,
    columns: usize,
    bytes: &mut Vec<u8>,
) {
    let inputs = weight.len() / bias.len();
    let groups = inputs.div_ceil(columns);
    let mut first = 0;
    for vectors in panels(bias.len(), width, most) {
        let rows = first..first + vectors * width;
        let mut integers = vec![0_i8; rows.len() * groups * columns];
        let (mut scales, mut biases) = (vec![0.0_f32; rows.len()], vec![0.0_f32; rows.len()]);
        let mut sums = vec![0_i32; rows.len()];
        let there = weight.chunks_exact(inputs).zip(bias);
        for (row, (weights, bias)) in there.skip(first).take(rows.len()).enumerate() {
            let (scale, quantized) = quantize_row(weights);
            scales[row] = scale;
            biases[row] = *bias;
            for (column, q) in quantized.enumerate() {
                let group = column / columns * rows.len() + row;
                integers[group * columns + column % columns] = q;
                sums[row] += i32::from(q);
            }
        }
        bytes.extend(scales.iter().flat_map(|value| value.to_ne_bytes()));
        bytes.extend(biases.iter().flat_map(|value| value.to_ne_bytes()));
        bytes.extend(sums.iter().flat_map(|value| value.to_ne_bytes()));
        bytes.extend(integers.iter().map(|q| q.cast_unsigned()));
        bytes.resize(bytes.len().next_multiple_of(LINE), 0);
        first = rows.end;
    }
}

/// Writes `y` `[outputs]` from `x` `[inputs]`: `W x + b`, with `relu` the larger of it and 0.
/// `quantized` has room for 16 more than `x`. Real-time safe. `ROWS` is `y.len()`, or
/// [`ANY`](super::weights::ANY).
///
/// # Safety
/// As for [`Lanes`]. `weights` points to what [`pack`] made for the constants of [`Lanes`], of
/// `y.len()` rows and `x.len()` columns.
#[inline(always)]
pub(super) unsafe fn multiply<V: Lanes, const ROWS: usize>(
    weights: *const u8,
    quantized: &mut [i16],
    x: &[f32],
    y: &mut [f32],
    relu: bool,
) {
    let quantized = &mut quantized[..x.len().next_multiple_of(16)];
    let scale = largest(x) / largest_input(x.len());
    let inverse = scale.recip();
    // SAFETY: the caller's promise.
    unsafe {
        V::quantize(
            x,
            if inverse.is_finite() { inverse } else { 0.0 },
            quantized,
        );
    }
    let columns = x.len().next_multiple_of(V::COLUMNS);
    let mut panel = weights;
    let mut y = y;
    for vectors in panels(y.len(), V::WIDTH, V::INTEGER_PANEL) {
        let rows = vectors * V::WIDTH;
        let (head, tail) = y.split_at_mut(rows.min(y.len()));
        macro_rules! of_vectors {
            ($($n:literal)*) => {
                match vectors {
                    // SAFETY: the caller's promise; the panels are cut as they were packed.
                    $($n => unsafe {
                        multiply_panel::<V, ROWS, $n>(
                            panel, quantized, columns, scale, head, relu,
                        );
                    })*
                    _ => debug_assert!(false, "a panel of {vectors} vectors"),
                }
            };
        }
        of_vectors!(1 2 3 4 5 6 7 8 9 10 11 12 13);
        y = tail;
        // SAFETY: as many bytes were packed; at the last panel this is the end.
        panel = unsafe { panel.add((rows * (HEAD + columns)).next_multiple_of(LINE)) };
    }
}

/// The largest absolute value, as the integers that their bits are, which are in the same order.
/// What is not finite counts as the largest number.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let largest = x
        .iter()
        .fold(0, |largest, x| largest.max(x.abs().to_bits()));
    f32::from_bits(largest).min(f32::MAX)
}

#[inline(always)]
unsafe fn multiply_panel<V: Lanes, const ROWS: usize, const N: usize>(
    panel: *const u8,
    quantized: &[i16],
    columns: usize,
    scale: f32,
    y: &mut [f32],
    relu: bool,
) {
    if const { !occurs(N, ROWS, V::WIDTH, V::INTEGER_PANEL) } {
        return; // Never packed; nothing to compile.
    }
    let rows = N * V::WIDTH;
    let vector = V::WIDTH * V::COLUMNS;
    // SAFETY: the caller's promise: the panel has as many rows and columns as it is read for.
    // What is only prefetched may lie anywhere.
    unsafe {
        let scales = panel.cast::<f32>();
        let biases = scales.add(rows);
        let row_sums = biases.add(rows).cast::<i32>();
        let mut weights = row_sums.add(rows).cast::<i8>();
        let mut sums = [V::zero_sums(); N];
        for column in (0..columns).step_by(V::COLUMNS) {
            for line in 0..(N * vector).div_ceil(LINE) {
                V::prefetch(weights.wrapping_add(AHEAD + line * LINE).cast());
            }
            for sum in &mut sums {
                *sum = V::multiply_add_integers(*sum, weights, quantized, column);
                weights = weights.add(vector);
            }
        }
        let mut total = [V::splat(0.0); N];
        for (i, (total, sum)) in total.iter_mut().zip(sums).enumerate() {
            let at = i * V::WIDTH;
            let scale = V::load(scales.add(at)).multiply_add(V::splat(scale), V::splat(0.0));
            let sum = V::total(sum, row_sums.add(at));
            *total = sum.multiply_add(scale, V::load(biases.add(at)));
        }
        store(&total, y, relu);
    }
}
