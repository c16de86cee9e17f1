//! The end of a thread, for which nobody waits for ever.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Waits for a thread that was told to end, at most `patience`, because with the plugin's library its code
/// may go. Returns whether it ended; one that did not is left to itself. Not for the audio thread.
pub(crate) fn join_within(thread: JoinHandle<()>, patience: Duration) -> bool {
    let start = Instant::now();
    while !thread.is_finished() {
        if start.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    drop(thread.join());
    true
}
