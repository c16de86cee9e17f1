//! How much memory a reader takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes allocated and not freed since the measurement began, and the most there were.
    static TAKEN: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counting for each thread what it holds.
pub struct CountingAllocator;

fn count(bytes: isize) {
    // A thread that ends may free after its counter is gone.
    let _ = TAKEN.try_with(|taken| {
        let (now, peak) = taken.get();
        let now = now + bytes;
        taken.set((now, peak.max(now)));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Most bytes that this thread held at once in `work`, beyond what it held before.
pub(crate) fn peak_during(work: impl FnOnce()) -> usize {
    TAKEN.set((0, 0));
    work();
    TAKEN.get().1.unsigned_abs()
}

/// Bytes of memory that `bytes` of input may take: 32 MiB for the largest vectors and memories
/// that a network may have whatever its file's size (`network::Builder`), and 300 for each byte of
/// the file, which is what the smallest JSON values become.
pub fn memory_limit(bytes: usize) -> usize {
    (32 << 20) + 300 * bytes
}
