//! The matrix-vector product with floating-point weights, of many rows.
//!
//! # Layout
//! One panel of all rows, see [`panel`]: whole columns.
//!
//! Several columns are read at once, each from its first byte to its last: several streams, as long
//! as they can be. The processor's own prefetchers follow them, so that more lines are on their way
//! from memory than when one stream of short pieces with gaps is read. The sums are in the first
//! level of the caches.

use super::lanes::Lanes;
use super::panel::{self, F32, Stored};
use super::weights::LINE;

/// Columns that are read at once.
const TOGETHER: usize = 8;

/// Writes `y` `[outputs]` from `x` `[inputs]`: `W x + b`, with `relu` the larger of it and 0. Only
/// the `columns` named are added up. Real-time safe.
///
/// # Safety
/// As for [`Lanes`]. `weights` points to what [`panel::pack`] made for [`Lanes::WIDTH`], one panel of
/// `y.len()` rows and `x.len()` columns, `columns` names columns of it, and `sums` points to room for
/// as many values as there are rows, rounded up to whole vectors.
#[inline(always)]
pub(super) unsafe fn multiply<V: Lanes, S: Stored>(
    weights: *const u8,
    columns: &[u32],
    x: &[f32],
    sums: *mut f32,
    y: &mut [f32],
    relu: bool,
) {
    let vectors = y.len().div_ceil(V::WIDTH);
    // SAFETY: the caller's promise: there are so many biases, and as much room.
    unsafe {
        let biases = weights.cast::<f32>();
        for at in (0..vectors).map(|i| i * V::WIDTH) {
            V::load(biases.add(at)).store(sums.add(at));
        }
    }
    let matrix = Matrix {
        // SAFETY: the columns lie behind the biases.
        weights: unsafe { weights.add(vectors * V::WIDTH * F32::BYTES) },
        vectors,
        x,
        sums,
    };
    let mut columns = columns;
    // SAFETY: the caller's promise.
    unsafe {
        while let Some((these, later)) = columns.split_first_chunk::<TOGETHER>() {
            matrix.add_columns::<V, S, TOGETHER>(these, later);
            columns = later;
        }
        while let Some((these, later)) = columns.split_first_chunk::<1>() {
            matrix.add_columns::<V, S, 1>(these, later);
            columns = later;
        }
        for (i, y) in y.chunks_mut(V::WIDTH).enumerate() {
            panel::store(&[V::load(sums.add(i * V::WIDTH))], y, relu);
        }
    }
}

/// Columns, and what they are multiplied with and added to.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    weights: *const u8,
    /// In a column.
    vectors: usize,
    x: &'a [f32],
    sums: *mut f32,
}

/// Some columns of a [`Matrix`].
struct Columns<V, const N: usize> {
    weights: [*const u8; N],
    inputs: [V; N],
    /// The columns that are read next.
    coming: [*const u8; N],
}

impl Matrix<'_> {
    /// Adds the products of the columns `these`, and asks for as many of the `later` ones.
    ///
    /// # Safety
    /// As for [`multiply`].
    #[inline(always)]
    unsafe fn add_columns<V: Lanes, S: Stored, const N: usize>(
        &self,
        these: &[u32; N],
        later: &[u32],
    ) {
        let bytes = self.vectors * V::WIDTH * S::BYTES;
        // Behind the last column comes what is read next: a layer.
        let coming = |i: usize| later.get(i).map_or(self.x.len() + i, |c| *c as usize);
        // SAFETY: the caller's promise; what is only asked for may lie anywhere.
        unsafe {
            let columns = Columns {
                weights: these.map(|column| self.weights.add(column as usize * bytes)),
                inputs: these.map(|column| V::splat(*self.x.get_unchecked(column as usize))),
                coming: std::array::from_fn(|i| self.weights.wrapping_add(coming(i) * bytes)),
            };
            // A line of each column at a time.
            match const { LINE / (V::WIDTH * S::BYTES) } {
                1 => self.add_lines::<V, S, N, 1>(&columns),
                2 => self.add_lines::<V, S, N, 2>(&columns),
                4 => self.add_lines::<V, S, N, 4>(&columns),
                _ => self.add_lines::<V, S, N, 8>(&columns),
            }
        }
    }

    /// # Safety
    /// As for [`multiply`].
    #[inline(always)]
    unsafe fn add_lines<V: Lanes, S: Stored, const N: usize, const AT_ONCE: usize>(
        &self,
        columns: &Columns<V, N>,
    ) {
        let mut vector = 0;
        // SAFETY: the caller's promise; no vector is beyond the last.
        unsafe {
            while vector + AT_ONCE <= self.vectors {
                for coming in columns.coming {
                    V::prefetch(coming.wrapping_add(vector * V::WIDTH * S::BYTES));
                }
                self.add_vectors::<V, S, N, AT_ONCE>(columns, vector);
                vector += AT_ONCE;
            }
            while vector < self.vectors {
                self.add_vectors::<V, S, N, 1>(columns, vector);
                vector += 1;
            }
        }
    }

    /// Adds up `AT_ONCE` vectors of each column from number `first` on.
    ///
    /// # Safety
    /// As for [`multiply`]; there are so many vectors.
    #[inline(always)]
    unsafe fn add_vectors<V: Lanes, S: Stored, const N: usize, const AT_ONCE: usize>(
        &self,
        columns: &Columns<V, N>,
        first: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let at = self.sums.add(first * V::WIDTH);
            let mut sums = [V::splat(0.0); AT_ONCE];
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(at.add(i * V::WIDTH));
            }
            for (weights, input) in columns.weights.iter().zip(&columns.inputs) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let weights = weights.add((first + i) * V::WIDTH * S::BYTES);
                    *sum = S::load::<V>(weights).multiply_add(*input, *sum);
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                sum.store(at.add(i * V::WIDTH));
            }
        }
    }
}
