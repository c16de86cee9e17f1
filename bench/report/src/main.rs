//! `cargo xtask bench report`: the paper's comparison by one command.

mod budget;
mod compare;
mod conditions;
mod document;
mod ease;
mod figures;
mod footprint;
mod networks;
mod operations;
mod paper;
mod part;
mod quoted;
mod random;
mod report;
mod rows;
mod runner;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use tocco_bench::program;

use budget::Budget;
use conditions::Conditions;
use part::Choice;
use report::Report;
use runner::{Runner, duration};

/// Measures what the paper compares, with the engines of today, on this machine, and writes every
/// table and figure of it under the paper's number, with what the paper left open: as Markdown, as
/// one HTML page and as JSON.
///
/// Each part is a command of its own. What a part has found is kept in the folder: stopped and
/// started again, the report goes on where it was. A part is measured anew if the machine, the
/// engines or the sources have changed since. An engine that is not here is named, and everything
/// else is there. Needs an idle machine: where the two halves of a run differ too much, the report
/// says so.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench report",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo xtask bench report --quick                       minutes; the path is printed at the end\n  \
        cargo xtask bench report --estimate                    how long the full run will take\n  \
        cargo xtask bench report --rows rtneural.csv           with times that were measured elsewhere\n  \
        cargo xtask bench report --quick --compare old/report.json\n  \
        cargo xtask bench report part operations               one part, as JSON\n\n\
        The file of --rows: engine,model,weights,warm,cold with a line like RTNeural,a,f32,114.8,\n\
        where the times are medians in µs and the last one may be empty."
)]
struct Arguments {
    #[command(flatten)]
    making: Making,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Making {
    /// Fewer notes and fewer runs with cold caches: minutes instead of half an hour
    #[arg(long)]
    quick: bool,
    /// A few of everything, to see that it works
    #[arg(long, conflicts_with = "quick")]
    tiny: bool,
    /// Where the report goes [default: report in the build folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the report's JSON on stdout and nothing else
    #[arg(long)]
    json: bool,
    /// Merge times that were measured elsewhere
    #[arg(long, value_name = "FILE.csv")]
    rows: Option<PathBuf>,
    /// Show what has changed since another report, and whether it exceeds the noise
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// Measure everything again
    #[arg(long)]
    again: bool,
    /// Only say how long it would take
    #[arg(long)]
    estimate: bool,
    /// The processor core that timed inferences run on [default: 1, or 0 if there is only one]
    #[arg(long)]
    core: Option<usize>,
    /// Fetch no library to see how large it is elsewhere and how long it takes
    #[arg(long)]
    no_download: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run one part and print its JSON
    Part {
        #[command(subcommand)]
        part: OwnPart,
    },
}

/// The parts that are no other command.
#[derive(Subcommand)]
enum OwnPart {
    /// Sizes of model files and libraries
    Footprint {
        /// Fetch no library for aarch64
        #[arg(long)]
        no_download: bool,
    },
    /// A model file for each operation and engine, tried
    Operations,
    /// Lines of code, broken files, fetching
    Ease {
        /// Fetch nothing
        #[arg(long)]
        no_download: bool,
    },
    /// Recurrent and convolutional networks at audio rate
    Networks {
        /// How often each engine has its turn
        #[arg(long, default_value_t = networks::turns(Budget::Quick))]
        turns: usize,
        /// The processor core to run on
        #[arg(long, default_value_t = 1)]
        core: usize,
    },
}

fn main() -> ExitCode {
    program::run(|| {
        runner::started();
        let arguments = Arguments::parse();
        match arguments.command {
            Some(Command::Part { part }) => run_part(&part),
            None => make(&arguments.making),
        }
    })
}

fn run_part(part: &OwnPart) -> Result<()> {
    let found = match *part {
        OwnPart::Footprint { no_download } => json!(footprint::run(!no_download)?),
        OwnPart::Operations => json!(operations::run()?),
        OwnPart::Ease { no_download } => json!(ease::run(!no_download)?),
        OwnPart::Networks { turns, core } => json!(networks::run(turns, core)?),
    };
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

fn make(making: &Making) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let choice = Choice {
        budget: match (making.quick, making.tiny) {
            (true, _) => Budget::Quick,
            (_, true) => Budget::Tiny,
            _ => Budget::Full,
        },
        core: making.core.unwrap_or(1.min(cores - 1)),
        download: !making.no_download,
    };
    let folder = making.out.clone().unwrap_or_else(|| {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        target.join("report")
    });
    // What can be wrong is found before anything is measured.
    let rows = making.rows.as_deref().map(rows::read).transpose()?;
    let old = making.compare.as_deref().map(compare::read).transpose()?;
    let conditions = Conditions::now(&folder)?;
    let runner = Runner {
        folder: &folder,
        choice,
        conditions: &conditions,
        again: making.again,
    };
    if making.estimate {
        let mut total = 0.0;
        for (part, seconds) in runner.estimates() {
            println!("{:<12}{:>8}", part.name(), duration(seconds));
            total += seconds;
        }
        println!("{:<12}{:>8}", "together", duration(total));
        return Ok(());
    }
    let findings = runner.run()?;
    let failures: Vec<String> = findings
        .iter()
        .filter_map(|(name, found)| Some(format!("{name}: {}", found.failure.as_ref()?)))
        .collect();
    let report = Report {
        budget: choice.budget,
        conditions: &conditions,
        findings: &findings,
        rows: rows.unwrap_or_default(),
        old,
    };
    let document = report.document()?;
    let json = serde_json::to_string_pretty(&report.json()?)?;
    write(&folder.join("report.md"), &document.to_markdown())?;
    write(&folder.join("report.html"), &document.to_html())?;
    write(&folder.join("report.json"), &json)?;
    for figure in document.figures() {
        let name = format!("{}.svg", figure.name);
        write(&folder.join("figures").join(name), &figure.svg)?;
    }
    if making.json {
        println!("{json}");
    } else {
        println!("{}", folder.join("report.html").display());
        println!("{}", folder.join("report.md").display());
    }
    if !failures.is_empty() {
        bail!(
            "parts have failed, everything else is there: {}",
            failures.join("; ")
        );
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .with_context(|| path.display().to_string())
}
