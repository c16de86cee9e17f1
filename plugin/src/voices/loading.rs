//! Reads the user's sounds on a thread of its own: a kit may be large, and its drive slow.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bank::Bank;
use super::kit::{self, KitError};
use crate::join::join_within;

/// Longest time that it may take.
pub const LOADING_PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait at the end for a thread that is told to stop. After it the thread is left to itself: its
/// drive does not answer.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// A bank, and why something of it is left out.
type Loaded = Result<(Bank, Option<KitError>), KitError>;

/// Sounds that are being read. To drop it is to stop it.
pub(crate) struct Loading {
    rate: f64,
    choices: u32,
    since: Instant,
    stop: Arc<AtomicBool>,
    loaded: mpsc::Receiver<Loaded>,
    thread: Option<JoinHandle<()>>,
}

impl Loading {
    /// Begins to read what is at `path` for `rate` Hz, which the user chose as the last of `choices`. If
    /// the system gives no thread, that is as if it did not answer.
    pub(crate) fn begin(path: PathBuf, rate: f64, choices: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (done, loaded) = mpsc::channel();
        let thread = std::thread::Builder::new().name("tocco-sounds".to_owned());
        let thread = thread.spawn(move || drop(done.send(kit::load(&path, rate, &stopped))));
        let thread = thread
            .inspect_err(|error| nice_plug::nice_warn!("no thread for the user's sounds: {error}"));
        Self {
            rate,
            choices,
            since: Instant::now(),
            stop,
            loaded,
            thread: thread.ok(),
        }
    }

    /// One that reads nothing, until what it is to have read is sent.
    #[cfg(test)]
    pub(crate) fn until_sent(rate: f64, choices: u32) -> (Self, mpsc::Sender<Loaded>) {
        let (done, loaded) = mpsc::channel();
        let loading = Self {
            rate,
            choices,
            since: Instant::now(),
            stop: Arc::default(),
            loaded,
            thread: None,
        };
        (loading, done)
    }

    /// Whether these are the sounds of that rate and choice.
    pub(crate) fn is_of(&self, rate: f64, choices: u32) -> bool {
        (self.rate, self.choices) == (rate, choices)
    }

    /// Whether it began so long ago.
    pub(crate) fn has_taken(&self, time: Duration) -> bool {
        self.since.elapsed() >= time
    }

    /// What was read, after at most `patience`. `None` while it goes on.
    pub(crate) fn wait(&self, patience: Duration) -> Option<Loaded> {
        let unanswered = || Some(Err(KitError::NoAnswer(LOADING_PATIENCE.as_secs())));
        match self.loaded.recv_timeout(patience) {
            Ok(loaded) => Some(loaded),
            Err(mpsc::RecvTimeoutError::Disconnected) => unanswered(),
            Err(mpsc::RecvTimeoutError::Timeout) if self.since.elapsed() >= LOADING_PATIENCE => {
                unanswered()
            }
            Err(mpsc::RecvTimeoutError::Timeout) => None,
        }
    }
}

impl Drop for Loading {
    /// Waits for the thread, at most [`STOP_PATIENCE`].
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take()
            && !join_within(thread, STOP_PATIENCE)
        {
            nice_plug::nice_warn!("the user's sounds do not answer and are left to themselves");
        }
    }
}
