//! RTNeural's JSON model files, as its exporter for Keras writes them.
//!
//! ```json
//! {"in_shape": [null, null, 1],
//!  "layers": [{"type": "dense", "activation": "tanh", "shape": [null, null, 8], "weights": [[[…]], […]]}, …]}
//! ```
//!
//! The last number of `in_shape` is the length of a step's vector; four-dimensional shapes
//! `[batch, time, features, channels]` describe frames. `shape` is that of the layer's output.
//! `weights` is what Keras' `get_weights()` returns, as nested lists.
//!
//! | `type` | weights | other fields |
//! | --- | --- | --- |
//! | `dense`, `time-distributed-dense` | `[inputs, outputs]`, `[outputs]` | |
//! | `conv1d` | `[kernel, inputs / groups, outputs]`, `[outputs]` | `kernel_size`, `dilation`, `groups` (1), `strides` (1) |
//! | `conv2d` | `[time, features, inputs, filters]`, `[filters]` | `kernel_size_time`, `kernel_size_feature`, `dilation` (over time), `strides` (over features), `padding` (`valid`, `same`), `num_filters_in`, `num_features_in`, `num_filters_out` |
//! | `gru` | `[inputs, 3 units]`, `[units, 3 units]`, `[2, 3 units]` | |
//! | `lstm` | `[inputs, 4 units]`, `[units, 4 units]`, `[4 units]` | |
//! | `batchnorm`, `batchnorm2d` | gamma, beta, mean, variance, or only the last two | `epsilon`, `num_filters_in`, `num_features_in` |
//! | `prelu` | alpha: one, or one a channel; Keras' is `[1, channels]` | |
//! | `activation` | | |
//! | `maxpool1d`, `maxpool2d` (ours) | | `pool_size`, `strides` (`pool_size`), `padding` |
//! | `leakyrelu` (ours) | | `alpha` or `negative_slope` |
//!
//! `activation` is `""`, `linear`, `tanh`, `relu`, `sigmoid`, `softmax`, `elu` (with an optional
//! `alpha`), or, beyond RTNeural, `leaky_relu` (with `alpha`). Recurrent layers have their gates'
//! activations built in: they may only say `tanh`, Keras' default, or nothing. A layer that is nothing
//! but an activation must name one; with `linear` it is passed over. A bias may be missing
//! (`use_bias=False`).
//!
//! A file does not tell whether a GRU without biases had `reset_after`, nor a recurrent layer's
//! `recurrent_activation`: as in RTNeural they are `True` and `sigmoid`, Keras' defaults.
//!
//! What each layer computes is written at its type in [`crate::network`]. The padding of a
//! `conv1d` does not matter: like RTNeural, we compute the causal convolution, whose output is
//! that of Keras' `valid` or `same` convolution, later by the steps that Keras looks ahead. With strides
//! it is computed, as by RTNeural, at every so many steps from the first on, which are not the steps at
//! which Keras' windows end.
//!
//! A frame that meets a layer for vectors is flattened, the channel running fastest; a dense layer
//! with as many inputs as the frame has channels is applied to each feature, as Keras does.
//!
//! Besides `in_shape` and `layers` a file may have the fields of AIDA-X:
//!
//! | field | |
//! | --- | --- |
//! | `in_gain` (0 dB) | factor of the first input, dB; 0 from -90 dB down |
//! | `in_skip` (0) | 1: the first input, with its gain, is added to the only output |
//! | `out_gain` (0 dB) | factor of the outputs, behind `in_skip`, dB; 0 from -90 dB down |
//!
//! A shape may stand in a list of its own, as Keras has that of an input layer. Such a layer, which
//! the exporter calls `unknown`, is passed over if it comes first.
//!
//! Unknown types, activations and fields are refused, never skipped, and so are fields that the
//! layer has no use for. These tell nothing that is computed and are allowed: [`NOTES`] in the file,
//! [`LAYER_NOTES`] in a layer.
//!
//! Sources: the format as public files and descriptions of it show; the definitions of the layers
//! in Keras' documentation; RTNeural's pull requests 89 (two-dimensional layers) and 145
//! (strides); `model_utils.py` and `model_utils_torch.py`, its exporters; AIDA-X's `applyModel` and
//! `modelToKeras.py` of its trainer. Checked against Keras in double precision, see `tests/golden`.
//!
//! What `model_utils_torch.py` (RTNeural's pull request 160) writes is not always the network in PyTorch:
//! of an LSTM's two biases it keeps one, and the kernels of convolutions it reshapes where it would
//! have to transpose. Nothing in the file tells, so that it is computed as it stands, as by RTNeural. Its
//! dense layers of several outputs are one column, and refused.

mod array;
mod layer;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::bounded_read::read_file;
use crate::network::{BatchNorm, Builder, Layer, Misfit, Network};
use crate::{LoadError, file_kind};
use array::Array;

/// What to do about an input without a size, or with one that cannot be.
const FIX_SIZE: &str =
    "give the model's input a size, whatever its batch and time, and export it again";

/// What to do about a field of AIDA-X that does not fit.
const CORRECT: &str = "correct the field, or take it out of the file";

