//! The matrix-vector product with floating-point weights.
//!
//! # Layout
//! The rows of the matrix are cut into panels, as many rows as there are sums in registers. A
//! panel is its biases `[rows]`, `f32`, and then its weights column by column `[inputs, rows]`, in
//! the order in which they are read. Rows are padded with zeros to whole vectors, panels to whole
//! cache lines.
//!
//! Column by column, because many inputs are zero behind a ReLU: their columns are not read.

use half::{bf16, f16};

use super::lanes::Lanes;
use super::weights::{LINE, occurs, panels};

/// How far ahead of the sums weights are asked for, bytes.
const AHEAD: usize = 4096;

/// What a weight is stored as.
pub(crate) trait Stored {
    const BYTES: usize;

    /// Appends `weight`.
    fn push(weight: f32, bytes: &mut Vec<u8>);

    /// Reads [`Lanes::WIDTH`] weights. See [`Lanes`] for what the caller promises.
    unsafe fn load<V: Lanes>(from: *const u8) -> V;
}

pub(super) struct F32;
pub(super) struct F16;
pub(super) struct Bf16;

impl Stored for F32 {
    const BYTES: usize = 4;

    fn push(weight: f32, bytes: &mut Vec<u8>) {
        bytes.extend(weight.to_ne_bytes());
    }

    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const u8) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(from.cast()) }
    }
}

impl Stored for F16 {
    const BYTES: usize = 2;

    fn push(weight: f32, bytes: &mut Vec<u8>) {
        bytes.extend(f16::from_f32(weight).to_ne_bytes());
    }

    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const u8) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_f16(from.cast()) }
    }
}

impl Stored for Bf16 {
    const BYTES: usize = 2;

    fn push(weight: f32, bytes: &mut Vec<u8>) {
        bytes.extend(bf16::from_f32(weight).to_ne_bytes());
    }

    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const u8) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_bf16(from.cast()) }
    }
}

/// Appends `weight` `[outputs, inputs]` and `bias` `[outputs]` in panels of at most `most` vectors
/// of `width` rows.
pub(super) fn pack<S: Stored>(
    weight: &[f32],
    bias: &[f32],
    width: usize,
    most: usize,
    bytes: &mut Vec<u8>,
) {
    let inputs = weight.len() / bias.len();
    let mut first = 0;
    for vectors in panels(bias.len(), width, most) {
        let rows = first..first + vectors * width;
        for row in rows.clone() {
            F32::push(bias.get(row).copied().unwrap_or(0.0), bytes);
        }
        for column in 0..inputs {
            for row in rows.clone() {
                S::push(
                    weight.get(row * inputs + column).copied().unwrap_or(0.0),
                    bytes,
                );
            }
        }
        bytes.resize(bytes.len().next_multiple_of(LINE), 0);
        first = rows.end;
    }
}

/// Writes `y` `[outputs]` from `x` `[inputs]`: `W x + b`, with `relu` the larger of it and 0. Only
/// the `columns` named are added up. Real-time safe. `ROWS` is `y.len()`, or
/// [`ANY`](super::weights::ANY).
///
/// # Safety
/// As for [`Lanes`]. `weights` points to what [`pack`] made for [`Lanes::WIDTH`] and
/// [`Lanes::PANEL`], of `y.len()` rows and `x.len()` columns, and `columns` names columns of it.
#[inline(always)]
pub(super) unsafe fn multiply<V: Lanes, S: Stored, const ROWS: usize>(
    weights: *const u8,
    columns: &[u32],
    x: &[f32],
    y: &mut [f32],
    relu: bool,
) {
    let mut panel = weights;
    let mut y = y;
    for vectors in panels(y.len(), V::WIDTH, V::PANEL) {
        let rows = vectors * V::WIDTH;
        let (head, tail) = y.split_at_mut(rows.min(y.len()));
        macro_rules! of_vectors {
            ($(($n:literal, $interleaved:literal))*) => {
                match vectors {
                    // SAFETY: the caller's promise; the panels are cut as they were packed.
                    $($n => unsafe {
                        multiply_panel::<V, S, ROWS, $n, $interleaved>(
                            panel, columns, x, head, relu,
                        );
                    })*
                    _ => debug_assert!(false, "a panel of {vectors} vectors"),
                }
            };
        }
        of_vectors!((1, 8)(2, 4)(3, 2)(4, 2)(5, 1)(6, 1)(7, 1)(8, 1)(9, 1)(
            10, 1
        )(11, 1)(12, 1)(13, 1)(14, 1)(15, 1)(16, 1)(17, 1)(
            18, 1
        )(19, 1)(20, 1)(21, 1)(22, 1)(23, 1)(24, 1)(25, 1));
        y = tail;
        let bytes = (rows * (F32::BYTES + x.len() * S::BYTES)).next_multiple_of(LINE);
        // SAFETY: as many bytes were packed; at the last panel this is the end.
        panel = unsafe { panel.add(bytes) };
    }
}

