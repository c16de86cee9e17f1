//! `fuzz`: libFuzzer on the readers of files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cargo;

const CRATE: &str = "fuzz/libfuzzer";

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask fuzz                          # every reader, 10 minutes each\n  \
    cargo xtask fuzz rtneural_json --seconds 60\n\n\
    What libFuzzer finds stays in target/fuzz: inputs that reach new code in corpus/, inputs that\n\
    break a reader in broken/. Copy what is worth keeping into fuzz/corpus: `cargo xtask test`\n\
    replays it. Needs cargo-fuzz: cargo install cargo-fuzz")]
pub struct FuzzArguments {
    /// Readers to fuzz [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long to fuzz each
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// Fuzzes one reader after the other.
///
/// # Errors
/// When cargo-fuzz is missing, a target is unknown, or an input breaks a reader.
pub fn run(arguments: &FuzzArguments) -> Result<()> {
    let known = targets()?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no target {unknown}; there are {}",
            known.join(", ")
        );
    }
    let chosen = match arguments.targets.as_slice() {
        [] => &known,
        some => some,
    };
    for target in chosen {
        let (corpus, broken) = (folder("corpus", target)?, folder("broken", target)?);
        eprintln!("xtask: fuzzing {target} for {} s", arguments.seconds);
        let status = cargo_fuzz()
            .args(["run", "--fuzz-dir", CRATE, "--sanitizer", "none", target])
            .arg(&corpus)
            .arg(Path::new("fuzz/corpus").join(target))
            .arg("--")
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-artifact_prefix={}/", broken.display()))
            // Memory is bounded more narrowly by the targets themselves.
            .args(["-max_len=16384", "-timeout=20", "-malloc_limit_mb=0"])
            .status()
            .context("cannot start nice")?;
        if !status.success() {
            bail!(
                "{target} broke ({status}), or cargo-fuzz is missing (cargo install cargo-fuzz); inputs \
                 that broke it are in {}",
                broken.display()
            );
        }
    }
    Ok(())
}

/// cargo-fuzz, at the lowest priority: it keeps a core busy for hours. It builds with flags that a
/// stable compiler takes only when told so.
fn cargo_fuzz() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(cargo);
    command.arg("fuzz").env("RUSTC_BOOTSTRAP", "1");
    command
}

fn targets() -> Result<Vec<String>> {
    let folder = Path::new(CRATE).join("targets");
    let mut names = Vec::new();
    for entry in folder
        .read_dir()
        .with_context(|| folder.display().to_string())?
    {
        names.extend(
            entry?
                .path()
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

fn folder(kind: &str, target: &str) -> Result<PathBuf> {
    let folder = cargo::target_folder()?.join("fuzz").join(kind).join(target);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
