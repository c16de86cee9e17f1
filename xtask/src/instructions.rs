//! How many instructions the plugin's callback and each network take on another machine, counted by
//! the emulator, and what time they take at most and at least there.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::bundle;
use crate::cargo;
use crate::cross::{self, Cross};
use crate::programs;

/// Options of `cargo xtask bench instructions`.
#[derive(Args)]
#[command(after_help = "Example: \
    cargo xtask bench instructions --target aarch64-unknown-linux-gnu --write docs/elk.md\n\n\
    Needs Debian's qemu-user: the emulator that can be extended.")]
pub struct InstructionArguments {
    /// The other machine
    #[arg(long, value_name = "TRIPLE")]
    target: String,
    /// Put the table into this file, in place of the one between its marks
    #[arg(long, value_name = "FILE.md", conflicts_with = "json")]
    write: Option<PathBuf>,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Between these lines a file has the table.
const BEGIN: &str = "<!-- cargo xtask bench instructions: begin -->";
const END: &str = "<!-- cargo xtask bench instructions: end -->";

/// Clocks of a Raspberry Pi 4 under Elk Audio OS and as it is delivered, MHz.
const CLOCKS_MHZ: [f64; 2] = [1200.0, 1500.0];

/// A block of 64 samples at 48 kHz, µs.
const BLOCK_US: f64 = 64.0 / 48_000.0 * 1e6;

/// A Cortex-A72 decodes three instructions in a cycle: it cannot be faster.
const MOST_PER_CYCLE: f64 = 3.0;

/// Assumed, not measured: code that runs from the caches does not do less in a cycle on the whole.
const LEAST_PER_CYCLE: f64 = 1.0;

/// Assumed, not measured: weights come from the Pi's memory no slower, bytes in a µs.
const LEAST_BYTES_PER_US: f64 = 4000.0;

/// What is counted.
struct Work {
    title: &'static str,
    arguments: &'static [&'static str],
    /// Which of the counts the row has.
    of: Of,
    /// The model whose weights it may have to fetch.
    weights_of: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Of {
    Median,
    Greatest,
}

const fn callback(
    title: &'static str,
    arguments: &'static [&'static str],
    of: Of,
    weights_of: Option<&'static str>,
) -> Work {
    Work {
        title,
        arguments,
        of,
        weights_of,
    }
}

const C_SILENCE: &[&str] = &["callback", "--model", "c", "--no-second", "--silence"];
const C_NOTES: &[&str] = &["callback", "--model", "c", "--no-second"];
const TOCCO_SILENCE: &[&str] = &["callback", "--model", "tocco", "--silence"];
const TOCCO_FIRST: &[&str] = &["callback", "--model", "tocco", "--no-second"];
const TOCCO_BOTH: &[&str] = &["callback", "--model", "tocco"];
const TOCCO_BODY: &[&str] = &["callback", "--model", "tocco", "--body"];
const TOCCO_OUTPUTS: &[&str] = &["callback", "--model", "tocco", "--outputs"];
const TOCCO_ALL: &[&str] = &["callback", "--model", "tocco", "--body", "--outputs"];

