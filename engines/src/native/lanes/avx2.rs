//! AVX2 with FMA and F16C: eight values.

use std::arch::x86_64::*;

use super::Lanes;

// SAFETY (of every block here): the caller promises that the processor has AVX2, FMA and F16C,
// and that pointers point to as much as the trait says.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for __m256 {
    const WIDTH: usize = 8;
    // Of 16 registers: the sums, an input and a weight.
    const PANEL: usize = 12;
    const INTEGER_PANEL: usize = 12;
    const COLUMNS: usize = 2;

    type Sums = __m256i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        unsafe {
            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        unsafe { _mm256_fmadd_ps(self, factor, sum) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // If one operand is no number, the second is the result.
        unsafe { _mm256_max_ps(self, _mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }

    #[inline(always)]
    unsafe fn zero_sums() -> Self::Sums {
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn multiply_add_integers(
        sums: Self::Sums,
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
            let weights = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.cast()));
            let products = _mm256_madd_epi16(weights, _mm256_set1_epi32(pair));
            _mm256_add_epi32(sums, products)
        }
    }

    #[inline(always)]
    unsafe fn total(sums: Self::Sums, _row_sums: *const i32) -> Self {
        unsafe { _mm256_cvtepi32_ps(sums) }
    }
}
