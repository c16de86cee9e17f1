//! Whether a pause ended the stream.
//!
//! Hosts stop and start processing for two reasons. Some do it around every block and lose no sample
//! by it: to forget everything then is to hear nothing. Others stop, and start somewhere else. The
//! framework resets the plugin at every start, in both formats; here the entries say when that is
//! no reset, and decide by the host's sample clock (CLAP's `steady_time`, VST3's
//! `continousTimeSamples`) whether samples are missing:
//!
//! - The stream goes on after a pause, unless the clock says otherwise.
//! - **After a pause the clock is believed if it was right just before**: if it stood at the end of
//!   one block where the next began. Then anything but the next sample, later or earlier, begins a
//!   new stream. A host whose clock stands still or counts something else is never right, and so
//!   its pauses never end the stream.
//! - In a running stream the clock is not asked: a block that was lost there was lost for all.
//! - A host that wants everything forgotten says so: CLAP by `reset`, both by a new activation.
//!
//! A stream that goes on wrongly costs one false onset at the joint. One that ends wrongly
//! costs the note that was played.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// The clock's next value is not known.
const UNKNOWN: i64 = i64::MIN;

/// Follows one instance's stream. Written by the thread that processes; all of it is real-time safe.
#[derive(Debug)]
pub struct Continuity {
    /// Whether the entry is starting the framework's wrapper.
    starting: AtomicBool,
    /// Whether there was a pause since the last block.
    paused: AtomicBool,
    /// Whether the clock was right at the last block.
    right: AtomicBool,
    /// Where the next block begins on the clock.
    next: AtomicI64,
}

impl Default for Continuity {
    fn default() -> Self {
        Self {
            starting: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            right: AtomicBool::new(false),
            next: AtomicI64::new(UNKNOWN),
        }
    }
}

impl Continuity {
    /// For the entry: `start` is the framework's own start after a pause, whose reset is none.
    pub(crate) fn start<T>(&self, start: impl FnOnce() -> T) -> T {
        self.paused.store(true, Relaxed);
        self.starting.store(true, Relaxed);
        let started = start();
        self.starting.store(false, Relaxed);
        started
    }

    /// For the plugin: whether the reset that it is told is only a start.
    pub(crate) fn is_starting(&self) -> bool {
        self.starting.load(Relaxed)
    }

    /// For the plugin: a new stream begins, whatever the clock says.
    pub(crate) fn begin(&self) {
        self.right.store(false, Relaxed);
        self.next.store(UNKNOWN, Relaxed);
    }

    /// For the entry, before each block of `frames` samples that begins at `clock`, if the host has
    /// one: `reset` resets the plugin if a new stream begins with it.
    pub(crate) fn before_block(&self, clock: Option<i64>, frames: u32, reset: impl FnOnce()) {
        let expected = self.next.load(Relaxed);
        let next = clock.map_or(UNKNOWN, |clock| clock.saturating_add(i64::from(frames)));
        let known = clock.is_some() && expected != UNKNOWN;
        let right = known && clock == Some(expected);
        let was_right = self.right.load(Relaxed);
        if self.paused.swap(false, Relaxed) && was_right && known && !right {
            reset();
        }
        // Behind the reset: it begins a stream without knowing the clock.
        self.next.store(next, Relaxed);
        self.right.store(right, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [usize; 0] = [];

    /// Plays blocks of 64 samples that begin at `clock`, with a pause before each if `pauses`; in
    /// which a new stream began.
    fn ends(clock: &[i64], pauses: bool) -> Vec<usize> {
        let continuity = Continuity::default();
        continuity.begin();
        let clock = clock.iter().map(|at| (*at >= 0).then_some(*at));
        let ended = clock.map(|clock| {
            if pauses {
                continuity.start(|| assert!(continuity.is_starting()));
            }
            assert!(!continuity.is_starting());
            let mut ended = false;
            continuity.before_block(clock, 64, || {
                // As the plugin does when it is reset.
                continuity.begin();
                ended = true;
            });
            ended
        });
        let ended: Vec<bool> = ended.collect();
        (0..ended.len()).filter(|block| ended[*block]).collect()
    }

    #[test]
    fn a_pause_that_loses_no_sample_is_none() {
        let clock: Vec<i64> = (0..20).map(|block| block * 64).collect();
        assert_eq!(ends(&clock, true), NEVER);
    }

    #[test]
    fn a_clock_that_was_right_is_believed_after_a_pause() {
        assert_eq!(ends(&[0, 64, 128, 48_000, 48_064, 48_128], true), [3]);
        assert_eq!(ends(&[0, 64, 128, 0, 64, 128], true), [3]);
        assert_eq!(ends(&[0, 64, 128, 193, 257], true), [3]);
        // The second jump is one, too.
        let jumps = [0, 64, 128, 48_000, 48_064, 96_000];
        assert_eq!(ends(&jumps, true), [3, 5]);
        // Without a pause it is not asked.
        assert_eq!(ends(&[0, 64, 128, 48_000, 0, 64], false), NEVER);
    }

    #[test]
    fn a_clock_that_was_never_right_is_not() {
        assert_eq!(ends(&[0; 20], true), NEVER);
        assert_eq!(ends(&[-1; 20], true), NEVER);
        let double: Vec<i64> = (0..20).map(|block| block * 128).collect();
        assert_eq!(ends(&double, true), NEVER);
        assert_eq!(ends(&[0, -1, 64, -1, 5_000, -1], true), NEVER);
    }

    #[test]
    fn after_a_reset_the_clock_may_be_anywhere() {
        let continuity = Continuity::default();
        for clock in [0, 64, 128] {
            continuity.before_block(Some(clock), 64, || panic!("{clock}"));
        }
        continuity.start(|| ());
        continuity.begin();
        continuity.before_block(Some(7), 64, || panic!("it has ended already"));
    }
}
