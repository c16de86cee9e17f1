//! Every chore of Tocco as `cargo xtask <command>`. Thin: it builds, sets up and hands over to
//! the crate that does the work, whose own `--help` explains the options.

mod archive;
mod bundle;
mod cargo;
mod cases;
mod compare;
mod cross;
mod dependencies;
mod elk;
mod emulator;
mod environment;
mod files;
mod fuzz;
mod hosts;
mod install;
mod instructions;
mod lint;
mod mingw;
mod package;
mod portable;
mod portable_dll;
mod programs;
mod screenshot;
mod strip;
mod testing;
mod unpacked;
mod wheels;
mod windows;
mod wine;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use crate::cargo::Tool;
use crate::cross::Cross;

/// Every chore of Tocco.
///
/// Commands that report numbers take --json: one JSON document on stdout, progress on stderr.
/// Everything is built when it is needed; a bare machine with Rust and a C compiler is enough.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Stream a recording through the bundled plugin and name each note as it comes
    ///
    /// Builds and bundles the plugin, loads the bundled CLAP in a host of our own in blocks of 64 samples at
    /// the recording's rate, and prints a line for each note: time, technique, probability, latency. With --target
    /// aarch64-unknown-linux-gnu the bundle and the host are those of a Raspberry Pi 4, emulated; with
    /// --target x86_64-pc-windows-gnu those of Windows, under Wine.
    #[command(disable_help_flag = true, after_help = EXAMPLES_DEMO)]
    Demo(Forwarded),
    /// Set up what the tests need and run them all
    Test(testing::TestArguments),
    /// Run tests of another machine, emulated or under Wine
    ///
    /// Sets up what that needs in target/cross and calls cargo test. How long it takes means nothing.
    Emulate(EmulateArguments),
    /// Check formatting, licences of dependencies, lints and documentation
    Lint,
    /// Look for files that break a reader, with libFuzzer
    Fuzz(fuzz::FuzzArguments),
    /// Build the plugin and put its CLAP and VST3 bundles into target/bundled
    ///
    /// With --target, for another machine: into target/cross/build/bundled. What that needs is set up
    /// in target/cross: 160 MB of Debian's packages and of the Python package index are fetched once.
    Bundle(bundle::BundleArguments),
    /// Make the archive for Elk Audio OS on a Raspberry Pi 4: target/elk/tocco-elk-VERSION.tar.gz
    ///
    /// The VST3 bundle, the models, engine libraries, configurations of Sushi, and what installs and
    /// starts them. docs/elk.md is its guide.
    Elk(elk::ElkArguments),
    /// Make the archive for Windows: target/windows/tocco-windows-VERSION.zip
    ///
    /// The CLAP and the VST3 with their window, and what installs them. docs/windows.md says what was
    /// tried how.
    Windows,
    /// Make the archive for Linux: target/package/tocco-linux-ARCHITECTURE-VERSION.tar.gz
    ///
    /// Both bundles, the program of its own, the models, the licences of all that is in it, a guide and
    /// what installs them. Built again from the same commit, in the same folder and with the same tools, it has
    /// the same bytes. --target aarch64-unknown-linux-gnu is for 64-bit ARM: without window and program.
    Package(package::PackageArguments),
    /// Put the bundles where the hosts of this machine look: ~/.clap and ~/.vst3
    ///
    /// Builds and bundles the plugin, then replaces ~/.clap/Tocco.clap and ~/.vst3/Tocco.vst3.
    Install(install::InstallArguments),
    /// Take away what install has put there, and nothing else
    Uninstall,
    /// Try the bundles in hosts that others made: pedalboard, DawDreamer, Ardour, qtractor, validators
    ///
    /// The first two are fetched from the Python package index into the build folder; the others are used
    /// where they are installed. Says what it did not find.
    Hosts(hosts::HostsArguments),
    /// Draw the window's pages with a performance running: screenshot.png, setup.png, guided.png in docs
    ///
    /// All sizes and scales go to target/screenshots. No screen is needed.
    Screenshot(screenshot::ScreenshotArguments),
    /// Run the inputs that failed once, where they are there, against their right values
    ///
    /// Reads ../shared/cases, or `cases` in the folder that TOCCO_SHARED names. Each case is run as its
    /// README says; without them this says so and ends well.
    Cases,
    /// Compare what the plugin hears here and, emulated or under Wine, on another machine
    ///
    /// Plays recordings offline through the CLAP and the VST3 of both: every note must have the same
    /// technique, with features within 1e-4 and probabilities within 1e-3, or 1e-5 for Windows. A state
    /// that either saves must do the same on both.
    Compare(compare::CompareArguments),
    /// Count heap calls, locks and system calls of the engines and of the plugin's callback
    #[command(disable_help_flag = true)]
    Audit(Forwarded),
    /// Measure the plugin as it will run
    #[command(subcommand)]
    Bench(Bench),
    /// Train the model packages from recordings with labels
    #[command(disable_help_flag = true)]
    Train(Forwarded),
    /// Measure a model: onset precision and recall, accuracy, confusion matrix
    #[command(disable_help_flag = true)]
    Evaluate(Forwarded),
    /// Measure what a few examples from the player are worth, or write a calibration profile
    #[command(disable_help_flag = true)]
    Calibrate(Forwarded),
    /// Train and measure what tells notes from foreign sounds
    #[command(disable_help_flag = true)]
    Reject(Forwarded),
    /// Print the feature vectors of a recording as CSV
    #[command(disable_help_flag = true)]
    Features(Forwarded),
    /// Fetch the engine libraries (install), or say which are present and why others are not (list)
    #[command(disable_help_flag = true)]
    Engines(Forwarded),
    /// Write a model in another format and check it, or write the manifest of a foreign model file
    #[command(disable_help_flag = true)]
    Convert(Forwarded),
    /// Run a model file of any engine over the rows of a CSV file
    #[command(disable_help_flag = true)]
    Infer(Forwarded),
}

