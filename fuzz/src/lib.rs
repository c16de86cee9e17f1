//! What is fuzzed: every reader of a file that Tocco did not write, and of the packets that it takes.
//!
//! Each [`Target`] takes the bytes of one, reads them and, where they are a model, runs it for
//! a few steps. Whatever the bytes are, it must neither panic nor take more memory than
//! [`memory_limit`] grants for their number.
//!
//! `cargo xtask fuzz` lets libFuzzer look for such bytes; `tests/corpus.rs` replays what it found,
//! and damaged copies of it, with every `cargo xtask test`.

mod memory;
mod targets;

pub use memory::{CountingAllocator, memory_limit};
pub use targets::{TARGETS, Target};

impl Target {
    /// Reads `bytes` and checks what must hold for any.
    ///
    /// # Panics
    /// When the reader panics or takes too much memory, where [`CountingAllocator`] is the global
    /// allocator.
    pub fn check(&self, bytes: &[u8]) {
        let (taken, limit) = (
            memory::peak_during(|| (self.read)(bytes)),
            memory_limit(bytes.len()),
        );
        assert!(
            taken <= limit,
            "{}: {} bytes of input took {taken} bytes of memory, the limit is {limit}",
            self.name,
            bytes.len()
        );
    }
}

/// A target that takes more memory than any may, to show that this is seen.
#[doc(hidden)]
pub fn greedy() -> Target {
    Target {
        name: "greedy",
        read: |bytes| {
            drop(std::hint::black_box(vec![
                1u8;
                memory_limit(bytes.len()) + 1
            ]))
        },
    }
}
