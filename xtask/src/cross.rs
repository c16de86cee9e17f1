//! Building for another kind of machine on an x86-64 Debian one, and running the result emulated.
//!
//! Nothing is installed on the system and nothing needs root: Debian's packages are fetched and
//! unpacked into `target/cross`, and two tools come from the Python package index, pinned by hash.
//!
//! - Debian's `rustc-web` with `rust-web-src`: the standard library is built from its sources, for
//!   any machine that the compiler knows, and with the flags of that machine.
//! - zig as the compiler of C code and as the linker: it knows the symbols of each glibc, so the
//!   result asks for none that is newer than the one that was meant. cargo-zigbuild calls it.
//! - QEMU and Debian's C library for that machine, for running only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;
use crate::portable::{self, Limits};

/// A kind of machine that is built for.
#[derive(Debug)]
pub struct Target {
    /// Its name, as Rust has it.
    pub triple: &'static str,
    /// The same with the oldest glibc that the result runs on, as cargo-zigbuild has it.
    linked: &'static str,
    /// What its processor has, for the compiler.
    flags: &'static str,
    /// What the result may ask of the machine.
    limits: Limits,
    /// QEMU's name for the program that runs its programs, and for its processor.
    emulator: (&'static str, &'static str),
    /// The folder of Debian's cross libraries, below `/usr`.
    libraries: &'static str,
    /// The packages of QEMU and of those libraries.
    packages: [&'static str; 4],
}

/// The Raspberry Pi 4 and what resembles it.
const RASPBERRY_PI: Target = Target {
    triple: "aarch64-unknown-linux-gnu",
    linked: "aarch64-unknown-linux-gnu.2.31",
    // The Pi's A72 lacks the cryptography that the compiler takes every A72 to have. Atomics that
    // look for newer instructions when they run would be calls for nothing.
    flags: "-Ctarget-cpu=cortex-a72 -Ctarget-feature=-aes,-sha2,-outline-atomics",
    limits: Limits::RASPBERRY_PI,
    emulator: ("qemu-aarch64-static", "cortex-a72"),
    libraries: "aarch64-linux-gnu",
    packages: [
        "qemu-user-static",
        "libc6-arm64-cross",
        "libgcc-s1-arm64-cross",
        "libstdc++6-arm64-cross",
    ],
};

/// What is built for the target, always all of it: cargo takes features from what is selected, and
/// with another selection it would build every dependency anew.
const SELECTION: [&str; 8] = [
    "--package",
    "tocco",
    "--package",
    "tocco-bench",
    "--package",
    "tocco-corpus",
    "--no-default-features",
    "--lib",
];

const TARGETS: [&Target; 1] = [&RASPBERRY_PI];

/// What pip fetches: the linker and what calls it, with the SHA-256 of the wheels for x86-64 Linux.
const TOOLS: [&str; 2] = [
    "ziglang==0.17.1 --hash=sha256:ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
    "cargo-zigbuild==0.24.1 --hash=sha256:238a1ab54a95053a4eadc34775c81f795a8ad75f80bfed63f3f445f518102375",
];

/// Whether this machine builds for that one in the way of this module.
pub fn builds_for(triple: &str) -> bool {
    HERE && TARGETS.iter().any(|target| target.triple == triple)
}

/// Whether this machine is one that the tools are for.
const HERE: bool = cfg!(all(target_arch = "x86_64", target_os = "linux"));

/// A target, with what builds for it set up.
pub struct Cross {
    target: &'static Target,
    place: PathBuf,
}

impl Cross {
    /// Sets up what is missing: the first time 160 MB are fetched.
    ///
    /// # Errors
    /// If nothing is known of the target, or something cannot be fetched: the error names it and
    /// what to type.
    pub fn set_up(triple: &str) -> Result<Self> {
        let known = TARGETS.iter().find(|target| target.triple == triple);
        let target = known.with_context(|| {
            let triples = TARGETS.map(|target| target.triple).join(", ");
            format!("--target {triple}: not a machine that this builds for; there are: {triples}")
        })?;
        ensure!(
            HERE,
            "--target {triple}: built on x86-64 Linux only; on the machine itself leave --target out"
        );
        let place = cargo::target_folder()?.join("cross");
        let cross = Self { target, place };
        cross.set_up_tools()?;
        cross.set_up_rust()?;
        Ok(cross)
    }