const WORK: [Work; 15] = [
    callback("callback without a note, `c`", C_SILENCE, Of::Median, None),
    callback(
        "callback, dearest of all, `c`: features and the network inline",
        C_NOTES,
        Of::Greatest,
        Some("c"),
    ),
    callback(
        "callback without a note, `tocco`",
        TOCCO_SILENCE,
        Of::Median,
        None,
    ),
    callback(
        "callback, dearest of all, `tocco`: features and the network inline",
        TOCCO_FIRST,
        Of::Greatest,
        Some("tocco"),
    ),
    callback(
        "callback, dearest of all, `tocco` with second decisions, their features in parts",
        TOCCO_BOTH,
        Of::Greatest,
        Some("tocco"),
    ),
    inference("network `c`", &["inference", "--model", "c"], "c"),
    inference(
        "network `b`, on the thread",
        &["inference", "--model", "b"],
        "b",
    ),
    inference(
        "network `a`, on the thread",
        &["inference", "--model", "a"],
        "a",
    ),
    inference(
        "network `tocco`",
        &["inference", "--model", "tocco"],
        "tocco",
    ),
    inference(
        "network `tocco-late`, on the thread",
        &["inference", "--model", "tocco-late"],
        "tocco-late",
    ),
    callback(
        "callback with notes, typical, `tocco` with second decisions",
        TOCCO_BOTH,
        Of::Median,
        None,
    ),
    callback(
        "the same with *Body* on for every technique",
        TOCCO_BODY,
        Of::Median,
        None,
    ),
    callback(
        "the same with *Voices* in 8 outputs, stereo",
        TOCCO_OUTPUTS,
        Of::Median,
        None,
    ),
    callback(
        "the same with *Body* and *Voices* in 8 outputs, stereo",
        TOCCO_ALL,
        Of::Median,
        None,
    ),
    callback(
        "callback, dearest of all, with *Body* and *Voices* in 8 outputs, stereo",
        TOCCO_ALL,
        Of::Greatest,
        Some("tocco"),
    ),
];

const fn inference(
    title: &'static str,
    arguments: &'static [&'static str],
    model: &'static str,
) -> Work {
    callback(title, arguments, Of::Greatest, Some(model))
}

/// What the counted program says.
#[derive(Deserialize)]
struct Said {
    weight_bytes: u64,
}

/// A row of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    instructions: u64,
    weight_bytes: u64,
    /// By clock.
    bounds: Vec<Bounds>,
}

/// The least and the most time that it can take.
#[derive(Debug, Serialize)]
struct Bounds {
    clock_mhz: f64,
    at_least_us: f64,
    at_most_us: f64,
}

