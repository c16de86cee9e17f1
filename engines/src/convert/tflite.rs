//! TensorFlow Lite: a flatbuffer with an operator or a few for each operation. Patches are
//! `[1, frames, bands, channels]`, as ours.
//!
//! Field numbers and codes after `schema.fbs` of TensorFlow Lite, schema version 3. Tables are
//! built by hand: the schema's compiler would bring 30,000 lines for the few tables used here.

pub(super) mod signal;

use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Push, Vector, WIPOffset};

use super::folded::{FoldedNetwork, Operation, Shape, zeros};
use super::{Format, INPUT, OUTPUT, Unconvertible, le_bytes};
use crate::network::Padding;

/// Byte offset of field `n` in a table's directory: two entries precede the first.
const fn field(n: u16) -> u16 {
    4 + 2 * n
}

/// `BuiltinOperator`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
enum Operator {
    Add = 0,
    Concatenation = 2,
    Conv2d = 3,
    FullyConnected = 9,
    Logistic = 14,
    MaxPool2d = 17,
    Mul = 18,
    Relu = 19,
    Reshape = 22,
    Softmax = 25,
    Tanh = 28,
    Pad = 34,
    Sub = 41,
    Prelu = 54,
    PadV2 = 60,
    Slice = 65,
    LeakyRelu = 98,
    Elu = 111,
}

/// `BuiltinOptions`, the number of each table of options.
mod options {
    pub(super) const CONV_2D: u8 = 1;
    pub(super) const POOL_2D: u8 = 5;
    pub(super) const FULLY_CONNECTED: u8 = 8;
    pub(super) const SOFTMAX: u8 = 9;
    pub(super) const CONCATENATION: u8 = 10;
    pub(super) const ADD: u8 = 11;
    pub(super) const RESHAPE: u8 = 17;
    pub(super) const MUL: u8 = 21;
    pub(super) const PAD: u8 = 22;
    pub(super) const SUB: u8 = 28;
    pub(super) const PAD_V2: u8 = 43;
    pub(super) const SLICE: u8 = 48;
    pub(super) const LEAKY_RELU: u8 = 75;
}

/// `ActivationFunctionType`.
const FUSED_RELU: i8 = 1;

/// `Padding`: the window stays inside.
const VALID: i8 = 1;

/// `TensorType`.
const FLOAT32: i8 = 0;
/// `TensorType`.
const INT32: i8 = 2;

type Builder = FlatBufferBuilder<'static>;
/// A finished table of any type.
type Table = WIPOffset<flatbuffers::Table<'static>>;

/// # Errors
/// When an operation is not one of TensorFlow Lite's.
pub(super) fn write(network: &FoldedNetwork) -> Result<Vec<u8>, Unconvertible> {
    let mut model = Model::default();
    model.buffer(&[]);
    let input = model.tensor(INPUT, &[1, network.n_inputs], EMPTY_BUFFER, FLOAT32);
    model.input = input;
    model.value = input;
    let mut shape = Shape::Vector(network.n_inputs);
    let mut stages = network.stages.iter().peekable();
    while let Some(stage) = stages.next() {
        // A relu after a dense layer or a convolution is part of it.
        let fuses = matches!(stage.operation, Operation::Dense(_) | Operation::Conv2d(_));
        let relu = fuses
            && stages
                .next_if(|next| next.operation == Operation::Relu)
                .is_some();
        model.last = stages.peek().is_none();
        model.stage(&stage.operation, shape, stage.output, relu)?;
        shape = stage.output;
    }
    Ok(model.finish(network.n_outputs))
}

/// The convention that tensors without data point to buffer 0.
const EMPTY_BUFFER: u32 = 0;

#[derive(Default)]
struct Model {
    builder: Builder,
    buffers: Vec<Table>,
    tensors: Vec<Table>,
    operators: Vec<Table>,
    codes: Vec<Operator>,
    /// The network's input.
    input: i32,
    /// The value so far.
    value: i32,
    /// Whether the stage being added is the last one.
    last: bool,
}

