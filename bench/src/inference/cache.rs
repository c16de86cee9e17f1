//! Throwing everything out of the processor's caches.

use std::hint::black_box;

/// Bytes read for each byte of the last-level cache: its replacement is not strictly the oldest
/// line first, and half of them may be someone else's.
const TIMES: usize = 4;

/// Where the system does not say how large the cache is, bytes.
const ASSUMED: usize = 32 << 20;

/// A buffer larger than all caches.
pub struct Eviction {
    buffer: Vec<u64>,
}

impl Default for Eviction {
    fn default() -> Self {
        Self::new()
    }
}

impl Eviction {
    /// For this machine's last-level cache.
    pub fn new() -> Self {
        let words = TIMES * last_level_bytes().unwrap_or(ASSUMED) / size_of::<u64>();
        Self {
            buffer: (0..words as u64).collect(),
        }
    }

    /// Reads and changes the buffer, so that the caches hold nothing else.
    pub fn evict(&mut self) {
        for line in self.buffer.chunks_mut(8) {
            line[0] = line[0].wrapping_add(1);
        }
        black_box(&mut self.buffer);
    }
}

/// What Linux says of the last-level cache of the first core.
fn last_level_bytes() -> Option<usize> {
    let size = |index: usize| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim().strip_suffix('K')?.parse::<usize>().ok()? << 10)
    };
    (0..8).filter_map(size).max()
}
