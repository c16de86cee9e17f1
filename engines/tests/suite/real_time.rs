//! Classifying allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::random_package;
use tocco_engines::{Classifier, EngineId};

/// The system's allocator, counting calls of the current thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counter is a
// thread-local without destructor, which needs no allocation itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn classifying_makes_no_heap_call() {
    for package in [
        random_package::a(),
        random_package::b(),
        random_package::c(),
    ] {
        let mut classifier = Classifier::new(&package, EngineId::Native).unwrap();
        let features = vec![0.1; classifier.n_features()];
        let mut probabilities = vec![0.0; classifier.n_classes()];
        let before = CALLS.get();
        for _ in 0..10 {
            classifier.classify(&features, &mut probabilities).unwrap();
        }
        assert_eq!(CALLS.get() - before, 0, "network {}", package.manifest.id);
    }
    let before = CALLS.get();
    drop(std::hint::black_box(vec![1_u8; 10]));
    assert_eq!(CALLS.get() - before, 2, "the counter does not count");
}
