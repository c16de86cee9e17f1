//! Every test, after what they need has been set up.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Artifact, Message};
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
    /// Build and bundle what the tests need, and run none
    #[arg(long)]
    no_run: bool,
    /// Run only tests with this in their name
    filter: Option<String>,
}

/// What leaves the crates of arithmetic out of a selection of tests.
const ARITHMETIC_APART: [&str; 4] = ["--exclude", "tocco-dsp", "--exclude", "tocco-engines"];

/// Their tests, but for the unit tests.
const ARITHMETIC_TESTS: [&str; 13] = [
    "all_engines",
    "degenerate_windows",
    "foreign_files",
    "heap_calls",
    "onset_places",
    "onset_playing",
    "onset_recordings",
    "recordings",
    "resampling",
    "robustness",
    "signals",
    "suite",
    "synthetic",
];

/// The crates of arithmetic with overflow checks: the unit tests, and of the others those that try most
/// values. In a profile of its own: in that of `cargo clippy` and `cargo doc` each would wait for the others.
/// The engines' are not optimised there: see `LEFT_TO_RELEASE`.
const CHECKED: [&str; 11] = [
    "--profile",
    "checked",
    "--package",
    "tocco-dsp",
    "--package",
    "tocco-engines",
    "--lib",
    "--test",
    "robustness",
    "--test",
    "suite",
];

/// What computes for long, and checks results rather than what may overflow: parts of the tests' names.
const LEFT_TO_RELEASE: [&str; 6] = [
    "--skip",
    "ten_thousand_steps",
    "--skip",
    "coarser_weights",
    "--skip",
    "wavenet",
];

/// Passed and failed tests, and what took how long.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    /// Programs that ended badly.
    broken: Vec<String>,
    times: Vec<(String, Duration)>,
    /// What was not run, and why.
    skipped: Vec<String>,
}

/// A built test program.
struct Program {
    /// Its source, from the workspace's root.
    title: String,
    executable: PathBuf,
    /// The package's folder, in which cargo runs it.
    folder: PathBuf,
    /// Whether it plays in real time, or waits for threads that do.
    real_time: bool,
}

/// Bundles the plugin and runs the tests in release, where they share their objects with the bundle. The
/// unit tests of arithmetic run with overflow checks instead, and a few of its others run so as well.
///
/// Tests in real time run one after the other. What has no clock runs beside them, with the
/// lowest priority: their threads mostly sleep.
///
/// # Errors
/// If a test fails or something does not build.
pub fn run(arguments: &TestArguments) -> Result<()> {
    let count = Mutex::new(Count::default());
    let start = Instant::now();
    match &arguments.package {
        Some(package) => {
            // What cargo would refuse, too, but after the bundle.
            let has_library = has_library(package)?;
            bundle::for_this_machine()?;
            cargo::build_interposer()?;
            if package == "tocco-report" {
                cargo::build_report_parts()?;
            }
            let selection = ["--release", "--package", package];
            let programs = build(&[&selection[..], &["--tests"]].concat())?;
            took("building", start, &count);
            if arguments.no_run {
                return Ok(());
            }
            run_in_order(programs.iter(), Priority::Usual, arguments, &count)?;
            if has_library {
                let doctests = [&selection[..], &["--doc"]].concat();
                call_cargo("documentation's tests", &doctests, &[], arguments, &count)?;
            }
        }
        None => {
            // In one call: the tests' dependencies have features that would make two of it. Benchmarks
            // are left out. The counting library is one of the crates, too.
            // The unit tests of arithmetic are left to the overflow checks: they would be compiled twice.
            // The other tests of those crates run on the objects that are in the bundle.
            let all = ["--lib", "--bins", "--tests"];
            let all = [&cargo::ALL_CRATES[..], &ARITHMETIC_APART, &all].concat();
            let mut programs = bundle::from_build(|| build(&all))?;
            let tests = ARITHMETIC_TESTS.iter().flat_map(|name| ["--test", name]);
            let tests: Vec<&str> = cargo::ALL_CRATES.into_iter().chain(tests).collect();
            for program in build(&tests)? {
                // Another crate may have one of the same name, which is known.
                if !programs.iter().any(|p| p.executable == program.executable) {
                    programs.push(program);
                }
            }
            // This one in the profile that it runs in, where its dependencies are.
            programs.extend(build(&[
                "--profile",
                "xtask",
                "--package",
                "xtask",
                "--tests",
            ])?);
            build_checked()?;
            if arguments.no_run {
                return Ok(());
            }
            took("building", start, &count);
            let start = Instant::now();
            run_all(&programs, arguments, &count)?;
            took("running the tests", start, &count);
            let not_built = skipped(&programs)?;
            lock(&count).skipped.extend(not_built);
        }
    }
    let count = count.into_inner().unwrap_or_default();
    println!();
    for (what, took) in &count.times {
        if took.as_secs() >= 5 {
            println!("{:>5} s {what}", took.as_secs());
        }
    }
    println!(
        "all tests: {} passed, {} failed",
        count.passed, count.failed
    );
    for skipped in &count.skipped {
        println!("skipped: {skipped}");
    }
    for broken in &count.broken {
        println!("failed: {broken}");
    }
    check(&count, arguments.filter.as_deref())
}

