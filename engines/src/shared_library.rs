//! A foreign engine's library: opened when the engine is first asked for, once in a process, and
//! never closed.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::{EngineId, LoadError, discovery, library_file};

/// What opening a library gave.
pub(crate) struct SharedLibrary<T> {
    opened: OnceLock<T>,
    opening: Mutex<()>,
}

impl<T> SharedLibrary<T> {
    /// Not opened yet.
    pub(crate) const fn new() -> Self {
        Self {
            opened: OnceLock::new(),
            opening: Mutex::new(()),
        }
    }

    /// What `open` made of the path of the library of `engine`, at the first call that succeeds. A
    /// failure is not remembered, so that the library can be installed while the plugin is running.
    ///
    /// # Errors
    /// When the library is missing or damaged, or for the reason that `open` gives.
    pub(crate) fn get_or_open(
        &self,
        engine: EngineId,
        open: impl FnOnce(&Path) -> Result<T, String>,
    ) -> Result<&T, LoadError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let path = discovery::find(engine)?;
        let broken = |reason: String| LoadError::Engine {
            engine,
            reason,
            remedy: format!(
                "run {} again, or remove the file",
                discovery::INSTALL_COMMAND
            ),
        };
        library_file::check(&path).map_err(broken)?;
        let opened =
            open(&path).map_err(|reason| broken(format!("{}: {reason}", path.display())))?;
        Ok(self.opened.get_or_init(|| opened))
    }
}
