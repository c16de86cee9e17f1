//! Hosts that others made, with the bundles as they are installed: what registries and this machine have.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::{bundle, cargo, programs, unpacked, wheels};

/// Options of `cargo xtask hosts`.
#[derive(Args)]
#[command(after_help = "Example: apt-get install ardour qtractor; cargo xtask hosts")]
pub struct HostsArguments {
    /// Take the bundles that are there
    #[arg(long)]
    no_build: bool,
}

/// The Python hosts and what they need, for Python 3.11 to 3.13 on x86-64.
const WHEELS: [&str; 3] = [
    "numpy==2.2.6 --hash=sha256:ba10f8411898fc418a521833e014a77d3ca01c15b0c6cdcce6a0d2897e6dbbdf \
     --hash=sha256:fd83c01228a688733f1ded5201c678f0c53ecc1006ffbc404db9f7a899ac6249 \
     --hash=sha256:1bc23a79bfabc5d056d106f9befb8d50c31ced2fbc70eedb8155aec74a45798f",
    "pedalboard==0.9.26 \
     --hash=sha256:16a970a32be619f4066f21ae45f8f23f06480beb4115a57164cbc435c99f64af \
     --hash=sha256:38a7e65670d9fccd3179dea5f5c3c97085bb7d6aec041d8524bc6077db553e20 \
     --hash=sha256:0f138351370b7d146f97937c1cdd156616385c1d79c679afa80cd3074b83893c",
    "dawdreamer==0.9.0 \
     --hash=sha256:f6bdfb54cb29a2af080e879d97985103f143bfd3225cb61ed9b7898ab390c586 \
     --hash=sha256:9daf556b0f49b65d14f0504cc3a118c85f0c034eeb51b02e5a267bf42779c6f7 \
     --hash=sha256:1ff4812ff8b371d7996bfcf693ba26979c8fa050cfefab2f5ea9bb497cee61f3",
];

/// Where Debian has qtractor's scanner.
const QTRACTOR: &str = "/usr/lib/x86_64-linux-gnu/qtractor/qtractor_plugin_scan";

/// What Debian's Ardour 7 scans with.
const ARDOUR_SCANNER: &str = "/usr/lib/ardour7/ardour-vst3-scanner";

/// The bundles in the build folder.
struct Bundles {
    clap: PathBuf,
    vst3: PathBuf,
}

/// What a host did.
enum Outcome {
    Passed,
    /// With what is missing, and where it can be had.
    NotFound(String),
}

/// Tries every host that is there; says which are not.
///
/// # Errors
/// If the bundles cannot be built, or a host that is there did not do what it should.
pub fn run(arguments: &HostsArguments) -> Result<()> {
    if !arguments.no_build {
        bundle::for_this_machine()?;
    }
    let folder = cargo::bundles()?;
    let bundles = Bundles {
        clap: folder.join("Tocco.clap"),
        vst3: folder.join("Tocco.vst3"),
    };
    for bundle in [&bundles.clap, &bundles.vst3] {
        ensure!(
            bundle.exists(),
            "{}: there is no such bundle; leave out --no-build",
            bundle.display()
        );
    }
    type Host = (&'static str, fn(&Bundles) -> Result<Outcome>);
    let hosts: [Host; 7] = [
        ("pedalboard 0.9.26", |bundles| {
            in_python("in_pedalboard.py", bundles)
        }),
        ("DawDreamer 0.9.0", |bundles| {
            in_python("in_dawdreamer.py", bundles)
        }),
        ("Ardour 7", in_ardour),
        ("qtractor's scanner", in_qtractor),
        ("clap-validator", |bundles| {
            validated(
                "clap-validator",
                &["validate", "--only-failed"],
                &bundles.clap,
            )
        }),
        ("pluginval", |bundles| {
            let options = ["--skip-gui-tests", "--strictness-level", "10", "--validate"];
            validated("pluginval", &options, &bundles.vst3)
        }),
        ("Steinberg's validator", |bundles| {
            validated("validator", &[], &bundles.vst3)
        }),
    ];
    let mut summary = Vec::new();
    let mut failed = 0;
    for (name, host) in hosts {
        println!("{name}");
        let line = match host(&bundles) {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::NotFound(what)) => format!("not tried: {what}"),
            Err(error) => {
                failed += 1;
                format!("failed: {error:#}")
            }
        };
        summary.push(format!("{name}: {line}"));
    }
    println!("\n{}", summary.join("\n"));
    ensure!(failed == 0, "{failed} of {} hosts failed", summary.len());
    Ok(())
}

/// The script that tells a host what to do.
fn script(name: &str) -> PathBuf {
    cargo::root().join("xtask/hosts").join(name)
}

/// Ends with the output of `command` shown, if it failed.
fn finish(mut command: Command) -> Result<Output> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| program.clone())?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .filter(|line| line.starts_with("ok: "))
        .for_each(|line| println!("  {line}"));
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        let mut lines = said.lines().chain(error.lines());
        let failure = lines.find(|line| line.starts_with("failed: "));
        bail!(
            "{program} ended with {}: {}",
            output.status,
            failure.unwrap_or(error.trim())
        );
    }
    Ok(output)
}

