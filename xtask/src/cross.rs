//! Building for another kind of machine on an x86-64 Debian one, and running the result there.
//!
//! Nothing is installed on the system and nothing needs root: Debian's packages are fetched and
//! unpacked into `target/cross`, and two tools come from the Python package index, pinned by hash.
//!
//! - Debian's `rustc-web` with `rust-web-src`: the standard library is built from its sources, for
//!   any machine that the compiler knows, and with the flags of that machine.
//! - For another Linux zig as the compiler of C code and as the linker: it knows the symbols of each
//!   glibc, so the result asks for none that is newer than the one that was meant. cargo-zigbuild
//!   calls it. QEMU and Debian's C library for that machine are for running only.
//! - For Windows [`crate::mingw`], and [`crate::wine`] for running.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;
use crate::emulator::Emulator;
use crate::mingw::Mingw;
use crate::portable::{self, Limits};
use crate::portable_dll;
use crate::unpacked::{dependency, run, set_up, unpack};
use crate::wheels;
use crate::wine;

/// A kind of machine that is built for.
#[derive(Debug)]
pub struct Target {
    /// Its name, as Rust has it.
    pub triple: &'static str,
    /// What its processor has, for the compiler.
    flags: &'static str,
    /// How far a probability may be from that of an x86-64 Linux.
    tolerance: f64,
    /// Whether the plugin has its window there.
    with_editor: bool,
    /// What cargo calls the plugin.
    library: &'static str,
    /// What names of programs end in.
    suffix: &'static str,
    system: System,
}

#[derive(Debug)]
enum System {
    Linux(Linux),
    Windows,
}

#[derive(Debug)]
struct Linux {
    /// The target's name with the oldest glibc that the result runs on, as cargo-zigbuild has it.
    linked: &'static str,
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
    // The Pi's A72 lacks the cryptography that the compiler takes every A72 to have. Atomics that
    // look for newer instructions when they run would be calls for nothing.
    flags: "-Ctarget-cpu=cortex-a72 -Ctarget-feature=-aes,-sha2,-outline-atomics",
    tolerance: 1e-3,
    with_editor: false,
    library: "libtocco.so",
    suffix: "",
    system: System::Linux(Linux {
        linked: "aarch64-unknown-linux-gnu.2.31",
        limits: Limits::RASPBERRY_PI,
        emulator: ("qemu-aarch64-static", "cortex-a72"),
        libraries: "aarch64-linux-gnu",
        packages: [
            "qemu-user-static",
            "libc6-arm64-cross",
            "libgcc-s1-arm64-cross",
            "libstdc++6-arm64-cross",
        ],
    }),
};

/// Windows 10 and later on any 64-bit processor of Intel or AMD.
pub const WINDOWS: Target = Target {
    triple: "x86_64-pc-windows-gnu",
    // Functions have no sections of their own there unless asked for: the linker would leave out nothing
    // that is never called.
    flags: "-Zfunction-sections=yes",
    // The same processor; what differs are the C library's logarithms and the like.
    tolerance: 1e-5,
    with_editor: true,
    library: "tocco.dll",
    suffix: ".exe",
    system: System::Windows,
};

/// What is built for the target, always all of it: cargo takes features from what is selected, and
/// with another selection it would build every dependency anew.
const SELECTION: [&str; 7] = [
    "--package",
    "tocco",
    "--package",
    "tocco-bench",
    "--package",
    "tocco-corpus",
    "--lib",
];

const TARGETS: [&Target; 2] = [&RASPBERRY_PI, &WINDOWS];

/// What pip fetches: the linker and what calls it, with the SHA-256 of the wheels for x86-64 Linux.
const TOOLS: [&str; 2] = [
    "ziglang==0.17.1 --hash=sha256:ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
    "cargo-zigbuild==0.24.1 --hash=sha256:238a1ab54a95053a4eadc34775c81f795a8ad75f80bfed63f3f445f518102375",
];

/// Whether this machine builds for that one in the way of this module.
pub fn builds_for(triple: &str) -> bool {
    HERE && TARGETS.iter().any(|target| target.triple == triple)
}

/// What is known of a target.
fn known(triple: &str) -> Result<&'static Target> {
    let mut targets = TARGETS.into_iter();
    targets
        .find(|target| target.triple == triple)
        .with_context(|| {
            let triples = TARGETS.map(|target| target.triple).join(", ");
            format!("--target {triple}: not a machine that this builds for; there are: {triples}")
        })
}

/// The emulator that [`Cross::counted`] calls. It must be installed.
///
/// # Errors
/// If nothing is known of the target, or there is no such emulator for it.
pub fn counter(triple: &str) -> Result<&'static str> {
    match &known(triple)?.system {
        System::Linux(linux) => Ok(linux.emulator.0.trim_end_matches("-static")),
        System::Windows => bail!(
            "--target {triple}: instructions are counted by QEMU, which runs programs of Linux only"
        ),
    }
}

/// Whether this machine is one that the tools are for.
const HERE: bool = cfg!(all(target_arch = "x86_64", target_os = "linux"));

