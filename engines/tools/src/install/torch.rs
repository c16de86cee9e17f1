//! The library for TorchScript, built here against the system's libtorch.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tocco_engines::{EngineId, discovery};

use super::apt::{self, Consent};
use super::write_whole;

/// Debian's libtorch, a BLAS that starts no threads, and the compiler for tch's C++ part.
const PACKAGES: [&str; 3] = ["libtorch-dev", "libopenblas0-serial", "g++"];

/// The sources that it is built from.
fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../torch")
}

/// Whether there are the sources, which are in a checkout alone, and a way to build them for `system`.
pub fn is_buildable(system: &str) -> bool {
    system != "windows" && source().join("Cargo.toml").is_file()
}

/// Builds the library and puts it into `dir`.
///
/// # Errors
/// When libtorch is missing and cannot be installed, or the build fails.
pub fn install(system: &str, architecture: &str, dir: &Path, consent: &Consent) -> Result<PathBuf> {
    if system == "windows" {
        bail!(
            "there is no library for TorchScript on Windows: libtorch is a C++ library of Microsoft's \
             compiler there, and ours is built by another; convert the model to ONNX"
        );
    }
    if !is_buildable(system) {
        bail!(
            "{}: not found; the library for TorchScript is built by cargo in a checkout of Tocco, where \
             cargo xtask engines install does it; or convert the model to ONNX",
            source().display()
        );
    }
    if (system, architecture) != (std::env::consts::OS, std::env::consts::ARCH) {
        bail!("the library for TorchScript is built on the machine that uses it");
    }
    let libtorch = libtorch(std::env::var_os("LIBTORCH"))?;
    let header = libtorch.join("include/torch/csrc/api/include/torch/version.h");
    let packaged = libtorch == Path::new("/usr");
    if packaged && !(header.is_file() && PACKAGES.iter().all(|name| is_installed(name))) {
        apt::install(&PACKAGES, "the engine torch", consent)?;
    }
    if !header.is_file() {
        bail!(
            "{}: not found; LIBTORCH must name a folder with libtorch 1.13",
            header.display()
        );
    }

    let source = source();
    let target = source.join("target");
    eprintln!("cargo build --release --manifest-path engines/torch/Cargo.toml");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(source.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("LIBTORCH", &libtorch)
        .stdout(std::io::stderr())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!(
            "the library for TorchScript does not build against {}",
            libtorch.display()
        );
    }
    let name = discovery::file_names(EngineId::Torch)[0];
    let built = target.join("release").join(name);
    let library = std::fs::read(&built).with_context(|| built.display().to_string())?;
    write_whole(dir, name, &library)
}

/// Where tch looks for libtorch: a user's own, which comes first, or Debian's. A relative folder counts from
/// where the user stands; what builds tch runs elsewhere.
///
/// # Errors
/// When the folder that the user stands in is gone.
fn libtorch(own: Option<OsString>) -> Result<PathBuf> {
    match own.filter(|own| !own.is_empty()) {
        Some(own) => std::path::absolute(own).context("LIBTORCH: the current folder is gone"),
        None => Ok("/usr".into()),
    }
}

/// Whether the Debian package is there; true where there is no dpkg to ask.
fn is_installed(package: &str) -> bool {
    !apt::runs("dpkg-query", &["--version"])
        || Command::new("dpkg-query")
            .args(["--show", "--showformat=${db:Status-Status}", package])
            .output()
            .is_ok_and(|output| output.stdout == b"installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_libtorch_counts_from_where_the_user_stands() {
        let here = std::env::current_dir().unwrap();
        let found = |own: &str| libtorch(Some(own.into())).unwrap();
        assert_eq!(found("my/libtorch"), here.join("my/libtorch"));
        assert_eq!(found(""), Path::new("/usr"));
        assert_eq!(libtorch(None).unwrap(), Path::new("/usr"));
    }
}
