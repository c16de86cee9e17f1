//! How the classifier thread learns that there is work, without the audio thread calling the
//! system.
//!
//! Between an onset and its features lie 5 hops, 6.7 ms (paper, section 3.3; the post-onset delay).
//! The audio thread counts the onset in an atomic; the classifier thread, which otherwise takes
//! short naps, finds the count changed and from then on spins until the features arrive. The
//! waking is over before there is anything to do, and the spinning lasts a few ms per note.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Longest nap: less than half of the time between an onset and its features, so that the thread
/// is awake in time even when a nap comes out twice as long.
const NAP: Duration = Duration::from_millis(2);

/// Nap where there is one processor core only and spinning would take it from the audio thread.
const NAP_ON_ONE_CORE: Duration = Duration::from_micros(250);

/// Looks at the queue between two looks at the clock.
const LOOKS: u32 = 64;

/// The ways of waking the classifier thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wake {
    /// Naps, and spins from the onset until the features are there. The audio thread writes an
    /// atomic.
    #[default]
    Armed,
    /// Sleeps until the audio thread wakes it: a system call there. For comparison.
    Futex,
    /// Polls every 500 µs as the paper's plugin does. For comparison.
    #[cfg(feature = "polling-baseline")]
    Polling,
}

impl Wake {
    /// The ways there are.
    pub const ALL: &[Self] = &[
        Self::Armed,
        Self::Futex,
        #[cfg(feature = "polling-baseline")]
        Self::Polling,
    ];

    /// The name in `TOCCO_WAKE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Futex => "futex",
            #[cfg(feature = "polling-baseline")]
            Self::Polling => "polling",
        }
    }

    /// What `TOCCO_WAKE` says, the default where it is not set.
    ///
    /// # Errors
    /// When it names a way there is not.
    pub fn from_environment() -> Result<Self, UnknownWake> {
        match std::env::var("TOCCO_WAKE") {
            Ok(name) => name.parse(),
            Err(_) => Ok(Self::default()),
        }
    }
}

impl fmt::Display for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Wake {
    type Err = UnknownWake;

    fn from_str(name: &str) -> Result<Self, UnknownWake> {
        let found = Self::ALL.iter().find(|wake| wake.name() == name);
        found.copied().ok_or_else(|| UnknownWake(name.to_owned()))
    }
}

/// A name that is no way of waking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "TOCCO_WAKE: expected one of {list}, found \"{0}\"",
    list = Wake::ALL.iter().map(|wake| wake.name()).collect::<Vec<_>>().join(", ")
)]
pub struct UnknownWake(pub String);

/// What the audio thread and the classifier thread share apart from the queues.
#[derive(Debug, Default)]
pub struct Signal {
    /// Onsets since the beginning: "armed" while more than were answered.
    onsets: AtomicU32,
    stop: AtomicBool,
    /// The classifier thread, if it is to be woken by a system call.
    sleeper: OnceLock<Thread>,
}

impl Signal {
    /// Says that a note is on its way. Real-time safe.
    pub fn arm(&self) {
        // Written by the audio thread alone.
        self.onsets
            .store(self.onsets.load(Relaxed).wrapping_add(1), Release);
    }

    /// Says that there is work in the queue. Real-time safe; a system call with [`Wake::Futex`].
    pub fn work(&self) {
        if let Some(sleeper) = self.sleeper.get() {
            sleeper.unpark();
        }
    }

    /// Asks the classifier thread to end. Not for the audio thread.
    pub fn stop(&self) {
        self.stop.store(true, Release);
        self.work();
    }

    /// Whether the classifier thread was asked to end.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Acquire)
    }
}

/// Whether the calling thread, and with it those that it starts, has one processor core only. Not for the
/// audio thread.
#[must_use]
pub fn is_one_core() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1)
}

/// The classifier thread's side: waits, in the chosen way.
pub struct Waiter {
    wake: Wake,
    nap: Duration,
    /// How long to spin after an onset before it is taken for dropped.
    patience: Duration,
    seen: u32,
    answered: u32,
    give_up: Instant,
}

