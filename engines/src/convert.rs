//! One trained network written in the formats of the foreign engines.
//!
//! The files hold the pure network, as in the paper: one `f32` input `[1, n_features]`, one
//! output `[1, n_classes]`, no scaler. Everything here allocates and is for loading time.

mod folded;
mod onnx;
mod pickle;
mod protobuf;
mod rtneural;
mod signal;
mod tflite;
mod torchscript;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::EngineId;
use crate::network::Network;
use folded::FoldedNetwork;
pub use signal::{Signal, convert_signal};

/// A file format that networks are written in and read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// ONNX, opset 17.
    Onnx,
    /// TensorFlow Lite's flatbuffer, schema version 3.
    TfLite,
    /// A TorchScript archive.
    TorchScript,
    /// The JSON that RTNeural loads.
    RtNeural,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Onnx, Self::TfLite, Self::TorchScript, Self::RtNeural];

    /// The name used on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::TfLite => "tflite",
            Self::TorchScript => "torchscript",
            Self::RtNeural => "rtneural",
        }
    }

    /// Extension of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::TfLite => "tflite",
            Self::TorchScript => "pt",
            Self::RtNeural => "json",
        }
    }

    /// The engine that runs its files.
    #[must_use]
    pub const fn engine(self) -> EngineId {
        match self {
            Self::Onnx => EngineId::Onnx,
            Self::TfLite => EngineId::LiteRt,
            Self::TorchScript => EngineId::Torch,
            Self::RtNeural => EngineId::Native,
        }
    }

    /// The format of a file with this name, told by its extension.
    ///
    /// # Errors
    /// When the extension is that of no format.
    pub fn of_file_name(name: &str) -> Result<Self, UnknownFormat> {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        Self::ALL
            .into_iter()
            .find(|format| format.extension().eq_ignore_ascii_case(extension))
            .ok_or_else(|| UnknownFormat {
                found: name.to_owned(),
                known: "file names ending in .onnx, .tflite, .pt, .json",
            })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat {
                found: name.to_owned(),
                known: "onnx, tflite, torchscript, rtneural",
            })
    }
}

/// A name that belongs to no format. Its message lists those there are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{found}\" is no model format; there are {known}")]
pub struct UnknownFormat {
    found: String,
    known: &'static str,
}

/// A layer that a format does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{format} has no layer like {layer}; choose another format, or engine native")]
pub struct Unconvertible {
    layer: String,
    format: Format,
}

impl Unconvertible {
    fn new(layer: impl ToString, format: Format) -> Self {
        Self {
            layer: layer.to_string(),
            format,
        }
    }
}

/// The bytes of a file of `format` with `network`, the same for the same network.
///
/// Batch normalisation is folded into its neighbours, in double precision.
///
/// # Errors
/// When the network has a layer that the format lacks, or one with memory.
pub fn convert(network: &Network, format: Format) -> Result<Vec<u8>, Unconvertible> {
    let folded = FoldedNetwork::new(network, format)?;
    match format {
        Format::Onnx => Ok(onnx::write(&folded)),
        Format::TfLite => tflite::write(&folded),
        Format::TorchScript => Ok(torchscript::write(&folded)),
        Format::RtNeural => rtneural::write(&folded),
    }
}

/// Name of the input in the formats that name it.
const INPUT: &str = "features";

/// Name of the output in the formats that name it.
const OUTPUT: &str = "probabilities";

/// `values` as little-endian bytes.
fn le_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_are_parsed_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            let name = format!("a.b.{}", format.extension());
            assert_eq!(Format::of_file_name(&name), Ok(format));
        }
    }

    #[test]
    fn an_unknown_format_is_answered_with_the_list() {
        assert_eq!(
            "coreml".parse::<Format>().unwrap_err().to_string(),
            "\"coreml\" is no model format; there are onnx, tflite, torchscript, rtneural"
        );
        assert!(Format::of_file_name("model").is_err());
    }
}
