//! The processor's own counter of time, which is read by one instruction: no call, no clock.
//!
//! The audio thread takes its durations from it. How long a tick is another thread finds out once
//! in a process ([`Ticks::calibrated`]). Where the processor has no counter that runs at one
//! speed on all cores there are no durations: they are zero, and nothing may depend on them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long the counter is held against the system's clock. The clock's resolution of a
/// microsecond or better makes the tick right to a part in several thousand.
const CALIBRATION: Duration = Duration::from_millis(5);

/// Times that clock and counter are read together, of which the closest counts.
const LOOKS: u32 = 8;

/// A counter whose speed is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ticks {
    seconds_per_tick: f64,
}

impl Ticks {
    /// The processor's counter; `None` where it has none to go by. The first call in a process
    /// takes some milliseconds: not for the audio thread.
    #[must_use]
    pub fn calibrated() -> Option<Self> {
        static TICKS: OnceLock<Option<Ticks>> = OnceLock::new();
        *TICKS.get_or_init(|| {
            let seconds_per_tick = counter::seconds_per_tick()?;
            Some(Self { seconds_per_tick }).filter(|_| seconds_per_tick > 0.0)
        })
    }

    /// The counter's value now. Real-time safe.
    #[must_use]
    #[inline]
    pub fn now(self) -> u64 {
        counter::read()
    }

    /// From the value `earlier` to `later`, seconds; 0 if it is the other way round. Real-time
    /// safe.
    #[must_use]
    #[inline]
    pub fn seconds(self, earlier: u64, later: u64) -> f64 {
        later.saturating_sub(earlier) as f64 * self.seconds_per_tick
    }

    /// As [`seconds`](Self::seconds), as a duration. Real-time safe.
    #[must_use]
    #[inline]
    pub fn duration(self, earlier: u64, later: u64) -> Duration {
        Duration::from_secs_f64(self.seconds(earlier, later).min(1e9))
    }
}

/// From `earlier` to `later` by `ticks`; zero without a counter. Real-time safe.
#[must_use]
#[inline]
pub fn between(ticks: Option<Ticks>, earlier: u64, later: u64) -> Duration {
    ticks.map_or(Duration::ZERO, |ticks| ticks.duration(earlier, later))
}

/// The value of the counter now; 0 without one. Real-time safe.
#[must_use]
#[inline]
pub fn now(ticks: Option<Ticks>) -> u64 {
    ticks.map_or(0, Ticks::now)
}

/// Holds the counter against the system's clock.
#[cfg_attr(
    target_arch = "aarch64",
    expect(dead_code, reason = "the processor tells")
)]
fn measured() -> f64 {
    let (start, first) = moment();
    std::thread::sleep(CALIBRATION);
    let (end, last) = moment();
    (end - start).as_secs_f64() / last.saturating_sub(first).max(1) as f64
}

/// The same moment by the clock and by the counter. The system may take the processor away between the
/// two, so that it is the narrowest of some.
fn moment() -> (Instant, u64) {
    let mut narrowest = (u64::MAX, (Instant::now(), 0));
    for _ in 0..LOOKS {
        let (before, now, after) = (counter::read(), Instant::now(), counter::read());
        let width = after.saturating_sub(before);
        if width < narrowest.0 {
            narrowest = (width, (now, before + width / 2));
        }
    }
    narrowest.1
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use std::arch::x86_64::{__cpuid, _rdtsc};

    /// Leaf of CPUID that says whether the counter runs at one speed, and its bit in EDX.
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;

    pub fn read() -> u64 {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _rdtsc() }
    }

    pub fn seconds_per_tick() -> Option<f64> {
        let leaf = |leaf| __cpuid(leaf);
        let invariant = leaf(0x8000_0000).eax >= POWER_MANAGEMENT
            && leaf(POWER_MANAGEMENT).edx & INVARIANT != 0;
        invariant.then(super::measured)
    }
}

#[cfg(target_arch = "aarch64")]
mod counter {
    use std::arch::asm;

    pub fn read() -> u64 {
        let value: u64;
        // SAFETY: systems let programs read the virtual counter: their own clocks do.
        unsafe { asm!("mrs {}, cntvct_el0", out(reg) value, options(nomem, nostack)) };
        value
    }

    pub fn seconds_per_tick() -> Option<f64> {
        let hertz: u64;
        // SAFETY: as the counter itself.
        unsafe { asm!("mrs {}, cntfrq_el0", out(reg) hertz, options(nomem, nostack)) };
        (hertz > 0).then(|| 1.0 / hertz as f64)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod counter {
    pub fn read() -> u64 {
        0
    }

    pub fn seconds_per_tick() -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_second_is_a_tenth_of_a_second() {
        let Some(ticks) = Ticks::calibrated() else {
            eprintln!("skipped: this processor has no counter that runs at one speed");
            return;
        };
        let (clock, first) = (Instant::now(), ticks.now());
        std::thread::sleep(Duration::from_millis(100));
        let (elapsed, last) = (clock.elapsed().as_secs_f64(), ticks.now());
        let counted = ticks.seconds(first, last);
        assert!(
            (counted / elapsed - 1.0).abs() < 0.01,
            "{counted} for {elapsed} s"
        );
        assert_eq!(ticks.seconds(last, first), 0.0);
        assert_eq!(ticks.duration(0, u64::MAX).as_secs(), {
            let all = ticks.seconds(0, u64::MAX).min(1e9);
            Duration::from_secs_f64(all).as_secs()
        });
    }
}