/// Largest file that is read, bytes.
const LARGEST_FILE: u64 = 1 << 30;

/// Fields of a file that say nothing of what it computes: descriptions, and what AIDA-X tries a
/// model on.
pub const NOTES: &[&str] = &[
    "metadata",
    "name",
    "description",
    "comment",
    "author",
    "license",
    "licence",
    "date",
    "version",
    "sample_rate",
    "samplerate",
    "input_batch",
    "output_batch",
    "golden",
];

/// Fields of a layer that say nothing of what it computes.
pub const LAYER_NOTES: &[&str] = &["name", "comment"];

/// A model file.
#[derive(Deserialize)]
struct File {
    in_shape: Shape,
    layers: Vec<RawLayer>,
    in_skip: Option<f64>,
    in_gain: Option<f64>,
    out_gain: Option<f64>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// A layer as the file has it.
#[derive(Deserialize)]
struct RawLayer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    activation: Option<String>,
    #[serde(default)]
    shape: Option<Shape>,
    #[serde(default)]
    weights: Vec<Array>,
    kernel_size: Option<Sizes>,
    kernel_size_time: Option<usize>,
    kernel_size_feature: Option<usize>,
    dilation: Option<Sizes>,
    strides: Option<Sizes>,
    groups: Option<usize>,
    padding: Option<String>,
    num_filters_in: Option<usize>,
    num_features_in: Option<usize>,
    num_filters_out: Option<usize>,
    epsilon: Option<f64>,
    pool_size: Option<Sizes>,
    alpha: Option<f64>,
    negative_slope: Option<f64>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl RawLayer {
    /// Whether the file says that the layer's input is a frame of `features` and `channels`.
    fn names_frame(&self, features: usize, channels: usize) -> bool {
        self.num_features_in == Some(features) && self.num_filters_in == Some(channels)
    }
}

/// A shape of Keras: batch, time and the sizes of a step. Unknown ones are null.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a list of sizes and nulls, or such a list in a list of its own"
)]
enum Shape {
    Plain(Vec<Option<usize>>),
    /// As Keras has that of an input layer.
    InList([Vec<Option<usize>>; 1]),
}

impl Shape {
    fn sizes(&self) -> &[Option<usize>] {
        match self {
            Self::Plain(sizes) | Self::InList([sizes]) => sizes,
        }
    }
}

/// One size, or one for each axis.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a whole number that is not negative, or a list of such"
)]
enum Sizes {
    One(usize),
    Each(Vec<usize>),
}

impl Sizes {
    fn as_slice(&self) -> &[usize] {
        match self {
            Self::One(size) => std::slice::from_ref(size),
            Self::Each(sizes) => sizes,
        }
    }
}

/// Reads the model file at `path`.
///
/// # Errors
/// When it cannot be read or is malformed; the error names the layer's index and type.
pub fn load(path: impl AsRef<Path>) -> Result<Network, LoadError> {
    let path = path.as_ref();
    parse(&read_file(path, LARGEST_FILE)?, &path.display().to_string())
}

/// Reads the model file with the content `json`; `file` names it in errors.
///
/// # Errors
/// When it is malformed; the error names the layer's index and type.
pub fn parse(json: &[u8], file: &str) -> Result<Network, LoadError> {
    let json = file_kind::without_mark(json);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let parsed: File = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        not_a_model(json, file, &path, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|error| not_a_model(json, file, ".", &error))?;

    if let Some(name) = unknown(&parsed.others, NOTES) {
        return Err(LoadError::malformed(
            file,
            name,
            format_args!(
                "in_shape, layers, in_skip, in_gain, out_gain, or one of the notes {}",
                NOTES.join(", ")
            ),
            "a field that is not known",
            "remove it if it changes nothing that the network computes, or move it into \"metadata\"",
        ));
    }
    let misfit = |field: &str, misfit: Misfit, remedy: &str| {
        LoadError::malformed(file, field, misfit.expected, misfit.found, remedy)
    };
    let in_shape =
        frame_of(parsed.in_shape.sizes()).map_err(|error| misfit("in_shape", error, FIX_SIZE))?;
    let gains = Gains::read(&parsed).map_err(|(field, error)| misfit(field, error, CORRECT))?;
    let mut network = Builder::new(in_shape[0], in_shape[1])
        .map_err(|error| misfit("in_shape", error, FIX_SIZE))?;
    gains
        .push_input(&mut network)
        .map_err(|error| misfit("in_gain", error, CORRECT))?;
    for (i, raw) in parsed.layers.into_iter().enumerate() {
        if i == 0 && layer::is_input(&raw, in_shape) {
            continue;
        }
        let kind = raw.kind.clone();
        layer::push(raw, &mut network).map_err(|fault| {
            LoadError::malformed(
                file,
                format_args!("layers[{i}] \"{kind}\": {}", fault.field),
                fault.misfit.expected,
                fault.misfit.found,
                fault.remedy,
            )
        })?;
    }
    gains
        .push_output(&mut network)
        .map_err(|(field, error)| misfit(field, error, CORRECT))?;
    network
        .build()
        .map_err(|error| misfit("layers", error, layer::EXPORT))
}

