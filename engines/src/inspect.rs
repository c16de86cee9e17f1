//! What can be read from a model file of another format without running it: its inputs, outputs
//! and layers.
//!
//! Files come from anywhere. Whatever they hold, reading one neither panics nor takes memory without
//! bound: what is kept of a pickle, of a node and of an operator is limited. Everything here allocates.

mod flatbuffer;
mod onnx;
mod pickle;
mod protobuf;
mod rtneural;
mod tflite;
mod torchscript;

use std::fmt;
use std::path::PathBuf;

use crate::convert::Format;
use crate::{LoadError, file_kind, tensor_shape};

/// What a model file says about its network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// The inputs; empty where the format does not name them.
    pub inputs: Vec<TensorDescription>,
    /// The outputs; empty where the format does not name them.
    pub outputs: Vec<TensorDescription>,
    /// The layers in the order of the file, a line each.
    pub layers: Vec<String>,
}

/// A named tensor and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorDescription {
    /// Its name in the file.
    pub name: String,
    /// Its sizes, outermost first; below 1 where the file leaves a size open.
    pub shape: Vec<i64>,
}

impl TensorDescription {
    /// Number of values for one feature vector: the product of the sizes, an open one counting 1.
    /// `None` if no size is known, or if the product does not fit.
    #[must_use]
    pub fn n_values(&self) -> Option<usize> {
        let mut known = self.shape.iter().filter(|&&size| size > 0).peekable();
        known.peek()?;
        known.try_fold(1_usize, |product, &size| {
            product.checked_mul(usize::try_from(size).ok()?)
        })
    }
}

impl fmt::Display for TensorDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, tensor_shape::display(&self.shape))
    }
}

/// Reads the description of the `format` file with the contents `bytes`; `file` names it in
/// errors.
///
/// # Errors
/// When the bytes are no such file.
pub fn describe(bytes: &[u8], format: Format, file: &str) -> Result<Description, LoadError> {
    file_kind::check(bytes, format, file)?;
    let described = match format {
        Format::Onnx => onnx::describe(bytes),
        Format::TfLite => tflite::describe(bytes),
        Format::TorchScript => torchscript::describe(bytes),
        // Its reader says more than a description could.
        Format::RtNeural => {
            let network = crate::rtneural::parse(bytes, file)?;
            rtneural::describe(bytes, &network)
        }
    };
    described.map_err(|problem| {
        let Problem {
            field,
            expected,
            found,
            remedy,
        } = problem;
        LoadError::malformed(file, field, expected, found, remedy)
    })
}

/// Names of the other files that the `.onnx` file with the contents `bytes` keeps weights in,
/// relative to its folder, in order; `file` names it in errors.
///
/// # Errors
/// When the bytes are no such file, or a name leads out of its folder.
pub fn companions(bytes: &[u8], file: &str) -> Result<Vec<PathBuf>, LoadError> {
    onnx::companions(bytes, file)
}

/// Most weights of a node or an operator that are described. Any number of them may share one
/// weight, so without a limit a small file could make much text.
const MOST_WEIGHTS: usize = 4;

/// What is wrong with a file.
#[derive(Debug)]
struct Problem {
    field: String,
    expected: &'static str,
    found: String,
    remedy: &'static str,
}