impl Waiter {
    /// A waiter for the calling thread. `patience`: how long features may take after their onset.
    /// `one_core`: whether the audio thread has no other core than that of this thread.
    #[must_use]
    pub fn new(wake: Wake, patience: Duration, one_core: bool, signal: &Signal) -> Self {
        if wake == Wake::Futex {
            // Set once: the signal belongs to this thread.
            let _ = signal.sleeper.set(std::thread::current());
        }
        if one_core && wake == Wake::Armed {
            tracing::info!(
                "one processor core for all ordinary threads: the classifier thread naps for {} µs \
                 at a time and does not wait awake",
                NAP_ON_ONE_CORE.as_micros()
            );
        }
        Self {
            wake,
            nap: if one_core { NAP_ON_ONE_CORE } else { NAP },
            patience: if one_core { Duration::ZERO } else { patience },
            seen: 0,
            answered: 0,
            give_up: Instant::now(),
        }
    }

    /// Books that the work of one onset is done.
    pub fn done(&mut self, signal: &Signal) {
        // In large blocks the features may be here before the onset was noticed.
        self.look(signal);
        if self.answered != self.seen {
            self.answered = self.answered.wrapping_add(1);
        }
    }

    /// Waits a while, at most until there is work. The caller looks itself and calls again.
    pub fn wait(&mut self, signal: &Signal, work: impl Fn() -> bool) {
        match self.wake {
            Wake::Armed => self.wait_armed(signal, work),
            Wake::Futex => std::thread::park(),
            #[cfg(feature = "polling-baseline")]
            Wake::Polling => std::thread::sleep(Duration::from_micros(500)),
        }
    }

    fn look(&mut self, signal: &Signal) {
        let onsets = signal.onsets.load(Acquire);
        if onsets != self.seen {
            self.seen = onsets;
            self.give_up = Instant::now() + self.patience;
        }
    }

    fn wait_armed(&mut self, signal: &Signal, work: impl Fn() -> bool) {
        self.look(signal);
        if self.answered != self.seen {
            if Instant::now() < self.give_up {
                for _ in 0..LOOKS {
                    if work() {
                        return;
                    }
                    std::hint::spin_loop();
                }
                return;
            }
            // The onset was dropped, or the host stopped in the middle of a note.
            self.answered = self.seen;
        }
        if !work() {
            std::thread::sleep(self.nap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn names_lead_back_and_unknown_ones_get_the_list() {
        for wake in Wake::ALL {
            assert_eq!(wake.name().parse(), Ok(*wake));
        }
        let error = "telepathy".parse::<Wake>().unwrap_err().to_string();
        assert!(error.contains("armed, futex"), "{error}");
    }

    /// How often `wait` looked for work.
    fn looks(waiter: &mut Waiter, signal: &Signal) -> usize {
        let looks = AtomicUsize::new(0);
        waiter.wait(signal, || {
            looks.fetch_add(1, Relaxed);
            false
        });
        looks.into_inner()
    }

    #[test]
    fn it_spins_from_the_onset_until_the_answer_or_the_time_out() {
        let signal = Signal::default();
        let mut waiter = Waiter::new(Wake::Armed, Duration::from_secs(3600), false, &signal);
        assert_eq!(
            looks(&mut waiter, &signal),
            1,
            "naps while nothing is heard"
        );
        signal.arm();
        signal.arm();
        assert_eq!(looks(&mut waiter, &signal), LOOKS as usize);
        waiter.done(&signal);
        assert_eq!(
            looks(&mut waiter, &signal),
            LOOKS as usize,
            "one is still due"
        );
        waiter.done(&signal);
        assert_eq!(looks(&mut waiter, &signal), 1);
        waiter.done(&signal);
        signal.arm();
        waiter.done(&signal);
        assert_eq!(
            looks(&mut waiter, &signal),
            1,
            "answered before it was noticed"
        );
        signal.arm();
        assert_eq!(
            looks(&mut waiter, &signal),
            LOOKS as usize,
            "surplus answers do no harm"
        );
        waiter.give_up = Instant::now();
        assert_eq!(looks(&mut waiter, &signal), 1, "disarmed by the time-out");
    }

    #[test]
    fn on_one_core_it_does_not_spin() {
        let signal = Signal::default();
        let mut waiter = Waiter::new(Wake::Armed, Duration::from_secs(3600), true, &signal);
        signal.arm();
        assert_eq!(looks(&mut waiter, &signal), 1);
    }
}
