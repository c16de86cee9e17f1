//! ONNX: a `ModelProto` with a `Gemm` and an activation for each layer.
//!
//! Field numbers after `onnx.proto3` (ONNX 1.12, IR version 8, opset 17).

use super::folded::{FoldedActivation, FoldedLayer, FoldedNetwork};
use super::protobuf::Message;
use super::{INPUT, OUTPUT, le_bytes};

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

pub(super) fn write(network: &FoldedNetwork) -> Vec<u8> {
    let mut graph = Message::default();
    let mut value = INPUT.to_owned();
    let last = network.layers.len() - 1;
    for (i, layer) in network.layers.iter().enumerate() {
        let end = if i == last {
            OUTPUT.to_owned()
        } else {
            format!("layer_{i}")
        };
        let (weight, bias) = (format!("dense_{i}.weight"), format!("dense_{i}.bias"));
        let sum = match layer.activation {
            FoldedActivation::None => end.clone(),
            _ => format!("dense_{i}"),
        };
        let transpose_b = attribute_integer("transB", 1);
        graph = graph.message(
            1,
            &node("Gemm", &[&value, &weight, &bias], &sum, Some(&transpose_b)),
        );
        if let Some(operator) = operator(layer.activation) {
            graph = graph.message(1, &node(operator, &[&sum], &end, None));
        }
        value = end;
    }
    graph = graph.bytes(2, "tocco");
    for (i, layer) in network.layers.iter().enumerate() {
        graph = initializers(graph, i, layer);
    }
    graph = graph
        .message(11, &value_info(INPUT, network.n_inputs()))
        .message(12, &value_info(OUTPUT, network.n_outputs()));

    let opset = Message::default().bytes(1, "").integer(2, 17);
    Message::default()
        .integer(1, 8)
        .bytes(2, "tocco")
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .message(7, &graph)
        .message(8, &opset)
        .into_bytes()
}

fn operator(activation: FoldedActivation) -> Option<&'static str> {
    match activation {
        FoldedActivation::None => None,
        FoldedActivation::Relu => Some("Relu"),
        FoldedActivation::Tanh => Some("Tanh"),
        FoldedActivation::Sigmoid => Some("Sigmoid"),
        // Its axis is the last one unless another is given.
        FoldedActivation::Softmax => Some("Softmax"),
    }
}

/// `NodeProto`.
fn node(operator: &str, inputs: &[&str], output: &str, attribute: Option<&Message>) -> Message {
    let mut node = Message::default();
    for input in inputs {
        node = node.bytes(1, input);
    }
    node = node.bytes(2, output).bytes(3, output).bytes(4, operator);
    match attribute {
        Some(attribute) => node.message(5, attribute),
        None => node,
    }
}

/// `AttributeProto` of type `INT`.
fn attribute_integer(name: &str, value: u64) -> Message {
    Message::default()
        .bytes(1, name)
        .integer(3, value)
        .integer(20, 2)
}

/// Adds the `TensorProto`s of layer `i`.
fn initializers(graph: Message, i: usize, layer: &FoldedLayer) -> Message {
    let tensor = |name: String, shape: &[usize], values: &[f32]| {
        let mut tensor = Message::default();
        for &size in shape {
            tensor = tensor.integer(1, size as u64);
        }
        tensor
            .integer(2, FLOAT)
            .bytes(8, name)
            .bytes(9, le_bytes(values))
    };
    graph
        .message(
            5,
            &tensor(
                format!("dense_{i}.weight"),
                &[layer.outputs, layer.inputs],
                &layer.weight,
            ),
        )
        .message(
            5,
            &tensor(format!("dense_{i}.bias"), &[layer.outputs], &layer.bias),
        )
}

/// `ValueInfoProto` of a `float` tensor `[1, n]`.
fn value_info(name: &str, n: usize) -> Message {
    let size = |size: usize| Message::default().integer(1, size as u64);
    let shape = Message::default().message(1, &size(1)).message(1, &size(n));
    let tensor = Message::default().integer(1, FLOAT).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().bytes(1, name).message(2, &kind)
}
