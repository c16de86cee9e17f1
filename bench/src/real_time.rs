//! Runs a stream at the pace of the sound card that a test machine does not have.

use std::time::{Duration, Instant};

/// The SCHED_FIFO priority of the audio thread, in the range that JACK gives to its clients.
#[cfg(unix)]
const AUDIO_PRIORITY: u8 = 70;

/// Asks for the scheduling that an audio driver's thread has.
///
/// Returns why it was refused; the stream runs all the same, but less punctually.
///
/// # Errors
/// If the system does not permit it.
#[cfg(unix)]
pub fn schedule_as_audio_thread() -> Result<(), String> {
    use thread_priority::{
        RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    let priority = ThreadPriority::Crossplatform(
        AUDIO_PRIORITY
            .try_into()
            .map_err(|e| format!("priority {AUDIO_PRIORITY}: {e}"))?,
    );
    set_thread_priority_and_policy(
        thread_native_id(),
        priority,
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
    .map_err(|e| format!("real-time scheduling is not permitted here ({e:?})"))
}

/// Asks for the highest priority that a thread of an ordinary process has.
///
/// Returns why it was refused; the stream runs all the same, but less punctually.
///
/// # Errors
/// If the system does not permit it.
#[cfg(windows)]
pub fn schedule_as_audio_thread() -> Result<(), String> {
    use thread_priority::{WinAPIThreadPriority, set_winapi_thread_priority, thread_native_id};

    set_winapi_thread_priority(thread_native_id(), WinAPIThreadPriority::TimeCritical)
        .map_err(|e| format!("the highest priority is not permitted here ({e:?})"))
}

/// The clock that says when each block is due.
pub struct Pace {
    start: Instant,
    sample_rate: f64,
    /// Blocks that began later than the following one was due.
    pub missed: u64,
}

impl Pace {
    /// Starts now; `sample_rate` in samples per second.
    pub fn new(sample_rate: f64) -> Self {
        Self {
            start: Instant::now(),
            sample_rate,
            missed: 0,
        }
    }

    /// Waits until the block that ends at sample `end` would have come from the sound card, and
    /// returns how much later it is than that. `frames` is the block's length in samples.
    pub fn wait_for(&mut self, end: u64, frames: usize) -> Duration {
        let due = self.start + Duration::from_secs_f64(end as f64 / self.sample_rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // It may also have slept too long.
        let late = due.elapsed();
        self.missed += u64::from(late.as_secs_f64() > frames as f64 / self.sample_rate);
        late
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_missed_that_begins_after_the_next_is_due_whether_it_waited_or_not() {
        // Blocks of a nanosecond: no clock wakes anybody as punctually as that.
        let mut pace = Pace::new(1e9);
        let late = pace.wait_for(5_000_000, 1);
        assert!(pace.elapsed() >= Duration::from_millis(5));
        assert_eq!(pace.missed, 1, "waited, and was {late:?} late");
        let late = pace.wait_for(1_000_000, 1);
        assert!(late >= Duration::from_millis(4));
        assert_eq!(pace.missed, 2, "did not wait");
        // Blocks of seconds.
        pace.wait_for(1_000_000, usize::MAX);
        pace.wait_for(10_000_000, usize::MAX);
        assert_eq!(pace.missed, 2);
    }
}
