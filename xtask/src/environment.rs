//! Folders that the user names by environment variables.

use std::env;
use std::path::Path;

/// The variables: those of the engines' libraries, of the models, and of the recordings.
const FOLDERS: [&str; 3] = [
    "TOCCO_ENGINE_DIR",
    "TOCCO_MODELS",
    tocco_recordings::VARIABLE,
];

/// Has relative ones count from `here`, where the user stands: what is called runs in other folders, each test
/// in that of its crate. Set to nothing, a variable stays so.
///
/// # Safety
/// No other thread may run.
pub unsafe fn count_from(here: &Path) {
    for variable in FOLDERS {
        let folder = env::var_os(variable).filter(|folder| !folder.is_empty());
        if let Some(folder) = folder {
            // SAFETY: no other thread runs, as the caller has promised.
            unsafe { env::set_var(variable, here.join(folder)) };
        }
    }
}
