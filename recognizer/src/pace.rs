//! Whether the host calls faster than real time, and for how long the audio thread may wait then.
//!
//! Hosts render files without saying so: Ardour exports, and Sushi's `-o` plays, what they called
//! real time when they activated. Their blocks come as fast as they can be processed. A classifier
//! thread is then late by however long its work takes at that pace, and every rendering is another
//! one.
//!
//! The stream's own length says how much time *should* have passed, the processor's counter
//! ([`Ticks`]) how much has. The difference is the **lead**: how far the stream is ahead of real
//! time. A sound card's callbacks have the lead of their jitter, or, where the host cuts its
//! buffer into pieces, of that buffer.
//!
//! One rule bounds everything: **the audio thread never waits longer than the stream's lead.** So
//! the waiting alone makes no host late, whoever is not ahead never waits, and the stream runs
//! at the pace of real time at the slowest.
//!
//! ```text
//! Unknown   the first 0.2 s: answers are taken at the beginning of a callback, and waited for
//!           there within the lead. Their places do not depend on what the pace turns out to be.
//! RealTime  no wait, answers are taken when they come.
//! Faster    the lead was 50 ms at the end of those 0.2 s, or became so later: answers are waited
//!           for in the callback that asks, as if the network ran on the audio thread.
//! ```
//!
//! The first decision falls at a fixed place in the stream, so that a file that is rendered from
//! its beginning is rendered the same every time. A stream that is faster by less than
//! `LEAK` is real time.
//!
//! A sound server that was held up calls as fast as it can until it has caught up. That is no
//! rendering: in real time, what a stream is late by is its **debt**, and counts as lead only when it
//! is paid.

use crate::ticks::Ticks;

/// How much of the stream goes by before its pace is judged, seconds. No features are ready in
/// the first 10 ms of it, so that the first answer finds a lead already.
const UNKNOWN: f64 = 0.2;

/// The lead from which on a stream counts as faster than real time, seconds: more than the jitter
/// of any sound card, and than most hosts' buffers.
const LEAD: f64 = 0.05;

/// The lead is not counted beyond this, seconds: a host that goes on in real time after a
/// rendering has used it up after [`MOST`] / [`LEAK`].
const MOST: f64 = 1.0;

/// Share by which real time counts as faster than it is: a sound card's clock and the
/// processor's differ, and what they differ by must not add up.
const LEAK: f64 = 0.125;

/// The longest that one callback waits, seconds, however long the lead is.
pub const LONGEST_WAIT: f64 = 0.5;

/// What is known of a stream's pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Regime {
    Unknown,
    RealTime,
    Faster,
}

/// Follows a stream's pace. Real-time safe, all of it.
#[derive(Debug)]
pub struct Pace {
    ticks: Option<Ticks>,
    /// Seconds per sample.
    step: f64,
    regime: Regime,
    /// Counter at the beginning of this callback, once there was one.
    began: Option<u64>,
    /// Seconds of sound in this callback.
    block: f64,
    /// Lead at the beginning of this callback, seconds.
    lead: f64,
    /// What the stream is late by, in real time, seconds.
    debt: f64,
    /// Seconds of sound before this callback, since the start or a long pause.
    heard: f64,
    /// Seconds waited since then.
    waited: f64,
    /// Whether this callback has waited.
    waits: bool,
}

impl Pace {
    /// Of a stream of `host_rate` Hz. Without a counter it is taken for real time.
    #[must_use]
    pub fn new(host_rate: f64, ticks: Option<Ticks>) -> Self {
        Self::at_start(ticks, 1.0 / host_rate)
    }

    fn at_start(ticks: Option<Ticks>, step: f64) -> Self {
        Self {
            ticks,
            step,
            regime: Regime::Unknown,
            began: None,
            block: 0.0,
            lead: 0.0,
            debt: 0.0,
            heard: 0.0,
            waited: 0.0,
            waits: false,
        }
    }