impl Problem {
    fn new(field: impl Into<String>, expected: &'static str, found: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            expected,
            found: found.into(),
            remedy: "export the model again, and check that the file was copied completely",
        }
    }

    /// An input or output that is no tensor of `f32`.
    fn element_type(tensor: &str, found: impl Into<String>) -> Self {
        Self {
            remedy: "export the network with inputs and outputs of float32: the features and the \
                     probabilities are such numbers; what is quantised inside is the engine's affair",
            ..Self::new(tensor, "a tensor of float32", found)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::convert::convert;
    use crate::network::{Activation, Dense, Layer, Network};

    /// 3 inputs, 5 hidden values, 2 outputs.
    fn network() -> Network {
        let dense = |inputs: usize, outputs: usize| {
            Layer::Dense(Dense {
                inputs,
                outputs,
                weight: vec![0.5; inputs * outputs],
                bias: vec![0.25; outputs],
            })
        };
        Network {
            n_inputs: 3,
            n_outputs: 2,
            layers: vec![
                dense(3, 5),
                Layer::Activation(Activation::Relu),
                dense(5, 2),
                Layer::Activation(Activation::Softmax { temperature: 1.0 }),
            ],
        }
    }

    fn tensor(name: &str, size: i64) -> Vec<TensorDescription> {
        vec![TensorDescription {
            name: name.to_owned(),
            shape: vec![1, size],
        }]
    }

    fn written(format: Format) -> Description {
        let bytes = convert(&network(), format).unwrap();
        describe(&bytes, format, "test").unwrap()
    }

    #[test]
    fn onnx_names_inputs_outputs_and_operators() {
        assert_eq!(
            written(Format::Onnx),
            Description {
                inputs: tensor("features", 3),
                outputs: tensor("probabilities", 2),
                layers: ["Gemm [5, 3] [5]", "Relu", "Gemm [2, 5] [2]", "Softmax"]
                    .map(str::to_owned)
                    .into(),
            }
        );
    }

    #[test]
    fn tflite_names_inputs_outputs_and_operators() {
        assert_eq!(
            written(Format::TfLite),
            Description {
                inputs: tensor("features", 3),
                outputs: tensor("probabilities", 2),
                layers: [
                    "FULLY_CONNECTED [5, 3] [5]",
                    "FULLY_CONNECTED [2, 5] [2]",
                    "SOFTMAX"
                ]
                .map(str::to_owned)
                .into(),
            }
        );
    }

    #[test]
    fn torchscript_names_parameters() {
        assert_eq!(
            written(Format::TorchScript),
            Description {
                inputs: tensor("input", 3),
                outputs: tensor("output", 2),
                layers: [
                    "weight_0 [5, 3]",
                    "bias_0 [5]",
                    "weight_2 [2, 5]",
                    "bias_2 [2]"
                ]
                .map(str::to_owned)
                .into(),
            }
        );
    }

    #[test]
    fn rtneural_names_layers() {
        let described = written(Format::RtNeural);
        assert_eq!(described.inputs[0].n_values(), Some(3));
        assert_eq!(described.outputs[0].n_values(), Some(2));
        assert_eq!(
            described.layers,
            ["dense [?, 5] with relu", "dense [?, 2] with softmax"]
        );
    }

    #[test]
    fn open_and_overflowing_shapes_have_no_number_of_values() {
        let n_values = |shape: &[i64]| {
            let name = String::new();
            TensorDescription {
                name,
                shape: shape.to_vec(),
            }
            .n_values()
        };
        assert_eq!(n_values(&[-1, 12, 13]), Some(156));
        assert_eq!(n_values(&[-1, -1]), None);
        assert_eq!(n_values(&[]), None);
        assert_eq!(n_values(&[i64::MAX, i64::MAX]), None);
    }

    #[test]
    fn the_error_names_file_and_field() {
        let error = describe(b"\x1c\0\0\0XYZ!", Format::TfLite, "drum.tflite").unwrap_err();
        assert_eq!(
            error.to_string(),
            "drum.tflite: file identifier: expected \"TFL3\", found \"XYZ!\"; \
             export the model again, and check that the file was copied completely"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            for format in Format::ALL {
                let _ = describe(&bytes, format, "test");
            }
        }

        #[test]
        fn damaged_files_are_read_without_panic(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            length in any::<prop::sample::Index>(),
            cut: bool,
        ) {
            for format in Format::ALL {
                let mut bytes = convert(&network(), format).unwrap();
                for (place, value) in &damage {
                    let n = bytes.len();
                    bytes[place.index(n)] = *value;
                }
                if cut {
                    bytes.truncate(length.index(bytes.len()));
                }
                let _ = describe(&bytes, format, "test");
            }
        }
    }
}