impl Model {
    /// Adds an operation; `relu` is one that follows it.
    fn stage(
        &mut self,
        operation: &Operation,
        shape: Shape,
        output: Shape,
        relu: bool,
    ) -> Result<(), Unconvertible> {
        let x = self.value;
        let sizes = output.sizes();
        let fused = if relu { FUSED_RELU } else { 0 };
        match operation {
            Operation::Dense(dense) => {
                let weight = self.floats("weight", &[dense.outputs, dense.inputs], &dense.weight);
                let bias = self.floats("bias", &[dense.outputs], &dense.bias);
                let options = self.options(options::FULLY_CONNECTED, |builder| {
                    builder.push_slot(field(0), fused, 0_i8);
                });
                self.apply(
                    Operator::FullyConnected,
                    &[x, weight, bias],
                    &sizes,
                    options,
                );
            }
            Operation::Relu => self.apply(Operator::Relu, &[x], &sizes, None),
            Operation::Tanh => self.apply(Operator::Tanh, &[x], &sizes, None),
            Operation::Sigmoid => self.apply(Operator::Logistic, &[x], &sizes, None),
            Operation::Softmax => {
                let beta = 1.0_f32;
                let options = self.options(options::SOFTMAX, |builder| {
                    builder.push_slot(field(0), beta, 0.0);
                });
                self.apply(Operator::Softmax, &[x], &sizes, options);
            }
            Operation::LeakyRelu(slope) => {
                let options = self.options(options::LEAKY_RELU, |builder| {
                    builder.push_slot(field(0), *slope, 0.0);
                });
                self.apply(Operator::LeakyRelu, &[x], &sizes, options);
            }
            Operation::Elu(1.0) => self.apply(Operator::Elu, &[x], &sizes, None),
            Operation::Elu(alpha) => {
                return Err(Unconvertible::new(
                    format_args!("elu with alpha {alpha}"),
                    Format::TfLite,
                ));
            }
            Operation::Prelu(alpha) => {
                let alpha = self.parameters("alpha", shape, alpha);
                self.apply(Operator::Prelu, &[x, alpha], &sizes, None);
            }
            Operation::ScaleShift(scale, shift) => {
                let scale = self.parameters("scale", shape, scale);
                let shift = self.parameters("shift", shape, shift);
                let last = std::mem::take(&mut self.last);
                let options = self.options(options::MUL, |_| {});
                self.apply(Operator::Mul, &[x, scale], &sizes, options);
                self.last = last;
                let options = self.options(options::ADD, |_| {});
                self.apply(Operator::Add, &[self.value, shift], &sizes, options);
            }
            Operation::Split(patch) => {
                let last = std::mem::take(&mut self.last);
                self.slice(0, patch.iter().product());
                self.last = last;
                self.reshape(&sizes);
            }
            Operation::Conv2d(conv) => {
                let [k0, k1] = conv.kernel;
                let weight =
                    self.floats("weight", &[conv.filters, k0, k1, conv.inputs], &conv.weight);
                let bias = self.floats("bias", &[conv.filters], &conv.bias);
                let zeros = zeros(conv.size, conv.kernel, conv.stride, conv.padding);
                let same = conv.padding == [Padding::Same; 2];
                if !same {
                    self.pad(shape, zeros, None);
                }
                let [stride_h, stride_w] = conv.stride.map(|stride| stride as i32);
                let options = self.options(options::CONV_2D, |builder| {
                    builder.push_slot(field(0), if same { 0 } else { VALID }, 0_i8);
                    builder.push_slot(field(1), stride_w, 0);
                    builder.push_slot(field(2), stride_h, 0);
                    builder.push_slot(field(3), fused, 0_i8);
                });
                self.apply(
                    Operator::Conv2d,
                    &[self.value, weight, bias],
                    &sizes,
                    options,
                );
            }
            Operation::MaxPool2d(pool) => {
                let zeros = zeros(pool.size, pool.pool, pool.stride, pool.padding);
                let same = pool.padding == [Padding::Same; 2];
                if !same {
                    // Never the largest value.
                    self.pad(shape, zeros, Some(f32::MIN));
                }
                let [stride_h, stride_w] = pool.stride.map(|stride| stride as i32);
                let [height, width] = pool.pool.map(|size| size as i32);
                let options = self.options(options::POOL_2D, |builder| {
                    builder.push_slot(field(0), if same { 0 } else { VALID }, 0_i8);
                    builder.push_slot(field(1), stride_w, 0);
                    builder.push_slot(field(2), stride_h, 0);
                    builder.push_slot(field(3), width, 0);
                    builder.push_slot(field(4), height, 0);
                });
                self.apply(Operator::MaxPool2d, &[self.value], &sizes, options);
            }
            Operation::Flatten => self.reshape(&sizes),
            Operation::ConcatSide(first) => {
                let side = output.len() - shape.len();
                if side > 0 {
                    let last = std::mem::take(&mut self.last);
                    self.slice(*first, side);
                    self.last = last;
                    let axis = 1_i32;
                    let options = self.options(options::CONCATENATION, |builder| {
                        builder.push_slot(field(0), axis, 0);
                    });
                    self.apply(Operator::Concatenation, &[x, self.value], &sizes, options);
                }
            }
        }
        Ok(())
    }

