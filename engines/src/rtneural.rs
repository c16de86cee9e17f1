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
//! | `batchnorm`, `batchnorm2d` | gamma, beta, mean, variance, or only the last two | `epsilon` |
//! | `prelu` | alpha: one, or one a channel | |
//! | `activation` | | |
//! | `maxpool1d`, `maxpool2d` (ours) | | `pool_size`, `strides` (`pool_size`), `padding` |
//! | `leakyrelu` (ours) | | `alpha` or `negative_slope` |
//!
//! `activation` is `""`, `linear`, `tanh`, `relu`, `sigmoid`, `softmax`, `elu` (with an optional
//! `alpha`), or, beyond RTNeural, `leaky_relu` (with `alpha`). Recurrent layers have their gates'
//! activations built in: they may only say `tanh`, Keras' default, or nothing. A bias may be
//! missing (`use_bias=False`).
//!
//! What each layer computes is written at its type in [`crate::network`]. The padding of a
//! `conv1d` does not matter: like RTNeural, we compute the causal convolution, whose output is
//! that of Keras' `valid` or `same` convolution, later by the steps that Keras looks ahead.
//!
//! A frame that meets a layer for vectors is flattened, the channel running fastest; a dense layer
//! with as many inputs as the frame has channels is applied to each feature, as Keras does.
//!
//! Unknown types and activations are refused, never skipped. Unknown fields are allowed, because
//! projects keep notes of their own in these files.
//!
//! Sources: the format as public files and descriptions of it show; the definitions of the layers
//! in Keras' documentation; RTNeural's pull requests 89 (two-dimensional layers) and 145
//! (strides). Checked against Keras in double precision, see `tests/golden`.

mod array;
mod layer;

use std::path::Path;

use serde::Deserialize;

use crate::LoadError;
use crate::network::{Builder, Misfit, Network};
use crate::package::read_file;
use array::Array;

/// Largest file that is read, bytes.
const LARGEST_FILE: u64 = 1 << 30;

/// A model file.
#[derive(Deserialize)]
struct File {
    in_shape: Vec<Option<usize>>,
    layers: Vec<RawLayer>,
}

/// A layer as the file has it.
#[derive(Deserialize)]
struct RawLayer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    activation: Option<String>,
    #[serde(default)]
    shape: Option<Vec<Option<usize>>>,
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
}

/// One size, or one for each axis.
#[derive(Deserialize)]
#[serde(untagged)]
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
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let parsed: File = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        not_a_model(file, &path, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|error| not_a_model(file, ".", &error))?;

    let misfit = |field: String, misfit: Misfit| {
        LoadError::malformed(
            file,
            field,
            misfit.expected,
            misfit.found,
            "export the model again with RTNeural's Keras exporter",
        )
    };
    let [features, channels] =
        frame_of(&parsed.in_shape).map_err(|error| misfit("in_shape".to_owned(), error))?;
    let mut network =
        Builder::new(features, channels).map_err(|error| misfit("in_shape".to_owned(), error))?;
    for (i, raw) in parsed.layers.into_iter().enumerate() {
        let kind = raw.kind.clone();
        layer::push(raw, &mut network)
            .map_err(|(field, error)| misfit(format!("layers[{i}] \"{kind}\": {field}"), error))?;
    }
    network
        .build()
        .map_err(|error| misfit("layers".to_owned(), error))
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

fn not_a_model(file: &str, path: &str, error: &serde_json::Error) -> LoadError {
    LoadError::malformed(
        file,
        if path == "." { "JSON" } else { path },
        "an RTNeural model file",
        error,
        "export the model with RTNeural's Keras exporter; a PyTorch state_dict does not say which layers it belongs to",
    )
}
