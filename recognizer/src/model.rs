//! Models ready to run: package, features and engine put together.

use std::fmt;
use std::time::Duration;

use tocco_dsp::{Extraction, HOP, SAMPLE_RATE};
use tocco_engines::{Classifier, EngineId, InferError, LoadError, ModelPackage};

use crate::Decisions;
use crate::adaptation::Learner;
use crate::classification::{MAX_CLASSES, ModelSerial};
use crate::input::{self, InputError};
use crate::runner::worker::{self, WorkerConfig, WorkerError};
use crate::runner::{InlineRunner, Placement, Runner, Scheduling, Wake};

/// Why a model cannot be used. The message is for the user, who sees it in the editor.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The package or the engine is missing or faulty.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The package's input cannot be had.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The package has too many classes.
    #[error(
        "{package}/model.toml: labels: expected 1 to {MAX_CLASSES}, found {found}; the plugin has \
         a bar and a MIDI note for {MAX_CLASSES}"
    )]
    Classes {
        /// Where the package is.
        package: String,
        /// How many it has.
        found: usize,
    },
    /// The network's answers are no probabilities.
    #[error(
        "{package}: outputs of the network: expected probabilities of the labels, with a sum of 1, found \
         {found}; end the network with a softmax"
    )]
    Probabilities {
        /// Where the package is.
        package: String,
        /// What it gives.
        found: String,
    },
    /// The network remembers earlier notes in an engine that cannot begin anew.
    #[error(
        "{package}: the network answers the same note in two ways, one after the other, so it keeps a state, \
         and {engine} cannot begin anew with each stream; export it without, or run it by native"
    )]
    State {
        /// Where the package is.
        package: String,
        /// The engine.
        engine: EngineId,
    },
    /// The engine failed in its first inferences.
    #[error("the engine failed when it was primed: {0}; choose another engine")]
    Prime(#[from] InferError),
    /// The classifier thread is not to be had.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// What is known of a loaded model, for names in the editor and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Number of the load.
    pub serial: ModelSerial,
    /// Names of the classes, `[n_classes]`.
    pub labels: Vec<String>,
    /// Whether it is calibrated to the player.
    pub calibrated: bool,
    /// The engine.
    pub engine: EngineId,
    /// Its network and, if there is one, that which amends its answers.
    pub stages: Decisions<StageInfo>,
}

/// What is known of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInfo {
    /// The package's id.
    pub id: String,
    /// The package's title.
    pub title: String,
    /// Where it runs.
    pub placement: Placement,
    /// What priority its thread got, if it has one.
    pub scheduling: Option<Scheduling>,
}

impl ModelInfo {
    /// The id of the model's package.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.stages.first.id
    }

    /// The title of the model's package.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.stages.first.title
    }
}

impl fmt::Display for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |f: &mut fmt::Formatter<'_>, scheduling: &Option<Scheduling>| match scheduling {
            None => f.write_str("on the audio thread"),
            Some(scheduling) => write!(f, "on a thread of its own, {scheduling}"),
        };
        let calibrated = if self.calibrated { " (calibrated)" } else { "" };
        write!(f, "{}{calibrated}, engine {}, ", self.title(), self.engine)?;
        place(f, &self.stages.first.scheduling)?;
        if let Some(second) = &self.stages.second {
            write!(f, "; amended by {}, ", second.title)?;
            place(f, &second.scheduling)?;
        }
        Ok(())
    }
}

/// A model that can take its place in the pipeline between two notes.
pub struct LoadedModel {
    /// Number of the load.
    pub serial: ModelSerial,
    /// How many classes it has, 1 to [`MAX_CLASSES`]: both networks the same.
    pub n_classes: usize,
    /// Its network and, if there is one, that which amends its answers.
    pub stages: Decisions<Stage>,
}