    /// A callback of `length` samples begins.
    #[inline]
    pub fn begin(&mut self, length: usize) {
        let Some(ticks) = self.ticks else {
            self.regime = Regime::RealTime;
            return;
        };
        let now = ticks.now();
        let elapsed = self.began.map(|began| ticks.seconds(began, now));
        self.begin_after(elapsed, length);
        self.began = Some(now);
    }

    /// The same, `elapsed` seconds after the beginning of the one before.
    #[inline]
    fn begin_after(&mut self, elapsed: Option<f64>, length: usize) {
        if let Some(elapsed) = elapsed {
            self.heard += self.block;
            let gain = self.block - elapsed * (1.0 + LEAK);
            // A clamp would panic at a limit that is no number.
            let paid = gain.max(0.0).min(self.debt);
            self.lead = (self.lead + gain - paid).clamp(0.0, MOST);
            self.debt = if self.regime == Regime::RealTime {
                // Whoever never catches up is forgiven with time.
                let forgiven = elapsed.min(self.block) * LEAK;
                (self.debt + elapsed - self.block - forgiven).clamp(0.0, MOST)
            } else {
                0.0
            };
            if elapsed > self.block + MOST {
                // A pause: what follows is a stream of its own.
                (self.heard, self.waited, self.debt) = (0.0, 0.0, 0.0);
                self.regime = Regime::Unknown;
            }
        }
        let waited = std::mem::take(&mut self.waits);
        self.block = length as f64 * self.step;
        self.regime = match self.regime {
            Regime::Unknown if self.heard < UNKNOWN => Regime::Unknown,
            // What was waited was lead.
            Regime::Unknown if self.lead + self.waited >= LEAD => Regime::Faster,
            Regime::RealTime if self.lead >= LEAD => Regime::Faster,
            Regime::Faster if self.lead > 0.0 || waited => Regime::Faster,
            Regime::Unknown | Regime::RealTime | Regime::Faster => Regime::RealTime,
        };
    }

    /// The stream starts anew.
    pub fn reset(&mut self) {
        *self = Self::at_start(self.ticks, self.step);
    }

    /// Whether the stream is known to run faster than real time.
    #[must_use]
    #[inline]
    pub fn is_faster(&self) -> bool {
        self.regime == Regime::Faster
    }

    /// The counter.
    #[must_use]
    #[inline]
    pub fn ticks(&self) -> Option<Ticks> {
        self.ticks
    }

