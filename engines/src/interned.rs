//! Constant data that is kept once in a process, however many models hold it.
//!
//! Each instance of the plugin loads its own model; most load the same. The weights, as they come
//! from the file and as they are packed, are looked up here by what they are, not by where they
//! come from: a model that was taught shares all that teaching left as it was. What nobody holds any
//! more is freed.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, Weak};

/// Data of no more elements is not worth a look.
const SMALL: usize = 64;

/// An element, comparable bit by bit.
pub(crate) trait Bits: Copy {
    /// What is equal if and only if all bits are.
    type Of: Eq + Hash;
    /// The bits.
    fn bits(&self) -> Self::Of;
}

impl Bits for f32 {
    type Of = u32;

    fn bits(&self) -> u32 {
        self.to_bits()
    }
}

/// Data held somewhere in the process, by its hash.
pub(crate) struct Pool<T>(Mutex<BTreeMap<u64, Vec<Weak<Vec<T>>>>>);

impl<T: Bits> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// `data`, or the same that somebody holds already. Takes a lock and allocates.
    pub(crate) fn intern(&self, data: Vec<T>) -> Arc<Vec<T>> {
        if data.len() <= SMALL {
            return Arc::new(data);
        }
        let mut hasher = DefaultHasher::new();
        data.iter()
            .for_each(|element| element.bits().hash(&mut hasher));
        let hash = hasher.finish();
        // The map is whole whatever happened to a thread that held the lock.
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        held.retain(|_, same_hash| {
            same_hash.retain(|data| data.strong_count() > 0);
            !same_hash.is_empty()
        });
        let same_hash = held.entry(hash).or_default();
        let same = |held: &Arc<Vec<T>>| {
            held.len() == data.len() && held.iter().zip(&data).all(|(a, b)| a.bits() == b.bits())
        };
        if let Some(found) = same_hash.iter().filter_map(Weak::upgrade).find(same) {
            return found;
        }
        let mut data = data;
        data.shrink_to_fit();
        let new = Arc::new(data);
        same_hash.push(Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_kept_once_and_only_while_somebody_holds_it() {
        static POOL: Pool<f32> = Pool::new();
        let data = |last: f32| -> Vec<f32> { (0..1000).map(|i| i as f32).chain([last]).collect() };
        let first = POOL.intern(data(0.0));
        assert!(Arc::ptr_eq(&first, &POOL.intern(data(0.0))));
        // Equal numbers, other bits.
        let negative = POOL.intern(data(-0.0));
        assert!(!Arc::ptr_eq(&first, &negative));
        assert!(negative[1000].is_sign_negative());
        drop((first, negative));
        POOL.intern(data(1.0));
        let held = POOL.0.lock().unwrap();
        assert_eq!(held.values().flatten().count(), 1);
    }
}
