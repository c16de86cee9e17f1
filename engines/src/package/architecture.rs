//! The layers of a manifest and the tensors of its weight file, put together and checked.

use std::collections::HashSet;

use super::manifest::{AUDIO_PRESET, LayerSpec, Manifest, NamedPadding, PaddingSpec, ScalerSpec};
use super::statistics::{Statistics, StatisticsShape};
use super::tensor::Tensors;
use crate::network::{
    Activation, BatchNorm, Block, Builder, Condition, Conv1d, Conv2d, Dense, Layer, MaxPool2d,
    Misfit, Network, Padding,
};
use crate::{LoadError, Scaler};

/// The tensors of one file, of which none may be left over.
pub(super) struct Parts<'a> {
    manifest: &'a Manifest,
    manifest_file: &'a str,
    tensors: &'a Tensors,
    weights_file: &'a str,
    used: HashSet<String>,
    /// Names of the layers so far.
    names: HashSet<String>,
}

/// Where the manifest has the layers.
const LAYERS: &str = "network.layers";

fn misfit_at(manifest_file: &str, at: &str, misfit: Misfit) -> LoadError {
    LoadError::malformed(
        manifest_file,
        at,
        misfit.expected,
        misfit.found,
        "make the layers fit each other",
    )
}

impl<'a> Parts<'a> {
    pub(super) fn new(
        manifest: &'a Manifest,
        manifest_file: &'a str,
        tensors: &'a Tensors,
        weights_file: &'a str,
    ) -> Self {
        Self {
            manifest,
            manifest_file,
            tensors,
            weights_file,
            used: HashSet::new(),
            names: HashSet::new(),
        }
    }

    /// The scaler.
    pub(super) fn scaler(&mut self) -> Result<Scaler, LoadError> {
        let n_features = self.manifest.input.features.len();
        let (file, mean, scale) = match &self.manifest.scaler {
            ScalerSpec::None {} => return Ok(Scaler::identity(n_features)),
            ScalerSpec::Standard {} => (
                self.weights_file,
                self.take("scaler.mean", &[n_features])?,
                self.take("scaler.scale", &[n_features])?,
            ),
            ScalerSpec::Inline { mean, scale } => (self.manifest_file, mean.clone(), scale.clone()),
        };
        Scaler::new(mean, scale).ok_or_else(|| {
            LoadError::malformed(
                file,
                "scaler",
                "finite means and positive finite scales",
                "others",
                "leave out features that are constant in the training data, or give them scale 1",
            )
        })
    }

    /// Where the embeddings of the training notes lie, if the tensors tell. Only before a dense layer
    /// and a softmax: elsewhere the tensors are left over.
    pub(super) fn statistics(&mut self) -> Result<Option<Statistics>, LoadError> {
        let layers = &self.manifest.network.layers[..];
        let [
            hidden @ ..,
            LayerSpec::Dense {
                inputs, outputs, ..
            },
            LayerSpec::Softmax { .. },
        ] = layers
        else {
            return Ok(None);
        };
        let expected = StatisticsShape {
            n_classes: *outputs,
            n_embedding: *inputs,
            n_features: super::is_relu_perceptron(hidden)
                .then_some(self.manifest.input.features.len()),
        };
        Statistics::read(self.tensors, &expected, &mut self.used, self.weights_file)
    }

    /// The network that tells notes from what is none, if the tensors are there.
    pub(super) fn rejection(&mut self) -> Result<Option<Network>, LoadError> {
        let n_features = self.manifest.input.features.len();
        super::rejection::read(self.tensors, n_features, &mut self.used, self.weights_file)
    }

