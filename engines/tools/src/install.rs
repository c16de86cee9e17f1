//! `engines install`: fetches the pinned libraries with pip, and builds the library for
//! TorchScript against Debian's libtorch.

mod apt;
mod torch;
mod wheel;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use tocco_engines::{EngineId, discovery};

use crate::pins::Pin;
use apt::Consent;

/// Options of `engines install`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask engines install --yes\n  \
    cargo xtask engines install --engine onnx,litert --architecture aarch64 --dir target/pi\n  \
    cargo xtask engines install --engine onnx,litert --system windows --dir target/windows-engines\n  \
    cargo xtask engines install --engine onnx --wheels my-downloads\n\n\
    Versions and hashes are pinned; what is already there and right is left alone.")]
pub struct InstallArguments {
    /// Only these engines [default: onnx, litert, and in a checkout torch]
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    engine: Vec<EngineId>,
    /// Where the libraries go [default: TOCCO_ENGINE_DIR, else tocco/engines in your data directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Libraries for another operating system, linux or windows (not for torch)
    #[arg(long, value_name = "NAME", default_value = std::env::consts::OS)]
    system: String,
    /// Libraries for another machine, x86_64 or aarch64 (not for torch)
    #[arg(long, value_name = "NAME", default_value = std::env::consts::ARCH)]
    architecture: String,
    /// Take the wheels from this folder, into which they were fetched otherwise: no pip is needed (not
    /// for torch)
    #[arg(long, value_name = "DIR")]
    wheels: Option<PathBuf>,
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
}

/// Installs.
///
/// # Errors
/// When one of the engines cannot be installed; the others are installed nevertheless.
pub fn run(arguments: &InstallArguments) -> Result<()> {
    let dir = arguments
        .dir
        .clone()
        .or_else(discovery::install_dir)
        .context("the system names no data directory for you: say --dir DIR")?;
    std::fs::create_dir_all(&dir).with_context(|| {
        format!(
            "{}: cannot be made; say a folder that you may write to with --dir DIR",
            dir.display()
        )
    })?;
    let consent = Consent::new(arguments.yes);
    let mut failed = Vec::new();
    let all = match torch::is_buildable(&arguments.system) {
        true => &[EngineId::Onnx, EngineId::LiteRt, EngineId::Torch][..],
        false => &[EngineId::Onnx, EngineId::LiteRt],
    };
    let engines = match &arguments.engine[..] {
        [] => all,
        engines => engines,
    };
    for &engine in engines {
        let installed = match engine {
            EngineId::Native | EngineId::NativeFixed => {
                eprintln!("{engine}: built in, nothing to install");
                continue;
            }
            EngineId::Onnx | EngineId::LiteRt => {
                Pin::find(engine, &arguments.system, &arguments.architecture).and_then(|pin| {
                    wheel::install(pin, &dir, arguments.wheels.as_deref(), &consent)
                })
            }
            EngineId::Torch => {
                torch::install(&arguments.system, &arguments.architecture, &dir, &consent)
            }
        };
        match installed {
            Ok(path) => eprintln!("{engine}: {}", path.display()),
            Err(error) => {
                eprintln!("{engine}: {error:#}");
                failed.push(engine.name());
            }
        }
    }
    if !failed.is_empty() {
        bail!(
            "not installed: {}; the reasons are above",
            failed.join(", ")
        );
    }
    Ok(())
}

/// Writes the file so that a plugin that looks for it meanwhile sees all of it or nothing.
fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = dir.join(name);
    let written = || -> std::io::Result<()> {
        // The folder is removed again; the file in it has the permissions that files here get.
        let folder = tempfile::tempdir_in(dir)?;
        let whole = folder.path().join(name);
        std::fs::write(&whole, bytes)?;
        std::fs::rename(whole, &path)
    };
    written().with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_replaced_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lib.so"), b"old").unwrap();
        let path = write_whole(dir.path(), "lib.so", b"new").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
