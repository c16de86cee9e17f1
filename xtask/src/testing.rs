//! Every test, after what they need has been set up.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{bundle, cargo};

/// Options of `cargo xtask test`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask test\n  \
    cargo xtask test --package tocco-dsp onset\n\n\
    Lints, formatting and documentation: cargo xtask lint")]
pub struct TestArguments {
    /// Test only this package
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// Run only tests with this in their name
    filter: Option<String>,
}

/// Passed and failed tests, and what took how long.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    phases: Vec<(String, Duration)>,
}

impl Count {
    fn took(&mut self, phase: String, since: Instant) {
        self.phases.push((phase, since.elapsed()));
    }
}

/// Bundles the plugin and runs the tests in release, where they share their objects with the
/// bundle, then once more for the crates of arithmetic with overflow checks.
///
/// # Errors
/// If a test fails or something does not build.
pub fn run(arguments: &TestArguments) -> Result<()> {
    let mut count = Count::default();
    let mut succeeded = true;
    match &arguments.package {
        Some(package) => {
            bundle::for_this_machine()?;
            cargo::build_interposer()?;
            if package == "tocco-report" {
                cargo::build_report_parts()?;
            }
            let selection = ["--release", "--package", package];
            succeeded &= test(&selection, arguments, &mut count)?;
        }
        None => {
            let start = Instant::now();
            // The counting library is part of the workspace, too.
            bundle::from_the_workspace()?;
            count.took("building the bundles".to_owned(), start);
            succeeded &= test(&["--release", "--workspace"], arguments, &mut count)?;
            let checked = ["--package", "tocco-dsp", "--package", "tocco-engines"];
            succeeded &= test(&checked, arguments, &mut count)?;
        }
    }
    println!();
    for (phase, took) in &count.phases {
        println!("{:>5} s {phase}", took.as_secs());
    }
    println!(
        "all tests: {} passed, {} failed",
        count.passed, count.failed
    );
    if !succeeded {
        bail!("some tests failed or did not build; they are named above");
    }
    Ok(())
}

/// Runs cargo test, shows what it prints and adds up its results. Returns whether all passed.
fn test(selection: &[&str], arguments: &TestArguments, count: &mut Count) -> Result<bool> {
    let start = Instant::now();
    let mut build = command(&["test", "--no-run", "--quiet"])?;
    eprintln!("xtask: cargo test --no-run {}", selection.join(" "));
    let built = build.args(selection).status();
    // What did not build is named once more by the run, which goes on with the rest.
    let built = built.context("cannot start cargo")?.success();
    count.took(format!("building {}", selection.join(" ")), start);

    let start = Instant::now();
    let mut run = command(&["test", "--no-fail-fast"])?;
    run.args(selection).args(&arguments.filter);
    eprintln!("xtask: cargo test --no-fail-fast {}", selection.join(" "));
    let mut child = run
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        writeln!(std::io::stdout(), "{line}")?;
        if let Some((passed, failed)) = result_of(&line) {
            count.passed += passed;
            count.failed += failed;
        }
    }
    let status = child.wait()?;
    count.took(format!("running {}", selection.join(" ")), start);
    if status.code().is_none() {
        bail!("cargo test was ended by a signal ({status})");
    }
    Ok(built && status.success())
}

/// Cargo, with LLVM's RealtimeSanitizer linked into the test that it watches, where the toolchain has it.
fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo::command(arguments)?;
    if let Some(runtime) = sanitizer()? {
        command
            .env("RTSAN_ENABLE", "1")
            .env("RTSAN_LIB_PATH", runtime);
    }
    Ok(command)
}

/// The sanitizer's runtime, which comes with the toolchain.
fn sanitizer() -> Result<Option<PathBuf>> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir"])
        .output()
        .context("cannot start rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let runtime = folder.join("librustc-stable_rt.rtsan.a");
    Ok(runtime.is_file().then_some(runtime))
}

/// Passed and failed, from a line like `test result: ok. 3 passed; 0 failed; …`.
fn result_of(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |name: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
    };
    Some((number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::result_of;

    #[test]
    fn reads_the_closing_line_of_cargo_test() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(result_of(line), Some((12, 3)));
        assert_eq!(result_of("test onset::silence ... ok"), None);
    }
}
