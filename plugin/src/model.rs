//! Models ready to run: package, features and engine put together.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tocco_dsp::features::{FeatureError, FeatureExtractor, Preset, UnknownPreset};
use tocco_dsp::{AnalyzerError, Extraction, HOP, OnsetMethod, SAMPLE_RATE, UnknownOnsetMethod};
use tocco_engines::{Classifier, EngineId, InferError, LoadError, ModelPackage};

use crate::classification::{MAX_CLASSES, ModelSerial};
use crate::classifier::worker::{self, WorkerConfig, WorkerError};
use crate::classifier::{Inline, Placement, Scheduling, Seat, Wake};
use crate::shipped;

/// Where a model's package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// Model A of the paper, built in.
    A,
    /// Model B of the paper, built in.
    B,
    /// Model C of the paper, built in.
    C,
    /// Our own model, built in.
    Tocco,
    /// The same with more time, built in.
    ToccoLate,
    /// The package in this folder.
    Folder(PathBuf),
}

impl ModelSource {
    /// Reads the package. Allocates.
    ///
    /// # Errors
    /// When no folder is named, or the package is missing or malformed.
    pub fn package(&self) -> Result<ModelPackage, ModelError> {
        Ok(match self {
            Self::A => shipped::A.package()?,
            Self::B => shipped::B.package()?,
            Self::C => shipped::C.package()?,
            Self::Tocco => shipped::TOCCO.package()?,
            Self::ToccoLate => shipped::TOCCO_LATE.package()?,
            Self::Folder(folder) if folder.as_os_str().is_empty() => {
                return Err(ModelError::NoFolder);
            }
            Self::Folder(folder) => ModelPackage::load(folder)?,
        })
    }
}

/// A model and the engine that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The model.
    pub model: ModelSource,
    /// The engine.
    pub engine: EngineId,
}

/// Why a model cannot be used. The message is for the user, who sees it in the editor.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The user's own model was chosen without naming its folder.
    #[error("user model: no folder is set; enter the folder that holds its model.toml")]
    NoFolder,
    /// The package or the engine is missing or faulty.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The package wants features of an unknown kind.
    #[error("{package}/model.toml: input.{error}")]
    Preset {
        /// Where the package is.
        package: String,
        /// What is wrong.
        error: UnknownPreset,
    },
    /// The package wants onsets to be found in an unknown way.
    #[error("{package}/model.toml: input.{error}")]
    OnsetMethod {
        /// Where the package is.
        package: String,
        /// What is wrong.
        error: UnknownOnsetMethod,
    },
    /// The package wants features there are not.
    #[error("{package}/model.toml: input.{error}")]
    Features {
        /// Where the package is.
        package: String,
        /// What is wrong.
        error: FeatureError,
    },
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
    /// The package's features cannot be taken as it wants.
    #[error("{package}/model.toml: input: {error}")]
    Extraction {
        /// Where the package is.
        package: String,
        /// What is wrong.
        error: AnalyzerError,
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
    /// The package's id.
    pub id: String,
    /// The package's title.
    pub title: String,
    /// Names of the classes, `[n_classes]`.
    pub labels: Vec<String>,
    /// Whether it is calibrated to the player.
    pub calibrated: bool,
    /// The engine.
    pub engine: EngineId,
    /// Where it runs.
    pub placement: Placement,
    /// What priority its thread got, if it has one.
    pub scheduling: Option<Scheduling>,
}

impl fmt::Display for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calibrated = if self.calibrated { " (calibrated)" } else { "" };
        write!(f, "{}{calibrated}, engine {}, ", self.title, self.engine)?;
        match &self.scheduling {
            None => f.write_str("on the audio thread"),
            Some(scheduling) => write!(f, "on a thread of its own, {scheduling}"),
        }
    }
}

