//! A place for one thing on its way to another thread; a newer one takes the place of one that
//! nobody has fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// Both ends of an empty mailbox. Allocates.
#[must_use]
pub fn mailbox<T: Send>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Slot(AtomicPtr::default()));
    (Sender(Arc::clone(&slot)), Receiver(slot))
}

/// Null, or a box that belongs to the slot.
struct Slot<T>(AtomicPtr<T>);

impl<T> Slot<T> {
    /// Puts `new` into the place, or empties it, and returns what was there.
    fn exchange(&self, new: Option<Box<T>>) -> Option<Box<T>> {
        let new = new.map_or(std::ptr::null_mut(), Box::into_raw);
        let old = self.0.swap(new, AcqRel);
        // SAFETY: what is not null came from `into_raw` here, and the exchange gave it to us alone.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.exchange(None));
    }
}

/// The end that puts things in.
pub struct Sender<T>(Arc<Slot<T>>);

impl<T> Sender<T> {
    /// Puts `new` in and returns what it took the place of, if that was not fetched.
    pub fn put(&self, new: Box<T>) -> Option<Box<T>> {
        self.0.exchange(Some(new))
    }

    /// Takes back what was not fetched.
    pub fn take_back(&self) -> Option<Box<T>> {
        self.0.exchange(None)
    }
}

/// The end that takes them out.
pub struct Receiver<T>(Arc<Slot<T>>);

impl<T> Receiver<T> {
    /// Whether there is nothing to take. Real-time safe.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.0.load(Relaxed).is_null()
    }

    /// The newest thing that was put in, once. Real-time safe.
    pub fn take(&self) -> Option<Box<T>> {
        self.0.exchange(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_received_once_and_none_is_lost() {
        let (sender, receiver) = mailbox();
        assert!(receiver.is_empty() && receiver.take().is_none());
        assert_eq!(sender.put(Box::new(1)), None);
        assert_eq!(sender.put(Box::new(2)), Some(Box::new(1)));
        assert!(!receiver.is_empty());
        assert_eq!(receiver.take(), Some(Box::new(2)));
        assert!(receiver.is_empty() && receiver.take().is_none());
        sender.put(Box::new(3));
        assert_eq!(sender.take_back(), Some(Box::new(3)));
        // What is left behind is freed with the last end.
        let alive = Arc::new(());
        let (sender, receiver) = mailbox();
        sender.put(Box::new(Arc::clone(&alive)));
        drop(sender);
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(receiver);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn between_two_threads_numbers_only_grow_and_each_has_one_owner() {
        let (sender, receiver) = mailbox();
        const LAST: u32 = 100_000;
        let producer = std::thread::spawn(move || {
            (1..=LAST).filter_map(|n| sender.put(Box::new(n))).count() as u32
        });
        let (mut received, mut newest) = (0, 0);
        while newest < LAST {
            if let Some(number) = receiver.take() {
                assert!(*number > newest);
                newest = *number;
                received += 1;
            }
        }
        assert_eq!(producer.join().unwrap() + received, LAST);
    }
}
