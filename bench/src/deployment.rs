//! The paper's deployment test (sections 3.4 and 4.2): notes streamed in real time through the
//! plugin, for each engine and network, with our classifier thread and with the paper's.

pub mod report;
pub mod run;

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tocco_engines::{Classifier, EngineId, ModelPackage};

use crate::plugin_host::model_folder;
use run::RunFindings;

/// What is to be measured: every combination of these.
pub struct Deployment {
    /// Notes to play.
    pub notes: usize,
    /// Engines.
    pub engines: Vec<EngineId>,
    /// Ids of the model packages.
    pub models: Vec<String>,
    /// Ways of waking the classifier thread, as in `TOCCO_WAKE`.
    pub wakes: Vec<String>,
    /// Whether every processor core is kept busy by another process meanwhile.
    pub loaded: bool,
}

/// An engine that could not be measured here.
#[derive(Debug, serde::Serialize)]
pub struct Absent {
    /// Name of the engine.
    pub engine: &'static str,
    /// Id of the model package.
    pub model: String,
    /// Why, and what to do about it.
    pub reason: String,
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
        let _busy = if self.loaded {
            Busy::every_core()?
        } else {
            Busy(Vec::new())
        };
        let (mut findings, mut absent) = (Vec::new(), Vec::new());
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
                for wake in &self.wakes {
                    let run = single(*engine, model, wake, self.notes)?;
                    let is_inline = run.is_inline;
                    on_run(&run);
                    findings.push(run);
                    if is_inline {
                        break; // There is no thread to wake.
                    }
                }
            }
        }
        Ok((findings, absent))
    }
}

/// One combination, in a process of its own.
fn single(engine: EngineId, model: &str, wake: &str, notes: usize) -> Result<RunFindings> {
    let output = Command::new(std::env::current_exe()?)
        .args(["single", engine.name(), model, wake, &notes.to_string()])
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
