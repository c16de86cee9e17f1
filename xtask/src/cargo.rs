//! Calls to cargo, always from the workspace's root and with the toolchain that runs this.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bundle;

/// Makes the workspace's root the current directory, wherever `cargo xtask` was called.
///
/// # Errors
/// If the folder that this program was built in is gone.
pub fn enter_workspace() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace's root")?;
    std::env::set_current_dir(root)
        .with_context(|| format!("cannot enter the workspace at {}", root.display()))
}

/// A call of the cargo that called us; what it runs finds the bundles by `TOCCO_BUNDLES`.
///
/// # Errors
/// If the build folder is not to be found.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .env("TOCCO_BUNDLES", bundle::folder()?);
    Ok(command)
}

/// Runs cargo and says what it is for.
///
/// # Errors
/// If cargo fails.
pub fn call(purpose: &str, arguments: &[&str]) -> Result<()> {
    eprintln!("xtask: {purpose}: cargo {}", arguments.join(" "));
    let status = command(arguments)?.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("{purpose} failed: cargo {}", arguments.join(" "));
    }
    Ok(())
}

/// Builds the library that the audit preloads.
///
/// # Errors
/// If the build fails.
pub fn build_interposer() -> Result<()> {
    call(
        "building the counting library",
        &[
            "build",
            "--quiet",
            "--release",
            "--package",
            "tocco-interpose",
        ],
    )
}

/// Builds a binary of the workspace in release and takes on its exit code, so that its own error
/// message is the last thing on the screen.
///
/// # Errors
/// If cargo cannot be started.
pub fn run(package: &str, binary: &str, first: &[&str], rest: &[String]) -> Result<()> {
    run_with_bundles(&bundle::folder()?, package, binary, first, rest)
}

/// As [`run`], with the bundles of another folder.
///
/// # Errors
/// If cargo cannot be started.
pub fn run_with_bundles(
    bundles: &Path,
    package: &str,
    binary: &str,
    first: &[&str],
    rest: &[String],
) -> Result<()> {
    let status = command(&["run", "--quiet", "--release", "--package", package])?
        .args(["--bin", binary, "--"])
        .args(first)
        .args(rest)
        .env("TOCCO_BUNDLES", bundles)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}
