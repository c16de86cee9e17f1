//! The one trait behind which all engines stand, and their names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A network that maps scaled features to probabilities.
///
/// An engine is the pure network, as in the paper: the exported files of all formats contain no
/// scaler. [`crate::Classifier`] puts the scaler before it.
pub trait Engine: Send {
    /// The engine's name as in [`EngineId`].
    fn name(&self) -> &'static str;

    /// Length of the feature vector, `[n_features]`.
    fn n_features(&self) -> usize;

    /// Length of the output, `[n_classes]`.
    fn n_classes(&self) -> usize;

    /// Computes `probabilities` `[n_classes]` from scaled `features` `[n_features]`.
    ///
    /// A network with memory (recurrent, causal convolution) advances by one step.
    ///
    /// Real-time safe for `native` and `native-fixed`; the foreign engines allocate inside their
    /// libraries.
    ///
    /// # Errors
    /// When a slice has the wrong length, or when a foreign library reports a failure. The state
    /// of the engine stays usable.
    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError>;

    /// Computes `outputs` `[n_steps, n_classes]` of as many steps as there are in `inputs`
    /// `[n_steps, n_features]`, the earliest first. The same as [`Engine::infer`] once a step, but
    /// what an inference costs beside its arithmetic is paid once.
    ///
    /// Real-time safe where `infer` is.
    ///
    /// # Errors
    /// As for `infer`; then the outputs of some of the steps may be there.
    fn process_block(&mut self, inputs: &[f32], outputs: &mut [f32]) -> Result<(), InferError> {
        let (n_features, n_classes) = (self.n_features(), self.n_classes());
        InferError::check_block(n_features, inputs, n_classes, outputs)?;
        let inputs = inputs.chunks_exact(n_features);
        for (features, probabilities) in inputs.zip(outputs.chunks_exact_mut(n_classes)) {
            self.infer(features, probabilities)?;
        }
        Ok(())
    }

    /// Forgets what earlier steps left behind. Networks without memory have nothing to forget.
    ///
    /// Real-time safe.
    fn reset(&mut self) {}

    /// Bytes of weights that one inference reads; 0 where the engine cannot tell.
    fn weight_bytes(&self) -> usize {
        0
    }
}

/// Why an inference was not done.
///
/// Making and dropping one does not allocate, so that an engine may fail on the audio thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InferError {
    /// The feature slice has the wrong length.
    #[error("features: expected {expected} values, found {found}")]
    Features {
        /// `n_features` of the engine.
        expected: usize,
        /// Length of the slice given.
        found: usize,
    },
    /// The output slice has the wrong length.
    #[error("probabilities: expected room for {expected} values, found {found}")]
    Probabilities {
        /// `n_classes` of the engine.
        expected: usize,
        /// Length of the slice given.
        found: usize,
    },
    /// A foreign library reported a failure.
    #[error("{engine}: {call} failed with status {status}")]
    Library {
        /// Name of the engine.
        engine: &'static str,
        /// The call that failed.
        call: &'static str,
        /// The library's own status code.
        status: i32,
    },
    /// A foreign network gave another number of values than when it was loaded.
    #[error(
        "{engine}: expected {expected} values, as when the network was loaded, found another number; \
         export it with an output of fixed size"
    )]
    OutputSize {
        /// Name of the engine.
        engine: &'static str,
        /// `n_classes` of the engine.
        expected: usize,
    },
    /// A network gave what is no number, or infinity.
    #[error("{engine}: the network's answer is not finite; train it anew, or choose another model")]
    NotFinite {
        /// Name of the engine.
        engine: &'static str,
    },
}

impl InferError {
    /// Checks both slice lengths of an inference.
    ///
    /// # Errors
    /// When one of them is not what the engine needs.
    #[inline]
    pub fn check_lengths(
        n_features: usize,
        features: &[f32],
        n_classes: usize,
        probabilities: &[f32],
    ) -> Result<(), Self> {
        if features.len() != n_features {
            return Err(Self::Features {
                expected: n_features,
                found: features.len(),
            });
        }
        if probabilities.len() != n_classes {
            return Err(Self::Probabilities {
                expected: n_classes,
                found: probabilities.len(),
            });
        }
        Ok(())
    }

    /// Checks both slice lengths of a block, and returns how many steps it has.
    ///
    /// # Errors
    /// When the inputs are no whole number of steps, or the outputs are not as many.
    pub fn check_block(
        n_features: usize,
        inputs: &[f32],
        n_classes: usize,
        outputs: &[f32],
    ) -> Result<usize, Self> {
        let n_steps = inputs.len().div_ceil(n_features.max(1));
        Self::check_lengths(n_steps * n_features, inputs, n_steps * n_classes, outputs)?;
        Ok(n_steps)
    }
}

/// The engines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineId {
    /// Our engine, networks loaded at run time.
    Native,
    /// The same kernels, network shape fixed at compile time.
    NativeFixed,
    /// ONNX Runtime.
    Onnx,
    /// LiteRT, which was TensorFlow Lite.
    LiteRt,
    /// TorchScript.
    Torch,
}

impl EngineId {
    /// All engines, ours first.
    pub const ALL: [Self; 5] = [
        Self::Native,
        Self::NativeFixed,
        Self::Onnx,
        Self::LiteRt,
        Self::Torch,
    ];

    /// Whether it is made here, and needs no library.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Native | Self::NativeFixed)
    }

    /// The name used on the command line, in settings and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::NativeFixed => "native-fixed",
            Self::Onnx => "onnx",
            Self::LiteRt => "litert",
            Self::Torch => "torch",
        }
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no engine has. Its message lists those there are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no engine \"{0}\"; there are {list}", list = EngineId::ALL.map(EngineId::name).join(", "))]
pub struct UnknownEngine(pub String);

impl FromStr for EngineId {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        Self::ALL
            .into_iter()
            .find(|id| id.name() == name)
            .ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed_back() {
        for id in EngineId::ALL {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_list() {
        let error = "tensorrt".parse::<EngineId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no engine \"tensorrt\"; there are native, native-fixed, onnx, litert, torch"
        );
    }
}
