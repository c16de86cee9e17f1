//! Changes of the state that the host cannot notice.
//!
//! A host sees what is done to parameters and marks its project as changed. A lesson, a profile and a
//! new folder are part of the state too, but no parameters. They are counted here, and the format's
//! entry tells the host: CLAP by `clap_host_state.mark_dirty`, VST3 by
//! `IComponentHandler2::setDirty`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// Called after each change, on the thread that made it.
type Listener = Box<dyn Fn() + Send>;

/// Counts them for one plugin instance.
#[derive(Default)]
pub struct UnsavedChanges {
    count: AtomicU64,
    listener: Mutex<Option<Listener>>,
}

impl UnsavedChanges {
    /// How many there were. Real-time safe.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Acquire)
    }

    /// Counts one more and calls the listener. Takes a lock: not for the audio thread.
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Release);
        if let Some(listener) = &*self.lock() {
            listener();
        }
    }

    /// Has `listener` called after each change, in place of the one before; with `None` nobody. It
    /// runs on any thread but the audio thread. After this returns the former one is not called any
    /// more.
    pub fn listen(&self, listener: Option<Listener>) {
        *self.lock() = listener;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Listener>> {
        // A listener is set or not, whatever happened to the thread that held it.
        self.listener.lock().unwrap_or_else(|e| e.into_inner())
    }
}
