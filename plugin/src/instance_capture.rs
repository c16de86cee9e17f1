//! Captures the plugin instance that the framework creates inside its wrapper.
//!
//! nice-plug shows it to nobody, and the entries of the formats need what it shares. But the framework creates it
//! on the thread that asks for the wrapper: there the instance announces itself.

use std::cell::RefCell;
use std::sync::Arc;

use crate::service::Shared;

thread_local! {
    /// The instances of this thread while somebody captures.
    static CREATED: RefCell<Option<Vec<Arc<Shared>>>> = const { RefCell::new(None) };
}

/// Announces a new instance, if somebody captures.
pub(crate) fn announce(shared: &Arc<Shared>) {
    CREATED.with_borrow_mut(|created| {
        if let Some(created) = created {
            created.push(Arc::clone(shared));
        }
    });
}

/// What `create` returns, and what the last plugin instance that it created on this thread shares with the
/// world; nothing if it created none.
pub(crate) fn capture<T>(create: impl FnOnce() -> T) -> (T, Option<Arc<Shared>>) {
    CREATED.set(Some(Vec::new()));
    let made = create();
    (made, CREATED.take().and_then(|mut created| created.pop()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tocco;

    #[test]
    fn the_instance_is_the_one_that_was_made_last() {
        let (tocco, shared) = capture(|| {
            drop(Tocco::default());
            Tocco::default()
        });
        assert!(Arc::ptr_eq(tocco.shared(), &shared.unwrap()));
        drop(Tocco::default());
        assert!(capture(|| ()).1.is_none());
    }
}
