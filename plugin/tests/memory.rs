//! What an instance more costs in memory, next to others with the same model.

mod host;
#[path = "host/weighing_allocator.rs"]
mod weighing_allocator;

use host::Host;
use nice_plug::prelude::*;
use tocco::params::{EngineChoice, ModelChoice};
use weighing_allocator::bytes_in_use;

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
    for model in [
        ModelChoice::Tocco,
        ModelChoice::ToccoSure,
        ModelChoice::A,
        ModelChoice::ToccoLate,
    ] {
        let instance = || {
            let mut host = Host::new();
            host.choose(model, EngineChoice::Native);
            host.activate(48_000.0, 64, 2, ProcessMode::Realtime);
            // Only the events' buffer is the test host's own.
            host.plugin
        };
        let (nothing, resident_nothing) = (bytes_in_use(), resident());
        let first = instance();
        let one = bytes_in_use();
        let others: Vec<_> = (1..INSTANCES).map(|_| instance()).collect();
        let all = bytes_in_use();
        let each = (all - one) / others.len() as isize;
        println!(
            "{model:?}: the first instance {} bytes, each other one {each}; {INSTANCES} resident {}",
            one - nothing,
            resident().saturating_sub(resident_nothing)
        );
        assert!(each < MOST, "{model:?}: {each} bytes");
        drop((first, others));
        let left = bytes_in_use() - nothing;
        assert!(left < 1 << 20, "{left} bytes are left");
    }
}