/// One network, with what it hears and what it learns.
pub struct Stage {
    /// Its features.
    pub extraction: Extraction,
    /// Where it runs.
    pub runner: Runner,
    /// What it learns by listening, if it can; at first nothing.
    pub learner: Option<Learner>,
}

/// How a model is to be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunConfig {
    /// Whether the host renders offline: then everything runs inline.
    pub offline: bool,
    /// How the classifier thread is woken, if there is one.
    pub wake: Wake,
    /// The host's longest block.
    pub block: Duration,
}

/// From this block length on the classifier thread need not spin: its answers are due in the next
/// block, and a nap and an inference fit into one.
const NO_HURRY: Duration = Duration::from_millis(10);

/// A note that is described so long after its onset is late anyhow, and a nap more or less does not
/// matter; to spin until then would take a core.
const LATE: Duration = Duration::from_millis(40);

impl RunConfig {
    /// How long after its onset the classifier thread expects a note that takes `wait` hops at the
    /// most: the wait, the rest of the block it falls into, and the unevenness of a host's callbacks.
    fn patience(&self, wait: usize) -> Duration {
        let wait = Duration::from_secs_f64((wait * HOP) as f64 / f64::from(SAMPLE_RATE));
        if self.block >= NO_HURRY || wait >= LATE {
            return Duration::ZERO;
        }
        wait + self.block + Duration::from_millis(2)
    }
}

impl LoadedModel {
    /// Puts `package` into `engine` and primes it, on a thread of its own where it gets one; nothing
    /// amends its answers. Allocates, reads engine files, starts threads: not for the audio thread.
    ///
    /// # Errors
    /// When anything is missing or wrong.
    pub fn new(
        package: &ModelPackage,
        engine: EngineId,
        serial: ModelSerial,
        config: RunConfig,
    ) -> Result<(Box<Self>, ModelInfo), ModelError> {
        Self::with_second(package, None, engine, serial, config)
    }

    /// As [`new`](Self::new), with a package that amends its answers. That `second` fits `package` was
    /// checked: see [`ModelPackage::check_second`].
    ///
    /// # Errors
    /// When anything is missing or wrong.
    pub fn with_second(
        package: &ModelPackage,
        second: Option<&ModelPackage>,
        engine: EngineId,
        serial: ModelSerial,
        config: RunConfig,
    ) -> Result<(Box<Self>, ModelInfo), ModelError> {
        let (first, info, weight_bytes) = Stage::load(package, engine, config, 0)?;
        let second = second.map(|package| Stage::load(package, engine, config, weight_bytes));
        let (second, second_info) = match second.transpose()? {
            Some((stage, info, _)) => (Some(stage), Some(info)),
            None => (None, None),
        };
        let labels = package.manifest.labels.clone();
        let model = Self {
            serial,
            n_classes: labels.len(),
            stages: Decisions { first, second },
        };
        let info = ModelInfo {
            serial,
            labels,
            calibrated: false,
            engine,
            stages: Decisions {
                first: info,
                second: second_info,
            },
        };
        Ok((Box::new(model), info))
    }

    /// Notes that the classifier thread of its first network has not answered yet. Real-time safe.
    #[must_use]
    #[inline]
    pub fn under_way(&self) -> u64 {
        match &self.stages.first.runner {
            Runner::Inline(_) => 0,
            Runner::Thread(remote) => remote.under_way() as u64,
        }
    }
}

/// How far a sum of probabilities may be from 1: a network of integers rounds each.
const SUM_TOLERANCE: f32 = 0.05;

/// How far two answers to one note may be apart.
const REPEAT_TOLERANCE: f32 = 1e-4;

