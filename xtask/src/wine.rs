//! Running programs of Windows: Wine, with a registry and a drive of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo;
use crate::cross::Emulator;
use crate::mingw::Mingw;
use crate::unpacked::set_up as unpack;

/// What is installed, and how.
const REMEDY: &str = "Wine is needed: apt-get install wine64";

/// Wine for the programs of `mingw`'s target, with what it needs below `place`.
///
/// # Errors
/// If there is no Wine.
pub fn set_up(place: &Path, mingw: &Mingw) -> Result<Emulator> {
    let program = program().context(REMEDY)?;
    let folder = place.join("wine");
    unpack(&folder, "running programs of Windows", |new| {
        let source = cargo::root().join("xtask/windows/bcryptprimitives.c");
        mingw.library(&source, &new.join("bcryptprimitives.dll"))?;
        Ok(fs::create_dir(new.join("prefix"))?)
    })?;
    Ok(Emulator {
        words: vec![program],
        environment: environment(&folder),
    })
}

/// What Wine reads of the environment.
fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("WINEPREFIX", folder.join("prefix").display().to_string()),
        // Folders where libraries are looked for, as Windows names them: all of this machine is Z.
        (
            "WINEPATH",
            format!("Z:{}", folder.display()).replace('/', "\\"),
        ),
        // Wine's own remarks would be between the program's.
        ("WINEDEBUG", "-all".to_owned()),
        // Neither .NET nor a browser is offered for download.
        ("WINEDLLOVERRIDES", "mscoree,mshtml=".to_owned()),
    ]
}

/// The name under which Wine is installed, if it is: first as Debian has it, whose `wine` remarks each
/// time that it knows no programs of 32 bits.
fn program() -> Option<String> {
    ["/usr/lib/wine/wine64", "wine64", "wine"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .map(str::to_owned)
}
