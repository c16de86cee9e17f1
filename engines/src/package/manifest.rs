//! `model.toml`: everything about a model but its weights.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::convert::Format;
use crate::network::DEEPEST;
use crate::{LoadError, WeightFormat};

/// Format of the manifest that this version reads and writes.
pub const FORMAT: u32 = 1;

/// Analysis sample rate of Tocco, Hz. Other host rates are resampled to it.
pub const SAMPLE_RATE: u32 = 48_000;

/// Analysis hop of Tocco, samples.
pub const HOP: u32 = 64;

/// The onset detection method of a manifest that names none: the paper's.
pub const DEFAULT_ONSET: &str = "mkl";

/// The preset of a network that hears no features of a note but the sound itself, a step a sample. Its
/// outputs are values, such as samples, and need no softmax. The plugin, which names notes, has no
/// use for it.
pub const AUDIO_PRESET: &str = "audio";

/// Longest window and longest wait after the onset that a manifest may ask for: one second,
/// fifty times what a player accepts.
const LONGEST_WAIT: u32 = SAMPLE_RATE;

/// What `model.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format, [`FORMAT`].
    pub format: u32,
    /// Short name, also that of the package's folder: lower-case letters, digits, `-` and `_`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Names of the classes, in the order of the network's outputs, `[n_classes]`.
    pub labels: Vec<String>,
    /// Licence of the weights.
    pub licence: String,
    /// Id of the package whose answer, given later, amends this one's: see
    /// [`ModelPackage::check_second`](super::ModelPackage::check_second).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// What the network hears.
    pub input: Input,
    /// How raw features become the network's input.
    pub scaler: ScalerSpec,
    /// The network.
    pub network: NetworkSpec,
    /// Where the weights come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Measured accuracies, by protocol.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accuracy: Vec<Accuracy>,
}

/// What the network hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Analysis sample rate in Hz, [`SAMPLE_RATE`].
    pub sample_rate: u32,
    /// Analysis hop in samples, [`HOP`].
    pub hop: u32,
    /// Window of the features in samples.
    pub window: u32,
    /// Name of the method that finds the onsets, [`DEFAULT_ONSET`] unless given.
    #[serde(default = "default_onset", skip_serializing_if = "is_default_onset")]
    pub onset: String,
    /// Hops between the detection of an onset and the end of the window.
    pub post_onset_hops: u32,
    /// Name of the feature preset, or [`AUDIO_PRESET`].
    pub preset: String,
    /// Names of the features, in the order of the network's inputs, `[n_features]`.
    pub features: Vec<String>,
}

/// How raw features become the network's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScalerSpec {
    /// Features go in as they are.
    None {},
    /// `(x - mean) / scale` with the tensors `scaler.mean` and `scaler.scale`, `[n_features]`.
    Standard {},
    /// `(x - mean) / scale` with the numbers in the manifest, for networks that come without a
    /// safetensors file.
    Inline {
        /// Means `[n_features]`.
        mean: Vec<f32>,
        /// Scales `[n_features]`.
        scale: Vec<f32>,
    },
}

/// Where the network is: layers whose tensors are in `weights`, or a whole model file of another
/// format in `file`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Name of the safetensors file in the package's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Name of an `.onnx`, `.tflite`, `.pt` or RTNeural `.json` file in the package's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What our engines store the weights of dense layers as, `"f32"`, `"f16"`, `"bf16"` or
    /// `"int8"`: for a network that the default, [`WeightFormat::DEFAULT`], is too coarse for, or
    /// that a coarser one does no harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_format: Option<WeightFormat>,
    /// The layers, in the order in which they are evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerSpec>,
}

