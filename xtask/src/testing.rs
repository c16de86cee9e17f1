//! Every test, after what they need has been set up.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

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

/// Passed and failed tests.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
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
            // The counting library is part of the workspace, too.
            bundle::from_the_workspace()?;
            succeeded &= test(&["--release", "--workspace"], arguments, &mut count)?;
            let checked = ["--package", "tocco-dsp", "--package", "tocco-engines"];
            succeeded &= test(&checked, arguments, &mut count)?;
        }
    }
    println!(
        "\nall tests: {} passed, {} failed",
        count.passed, count.failed
    );
    if !succeeded {
        bail!("some tests failed or did not build; they are named above");
    }
    Ok(())
}

/// Runs cargo test, shows what it prints and adds up its results. Returns whether all passed.
fn test(selection: &[&str], arguments: &TestArguments, count: &mut Count) -> Result<bool> {
    let mut command = cargo::command(&["test", "--no-fail-fast"])?;
    command.args(selection).args(&arguments.filter);
    eprintln!("xtask: cargo test --no-fail-fast {}", selection.join(" "));
    let mut child = command
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
    if status.code().is_none() {
        bail!("cargo test was ended by a signal ({status})");
    }
    Ok(status.success())
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