/// Counts, and prints the table or writes it into a file named from the folder `here`.
///
/// # Errors
/// If something cannot be built or emulated, or the file has no place for the table.
pub fn run(arguments: &InstructionArguments, here: &Path) -> Result<()> {
    let path = arguments.write.as_ref().map(|path| here.join(path));
    // What would fail at the end fails before the long work.
    if let Some(path) = &path {
        with_table(path, "")?;
    }
    programs::need(&[cross::counter(&arguments.target)?], "qemu-user")?;
    let cross = Cross::set_up_to_run(&arguments.target)?;
    bundle::for_machine(&cross)?;
    cross.build(&["instructions"])?;
    cargo::call(
        "building what counts",
        &["build", "--quiet", "--release", "--package", "tocco-count"],
    )?;

    let mut rows = Vec::new();
    let mut counted: Vec<(&[&str], Vec<u64>)> = Vec::new();
    let mut weights: Vec<(&str, u64)> = Vec::new();
    for work in &WORK {
        let known = counted
            .iter()
            .position(|(arguments, _)| *arguments == work.arguments);
        let index = match known {
            Some(index) => index,
            None => {
                let (counts, said) = count(&cross, work.arguments)?;
                counted.push((work.arguments, counts));
                weights.push((work.arguments[2], said.weight_bytes));
                counted.len() - 1
            }
        };
        let counts = &counted[index].1;
        let instructions = match work.of {
            Of::Median => counts[counts.len() / 2],
            Of::Greatest => counts[counts.len() - 1],
        };
        let bytes_of = |model| weights.iter().find(|(name, _)| *name == model);
        let weight_bytes = work
            .weights_of
            .and_then(bytes_of)
            .map_or(0, |found| found.1);
        rows.push(Row::new(work.title, instructions, weight_bytes));
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let table = table(&rows);
    match &path {
        None => print!("{table}"),
        Some(path) => {
            fs::write(path, with_table(path, &table)?)
                .with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// The text of a file with `table` in its place.
fn with_table(path: &Path, table: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    replaced(&text, table).with_context(|| path.display().to_string())
}

/// Instructions between each pair of marks, in order of size.
fn count(cross: &Cross, arguments: &[&str]) -> Result<(Vec<u64>, Said)> {
    eprintln!("xtask: counting {}", arguments.join(" "));
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let out = folder.path().join("marks");
    let plugin = cargo::target_folder()?.join("release/libtocco_count.so");
    let output = cross
        .counted(&cross.program("instructions"), &plugin, &out)?
        .args(arguments)
        .output()
        .context("qemu-aarch64 cannot be started: apt-get install qemu-user")?;
    ensure!(
        output.status.success(),
        "instructions {} failed ({}): {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let said = serde_json::from_slice(&output.stdout)?;
    let marks = fs::read_to_string(&out).context("the emulator counted nothing")?;
    Ok((between(&marks)?, said))
}

/// The differences of each pair of lines `thread count`, in order of size.
fn between(marks: &str) -> Result<Vec<u64>> {
    let mut counts = Vec::new();
    for line in marks.lines() {
        let (thread, count) = line.split_once(' ').context("a mark without a count")?;
        counts.push((thread, count.parse::<u64>()?));
    }
    let mut differences = Vec::new();
    for pair in counts.chunks(2) {
        let [(from, before), (to, after)] = pair else {
            anyhow::bail!("a mark without the other one");
        };
        ensure!(from == to, "the marks are of two threads");
        differences.push(after - before);
    }
    ensure!(!differences.is_empty(), "no mark was seen");
    differences.sort_unstable();
    Ok(differences)
}

impl Row {
    fn new(what: &'static str, instructions: u64, weight_bytes: u64) -> Self {
        let of_clock = |clock_mhz: f64| Bounds {
            clock_mhz,
            at_least_us: instructions as f64 / MOST_PER_CYCLE / clock_mhz,
            at_most_us: instructions as f64 / LEAST_PER_CYCLE / clock_mhz
                + weight_bytes as f64 / LEAST_BYTES_PER_US,
        };
        Self {
            what,
            instructions,
            weight_bytes,
            bounds: Vec::from(CLOCKS_MHZ.map(of_clock)),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | instructions | weights, kB |");
    for clock in CLOCKS_MHZ {
        let _ = write!(text, " at {:.1} GHz, µs | of a block |", clock / 1000.0);
    }
    text.push_str("\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for row in rows {
        let kilobytes = row.weight_bytes as f64 / 1000.0;
        let _ = write!(
            text,
            "| {} | {} | {kilobytes:.0} |",
            row.what, row.instructions
        );
        for bounds in &row.bounds {
            let (least, most) = (bounds.at_least_us, bounds.at_most_us);
            let share = most / BLOCK_US * 100.0;
            let _ = write!(text, " {least:.0} to {most:.0} | {share:.0} % |");
        }
        text.push('\n');
    }
    text
}

/// `text` with `table` between its marks.
fn replaced(text: &str, table: &str) -> Result<String> {
    let parts = || {
        let (before, rest) = text.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    };
    let (before, after) =
        parts().with_context(|| format!("expected a line {BEGIN} and one {END}"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_in_pairs() {
        assert_eq!(between("0 10\n0 25\n0 30\n0 32\n").unwrap(), [2, 15]);
        between("0 10\n").unwrap_err();
        between("0 10\n1 12\n").unwrap_err();
        between("").unwrap_err();
    }

    // 1.2 million instructions at 1,200 MHz: a millisecond at one a cycle, a third at three.
    #[test]
    fn bounds_are_instructions_by_cycles_and_weights_by_memory() {
        let row = Row::new("work", 1_200_000, 480_000);
        assert!((row.bounds[0].at_least_us - 1000.0 / 3.0).abs() < 1e-9);
        assert!((row.bounds[0].at_most_us - 1120.0).abs() < 1e-9);
        assert!((row.bounds[1].at_most_us - 920.0).abs() < 1e-9);
        assert!(table(&[row]).contains("| work | 1200000 | 480 | 333 to 1120 | 84 % |"));
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&text, "| new |\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n| new |\n{END}\nb\n"));
        replaced("a\n", "").unwrap_err();
    }
}