    /// Waits until `done`, unless the stream is in real time, and no longer than it is ahead or
    /// [`LONGEST_WAIT`]. Returns whether it is done.
    #[inline]
    pub fn wait(&mut self, done: impl Fn() -> bool) -> bool {
        if done() {
            return true;
        }
        let (Some(ticks), Some(began)) = (self.ticks, self.began) else {
            return false;
        };
        if self.regime == Regime::RealTime {
            return false;
        }
        let longest = self.lead.min(LONGEST_WAIT);
        let start = ticks.now();
        let mut now = start;
        let mut done_now = false;
        while !done_now && ticks.seconds(began, now) < longest {
            std::hint::spin_loop();
            done_now = done();
            now = ticks.now();
        }
        self.waits = true;
        self.waited += ticks.seconds(start, now);
        done_now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 48_000.0;

    /// The regimes of a stream in blocks of 64 whose callbacks come after `elapsed` seconds each.
    fn regimes(pace: &mut Pace, callbacks: usize, elapsed: impl Fn(usize) -> f64) -> Vec<Regime> {
        let regime = |callback| {
            pace.begin_after(Some(elapsed(callback)), 64);
            pace.regime
        };
        (0..callbacks).map(regime).collect()
    }

    fn pace() -> Pace {
        let mut pace = Pace::new(RATE, None);
        pace.begin_after(None, 64);
        pace
    }

    #[test]
    fn real_time_is_real_time_however_it_jitters_and_for_hours() {
        let block = 64.0 / RATE;
        let bursts = |n: usize| {
            if n.is_multiple_of(32) {
                31.9 * block
            } else {
                0.1 * block / 31.0
            }
        };
        let early = |n: usize| block * if n.is_multiple_of(2) { 0.01 } else { 1.989 };
        // 100 ppm and more that the sound card is ahead.
        let skewed = |_| block * 0.999;
        let stalled = |n: usize| {
            if n.is_multiple_of(500) {
                0.3
            } else {
                0.9 * block
            }
        };
        // Held up for 0.9 s, and called in haste until that is caught up.
        let caught_up = |n: usize| match n % 1_000 {
            999 => 0.9,
            0..675 if n > 1_000 => 0.0,
            _ => block,
        };
        let streams = [
            &bursts as &dyn Fn(usize) -> f64,
            &early,
            &skewed,
            &stalled,
            &caught_up,
        ];
        for elapsed in streams {
            let found = regimes(&mut pace(), 3_000_000, elapsed);
            assert!(!found.contains(&Regime::Faster));
            assert_eq!(found.last(), Some(&Regime::RealTime));
        }
    }

    #[test]
    fn a_rendering_is_noticed_at_the_same_place_whatever_its_pace() {
        let block = 64.0 / RATE;
        let places: Vec<usize> = [100.0, 10.0, 2.0]
            .iter()
            .map(|times| {
                let found = regimes(&mut pace(), 2_000, |_| block / times);
                let first = found.iter().position(|r| *r == Regime::Faster).unwrap();
                assert!(found[..first].iter().all(|r| *r == Regime::Unknown));
                assert!(found[first..].iter().all(|r| *r == Regime::Faster));
                first
            })
            .collect();
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    }

    #[test]
    fn it_goes_back_to_real_time_and_a_pause_begins_anew() {
        let block = 64.0 / RATE;
        let mut pace = pace();
        regimes(&mut pace, 3_000, |_| block / 50.0);
        assert!(pace.is_faster());
        let back = regimes(&mut pace, 10_000, |_| block);
        assert_eq!(back.last(), Some(&Regime::RealTime));
        let seconds = back.iter().filter(|r| **r == Regime::Faster).count() as f64 * block;
        assert!(seconds < 1.1 * MOST / LEAK, "{seconds} s");
        let after = regimes(&mut pace, 1, |_| 5.0);
        assert_eq!(after, [Regime::Unknown]);
        // A host's own stall in the middle of a rendering is forgiven within the lead.
        regimes(&mut pace, 3_000, |_| block / 50.0);
        let stalls = |n: usize| if n == 7 { 0.8 } else { block / 50.0 };
        let stalled = regimes(&mut pace, 3_000, stalls);
        assert!(stalled.iter().all(|r| *r == Regime::Faster));
    }

    #[test]
    fn nobody_waits_longer_than_the_lead_and_in_real_time_not_at_all() {
        use std::cell::Cell;

        let Some(ticks) = Ticks::calibrated() else {
            eprintln!("skipped: no counter");
            return;
        };
        // How often it looks, and how long it takes, which is longer on a machine with other things
        // to do.
        let waited = |pace: &mut Pace| {
            let looks = Cell::new(0);
            let start = std::time::Instant::now();
            let never = || {
                looks.set(looks.get() + 1);
                false
            };
            assert!(!pace.wait(never));
            (looks.get(), start.elapsed().as_secs_f64())
        };
        let mut pace = Pace::new(RATE, Some(ticks));
        pace.begin(4_800);
        assert_eq!(waited(&mut pace).0, 1, "no lead yet");
        // A lead of nearly 10 s, of which it counts one, and waits for half of that.
        for _ in 0..100 {
            pace.begin(4_800);
        }
        assert!(pace.is_faster());
        let (looks, seconds) = waited(&mut pace);
        assert!(
            looks > 100 && (0.4..5.0).contains(&seconds),
            "{looks} looks, {seconds} s"
        );
        assert_eq!(waited(&mut pace).0, 1, "it is used up");
        assert!(pace.wait(|| true));
        pace.regime = Regime::RealTime;
        assert_eq!(waited(&mut pace).0, 1);
        // Without a counter it never waits.
        let mut pace = Pace::new(RATE, None);
        for _ in 0..30 {
            pace.begin(48_000);
            assert_eq!(waited(&mut pace).0, 1);
        }
    }
}