/// Checks that `classifier` gives probabilities, and the same ones again where nothing can be forgotten.
fn check_answers(
    classifier: &mut Classifier,
    package: &ModelPackage,
    engine: EngineId,
) -> Result<(), ModelError> {
    let mut answer = |feature: fn(usize) -> f32| -> Result<Vec<f32>, ModelError> {
        let features: Vec<f32> = (0..classifier.n_features()).map(feature).collect();
        let mut answer = vec![0.0; classifier.n_classes()];
        classifier.classify(&features, &mut answer)?;
        Ok(answer)
    };
    // What is no number counts as the mean of its feature.
    let found = answer(|_| f32::NAN)?;
    let range = -SUM_TOLERANCE..=1.0 + SUM_TOLERANCE;
    let sum = found.iter().sum::<f32>();
    if !found.iter().all(|p| range.contains(p)) || (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(ModelError::Probabilities {
            package: package.source.clone(),
            found: format!("{found:.3?} for features at their means"),
        });
    }
    if !matches!(engine, EngineId::Native | EngineId::NativeFixed) {
        // What another note leaves behind would show.
        answer(|i| if i.is_multiple_of(3) { 1.0 } else { -1.0 })?;
        let again = answer(|_| f32::NAN)?;
        let apart = found.iter().zip(&again).map(|(a, b)| (a - b).abs());
        if apart.fold(0.0, f32::max) > REPEAT_TOLERANCE {
            return Err(ModelError::State {
                package: package.source.clone(),
                engine,
            });
        }
    }
    classifier.reset();
    Ok(())
}

impl Stage {
    /// With what is known of it, and the bytes of its weights.
    ///
    /// `beside`: weights, bytes, of the network that may have to answer in the same callback.
    fn load(
        package: &ModelPackage,
        engine: EngineId,
        config: RunConfig,
        beside: usize,
    ) -> Result<(Self, StageInfo, usize), ModelError> {
        let manifest = &package.manifest;
        let n_classes = manifest.labels.len();
        if !(1..=MAX_CLASSES).contains(&n_classes) {
            return Err(ModelError::Classes {
                package: package.source.clone(),
                found: n_classes,
            });
        }
        let extraction = input::extraction(package)?;
        let wait = extraction.longest_wait_hops();
        let mut classifier = Classifier::new(package, engine)?;
        check_answers(&mut classifier, package, engine)?;
        let weight_bytes = classifier.weight_bytes();
        let (runner, scheduling) =
            match Placement::of(engine, beside + weight_bytes, config.offline) {
                Placement::Inline => {
                    classifier.prime()?;
                    (
                        Runner::Inline(Box::new(InlineRunner::new(classifier))),
                        None,
                    )
                }
                Placement::Thread => {
                    let (remote, scheduling) = worker::start(
                        classifier,
                        WorkerConfig {
                            wake: config.wake,
                            patience: config.patience(wait),
                        },
                    )?;
                    (Runner::Thread(remote), Some(scheduling))
                }
            };
        let info = StageInfo {
            id: manifest.id.clone(),
            title: manifest.title.clone(),
            placement: runner.placement(),
            scheduling,
        };
        let stage = Self {
            extraction,
            runner,
            // Of the package as it is: if it is calibrated, its class means are where the examples
            // moved them.
            learner: Learner::new(package)?,
        };
        Ok((stage, info, weight_bytes))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The package `id` of the repository.
    pub(crate) fn shipped(id: &str) -> ModelPackage {
        let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
        ModelPackage::load(format!("{models}/{id}")).unwrap()
    }

    #[test]
    fn the_classifier_thread_spins_only_for_notes_that_are_due_soon() {
        let config = |block_ms| RunConfig {
            offline: false,
            wake: Wake::Armed,
            block: Duration::from_millis(block_ms),
        };
        // The paper's networks wait 5 hops, 6.7 ms. Tocco waits 7 and Tocco-late 112 from the place of
        // the note, which may lie some hops after the first trace of it that armed the thread.
        for (id, least_ms) in [("c", 8), ("tocco", 20), ("tocco-sure", 27)] {
            let wait = input::extraction(&shipped(id)).unwrap().longest_wait_hops();
            let patience = config(1).patience(wait);
            assert!(
                patience >= Duration::from_millis(least_ms),
                "{id}: {patience:?}"
            );
            assert_eq!(config(10).patience(wait), Duration::ZERO);
        }
        let late = input::extraction(&shipped("tocco-late")).unwrap();
        assert_eq!(config(1).patience(late.longest_wait_hops()), Duration::ZERO);
    }

    #[test]
    fn a_second_network_may_be_inline_only_if_both_are_small_together() {
        let config = |offline| RunConfig {
            offline,
            wake: Wake::Armed,
            block: Duration::from_millis(1),
        };
        let [tocco, late] = ["tocco", "tocco-late"].map(shipped);
        let load = |second, config| {
            LoadedModel::with_second(&tocco, second, EngineId::Native, ModelSerial(0), config)
                .unwrap()
        };
        for (offline, second) in [(false, Placement::Thread), (true, Placement::Inline)] {
            let (model, info) = load(Some(&late), config(offline));
            assert_eq!(info.stages.first.placement, Placement::Inline);
            assert_eq!(info.stages.second.unwrap().placement, second);
            assert_eq!(model.stages.second.unwrap().runner.placement(), second);
        }
        let (model, info) = load(None, config(false));
        assert!(model.stages.second.is_none() && info.stages.second.is_none());
        // Tocco is small enough for the audio thread, Tocco twice is not.
        let (model, _) = load(Some(&tocco), config(false));
        assert_eq!(model.stages.first.runner.placement(), Placement::Inline);
        assert_eq!(
            model.stages.second.unwrap().runner.placement(),
            Placement::Thread
        );
    }

    /// Gives what it is asked for, and nothing else.
    struct Gives(Vec<f32>, f32);

    impl tocco_engines::Engine for Gives {
        fn name(&self) -> &'static str {
            "gives"
        }

        fn n_features(&self) -> usize {
            173
        }

        fn n_classes(&self) -> usize {
            self.0.len()
        }

        fn infer(&mut self, _: &[f32], outputs: &mut [f32]) -> Result<(), InferError> {
            outputs.copy_from_slice(&self.0);
            // It remembers that it was asked.
            self.0[0] += self.1;
            Ok(())
        }
    }

