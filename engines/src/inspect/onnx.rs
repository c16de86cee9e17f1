//! ONNX: the inputs, outputs and nodes of a `ModelProto`'s graph. Field numbers after
//! `onnx.proto3`.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use super::protobuf::{Value, fields, packed};
use super::{Description, MOST_WEIGHTS, Problem, TensorDescription};
use crate::{LoadError, tensor_shape};

pub(super) fn describe(bytes: &[u8]) -> Result<Description, Problem> {
    let not_onnx = |what: &str| Problem::new("model", "an ONNX model", what);
    let mut graph = None;
    for field in fields(bytes) {
        let field = field.ok_or_else(|| not_onnx("bytes that are no protobuf message"))?;
        if let (7, Value::Bytes(message)) = field {
            graph = Some(message);
        }
    }
    let graph = graph.ok_or_else(|| not_onnx("a message without a graph"))?;
    let (description, types) = read_graph(graph)
        .ok_or_else(|| Problem::new("graph", "a complete GraphProto", "a broken one"))?;
    match types.into_iter().find(|(_, kind)| *kind != FLOAT) {
        Some((name, kind)) => Err(Problem::element_type(&name, type_name(kind))),
        None => Ok(description),
    }
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// Name of a `TensorProto.DataType`; 0 is that of what is no tensor.
fn type_name(kind: u64) -> String {
    let name = match kind {
        0 => "no tensor, but a sequence or a map (scikit-learn: convert with zipmap off)",
        2 => "UINT8",
        3 => "INT8",
        6 => "INT32",
        7 => "INT64",
        8 => "STRING",
        9 => "BOOL",
        10 => "FLOAT16",
        11 => "DOUBLE",
        16 => "BFLOAT16",
        other => return format!("type {other}"),
    };
    name.to_owned()
}

/// What a tensor is called in errors, and its type.
type NamedType = (String, u64);

fn read_graph(bytes: &[u8]) -> Option<(Description, Vec<NamedType>)> {
    let mut inputs: Vec<(TensorDescription, u64)> = Vec::new();
    let mut outputs = Vec::new();
    let mut nodes = Vec::new();
    let mut weights: HashMap<String, Vec<i64>> = HashMap::new();
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(message)) => nodes.push(node(message)?),
            (5, Value::Bytes(message)) => {
                let tensor = initializer(message)?;
                weights.insert(tensor.name, tensor.shape);
            }
            (11, Value::Bytes(message)) => inputs.push(value_info(message)?),
            (12, Value::Bytes(message)) => outputs.push(value_info(message)?),
            _ => {}
        }
    }
    // Before IR version 4, weights were inputs with a default.
    inputs.retain(|(input, _)| !weights.contains_key(&input.name));
    let named = |what: &str, tensors: &[(TensorDescription, u64)]| -> Vec<NamedType> {
        tensors
            .iter()
            .map(|(tensor, kind)| (format!("{what} {}", tensor.name), *kind))
            .collect()
    };
    let types = [named("input", &inputs), named("output", &outputs)].concat();
    let plain = |tensors: Vec<(TensorDescription, u64)>| {
        tensors.into_iter().map(|(tensor, _)| tensor).collect()
    };
    let layers = nodes
        .into_iter()
        .map(|(operator, node_inputs)| {
            let shapes: Vec<String> = node_inputs
                .iter()
                .filter_map(|name| weights.get(name))
                .take(MOST_WEIGHTS)
                .map(|shape| tensor_shape::display(shape))
                .collect();
            [operator]
                .into_iter()
                .chain(shapes)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let description = Description {
        inputs: plain(inputs),
        outputs: plain(outputs),
        layers,
    };
    Some((description, types))
}

/// Most inputs of a node that are looked at: the signal and the weights.
const MOST_INPUTS: usize = 1 + MOST_WEIGHTS;

/// Operator and names of the first inputs of a `NodeProto`.
fn node(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    let mut operator = String::new();
    let mut inputs = Vec::new();
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(name)) if inputs.len() < MOST_INPUTS => inputs.push(text(name)),
            (4, Value::Bytes(name)) => operator = text(name),
            _ => {}
        }
    }
    Some((operator, inputs))
}

/// Most dimensions of a weight.
const HIGHEST_RANK: usize = 16;

/// Name and shape of a `TensorProto`.
fn initializer(bytes: &[u8]) -> Option<TensorDescription> {
    let mut tensor = TensorDescription {
        name: String::new(),
        shape: Vec::new(),
    };
    for field in fields(bytes) {
        match field? {
            (1, Value::Integer(size)) => tensor.shape.push(size.cast_signed()),
            (1, Value::Bytes(sizes)) => {
                tensor
                    .shape
                    .extend(packed(sizes)?.into_iter().map(u64::cast_signed));
            }
            (8, Value::Bytes(name)) => tensor.name = text(name),
            _ => {}
        }
    }
    // Each use of a weight is described with its shape: a long one would multiply.
    (tensor.shape.len() <= HIGHEST_RANK).then_some(tensor)
}

