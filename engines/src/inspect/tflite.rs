//! TensorFlow Lite: the inputs, outputs and operators of the first subgraph. Field numbers and
//! codes after `schema.fbs`, schema version 3.

use super::flatbuffer::Table;
use super::{Description, Problem, TensorDescription};
use crate::tensor_shape;

pub(super) fn describe(bytes: &[u8]) -> Result<Description, Problem> {
    if bytes.get(4..8) != Some(b"TFL3") {
        let found = bytes.get(4..8).map_or_else(
            || format!("{} bytes", bytes.len()),
            |identifier| format!("\"{}\"", identifier.escape_ascii()),
        );
        return Err(Problem::new("file identifier", "\"TFL3\"", found));
    }
    read_model(bytes).ok_or_else(|| {
        Problem::new(
            "model",
            "a complete flatbuffer",
            "offsets that lead out of the file",
        )
    })
}

fn read_model(bytes: &[u8]) -> Option<Description> {
    let model = Table::root(bytes)?;
    let codes: Vec<i32> = model.tables(1)?.iter().map(operator_code).collect();
    let subgraph = *model.tables(2)?.first()?;
    let tensors = subgraph.tables(0)?;
    let tensor = |index: i32| tensors.get(usize::try_from(index).ok()?);
    let described = |n: usize| -> Option<Vec<TensorDescription>> {
        subgraph
            .integers(n, MOST_TENSORS)?
            .into_iter()
            .map(|index| {
                let tensor = tensor(index)?;
                Some(TensorDescription {
                    name: tensor.text(3, LONGEST_NAME).unwrap_or_default(),
                    shape: shape(tensor)?,
                })
            })
            .collect()
    };
    let layers = subgraph
        .tables(3)?
        .iter()
        .map(|operator| {
            let code = usize::try_from(operator.integer(0).unwrap_or(0)).ok()?;
            let mut layer = operator_name(*codes.get(code)?);
            // The first input is the signal, the next ones are weights. An absent one is -1.
            let weights = operator.integers(1, MOST_TENSORS)?.into_iter().skip(1);
            for weight in weights.filter_map(tensor).take(MOST_WEIGHTS) {
                layer.push(' ');
                layer += &tensor_shape::display(&shape(weight)?);
            }
            Some(layer)
        })
        .collect::<Option<_>>()?;
    Some(Description {
        inputs: described(1)?,
        outputs: described(2)?,
        layers,
    })
}

/// Most inputs or outputs of a graph or an operator.
const MOST_TENSORS: usize = 256;

/// Most weights of an operator that are described.
const MOST_WEIGHTS: usize = 4;

/// Longest name of a tensor, bytes.
const LONGEST_NAME: usize = 256;

/// Most dimensions of a tensor: LiteRT has at most 8.
const HIGHEST_RANK: usize = 8;

/// The shape of a `Tensor`. Where there is a signature, it says which sizes may change.
fn shape(tensor: &Table<'_>) -> Option<Vec<i64>> {
    let sizes = match tensor.integers(7, HIGHEST_RANK) {
        Some(signature) => signature,
        // A scalar has none.
        None if !tensor.has(0) => Vec::new(),
        None => tensor.integers(0, HIGHEST_RANK)?,
    };
    Some(sizes.into_iter().map(i64::from).collect())
}

/// `OperatorCode`: the larger of the old field of 8 bits and the new one.
fn operator_code(table: &Table<'_>) -> i32 {
    let old = table
        .byte(0)
        .map_or(0, |code| i32::from(code.cast_signed()));
    old.max(table.integer(3).unwrap_or(0))
}

/// Name of a `BuiltinOperator`, for those that classifiers of sounds are made of.
fn operator_name(code: i32) -> String {
    let name = match code {
        0 => "ADD",
        1 => "AVERAGE_POOL_2D",
        2 => "CONCATENATION",
        3 => "CONV_2D",
        4 => "DEPTHWISE_CONV_2D",
        6 => "DEQUANTIZE",
        9 => "FULLY_CONNECTED",
        14 => "LOGISTIC",
        17 => "MAX_POOL_2D",
        18 => "MUL",
        19 => "RELU",
        22 => "RESHAPE",
        25 => "SOFTMAX",
        28 => "TANH",
        32 => "CUSTOM",
        34 => "PAD",
        39 => "TRANSPOSE",
        40 => "MEAN",
        43 => "SQUEEZE",
        44 => "UNIDIRECTIONAL_SEQUENCE_LSTM",
        45 => "STRIDED_SLICE",
        54 => "PRELU",
        98 => "LEAKY_RELU",
        111 => "ELU",
        114 => "QUANTIZE",
        other => return format!("operator {other}"),
    };
    name.to_owned()
}