    /// The target's name.
    pub fn triple(&self) -> &'static str {
        self.target.triple
    }

    /// Where cargo builds for it: apart from this machine's, whose compiler is another.
    pub fn build_folder(&self) -> PathBuf {
        self.place.join("build")
    }

    /// Where its bundles are.
    pub fn bundles(&self) -> PathBuf {
        self.build_folder().join("bundled")
    }

    /// Builds the libraries without an editor, and the named programs of the workspace.
    ///
    /// # Errors
    /// If the build fails.
    pub fn build(&self, programs: &[&str]) -> Result<()> {
        let mut arguments = SELECTION.to_vec();
        arguments.extend(programs.iter().flat_map(|program| ["--bin", program]));
        self.cargo("build", &arguments)
    }

    /// Runs cargo's `build` or `test` for the target with `arguments`, always in release.
    ///
    /// # Errors
    /// If it fails.
    pub fn cargo(&self, subcommand: &str, arguments: &[&str]) -> Result<()> {
        let subcommand = match subcommand {
            "build" => "zigbuild",
            other => other,
        };
        let mut command = Command::new(self.tools().join("bin/cargo-zigbuild"));
        let name = self.target.triple.to_uppercase().replace('-', "_");
        command
            .args([subcommand, "--release", "-Zbuild-std=std,panic_unwind"])
            .args(["--target", self.target.linked])
            .args(arguments)
            .env("RUSTC", self.rustc())
            // A released compiler builds its own standard library only so.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", self.build_folder())
            .env("CARGO_ZIGBUILD_CACHE_DIR", self.place.join("cache"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.place.join("cache/zig"))
            .env("CARGO_ZIGBUILD_ZIG_PATH", self.tools().join("ziglang/zig"))
            .env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), self.target.flags)
            // aubio calls strncasecmp in strict C99, where only this declares it; zig's compiler takes
            // an undeclared function for an error.
            .env(
                format!("CFLAGS_{}", self.target.triple.replace('-', "_")),
                "-D_DEFAULT_SOURCE",
            )
            .env("TOCCO_BUNDLES", self.bundles())
            // They would take the place of the target's.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if subcommand == "test" {
            let runner = self.emulator()?.join(" ");
            // Tests that only count for their length are shorter.
            command
                .env(format!("CARGO_TARGET_{name}_RUNNER"), runner)
                .env("TOCCO_EMULATED", "1");
        }
        let what = format!("cargo {subcommand} {}", arguments.join(" "));
        eprintln!("xtask: for {}: {what}", self.target.linked);
        let status = command.status().with_context(|| what.clone())?;
        ensure!(
            status.success(),
            "{what} for {} failed ({status})",
            self.triple()
        );
        Ok(())
    }

    /// A file that cargo built.
    pub fn built(&self, name: &str) -> PathBuf {
        self.build_folder()
            .join(self.triple())
            .join("release")
            .join(name)
    }

    /// Refuses a library that asks for something which the machine may not have.
    ///
    /// # Errors
    /// Names the library, the symbol and what it asks for.
    pub fn check(&self, library: &Path) -> Result<()> {
        portable::check(library, &self.target.limits)
    }

    /// A program of the target, run emulated.
    ///
    /// # Errors
    /// If the emulator cannot be set up.
    pub fn run(&self, program: &Path) -> Result<Command> {
        let words = self.emulator()?;
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg(program)
            .env("TOCCO_BUNDLES", self.bundles());
        Ok(command)
    }

    /// The same in an emulator that runs `plugin`, which writes to `out`. That emulator must have been
    /// installed: it is another one, since this one, whose libraries are in itself, can load no plugin.
    ///
    /// # Errors
    /// If the libraries cannot be set up.
    pub fn counted(&self, program: &Path, plugin: &Path, out: &Path) -> Result<Command> {
        let words = self.emulator()?;
        let mut command = Command::new(self.target.emulator.0.trim_end_matches("-static"));
        command
            .args(&words[1..])
            .arg("-plugin")
            .arg(format!("file={},out={}", plugin.display(), out.display()))
            .arg(program)
            .env("TOCCO_BUNDLES", self.bundles());
        Ok(command)
    }

    /// The emulator and its options.
    fn emulator(&self) -> Result<Vec<String>> {
        let root = self.place.join("emulator");
        set_up(&root, "running programs of another machine", |new| {
            unpack(&self.target.packages, new)
        })?;
        let (program, processor) = self.target.emulator;
        let path = |below: &str| root.join("usr").join(below).display().to_string();
        Ok(vec![
            path(&format!("bin/{program}")),
            "-cpu".to_owned(),
            processor.to_owned(),
            "-L".to_owned(),
            path(self.target.libraries),
        ])
    }

    fn tools(&self) -> PathBuf {
        self.place.join("tools")
    }

    fn set_up_tools(&self) -> Result<()> {
        set_up(&self.tools(), "the linker zig", |new| {
            let requirements = new.join("requirements.txt");
            fs::write(&requirements, TOOLS.join("\n"))?;
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet"])
                .args(["--disable-pip-version-check", "--root-user-action=ignore"])
                .args(["--no-deps", "--only-binary=:all:", "--require-hashes"])
                .arg("--target")
                .arg(new)
                .arg("--requirement")
                .arg(&requirements);
            run(pip, "pip is needed: apt-get install python3-pip")
        })
    }

    fn rustc(&self) -> PathBuf {
        self.place.join("rust/rustc")
    }

    fn set_up_rust(&self) -> Result<()> {
        let folder = self.place.join("rust");
        set_up(&folder, "Debian's Rust", |new| {
            let library = dependency("libstd-rust-web-dev", "libstd-rust-web-")?;
            let llvm = dependency(&library, "libllvm")?;
            let packages = [
                "rustc-web",
                "rust-web-src",
                "libstd-rust-web-dev",
                &library,
                &llvm,
            ];
            unpack(&packages, new)?;
            // Found where it will lie, not where it is unpacked.
            let wrapper = "#!/bin/sh\n\
                root=$(dirname \"$(readlink -f \"$0\")\")/usr\n\
                export LD_LIBRARY_PATH=\"$root/lib/x86_64-linux-gnu:$root/lib\"\n\
                exec \"$root/bin/rustc\" --sysroot \"$root\" \"$@\"\n";
            let rustc = new.join("rustc");
            fs::write(&rustc, wrapper)?;
            let mut chmod = Command::new("chmod");
            chmod.arg("+x").arg(&rustc);
            run(chmod, "coreutils are needed")?;
            let version = Command::new(&rustc).arg("--version").output()?;
            let version = String::from_utf8_lossy(&version.stdout).into_owned();
            ensure!(
                minor(&version) >= minor(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"))),
                "Debian's rustc-web: expected {} or newer, found '{}'; it is in Debian's security \
                 archive: see /etc/apt/sources.list, then apt-get update",
                env!("CARGO_PKG_RUST_VERSION"),
                version.trim()
            );
            Ok(())
        })
    }
}