/// The first of `fields` that is not one of `notes`.
fn unknown<'a>(fields: &'a BTreeMap<String, IgnoredAny>, notes: &[&str]) -> Option<&'a str> {
    fields
        .keys()
        .map(String::as_str)
        .find(|name| !notes.contains(name))
}

/// What AIDA-X does before and behind the layers.
struct Gains {
    input: f32,
    skip: bool,
    output: f32,
}

impl Gains {
    fn read(file: &File) -> Result<Self, (&'static str, Misfit)> {
        let skip = match file.in_skip {
            None | Some(0.0) => false,
            Some(1.0) => true,
            Some(other) => return Err(("in_skip", Misfit::new("0 or 1", other))),
        };
        Ok(Self {
            input: factor("in_gain", file.in_gain)?,
            skip,
            output: factor("out_gain", file.out_gain)?,
        })
    }

    /// Of several inputs, AIDA-X's first is the sound and the others are knobs.
    fn push_input(&self, network: &mut Builder) -> Result<(), Misfit> {
        let mut factors = vec![1.0; network.width()];
        factors[0] = self.input;
        push_factors(factors, network)
    }

    fn push_output(&self, network: &mut Builder) -> Result<(), (&'static str, Misfit)> {
        if self.skip {
            let gain = self.input;
            network
                .push(Layer::AddInput { gain })
                .map_err(|error| ("in_skip", error))?;
        }
        let factors = vec![self.output; network.width()];
        push_factors(factors, network).map_err(|error| ("out_gain", error))
    }
}

/// The factor of a gain of so many dB. Source: AIDA-X's `DB_CO`.
fn factor(field: &'static str, gain: Option<f64>) -> Result<f32, (&'static str, Misfit)> {
    match gain {
        None => Ok(1.0),
        Some(gain) if gain <= -90.0 => Ok(0.0),
        Some(gain) => {
            let factor = 10_f64.powf(gain / 20.0) as f32;
            let misfit = || Misfit::new("a gain in dB, as a factor in the range of f32", gain);
            factor
                .is_finite()
                .then_some(factor)
                .ok_or_else(|| (field, misfit()))
        }
    }
}

/// A factor for each value, as a normalisation that is nothing else.
fn push_factors(factors: Vec<f32>, network: &mut Builder) -> Result<(), Misfit> {
    if factors.iter().all(|factor| *factor == 1.0) {
        return Ok(());
    }
    let n = factors.len();
    network.push(Layer::BatchNorm(BatchNorm {
        gamma: factors,
        beta: vec![0.0; n],
        mean: vec![0.0; n],
        variance: vec![1.0; n],
        epsilon: 0.0,
    }))
}

/// Features and channels of a Keras shape, whose first one or two sizes are batch and time.
fn frame_of(shape: &[Option<usize>]) -> Result<[usize; 2], Misfit> {
    let known = match shape {
        [_, _, Some(features), Some(channels)] => Some([*features, *channels]),
        [] | [_, _, _, _] => None,
        [.., Some(n)] if shape.len() < 4 => Some([1, *n]),
        _ => None,
    };
    known.ok_or_else(|| {
        let found: Vec<String> = shape
            .iter()
            .map(|size| size.map_or_else(|| "null".to_owned(), |n| n.to_string()))
            .collect();
        Misfit::new(
            "[batch, time, size] or [batch, time, features, channels]",
            format_args!("[{}]", found.join(", ")),
        )
    })
}

fn not_a_model(json: &[u8], file: &str, path: &str, error: &serde_json::Error) -> LoadError {
    if let Some(other) = file_kind::other_json(json, file) {
        return other;
    }
    // A file that stops in the middle was cut short, whoever wrote it.
    let remedy = if error.is_eof() {
        "copy the file again: it stops in the middle"
    } else if is_at_no_number(json, error) {
        "NaN and Infinity are no numbers in JSON: the training diverged or the export is broken: train or export again"
    } else {
        "compare it with what RTNeural's Keras exporter writes"
    };
    let field = if path == "." { "JSON" } else { path };
    LoadError::malformed(file, field, "an RTNeural model file", error, remedy)
}

/// Whether the text stops being JSON at what programs write for a number that is none, as Python does:
/// `NaN`, `Infinity`, `-Infinity`.
fn is_at_no_number(json: &[u8], error: &serde_json::Error) -> bool {
    let mut lines = json.split(|byte| *byte == b'\n');
    let line = lines
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    // The column is that of the first letter, or of one behind it, counted from 1.
    let (before, behind) = line.split_at(error.column().saturating_sub(1).min(line.len()));
    let letters = before.rsplit(|byte| !byte.is_ascii_alphabetic()).next();
    let first = letters.unwrap_or_default();
    let letters = behind.split(|byte| !byte.is_ascii_alphabetic()).next();
    let word = [first, letters.unwrap_or_default()].concat();
    error.is_syntax()
        && ["NaN", "Infinity", "inf"]
            .iter()
            .any(|none| word.eq_ignore_ascii_case(none.as_bytes()))
}
