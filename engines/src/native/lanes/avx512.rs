//! AVX-512 with VNNI: sixteen values.

use std::arch::x86_64::*;

use super::Lanes;

// SAFETY (of every block here): the caller promises that the processor has AVX-512 F, BW, DQ, VL
// and VNNI, and that pointers point to as much as the trait says.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for __m512 {
    const WIDTH: usize = 16;
    // Of 32 registers: the sums (two for integers), an input (two) and a weight. 25 vectors are
    // half of the 800 rows of the paper's network A, 22 all 350 rows of B and C.
    const PANEL: usize = 25;
    const INTEGER_PANEL: usize = 13;
    const COLUMNS: usize = 4;

    /// Of the upper and of the lower digits.
    type Sums = [__m512i; 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        unsafe {
            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        unsafe { _mm512_fmadd_ps(self, factor, sum) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        unsafe { _mm512_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn divide(self, divisor: Self) -> Self {
        unsafe { _mm512_div_ps(self, divisor) }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: f32) -> Self {
        // If one operand is no number, the second is the result.
        unsafe {
            let below = _mm512_min_ps(self, _mm512_set1_ps(limit));
            _mm512_max_ps(below, _mm512_set1_ps(-limit))
        }
    }

    #[inline(always)]
    unsafe fn scale(self, whole: Self) -> Self {
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(whole));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(self), exponent))
        }
    }

    #[inline(always)]
    unsafe fn flush(self, least: f32) -> Self {
        unsafe {
            let size = _mm512_abs_ps(self);
            let large = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(size, _mm512_set1_ps(least));
            _mm512_maskz_mov_ps(large, self)
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // If one operand is no number, the second is the result.
        unsafe { _mm512_max_ps(self, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }

    #[inline(always)]
    unsafe fn nonzero(x: &[f32], columns: &mut [u32]) -> usize {
        assert!(columns.len() >= x.len() + 16);
        let mut n = 0;
        unsafe {
            let mut indices =
                _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            for x in x.chunks(16) {
                let there = !0_u16 >> (16 - x.len());
                let values = _mm512_maskz_loadu_ps(there, x.as_ptr());
                let chosen = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(values, _mm512_setzero_ps());
                // At most as many as were looked at have been written, and 16 more fit.
                let packed = _mm512_maskz_compress_epi32(chosen, indices);
                _mm512_storeu_si512(columns.as_mut_ptr().add(n).cast(), packed);
                n += chosen.count_ones() as usize;
                indices = _mm512_add_epi32(indices, _mm512_set1_epi32(16));
            }
        }
        n
    }

    /// An input is `256 upper + lower` with both digits from -128 to 127. The instruction wants
    /// one unsigned factor: 128 is added to both digits, and [`Lanes::total`] takes it off again.
    /// All upper digits come first, then all lower ones.
    #[inline(always)]
    unsafe fn quantize(x: &[f32], inverse_scale: f32, quantized: &mut [i16]) {
        let padded = quantized.len();
        assert!(padded >= x.len() && padded.is_multiple_of(16));
        unsafe {
            let upper_digits = quantized.as_mut_ptr().cast::<u8>();
            let lower_digits = upper_digits.add(padded);
            let scale = _mm512_set1_ps(inverse_scale);
            let half = _mm512_set1_epi32(128);
            for (i, x) in x.chunks(16).enumerate() {
                let there = !0_u16 >> (16 - x.len());
                let values = _mm512_maskz_loadu_ps(there, x.as_ptr());
                let q = _mm512_cvtps_epi32(_mm512_mul_ps(values, scale));
                let upper = _mm512_srai_epi32::<8>(_mm512_add_epi32(q, half));
                let lower = _mm512_sub_epi32(q, _mm512_slli_epi32::<8>(upper));
                let upper = _mm512_cvtepi32_epi8(_mm512_add_epi32(upper, half));
                let lower = _mm512_cvtepi32_epi8(_mm512_add_epi32(lower, half));
                _mm_storeu_si128(upper_digits.add(16 * i).cast(), upper);
                _mm_storeu_si128(lower_digits.add(16 * i).cast(), lower);
            }
        }
    }

    #[inline(always)]
    unsafe fn zero_sums() -> Self::Sums {
        unsafe { [_mm512_setzero_si512(); 2] }
    }

    #[inline(always)]
    unsafe fn multiply_add_integers(
        [upper, lower]: Self::Sums,
        weights: *const i8,
        quantized: &[i16],
        column: usize,
    ) -> Self::Sums {
        debug_assert!(column + 4 <= quantized.len());
        unsafe {
            let digits = quantized.as_ptr().cast::<u8>().add(column);
            let upper_digits = digits.cast::<i32>().read_unaligned();
            let lower_digits = digits.add(quantized.len()).cast::<i32>().read_unaligned();
            let weights = _mm512_loadu_si512(weights.cast());
            [
                _mm512_dpbusd_epi32(upper, _mm512_set1_epi32(upper_digits), weights),
                _mm512_dpbusd_epi32(lower, _mm512_set1_epi32(lower_digits), weights),
            ]
        }
    }

    /// `256 (upper - 128 s) + lower - 128 s` with the row sum `s`. Parts of it may be beyond 32
    /// bits, the whole is not, so that the carries lost do not matter.
    #[inline(always)]
    unsafe fn total([upper, lower]: Self::Sums, row_sums: *const i32) -> Self {
        unsafe {
            let offset = _mm512_mullo_epi32(
                _mm512_loadu_si512(row_sums.cast()),
                _mm512_set1_epi32(128 * 257),
            );
            let digits = _mm512_add_epi32(_mm512_slli_epi32::<8>(upper), lower);
            _mm512_cvtepi32_ps(_mm512_sub_epi32(digits, offset))
        }
    }
}