/// Refuses tests that failed, and a filter that leaves none.
fn check(count: &Count, filter: Option<&str>) -> Result<()> {
    ensure!(
        count.broken.is_empty() && count.failed == 0,
        "some tests failed; they are named above"
    );
    if let Some(filter) = filter {
        ensure!(
            count.passed > 0,
            "expected tests with '{filter}' in their names, found none that ran"
        );
    }
    Ok(())
}

/// All programs of the workspace, those in real time beside the others.
fn run_all(programs: &[Program], arguments: &TestArguments, count: &Mutex<Count>) -> Result<()> {
    let real_time = || {
        let programs = programs.iter().filter(|program| program.real_time);
        run_in_order(programs, Priority::Usual, arguments, count)
    };
    let others = || {
        let programs = programs.iter().filter(|program| !program.real_time);
        run_in_order(programs, Priority::Lowest, arguments, count)?;
        let doctests = [&cargo::ALL_CRATES[..], &["--doc"]].concat();
        call_cargo("documentation's tests", &doctests, &[], arguments, count)
    };
    let checked = || {
        let title = "with overflow checks";
        call_cargo(title, &CHECKED, &LEFT_TO_RELEASE, arguments, count)
    };
    std::thread::scope(|scope| {
        let lanes = [scope.spawn(others), scope.spawn(checked)];
        let mut result = real_time();
        for lane in lanes {
            result = result.and(lane.join().unwrap_or_else(|_| bail!("a lane panicked")));
        }
        result
    })
}

fn run_in_order<'a>(
    programs: impl Iterator<Item = &'a Program>,
    priority: Priority,
    arguments: &TestArguments,
    count: &Mutex<Count>,
) -> Result<()> {
    for program in programs {
        run_program(program, priority, arguments, count)?;
    }
    Ok(())
}

/// Builds the tests of a selection and returns their programs.
fn build(selection: &[&str]) -> Result<Vec<Program>> {
    eprintln!("xtask: cargo build {}", selection.join(" "));
    let mut command = Command::new(cargo::program());
    let mut child = command
        .args(["build", "--quiet"])
        .envs(sanitizer()?)
        .arg("--message-format=json-render-diagnostics")
        .args(selection)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message? {
            programs.extend(program(artifact)?);
        }
    }
    ensure!(child.wait()?.success(), "some tests did not build");
    Ok(programs)
}

/// Builds what is run with overflow checks. Of a library `cargo build` would build no unit tests.
fn build_checked() -> Result<()> {
    let arguments = [&["test", "--quiet", "--no-run"], &CHECKED[..]].concat();
    eprintln!("xtask: cargo {}", arguments.join(" "));
    let mut command = Command::new(cargo::program());
    let status = command
        .args(arguments)
        .envs(sanitizer()?)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "some tests did not build");
    Ok(())
}