/// One panel of `N` vectors. Additions to one sum have to wait for each other: where there are few
/// sums, `INTERLEAVED` columns have sums of their own.
#[inline(always)]
unsafe fn multiply_panel<
    V: Lanes,
    S: Stored,
    const ROWS: usize,
    const N: usize,
    const INTERLEAVED: usize,
>(
    panel: *const u8,
    columns: &[u32],
    x: &[f32],
    y: &mut [f32],
    relu: bool,
) {
    if const { !occurs(N, ROWS, V::WIDTH, V::PANEL) } {
        return; // Never packed; nothing to compile.
    }
    // Where no column is left out the processor sees by itself what comes.
    let ahead = if columns.len() < x.len() {
        (AHEAD / (N * V::WIDTH * S::BYTES)).max(1)
    } else {
        columns.len()
    };
    let known = columns.len().saturating_sub(ahead);
    // SAFETY: the caller's promise: the panel has as many biases, columns and rows as it is read
    // for, and `columns` names no others.
    unsafe {
        let weights = panel.add(N * V::WIDTH * F32::BYTES);
        let mut sums = [[V::splat(0.0); N]; INTERLEAVED];
        for (i, sum) in sums[0].iter_mut().enumerate() {
            *sum = V::load(panel.cast::<f32>().add(i * V::WIDTH));
        }
        // A loop of its own: with a condition in it the compiler keeps sums in memory.
        let mut k = 0;
        while k + INTERLEAVED <= known {
            for (i, sums) in sums.iter_mut().enumerate() {
                ask_for_column::<V, S, N>(weights, *columns.get_unchecked(k + i + ahead));
                add_column::<V, S, N>(weights, *columns.get_unchecked(k + i), x, sums);
            }
            k += INTERLEAVED;
        }
        while k + INTERLEAVED <= columns.len() {
            for (i, sums) in sums.iter_mut().enumerate() {
                add_column::<V, S, N>(weights, *columns.get_unchecked(k + i), x, sums);
            }
            k += INTERLEAVED;
        }
        while k < columns.len() {
            add_column::<V, S, N>(weights, *columns.get_unchecked(k), x, &mut sums[0]);
            k += 1;
        }
        let mut total = sums[0];
        for others in &sums[1..] {
            for (total, other) in total.iter_mut().zip(others) {
                *total = total.add(*other);
            }
        }
        store(&total, y, relu);
    }
}

/// Asks for column number `column`.
#[inline(always)]
unsafe fn ask_for_column<V: Lanes, S: Stored, const N: usize>(weights: *const u8, column: u32) {
    let bytes = N * V::WIDTH * S::BYTES;
    let weights = weights.wrapping_add(column as usize * bytes);
    for line in 0..bytes.div_ceil(LINE) {
        // SAFETY: the caller's promise; what is only asked for may lie anywhere.
        unsafe { V::prefetch(weights.wrapping_add(line * LINE)) };
    }
}

/// Adds the products of column number `column`.
#[inline(always)]
unsafe fn add_column<V: Lanes, S: Stored, const N: usize>(
    weights: *const u8,
    column: u32,
    x: &[f32],
    sums: &mut [V; N],
) {
    let vector = V::WIDTH * S::BYTES;
    let column = column as usize;
    // SAFETY: the caller's promise.
    unsafe {
        let input = V::splat(*x.get_unchecked(column));
        let weights = weights.add(column * N * vector);
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = S::load::<V>(weights.add(i * vector)).multiply_add(input, *sum);
        }
    }
}

/// Writes as many of `values` as `y` has room for.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn store<V: Lanes, const N: usize>(values: &[V; N], y: &mut [f32], relu: bool) {
    // SAFETY: the caller's promise; what is written has the room that is checked.
    unsafe {
        for (value, y) in values.iter().zip(y.chunks_mut(V::WIDTH)) {
            let value = if relu { value.relu() } else { *value };
            if y.len() == V::WIDTH {
                value.store(y.as_mut_ptr());
            } else {
                let mut whole = [0.0; 16];
                value.store(whole.as_mut_ptr());
                y.copy_from_slice(&whole[..y.len()]);
            }
        }
    }
}