    /// Makes `n` of the network's inputs, from `first` on, the value.
    fn slice(&mut self, first: usize, n: usize) {
        let begin = self.integers("begin", &[2], &[0, first]);
        let size = self.integers("size", &[2], &[1, n]);
        let options = self.options(options::SLICE, |_| {});
        self.apply(
            Operator::Slice,
            &[self.input, begin, size],
            &[1, n],
            options,
        );
    }

    fn reshape(&mut self, sizes: &[usize]) {
        let shape = self.integers("shape", &[sizes.len()], sizes);
        let new: Vec<i32> = sizes.iter().map(|&size| size as i32).collect();
        let new = self.builder.create_vector(&new);
        let options = self.options(options::RESHAPE, |builder| {
            builder.push_slot_always(field(0), new);
        });
        self.apply(Operator::Reshape, &[self.value, shape], sizes, options);
    }

    /// Puts a border around the value's frames and bands, of zeros or of `fill`.
    fn pad(&mut self, shape: Shape, border: [[usize; 2]; 2], fill: Option<f32>) {
        if border == [[0; 2]; 2] {
            return;
        }
        let last = std::mem::take(&mut self.last);
        let mut sizes = shape.sizes();
        for (size, [before, after]) in sizes[1..].iter_mut().zip(border) {
            *size += before + after;
        }
        let [[top, bottom], [left, right]] = border;
        let amounts = [0, 0, top, bottom, left, right, 0, 0];
        let amounts = self.integers("border", &[4, 2], &amounts);
        match fill {
            None => {
                let options = self.options(options::PAD, |_| {});
                self.apply(Operator::Pad, &[self.value, amounts], &sizes, options);
            }
            Some(fill) => {
                let fill = self.floats("fill", &[1], &[fill]);
                let options = self.options(options::PAD_V2, |_| {});
                self.apply(
                    Operator::PadV2,
                    &[self.value, amounts, fill],
                    &sizes,
                    options,
                );
            }
        }
        self.last = last;
    }

    /// Adds an operator; what it gives, of the shape `sizes`, is the new value.
    fn apply(
        &mut self,
        operator: Operator,
        inputs: &[i32],
        sizes: &[usize],
        options: Option<(u8, Table)>,
    ) {
        let name = if self.last {
            OUTPUT.to_owned()
        } else {
            format!("value_{}", self.operators.len())
        };
        let output = self.tensor(&name, sizes, EMPTY_BUFFER, FLOAT32);
        self.operator(operator, inputs, output, options);
        self.value = output;
    }

