//! The compiler of C code and the resource compiler for Windows, Debian's mingw-w64, and LLVM's linker.
//!
//! mingw-w64 has a linker of its own, but the script of that keeps the tables for unwinding, and with
//! them each function that has one: nothing that is never called would be left out.

use std::env;
use std::ffi::OsString;
use std::fs;
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

/// Scripts in the folder of its programs: each name, and what `sh` does with `here` as that folder. gcc calls the
/// linker by the name of its own programs, and the resource compiler calls gcc by this one, which
/// Debian's installation would make: that with the threads of Windows, not those of a library more.
const SCRIPTS: [(&str, &str); 2] = [
    (
        "gcc",
        "exec \"$here/x86_64-w64-mingw32-gcc-win32\" -fuse-ld=lld \"$@\"",
    ),
    (
        "ld.lld",
        // Its LLVM is that of the compiler, which is unpacked beside it. A name for Linux's loader is given to
        // libraries, which this linker refuses for Windows and which means nothing there.
        "export LD_LIBRARY_PATH=\"$here/../../../rust/usr/lib/x86_64-linux-gnu\"\n\
         for argument; do\n\
         shift\n\
         case $argument in -soname*) ;; *) set -- \"$@\" \"$argument\" ;; esac\n\
         done\n\
         exec \"$here/ld.lld\" \"$@\"",
    ),
];

/// An unpacked mingw-w64.
pub struct Mingw {
    programs: PathBuf,
}

impl Mingw {
    /// Unpacks it below `place`, unless it is there: 58 MB are fetched. `llvm` is the version of the
    /// compiler's LLVM, which the linker shares.
    ///
    /// # Errors
    /// If it cannot be fetched.
    pub fn set_up(place: &Path, llvm: impl FnOnce() -> Result<String>) -> Result<Self> {
        let folder = place.join("mingw");
        set_up(&folder, "the linker for Windows", |new| {
            let llvm = llvm()?;
            let linker = format!("lld-{llvm}");
            unpack(&[&PACKAGES[..], &[&linker]].concat(), new)?;
            let programs = new.join("usr/bin");
            fs::rename(
                new.join(format!("usr/lib/llvm-{llvm}/bin/lld")),
                programs.join("ld.lld"),
            )?;
            for (name, body) in SCRIPTS {
                let file = programs.join(format!("{PREFIX}-{name}"));
                let script =
                    format!("#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\n{body}\n");
                fs::write(&file, script)?;
                let mut chmod = Command::new("chmod");
                chmod.arg("+x").arg(&file);
                run(chmod, "coreutils are needed")?;
            }
            Ok(())
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