/// Whether this Python is one that [`WHEELS`] are for, and has pip.
fn python_has_wheels() -> bool {
    let question = "import sys, platform, pip; \
        sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and platform.machine() == 'x86_64'))";
    let asked = Command::new("python3")
        .args(["-c", question])
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

fn in_python(name: &str, bundles: &Bundles) -> Result<Outcome> {
    if !python_has_wheels() {
        return Ok(Outcome::NotFound(
            "expected python3 of version 3.11 to 3.13 on x86-64, with pip: on Debian apt-get install \
             python3-pip"
                .to_owned(),
        ));
    }
    let packages = cargo::target_folder()?.join("hosts/python");
    unpacked::set_up(&packages, "hosts in Python", |new| {
        wheels::install(new, &WHEELS)
    })?;
    let mut python = Command::new("python3");
    python
        .arg(script(name))
        .arg(&bundles.vst3)
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // As delivered, whatever this user has configured.
        .env("TOCCO_CONFIG", "");
    finish(python)?;
    Ok(Outcome::Passed)
}

/// From insert to recorded MIDI to reload; then three exports, which must be equal.
fn in_ardour(bundles: &Bundles) -> Result<Outcome> {
    if !programs::is_there("ardour7-lua") || !Path::new(ARDOUR_SCANNER).is_file() {
        return Ok(Outcome::NotFound(
            "ardour7-lua is not there: apt-get install ardour, where that is version 7".to_owned(),
        ));
    }
    // A home of its own: neither this user's plugins nor settings.
    let home = tempfile::tempdir()?;
    let at_home = |program: &OsStr| {
        let mut command = Command::new(program);
        command
            .env("HOME", home.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env("TOCCO_CONFIG", "");
        command
    };
    let place = home.path().join(".vst3");
    fs::create_dir(&place)?;
    let vst3 = place.join("Tocco.vst3");
    std::os::unix::fs::symlink(&bundles.vst3, &vst3)?;
    let mut scanner = at_home(OsStr::new(ARDOUR_SCANNER));
    scanner
        .arg("-f")
        .arg(&vst3)
        .env("LD_LIBRARY_PATH", "/usr/lib/ardour7");
    finish(scanner)?;

    let mut ardour = at_home(OsStr::new("ardour7-lua"));
    ardour
        .arg(script("in_ardour.lua"))
        .env("TOCCO_FOLDER", home.path());
    let output = finish(ardour)?;
    let said = String::from_utf8_lossy(&output.stdout);
    // A script's error ends the program well.
    ensure!(
        said.lines().any(|line| line == "done"),
        "the script did not come to its end: {}",
        said.lines().last().unwrap_or_default()
    );

    let mut exports = Vec::new();
    for i in 0..3 {
        let file = home.path().join(format!("{i}.wav"));
        let mut export = at_home(OsStr::new("ardour7-export"));
        export
            .arg("-o")
            .arg(&file)
            .arg(home.path().join("session"))
            .arg("tocco");
        finish(export)?;
        exports.push(fs::read(&file).with_context(|| file.display().to_string())?);
    }
    let header = 44;
    let sounds = exports[0].iter().skip(header).any(|byte| *byte != 0);
    ensure!(sounds, "an export is silent");
    ensure!(
        exports.windows(2).all(|pair| pair[0] == pair[1]),
        "three exports of one session, with voices for the notes, differ"
    );
    println!("  ok: three exports with voices for the notes are equal");
    Ok(Outcome::Passed)
}

fn in_qtractor(bundles: &Bundles) -> Result<Outcome> {
    if !Path::new(QTRACTOR).is_file() {
        return Ok(Outcome::NotFound(format!(
            "{QTRACTOR} is not there: apt-get install qtractor"
        )));
    }
    let mut scanner = Command::new(QTRACTOR)
        .env("QT_QPA_PLATFORM", "offscreen")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = scanner.stdin.take().context("no standard input")?;
    // Of one that ended before, what it said tells why.
    let _ = writeln!(input, "CLAP:{}", bundles.clap.display());
    drop(input);
    let output = scanner.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    // Kind, name, audio inputs and outputs, MIDI inputs and outputs.
    let expected = "CLAP|Tocco|2:2|0:1|";
    ensure!(
        said.lines().any(|line| line.starts_with(expected)),
        "expected a line that begins with {expected}, found {said:?}"
    );
    println!("  ok: the CLAP is scanned");
    Ok(Outcome::Passed)
}

/// A validator that is in no registry: whoever has it on PATH has it run.
fn validated(program: &str, options: &[&str], bundle: &Path) -> Result<Outcome> {
    if !programs::is_there(program) {
        return Ok(Outcome::NotFound(format!(
            "{program} is in no folder of PATH, and in no registry that is known here"
        )));
    }
    let mut command = Command::new(program);
    command.args(options).arg(bundle).env("TOCCO_CONFIG", "");
    finish(command)?;
    println!("  ok: {program} finds no fault");
    Ok(Outcome::Passed)
}
