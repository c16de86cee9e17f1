//! What a weight is stored as.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the weights of the large matrices are stored as while an engine of ours runs.
///
/// A network that is evaluated once a note is bound by reading its weights: fewer bytes, less
/// time. Whatever the format, the weight file holds `f32`, the conversion happens when the engine
/// is made, inputs, biases and sums are `f32` (for [`WeightFormat::Int8`]: 16-bit inputs and exact
/// integer sums), and only dense layers are converted, and recurrent layers too large for the first
/// level of the caches (32 KiB), to [`WeightFormat::F16`] whichever coarser format is asked for.
/// Convolutions and smaller recurrent layers stay `f32`: their weights are few and are read again
/// and again.
///
/// `docs/engines-benchmark.md` has the measured times and errors of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// As trained, 4 bytes.
    F32,
    /// IEEE 754 half precision, 2 bytes, 11 significant bits. A layer stays `f32` if it has weights
    /// beyond the range (65,504), or a row or column of weights so small that digits are lost.
    F16,
    /// The upper half of an `f32`, 2 bytes, 8 significant bits. A layer with weights that round to
    /// infinity stays `f32`.
    Bf16,
    /// -127 to 127 with one scale a row, 1 byte. A layer of more than 8,192 inputs stays `f32`.
    Int8,
}

impl WeightFormat {
    /// All formats, the most exact first.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::Int8];

    /// The format of a package that names none.
    ///
    /// The fastest that changes no winner, neither on the notes of the recordings, which the
    /// networks were trained on, nor on synthesised ones, which they were not: see
    /// `docs/engines-benchmark.md`.
    pub const DEFAULT: Self = Self::F16;

    /// The name used on the command line and in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Bytes of one weight.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int8 => 1,
        }
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no weight format has. Its message lists those there are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no weight format \"{0}\"; there are {list}", list = WeightFormat::ALL.map(WeightFormat::name).join(", "))]
pub struct UnknownWeightFormat(pub String);

impl FromStr for WeightFormat {
    type Err = UnknownWeightFormat;

    fn from_str(name: &str) -> Result<Self, UnknownWeightFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownWeightFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed_back() {
        for format in WeightFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "int4".parse::<WeightFormat>().unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no weight format \"int4\"; there are f32, f16, bf16, int8"
        );
    }
}
