//! A library out of a wheel that pip fetches.

use std::ffi::OsStr;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use super::apt::{self, Consent};
use super::write_whole;
use crate::pins::{Pin, check};

/// Python version of the wheels that are pinned. The library in a wheel is the same for all, and
/// pip fetches wheels of other versions than its own.
const PYTHON: &str = "3.11";

/// Installs the library of `pin` in `dir`, unless it is there: out of a wheel in the folder `wheels`, or
/// out of one that pip fetches.
///
/// # Errors
/// When pip fails, the folder has no such wheel, or a hash is not the pinned one.
pub fn install(pin: &Pin, dir: &Path, wheels: Option<&Path>, consent: &Consent) -> Result<PathBuf> {
    let path = dir.join(pin.file_name());
    if pin.matches(&path) {
        return Ok(path);
    }
    let folder = tempfile::tempdir().context("no folder for the download")?;
    let wheel = match wheels {
        Some(wheels) => given(pin, wheels)?,
        None => {
            download(pin, folder.path(), consent)?;
            let mut fetched = wheels_in(folder.path())?;
            fetched.pop().context("pip fetched no wheel")?
        }
    };
    let name = wheel
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let wheel = std::fs::read(&wheel).with_context(|| name.clone())?;
    check(&name, &wheel, pin.wheel_sha256)?;
    let mut archive = ZipArchive::new(Cursor::new(wheel)).with_context(|| name.clone())?;
    let mut library = Vec::new();
    archive
        .by_name(pin.member)
        .and_then(|mut member| Ok(member.read_to_end(&mut library)?))
        .with_context(|| format!("{name}: {}", pin.member))?;
    check(pin.member, &library, pin.library_sha256)?;
    let licences = licences(&mut archive).with_context(|| name.clone())?;
    if !licences.is_empty() {
        let file = format!("{}.licence.txt", pin.file_name());
        write_whole(dir, &file, &licences)?;
    }
    write_whole(dir, pin.file_name(), &library)
}

/// The wheels in a folder.
fn wheels_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths
        .filter(|path| path.extension() == Some(OsStr::new("whl")))
        .collect())
}

/// The wheel of `pin` in a folder of the user's: the one with its package, version and platform in its name.
fn given(pin: &Pin, folder: &Path) -> Result<PathBuf> {
    // In names of wheels other characters than letters, numbers and points are underscores: PEP 427.
    let begins = format!("{}-{}-", pin.package.replace('-', "_"), pin.version);
    let wheels = wheels_in(folder)?;
    let is_it = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let machine = pin.platforms();
        let for_it = machine.iter().any(|platform| name.contains(&**platform));
        let python = format!("-cp{}-", PYTHON.replace('.', ""));
        name.starts_with(&begins) && name.contains(&python) && for_it
    };
    match wheels.iter().find(is_it) {
        Some(wheel) => Ok(wheel.clone()),
        None => bail!(
            "{}: expected {begins}cp{}-…-{}.whl, found {} other wheels; fetch it from the Python package \
             index, under the files of {} {}",
            folder.display(),
            PYTHON.replace('.', ""),
            pin.platforms().join(" or "),
            wheels.len(),
            pin.package,
            pin.version
        ),
    }
}

/// What a wheel says of licences: who hands its library on must hand that on, too.
fn licences<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Vec<u8>> {
    let mut texts = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let name = member.name()?.to_uppercase();
        let name = name.rsplit('/').next().unwrap_or_default();
        if ["LICENSE", "THIRDPARTYNOTICES"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            member.read_to_end(&mut texts)?;
            texts.push(b'\n');
        }
    }
    Ok(texts)
}

fn download(pin: &Pin, folder: &Path, consent: &Consent) -> Result<()> {
    let mut command = pip(consent)?;
    command
        .args([
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        .args(["--only-binary=:all:", "--implementation=cp"])
        .arg(format!("--python-version={PYTHON}"))
        .arg(format!("--abi=cp{}", PYTHON.replace('.', "")));
    for platform in pin.platforms() {
        command.arg(format!("--platform={platform}"));
    }
    let requirement = format!("{}=={}", pin.package, pin.version);
    eprintln!(
        "pip download {requirement} ({} {})",
        pin.system, pin.architecture
    );
    let status = command
        .arg("--dest")
        .arg(folder)
        .arg(&requirement)
        .stdout(std::io::stderr())
        .status()
        .context("cannot start pip")?;
    if !status.success() {
        bail!("pip could not fetch {requirement}; check the network and pip's index");
    }
    Ok(())
}

/// The pip there is, or that of Debian's python3-pip.
fn pip(consent: &Consent) -> Result<Command> {
    let found = || {
        // What Python is called on Linux, and on Windows.
        for python in ["python3", "python", "py"] {
            if apt::runs(python, &["-m", "pip", "--version"]) {
                let mut command = Command::new(python);
                command.args(["-m", "pip"]);
                return Some(command);
            }
        }
        ["pip3", "pip"]
            .into_iter()
            .find(|program| apt::runs(program, &["--version"]))
            .map(Command::new)
    };
    if let Some(command) = found() {
        return Ok(command);
    }
    if cfg!(windows) {
        bail!(
            "fetching engine libraries needs Python with pip, and there is none; install it, or fetch the \
             wheel with a browser and name its folder by --wheels"
        );
    }
    apt::install(&["python3-pip"], "fetching engine libraries", consent)?;
    found().context("python3-pip is installed, but python3 -m pip does not run")
}

#[cfg(test)]
mod tests {
    use tocco_engines::EngineId;

    use super::*;

    #[test]
    fn a_wheel_that_was_fetched_otherwise_is_found_by_its_name_and_refused_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let pin = Pin::find(EngineId::LiteRt, "windows", "x86_64").unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(
            file("ai_edge_litert-2.3.0-cp311-cp311-manylinux_2_27_x86_64.whl"),
            "",
        )
        .unwrap();
        let missing = given(pin, folder.path()).unwrap_err().to_string();
        assert!(
            missing.contains("expected ai_edge_litert-2.3.0-cp311"),
            "{missing}"
        );
        assert!(missing.contains("found 1 other"), "{missing}");
        let wheel = file("ai_edge_litert-2.3.0-cp311-cp311-win_amd64.whl");
        std::fs::write(&wheel, "another one").unwrap();
        assert_eq!(given(pin, folder.path()).unwrap(), wheel);
        let out = tempfile::tempdir().unwrap();
        let consent = Consent::new(false);
        let refused = install(pin, out.path(), Some(folder.path()), &consent).unwrap_err();
        assert!(
            refused.to_string().contains(pin.wheel_sha256),
            "{refused:#}"
        );
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    }
}
