//! The few vector operations that the kernels are made of, for each instruction set.
//!
//! The kernels are written once, generic over [`Lanes`], and always inlined into a function that
//! is compiled for the instruction set.

mod plain;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub(crate) use plain::Plain;

/// Some `f32`, as many as an instruction works on.
///
/// # Safety
/// Every function may be called only on a processor that has the instructions
/// ([`super::InstructionSet::is_available`]), and from code that is compiled for them. Pointers
/// need no alignment; what lies behind them must be as long as each function says.
pub(crate) trait Lanes: Copy {
    /// How many.
    const WIDTH: usize;

    /// How many vectors of sums stay in registers while a panel of floating-point weights is
    /// read, and while one of integer weights is.
    const PANEL: usize;
    const INTEGER_PANEL: usize;

    /// Columns of integer weights that are multiplied and added by one instruction.
    const COLUMNS: usize;

    /// Sums of integer products, one a lane.
    type Sums: Copy;

    unsafe fn splat(value: f32) -> Self;

    /// Reads [`Lanes::WIDTH`] values.
    unsafe fn load(from: *const f32) -> Self;

    /// Reads [`Lanes::WIDTH`] values of half precision.
    unsafe fn load_f16(from: *const u16) -> Self;

    /// Reads [`Lanes::WIDTH`] upper halves of `f32`.
    unsafe fn load_bf16(from: *const u16) -> Self;

    /// Writes [`Lanes::WIDTH`] values.
    unsafe fn store(self, to: *mut f32);

    /// `self * factor + sum`.
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;

    unsafe fn add(self, other: Self) -> Self;

    unsafe fn multiply(self, other: Self) -> Self;

    unsafe fn divide(self, divisor: Self) -> Self;

    /// Values beyond `-limit` to `limit` become the nearer of both, what is no number `limit`.
    unsafe fn clamp(self, limit: f32) -> Self;

    /// `self 2^n`, where `n` is in the lowest eight bits of `whole`. `self` and the result are no
    /// denormal numbers.
    unsafe fn scale(self, whole: Self) -> Self;

    /// 0 for values from `-least` to `least`.
    unsafe fn flush(self, least: f32) -> Self;

    /// All values added up.
    unsafe fn sum(self) -> f32;

    /// 0 for negative values and for what is no number.
    unsafe fn relu(self) -> Self;

    /// Asks for the cache line at `line`, which may lie anywhere.
    unsafe fn prefetch(line: *const u8);

    /// Writes the indices of the elements of `x` that are not 0 to `columns`, which has room for
    /// 16 more than `x` has, and returns how many there are.
    #[inline(always)]
    unsafe fn nonzero(x: &[f32], columns: &mut [u32]) -> usize {
        let mut n = 0;
        for (i, x) in x.iter().enumerate() {
            columns[n] = i as u32;
            n += usize::from(*x != 0.0);
        }
        n
    }

    /// Writes `x / scale`, rounded, in the form that [`Lanes::multiply_add_integers`] reads, to
    /// `quantized` `[x.len() rounded up to a multiple of 16]`. No quotient may be larger than
    /// 2^15.
    #[inline(always)]
    unsafe fn quantize(x: &[f32], inverse_scale: f32, quantized: &mut [i16]) {
        for (q, x) in quantized.iter_mut().zip(x) {
            *q = round(x * inverse_scale) as i16;
        }
        quantized[x.len()..].fill(0);
    }

    unsafe fn zero_sums() -> Self::Sums;

    /// Adds the products of [`Lanes::COLUMNS`] inputs, from number `column` of `quantized` on,
    /// with the weights of [`Lanes::WIDTH`] rows `[WIDTH, COLUMNS]`.
    unsafe fn multiply_add_integers(
        sums: Self::Sums,
        weights: *const i8,
        quantized: &[i16],
        column: usize,
    ) -> Self::Sums;

    /// The sums as numbers. `row_sums` `[WIDTH]` are the sums of each row's weights.
    unsafe fn total(sums: Self::Sums, row_sums: *const i32) -> Self;
}

/// The nearest integer of a number below 2^22 (halves to even); garbage for others.
///
/// Adding 1.5 * 2^23 leaves the integer in the lowest bits, without the checks of `as`, so that
/// the compiler makes vectors of it.
#[inline(always)]
pub(super) fn round(x: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
}
