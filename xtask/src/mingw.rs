//! The compiler of C code, the linker and the resource compiler for Windows: Debian's mingw-w64.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::unpacked::{run, set_up, unpack};

/// Debian's packages of it.
const PACKAGES: [&str; 6] = [
    "binutils-mingw-w64-x86-64",
    "gcc-mingw-w64-base",
    "gcc-mingw-w64-x86-64-win32",
    "gcc-mingw-w64-x86-64-win32-runtime",
    "mingw-w64-common",
    "mingw-w64-x86-64-dev",
];

/// What the names of its programs begin with.
const PREFIX: &str = "x86_64-w64-mingw32";

/// An unpacked mingw-w64.
pub struct Mingw {
    programs: PathBuf,
}

impl Mingw {
    /// Unpacks it below `place`, unless it is there: 56 MB are fetched.
    ///
    /// # Errors
    /// If it cannot be fetched.
    pub fn set_up(place: &Path) -> Result<Self> {
        let folder = place.join("mingw");
        set_up(&folder, "the linker for Windows, mingw-w64", |new| {
            unpack(&PACKAGES, new)?;
            // Its installation would give this name to the one with the threads of Windows itself, not
            // those of a library more. The resource compiler calls it by this name.
            let (name, gcc) = (format!("{PREFIX}-gcc"), format!("{PREFIX}-gcc-win32"));
            Ok(symlink(gcc, new.join("usr/bin").join(name))?)
        })?;
        Ok(Self {
            programs: folder.join("usr/bin"),
        })
    }

    /// Has a call of cargo compile C code with it and link with it.
    pub fn compiles(&self, cargo: &mut Command, triple: &str) {
        let name = triple.replace('-', "_");
        cargo
            .env(
                format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()),
                self.program("gcc"),
            )
            .env(format!("CC_{name}"), self.program("gcc"))
            .env(format!("AR_{name}"), self.program("ar"))
            // The compiler looks for dlltool there, and the build script for windres.
            .env("PATH", self.path());
    }

    /// Takes names and lines out of a library.
    ///
    /// # Errors
    /// If it cannot be done.
    pub fn strip(&self, library: &Path) -> Result<()> {
        let mut strip = Command::new(self.program("strip"));
        strip.arg("--strip-all").arg(library);
        run(strip, "it is of mingw-w64, in target/cross/mingw")
    }

    /// Makes a library of one C file.
    ///
    /// # Errors
    /// If it does not compile.
    pub fn library(&self, source: &Path, library: &Path) -> Result<()> {
        let mut gcc = Command::new(self.program("gcc"));
        gcc.args(["-shared", "-O2", "-Wall", "-Werror", "-s", "-o"])
            .arg(library)
            .arg(source)
            .arg("-ladvapi32")
            .env("PATH", self.path());
        run(gcc, "it is of mingw-w64, in target/cross/mingw")
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.join(format!("{PREFIX}-{name}"))
    }

    fn path(&self) -> OsString {
        let mut path = self.programs.clone().into_os_string();
        if let Some(others) = env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        path
    }
}
