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

/// Installs the library of `pin` in `dir`, unless it is there.
///
/// # Errors
/// When pip fails, or a hash is not the pinned one.
pub fn install(pin: &Pin, dir: &Path, consent: &Consent) -> Result<PathBuf> {
    let path = dir.join(pin.file_name());
    if pin.matches(&path) {
        return Ok(path);
    }
    let folder = tempfile::tempdir().context("no folder for the download")?;
    download(pin, folder.path(), consent)?;
    let wheel = std::fs::read_dir(folder.path())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .context("pip fetched no wheel")?;
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
        if apt::runs("python3", &["-m", "pip", "--version"]) {
            let mut command = Command::new("python3");
            command.args(["-m", "pip"]);
            return Some(command);
        }
        ["pip3", "pip"]
            .into_iter()
            .find(|program| apt::runs(program, &["--version"]))
            .map(Command::new)
    };
    if let Some(command) = found() {
        return Ok(command);
    }
    apt::install(&["python3-pip"], "fetching engine libraries", consent)?;
    found().context("python3-pip is installed, but python3 -m pip does not run")
}
