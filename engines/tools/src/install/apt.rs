//! System packages, on Debian and its kin, with the user's consent.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How long apt-get waits for another program that installs packages.
const LOCK_SECONDS: u32 = 120;

/// Whether system packages may be installed.
pub struct Consent {
    given: bool,
}

impl Consent {
    /// `given` in advance, or to be asked for.
    pub fn new(given: bool) -> Self {
        Self { given }
    }

    /// Asks, unless consent was given in advance. Nobody to ask counts as no.
    fn ask(&self, question: &str) -> Result<bool> {
        if self.given {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            return Ok(false);
        }
        eprint!("{question} [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

/// Installs `packages`, which are needed for `purpose`.
///
/// # Errors
/// When there is no apt-get, nobody who may call it, no consent, or apt-get fails.
pub fn install(packages: &[&str], purpose: &str, consent: &Consent) -> Result<()> {
    let list = packages.join(" ");
    if !runs("apt-get", &["--version"]) {
        bail!("{purpose} needs {list} or what your system calls it; install it and try again");
    }
    let root = is_root();
    if !root && !runs("sudo", &["--version"]) {
        bail!(
            "{purpose} needs {list}, which only root installs, and there is no sudo; as root: apt-get install \
             {list}"
        );
    }
    if !consent.ask(&format!(
        "{purpose} needs the Debian packages {list}. Install them?"
    ))? {
        bail!("{purpose} needs {list}: say --yes to have it installed, or apt-get install {list}");
    }
    // A machine that has never been updated knows no packages.
    apt_get(root, &["update"])?;
    eprintln!(
        "if another program is installing packages, this waits for it, up to {LOCK_SECONDS} s"
    );
    let wait = format!("DPkg::Lock::Timeout={LOCK_SECONDS}");
    let mut arguments = vec![
        "install",
        "--option",
        &wait,
        "--yes",
        "--no-install-recommends",
    ];
    arguments.extend(packages);
    apt_get(root, &arguments)
}

/// Whether this program runs as root.
fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Calls apt-get, by sudo unless this is `root`.
fn apt_get(root: bool, arguments: &[&str]) -> Result<()> {
    let mut command = if root {
        Command::new("apt-get")
    } else {
        let mut command = Command::new("sudo");
        command.arg("apt-get");
        command
    };
    eprintln!("apt-get {}", arguments.join(" "));
    // Standard output belongs to our own results.
    let status = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::io::stderr())
        .status()
        .context("cannot start apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed", arguments.join(" "));
    }
    Ok(())
}

/// Whether the program is there and runs.
pub fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
