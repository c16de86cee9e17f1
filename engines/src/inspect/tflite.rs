//! TensorFlow Lite: the inputs, outputs and operators of the first subgraph. Field numbers and
//! codes after `schema.fbs`, schema version 3.

use super::flatbuffer::Table;
use super::{Description, MOST_WEIGHTS, Problem, TensorDescription};
use crate::tensor_shape;

pub(super) fn describe(bytes: &[u8]) -> Result<Description, Problem> {
    if bytes.get(4..8) != Some(b"TFL3") {
        let found = bytes.get(4..8).map_or_else(
            || format!("{} bytes", bytes.len()),
            |identifier| format!("\"{}\"", identifier.escape_ascii()),
        );
        return Err(Problem::new("file identifier", "\"TFL3\"", found));
    }
    let (description, types) = read_model(bytes).ok_or_else(|| {
        Problem::new(
            "model",
            "a complete flatbuffer",
            "offsets that lead out of the file",
        )
    })?;
    match types.into_iter().find(|(_, kind)| *kind != FLOAT32) {
        Some((name, kind)) => Err(Problem::element_type(&name, type_name(kind))),
        None => Ok(description),
    }
}

/// `TensorType.FLOAT32`, the one that a tensor has that names none.
const FLOAT32: u8 = 0;

fn type_name(kind: u8) -> String {
    let name = match kind {
        1 => "FLOAT16",
        2 => "INT32",
        3 => "UINT8",
        4 => "INT64",
        5 => "STRING",
        6 => "BOOL",
        7 => "INT16",
        9 => "INT8",
        10 => "FLOAT64",
        other => return format!("type {other}"),
    };
    name.to_owned()
}

/// What a tensor is called in errors, and its type.
type NamedType = (String, u8);

fn read_model(bytes: &[u8]) -> Option<(Description, Vec<NamedType>)> {
    let model = Table::root(bytes)?;
    let codes: Vec<i32> = model.tables(1)?.iter().map(operator_code).collect();
    let subgraph = *model.tables(2)?.first()?;
    let tensors = subgraph.tables(0)?;
    let tensor = |index: i32| tensors.get(usize::try_from(index).ok()?);
    let mut types = Vec::new();
    let mut described = |n: usize, what: &str| -> Option<Vec<TensorDescription>> {
        subgraph
            .integers(n, MOST_TENSORS)?
            .into_iter()
            .map(|index| {
                let tensor = tensor(index)?;
                let name = tensor.text(3, LONGEST_NAME).unwrap_or_default();
                types.push((format!("{what} {name}"), tensor.byte(1).unwrap_or(FLOAT32)));
                Some(TensorDescription {
                    name,
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
    let description = Description {
        inputs: described(1, "input")?,
        outputs: described(2, "output")?,
        layers,
    };
    Some((description, types))
}

/// Most inputs or outputs of a graph or an operator.
const MOST_TENSORS: usize = 256;

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

#[cfg(test)]
mod tests {
    use flatbuffers::FlatBufferBuilder;

    use super::*;

    /// A model without operators, whose input and output are of these types.
    fn model(types: [i8; 2]) -> Vec<u8> {
        let field = |n: u16| 4 + 2 * n;
        let mut builder = FlatBufferBuilder::new();
        let tensors = [("x", types[0]), ("y", types[1])].map(|(name, kind)| {
            let name = builder.create_string(name);
            let shape = builder.create_vector(&[1_i32, 4]);
            let table = builder.start_table();
            builder.push_slot_always(field(0), shape);
            builder.push_slot(field(1), kind, 0);
            builder.push_slot_always(field(3), name);
            builder.end_table(table)
        });
        let tensors = builder.create_vector(&tensors);
        let inputs = builder.create_vector(&[0_i32]);
        let outputs = builder.create_vector(&[1_i32]);
        let none = builder.create_vector::<flatbuffers::ForwardsUOffset<&str>>(&[]);
        let table = builder.start_table();
        builder.push_slot_always(field(0), tensors);
        builder.push_slot_always(field(1), inputs);
        builder.push_slot_always(field(2), outputs);
        builder.push_slot_always(field(3), none);
        let subgraph = builder.end_table(table);
        let subgraphs = builder.create_vector(&[subgraph]);
        let codes = builder.create_vector::<flatbuffers::ForwardsUOffset<&str>>(&[]);
        let table = builder.start_table();
        builder.push_slot_always(field(1), codes);
        builder.push_slot_always(field(2), subgraphs);
        let root = builder.end_table(table);
        builder.finish(root, Some("TFL3"));
        builder.finished_data().to_vec()
    }

    #[test]
    fn inputs_and_outputs_of_integers_are_refused_by_name() {
        describe(&model([0, 0])).unwrap();
        for (types, tensor, found) in [
            ([9, 9], "input x", "INT8"),
            ([0, 3], "output y", "UINT8"),
            ([1, 0], "input x", "FLOAT16"),
        ] {
            let problem = describe(&model(types)).unwrap_err();
            assert_eq!(
                (problem.field.as_str(), problem.found.as_str()),
                (tensor, found)
            );
            assert!(problem.remedy.contains("float32"));
        }
    }
}
