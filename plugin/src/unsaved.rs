//! Changes of the state that the host cannot notice.
//!
//! A host sees what is done to parameters and marks its project as changed. A lesson, a profile and a
//! new folder are part of the state too, but no parameters. They are counted here, and the format's
//! entry tells the host: CLAP by `clap_host_state.mark_dirty`, VST3 by
//! `IComponentHandler2::setDirty`. CLAP has a way to the host's main thread, and listens to every
//! change; VST3 has none, and waits for a call of the host or a frame of the window. That the host asks for
//! the state makes nothing known: it may look at it for an undo or a copy, and not save it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

/// Called after each change, on the thread that made it.
type Listener = Box<dyn Fn() + Send>;

/// Counts them for one plugin instance.
#[derive(Default)]
pub struct UnsavedChanges {
    count: AtomicU64,
    listener: Mutex<Option<Listener>>,
    /// How many the messenger told of.
    told: AtomicU64,
    messenger: Mutex<Option<Listener>>,
    /// Whether values of parameters are among what changed.
    values: AtomicBool,
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

    /// As [`add`](Self::add), of parameters whose values the plugin changed by itself.
    pub(crate) fn add_values(&self) {
        self.values.store(true, Release);
        self.add();
    }

    /// Whether there were such since the last time.
    pub(crate) fn take_values(&self) -> bool {
        self.values.swap(false, AcqRel)
    }

    /// Has `listener` called after each change, in place of the one before; with `None` nobody. It
    /// runs on any thread but the audio thread. After this returns the former one is not called any
    /// more.
    pub fn listen(&self, listener: Option<Listener>) {
        *self.lock() = listener;
    }

    /// Has `messenger` called by [`tell`](Self::tell), in place of the one before. After this returns
    /// the former one is not called any more.
    pub fn send_by(&self, messenger: Option<Listener>) {
        *self.messenger.lock().unwrap_or_else(|e| e.into_inner()) = messenger;
    }

    /// Calls the messenger if there were changes since the last time. For the host's main thread and
    /// the window's; takes a lock if there were some.
    pub fn tell(&self) {
        let count = self.count();
        if self.told.swap(count, Relaxed) != count
            && let Some(messenger) = &*self.messenger.lock().unwrap_or_else(|e| e.into_inner())
        {
            messenger();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Listener>> {
        // A listener is set or not, whatever happened to the thread that held it.
        self.listener.lock().unwrap_or_else(|e| e.into_inner())
    }
}