/// The minor version in a text like `rustc 1.96.0 (…)`.
fn minor(version: &str) -> Option<u32> {
    let number = version.strip_prefix("rustc 1.")?;
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().ok()
}

/// Makes `folder` with `fill`, unless it is there: whole or not at all.
fn set_up(folder: &Path, what: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    eprintln!("xtask: setting up {what} in {}", folder.display());
    let parent = folder.parent().context("no folder to set up in")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let new = tempfile::tempdir_in(parent).with_context(|| parent.display().to_string())?;
    fill(new.path()).with_context(|| format!("setting up {what}"))?;
    fs::rename(new.keep(), folder).with_context(|| folder.display().to_string())
}

/// The package whose name begins so, among those that `package` depends on.
fn dependency(package: &str, name: &str) -> Result<String> {
    let output = Command::new("apt-cache")
        .args(["depends", package])
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
        .with_context(|| format!("apt knows no package {package}: apt-get update, then try again"))
}

/// Fetches Debian's packages and unpacks them into `folder`.
fn unpack(packages: &[&str], folder: &Path) -> Result<()> {
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
fn run(mut command: Command, remedy: &str) -> Result<()> {
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
    fn the_minor_version_is_read() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some(96));
        assert_eq!(minor("rustc 1.95"), Some(95));
        assert_eq!(minor("cargo"), None);
    }

    #[test]
    fn an_unknown_machine_is_refused_with_those_that_are_known() {
        let error = Cross::set_up("riscv64gc-unknown-linux-gnu").err().unwrap();
        assert!(
            error.to_string().contains("aarch64-unknown-linux-gnu"),
            "{error}"
        );
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
}