/// The test program that an artifact is, if it is one.
fn program(artifact: Artifact) -> Result<Option<Program>> {
    let (Some(executable), true) = (artifact.executable, artifact.profile.test) else {
        return Ok(None);
    };
    let folder = artifact.manifest_path.parent();
    let folder = folder.context("a manifest without a folder")?.as_std_path();
    let below = |path: &Path, folder| {
        path.strip_prefix(folder)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let crate_folder = below(folder, cargo::root());
    let source = below(artifact.target.src_path.as_std_path(), folder);
    Ok(Some(Program {
        real_time: is_real_time(&crate_folder, &artifact.target.name),
        title: format!("{crate_folder}/{source}"),
        executable: executable.into_std_path_buf(),
        folder: folder.to_owned(),
    }))
}

/// Whether `package` has a library, so that there may be examples in its documentation.
///
/// # Errors
/// If the workspace has no such package.
fn has_library(package: &str) -> Result<bool> {
    let mut metadata = cargo_metadata::MetadataCommand::new();
    let metadata = metadata.current_dir(cargo::root()).no_deps().exec()?;
    let mut packages = metadata.packages.iter();
    let Some(found) = packages.find(|p| p.name == package) else {
        let names = metadata.packages.iter().map(|p| p.name.to_string());
        bail!(
            "--package: expected one of {}, found {package}",
            names.collect::<Vec<_>>().join(", ")
        );
    };
    let is_library = |target: &cargo_metadata::Target| target.is_lib() || target.is_rlib();
    Ok(found.targets.iter().any(is_library))
}

/// The test programs of the workspace that were not built, since they need features that the bundles
/// do not have, and how to run them.
fn skipped(programs: &[Program]) -> Result<Vec<String>> {
    let mut metadata = cargo_metadata::MetadataCommand::new();
    let metadata = metadata.current_dir(cargo::root()).no_deps().exec()?;
    let mut skipped = Vec::new();
    for package in &metadata.packages {
        for target in package.targets.iter().filter(|target| target.is_test()) {
            let source = target.src_path.strip_prefix(&metadata.workspace_root);
            let title = source.unwrap_or(&target.src_path);
            let features = target.required_features.join(",");
            if !features.is_empty() && !programs.iter().any(|program| program.title == *title) {
                skipped.push(format!(
                    "{title}: it needs the feature {features}: cargo test --release --package {} \
                     --features {features} --test {}",
                    package.name, target.name
                ));
            }
        }
    }
    Ok(skipped)
}

/// The plugin's and the recognizer's tests have threads that must answer in time, and so has the real
/// bundle in the hosts, in the audit and where the report measures it.
fn is_real_time(crate_folder: &str, target: &str) -> bool {
    matches!(
        (crate_folder, target),
        ("plugin" | "recognizer", _) | ("bench", "hosts" | "audit") | ("bench/report", "report")
    )
}

#[derive(Clone, Copy)]
enum Priority {
    Usual,
    /// What else wants the processor gets it.
    Lowest,
}

impl Priority {
    fn command(self, program: &Path) -> Command {
        match self {
            Self::Usual => Command::new(program),
            Self::Lowest => {
                let mut command = Command::new("nice");
                command.args(["-n", "19"]).arg(program);
                command
            }
        }
    }
}

/// Runs a test program as cargo does.
fn run_program(
    program: &Program,
    priority: Priority,
    arguments: &TestArguments,
    count: &Mutex<Count>,
) -> Result<()> {
    eprintln!("xtask: running {}", program.title);
    let mut command = priority.command(&program.executable);
    command
        .args(&arguments.filter)
        .arg("--show-output")
        .current_dir(&program.folder)
        .env("CARGO", cargo::program())
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("TOCCO_BUNDLES", cargo::bundles()?);
    finish(&program.title, command, count)
}

/// Runs `cargo test` with the lowest priority; `options` are those of the test programs.
fn call_cargo(
    title: &str,
    selection: &[&str],
    options: &[&str],
    arguments: &TestArguments,
    count: &Mutex<Count>,
) -> Result<()> {
    let shown = format!("cargo test {}", selection.join(" "));
    eprintln!("xtask: running {shown}");
    let mut command = Priority::Lowest.command(Path::new(&cargo::program()));
    command
        .args(["test", "--quiet", "--no-fail-fast"])
        .args(selection)
        .args(&arguments.filter)
        .args(["--", "--show-output"])
        .args(options)
        .envs(sanitizer()?)
        .env("TOCCO_BUNDLES", cargo::bundles()?);
    finish(&format!("{title}: {shown}"), command, count)
}

/// Waits for what a command prints, shows it in one piece and adds up its results.
fn finish(title: &str, mut command: Command, count: &Mutex<Count>) -> Result<()> {
    let start = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot start {title}"))?;
    let mut count = lock(count);
    count.times.push((title.to_owned(), start.elapsed()));
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    println!("\n     Running {title}");
    let (out, error) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    let (shown, skipped) = without_successes(&out);
    write!(std::io::stdout(), "{shown}{error}")?;
    let told = skipped.iter().map(|why| format!("{title}: {why}"));
    count.skipped.extend(told);
    for (passed, failed) in out.lines().filter_map(result_of) {
        count.passed += passed;
        count.failed += failed;
    }
    if !status.success() {
        count.broken.push(format!("{title} ({status})"));
    }
    Ok(())
}

/// What a test program says but for the words of the tests that passed, and what those skipped.
fn without_successes(out: &str) -> (String, Vec<&str>) {
    let (mut shown, mut skipped) = (String::new(), Vec::new());
    let mut passed = false;
    for line in out.lines() {
        match line {
            "successes:" => passed = true,
            "failures:" => passed = false,
            _ if line.starts_with("test result: ") => passed = false,
            _ => {}
        }
        if !passed {
            shown.push_str(line);
            shown.push('\n');
        } else if let Some(why) = line.strip_prefix("skipped: ")
            && !skipped.contains(&why)
        {
            skipped.push(why);
        }
    }
    (shown, skipped)
}

fn took(what: &str, since: Instant, count: &Mutex<Count>) {
    lock(count).times.push((what.to_owned(), since.elapsed()));
}

/// The count, also after a lane has panicked.
fn lock(count: &Mutex<Count>) -> std::sync::MutexGuard<'_, Count> {
    count
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What links LLVM's RealtimeSanitizer, which comes with the toolchain, into the test that it watches.
/// The same for each call of cargo, which would build that test anew otherwise.
fn sanitizer() -> Result<Vec<(&'static str, PathBuf)>> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir"])
        .output()
        .context("cannot start rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let runtime = folder.join("librustc-stable_rt.rtsan.a");
    if !runtime.is_file() {
        return Ok(Vec::new());
    }
    Ok(vec![
        ("RTSAN_ENABLE", "1".into()),
        ("RTSAN_LIB_PATH", runtime),
    ])
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
    use super::{ARITHMETIC_TESTS, Count, check, is_real_time, result_of, without_successes};

    #[test]
    fn a_filter_that_leaves_no_test_is_no_success() {
        let none = Count::default();
        check(&none, None).unwrap();
        let error = check(&none, Some("onsset")).unwrap_err().to_string();
        assert!(error.contains("'onsset'"), "{error}");
        let some = Count {
            passed: 1,
            ..Count::default()
        };
        check(&some, Some("onset")).unwrap();
    }

    #[test]
    fn reads_the_closing_line_of_cargo_test() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(result_of(line), Some((12, 3)));
        assert_eq!(result_of("test onset::silence ... ok"), None);
    }

    #[test]
    fn what_passing_tests_skip_is_told_and_the_rest_of_their_words_is_not() {
        let out = "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\n12 µs\nskipped: no engine\n\
                   skipped: no engine\n\n\nsuccesses:\n    a\n\nfailures:\n\n---- b stdout ----\n\
                   skipped: no\n\ntest result: FAILED. 1 passed\n";
        let (shown, skipped) = without_successes(out);
        assert_eq!(skipped, ["no engine"]);
        assert_eq!(
            shown,
            "test a ... ok\n\nfailures:\n\n---- b stdout ----\nskipped: no\n\ntest result: FAILED. 1 passed\n"
        );
    }

    #[test]
    fn every_test_of_arithmetic_is_run() {
        let is_test = |path: &std::path::PathBuf| {
            path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file()
        };
        let mut names = Vec::new();
        for crate_folder in ["dsp", "engines"] {
            let tests = crate::cargo::root().join(crate_folder).join("tests");
            let tests = std::fs::read_dir(tests).unwrap();
            let paths = tests.map(|entry| entry.unwrap().path()).filter(is_test);
            names
                .extend(paths.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()));
        }
        names.sort();
        assert_eq!(names, ARITHMETIC_TESTS);
    }

    #[test]
    fn threads_that_must_answer_in_time_have_the_processor_to_themselves() {
        assert!(is_real_time("plugin", "swaps"));
        assert!(is_real_time("bench", "hosts"));
        assert!(is_real_time("bench", "audit"));
        assert!(is_real_time("bench/report", "report"));
        assert!(!is_real_time("bench", "fifteen_cells"));
        assert!(!is_real_time("dsp", "hosts"));
    }
}
