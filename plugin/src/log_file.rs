//! The log in a file, for who does not see the host's standard error.

use std::path::Path;
use std::sync::Arc;

use tocco_engines::bounded_read::append_file;

/// Has the log appended to `file` from now on, with the time of each line, and says whether that
/// worked; `None` if the file is none: then the log goes where it would go otherwise.
pub(crate) fn set_up(file: &Path) -> Option<bool> {
    // Why not is said where the configuration is applied.
    let file = Arc::new(append_file(file).ok()?);
    let log = tracing_subscriber::fmt()
        .with_target(false)
        .with_ansi(false)
        .with_writer(file);
    Some(log.try_init().is_ok())
}
