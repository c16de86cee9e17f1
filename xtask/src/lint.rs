//! What is checked without running anything: formatting, dependencies, lints, documentation.

use anyhow::Result;

use crate::{cargo, dependencies};

/// Checks formatting, then the licences of dependencies, then clippy's lints, then the documentation, warnings being errors. In the
/// development profile, whose folder has a lock of its own: tests in release can run beside it.
///
/// # Errors
/// At the first check that fails.
pub fn run() -> Result<()> {
    cargo::call("formatting", &["fmt", "--all", "--check"])?;
    dependencies::check()?;
    cargo::call(
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    )?;
    // SAFETY: no other thread runs in this program.
    unsafe { std::env::set_var("RUSTDOCFLAGS", "--deny warnings") };
    cargo::call(
        "documentation",
        &[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ],
    )
}
