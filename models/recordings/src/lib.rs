//! Where the recordings lie that are no part of the repository, and what goes with them: golden vectors,
//! more recordings, small cases.
//!
//! They lie in a folder `shared` beside the checkout, or where [`VARIABLE`] says. This crate depends on no
//! other, so that the tests of each can ask it.

use std::env;
use std::path::{Path, PathBuf};

/// Environment variable that names the folder.
pub const VARIABLE: &str = "TOCCO_SHARED";

/// Folders in [`shared`] of takes, each of one technique, with their labels beside them.
pub const TAKES: [&str; 3] = [
    "recordings/takes",
    "recordings/crops",
    "more-recordings/history",
];

/// The folder with all of it, which need not be there: the one that [`VARIABLE`] names, else the nearest
/// `shared` beside the checkout or beside a folder that it lies in, as that of a worktree may.
#[must_use]
pub fn shared() -> PathBuf {
    env::var_os(VARIABLE).map_or_else(|| beside(checkout()), PathBuf::from)
}

/// [`shared`], for a test that reads the folders `parts` of it, as `recordings/crops`. Without one of them
/// the test is to end: `None`, after a word about it on standard error.
///
/// # Panics
/// Without one of them, where `CI` is `true`: no test is skipped there.
#[must_use]
pub fn shared_with(parts: &[&str]) -> Option<PathBuf> {
    let reason = match with(shared(), parts) {
        Ok(shared) => return Some(shared),
        Err(reason) => reason,
    };
    let on_the_gate = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        !on_the_gate,
        "{reason} (where CI is true no test is skipped)"
    );
    eprintln!("skipped: {reason}");
    None
}

/// `shared`, or which of `parts` is missing there.
fn with(shared: PathBuf, parts: &[&str]) -> Result<PathBuf, String> {
    match parts.iter().find(|part| !shared.join(part).is_dir()) {
        None => Ok(shared),
        Some(missing) => Err(format!(
            "expected the folder {missing} in {}, found none; set {VARIABLE} to the folder that has it",
            shared.display()
        )),
    }
}

/// The checkout, in which this crate lies two folders deep.
fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

fn beside(checkout: &Path) -> PathBuf {
    let above = checkout.ancestors().skip(1);
    let mut folders = above.map(|folder| folder.join("shared"));
    let found = folders.find(|folder| folder.is_dir());
    found.unwrap_or_else(|| checkout.with_file_name("shared"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn this_crate_lies_in_the_checkout() {
        assert!(checkout().join("models/recordings").is_dir());
        assert!(checkout().join("Cargo.lock").is_file());
    }

    #[test]
    fn the_nearest_folder_beside_or_above_the_checkout_counts() {
        let folder = tempfile::tempdir().unwrap();
        let worktree = folder.path().join("trees/mine");
        // One in it is none.
        fs::create_dir_all(worktree.join("shared")).unwrap();
        for shared in ["shared", "trees/shared"] {
            let shared = folder.path().join(shared);
            fs::create_dir(&shared).unwrap();
            assert_eq!(beside(&worktree), shared);
        }
    }

    #[test]
    fn what_is_missing_is_told_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().to_owned();
        fs::create_dir_all(shared.join("recordings/crops")).unwrap();
        let (there, both) = (["recordings/crops"], ["recordings/crops", "golden"]);
        assert_eq!(with(shared.clone(), &there), Ok(shared.clone()));
        let reason = with(shared, &both).unwrap_err();
        assert!(
            reason.contains("golden") && reason.contains(VARIABLE),
            "{reason}"
        );
    }
}