/// A target, with what builds for it set up.
pub struct Cross {
    target: &'static Target,
    place: PathBuf,
}

impl Cross {
    /// Sets up what is missing: the first time 100 to 160 MB are fetched.
    ///
    /// # Errors
    /// If nothing is known of the target, or something cannot be fetched: the error names it and
    /// what to type.
    pub fn set_up(triple: &str) -> Result<Self> {
        let target = known(triple)?;
        ensure!(
            HERE,
            "--target {triple}: built on x86-64 Linux only; on the machine itself leave --target out"
        );
        let place = cargo::target_folder()?.join("cross");
        let cross = Self { target, place };
        cross.set_up_rust()?;
        match target.system {
            System::Linux(_) => cross.set_up_tools()?,
            System::Windows => drop(cross.mingw()?),
        }
        Ok(cross)
    }

    /// The same, and what runs the target's programs: for who builds them to run them here.
    ///
    /// # Errors
    /// As [`Cross::set_up`]; and at once if what must be installed for it is missing.
    pub fn set_up_to_run(triple: &str) -> Result<Self> {
        if matches!(known(triple)?.system, System::Windows) {
            wine::need()?;
        }
        let cross = Self::set_up(triple)?;
        cross.emulator()?;
        Ok(cross)
    }

    /// How far a probability may be from that of this machine.
    pub fn tolerance(&self) -> f64 {
        self.target.tolerance
    }

