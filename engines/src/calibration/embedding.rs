//! A network without its head: features in, embedding out.

use crate::native::NativeEngine;
use crate::network::{Activation, Dense, Layer, Network};
use crate::{Engine, InferError, LoadError, ModelPackage, Scaler};

/// The last dense layer of a network and the softmax behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// `W` `[n_classes, n_embedding]`, row-major.
    pub weight: Vec<f32>,
    /// `b` `[n_classes]`.
    pub bias: Vec<f32>,
    /// The softmax's temperature.
    pub temperature: f32,
}

impl Head {
    /// Length of an embedding, `[n_embedding]`.
    #[must_use]
    pub fn n_embedding(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Number of classes, `[n_classes]`.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// `(W e + b) / T` `[n_classes]` of an embedding `e` `[n_embedding]`: logarithms of the
    /// probabilities, up to a constant. Allocates.
    #[must_use]
    pub fn scores(&self, embedding: &[f32]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.n_embedding());
        rows.zip(&self.bias)
            .map(|(row, bias)| {
                let products = row.iter().zip(embedding);
                let sum: f64 = products.map(|(w, e)| f64::from(*w) * f64::from(*e)).sum();
                (sum + f64::from(*bias)) / f64::from(self.temperature)
            })
            .collect()
    }
}

/// What a network makes of a note before its last layer.
pub(super) struct Embedder {
    scaler: Scaler,
    scaled: Vec<f32>,
    /// The network without its last two layers; `None` if nothing is before them.
    engine: Option<NativeEngine>,
    n_embedding: usize,
}

impl Embedder {
    /// Takes the network of `package` apart.
    ///
    /// # Errors
    /// When it does not end with a dense layer and a softmax.
    pub(super) fn new(package: &ModelPackage) -> Result<(Self, Head), LoadError> {
        let network = package.network()?;
        let [
            before @ ..,
            Layer::Dense(dense),
            Layer::Activation(Activation::Softmax { temperature }),
        ] = network.layers()
        else {
            return Err(LoadError::malformed(
                &package.source,
                "network.layers",
                "a dense layer and a softmax at the end, which a calibration replaces",
                "other layers",
                "use this model as it is, or give it such an end",
            ));
        };
        let Dense { inputs, .. } = *dense;
        let embedder = Self {
            scaler: package.scaler()?,
            scaled: vec![0.0; network.n_inputs()],
            engine: (!before.is_empty()).then(|| {
                NativeEngine::new(&Network {
                    n_inputs: network.n_inputs(),
                    n_outputs: inputs,
                    layers: before.to_vec(),
                })
            }),
            n_embedding: inputs,
        };
        let head = Head {
            weight: dense.weight.clone(),
            bias: dense.bias.clone(),
            temperature: *temperature,
        };
        Ok((embedder, head))
    }

    /// The embedding `[n_embedding]` of a note with the raw `features` `[n_features]`. Allocates.
    ///
    /// # Errors
    /// When the slice has the wrong length.
    pub(super) fn embed(&mut self, features: &[f32]) -> Result<Vec<f32>, InferError> {
        let mut embedding = vec![0.0; self.n_embedding];
        InferError::check_lengths(self.scaled.len(), features, self.n_embedding, &embedding)?;
        self.scaler.apply(features, &mut self.scaled);
        match &mut self.engine {
            // Each example is a first step: what was taught before must not matter.
            Some(engine) => {
                engine.reset();
                engine.infer(&self.scaled, &mut embedding)?;
            }
            None => embedding.copy_from_slice(&self.scaled),
        }
        Ok(embedding)
    }
}
