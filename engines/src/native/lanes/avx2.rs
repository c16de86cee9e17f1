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
    unsafe fn multiply(self, other: Self) -> Self {
        unsafe { _mm256_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn divide(self, divisor: Self) -> Self {
        unsafe { _mm256_div_ps(self, divisor) }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: f32) -> Self {
        // If one operand is no number, the second is the result.
        unsafe {
            let below = _mm256_min_ps(self, _mm256_set1_ps(limit));
            _mm256_max_ps(below, _mm256_set1_ps(-limit))
        }
    }

    #[inline(always)]
    unsafe fn scale(self, whole: Self) -> Self {
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(whole));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(self), exponent))
        }
    }

    #[inline(always)]
    unsafe fn flush(self, least: f32) -> Self {
        unsafe {
            let size = _mm256_andnot_ps(_mm256_set1_ps(-0.0), self);
            let large = _mm256_cmp_ps::<_CMP_GT_OQ>(size, _mm256_set1_ps(least));
            _mm256_and_ps(self, large)
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let four = _mm_add_ps(
                _mm256_castps256_ps128(self),
                _mm256_extractf128_ps::<1>(self),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            let one = _mm_add_ss(two, _mm_movehdup_ps(two));
            _mm_cvtss_f32(one)
        }
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
