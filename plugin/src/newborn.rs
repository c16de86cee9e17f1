//! The way from a format's entry to the plugin instance that it wraps.
//!
//! nice-plug makes the plugin inside its wrapper and shows it to nobody. But it makes it on the
//! thread that asks for the wrapper: there the instance leaves word of itself.

use std::cell::RefCell;
use std::sync::Arc;

use crate::service::Shared;

thread_local! {
    /// Filled while somebody asks.
    static BORN: RefCell<Option<Vec<Arc<Shared>>>> = const { RefCell::new(None) };
}

/// Leaves word of a new instance, if somebody asks.
pub(crate) fn announce(shared: &Arc<Shared>) {
    BORN.with_borrow_mut(|born| {
        if let Some(born) = born {
            born.push(Arc::clone(shared));
        }
    });
}

/// What `make` returns, and what the last plugin instance that it made on this thread shares with the
/// world; nothing if it made none.
pub(crate) fn made_by<T>(make: impl FnOnce() -> T) -> (T, Option<Arc<Shared>>) {
    BORN.set(Some(Vec::new()));
    let made = make();
    (made, BORN.take().and_then(|mut born| born.pop()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tocco;

    #[test]
    fn the_instance_is_the_one_that_was_made_last() {
        let (tocco, shared) = made_by(|| {
            drop(Tocco::default());
            Tocco::default()
        });
        assert!(Arc::ptr_eq(tocco.shared(), &shared.unwrap()));
        drop(Tocco::default());
        assert!(made_by(|| ()).1.is_none());
    }
}
