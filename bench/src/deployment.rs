//! The paper's deployment test (sections 3.4 and 4.2): notes streamed in real time through the
//! plugin, for each engine and network, with our classifier thread and with the paper's.

pub mod report;
pub mod run;

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tocco_engines::{Classifier, EngineId, ModelPackage};

use crate::plugin_host::model_folder;
use run::RunFindings;

/// What is to be measured: every combination of these.
pub struct Deployment {
    /// The notes.
    pub playing: Playing,
    /// Engines.
    pub engines: Vec<EngineId>,
    /// Ids of the model packages.
    pub models: Vec<String>,
    /// Ways of waking the classifier thread, as in `TOCCO_WAKE`.
    pub wakes: Vec<String>,
    /// Whether every processor core is kept busy by another process meanwhile.
    pub overload: bool,
    /// The core that only the audio thread runs on; all other threads share another one.
    pub isolated_core: Option<usize>,
}

/// The notes of a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Playing {
    /// How many.
    pub notes: usize,
    /// Milliseconds from one to the next, as they are played.
    pub spacing_ms: f64,
}

impl Playing {
    /// So many `notes`, apart by the whole blocks that are in `asked_ms` and a third of one: none then lies at
    /// the same place in its block as the one before.
    pub fn new(notes: usize, asked_ms: f64) -> Self {
        let block_ms = run::BLOCK_US / 1000.0;
        // A whole number of blocks may come out a little short.
        let blocks = (asked_ms / block_ms + 1e-9).floor();
        Self {
            notes,
            spacing_ms: (blocks + 1.0 / 3.0) * block_ms,
        }
    }

    /// Seconds of sound.
    pub fn duration_s(self) -> f64 {
        run::LEAD_S + self.notes as f64 * self.spacing_ms / 1000.0 + run::TAIL_S
    }
}

/// An engine that could not be measured here.
#[derive(Debug, Serialize)]
pub struct Absent {
    /// Name of the engine.
    pub engine: &'static str,
    /// Id of the model package.
    pub model: String,
    /// Why, and what to do about it.
    pub reason: String,
}

/// One run that is to be made.
struct Planned<'a> {
    engine: EngineId,
    model: &'a str,
    wake: &'a str,
}

impl Deployment {
    /// Runs every combination in a process of its own, so that processor time and memory are its
    /// own too. `on_run` is called after each.
    ///
    /// # Errors
    /// If a run cannot be made.
    pub fn run(
        &self,
        mut on_run: impl FnMut(&RunFindings),
    ) -> Result<(Vec<RunFindings>, Vec<Absent>)> {
        let _busy = if self.overload {
            Busy::every_core()?
        } else {
            Busy(Vec::new())
        };
        let (planned, absent) = self.plan();
        let mut findings: Vec<RunFindings> = Vec::new();
        for (index, run) in planned.iter().enumerate() {
            let Planned {
                engine,
                model,
                wake,
            } = run;
            let inline_already = findings
                .iter()
                .any(|done| done.is_inline && done.engine == engine.name() && done.model == *model);
            if inline_already {
                continue; // There is no thread to wake.
            }
            eprintln!(
                "deployment: run {} of {}: {engine} with {model}, {wake}, {:.0} s",
                index + 1,
                planned.len(),
                self.playing.duration_s()
            );
            let found = single(run, self.playing, self.isolated_core)?;
            on_run(&found);
            findings.push(found);
        }
        Ok((findings, absent))
    }

    /// The runs, the ways of waking in turn first, so that what changes slowly on the machine
    /// meets each of them.
    fn plan(&self) -> (Vec<Planned<'_>>, Vec<Absent>) {
        let (mut planned, mut absent) = (Vec::new(), Vec::new());
        for engine in &self.engines {
            for model in &self.models {
                let loaded = ModelPackage::load(model_folder(model))
                    .and_then(|package| Classifier::new(&package, *engine));
                if let Err(error) = loaded {
                    absent.push(Absent {
                        engine: engine.name(),
                        model: model.clone(),
                        reason: error.to_string(),
                    });
                    continue;
                }
                let run = |wake| Planned {
                    engine: *engine,
                    model,
                    wake,
                };
                let wakes = self.wakes.iter().map(String::as_str);
                let combination = planned.len() / self.wakes.len().max(1);
                if combination.is_multiple_of(2) {
                    planned.extend(wakes.map(run));
                } else {
                    planned.extend(wakes.rev().map(run));
                }
            }
        }
        (planned, absent)
    }
}

/// One combination, in a process of its own.
fn single(run: &Planned, playing: Playing, isolated_core: Option<usize>) -> Result<RunFindings> {
    let Planned {
        engine,
        model,
        wake,
    } = run;
    let (notes, spacing_ms) = (playing.notes.to_string(), playing.spacing_ms.to_string());
    let output = Command::new(std::env::current_exe()?)
        .args(["single", engine.name(), model, wake, &notes, &spacing_ms])
        .args(isolated_core.map(|core| core.to_string()))
        .env("TOCCO_WAKE", wake)
        .stderr(Stdio::inherit())
        .output()
        .context("the measuring process cannot be started")?;
    ensure!(
        output.status.success(),
        "the measurement of {engine} with {model}, {wake}, failed"
    );
    serde_json::from_slice(&output.stdout).context("the measuring process prints no findings")
}

/// A busy process for every core, until this is dropped.
struct Busy(Vec<Child>);

impl Busy {
    fn every_core() -> Result<Self> {
        let mut busy = Self(Vec::new());
        for _ in 0..std::thread::available_parallelism()?.get() {
            let child = Command::new(std::env::current_exe()?)
                .arg("spin")
                // Closed when this process ends, however it does: that ends it.
                .stdin(Stdio::piped())
                .spawn()
                .context("a busy process cannot be started")?;
            busy.0.push(child);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // If it has ended already there is nothing left to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
