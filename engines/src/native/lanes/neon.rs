//! NEON: four values.

use std::arch::aarch64::*;
use std::arch::asm;

use super::Lanes;

// SAFETY (of every block here): every AArch64 processor has NEON, and the caller promises that
// pointers point to as much as the trait says.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for float32x4_t {
    const WIDTH: usize = 4;
    // Of 32 registers: the sums (two for integers), an input and a weight.
    const PANEL: usize = 24;
    const INTEGER_PANEL: usize = 12;
    const COLUMNS: usize = 2;

    /// Of rows 0 and 1, and of rows 2 and 3; each has the sums of two columns.
    type Sums = [int32x4_t; 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        unsafe {
            let halves = vld1_u16(from);
            let values: float32x4_t;
            // The intrinsic needs the type f16, which is not stable.
            asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) values, in(vreg) halves,
                 options(pure, nomem, nostack, preserves_flags));
            values
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        unsafe { vfmaq_f32(sum, self, factor) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { vaddq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        unsafe { vmulq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn divide(self, divisor: Self) -> Self {
        unsafe { vdivq_f32(self, divisor) }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: f32) -> Self {
        // Unlike vminq, this prefers a number to what is none.
        unsafe { vmaxnmq_f32(vminnmq_f32(self, vdupq_n_f32(limit)), vdupq_n_f32(-limit)) }
    }

    #[inline(always)]
    unsafe fn scale(self, whole: Self) -> Self {
        unsafe {
            let exponent = vshlq_n_u32::<23>(vreinterpretq_u32_f32(whole));
            vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(self), exponent))
        }
    }

    #[inline(always)]
    unsafe fn flush(self, least: f32) -> Self {
        unsafe {
            let large = vcagtq_f32(self, vdupq_n_f32(least));
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self), large))
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { vaddvq_f32(self) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // Unlike vmaxq, this prefers a number to what is none.
        unsafe { vmaxnmq_f32(self, vdupq_n_f32(0.0)) }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const u8) {
        // There is no stable intrinsic.
        unsafe {
            asm!("prfm pldl1keep, [{0}]", in(reg) line,
                 options(readonly, nostack, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn zero_sums() -> Self::Sums {
        unsafe { [vdupq_n_s32(0); 2] }
    }

    #[inline(always)]
    unsafe fn multiply_add_integers(
        [first, second]: Self::Sums,
        weights: *const i8,
        quantized: &[i16],
        column: usize,
    ) -> Self::Sums {
        debug_assert!(column + 2 <= quantized.len());
        unsafe {
            let pair = quantized
                .as_ptr()
                .add(column)
                .cast::<i32>()
                .read_unaligned();
            let inputs = vreinterpretq_s16_s32(vdupq_n_s32(pair));
            let weights = vmovl_s8(vld1_s8(weights));
            [
                vmlal_s16(first, vget_low_s16(weights), vget_low_s16(inputs)),
                vmlal_high_s16(second, weights, inputs),
            ]
        }
    }

    #[inline(always)]
    unsafe fn total([first, second]: Self::Sums, _row_sums: *const i32) -> Self {
        unsafe { vcvtq_f32_s32(vpaddq_s32(first, second)) }
    }
}