    /// The network.
    pub(super) fn network(&mut self) -> Result<Network, LoadError> {
        let manifest = self.manifest;
        let whole = |misfit| misfit_at(self.manifest_file, LAYERS, misfit);
        let mut network = Builder::new(1, manifest.input.features.len()).map_err(whole)?;
        self.add(LAYERS, &manifest.network.layers, &mut network)?;
        let labels = manifest.labels.len();
        if labels != network.width() {
            return Err(LoadError::malformed(
                self.manifest_file,
                "labels",
                format_args!("{}, as many as the network has outputs", network.width()),
                labels,
                "name every output of the last layer once",
            ));
        }
        let ends_with_softmax = matches!(
            network.last(),
            Some(Layer::Activation(Activation::Softmax { .. }))
        );
        if !ends_with_softmax && manifest.input.preset != AUDIO_PRESET {
            return Err(LoadError::malformed(
                self.manifest_file,
                "network.layers",
                "a softmax at the end, so that the outputs are probabilities",
                "another kind of layer",
                "add a layer with kind = \"softmax\"",
            ));
        }
        network
            .build()
            .map_err(|misfit| misfit_at(self.manifest_file, LAYERS, misfit))
    }

    /// Adds the layers `specs`, which lie at `list` in the manifest, to `network`.
    fn add(
        &mut self,
        list: &str,
        specs: &[LayerSpec],
        network: &mut Builder,
    ) -> Result<(), LoadError> {
        for (i, spec) in specs.iter().enumerate() {
            let at = format!("{list}[{i}]");
            let inside = format!("{at}.layers");
            let named = match spec.name() {
                Some(name) => format!("{at} \"{name}\""),
                None => at.clone(),
            };
            let file = self.manifest_file;
            let misfit = |misfit| misfit_at(file, &named, misfit);
            if let Some(name) = spec.name() {
                self.check_name(&at, name)?;
            }
            if matches!(spec, LayerSpec::Flatten {} | LayerSpec::ConcatSide {}) {
                network.flatten();
            }
            match spec {
                LayerSpec::Residual { layers } => {
                    network.open(Block::Residual).map_err(misfit)?;
                    self.add(&inside, layers, network)?;
                    network.close().map_err(misfit)?;
                }
                LayerSpec::Skip { layers } => {
                    network.open(Block::Skip).map_err(misfit)?;
                    self.add(&inside, layers, network)?;
                    network.close().map_err(misfit)?;
                }
                spec => {
                    if let Some(layer) = self.layer(&at, spec, network)? {
                        network.push(layer).map_err(misfit)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses tensors that neither the scaler nor a layer has asked for.
    pub(super) fn check_nothing_left(&self) -> Result<(), LoadError> {
        match self.tensors.keys().find(|name| !self.used.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(LoadError::malformed(
                self.weights_file,
                name,
                "only tensors of the scaler and of the layers",
                "a tensor that none of them names",
                "remove it, or add its layer to the manifest",
            )),
        }
    }

    /// The layer `spec`, which lies at `at` in the manifest, behind what `network` has so far; `None`
    /// if it only changes how the values are seen.
    fn layer(
        &mut self,
        at: &str,
        spec: &LayerSpec,
        network: &Builder,
    ) -> Result<Option<Layer>, LoadError> {
        let [frames, bands, channels] = network.shape();
        Ok(Some(match spec {
            LayerSpec::Dense {
                name,
                inputs,
                outputs,
            } => {
                self.check_width(at, name, "inputs", *inputs, network.width())?;
                if *outputs == 0 {
                    return Err(self.bad_value(at, "outputs", "at least 1", outputs));
                }
                Layer::Dense(Dense {
                    inputs: *inputs,
                    outputs: *outputs,
                    weight: self.take(&format!("{name}.weight"), &[*outputs, *inputs])?,
                    bias: self.take(&format!("{name}.bias"), &[*outputs])?,
                })
            }
            LayerSpec::BatchNorm {
                name,
                size,
                epsilon,
            } => {
                self.check_width(at, name, "size", *size, channels)?;
                Layer::BatchNorm(self.batch_norm(at, name, *size, *epsilon)?)
            }
            LayerSpec::Split {
                frames,
                bands,
                channels,
            } => Layer::Split([*frames, *bands, *channels]),
            LayerSpec::Conv2d {
                name,
                filters,
                kernel,
                stride,
                padding,
            } => {
                let padding = self.padding(at, *padding, *kernel)?;
                if *filters == 0 {
                    return Err(self.bad_value(at, "filters", "at least 1", filters));
                }
                Layer::Conv2d(Conv2d {
                    size: [frames, bands],
                    inputs: channels,
                    filters: *filters,
                    kernel: *kernel,
                    stride: *stride,
                    padding,
                    weight: self.take(
                        &format!("{name}.weight"),
                        &[*filters, kernel[0], kernel[1], channels],
                    )?,
                    bias: self.take(&format!("{name}.bias"), &[*filters])?,
                })
            }
            LayerSpec::MaxPool2d {
                pool,
                stride,
                padding,
            } => Layer::MaxPool2d(MaxPool2d {
                size: [frames, bands],
                channels,
                pool: *pool,
                stride: stride.unwrap_or(*pool),
                padding: self.padding(at, *padding, *pool)?,
            }),
            LayerSpec::Conv1d {
                name,
                filters,
                kernel,
                dilation,
                groups,
            } => {
                let inputs = network.width();
                for (field, size) in [
                    ("filters", filters),
                    ("kernel", kernel),
                    ("dilation", dilation),
                    ("groups", groups),
                ] {
                    if *size == 0 {
                        return Err(self.bad_value(at, field, "at least 1", size));
                    }
                }
                Layer::Conv1d(Conv1d {
                    inputs,
                    outputs: *filters,
                    kernel: *kernel,
                    dilation: *dilation,
                    stride: 1,
                    groups: *groups,
                    weight: self.take(
                        &format!("{name}.weight"),
                        &[*filters, *kernel, inputs / groups],
                    )?,
                    bias: self.take(&format!("{name}.bias"), &[*filters])?,
                })
            }
            LayerSpec::Gated {} => Layer::Gated,
            LayerSpec::Condition { name } => {
                let (size, inputs) = (network.width(), self.manifest.input.features.len());
                Layer::Condition(Condition {
                    inputs,
                    size,
                    weight: self.take(&format!("{name}.weight"), &[size, inputs])?,
                })
            }
            LayerSpec::SkipSum {} => Layer::SkipSum,
            // Theirs is `add`, which goes through what lies inside.
            LayerSpec::Residual { .. } | LayerSpec::Skip { .. } => return Ok(None),
            LayerSpec::Flatten {} => return Ok(None),
            LayerSpec::ConcatSide {} => Layer::ConcatSide,
            LayerSpec::Relu {} => Layer::Activation(Activation::Relu),
            LayerSpec::LeakyRelu { slope } => Layer::Activation(Activation::LeakyRelu {
                slope: self.finite(at, "slope", *slope)?,
            }),
            LayerSpec::Elu { alpha } => Layer::Activation(Activation::Elu {
                alpha: self.finite(at, "alpha", *alpha)?,
            }),
            LayerSpec::Prelu { name, size } => {
                Layer::Prelu(self.take(&format!("{name}.alpha"), &[*size])?)
            }
            LayerSpec::Tanh {} => Layer::Activation(Activation::Tanh),
            LayerSpec::Sigmoid {} => Layer::Activation(Activation::Sigmoid),
            LayerSpec::Softmax { temperature } => {
                let narrow = *temperature as f32;
                if !(narrow.is_normal() && narrow > 0.0) {
                    return Err(self.bad_value(
                        at,
                        "temperature",
                        "a positive number",
                        temperature,
                    ));
                }
                Layer::Activation(Activation::Softmax {
                    temperature: narrow,
                })
            }
        }))
    }

    fn batch_norm(
        &mut self,
        at: &str,
        name: &str,
        size: usize,
        epsilon: f64,
    ) -> Result<BatchNorm, LoadError> {
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(self.bad_value(at, "epsilon", "a positive number", epsilon));
        }
        let variance_name = format!("{name}.variance");
        let variance = self.take(&variance_name, &[size])?;
        if let Some(value) = variance.iter().find(|value| **value < 0.0) {
            return Err(LoadError::malformed(
                self.weights_file,
                variance_name,
                "no negative values",
                value,
                "export the variance itself, not its logarithm or root",
            ));
        }
        Ok(BatchNorm {
            gamma: self.take(&format!("{name}.gamma"), &[size])?,
            beta: self.take(&format!("{name}.beta"), &[size])?,
            mean: self.take(&format!("{name}.mean"), &[size])?,
            variance,
            epsilon,
        })
    }

    fn padding(
        &self,
        at: &str,
        spec: PaddingSpec,
        window: [usize; 2],
    ) -> Result<[Padding; 2], LoadError> {
        match spec {
            PaddingSpec::Named(NamedPadding::Valid) => Ok([Padding::Valid; 2]),
            PaddingSpec::Named(NamedPadding::Same) => Ok([Padding::Same; 2]),
            PaddingSpec::Zeros(zeros) if zeros[0] < window[0] && zeros[1] < window[1] => {
                Ok(zeros.map(Padding::Explicit))
            }
            PaddingSpec::Zeros(zeros) => Err(self.bad_value(
                at,
                "padding",
                "less than the window",
                format_args!("{zeros:?}"),
            )),
        }
    }

    fn finite(&self, at: &str, field: &str, value: f64) -> Result<f32, LoadError> {
        let narrow = value as f32;
        if narrow.is_finite() {
            Ok(narrow)
        } else {
            Err(self.bad_value(at, field, "a number in the range of f32", value))
        }
    }

    fn check_name(&mut self, at: &str, name: &str) -> Result<(), LoadError> {
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if name.is_empty() || !plain || name == "scaler" || !self.names.insert(name.to_owned()) {
            return Err(self.bad_value(
                at,
                "name",
                "a name of letters, digits, - and _ that no other layer has, and not \"scaler\"",
                format_args!("\"{name}\""),
            ));
        }
        Ok(())
    }

    fn check_width(
        &self,
        at: &str,
        name: &str,
        field: &str,
        found: usize,
        width: usize,
    ) -> Result<(), LoadError> {
        if found == width {
            return Ok(());
        }
        let before = if at == format!("{LAYERS}[0]") {
            "input.features"
        } else {
            "the layer before it"
        };
        Err(LoadError::malformed(
            self.manifest_file,
            format_args!("{at} \"{name}\": {field}"),
            format_args!("{width}, the width of {before}"),
            found,
            "make the widths of the layers and the number of features fit",
        ))
    }

    fn bad_value(
        &self,
        at: &str,
        field: &str,
        expected: &str,
        found: impl std::fmt::Display,
    ) -> LoadError {
        LoadError::malformed(
            self.manifest_file,
            format_args!("{at}.{field}"),
            expected,
            found,
            "correct the manifest",
        )
    }

    /// The values of a tensor that must be there, of just this shape.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let Some(tensor) = self.tensors.get(name) else {
            let there: Vec<&str> = self.tensors.keys().map(String::as_str).take(12).collect();
            return Err(LoadError::malformed(
                self.weights_file,
                name,
                format_args!("a tensor of shape {shape:?}"),
                format_args!("none of that name (there: {})", there.join(", ")),
                "export the package again, or correct the layer's name in the manifest",
            ));
        };
        if tensor.shape() != shape {
            return Err(LoadError::malformed(
                self.weights_file,
                name,
                format_args!("shape {shape:?}"),
                format_args!("shape {:?}", tensor.shape()),
                "make the manifest and the weights fit; weight matrices are [outputs, inputs]",
            ));
        }
        self.used.insert(name.to_owned());
        Ok(tensor.values().to_vec())
    }
}