#[derive(Subcommand)]
enum Bench {
    /// The paper's deployment test: notes in real time, with its worker and with ours
    #[command(disable_help_flag = true)]
    Deployment(Forwarded),
    /// One inference of each engine: warm caches, cold caches, and the limit of mere reading
    #[command(disable_help_flag = true)]
    Engines(Forwarded),
    /// Instructions of the callback and of each network on another machine, and what time they take
    Instructions(instructions::InstructionArguments),
    /// The paper's comparison, every table and figure, with the engines of today
    ///
    /// Runs what the other benchmarks and the audit measure, and more, and writes it under the
    /// paper's numbers: Markdown, one HTML page, JSON. Goes on where it was stopped.
    #[command(disable_help_flag = true)]
    Report(Forwarded),
    /// One step of recurrent networks at audio rate: one by one, in blocks, and as instructions
    #[command(disable_help_flag = true)]
    Recurrent(Forwarded),
    /// Hours of audio through one instance: memory and counters
    #[command(disable_help_flag = true)]
    Soak(Forwarded),
    /// Many instances in one host: processor time and late results
    #[command(disable_help_flag = true)]
    Instances(Forwarded),
}

#[derive(clap::Args)]
#[command(
    after_help = "Example: cargo xtask emulate --target aarch64-unknown-linux-gnu \
    --package tocco-engines --lib --test suite recurrent"
)]
struct EmulateArguments {
    /// The other machine
    #[arg(long, value_name = "TRIPLE")]
    target: String,
    /// Options of cargo test
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    options: Vec<String>,
}

const EXAMPLES_DEMO: &str = "Example: cargo xtask demo --input take.wav --model a --json";

/// Options that the tool behind the command reads itself.
#[derive(clap::Args)]
struct Forwarded {
    /// Options of the command; `--help` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    arguments: Vec<String>,
}

impl Forwarded {
    fn asks_for_help(&self) -> bool {
        self.has("--help") || self.has("-h")
    }

    /// Takes an option and its value out, if it is there.
    fn take(&mut self, option: &str) -> Result<Option<String>> {
        let equals = format!("{option}=");
        let is_it = |argument: &String| argument == option || argument.starts_with(&equals);
        let Some(index) = self.arguments.iter().position(is_it) else {
            return Ok(None);
        };
        let found = self.arguments.remove(index);
        if let Some(value) = found.strip_prefix(&equals) {
            return Ok(Some(value.to_owned()));
        }
        ensure!(index < self.arguments.len(), "{option}: a value is missing");
        Ok(Some(self.arguments.remove(index)))
    }