    /// The options of an operator, with the fields that `fill` pushes.
    fn options(&mut self, kind: u8, fill: impl FnOnce(&mut Builder)) -> Option<(u8, Table)> {
        Some((kind, table(&mut self.builder, fill)))
    }

    /// Adds numbers; returns their tensor.
    fn floats(&mut self, name: &str, sizes: &[usize], values: &[f32]) -> i32 {
        let data = self.buffer(&le_bytes(values));
        let name = format!("{name}_{}", self.tensors.len());
        self.tensor(&name, sizes, data, FLOAT32)
    }

    fn integers(&mut self, name: &str, sizes: &[usize], values: &[usize]) -> i32 {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|&value| (value as i32).to_le_bytes())
            .collect();
        let data = self.buffer(&bytes);
        let name = format!("{name}_{}", self.tensors.len());
        self.tensor(&name, sizes, data, INT32)
    }

    /// Parameters of an operation on values of `shape`, one a channel or one a value.
    fn parameters(&mut self, name: &str, shape: Shape, values: &[f32]) -> i32 {
        let sizes = match shape {
            Shape::Patch([_, _, channels]) if values.len() == channels => vec![1, 1, channels],
            shape => shape.sizes()[1..].to_vec(),
        };
        self.floats(name, &sizes, values)
    }

    /// Adds a `Buffer`.
    fn buffer(&mut self, data: &[u8]) -> u32 {
        let data = (!data.is_empty()).then(|| aligned_bytes(&mut self.builder, data));
        let buffer = table(&mut self.builder, |builder| {
            if let Some(data) = data {
                builder.push_slot_always(field(0), data);
            }
        });
        self.buffers.push(buffer);
        self.buffers.len() as u32 - 1
    }

    /// Adds a `Tensor`.
    fn tensor(&mut self, name: &str, shape: &[usize], buffer: u32, kind: i8) -> i32 {
        let shape: Vec<i32> = shape.iter().map(|&size| size as i32).collect();
        let shape = self.builder.create_vector(&shape);
        let name = self.builder.create_string(name);
        let tensor = table(&mut self.builder, |builder| {
            builder.push_slot_always(field(0), shape);
            builder.push_slot(field(1), kind, FLOAT32);
            builder.push_slot(field(2), buffer, 0);
            builder.push_slot_always(field(3), name);
        });
        self.tensors.push(tensor);
        self.tensors.len() as i32 - 1
    }

    /// Adds an `Operator`.
    fn operator(
        &mut self,
        operator: Operator,
        inputs: &[i32],
        output: i32,
        options: Option<(u8, Table)>,
    ) {
        let code = self
            .codes
            .iter()
            .position(|&code| code == operator)
            .unwrap_or_else(|| {
                self.codes.push(operator);
                self.codes.len() - 1
            });
        let inputs = self.builder.create_vector(inputs);
        let outputs = self.builder.create_vector(&[output]);
        let operator = table(&mut self.builder, |builder| {
            builder.push_slot(field(0), code as u32, 0);
            builder.push_slot_always(field(1), inputs);
            builder.push_slot_always(field(2), outputs);
            if let Some((kind, options)) = options {
                builder.push_slot(field(3), kind, 0);
                builder.push_slot_always(field(4), options);
            }
        });
        self.operators.push(operator);
    }

    /// The file, with its one `SubGraph`.
    fn finish(mut self, n_outputs: usize) -> Vec<u8> {
        if self.operators.is_empty() {
            // A graph needs an operator.
            self.last = true;
            self.reshape(&[1, n_outputs]);
        }
        let (input, output) = (self.input, self.value);
        let builder = &mut self.builder;
        let inputs = builder.create_vector(&[input]);
        let outputs = builder.create_vector(&[output]);
        let tensors = tables(builder, &self.tensors);
        let operators = tables(builder, &self.operators);
        let name = builder.create_string("main");
        let subgraph = table(builder, |builder| {
            builder.push_slot_always(field(0), tensors);
            builder.push_slot_always(field(1), inputs);
            builder.push_slot_always(field(2), outputs);
            builder.push_slot_always(field(3), operators);
            builder.push_slot_always(field(4), name);
        });
        let codes: Vec<Table> = self
            .codes
            .iter()
            .map(|&code| {
                table(builder, |builder| {
                    // Readers from before 2020 know the first of these fields only.
                    builder.push_slot(field(0), code as i8, 0);
                    builder.push_slot(field(2), 1_i32, 0);
                    builder.push_slot(field(3), code as i32, 0);
                })
            })
            .collect();
        let codes = tables(builder, &codes);
        let subgraphs = tables(builder, &[subgraph]);
        let buffers = tables(builder, &self.buffers);
        let description = builder.create_string("tocco");
        let model = table(builder, |builder| {
            builder.push_slot(field(0), 3_u32, 0);
            builder.push_slot_always(field(1), codes);
            builder.push_slot_always(field(2), subgraphs);
            builder.push_slot_always(field(3), description);
            builder.push_slot_always(field(4), buffers);
        });
        builder.finish(model, Some("TFL3"));
        builder.finished_data().to_vec()
    }
}