/// A model that can take its place in the pipeline between two notes.
pub struct LoadedModel {
    /// Number of the load.
    pub serial: ModelSerial,
    /// Its features; absent while they are in the analyzer.
    pub extraction: Option<Box<Extraction>>,
    /// How many classes it has, 1 to [`MAX_CLASSES`].
    pub n_classes: usize,
    /// Its network.
    pub seat: Seat,
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
    /// How long after its onset the classifier thread expects a note that takes `wait` hops: the
    /// wait, the rest of the block it falls into, and the unevenness of a host's callbacks.
    fn patience(&self, wait: usize) -> Duration {
        let wait = Duration::from_secs_f64((wait * HOP) as f64 / f64::from(SAMPLE_RATE));
        if self.block >= NO_HURRY || wait >= LATE {
            return Duration::ZERO;
        }
        wait + self.block + Duration::from_millis(2)
    }
}

impl LoadedModel {
    /// Loads the selected model into the selected engine and primes it, on its own thread if it
    /// gets one. Allocates, reads files, starts threads: for the service thread.
    ///
    /// # Errors
    /// When anything is missing or wrong.
    pub fn load(
        selection: &Selection,
        serial: ModelSerial,
        config: RunConfig,
    ) -> Result<(Box<Self>, ModelInfo), ModelError> {
        Self::new(
            &selection.model.package()?,
            selection.engine,
            serial,
            config,
        )
    }

    /// As [`load`](Self::load), from a package that is there.
    ///
    /// # Errors
    /// When anything is missing or wrong.
    pub fn new(
        package: &ModelPackage,
        engine: EngineId,
        serial: ModelSerial,
        config: RunConfig,
    ) -> Result<(Box<Self>, ModelInfo), ModelError> {
        let manifest = &package.manifest;
        let place = || package.source.clone();
        let n_classes = manifest.labels.len();
        if !(1..=MAX_CLASSES).contains(&n_classes) {
            return Err(ModelError::Classes {
                package: place(),
                found: n_classes,
            });
        }
        let preset: Preset = manifest
            .input
            .preset
            .parse()
            .map_err(|error| ModelError::Preset {
                package: place(),
                error,
            })?;
        let extractor =
            FeatureExtractor::new(preset, &manifest.input.features).map_err(|error| {
                ModelError::Features {
                    package: place(),
                    error,
                }
            })?;
        let method: OnsetMethod =
            (manifest.input.onset.parse()).map_err(|error| ModelError::OnsetMethod {
                package: place(),
                error,
            })?;
        let wait = manifest.input.post_onset_hops as usize;
        let extraction =
            Extraction::new(method, extractor, wait).map_err(|error| ModelError::Extraction {
                package: place(),
                error,
            })?;
        let mut classifier = Classifier::new(package, engine)?;
        let placement = Placement::of(engine, classifier.weight_bytes(), config.offline);
        let (seat, scheduling) = match placement {
            Placement::Inline => {
                classifier.prime()?;
                (Seat::Inline(Inline::new(classifier)), None)
            }
            Placement::Thread => {
                let (remote, scheduling) = worker::start(
                    classifier,
                    WorkerConfig {
                        wake: config.wake,
                        patience: config.patience(wait),
                    },
                )?;
                (Seat::Thread(remote), Some(scheduling))
            }
        };
        let info = ModelInfo {
            serial,
            id: manifest.id.clone(),
            title: manifest.title.clone(),
            labels: manifest.labels.clone(),
            calibrated: false,
            engine,
            placement,
            scheduling,
        };
        let model = Self {
            serial,
            extraction: Some(Box::new(extraction)),
            n_classes,
            seat,
        };
        Ok((Box::new(model), info))
    }
    /// Notes that its classifier thread has not answered yet. Real-time safe.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        match &self.seat {
            Seat::Inline(_) => 0,
            Seat::Thread(remote) => remote.under_way() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classifier_thread_spins_only_for_notes_that_are_due_soon() {
        let config = |block_ms| RunConfig {
            offline: false,
            wake: Wake::Armed,
            block: Duration::from_millis(block_ms),
        };
        // The paper's networks wait 5 hops, 6.7 ms, Tocco 7, Tocco late 112.
        for wait in [5, 7] {
            assert!(
                config(1).patience(wait) >= Duration::from_millis(8),
                "{wait}"
            );
        }
        assert_eq!(config(1).patience(112), Duration::ZERO);
        assert_eq!(config(10).patience(5), Duration::ZERO);
    }
}