    fn has(&self, option: &str) -> bool {
        self.arguments.iter().any(|argument| argument == option)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let command = Arguments::parse().command;
    let here = cargo::enter_workspace()?;
    // SAFETY: no other thread runs in this program.
    unsafe { environment::count_from(&here) };
    let tool = |binary, command| Tool {
        binary,
        command,
        folder: &here,
    };
    let run = |tool: Tool, forwarded: Forwarded| tool.run(&cargo::bundles()?, &forwarded.arguments);
    let bench = |binary| tool(binary, None);
    let on_the_bundle = |binary, forwarded: Forwarded| {
        if !forwarded.asks_for_help() {
            bundle::for_this_machine()?;
        }
        run(bench(binary), forwarded)
    };
    let trainer = |command| tool("tocco-trainer", Some(command));
    let engine_tools = |command| tool("tocco-engine-tools", Some(command));
    match command {
        Command::Demo(mut forwarded) => match forwarded.take("--target")? {
            // The program has the same options everywhere; only to play is it built for that machine.
            Some(target) if !forwarded.asks_for_help() => {
                let cross = Cross::set_up_to_run(&target)?;
                bundle::for_machine(&cross)?;
                cross.build(&["demo"])?;
                let status = cross
                    .run(&cross.program("demo"))?
                    .args(&forwarded.arguments)
                    .current_dir(&here)
                    .status()
                    .context("cannot start the emulator")?;
                cargo::end_like("demo", status)
            }
            _ => on_the_bundle("demo", forwarded),
        },
        Command::Elk(arguments) => elk::run(&arguments),
        Command::Windows => windows::run(),
        Command::Package(arguments) => package::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments, &here),
        Command::Audit(forwarded) => {
            let mut bundles = cargo::bundles()?;
            if !forwarded.asks_for_help() {
                // What calls come from is told by name.
                if forwarded.has("--backtrace") {
                    bundles = bundle::with_names()?;
                } else {
                    bundle::for_this_machine()?;
                }
                cargo::build_interposer()?;
            }
            bench("audit").run(&bundles, &forwarded.arguments)
        }
        Command::Test(arguments) => testing::run(&arguments),
        Command::Emulate(EmulateArguments { target, options }) => {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            if options.contains(&"--help") {
                return cargo::call("options of cargo test", &[&["test"], &options[..]].concat());
            }
            Cross::set_up_to_run(&target)?.cargo("test", &options)
        }
        Command::Lint => lint::run(),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Bundle(arguments) => bundle::run(&arguments),
        Command::Install(arguments) => install::install(&arguments),
        Command::Uninstall => install::uninstall(),
        Command::Hosts(arguments) => hosts::run(&arguments),
        Command::Screenshot(arguments) => screenshot::run(&arguments),
        Command::Cases => cases::run(),
        Command::Bench(Bench::Deployment(forwarded)) => {
            let bundles = if forwarded.asks_for_help() {
                cargo::bundles()?
            } else {
                bundle::with_polling_worker()?
            };
            bench("deployment").run(&bundles, &forwarded.arguments)
        }
        Command::Bench(Bench::Engines(forwarded)) => run(bench("engines"), forwarded),
        Command::Bench(Bench::Instructions(arguments)) => instructions::run(&arguments, &here),
        Command::Bench(Bench::Recurrent(forwarded)) => run(bench("recurrent"), forwarded),
        Command::Bench(Bench::Report(forwarded)) => {
            if !forwarded.asks_for_help() {
                bundle::for_this_machine()?;
                cargo::build_interposer()?;
                cargo::build_report_parts()?;
            }
            run(tool("report", None), forwarded)
        }
        Command::Bench(Bench::Soak(forwarded)) => on_the_bundle("soak", forwarded),
        Command::Bench(Bench::Instances(forwarded)) => on_the_bundle("instances", forwarded),
        Command::Train(forwarded) => run(trainer("train"), forwarded),
        Command::Evaluate(forwarded) => run(trainer("evaluate"), forwarded),
        Command::Calibrate(forwarded) => run(trainer("calibrate"), forwarded),
        Command::Reject(forwarded) => run(trainer("reject"), forwarded),
        Command::Engines(forwarded) => run(engine_tools("engines"), forwarded),
        Command::Convert(forwarded) => run(engine_tools("convert"), forwarded),
        Command::Infer(forwarded) => run(engine_tools("infer"), forwarded),
        Command::Features(forwarded) => run(tool("tocco-corpus", Some("features")), forwarded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_taken_out_with_its_value() {
        let forwarded = |words: &[&str]| Forwarded {
            arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let mut apart = forwarded(&["--json", "--target", "pi", "--offline"]);
        assert_eq!(apart.take("--target").unwrap().as_deref(), Some("pi"));
        assert_eq!(apart.arguments, ["--json", "--offline"]);
        assert_eq!(apart.take("--target").unwrap(), None);
        let mut joined = forwarded(&["--target=pi"]);
        assert_eq!(joined.take("--target").unwrap().as_deref(), Some("pi"));
        forwarded(&["--target"]).take("--target").unwrap_err();
    }
}