    #[test]
    fn a_network_without_a_softmax_or_with_a_state_that_stays_is_refused() {
        let package = shipped("c");
        let checked = |outputs: [f32; 8], grows, engine| {
            let gives = Box::new(Gives(outputs.to_vec(), grows));
            let mut classifier = Classifier::with_engine(&package, gives).unwrap();
            check_answers(&mut classifier, &package, engine).map_err(|error| error.to_string())
        };
        let even = [0.125; 8];
        assert_eq!(checked(even, 0.0, EngineId::Onnx), Ok(()));
        let logits = [3.1, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.1];
        for outputs in [logits, [0.5; 8], [0.0; 8]] {
            let error = checked(outputs, 0.0, EngineId::Native).unwrap_err();
            assert!(error.contains("end the network with a softmax"), "{error}");
        }
        let error = checked([f32::NAN; 8], 0.0, EngineId::Native).unwrap_err();
        assert!(error.contains("not finite"), "{error}");
        let error = checked(even, 0.001, EngineId::LiteRt).unwrap_err();
        assert!(error.contains("litert cannot begin anew"), "{error}");
        assert_eq!(checked(even, 0.001, EngineId::Native), Ok(()));
    }

    #[test]
    fn a_network_of_another_window_is_refused() {
        let mut package = shipped("tocco-late");
        // What Tocco-late heard before it left out what rang before the note.
        package.manifest.input.window = 7_424;
        let config = RunConfig {
            offline: true,
            wake: Wake::Armed,
            block: Duration::from_millis(1),
        };
        let loaded = LoadedModel::new(&package, EngineId::Native, ModelSerial(0), config);
        let Err(error) = loaded else {
            panic!("it was loaded");
        };
        let error = error.to_string();
        for part in ["model.toml: input.window", "7872", "log-bark-late", "7424"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