/// Name and shape of a `ValueInfoProto`, and its type; 0 if it is no tensor.
fn value_info(bytes: &[u8]) -> Option<(TensorDescription, u64)> {
    let mut name = String::new();
    let mut shape = Vec::new();
    let mut element = 0;
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => name = text(bytes),
            // TypeProto, in it its tensor type, in that the shape.
            (2, Value::Bytes(kind)) => {
                if let Some(tensor) = last_message(kind, 1)? {
                    for field in fields(tensor) {
                        match field? {
                            (1, Value::Integer(kind)) => element = kind,
                            (2, Value::Bytes(sizes)) => shape = dimensions(sizes)?,
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Some((TensorDescription { name, shape }, element))
}

/// Sizes of a `TensorShapeProto`; -1 for those with a name or nothing.
fn dimensions(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut shape = Vec::new();
    for field in fields(bytes) {
        if let (1, Value::Bytes(dimension)) = field? {
            let mut size = -1;
            for field in fields(dimension) {
                if let (1, Value::Integer(value)) = field? {
                    size = value.cast_signed();
                }
            }
            shape.push(size);
        }
    }
    Some(shape)
}

/// The message in field `number`, the last one as protobuf has it. The outer `None` is a
/// malformed message.
fn last_message(bytes: &[u8], number: u64) -> Option<Option<&[u8]>> {
    let mut last = None;
    for field in fields(bytes) {
        match field? {
            (found, Value::Bytes(message)) if found == number => last = Some(message),
            _ => {}
        }
    }
    Some(last)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// See [`super::companions`].
pub(super) fn companions(bytes: &[u8], file: &str) -> Result<Vec<PathBuf>, LoadError> {
    let mut names = BTreeSet::new();
    find_companions(bytes, Message::Model, DEEPEST, &mut names).ok_or_else(|| {
        LoadError::malformed(
            file,
            "model",
            "an ONNX model",
            "bytes that are no protobuf message",
            "export the model again, and check that the file was copied completely",
        )
    })?;
    names
        .into_iter()
        .map(|name| {
            let path = Path::new(&name);
            let inside = path
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if inside && !name.is_empty() && !name.contains(['\\', '\0', ':']) {
                Ok(path.to_path_buf())
            } else {
                Err(LoadError::malformed(
                    file,
                    "external_data",
                    "names of files in the model's folder",
                    format_args!("\"{}\"", name.escape_debug()),
                    "save the model again with its weights in itself, or in a file beside it",
                ))
            }
        })
        .collect()
}

/// Deepest graph in a graph that is looked into.
const DEEPEST: usize = 32;

/// Messages that a tensor may be in.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// What is in field `number`, if a tensor may be in that.
    fn field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Function, 7) | (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Some(Self::Tensor)
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Attribute, 6 | 11) => Some(Self::Graph),
            _ => None,
        }
    }
}

/// Adds the names of the files that the tensors in `bytes` lie in. `None` if it is malformed or too
/// deep.
fn find_companions(
    bytes: &[u8],
    message: Message,
    depth: usize,
    names: &mut BTreeSet<String>,
) -> Option<()> {
    if let Message::Tensor = message {
        for field in fields(bytes) {
            // A StringStringEntryProto: a key and a value.
            if let (13, Value::Bytes(entry)) = field?
                && last_message(entry, 1)? == Some(b"location")
            {
                names.insert(text(last_message(entry, 2)?.unwrap_or_default()));
            }
        }
        return Some(());
    }
    let depth = depth.checked_sub(1)?;
    for field in fields(bytes) {
        if let (number, Value::Bytes(inner)) = field?
            && let Some(kind) = message.field(number)
        {
            find_companions(inner, kind, depth, names)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 128 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = varint(u64::from(number) << 3 | 2);
        out.extend(varint(bytes.len() as u64));
        out.extend(bytes);
        out
    }

    /// A tensor in the file `location`.
    fn tensor(location: &[u8]) -> Vec<u8> {
        let entry = [field(1, b"location"), field(2, location)].concat();
        field(13, &entry)
    }

    fn found(graph: &[u8]) -> Result<Vec<PathBuf>, String> {
        companions(&field(7, graph), "m.onnx").map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_found_wherever_tensors_are() {
        let weight = field(5, &tensor(b"a.data"));
        let sparse = field(15, &field(1, &tensor(b"b.data")));
        let attribute = field(5, &tensor(b"sub/c.data"));
        let inner = field(6, &field(5, &tensor(b"a.data")));
        let node = field(1, &[field(5, &attribute), field(5, &inner)].concat());
        let names: Vec<PathBuf> = ["a.data", "b.data", "sub/c.data"].map(Into::into).into();
        assert_eq!(found(&[weight, sparse, node].concat()), Ok(names));
        assert_eq!(found(b""), Ok(Vec::new()));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            &b"/etc/passwd"[..],
            b"../weights",
            b"sub/../../weights",
            b"",
            b"C:\\weights",
            b"a\0b",
        ] {
            let error = found(&field(5, &tensor(name))).unwrap_err();
            assert!(error.contains("m.onnx: external_data"), "{error}");
        }
    }

    #[test]
    fn a_node_with_inputs_without_end_is_described_in_short() {
        // A weight without a name, and a node whose inputs have none either.
        let size = [varint(1 << 3), varint(i64::MAX.cast_unsigned())].concat();
        let weight = field(5, &size.repeat(HIGHEST_RANK));
        let inputs = field(1, b"").repeat(1 << 16);
        let node = field(1, &[inputs, field(4, b"Sum")].concat());
        let description = describe(&field(7, &[weight, node].concat())).unwrap();
        let shape = tensor_shape::display(&[i64::MAX; HIGHEST_RANK]);
        let shapes = format!(" {shape}").repeat(MOST_WEIGHTS);
        assert!(
            description.layers == [format!("Sum{shapes}")],
            "another description"
        );
    }

    #[test]
    fn graphs_without_end_are_refused() {
        let inside = |graph: &[u8]| field(1, &field(5, &field(6, graph)));
        let mut graph = field(5, &tensor(b"a"));
        for _ in 0..DEEPEST / 3 {
            graph = inside(&graph);
        }
        found(&graph).unwrap();
        found(&inside(&graph)).unwrap_err();
    }
}
