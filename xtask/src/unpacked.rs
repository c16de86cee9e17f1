//! Tools that are unpacked into the build folder: nothing is installed, and nothing needs root.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Makes `folder` with `fill`, unless it is there: whole or not at all.
///
/// # Errors
/// If it cannot be made; `what` it is for is named.
pub fn set_up(folder: &Path, what: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    eprintln!("xtask: setting up {what} in {}", folder.display());
    let parent = folder.parent().context("no folder to set up in")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let new = tempfile::tempdir_in(parent).with_context(|| parent.display().to_string())?;
    fill(new.path()).with_context(|| format!("setting up {what}"))?;
    match fs::rename(new.path(), folder) {
        Ok(()) => {
            // Nothing is left there that could be removed.
            let _ = new.keep();
            Ok(())
        }
        // Another call of this program was quicker, and made the same.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error).with_context(|| folder.display().to_string()),
    }
}

/// The package whose name begins so, among those that `package` depends on.
///
/// # Errors
/// If apt knows none.
pub fn dependency(package: &str, name: &str) -> Result<String> {
    dependency_told_by(Command::new("apt-cache"), package, name)
}

fn dependency_told_by(mut apt: Command, package: &str, name: &str) -> Result<String> {
    let output = apt
        .args(["depends", package])
        // What is read here, apt translates otherwise.
        .env("LC_ALL", "C")
        .output()
        .context("apt-cache: Debian or a kin of it is needed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|found| {
            let version = found.strip_prefix(name);
            version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        })
        .map(str::to_owned)
        .with_context(|| {
            format!(
                "apt: expected a package {package} that depends on {name} and a number, found {:?}; Debian \
                 12 (bookworm) has it in its security archive: see /etc/apt/sources.list, then apt-get \
                 update",
                text.trim()
            )
        })
}

/// Fetches Debian's packages and unpacks them into `folder`.
///
/// # Errors
/// If one cannot be fetched.
pub fn unpack(packages: &[&str], folder: &Path) -> Result<()> {
    let fetched = folder.join("packages");
    fs::create_dir_all(&fetched)?;
    let mut download = Command::new("apt-get");
    download
        .args(["download", "--quiet"])
        .args(packages)
        .current_dir(&fetched);
    run(
        download,
        "Debian or a kin of it is needed, with its lists: apt-get update",
    )?;
    for package in fs::read_dir(&fetched)? {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("-x").arg(package?.path()).arg(folder);
        run(dpkg, "Debian's dpkg is needed")?;
    }
    fs::remove_dir_all(&fetched)?;
    Ok(())
}

/// Runs a command; its output goes to standard error, since standard output belongs to results.
///
/// # Errors
/// With the `remedy`, if it fails.
pub fn run(mut command: Command, remedy: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{name} failed ({status}); {remedy}"),
        Err(error) => bail!("{name} cannot be started ({error}); {remedy}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_asked_in_the_language_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("apt-cache");
        let text = "[ \"$LC_ALL\" = C ] && word=Depends || word='Hängt ab von'\n\
                    echo \"$2\"\necho \"  $word: libc6\"\necho \"  $word: libllvm19\"\n";
        fs::write(&script, text).unwrap();
        let asked = |name| {
            // Run by the shell: a file that was just written may be busy.
            let mut apt = Command::new("sh");
            apt.arg(&script).env("LC_ALL", "de_DE.UTF-8");
            dependency_told_by(apt, "libstd-rust-web-dev", name)
        };
        assert_eq!(asked("libllvm").unwrap(), "libllvm19");
        let error = asked("libstd-rust-web-").unwrap_err().to_string();
        assert!(error.contains("Debian 12 (bookworm)"), "{error}");
    }

    #[test]
    fn what_was_set_up_halfway_is_not_there() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tool");
        set_up(&folder, "a tool", |new| {
            fs::write(new.join("half"), "")?;
            bail!("the network is gone")
        })
        .unwrap_err();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        set_up(&folder, "a tool", |new| {
            Ok(fs::write(new.join("whole"), "")?)
        })
        .unwrap();
        assert!(folder.join("whole").is_file());
    }

    #[test]
    fn of_two_who_set_up_at_once_one_is_enough() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tool");
        set_up(&folder, "a tool", |new| {
            fs::create_dir(&folder)?;
            fs::write(folder.join("whole"), "the other's")?;
            Ok(fs::write(new.join("whole"), "this one's")?)
        })
        .unwrap();
        let whole = fs::read_to_string(folder.join("whole")).unwrap();
        assert_eq!(whole, "the other's");
        // What was made twice is not kept twice.
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
