//! Archives for Linux: the same files make the same bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::files;

/// What `sha256sum -c` checks in `folder`.
///
/// # Errors
/// If the program is missing or a file cannot be read.
pub fn sums(folder: &Path) -> Result<Vec<u8>> {
    let mut command = Command::new("sha256sum");
    for file in files::below(folder)? {
        command.arg(file.strip_prefix(folder)?);
    }
    let output = command
        .current_dir(folder)
        .output()
        .context("sha256sum, of coreutils")?;
    ensure!(
        output.status.success(),
        "sha256sum failed ({})",
        output.status
    );
    Ok(output.stdout)
}

/// Packs `folder` so that the same files make the same archive: in order, with the date of the last
/// commit and without owners.
///
/// # Errors
/// If GNU tar is missing or the archive cannot be written.
pub fn pack(folder: &Path, archive: &Path) -> Result<()> {
    let date = cargo::date_of_the_last_commit();
    // One that was interrupted is not to look whole.
    let mut part = archive.as_os_str().to_owned();
    part.push(".part");
    let status = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args([
            // Whatever the umask was of who made the files.
            "--mode=a+rX,u+w,go-w",
            "--format=ustar",
            "--use-compress-program=gzip -9n",
        ])
        .arg(format!("--mtime=@{date}"))
        .arg("-cf")
        .arg(&part)
        .arg("-C")
        .arg(folder.parent().context("no folder to pack")?)
        .arg(folder.file_name().context("no folder to pack")?)
        .status()
        .context("GNU tar is needed")?;
    ensure!(status.success(), "tar failed ({status})");
    fs::rename(&part, archive).with_context(|| archive.display().to_string())
}

/// Makes `folder` anew, empty.
///
/// # Errors
/// If what is there cannot be removed, or it cannot be made.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, order: [&str; 2], modes: [u32; 2]| {
            let inner = folder.path().join(name).join("tocco");
            empty(&inner).unwrap();
            let set = |path: &Path, mode| {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            };
            for file in order {
                fs::write(inner.join(file), file).unwrap();
                set(&inner.join(file), modes[1]);
            }
            set(&inner, modes[0]);
            let archive = folder.path().join(format!("{name}.tar.gz"));
            pack(&inner, &archive).unwrap();
            fs::read(archive).unwrap()
        };
        let first = made("one", ["a", "b"], [0o755, 0o664]);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        // With a umask of 077.
        assert!(first == made("two", ["b", "a"], [0o700, 0o600]));
    }
}
