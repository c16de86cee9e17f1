//! What the engines do that a real-time thread must not, in the first inference and in later ones.

use anyhow::{Result, anyhow};
use serde::Serialize;
use tocco_engines::{Classifier, EngineId, ModelPackage};

use super::watch::{Findings, Watch};
use crate::plugin_host::model_folder;

/// Inferences after the first one that are watched.
const LATER_RUNS: u32 = 1000;

/// The findings for one engine and network.
#[derive(Debug, Serialize)]
pub struct EngineFindings {
    /// Name of the engine.
    pub engine: &'static str,
    /// Id of the model package.
    pub model: String,
    /// In the first inference after loading, without priming.
    pub first: Findings,
    /// In all later ones together.
    pub later: Findings,
    /// How many later ones there were.
    pub later_runs: u32,
    /// Where the calls came from, if asked for.
    #[serde(skip)]
    pub traces: Vec<(String, Vec<String>)>,
}

/// An engine that is not on this machine, or cannot run a network.
#[derive(Debug, Serialize)]
pub struct AbsentEngine {
    /// Name of the engine.
    pub engine: &'static str,
    /// Id of the model package.
    pub model: String,
    /// Why, and what to do about it.
    pub reason: String,
}

/// Watches one engine run one network, on a thread of its own.
///
/// # Errors
/// If the thread cannot be watched. An engine that does not load is no error of the audit.
pub fn audit(
    engine: EngineId,
    model: &str,
    keep_traces: bool,
) -> Result<Result<EngineFindings, AbsentEngine>> {
    let absent = |reason: String| AbsentEngine {
        engine: engine.name(),
        model: model.to_owned(),
        reason,
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> Result<_> {
            let loaded = ModelPackage::load(model_folder(model))
                .and_then(|package| Classifier::new(&package, engine));
            let mut classifier = match loaded {
                Ok(classifier) => classifier,
                Err(error) => return Ok(Err(absent(error.to_string()))),
            };
            let mut features = vec![0.0; classifier.n_features()];
            let mut probabilities = vec![0.0; classifier.n_classes()];
            // What counts is the thread's own doing in an inference, not its first touch of these.
            probabilities.fill(1.0);
            let mut watch = Watch::this_thread(keep_traces)?;
            let mut failure = None;
            let mut infer = |features: &[f32]| {
                if let Err(error) = classifier.classify(features, &mut probabilities) {
                    failure = Some(error);
                }
            };
            watch.during_with_page_faults(|| infer(&features));
            let first = watch.take();
            for run in 0..LATER_RUNS {
                for (index, feature) in features.iter_mut().enumerate() {
                    *feature = ((run as f32 + 1.0) * (index as f32 + 0.5)).sin();
                }
                watch.during_with_page_faults(|| infer(&features));
            }
            let later = watch.take();
            if let Some(error) = failure {
                return Ok(Err(absent(error.to_string())));
            }
            Ok(Ok(EngineFindings {
                engine: engine.name(),
                model: model.to_owned(),
                first,
                later,
                later_runs: LATER_RUNS,
                traces: if keep_traces {
                    watch.traces()
                } else {
                    Vec::new()
                },
            }))
        });
        let panicked = |_| anyhow!("the thread that ran {engine} has panicked");
        thread.join().map_err(panicked)?
    })
}
