//! What an instance more costs in memory, next to others with the same model.

mod host;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use host::Host;
use nice_plug::prelude::*;
use tocco::params::{EngineChoice, ModelChoice};

/// Bytes in use.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Weighing;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

/// Bytes that an instance may take when others have the same model, whatever the model is: the A of
/// the paper has weights of 8.3 million bytes, 4.2 million packed.
const MOST: isize = 6 << 20;

/// How many there are.
const INSTANCES: usize = 16;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn instances_share_their_weights() {
    for model in [ModelChoice::Tocco, ModelChoice::A, ModelChoice::ToccoLate] {
        let instance = || {
            let mut host = Host::new();
            host.choose(model, EngineChoice::Native);
            host.activate(48_000.0, 64, 2, ProcessMode::Realtime);
            // Only the events' buffer is the test host's own.
            host.plugin
        };
        let (nothing, resident_nothing) = (LIVE.load(Relaxed), resident());
        let first = instance();
        let one = LIVE.load(Relaxed);
        let others: Vec<_> = (1..INSTANCES).map(|_| instance()).collect();
        let all = LIVE.load(Relaxed);
        let each = (all - one) / others.len() as isize;
        println!(
            "{model:?}: the first instance {} bytes, each other one {each}; {INSTANCES} resident {}",
            one - nothing,
            resident().saturating_sub(resident_nothing)
        );
        assert!(each < MOST, "{model:?}: {each} bytes");
        drop((first, others));
        let left = LIVE.load(Relaxed) - nothing;
        assert!(left < 1 << 20, "{left} bytes are left");
    }
}
