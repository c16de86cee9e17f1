//! ONNX: a `ModelProto` with a node or a few for each operation. Patches are `[1, channels, frames,
//! bands]` inside, as ONNX convolves them.
//!
//! Field numbers after `onnx.proto3` (ONNX 1.12, IR version 8, opset 17).

pub(super) mod signal;

use super::folded::{FoldedNetwork, Operation, Shape, inputs_before_kernel, zeros};
use super::protobuf::Message;
use super::{INPUT, OUTPUT, le_bytes};

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// `TensorProto.DataType.INT64`.
const INT64: u64 = 7;

pub(super) fn write(network: &FoldedNetwork) -> Vec<u8> {
    let mut graph = Graph::new(network.n_inputs);
    let mut shape = Shape::Vector(network.n_inputs);
    for stage in &network.stages {
        graph.stage(&stage.operation, shape, stage.output);
        shape = stage.output;
    }
    graph.finish([network.n_inputs, network.n_outputs])
}

struct Graph {
    nodes: Vec<Node>,
    initializers: Vec<Message>,
    /// Name of the value so far.
    value: String,
    n_inputs: usize,
}

/// A `NodeProto`.
struct Node {
    operator: &'static str,
    inputs: Vec<String>,
    output: String,
    attributes: Vec<Message>,
}

impl Node {
    fn message(&self) -> Message {
        let mut node = Message::default();
        for input in &self.inputs {
            node = node.bytes(1, input);
        }
        node = node
            .bytes(2, &self.output)
            .bytes(3, &self.output)
            .bytes(4, self.operator);
        for attribute in &self.attributes {
            node = node.message(5, attribute);
        }
        node
    }
}

impl Graph {
    fn new(n_inputs: usize) -> Self {
        Self {
            nodes: Vec::new(),
            initializers: Vec::new(),
            value: INPUT.to_owned(),
            n_inputs,
        }
    }

    /// The file; the lengths are those of input and output.
    fn finish(mut self, [n_inputs, n_outputs]: [usize; 2]) -> Vec<u8> {
        // The last value goes by the output's name.
        if self.nodes.is_empty() {
            self.node("Identity", &[], &[]);
        }
        if let Some(last) = self.nodes.last_mut() {
            OUTPUT.clone_into(&mut last.output);
        }
        let mut message = Message::default();
        for node in &self.nodes {
            message = message.message(1, &node.message());
        }
        message = message.bytes(2, "tocco");
        for initializer in &self.initializers {
            message = message.message(5, initializer);
        }
        message = message
            .message(11, &value_info(INPUT, n_inputs))
            .message(12, &value_info(OUTPUT, n_outputs));

        let opset = Message::default().bytes(1, "").integer(2, 17);
        Message::default()
            .integer(1, 8)
            .bytes(2, "tocco")
            .bytes(3, env!("CARGO_PKG_VERSION"))
            .message(7, &message)
            .message(8, &opset)
            .into_bytes()
    }

    fn stage(&mut self, operation: &Operation, shape: Shape, output: Shape) {
        match operation {
            Operation::Dense(dense) => {
                let weight = self.floats("weight", &[dense.outputs, dense.inputs], &dense.weight);
                let bias = self.floats("bias", &[dense.outputs], &dense.bias);
                self.node("Gemm", &[&weight, &bias], &[integer("transB", 1)]);
            }
            Operation::Relu => self.node("Relu", &[], &[]),
            Operation::Tanh => self.node("Tanh", &[], &[]),
            Operation::Sigmoid => self.node("Sigmoid", &[], &[]),
            // Its axis is the last one unless another is given.
            Operation::Softmax => self.node("Softmax", &[], &[]),
            Operation::LeakyRelu(slope) => self.node("LeakyRelu", &[], &[float("alpha", *slope)]),
            Operation::Elu(alpha) => self.node("Elu", &[], &[float("alpha", *alpha)]),
            Operation::Prelu(alpha) => {
                let (sizes, alpha) = shape.channels_first(alpha);
                let slope = self.floats("slope", &sizes, &alpha);
                self.node("PRelu", &[&slope], &[]);
            }
            Operation::ScaleShift(scale, shift) => {
                let (sizes, scale) = shape.channels_first(scale);
                let scale = self.floats("scale", &sizes, &scale);
                let (sizes, shift) = shape.channels_first(shift);
                let shift = self.floats("shift", &sizes, &shift);
                self.node("Mul", &[&scale], &[]);
                self.node("Add", &[&shift], &[]);
            }
            Operation::Split(patch) => {
                self.slice(INPUT, 0, patch.iter().product());
                let sizes = self.integers(&output.sizes());
                self.node("Reshape", &[&sizes], &[]);
                self.node("Transpose", &[], &[integers("perm", &[0, 3, 1, 2])]);
            }
            Operation::Conv2d(conv) => {
                let sizes = [conv.filters, conv.inputs, conv.kernel[0], conv.kernel[1]];
                let weight = self.floats("weight", &sizes, &inputs_before_kernel(conv));
                let bias = self.floats("bias", &[conv.filters], &conv.bias);
                let zeros = zeros(conv.size, conv.kernel, conv.stride, conv.padding);
                let window = window(conv.kernel, conv.stride, zeros);
                self.node("Conv", &[&weight, &bias], &window);
            }
            Operation::MaxPool2d(pool) => {
                let zeros = zeros(pool.size, pool.pool, pool.stride, pool.padding);
                self.node("MaxPool", &[], &window(pool.pool, pool.stride, zeros));
            }
            Operation::Flatten => {
                self.node("Transpose", &[], &[integers("perm", &[0, 2, 3, 1])]);
                let sizes = self.integers(&output.sizes());
                self.node("Reshape", &[&sizes], &[]);
            }
            Operation::ConcatSide(first) => {
                if *first < self.n_inputs {
                    let signal = self.value.clone();
                    self.slice(INPUT, *first, self.n_inputs);
                    let side = std::mem::replace(&mut self.value, signal);
                    self.node("Concat", &[&side], &[integer("axis", 1)]);
                }
            }
        }
    }

