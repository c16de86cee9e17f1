//! The parts of the report: each is a command of its own that prints one JSON document.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tocco_engines::SETTINGS_VARIABLE;

use crate::budget::Budget;
use crate::networks;

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What the engines do that a real-time thread must not.
    Audit,
    /// One inference, the engines set up for audio.
    Execution,
    /// One inference, the foreign engines as they come.
    Defaults,
    /// Notes through the plugin in real time.
    Deployment,
    /// Sizes of model files and libraries.
    Footprint,
    /// A model file for each operation and engine, tried.
    Operations,
    /// What of the ease of use can be counted.
    Ease,
    /// Recurrent and convolutional networks.
    Networks,
    /// What coarser weights do to the results.
    Accuracy,
}

/// What decides how a part is run.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// How much is measured.
    pub budget: Budget,
    /// The processor core that timed inferences run on.
    pub core: usize,
    /// Whether libraries are fetched to see how long that takes.
    pub download: bool,
}

impl Part {
    /// All, in the order in which they are run.
    pub const ALL: [Self; 9] = [
        Self::Execution,
        Self::Defaults,
        Self::Footprint,
        Self::Operations,
        Self::Audit,
        Self::Deployment,
        Self::Networks,
        Self::Accuracy,
        Self::Ease,
    ];

    /// The name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Execution => "execution",
            Self::Defaults => "defaults",
            Self::Deployment => "deployment",
            Self::Footprint => "footprint",
            Self::Operations => "operations",
            Self::Ease => "ease",
            Self::Networks => "networks",
            Self::Accuracy => "accuracy",
        }
    }

    /// What runs it: a program beside this one, with its arguments and environment.
    pub fn call(self, choice: Choice) -> Call {
        let Choice {
            budget,
            core,
            download,
        } = choice;
        // All recordings are minutes of sound: too much where it is only to be seen that it works.
        let sound: &[&str] = match budget {
            Budget::Tiny => &["--synthesised"],
            Budget::Full | Budget::Quick => &[],
        };
        let engines = |turns: usize, cold: usize| {
            let [turns, cold, core] = [turns, cold, core].map(|n| n.to_string());
            let options = ["--json", "--warm-turns", &turns, "--cold-runs", &cold];
            Call::new("engines", &options)
                .with(&["--core", &core])
                .with(sound)
        };
        let paper = tocco_bench::inference::PAPER_TURNS;
        match self {
            Self::Audit => {
                let seconds = budget.choose("600", "40", "6");
                let speed = budget.choose("4", "8", "8");
                let options = ["--json", "--seconds", seconds, "--speed", speed];
                Call::new("audit", &options)
            }
            Self::Execution => engines(budget.choose(paper, paper, 4), budget.choose(201, 41, 2)),
            Self::Defaults => {
                let mut call = engines(budget.choose(paper, paper, 4), budget.choose(201, 41, 2));
                call.environment = Some((SETTINGS_VARIABLE, "library-defaults"));
                call
            }
            Self::Deployment => {
                let notes = budget.choose("768", "96", "12");
                Call::new(
                    "deployment",
                    &["--json", "--wake", "armed", "--notes", notes],
                )
            }
            Self::Accuracy => Call::new("engines", &["--json", "--agreement"]).with(sound),
            Self::Footprint | Self::Operations | Self::Ease => {
                let call = Call::new("report", &["part", self.name()]);
                if download || self == Self::Operations {
                    call
                } else {
                    call.with(&["--no-download"])
                }
            }
            Self::Networks => {
                let call = Call::new(
                    "report",
                    &["part", self.name(), "--core", &core.to_string()],
                );
                call.with(&["--turns", &networks::turns(budget).to_string()])
            }
        }
    }

    /// About how long it takes on an idle machine with `n` engines, seconds. Where a part has been
    /// run before, that time is better.
    pub fn estimate_s(self, choice: Choice, n: usize) -> f64 {
        let n = n as f64;
        let budget = choice.budget;
        match self {
            Self::Audit => budget.choose(310.0, 20.0, 10.0) + 3.0 * n,
            Self::Execution => budget.choose(100.0, 30.0, 4.0) + budget.choose(20.0, 10.0, 1.0) * n,
            Self::Defaults => budget.choose(10.0, 8.0, 3.0) * n,
            // Three networks, each first offline and then in real time.
            Self::Deployment => 3.0 * n * (budget.choose(36.0, 6.0, 2.0) + 2.0),
            Self::Footprint => 15.0,
            Self::Operations => 5.0,
            Self::Ease => 20.0,
            Self::Networks => networks::turns(budget) as f64 * 0.4 * n,
            Self::Accuracy => budget.choose(15.0, 15.0, 2.0),
        }
    }
}

/// A program to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    program: &'static str,
    arguments: Vec<String>,
    environment: Option<(&'static str, &'static str)>,
}

impl Call {
    fn new(program: &'static str, arguments: &[&str]) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: None,
        }
        .with(arguments)
    }

    fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The command as a user types it.
    pub fn shown(&self) -> String {
        let environment = self
            .environment
            .map(|(name, value)| format!("{name}={value} "));
        let program = match self.program {
            "audit" => "cargo xtask audit".to_owned(),
            program => format!("cargo xtask bench {program}"),
        };
        format!(
            "{}{program} {}",
            environment.unwrap_or_default(),
            self.arguments.join(" ")
        )
    }

    /// The process to start.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new(sibling(self.program)?);
        command
            .args(&self.arguments)
            .env_remove(SETTINGS_VARIABLE)
            .envs(self.environment);
        Ok(command)
    }
}

/// The program `name` of this workspace, which is built beside this one.
///
/// # Errors
/// When it is not there.
pub fn sibling(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("this program cannot find itself")?;
    let path = this.with_file_name(name);
    ensure!(
        path.is_file(),
        "{}: not built; `cargo xtask bench report` builds it, or cargo build --release --workspace \
         --bins",
        path.display()
    );
    Ok(path)
}
