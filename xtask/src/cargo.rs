//! Calls to cargo, always from the workspace's root and with the toolchain that runs this.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

/// The workspace's root.
pub fn root() -> &'static Path {
    // xtask lies in it.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// When the last commit was made, seconds since 1970, as archives of the same files have it; 0, with a
/// warning, where git does not tell.
pub fn date_of_the_last_commit() -> u64 {
    date_told_by_git().unwrap_or_else(|error| {
        eprintln!(
            "xtask: warning: files in the archive are dated 1970, not as the last commit: {error:#}"
        );
        0
    })
}

fn date_told_by_git() -> Result<u64> {
    let output = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root())
        .output()
        .context("git cannot be started: apt-get install git")?;
    if !output.status.success() {
        bail!(
            "git log failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let date = told.trim().parse();
    date.with_context(|| format!("git log: expected seconds, found {told:?}"))
}

/// Makes the workspace's root the current directory, wherever `cargo xtask` was called, and returns
/// the one before: the files that the user names lie there.
///
/// Cargo takes a relative `CARGO_TARGET_DIR` from where it is called. Everything that is called from
/// here on builds in the one folder that was meant where the user stands.
///
/// # Errors
/// If the folder that this program was built in is gone, or cargo finds no workspace in it.
pub fn enter_workspace() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    let mut metadata = cargo_metadata::MetadataCommand::new();
    metadata.manifest_path(root().join("Cargo.toml")).no_deps();
    let target = metadata.exec()?.target_directory.into_std_path_buf();
    // Without the dots that the user wrote.
    let target = target.canonicalize().unwrap_or(target);
    // SAFETY: no other thread runs in this program.
    unsafe { std::env::set_var("CARGO_TARGET_DIR", target) };
    std::env::set_current_dir(root())
        .with_context(|| format!("cannot enter the workspace at {}", root().display()))?;
    Ok(here)
}

/// Where cargo builds, after [`enter_workspace`].
///
/// # Errors
/// If that was not called.
pub fn target_folder() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target
        .map(PathBuf::from)
        .context("CARGO_TARGET_DIR is not set")
}

/// Where the bundles are, for the programs that load them.
///
/// # Errors
/// If the build folder is not known.
pub fn bundles() -> Result<PathBuf> {
    Ok(target_folder()?.join("bundled"))
}

/// The cargo that called us.
pub fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A call of the cargo that called us; what it runs finds the bundles by `TOCCO_BUNDLES`.
///
/// # Errors
/// If the build folder is not to be found.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program());
    command.args(arguments).env("TOCCO_BUNDLES", bundles()?);
    Ok(command)
}

/// Runs cargo and says what it is for.
///
/// # Errors
/// If cargo fails.
pub fn call(purpose: &str, arguments: &[&str]) -> Result<()> {
    eprintln!("xtask: {purpose}: cargo {}", arguments.join(" "));
    let status = command(arguments)?.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("{purpose} failed ({status}): cargo {}", arguments.join(" "));
    }
    Ok(())
}

/// What every build in release selects: all crates but this one, which has a profile of its own. The
/// same for programs and tests, because another selection gives dependencies other features, and what
/// one has compiled the other compiles once more.
pub const ALL_CRATES: [&str; 4] = ["--release", "--workspace", "--exclude", "xtask"];

/// Builds the library that the audit preloads.
///
/// # Errors
/// If the build fails.
pub fn build_interposer() -> Result<()> {
    call(
        "building the counting library",
        &[
            "build",
            "--quiet",
            "--release",
            "--package",
            "tocco-interpose",
        ],
    )
}

/// Builds the programs that the report runs.
///
/// # Errors
/// If the build fails.
pub fn build_report_parts() -> Result<()> {
    let mut arguments = [&["build", "--quiet"], &ALL_CRATES[..]].concat();
    let programs = ["audit", "deployment", "engines", "tocco-engine-tools"];
    arguments.extend(programs.iter().flat_map(|program| ["--bin", program]));
    call("building the parts of the report", &arguments)
}

/// A binary of the workspace and what it is run with.
pub struct Tool<'a> {
    /// Its name.
    pub binary: &'a str,
    /// The first argument, where the binary has several commands.
    pub command: Option<&'a str>,
    /// The folder that it runs in: the user's, from which relative paths count.
    pub folder: &'a Path,
}

impl Tool<'_> {
    /// Builds it in release, runs it on the bundles of `bundles` and takes on its exit code, so that
    /// its own error message is the last thing on the screen.
    ///
    /// # Errors
    /// If it does not build, or cannot be started.
    pub fn run(&self, bundles: &Path, arguments: &[String]) -> Result<()> {
        let build = [&["build", "--quiet"], &ALL_CRATES[..]].concat();
        let status = command(&build)?
            .arg("--bin")
            .arg(self.binary)
            .status()
            .context("cannot start cargo")?;
        end_like("cargo", status)?;
        let program = target_folder()?.join("release").join(self.binary);
        let status = Command::new(&program)
            .args(self.command)
            .args(arguments)
            .env("TOCCO_BUNDLES", bundles)
            .current_dir(self.folder)
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;
        end_like(self.command.unwrap_or(self.binary), status)
    }
}

/// Ends this program as the one that it started has ended, unless that was well. A program that dies of a
/// signal says nothing, so this does, unless its reader had enough.
pub fn end_like(program: &str, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    if let Some(signal) = status.signal() {
        // SIGPIPE's number on every Unix.
        if signal != 13 {
            eprintln!("error: {program} was ended by a signal ({status})");
        }
        // As shells have it.
        std::process::exit(128 + signal);
    }
    std::process::exit(status.code().unwrap_or(1));
}