    /// The target's name.
    pub fn triple(&self) -> &'static str {
        self.target.triple
    }

    /// Where cargo builds for it: apart from this machine's, whose compiler is another.
    pub fn build_folder(&self) -> PathBuf {
        self.place.join("build")
    }

    /// Where its bundles are, if they were the last that were made.
    pub fn bundles(&self) -> PathBuf {
        self.build_folder().join("bundled")
    }

    /// Builds the libraries, and the named programs of the workspace.
    ///
    /// # Errors
    /// If the build fails.
    pub fn build(&self, programs: &[&str]) -> Result<()> {
        let mut arguments = SELECTION.to_vec();
        if !self.target.with_editor {
            arguments.push("--no-default-features");
        }
        // With the trainer in it, which nothing else needs.
        if programs.contains(&"tocco-cli") {
            arguments.extend(["--package", "tocco-cli"]);
        }
        arguments.extend(programs.iter().flat_map(|program| ["--bin", program]));
        self.cargo("build", &arguments)
    }

    /// Runs cargo's `build` or `test` for the target with `arguments`, always in release.
    ///
    /// # Errors
    /// If it fails.
    pub fn cargo(&self, subcommand: &str, arguments: &[&str]) -> Result<()> {
        let name = self.target.triple.to_uppercase().replace('-', "_");
        let mut command = match &self.target.system {
            System::Linux(linux) => self.zigbuild(linux, subcommand),
            System::Windows => {
                let mut command = Command::new(cargo::program());
                command.args([subcommand, "--target", self.target.triple]);
                self.mingw()?.compiles(&mut command, self.target.triple);
                command
            }
        };
        if subcommand == "test" {
            let emulator = self.emulator()?;
            command
                .args(["--config", &runner(self.target.triple, &emulator.words)?])
                // Both would be joined.
                .env_remove(format!("CARGO_TARGET_{name}_RUNNER"))
                .envs(emulator.environment);
        }
        command
            .args(["--release", "-Zbuild-std=std,panic_unwind"])
            .args(arguments)
            .env("RUSTC", self.rustc())
            // A released compiler builds its own standard library only so.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", self.build_folder())
            .env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), self.target.flags)
            .env("TOCCO_BUNDLES", self.bundles())
            // They would take the place of the target's.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let what = format!("cargo {subcommand} {}", arguments.join(" "));
        eprintln!("xtask: for {}: {what}", self.triple());
        let status = command.status().with_context(|| what.clone())?;
        ensure!(
            status.success(),
            "{what} for {} failed ({status})",
            self.triple()
        );
        Ok(())
    }

    fn zigbuild(&self, linux: &Linux, subcommand: &str) -> Command {
        let subcommand = match subcommand {
            "build" => "zigbuild",
            other => other,
        };
        let mut command = Command::new(self.tools().join("bin/cargo-zigbuild"));
        command
            .args([subcommand, "--target", linux.linked])
            .env("CARGO_ZIGBUILD_CACHE_DIR", self.place.join("cache"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.place.join("cache/zig"))
            .env("CARGO_ZIGBUILD_ZIG_PATH", self.tools().join("ziglang/zig"))
            // aubio calls strncasecmp in strict C99, where only this declares it; zig's compiler takes
            // an undeclared function for an error.
            .env(
                format!("CFLAGS_{}", self.target.triple.replace('-', "_")),
                "-D_DEFAULT_SOURCE",
            );
        command
    }

    /// The plugin that cargo built.
    pub fn library(&self) -> PathBuf {
        self.built(self.target.library)
    }

    /// A program that cargo built.
    pub fn program(&self, name: &str) -> PathBuf {
        self.built(&format!("{name}{}", self.target.suffix))
    }

    fn built(&self, name: &str) -> PathBuf {
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
        match &self.target.system {
            System::Linux(linux) => portable::check(library, &linux.limits),
            System::Windows => portable_dll::check(library),
        }
    }

    /// Takes names and lines out of a library.
    ///
    /// # Errors
    /// If it cannot be done.
    pub fn strip(&self, library: &Path) -> Result<()> {
        match &self.target.system {
            System::Linux(_) => crate::strip::strip(library),
            System::Windows => self.mingw()?.strip(library),
        }
    }

    /// A program of the target, run emulated or under Wine.
    ///
    /// # Errors
    /// If what runs it cannot be set up.
    pub fn run(&self, program: &Path) -> Result<Command> {
        let emulator = self.emulator()?;
        let mut command = Command::new(&emulator.words[0]);
        command
            .args(&emulator.words[1..])
            .arg(program)
            .envs(emulator.environment)
            .env("TOCCO_BUNDLES", self.bundles());
        Ok(command)
    }

    /// The same in an emulator that runs `plugin`, which writes to `out`. That emulator must have been
    /// installed: it is another one, since this one, whose libraries are in itself, can load no plugin.
    ///
    /// # Errors
    /// If the libraries cannot be set up, or there is no such emulator for the target.
    pub fn counted(&self, program: &Path, plugin: &Path, out: &Path) -> Result<Command> {
        let counter = counter(self.triple())?;
        let emulator = self.emulator()?;
        let mut command = Command::new(counter);
        command
            .args(&emulator.words[1..])
            .arg("-plugin")
            .arg(format!("file={},out={}", plugin.display(), out.display()))
            .arg(program)
            .env("TOCCO_BUNDLES", self.bundles());
        Ok(command)
    }

    fn emulator(&self) -> Result<Emulator> {
        match &self.target.system {
            System::Linux(linux) => self.qemu(linux),
            System::Windows => wine::set_up(&self.place, &self.mingw()?),
        }
    }

    fn qemu(&self, linux: &Linux) -> Result<Emulator> {
        let root = self.place.join("emulator");
        set_up(&root, "running programs of another machine", |new| {
            unpack(&linux.packages, new)
        })?;
        let (program, processor) = linux.emulator;
        let path = |below: &str| root.join("usr").join(below).display().to_string();
        let words = vec![
            path(&format!("bin/{program}")),
            "-cpu".to_owned(),
            processor.to_owned(),
            "-L".to_owned(),
            path(linux.libraries),
        ];
        Ok(Emulator {
            words,
            // Tests that only count for their length are shorter.
            environment: vec![("TOCCO_EMULATED", "1".to_owned())],
        })
    }

    fn mingw(&self) -> Result<Mingw> {
        Mingw::set_up(&self.place, || {
            let llvm = llvm()?;
            Ok(llvm.trim_start_matches(LLVM).to_owned())
        })
    }

    fn tools(&self) -> PathBuf {
        self.place.join("tools")
    }

    fn set_up_tools(&self) -> Result<()> {
        set_up(&self.tools(), "the linker zig", |new| {
            wheels::install(new, &TOOLS)
        })
    }

    fn rustc(&self) -> PathBuf {
        self.place.join("rust/rustc")
    }

    fn set_up_rust(&self) -> Result<()> {
        let folder = self.place.join("rust");
        set_up(&folder, "Debian's Rust", |new| {
            let library = standard_library()?;
            let llvm = llvm()?;
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

/// What tells cargo which words run the programs of a target. As a list: of the variable that would do, too,
/// cargo makes words at spaces, and a folder may have one in its name.
fn runner(triple: &str, words: &[String]) -> Result<String> {
    // A list of strings is the same in TOML.
    Ok(format!(
        "target.{triple}.runner={}",
        serde_json::to_string(words)?
    ))
}

/// The package of the compiler's libraries.
fn standard_library() -> Result<String> {
    dependency("libstd-rust-web-dev", "libstd-rust-web-")
}

/// What the name of LLVM's package begins with; its version follows.
const LLVM: &str = "libllvm";

/// The package of the LLVM that the compiler uses.
fn llvm() -> Result<String> {
    dependency(&standard_library()?, LLVM)
}

/// The minor version in a text like `rustc 1.96.0 (…)`.
fn minor(version: &str) -> Option<u32> {
    let number = version.strip_prefix("rustc 1.")?;
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().ok()
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
    fn what_runs_programs_may_lie_in_a_folder_with_a_space() {
        let words = ["/my tools/qemu", "-cpu", "a\"72"].map(str::to_owned);
        assert_eq!(
            runner("aarch64-unknown-linux-gnu", &words).unwrap(),
            r#"target.aarch64-unknown-linux-gnu.runner=["/my tools/qemu","-cpu","a\"72"]"#
        );
    }

    #[test]
    fn an_unknown_machine_is_refused_with_those_that_are_known() {
        let error = Cross::set_up("riscv64gc-unknown-linux-gnu").err().unwrap();
        assert!(
            error.to_string().contains("aarch64-unknown-linux-gnu"),
            "{error}"
        );
    }
}
