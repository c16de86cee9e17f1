//! ONNX: the inputs, outputs and nodes of a `ModelProto`'s graph. Field numbers after
//! `onnx.proto3`.

use std::collections::HashMap;

use super::protobuf::{Value, fields, packed};
use super::{Description, Problem, TensorDescription};
use crate::tensor_shape;

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
    read_graph(graph).ok_or_else(|| Problem::new("graph", "a complete GraphProto", "a broken one"))
}

fn read_graph(bytes: &[u8]) -> Option<Description> {
    let mut inputs = Vec::new();
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
    inputs.retain(|input| !weights.contains_key(&input.name));
    let layers = nodes
        .into_iter()
        .map(|(operator, node_inputs)| {
            let shapes: Vec<String> = node_inputs
                .iter()
                .filter_map(|name| weights.get(name))
                .map(|shape| tensor_shape::display(shape))
                .collect();
            [operator]
                .into_iter()
                .chain(shapes)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    Some(Description {
        inputs,
        outputs,
        layers,
    })
}

/// Operator and input names of a `NodeProto`.
fn node(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    let mut operator = String::new();
    let mut inputs = Vec::new();
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(name)) => inputs.push(text(name)),
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

/// Name and shape of a `ValueInfoProto`.
fn value_info(bytes: &[u8]) -> Option<TensorDescription> {
    let mut name = String::new();
    let mut shape = Vec::new();
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => name = text(bytes),
            // TypeProto, in it its tensor type, in that the shape.
            (2, Value::Bytes(kind)) => {
                if let Some(tensor) = last_message(kind, 1)?
                    && let Some(sizes) = last_message(tensor, 2)?
                {
                    shape = dimensions(sizes)?;
                }
            }
            _ => {}
        }
    }
    Some(TensorDescription { name, shape })
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