/// A table with the fields that `fill` pushes.
fn table(builder: &mut Builder, fill: impl FnOnce(&mut Builder)) -> Table {
    let start = builder.start_table();
    fill(builder);
    let end = builder.end_table(start);
    WIPOffset::new(end.value())
}

/// A vector of tables.
fn tables(
    builder: &mut Builder,
    tables: &[Table],
) -> WIPOffset<Vector<'static, ForwardsUOffset<flatbuffers::Table<'static>>>> {
    builder.create_vector(tables)
}

/// A vector of bytes of which the first lies at a multiple of 16, as the schema asks for.
fn aligned_bytes(builder: &mut Builder, data: &[u8]) -> WIPOffset<Vector<'static, u8>> {
    // The buffer grows towards its start, and `Zeros` fixes its alignment there. What is missing
    // to a multiple of 16 after `data` goes in before it.
    builder.push(Zeros);
    let padding = data.len().next_multiple_of(ALIGNMENT) - data.len();
    for _ in 0..padding {
        builder.push(0_u8);
    }
    builder.create_vector(data)
}

/// `force_align` of a `Buffer`'s data, bytes.
const ALIGNMENT: usize = 16;

/// Sixteen zero bytes at a multiple of 16.
struct Zeros;

/// A type with the alignment of [`Zeros`].
#[repr(align(16))]
struct Aligned([u8; ALIGNMENT]);

impl Push for Zeros {
    type Output = Aligned;

    unsafe fn push(&self, destination: &mut [u8], _written: usize) {
        destination.copy_from_slice(&Aligned([0; ALIGNMENT]).0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::folded::Stage;
    use super::*;
    use crate::network::Dense;

    #[test]
    fn weights_lie_at_multiples_of_sixteen() {
        let stage = |inputs: usize, outputs: usize, first: f32| Stage {
            operation: Operation::Dense(Dense {
                inputs,
                outputs,
                weight: (0..inputs * outputs).map(|i| first + i as f32).collect(),
                bias: vec![-first; outputs],
            }),
            output: Shape::Vector(outputs),
        };
        let network = FoldedNetwork {
            n_inputs: 3,
            n_outputs: 7,
            stages: vec![stage(3, 5, 1000.0), stage(5, 7, 2000.0)],
        };
        let file = write(&network).unwrap();
        assert_eq!(&file[4..8], b"TFL3");
        for stage in &network.stages {
            let Operation::Dense(dense) = &stage.operation else {
                unreachable!("only dense layers are in it");
            };
            for values in [&dense.weight, &dense.bias] {
                let bytes = le_bytes(values);
                let at = file.windows(bytes.len()).position(|window| window == bytes);
                assert_eq!(at.expect("the values are in the file") % 16, 0);
            }
        }
    }
}