    /// A node whose first input is the value so far and whose output is the new one.
    fn node(&mut self, operator: &'static str, more: &[&str], attributes: &[Message]) {
        let output = format!("value_{}", self.nodes.len());
        let mut inputs = vec![std::mem::replace(&mut self.value, output.clone())];
        inputs.extend(more.iter().map(|&name| name.to_owned()));
        self.nodes.push(Node {
            operator,
            inputs,
            output,
            attributes: attributes.to_vec(),
        });
    }

    /// Makes values `start..end` of the vector `source` the value.
    fn slice(&mut self, source: &str, start: usize, end: usize) {
        source.clone_into(&mut self.value);
        let bounds = [start, end, 1].map(|bound| self.integers(&[bound]));
        self.node("Slice", &[&bounds[0], &bounds[1], &bounds[2]], &[]);
    }

    /// Adds parameters, and returns their name.
    fn floats(&mut self, name: &str, sizes: &[usize], values: &[f32]) -> String {
        self.initializer(name, FLOAT, sizes, le_bytes(values))
    }

    fn integers(&mut self, values: &[usize]) -> String {
        let bytes = values
            .iter()
            .flat_map(|&value| (value as i64).to_le_bytes())
            .collect();
        self.initializer("sizes", INT64, &[values.len()], bytes)
    }

    /// Adds a `TensorProto`.
    fn initializer(&mut self, name: &str, kind: u64, sizes: &[usize], bytes: Vec<u8>) -> String {
        let name = format!("{name}_{}", self.initializers.len());
        let mut tensor = Message::default();
        for &size in sizes {
            tensor = tensor.integer(1, size as u64);
        }
        tensor = tensor.integer(2, kind).bytes(8, &name).bytes(9, bytes);
        self.initializers.push(tensor);
        name
    }
}

/// The attributes of a window that moves over frames and bands.
fn window(kernel: [usize; 2], stride: [usize; 2], zeros: [[usize; 2]; 2]) -> [Message; 3] {
    let pads = [zeros[0][0], zeros[1][0], zeros[0][1], zeros[1][1]];
    [
        integers("kernel_shape", &kernel),
        integers("strides", &stride),
        integers("pads", &pads),
    ]
}

/// `AttributeProto` of type `INT`.
fn integer(name: &str, value: u64) -> Message {
    Message::default()
        .bytes(1, name)
        .integer(3, value)
        .integer(20, 2)
}

/// `AttributeProto` of type `INTS`.
fn integers(name: &str, values: &[usize]) -> Message {
    let mut attribute = Message::default().bytes(1, name);
    for &value in values {
        attribute = attribute.integer(8, value as u64);
    }
    attribute.integer(20, 7)
}

/// `AttributeProto` of type `FLOAT`.
fn float(name: &str, value: f32) -> Message {
    Message::default()
        .bytes(1, name)
        .float(2, value)
        .integer(20, 1)
}

/// `ValueInfoProto` of a `float` tensor `[1, n]`.
fn value_info(name: &str, n: usize) -> Message {
    let size = |size: usize| Message::default().integer(1, size as u64);
    let shape = Message::default().message(1, &size(1)).message(1, &size(n));
    let tensor = Message::default().integer(1, FLOAT).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().bytes(1, name).message(2, &kind)
}
