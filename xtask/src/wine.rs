//! Running programs of Windows: Wine, with a registry and a drive of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cargo;
use crate::emulator::Emulator;
use crate::mingw::Mingw;
use crate::unpacked::{run, set_up as unpack};

/// What is installed, and how.
const REMEDY: &str = "Wine is needed: apt-get install wine64";

/// Refuses to begin without Wine.
///
/// # Errors
/// If there is none.
pub fn need() -> Result<()> {
    program().context(REMEDY).map(drop)
}

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
    let environment = environment(&folder);
    let ready = folder.join("ready");
    if !ready.exists() {
        // The VST3 has a window for messages alone, which Wine makes without a screen only if told so.
        let mut registry = Command::new(&program);
        registry
            .args(["reg", "add", r"HKEY_CURRENT_USER\Software\Wine\Drivers"])
            .args(["/v", "Graphics", "/d", "x11,null", "/f"])
            .envs(environment.iter().cloned());
        run(registry, "Wine does not start")?;
        // It is read when the first program starts, which that was.
        let mut end = Command::new(&program);
        end.args(["wineboot", "--kill"])
            .envs(environment.iter().cloned());
        run(end, "Wine does not start")?;
        fs::write(ready, "")?;
    }
    keep_server(&program, &environment);
    Ok(Emulator {
        words: vec![program],
        environment,
    })
}

/// Has Wine's server stay for a while when nobody needs it. It would end with each program, and the next one
/// that starts in that moment does not start. Where there is no server of that name Wine starts its own.
fn keep_server(wine: &str, environment: &[(&'static str, String)]) {
    let beside = Path::new(wine).with_file_name("wineserver64");
    let server = match beside.is_file() {
        true => beside,
        false => PathBuf::from("wineserver"),
    };
    // Wine's own programs start with the first one and stay as long: with the pipes of that they would hold its
    // output open.
    let first = [wine, "cmd", "/c", "exit"];
    for words in [&[&*server.to_string_lossy(), "-p600"][..], &first] {
        // The server fails where one runs.
        let _ = Command::new(words[0])
            .args(&words[1..])
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
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
