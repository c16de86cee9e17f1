//! A model package brought to life by an engine.

use crate::native::{NativeEngine, NativeOptions};
use crate::native_fixed::NativeFixedEngine;
use crate::{Engine, EngineId, InferError, LoadError, ModelPackage, Scaler, WeightFormat, foreign};

/// Inferences that settle an engine's lazy allocations and warm the caches.
const PRIMING_RUNS: usize = 8;

/// Scaler, engine and labels of one model: raw features in, probabilities out.
pub struct Classifier {
    scaler: Scaler,
    engine: Box<dyn Engine>,
    /// Tells notes from what is none, if the package can. It is small, and always ours.
    rejection: Option<NativeEngine>,
    labels: Vec<String>,
    scaled: Vec<f32>,
}

impl Classifier {
    /// Loads `package` into the engine `id`. Our own engines store the weights as the package
    /// asks, or in [`WeightFormat::DEFAULT`].
    ///
    /// # Errors
    /// When the engine is not there or cannot run this package.
    pub fn new(package: &ModelPackage, id: EngineId) -> Result<Self, LoadError> {
        let chosen = package.manifest.network.weight_format;
        Self::with_weights(package, id, chosen.unwrap_or(WeightFormat::DEFAULT))
    }

    /// Loads `package` into the engine `id`. Our own engines store the weights as `weights`, the
    /// others as they like.
    ///
    /// # Errors
    /// When the engine is not there or cannot run this package.
    pub fn with_weights(
        package: &ModelPackage,
        id: EngineId,
        weights: WeightFormat,
    ) -> Result<Self, LoadError> {
        let options = NativeOptions {
            weights,
            ..NativeOptions::default()
        };
        let engine: Box<dyn Engine> = match id {
            EngineId::Native => Box::new(NativeEngine::with_options(&package.network()?, options)),
            EngineId::Onnx | EngineId::LiteRt | EngineId::Torch => foreign::load(package, id)?,
            EngineId::NativeFixed => Box::new(NativeFixedEngine::with_options(
                &package.network()?,
                &package.source,
                options,
            )?),
        };
        Self::with_engine(package, engine)
    }

    /// Puts the scaler and labels of `package` around an `engine` made elsewhere.
    ///
    /// # Errors
    /// When the engine has other numbers of inputs or outputs than the package.
    pub fn with_engine(package: &ModelPackage, engine: Box<dyn Engine>) -> Result<Self, LoadError> {
        for (field, expected, found) in [
            (
                "inputs of the network",
                package.manifest.input.features.len(),
                engine.n_features(),
            ),
            (
                "outputs of the network",
                package.manifest.labels.len(),
                engine.n_classes(),
            ),
        ] {
            if expected != found {
                return Err(LoadError::malformed(
                    &package.source,
                    field,
                    format_args!("{expected}, as the manifest says"),
                    found,
                    "list as many features and labels as the network has inputs and outputs",
                ));
            }
        }
        let scaler = package.scaler()?;
        let options = NativeOptions {
            weights: WeightFormat::DEFAULT,
            ..NativeOptions::default()
        };
        let rejection = package.rejection()?;
        Ok(Self {
            rejection: rejection.map(|network| NativeEngine::with_options(&network, options)),
            // Ones, because zeros may be pages that the system has not given yet.
            scaled: vec![1.0; scaler.n_features()],
            scaler,
            engine,
            labels: package.manifest.labels.clone(),
        })
    }

    /// Names of the classes, `[n_classes]`.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Length of the feature vectors, `[n_features]`.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.scaler.n_features()
    }

    /// Number of classes, `[n_classes]`.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.labels.len()
    }

    /// Bytes of weights that an answer about a note reads; 0 where the engine cannot tell.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        match self.engine.weight_bytes() {
            0 => 0,
            bytes => bytes + self.rejection.as_ref().map_or(0, Engine::weight_bytes),
        }
    }

    /// Writes the `probabilities` `[n_classes]` of a note with the raw features `features`
    /// `[n_features]`. Features that are not finite count as their mean.
    ///
    /// Real-time safe where the engine is.
    ///
    /// # Errors
    /// When a slice has the wrong length, a foreign library fails, or an answer is not finite.
    pub fn classify(
        &mut self,
        features: &[f32],
        probabilities: &mut [f32],
    ) -> Result<(), InferError> {
        InferError::check_lengths(self.n_features(), features, self.n_classes(), probabilities)?;
        self.scaler.apply(features, &mut self.scaled);
        self.engine.infer(&self.scaled, probabilities)?;
        match probabilities.iter().all(|p| p.is_finite()) {
            true => Ok(()),
            false => Err(InferError::NotFinite {
                engine: self.engine.name(),
            }),
        }
    }

    /// Log odds that the features which were classified last are of no note; `None` if the package
    /// cannot tell. Real-time safe.
    pub fn rejection(&mut self) -> Option<f32> {
        let mut log_odds = [0.0];
        let network = self.rejection.as_mut()?;
        network.infer(&self.scaled, &mut log_odds).ok()?;
        Some(log_odds[0])
    }

    /// Runs the engine until its allocations have settled. To be called on the thread that will
    /// classify, before its first deadline.
    ///
    /// # Errors
    /// When a foreign library fails.
    pub fn prime(&mut self) -> Result<(), InferError> {
        let mut probabilities = vec![0.0; self.n_classes()];
        self.scaled.fill(0.0);
        for _ in 0..PRIMING_RUNS {
            self.engine.infer(&self.scaled, &mut probabilities)?;
        }
        self.engine.reset();
        Ok(())
    }

    /// Forgets what earlier notes left behind, for networks with memory. Real-time safe.
    pub fn reset(&mut self) {
        self.engine.reset();
    }
}
