//! What the parts found, put together under the paper's numbers.

mod beyond;
mod execution;
mod footprints;
mod noise;
mod safety;
mod use_of_engines;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tocco_bench::inference::report as inference;
use tocco_engines::EngineId;

use crate::budget::Budget;
use crate::compare::{self, Change, Measure, Old};
use crate::conditions::Conditions;
use crate::document::Document;
use crate::figures::short;
use crate::footprint::{Footprint, MODELS};
use crate::networks::Networks;
use crate::paper;
use crate::part::Part;
use crate::rows::Row;
use crate::runner::{Findings, duration};

/// Everything that is reported.
pub struct Report<'a> {
    /// How much was measured.
    pub budget: Budget,
    /// Machine, revision and engines.
    pub conditions: &'a Conditions,
    /// What the parts found.
    pub findings: &'a Findings,
    /// Times that were measured elsewhere.
    pub rows: Vec<Row>,
    /// An older report.
    pub old: Option<Old>,
}

/// What stands in a cell of an engine that is not here.
const NOT_INSTALLED: &str = "not installed";

/// What stands where a part has failed, or an engine with a network.
const FAILED: &str = "failed";

impl Report<'_> {
    /// The document.
    ///
    /// # Errors
    /// When a part found something unexpected, or a drawing fails.
    pub fn document(&self) -> Result<Document> {
        let mut document = Document::default();
        self.title(&mut document);
        self.changes(&mut document);
        self.table_1(&mut document);
        self.safety(&mut document);
        self.execution_times(&mut document)?;
        self.resources(&mut document);
        self.footprints(&mut document)?;
        self.operations(&mut document)?;
        self.ease(&mut document);
        self.beyond(&mut document)?;
        self.noise(&mut document);
        self.made(&mut document);
        Ok(document)
    }

    /// The JSON document.
    ///
    /// # Errors
    /// Never in practice.
    pub fn json(&self) -> Result<Value> {
        Ok(json!({
            "budget": self.budget.name(),
            "conditions": self.conditions,
            "command": command_line(),
            "parts": self.findings,
            "rows": self.rows,
            "noise": self.noisy(),
            "measures": self.measures(),
            "changes": (self.old.as_ref())
                .map(|old| compare::changes(&old.measures, &self.measures())),
            "differences": self.old.as_ref().map(|old| self.differences(old)),
        }))
    }

    fn title(&self, document: &mut Document) {
        document.heading(1, "Inference engines for real-time audio, compared again");
        document.text(format!(
            "The comparison of {}, made again by one command on another machine with the engines of \
             today. Every number is measured or counted by that command, except where it says \
             \"{}\" or that it is quoted.",
            paper::SOURCE,
            paper::MACHINE
        ));
        let machine = &self.conditions.machine;
        let versions = self.conditions.versions();
        let versions = versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        let dates = self.findings.values().map(|found| found.date.as_str());
        let (first, last) = (dates.clone().min(), dates.max());
        document.list(vec![
            format!("Processor: {}, {} cores", machine.processor, machine.cores),
            format!(
                "Kernel: {}; governor of the frequency: {}",
                machine.kernel, machine.governor
            ),
            format!("Engines: {}", versions.collect::<Vec<_>>().join("; ")),
            format!("Tocco: revision {}", self.conditions.revision),
            format!(
                "Measured: {} to {} UTC by `{}` (budget: {})",
                first.unwrap_or("-"),
                last.unwrap_or("-"),
                command_line(),
                self.budget.name()
            ),
        ]);
        document.text(self.verdict());
    }

    fn changes(&self, document: &mut Document) {
        let Some(old) = &self.old else {
            return;
        };
        let changes = compare::changes(&old.measures, &self.measures());
        let (real, noise): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.is_real());
        document.heading(2, "What has changed");
        document.text(format!(
            "Against the older report {} numbers have changed by more than the noise, {} have not. \
             Noise: the larger difference between the halves of either run, at least 2 % of a time.",
            real.len(),
            noise.len()
        ));
        let differences = self.differences(old);
        if !differences.is_empty() {
            document.text(
                "The older report was not made like this one. A change may come from that, and not from \
                 Tocco:",
            );
            document.list(differences);
        }
        let number = |n: Option<f64>| n.map_or_else(|| "not there".to_owned(), short);
        let rows = real.iter().map(|change| {
            vec![
                change.name.clone(),
                number(change.old),
                number(change.new),
                change.unit.clone(),
                change
                    .share()
                    .map_or_else(String::new, |share| format!("{:+.1} %", 100.0 * share)),
                format!("{:.1} %", 100.0 * change.noise),
            ]
        });
        document.table(
            "What has changed by more than the noise",
            &["what", "old", "new", "unit", "change", "noise"],
            rows.collect(),
        );
    }

    /// How `old` was made otherwise than this report, in words.
    fn differences(&self, old: &Old) -> Vec<String> {
        let mut differences = self.conditions.differences(&old.conditions);
        if old.budget != self.budget.name() {
            let (then, now) = (&old.budget, self.budget.name());
            differences.push(format!("budget: {then} then, {now} now"));
        }
        differences
    }

    fn table_1(&self, document: &mut Document) {
        document.heading(2, "Combinations (table 1)");
        let inference = self.data::<inference::Report>(Part::Execution);
        let rows = MODELS.map(|model| {
            let ours = EngineId::ALL.map(|id| {
                let measured = inference.as_ref().is_ok_and(|found| {
                    let same =
                        |one: &&inference::Inference| one.model == model && one.engine == id.name();
                    found.inference.iter().any(|one| same(&one))
                });
                let inline = self.is_inline(id, model);
                match (measured, inline) {
                    (true, Some(true)) => "yes, audio thread".to_owned(),
                    (true, _) => "yes".to_owned(),
                    (false, _) => self.absent(id).to_owned(),
                }
            });
            let mut row = vec![model.to_uppercase()];
            row.extend(ours);
            row
        });
        document.table(
            "Table 1: combinations of networks and engines that were measured here; \"audio thread\": \
             the plugin runs them in its callback",
            &["model", "native", "native-fixed", "onnx", "litert", "torch"],
            rows.to_vec(),
        );
        let rows = paper::COMBINATIONS.map(|(model, cells)| {
            let mut row = vec![model.to_owned()];
            row.extend(cells.map(str::to_owned));
            row
        });
        let mut columns = vec!["model"];
        columns.extend(paper::ENGINES);
        document.table(
            format!("Table 1 of the paper ({})", paper::MACHINE),
            &columns,
            rows.to_vec(),
        );
        document.text(
            "RTNeural is in no package registry and is not built here. `native` reads its model files \
             and stands for it in operations and accuracy; `native-fixed`, with sizes known at compile \
             time, for its compile-time mode. RTNeural's own times are quoted below.",
        );
    }

    fn made(&self, document: &mut Document) {
        document.heading(2, "How each part was made");
        let rows = Part::ALL.into_iter().filter_map(|part| {
            let found = self.findings.get(part.name())?;
            Some(vec![
                part.name().to_owned(),
                format!("`{}`", found.command),
                found.date.clone(),
                duration(found.seconds),
                found.failure.clone().unwrap_or_else(|| "done".to_owned()),
            ])
        });
        document.table(
            "The parts, each a command of its own",
            &["part", "command", "date, UTC", "took", "state"],
            rows.collect(),
        );
    }

    /// What a part found.
    fn data<T: DeserializeOwned>(&self, part: Part) -> Result<T> {
        let found = self
            .findings
            .get(part.name())
            .with_context(|| format!("{}: not measured", part.name()))?;
        serde_json::from_value(found.data.clone())
            .with_context(|| format!("{}: not as expected", part.name()))
    }

    /// What stands in a cell of this engine where there is no number.
    fn absent(&self, id: EngineId) -> &'static str {
        if self.conditions.has(id) {
            FAILED
        } else {
            NOT_INSTALLED
        }
    }

    /// Every number that two reports can be compared by.
    fn measures(&self) -> Vec<Measure> {
        let mut measures = Vec::new();
        let mut add = |name: String, value: f64, unit: &str, halves: Option<[f64; 2]>| {
            measures.push(Measure {
                name,
                value,
                unit: unit.to_owned(),
                noise: halves.map(noise::of_halves),
            });
        };
        for part in [Part::Execution, Part::Defaults] {
            let Ok(found) = self.data::<inference::Report>(part) else {
                continue;
            };
            for one in &found.inference {
                let name = format!(
                    "{}: {}, {}, {}",
                    part.name(),
                    one.engine,
                    one.model,
                    one.weights
                );
                let (warm, cold) = (&one.warm_us, &one.cold_us);
                add(
                    format!("{name}, warm"),
                    warm.median,
                    "µs",
                    Some(warm.halves),
                );
                add(
                    format!("{name}, cold"),
                    cold.median,
                    "µs",
                    Some(cold.halves),
                );
            }
        }
        for run in self.deployed().iter().flat_map(|found| &found.runs) {
            let name = format!("deployment: {}, {}", run.engine, run.model);
            let inference = &run.inference_us;
            add(
                format!("{name}, inference"),
                inference.median,
                "µs",
                Some(inference.halves),
            );
            add(format!("{name}, lost"), run.lost as f64, "results", None);
        }
        if let Ok(found) = self.data::<Footprint>(Part::Footprint) {
            for file in &found.models {
                add(
                    format!("model: {}, {}", file.format, file.model),
                    file.bytes as f64,
                    "bytes",
                    None,
                );
            }
            for library in &found.libraries {
                if let Some(bytes) = library.bytes() {
                    let name = format!("library: {}, {}", library.engine, library.architecture);
                    add(name, bytes as f64, "bytes", None);
                }
            }
        }
        for engine in self.audited().iter().flat_map(|found| &found.engines) {
            let calls = engine.later.sum() as f64 / f64::from(engine.later_runs.max(1));
            let name = format!(
                "audit: {}, {}, calls in an inference",
                engine.engine, engine.model
            );
            add(name, calls, "calls", None);
        }
        if let Ok(found) = self.data::<Networks>(Part::Networks) {
            for row in &found.rows {
                let name = format!("network: {}, {}, {}", row.engine, row.network, row.weights);
                add(name, row.step_ns.median, "ns", Some(row.step_ns.halves));
            }
        }
        measures
    }
}

/// The command as it was typed.
fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo xtask bench report {}", arguments.join(" "))
        .trim_end()
        .to_owned()
}

/// Bytes as MiB.
fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// Reasons, each once, with those it holds for.
fn reasons<'a>(reasons: impl Iterator<Item = (String, &'a str)>) -> Vec<String> {
    let mut grouped: Vec<(Vec<String>, &str)> = Vec::new();
    for (who, reason) in reasons {
        match grouped.iter_mut().find(|group| group.1 == reason) {
            Some(group) => group.0.push(who),
            None => grouped.push((vec![who], reason)),
        }
    }
    let line = |(who, reason): (Vec<String>, &str)| format!("{}: {reason}", who.join(", "));
    grouped.into_iter().map(line).collect()
}
