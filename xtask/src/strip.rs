//! Libraries without names and lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Takes names and lines out of a bundle's library. Not out of the one that cargo keeps: the tests
/// are linked from the same objects, and their backtraces have lines.
///
/// # Errors
/// If there is no program that can.
pub fn strip(library: &Path) -> Result<()> {
    if !fs::read(library)?.starts_with(b"\x7fELF") {
        return Ok(());
    }
    // The toolchain's own; a Rust without rustup has none, but then the linker's package has strip.
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .output()?;
    let libraries = PathBuf::from(String::from_utf8(libraries.stdout)?.trim());
    let objcopy = libraries.with_file_name("bin").join("rust-objcopy");
    let mut command = if objcopy.exists() {
        let mut command = Command::new(objcopy);
        // Where its LLVM lies: sysroot/lib, of sysroot/lib/rustlib/TARGET/lib.
        command.env("LD_LIBRARY_PATH", libraries.join("../../.."));
        command
    } else {
        Command::new("strip")
    };
    let status = command.arg("--strip-all").arg(library).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{}: strip failed ({status})", library.display()),
        Err(error) => bail!(
            "{}: cannot be stripped ({error}); install binutils, or Rust from https://rustup.rs",
            library.display()
        ),
    }
}
