//! The CLAP and VST3 bundles.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

/// The package that becomes the plugin.
const PLUGIN: &str = "tocco";

/// Options of `cargo xtask bundle`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask bundle\n  \
    cargo xtask bundle tocco --release --target aarch64-unknown-linux-gnu\n  \
    cargo xtask bundle --no-default-features --features vst3   (headless, no editor)")]
pub struct BundleArguments {
    /// The package to bundle
    #[arg(default_value = PLUGIN)]
    package: String,
    /// Build optimised; without --debug this is always so, the option is here for habit's sake
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build with debug assertions instead
    #[arg(long)]
    debug: bool,
    /// Build for another machine, for example aarch64-unknown-linux-gnu
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Leave out the default features, such as the editor
    #[arg(long)]
    no_default_features: bool,
    /// Features to add, separated by commas
    #[arg(long, value_name = "LIST")]
    features: Option<String>,
}

/// Bundles as asked.
///
/// # Errors
/// If the build fails or the library exports no plugin.
pub fn run(arguments: &BundleArguments) -> Result<()> {
    let mut options = Vec::new();
    if !arguments.debug {
        options.push("--release".to_owned());
    }
    if let Some(target) = &arguments.target {
        options.extend(["--target".to_owned(), target.clone()]);
    }
    if arguments.no_default_features {
        options.push("--no-default-features".to_owned());
    }
    if let Some(features) = &arguments.features {
        options.extend(["--features".to_owned(), features.clone()]);
    }
    build(&arguments.package, &options)
}

/// The release bundles for the machine this runs on, into `target/bundled`.
///
/// # Errors
/// If the build fails.
pub fn for_this_machine() -> Result<()> {
    build(PLUGIN, &["--release".to_owned()])
}

/// The CLAP with the paper's polling worker beside ours, in a folder of its own, which is returned:
/// no bundle that anybody installs has that worker.
///
/// # Errors
/// If the build fails.
pub fn with_polling_worker() -> Result<PathBuf> {
    eprintln!("xtask: building the plugin with the paper's polling worker");
    let target = target_folder()?;
    forget_library(&target)?;
    let options = ["--release", "--features", "polling-baseline"].map(str::to_owned);
    nice_plug_xtask::build(&[PLUGIN.to_owned()], &options)?;
    let folder = target.join("bundled-with-polling-worker");
    fs::create_dir_all(&folder)
        .and_then(|()| {
            // A CLAP on Linux is the library itself.
            fs::copy(
                target.join("release/libtocco.so"),
                folder.join("Tocco.clap"),
            )
        })
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    forget_library(&target)?;
    Ok(folder)
}

/// Takes the plugin's library away, so that cargo makes it anew. Cargo gives the library one file
/// name whatever its features are, and would take the other variant's for the one asked for.
fn forget_library(target: &Path) -> Result<()> {
    for file in ["libtocco.so", "libtocco.rlib", "libtocco.rmeta"] {
        let file = target.join("release/deps").join(file);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn build(package: &str, options: &[String]) -> Result<()> {
    eprintln!("xtask: building the plugin bundles of {package}");
    // The two steps of nice-plug's bundler, without its search for the outermost Cargo.toml,
    // which goes astray when the clone lies inside another Rust project.
    nice_plug_xtask::build(&[package.to_owned()], options)?;
    nice_plug_xtask::bundle(&target_folder()?, package, options, false)
}

/// Where cargo builds: this program lies in it as `target/xtask/xtask`, whatever moved it there.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program has no path")?;
    let target = program.ancestors().nth(2);
    Ok(target.context("this program lies in no folder")?.to_owned())
}

/// Where the bundles are, for the programs that load them.
///
/// # Errors
/// If the build folder is not to be found.
pub fn folder() -> Result<PathBuf> {
    Ok(target_folder()?.join("bundled"))
}