/// One layer. Layers with parameters have a `name`, which is the prefix of their tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// `y = W x + b`. Tensors `NAME.weight` `[outputs, inputs]` and `NAME.bias` `[outputs]`.
    Dense {
        /// Prefix of the tensors.
        name: String,
        /// Length of `x`.
        inputs: usize,
        /// Length of `y`.
        outputs: usize,
    },
    /// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, the form batch normalisation
    /// takes after training, for each channel of a patch or each value of a vector. Tensors
    /// `NAME.gamma`, `.beta`, `.mean` and `.variance`, `[size]`.
    BatchNorm {
        /// Prefix of the tensors.
        name: String,
        /// Number of channels.
        size: usize,
        /// Guard against a variance of zero.
        epsilon: f64,
    },
    /// Takes the first `frames * bands * channels` inputs as a patch, the channel running
    /// fastest, and keeps the others for `concat_side`. Only as the first layer.
    Split {
        /// Frames of the patch.
        frames: usize,
        /// Bands of each frame.
        bands: usize,
        /// Channels of each band.
        channels: usize,
    },
    /// Convolution of a patch over frames and bands. Tensors `NAME.weight`
    /// `[filters, kernel[0], kernel[1], channels]` and `NAME.bias` `[filters]`.
    Conv2d {
        /// Prefix of the tensors.
        name: String,
        /// Channels of the new patch.
        filters: usize,
        /// Frames and bands of the kernel.
        kernel: [usize; 2],
        /// Steps over frames and bands.
        #[serde(default = "ones", skip_serializing_if = "are_ones")]
        stride: [usize; 2],
        /// What stands outside the patch.
        padding: PaddingSpec,
    },
    /// Largest value of each channel in windows over frames and bands.
    MaxPool2d {
        /// Frames and bands of the window.
        pool: [usize; 2],
        /// Steps over frames and bands, `pool` unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<[usize; 2]>,
        /// What stands outside the patch; it is never the largest value.
        padding: PaddingSpec,
    },
    /// Causal convolution over the steps, which remembers earlier ones. Tensors `NAME.weight`
    /// `[filters, kernel, channels / groups]`, the last tap meeting the newest step, and `NAME.bias`
    /// `[filters]`. See [`crate::network::Conv1d`].
    Conv1d {
        /// Prefix of the tensors.
        name: String,
        /// Length of the new vector.
        filters: usize,
        /// Number of taps.
        kernel: usize,
        /// Steps from one tap to the next, 1 unless given.
        #[serde(default = "one_step", skip_serializing_if = "is_one_step")]
        dilation: usize,
        /// Runs of inputs that each see only their run of outputs, 1 unless given.
        #[serde(default = "one_step", skip_serializing_if = "is_one_step")]
        groups: usize,
    },
    /// `y_i = tanh(x_i) sigmoid(x_{n + i})`: of `2 n` values the first half are values, the others
    /// their gates.
    Gated {},
    /// `y = x + V u`, `u` being the network's whole input of the same step. Tensor `NAME.weight`
    /// `V` `[channels, n_features]`.
    Condition {
        /// Prefix of the tensor.
        name: String,
    },
    /// `y = x + f(x)`, `f` being the layers inside, which keep the shape.
    Residual {
        /// `f`, in the order in which they are evaluated.
        layers: Vec<LayerSpec>,
    },
    /// Adds `f(x)` to the skip sum, `f` being the layers inside or, without any, `f(x) = x`; goes on
    /// with `x`.
    Skip {
        /// `f`, in the order in which they are evaluated.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        layers: Vec<LayerSpec>,
    },
    /// Goes on with what the `skip` layers have given since the last `skip_sum`.
    SkipSum {},
    /// Makes a patch a vector, the channel running fastest.
    Flatten {},
    /// Makes a patch a vector and appends the inputs that `split` has left.
    ConcatSide {},
    /// `max(x, 0)`.
    Relu {},
    /// `x` above zero, `slope x` below.
    LeakyRelu {
        /// Usually small and positive.
        slope: f64,
    },
    /// `x` above zero, `alpha (exp(x) - 1)` below.
    Elu {
        /// 1 unless given.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        alpha: f64,
    },
    /// `x` above zero, `alpha x` below. Tensor `NAME.alpha`, `[size]`.
    Prelu {
        /// Prefix of the tensor.
        name: String,
        /// 1, or the number of channels.
        size: usize,
    },
    /// Hyperbolic tangent.
    Tanh {},
    /// `1 / (1 + exp(-x))`.
    Sigmoid {},
    /// `exp(x_i / T) / sum_j exp(x_j / T)`.
    Softmax {
        /// `T`: above 1 the network is made less sure of itself, below 1 surer.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        temperature: f64,
    },
}

impl LayerSpec {
    /// Prefix of the layer's tensors, if it has any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Dense { name, .. }
            | Self::BatchNorm { name, .. }
            | Self::Conv2d { name, .. }
            | Self::Conv1d { name, .. }
            | Self::Condition { name }
            | Self::Prelu { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// What stands outside a patch: `"valid"`, `"same"` or `[frames, bands]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "\"valid\", \"same\" or [frames, bands] of zeros on both sides"
)]
pub enum PaddingSpec {
    /// By name.
    Named(NamedPadding),
    /// So many frames and bands of zeros on both sides, as in PyTorch and burn. Fewer than the
    /// kernel has.
    Zeros([usize; 2]),
}

/// Paddings of Keras, see [`crate::network::Padding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// The window stays inside the patch.
    Valid,
    /// As many windows as steps fit into the patch.
    Same,
}

