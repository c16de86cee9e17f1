//! How fast a processor can merely read as many bytes as a network has weights.

use std::hint::black_box;

/// Bytes of a cache line.
const LINE: usize = 64;

/// How far ahead lines are asked for, lines: as far as our kernels do.
const AHEAD: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; LINE / 8]);

/// As many bytes as a network's weights.
pub struct Weights(Vec<Line>);

impl Weights {
    /// `bytes` of them, rounded up to whole cache lines.
    pub fn new(bytes: usize) -> Self {
        let line = |i| Line([i as u64; LINE / 8]);
        Self((0..bytes.div_ceil(LINE)).map(line).collect())
    }

    /// How many bytes these are.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    /// Reads all of them once, from the first to the last.
    pub fn read(&self) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has it.
                unsafe { self.read_avx512() };
                return;
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has it.
                unsafe { self.read_avx2() };
                return;
            }
        }
        self.read_all();
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn read_avx512(&self) {
        self.read_all();
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn read_avx2(&self) {
        self.read_all();
    }

    /// Four lines at a time into sums of their own: no addition waits for another.
    #[inline(always)]
    fn read_all(&self) {
        let mut sums = [Line([0; LINE / 8]); 4];
        let (blocks, rest) = self.0.as_chunks::<4>();
        for block in blocks {
            prefetch(block.as_ptr().wrapping_add(AHEAD));
            for (sum, line) in sums.iter_mut().zip(block) {
                for (sum, value) in sum.0.iter_mut().zip(&line.0) {
                    *sum = sum.wrapping_add(*value);
                }
            }
        }
        black_box((sums, rest.iter().map(|line| line.0[0]).max()));
    }
}

/// Asks for four lines, which may lie anywhere.
#[inline(always)]
fn prefetch(lines: *const Line) {
    #[cfg(target_arch = "x86_64")]
    for i in 0..4 {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(lines.wrapping_add(i).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = lines;
}
