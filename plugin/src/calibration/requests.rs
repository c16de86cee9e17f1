//! What a host asks of the lesson by parameters.
//!
//! A parameter is set on any thread, the audio thread among them, where a
//! [`Command`](super::Command) cannot be given. So each change leaves word here, without a lock, and
//! the service thread does what the command of the window would. *Undo*, *Forget all* and the two that
//! save count rising edges: a value that is sent twice acts once, and one that rises and falls within a block acts. A
//! state brings the values back and asks for nothing.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

use crate::velocity_lesson::{Step, VelocityLesson};

/// Requests of one instance that wait. All of it is real-time safe.
#[derive(Debug, Default)]
pub struct Requests {
    /// The class to be taught and one, or 0.
    teach: AtomicU32,
    /// Whether that is news.
    teach_changed: AtomicBool,
    undo: AtomicU32,
    forget_all: AtomicU32,
    save_preset: AtomicU32,
    save_minute: AtomicU32,
    /// What is played for the velocity.
    pub(crate) velocity: VelocityLesson,
    /// Whether a state is being loaded.
    deaf: AtomicBool,
}

impl Requests {
    /// Loads a state. What a host asks for in these moments is not heard either.
    pub(crate) fn unheard<T>(&self, load: impl FnOnce() -> T) -> T {
        self.deaf.store(true, SeqCst);
        let loaded = load();
        self.deaf.store(false, SeqCst);
        loaded
    }

    /// The parameter *Teach* changed.
    pub(crate) fn teach(&self, class: Option<usize>) {
        if self.deaf.load(SeqCst) {
            return;
        }
        self.teach
            .store(class.map_or(0, |class| class as u32 + 1), Relaxed);
        self.teach_changed.store(true, Release);
    }

    /// The parameter *Undo* changed.
    pub(crate) fn undo(&self, on: bool) {
        let heard = on && !self.deaf.load(SeqCst);
        self.undo.fetch_add(u32::from(heard), Release);
    }

    /// The parameter *Forget all* changed.
    pub(crate) fn forget_all(&self, on: bool) {
        let heard = on && !self.deaf.load(SeqCst);
        self.forget_all.fetch_add(u32::from(heard), Release);
    }

    /// The parameter *Save preset* changed.
    pub(crate) fn save_preset(&self, on: bool) {
        let heard = on && !self.deaf.load(SeqCst);
        self.save_preset.fetch_add(u32::from(heard), Release);
    }

    /// The parameter *Save last minute* changed.
    pub(crate) fn save_minute(&self, on: bool) {
        let heard = on && !self.deaf.load(SeqCst);
        self.save_minute.fetch_add(u32::from(heard), Release);
    }

    /// The parameter *Velocity lesson* changed.
    pub(crate) fn velocity_step(&self, step: Step) {
        if !self.deaf.load(SeqCst) {
            self.velocity.step(step);
        }
    }

    /// What *Teach* was changed to since the last time.
    pub(crate) fn take_teach(&self) -> Option<Option<usize>> {
        let changed = self.teach_changed.load(Relaxed) && self.teach_changed.swap(false, Acquire);
        changed.then(|| (self.teach.load(Relaxed) as usize).checked_sub(1))
    }

    /// Whether the service thread has something to do.
    pub(crate) fn wait(&self) -> bool {
        self.undo.load(Acquire) > 0 || self.forget_all.load(Acquire) > 0 || self.velocity.waits()
    }

    /// Whether a preset is to be saved, and the last minute: once, however often it was asked for.
    pub(crate) fn take_saves(&self) -> (bool, bool) {
        let take = |count: &AtomicU32| count.load(Relaxed) > 0 && count.swap(0, Acquire) > 0;
        (take(&self.save_preset), take(&self.save_minute))
    }

    /// How often to undo, and whether to forget all: to be given back to [`done`](Self::done).
    pub(crate) fn waiting(&self) -> (u32, u32) {
        (self.undo.load(Acquire), self.forget_all.load(Acquire))
    }

    /// What was [`waiting`](Self::waiting) waits no more.
    pub(crate) fn done(&self, (undo, forget_all): (u32, u32)) {
        self.undo.fetch_sub(undo, Release);
        self.forget_all.fetch_sub(forget_all, Release);
    }
}