fn default_onset() -> String {
    DEFAULT_ONSET.to_owned()
}

fn is_default_onset(method: &str) -> bool {
    method == DEFAULT_ONSET
}

fn ones() -> [usize; 2] {
    [1, 1]
}

fn are_ones(sizes: &[usize; 2]) -> bool {
    *sizes == [1, 1]
}

fn one_step() -> usize {
    1
}

// serde hands the field by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one_step(steps: &usize) -> bool {
    *steps == 1
}

fn one() -> f64 {
    1.0
}

// serde hands the field by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(value: &f64) -> bool {
    *value == 1.0
}

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The training data.
    pub data: String,
    /// The command that trained the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_by: Option<String>,
    /// Seed of the training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// One measured accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// `random-5fold`, `leave-one-player-out`, ...
    pub protocol: String,
    /// Share of notes named right, 0 to 1.
    pub accuracy: f64,
    /// Mean over the classes of the F1 score, 0 to 1.
    pub macro_f1: f64,
    /// Notes tested.
    pub notes: usize,
}

impl Manifest {
    /// Parses `text`; `file` names it in errors.
    ///
    /// # Errors
    /// When the text is not TOML, a field is missing, unknown or of the wrong type, or a value
    /// cannot be. Weights are not looked at.
    pub fn parse(text: &str, file: &str) -> Result<Self, LoadError> {
        let malformed = |field: String, error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            LoadError::malformed(
                file,
                format_args!("{field} (line {line})"),
                "a model manifest",
                error.message().trim().replace('\n', " "),
                "compare it with the manifest of a shipped package, for example models/c/model.toml",
            )
        };
        let deserializer = toml::Deserializer::parse(text)
            .map_err(|error| malformed("TOML syntax".to_owned(), error))?;
        let manifest: Self = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." {
                "top level".to_owned()
            } else {
                path
            };
            malformed(field, error.into_inner())
        })?;
        manifest.check(file)?;
        Ok(manifest)
    }

    /// The text of `model.toml`.
    ///
    /// # Errors
    /// When the manifest does not pass the checks that [`Manifest::parse`] makes.
    pub fn to_toml(&self, file: &str) -> Result<String, LoadError> {
        self.check(file)?;
        toml::to_string(self).map_err(|error| {
            LoadError::malformed(
                file,
                "manifest",
                "values that TOML can express",
                error,
                "use integers below 2^63",
            )
        })
    }

    /// Checks every value that can be checked without the weights.
    pub(crate) fn check(&self, file: &str) -> Result<(), LoadError> {
        let expect = |holds: bool, field: &str, expected: &str, found: String, remedy: &str| {
            if holds {
                Ok(())
            } else {
                Err(LoadError::malformed(file, field, expected, found, remedy))
            }
        };
        expect(
            self.format == FORMAT,
            "format",
            &FORMAT.to_string(),
            self.format.to_string(),
            "use the version of Tocco that the package was made for",
        )?;
        expect(
            is_id(&self.id),
            "id",
            "lower-case letters, digits, - and _",
            format!("\"{}\"", self.id),
            "choose another id",
        )?;
        if let Some(second) = &self.second {
            expect(
                is_id(second) && *second != self.id,
                "second",
                "the id of another package: lower-case letters, digits, - and _",
                format!("\"{second}\""),
                "give the id of a package that listens longer, or leave it out",
            )?;
        }
        check_names(file, "labels", &self.labels)?;
        expect(
            self.input.sample_rate == SAMPLE_RATE,
            "input.sample_rate",
            &SAMPLE_RATE.to_string(),
            self.input.sample_rate.to_string(),
            "the analysis runs at 48 kHz whatever the host's rate; retrain at this rate",
        )?;
        expect(
            self.input.hop == HOP,
            "input.hop",
            &HOP.to_string(),
            self.input.hop.to_string(),
            "the analysis runs in hops of 64 samples; retrain with this hop",
        )?;
        expect(
            (HOP..=LONGEST_WAIT).contains(&self.input.window),
            "input.window",
            &format!("{HOP} to {LONGEST_WAIT} samples"),
            self.input.window.to_string(),
            "give the window in samples",
        )?;
        expect(
            !self.input.onset.is_empty(),
            "input.onset",
            "the name of an onset detection method",
            "an empty string".to_owned(),
            "for example \"mkl\", or leave it out",
        )?;
        expect(
            self.input.post_onset_hops <= LONGEST_WAIT / HOP,
            "input.post_onset_hops",
            &format!("at most {} hops", LONGEST_WAIT / HOP),
            self.input.post_onset_hops.to_string(),
            "give the wait in hops of 64 samples",
        )?;
        expect(
            !self.input.preset.is_empty(),
            "input.preset",
            "the name of a feature preset",
            "an empty string".to_owned(),
            "for example \"timbreid\"",
        )?;
        check_names(file, "input.features", &self.input.features)?;
        if let ScalerSpec::Inline { mean, scale } = &self.scaler {
            for (field, values) in [("scaler.mean", mean), ("scaler.scale", scale)] {
                expect(
                    values.len() == self.input.features.len(),
                    field,
                    &format!("{} values, one a feature", self.input.features.len()),
                    format!("{} values", values.len()),
                    "give one number for each name of input.features",
                )?;
            }
        }
        let depth = depth(&self.network.layers);
        expect(
            depth <= DEEPEST,
            "network.layers",
            &format!("blocks at most {DEEPEST} deep in each other"),
            depth.to_string(),
            "put blocks behind each other",
        )?;
        self.check_network_files(file)?;
        for (i, accuracy) in self.accuracy.iter().enumerate() {
            for (name, value) in [
                ("accuracy", accuracy.accuracy),
                ("macro_f1", accuracy.macro_f1),
            ] {
                expect(
                    (0.0..=1.0).contains(&value),
                    &format!("accuracy[{i}].{name}"),
                    "a share from 0 to 1",
                    value.to_string(),
                    "give the share, not per cent",
                )?;
            }
        }
        Ok(())
    }

    fn check_network_files(&self, file: &str) -> Result<(), LoadError> {
        for (field, name) in [
            ("network.weights", &self.network.weights),
            ("network.file", &self.network.file),
        ] {
            if let Some(name) = name
                && (name.is_empty()
                    // A colon leads to another drive of Windows, or to a stream in a file.
                    || name.contains(['/', '\\', '\0', ':'])
                    || name == "."
                    || name == "..")
            {
                return Err(LoadError::malformed(
                    file,
                    field,
                    "the name of a file beside the manifest, without / \\ or :",
                    format_args!("\"{name}\""),
                    "put the file into the package's folder and give its bare name",
                ));
            }
        }
        let has_layers = !self.network.layers.is_empty();
        if has_layers == self.network.file.is_some() {
            return Err(LoadError::malformed(
                file,
                "network",
                "either layers or file",
                if has_layers { "both" } else { "neither" },
                "describe the network by [[network.layers]] or name a model file, not both",
            ));
        }
        let foreign =
            |name: &String| Format::of_file_name(name).is_ok_and(|f| f != Format::RtNeural);
        if let Some(name) = self.network.file.as_ref().filter(|name| foreign(name))
            && let Some(format) = self.network.weight_format
        {
            return Err(LoadError::malformed(
                file,
                "network.weight_format",
                format_args!("nothing, because the engine of {name} stores weights as it likes"),
                format_args!("\"{format}\""),
                "remove it",
            ));
        }
        let needs_weights = has_layers || self.scaler == ScalerSpec::Standard {};
        if needs_weights != self.network.weights.is_some() {
            return Err(LoadError::malformed(
                file,
                "network.weights",
                if needs_weights {
                    "the safetensors file of the layers and the scaler"
                } else {
                    "nothing"
                },
                self.network.weights.as_deref().unwrap_or("nothing"),
                if needs_weights {
                    "add weights = \"weights.safetensors\""
                } else {
                    "remove it: neither the network nor the scaler has tensors in it"
                },
            ));
        }
        Ok(())
    }
}

/// How deep blocks lie in each other; no deeper than what reads TOML allows.
fn depth(layers: &[LayerSpec]) -> usize {
    let of_layer = |layer: &LayerSpec| match layer {
        LayerSpec::Residual { layers } | LayerSpec::Skip { layers } => 1 + depth(layers),
        _ => 0,
    };
    layers.iter().map(of_layer).max().unwrap_or(0)
}

fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    !id.is_empty() && id.chars().all(allowed)
}

/// A list of names: at least one, none empty, none twice.
fn check_names(file: &str, field: &str, names: &[String]) -> Result<(), LoadError> {
    if names.is_empty() {
        return Err(LoadError::malformed(
            file,
            field,
            "at least one name",
            "none",
            "list them in order",
        ));
    }
    let mut seen = HashSet::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        if name.is_empty() || !seen.insert(name) {
            return Err(LoadError::malformed(
                file,
                format_args!("{field}[{i}]"),
                "a name that is not empty and not used before",
                format_args!("\"{name}\""),
                "give each entry a name of its own",
            ));
        }
    }
    Ok(())
}
