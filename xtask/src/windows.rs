//! The archive for Windows: both bundles, what puts them where hosts look, and the program for the
//! command line with its models.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bundle;
use crate::cargo;
use crate::cross::{Cross, WINDOWS};
use crate::dependencies;
use crate::elk::MODELS;
use crate::files;
use crate::install::copy;
use crate::portable_dll;
use crate::programs;

/// Texts of the archive: where they are here, and what they are called there.
const TEXTS: [(&str, &str); 6] = [
    ("xtask/windows/README.txt", "README.txt"),
    ("xtask/windows/install.bat", "install.bat"),
    ("xtask/windows/uninstall.bat", "uninstall.bat"),
    ("docs/guide.md", "guide.md"),
    ("docs/configuration.md", "configuration.md"),
    ("LICENSE", "LICENSE.txt"),
];

/// The package and the program for the command line, which is called `tocco.exe` there.
const PROGRAM: &str = "tocco-cli";

/// Makes the archive and prints its path.
///
/// # Errors
/// If something cannot be built or written.
pub fn run() -> Result<()> {
    programs::need(&["zip"], "zip")?;
    let cross = Cross::set_up(WINDOWS.triple)?;
    let bundles = bundle::for_machine(&cross)?;
    cross.build(&[PROGRAM])?;

    let name = format!("tocco-windows-{}", env!("CARGO_PKG_VERSION"));
    let folder = cargo::target_folder()?.join("windows").join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fill(&folder, &bundles).with_context(|| format!("cannot fill {}", folder.display()))?;
    let program = folder.join("tocco.exe");
    fs::copy(cross.program(PROGRAM), &program).context(PROGRAM)?;
    cross.strip(&program)?;
    portable_dll::check_program(&program)?;
    let archive = folder.with_file_name(format!("{name}.zip"));
    pack(&folder, &archive)?;
    println!("{}", archive.display());
    Ok(())
}

/// Puts everything into `folder`.
fn fill(folder: &Path, bundles: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for bundle in ["Tocco.clap", "Tocco.vst3"] {
        copy(&bundles.join(bundle), &folder.join(bundle))?;
    }
    fs::create_dir(folder.join("models"))?;
    for model in MODELS {
        let from = cargo::root().join("models").join(model);
        copy(&from, &folder.join("models").join(model))?;
    }
    for (from, to) in TEXTS {
        let text = fs::read_to_string(cargo::root().join(from)).context(from)?;
        fs::write(folder.join(to), with_both_ends(&text))?;
    }
    let licences = dependencies::licences(WINDOWS.triple, &["tocco", PROGRAM], &[])?;
    fs::write(folder.join("licences.txt"), with_both_ends(&licences))?;
    Ok(())
}

/// With the ends of lines that programs of Windows expect.
fn with_both_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Packs `folder` so that the same files make the same archive: in order, with the date of the last
/// commit, without owners, and with permissions that do not depend on who made them.
fn pack(folder: &Path, archive: &Path) -> Result<()> {
    let date = cargo::date_of_the_last_commit();
    let parent = folder.parent().context("no folder to pack")?;
    let found = files::below(folder)?;
    let mut touch = Command::new("touch");
    touch.arg(format!("--date=@{date}")).args(&found);
    ensure!(touch.status()?.success(), "touch, of coreutils, failed");
    // One that was interrupted is not to look whole, and takes nothing of the last one away.
    let mut part = archive.as_os_str().to_owned();
    part.push(".part");
    // What is there zip would add to.
    if fs::exists(&part)? {
        fs::remove_file(&part)?;
    }
    let mut zip = Command::new("zip");
    zip.args(["-q", "-9", "-X"]).arg(&part);
    for file in &found {
        let permissions = fs::metadata(file)?.permissions();
        let mode = match permissions.mode() & 0o100 {
            0 => 0o644,
            _ => 0o755,
        };
        fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        zip.arg(file.strip_prefix(parent)?);
    }
    let status = zip
        .current_dir(parent)
        .env("TZ", "UTC")
        .status()
        .context("zip is needed: apt-get install zip")?;
    ensure!(status.success(), "zip failed ({status})");
    fs::rename(&part, archive).with_context(|| archive.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive() {
        if programs::need(&["zip"], "zip").is_err() {
            println!("skipped: zip is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, modes: [u32; 2]| {
            let inner = folder.path().join(name).join("tocco");
            fs::create_dir_all(&inner).unwrap();
            for (file, mode) in ["a.txt", "b.exe"].into_iter().zip(modes) {
                let path = inner.join(file);
                fs::write(&path, file).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            let archive = folder.path().join(format!("{name}.zip"));
            fs::write(&archive, "an old one").unwrap();
            pack(&inner, &archive).unwrap();
            fs::read(archive).unwrap()
        };
        let first = made("one", [0o664, 0o775]);
        assert!(first.starts_with(b"PK"));
        assert!(first == made("two", [0o600, 0o700]));
    }

    #[test]
    fn lines_end_as_windows_has_it_once() {
        assert_eq!(with_both_ends("a\nb\r\nc"), "a\r\nb\r\nc");
    }

    #[test]
    fn the_scripts_go_to_marks_that_are_there() {
        for script in ["install.bat", "uninstall.bat"] {
            let text =
                fs::read_to_string(cargo::root().join("xtask/windows").join(script)).unwrap();
            assert!(text.contains("goto refused"), "{script}");
            let marks = text.split("goto ").skip(1);
            for mark in marks.filter_map(|rest| rest.split_whitespace().next()) {
                let mark = format!(":{mark}");
                assert!(text.lines().any(|line| line == mark), "{script}: {mark}");
            }
        }
    }
}
