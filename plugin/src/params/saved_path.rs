//! A path that the host saves with the parameters.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::*};

use nice_plug::params::persist::PersistentField;

/// Where something of the user's lies. Part of the host's state, not a parameter.
#[derive(Debug, Default)]
pub struct SavedPath {
    path: Mutex<String>,
    /// Counts the changes, so that the audio thread can notice one without the lock.
    changes: AtomicU32,
}

impl SavedPath {
    /// The path; empty if none was set. Not for the audio thread.
    #[must_use]
    pub fn path(&self) -> String {
        self.map(Clone::clone)
    }

    /// How often it was set. Real-time safe.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes.load(Acquire)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, String> {
        // A string is whole whatever happened to the thread that held it.
        self.path.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl PersistentField<'_, String> for SavedPath {
    fn set(&self, path: String) {
        *self.lock() = path;
        self.changes.fetch_add(1, Release);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&String) -> R,
    {
        f(&self.lock())
    }
}
