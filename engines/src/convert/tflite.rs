//! TensorFlow Lite: a flatbuffer with a `FULLY_CONNECTED` and an activation for each layer.
//!
//! Field numbers and codes after `schema.fbs` of TensorFlow Lite, schema version 3. Tables are
//! built by hand: the schema's compiler would bring 30,000 lines for the nine tables used here.

use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Push, Vector, WIPOffset};

use super::folded::{FoldedActivation, FoldedLayer, FoldedNetwork};
use super::{INPUT, OUTPUT, le_bytes};

/// Byte offset of field `n` in a table's directory: two entries precede the first.
const fn field(n: u16) -> u16 {
    4 + 2 * n
}

/// `BuiltinOperator`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
enum Operator {
    FullyConnected = 9,
    Logistic = 14,
    Softmax = 25,
    Tanh = 28,
}

/// `BuiltinOptions`.
const FULLY_CONNECTED_OPTIONS: u8 = 8;
/// `BuiltinOptions`.
const SOFTMAX_OPTIONS: u8 = 9;

/// `ActivationFunctionType`.
const FUSED_RELU: i8 = 1;

type Builder = FlatBufferBuilder<'static>;
/// A finished table of any type.
type Table = WIPOffset<flatbuffers::Table<'static>>;

pub(super) fn write(network: &FoldedNetwork) -> Vec<u8> {
    let mut model = Model::default();
    model.buffer(&[]);
    let mut value = model.tensor(INPUT, &[1, network.n_inputs()], EMPTY_BUFFER);
    let input = value;
    let last = network.layers.len() - 1;
    for (i, layer) in network.layers.iter().enumerate() {
        let end = if i == last {
            OUTPUT.to_owned()
        } else {
            format!("layer_{i}")
        };
        value = model.layer(i, layer, value, &end);
    }
    model.finish(input, value)
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
}

impl Model {
    /// Adds a layer that reads tensor `input`; returns the tensor it writes, named `name`.
    fn layer(&mut self, i: usize, layer: &FoldedLayer, input: i32, name: &str) -> i32 {
        let data = self.buffer(&le_bytes(&layer.weight));
        let weight = self.tensor(
            &format!("dense_{i}.weight"),
            &[layer.outputs, layer.inputs],
            data,
        );
        let data = self.buffer(&le_bytes(&layer.bias));
        let bias = self.tensor(&format!("dense_{i}.bias"), &[layer.outputs], data);
        let shape = [1, layer.outputs];
        let (operator, fused) = match layer.activation {
            FoldedActivation::None => (None, 0),
            FoldedActivation::Relu => (None, FUSED_RELU),
            FoldedActivation::Tanh => (Some(Operator::Tanh), 0),
            FoldedActivation::Sigmoid => (Some(Operator::Logistic), 0),
            FoldedActivation::Softmax => (Some(Operator::Softmax), 0),
        };
        let sum_name = match operator {
            None => name.to_owned(),
            Some(_) => format!("dense_{i}"),
        };
        let sum = self.tensor(&sum_name, &shape, EMPTY_BUFFER);
        let options = table(&mut self.builder, |builder| {
            builder.push_slot(field(0), fused, 0_i8);
        });
        self.operator(
            Operator::FullyConnected,
            &[input, weight, bias],
            sum,
            Some((FULLY_CONNECTED_OPTIONS, options)),
        );
        let Some(operator) = operator else {
            return sum;
        };
        let output = self.tensor(name, &shape, EMPTY_BUFFER);
        let options = (operator == Operator::Softmax).then(|| {
            let beta = 1.0_f32;
            let options = table(&mut self.builder, |builder| {
                builder.push_slot(field(0), beta, 0.0);
            });
            (SOFTMAX_OPTIONS, options)
        });
        self.operator(operator, &[sum], output, options);
        output
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

    /// Adds a `Tensor` of type `FLOAT32`, which is the default.
    fn tensor(&mut self, name: &str, shape: &[usize], buffer: u32) -> i32 {
        let shape: Vec<i32> = shape.iter().map(|&size| size as i32).collect();
        let shape = self.builder.create_vector(&shape);
        let name = self.builder.create_string(name);
        let tensor = table(&mut self.builder, |builder| {
            builder.push_slot_always(field(0), shape);
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
    fn finish(mut self, input: i32, output: i32) -> Vec<u8> {
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
    use super::*;

    #[test]
    fn weights_lie_at_multiples_of_sixteen() {
        let layer = |inputs: usize, outputs: usize, first: f32| FoldedLayer {
            inputs,
            outputs,
            weight: (0..inputs * outputs).map(|i| first + i as f32).collect(),
            bias: vec![-first; outputs],
            activation: FoldedActivation::Relu,
        };
        let network = FoldedNetwork {
            layers: vec![layer(3, 5, 1000.0), layer(5, 7, 2000.0)],
        };
        let file = write(&network);
        assert_eq!(&file[4..8], b"TFL3");
        for layer in &network.layers {
            for values in [&layer.weight, &layer.bias] {
                let bytes = le_bytes(values);
                let at = file.windows(bytes.len()).position(|window| window == bytes);
                assert_eq!(at.expect("the values are in the file") % 16, 0);
            }
        }
    }
}
