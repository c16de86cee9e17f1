//! Plain Rust: the reference for the other instruction sets, and what runs where there is none.

use half::{bf16, f16};

use super::Lanes;

const WIDTH: usize = 8;

/// Eight values.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; WIDTH]);

// The functions are unsafe only as far as they read and write through pointers.
impl Lanes for Plain {
    const WIDTH: usize = WIDTH;
    const PANEL: usize = 4;
    const INTEGER_PANEL: usize = 4;
    const COLUMNS: usize = 2;

    type Sums = [i32; WIDTH];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; WIDTH])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; WIDTH]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; WIDTH]>().read_unaligned() };
        Self(bits.map(|bits| f16::from_bits(bits).to_f32_const()))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; WIDTH]>().read_unaligned() };
        Self(bits.map(|bits| bf16::from_bits(bits).to_f32_const()))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; WIDTH]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + sum.0[i]))
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    unsafe fn divide(self, divisor: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / divisor.0[i]))
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: f32) -> Self {
        // Not f32::clamp, which leaves what is no number.
        let below = self.0.map(|x| if x < limit { x } else { limit });
        Self(below.map(|x| if x > -limit { x } else { -limit }))
    }

    #[inline(always)]
    unsafe fn scale(self, whole: Self) -> Self {
        Self(std::array::from_fn(|i| {
            let exponent = whole.0[i].to_bits() << 23;
            f32::from_bits(self.0[i].to_bits().wrapping_add(exponent))
        }))
    }

    #[inline(always)]
    unsafe fn flush(self, least: f32) -> Self {
        Self(self.0.map(|x| if x.abs() > least { x } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let mut values = self.0;
        let mut half = WIDTH / 2;
        while half > 0 {
            for i in 0..half {
                values[i] += values[half + i];
            }
            half /= 2;
        }
        values[0]
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|x| x.max(0.0)))
    }

    #[inline(always)]
    unsafe fn prefetch(_line: *const u8) {}

    #[inline(always)]
    unsafe fn zero_sums() -> Self::Sums {
        [0; WIDTH]
    }

    #[inline(always)]
    unsafe fn multiply_add_integers(
        sums: Self::Sums,
        weights: *const i8,
        quantized: &[i16],
        column: usize,
    ) -> Self::Sums {
        // SAFETY: the caller's promise.
        let weights = unsafe { weights.cast::<[[i8; 2]; WIDTH]>().read_unaligned() };
        let [a, b] = [quantized[column], quantized[column + 1]].map(i32::from);
        std::array::from_fn(|i| {
            sums[i] + i32::from(weights[i][0]) * a + i32::from(weights[i][1]) * b
        })
    }

    #[inline(always)]
    unsafe fn total(sums: Self::Sums, _row_sums: *const i32) -> Self {
        Self(sums.map(|sum| sum as f32))
    }
}
