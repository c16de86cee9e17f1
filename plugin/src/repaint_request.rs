//! Requests to repaint the window while it rests.
//!
//! While something moves the window draws itself. At rest it asks to be woken, and the service thread
//! does that within its period after a note, a sound or a value of the host's.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Mutex, MutexGuard};

/// Wakes the window, on the service thread.
type Waker = Box<dyn Fn() + Send>;

/// From one instance's service thread to its window.
#[derive(Default)]
pub struct RepaintRequest {
    waker: Mutex<Option<Waker>>,
    rests: AtomicBool,
    has_values: AtomicBool,
}

impl RepaintRequest {
    /// Has `waker` called when the window is to be woken, in place of the one before; with `None`
    /// nobody. Takes a lock: not for the audio thread.
    pub fn listen(&self, waker: Option<Waker>) {
        *self.lock() = waker;
    }

    /// The window rests from now on, or moves by itself.
    pub fn rest(&self, rests: bool) {
        self.rests.store(rests, Release);
    }

    /// There are other values of parameters to see. Real-time safe.
    pub(crate) fn note_values(&self) {
        self.has_values.store(true, Release);
    }

    /// Wakes the window if it rests and there are values to see or `has_news` says so. Takes a lock if so: not
    /// for the audio thread.
    pub(crate) fn send(&self, has_news: impl FnOnce() -> bool) {
        if self.rests.load(Acquire)
            && (self.has_values.swap(false, AcqRel) | has_news())
            && self.rests.swap(false, AcqRel)
            && let Some(waker) = &*self.lock()
        {
            waker();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        // A box is whole whatever happened to the thread that held it.
        self.waker.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn who_rests_is_woken_once_and_only_by_news() {
        let request = RepaintRequest::default();
        let woken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&woken);
        request.listen(Some(Box::new(move || {
            count.fetch_add(1, Relaxed);
        })));
        request.send(|| true); // it moves
        request.rest(true);
        request.send(|| false);
        assert_eq!(woken.load(Relaxed), 0);
        request.send(|| true);
        request.send(|| true);
        assert_eq!(woken.load(Relaxed), 1);
        request.note_values();
        request.send(|| false);
        assert_eq!(woken.load(Relaxed), 1, "it moves");
        request.rest(true);
        request.send(|| false);
        assert_eq!(woken.load(Relaxed), 2);
        request.rest(true);
        request.send(|| false);
        assert_eq!(woken.load(Relaxed), 2);
        request.listen(None);
        request.rest(true);
        request.send(|| true);
        assert_eq!(woken.load(Relaxed), 2);
    }
}
