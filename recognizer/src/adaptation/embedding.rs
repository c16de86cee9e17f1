//! A network without its head: features in, embedding out.

use tocco_engines::native::NativeEngine;
use tocco_engines::network::{Activation, Dense, Layer};
use tocco_engines::package::{Statistics, project};
use tocco_engines::{Engine, InferError, LoadError, ModelPackage, Scaler};

/// The last dense layer of a network and the softmax behind it.
///
/// With a projection of the features the embedding is longer than the layer's input: the projected
/// features follow, of which the layer makes nothing until something was taught.
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
    /// Length of the last layer's input.
    n_inputs: usize,
    /// `[n_point, n_features]`, row-major, if the statistics are about the features.
    projection: Option<Vec<f32>>,
}

impl Embedder {
    /// Takes the network of `package` apart.
    ///
    /// # Errors
    /// When it does not end with a dense layer and a softmax.
    pub(super) fn new(
        package: &ModelPackage,
        statistics: Option<&Statistics>,
    ) -> Result<(Self, Head), LoadError> {
        let network = package.network()?;
        let [
            ..,
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
            engine: network
                .before_head()
                .map(|before| NativeEngine::new(&before)),
            n_inputs: inputs,
            projection: statistics.and_then(|statistics| statistics.projection.clone()),
        };
        let mut weight = dense.weight.clone();
        if let Some(statistics) = statistics.filter(|statistics| statistics.is_projected()) {
            let rows = dense.weight.chunks_exact(inputs);
            let unused = vec![0.0; statistics.n_point()];
            weight = rows.flat_map(|row| [row, &unused].concat()).collect();
        }
        let head = Head {
            weight,
            bias: dense.bias.clone(),
            temperature: *temperature,
        };
        Ok((embedder, head))
    }

    /// Length of the last layer's input.
    pub(super) fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// The embedding `[n_embedding]` of a note with the raw `features` `[n_features]`. Allocates.
    ///
    /// # Errors
    /// When the slice has the wrong length.
    pub(super) fn embed(&mut self, features: &[f32]) -> Result<Vec<f32>, InferError> {
        let mut embedding = vec![0.0; self.n_inputs];
        InferError::check_lengths(self.scaled.len(), features, self.n_inputs, &embedding)?;
        self.scaler.apply(features, &mut self.scaled);
        match &mut self.engine {
            // Each example is a first step: what was taught before must not matter.
            Some(engine) => {
                engine.reset();
                engine.infer(&self.scaled, &mut embedding)?;
            }
            None => embedding.copy_from_slice(&self.scaled),
        }
        if let Some(projection) = &self.projection {
            embedding.extend(project(projection, &self.scaled));
        }
        Ok(embedding)
    }

    /// A head's `weight` `[n_classes, n_embedding]` as that of the last layer `[n_classes,
    /// n_inputs]` and, if there is a projection, that of the scaled features `[n_classes,
    /// n_features]`.
    pub(super) fn split(&self, weight: &[f32], n_classes: usize) -> (Vec<f32>, Option<Vec<f32>>) {
        let Some(projection) = &self.projection else {
            return (weight.to_vec(), None);
        };
        let n_features = self.scaled.len();
        let mut own = Vec::new();
        let mut of_features = Vec::new();
        for row in weight.chunks_exact(weight.len() / n_classes) {
            let (row, of_points) = row.split_at(self.n_inputs);
            own.extend_from_slice(row);
            let mut sum = vec![0.0_f64; n_features];
            for (factor, p) in of_points.iter().zip(projection.chunks_exact(n_features)) {
                for (sum, p) in sum.iter_mut().zip(p) {
                    *sum += f64::from(*factor) * f64::from(*p);
                }
            }
            of_features.extend(sum.iter().map(|sum| *sum as f32));
        }
        (own, Some(of_features))
    }
}
