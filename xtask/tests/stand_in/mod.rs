//! A program of a few lines in the shell that stands in for cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes `script` as the program `cargo` into a folder.
///
/// A program of its own writes it: had this one the file open, a test that starts something at this
/// moment would hand it on, and a file that somebody may write is "busy" and cannot be started.
pub fn cargo(folder: &Path, script: &str) -> PathBuf {
    let cargo = folder.join("cargo");
    let status = Command::new("sh")
        .args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod +x \"$0\""])
        .arg(&cargo)
        .arg(script)
        .status();
    assert!(status.unwrap().success());
    cargo
}
