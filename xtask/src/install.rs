//! The bundles where the system's hosts look for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::{bundle, cargo};

/// Each bundle with the folder that hosts search, below the user's.
const PLACES: [(&str, &str); 2] = [(".clap", "Tocco.clap"), (".vst3", "Tocco.vst3")];

/// Options of `cargo xtask install`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask install                          # ~/.clap/Tocco.clap and ~/.vst3/Tocco.vst3\n  \
    cargo xtask install --no-default-features    # without the editor, for a machine without a screen\n  \
    cargo xtask uninstall                        # takes both away again\n\n\
    Then let the host search for plugins once more.")]
pub struct InstallArguments {
    /// Leave out the default features, such as the editor
    #[arg(long)]
    no_default_features: bool,
}

/// Builds the bundles and puts them where hosts look, in place of those that are there.
///
/// # Errors
/// If the build fails, `HOME` is not set, or something cannot be written.
pub fn install(arguments: &InstallArguments) -> Result<()> {
    let home = home()?;
    if arguments.no_default_features {
        bundle::headless()?;
    } else {
        bundle::for_this_machine()?;
    }
    for (place, name) in PLACES {
        let source = cargo::bundles()?.join(name);
        let folder = home.join(place);
        let (new, destination) = (folder.join(unfinished(name)), folder.join(name));
        // Renamed when it is whole: a host that runs keeps the file that it has open.
        fs::create_dir_all(&folder)
            .and_then(|()| remove(&new))
            .and_then(|_| copy(&source, &new))
            .and_then(|()| remove(&destination))
            .and_then(|_| fs::rename(&new, &destination))
            // It is of no use, and takes room that may be what is missing.
            .inspect_err(|_| drop(remove(&new)))
            .with_context(|| format!("cannot install {}", destination.display()))?;
        println!("installed {}", destination.display());
    }
    println!("Let your host search for plugins once more. cargo xtask uninstall takes them away.");
    Ok(())
}

/// Takes away what [`install`] has put there, and nothing else.
///
/// # Errors
/// If `HOME` is not set or something cannot be removed.
pub fn uninstall() -> Result<()> {
    let home = home()?;
    for (place, name) in PLACES {
        let folder = home.join(place);
        let destination = folder.join(name);
        let removed = remove(&folder.join(unfinished(name)))
            .and_then(|_| remove(&destination))
            .with_context(|| format!("cannot remove {}", destination.display()))?;
        let what = if removed { "removed" } else { "not there:" };
        println!("{what} {}", destination.display());
    }
    Ok(())
}

/// What a bundle is called until it is whole; an installation that was ended in the middle leaves it.
fn unfinished(name: &str) -> String {
    format!(".{name}.new")
}

fn home() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home =
        home.context("HOME is not set; set it to the folder of the user whose hosts are meant")?;
    Ok(PathBuf::from(home))
}

/// Copies a file, or a folder with all that it has.
///
/// # Errors
/// If something cannot be read or written, or the folder is there.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Removes a file, a folder, or a link but not what it leads to. Returns whether it was there.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => fs::remove_file(path)?,
    }
    Ok(true)
}
