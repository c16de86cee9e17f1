//! TorchScript: a zip archive with the weights, a pickled module and its code.
//!
//! Source: "TorchScript serialization" in PyTorch's documentation
//! (`torch/csrc/jit/docs/serialization.md`). Archives of format version 3 load in every libtorch
//! since 1.5.

pub(super) mod signal;

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::folded::{FoldedNetwork, Operation, Shape, inputs_before_kernel, zeros};
use super::le_bytes;
use super::pickle::Pickle;

/// Folder of everything in the archive.
const ARCHIVE: &str = "tocco";

/// Least number of single precision: in a border, never the largest value.
const LOWEST: &str = "-3.4028234663852886e+38";

/// Alignment of the weights in the file, bytes, so that they can be mapped.
const ALIGNMENT: u16 = 64;

pub(super) fn write(network: &FoldedNetwork) -> Vec<u8> {
    Module::new(network).archive()
}

/// The module being put together. Vectors have one dimension in it, patches are
/// `[1, channels, frames, bands]`.
struct Module {
    parameters: Vec<Parameter>,
    /// The statements of `forward`.
    statements: String,
    /// Values so far; the last one is `x` with this number.
    values: usize,
    n_inputs: usize,
}

struct Parameter {
    name: String,
    sizes: Vec<usize>,
    values: Vec<f32>,
}

impl Module {
    /// The file.
    fn archive(&self) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .with_alignment(ALIGNMENT);
        let mut add = |name: &str, bytes: &[u8]| {
            zip.start_file(format!("{ARCHIVE}/{name}"), options)
                .and_then(|()| zip.write_all(bytes).map_err(Into::into))
                .expect("writing to memory cannot fail below 4 GiB");
        };
        add("data.pkl", &self.pickle());
        add("code/__torch__.py", self.code().as_bytes());
        for (i, parameter) in self.parameters.iter().enumerate() {
            add(&format!("data/{i}"), &le_bytes(&parameter.values));
        }
        add("constants.pkl", &Pickle::new().empty_tuple().finish());
        add("version", b"3\n");
        let file = zip
            .finish()
            .expect("writing to memory cannot fail below 4 GiB");
        file.into_inner()
    }

    fn new(network: &FoldedNetwork) -> Self {
        let mut module = Self {
            parameters: Vec::new(),
            statements: String::new(),
            values: 0,
            n_inputs: network.n_inputs,
        };
        module.statements += "    x0 = torch.reshape(features, [-1])\n";
        let mut shape = Shape::Vector(network.n_inputs);
        for (i, stage) in network.stages.iter().enumerate() {
            module.stage(i, &stage.operation, shape, stage.output);
            shape = stage.output;
        }
        module
    }

    fn stage(&mut self, i: usize, operation: &Operation, shape: Shape, output: Shape) {
        let x = format!("x{}", self.values);
        match operation {
            // A matrix-vector product on the flat input is three to five times as fast as
            // `linear`, which prepares for batches.
            Operation::Dense(dense) => {
                let weight = self.parameter(
                    format!("weight_{i}"),
                    vec![dense.outputs, dense.inputs],
                    dense.weight.clone(),
                );
                let bias =
                    self.parameter(format!("bias_{i}"), vec![dense.outputs], dense.bias.clone());
                self.assign(&format!("torch.addmv({bias}, {weight}, {x})"));
            }
            Operation::Relu => self.assign(&format!("torch.relu({x})")),
            Operation::Tanh => self.assign(&format!("torch.tanh({x})")),
            Operation::Sigmoid => self.assign(&format!("torch.sigmoid({x})")),
            Operation::Softmax => self.assign(&format!("torch.softmax({x}, 0)")),
            Operation::LeakyRelu(slope) => {
                self.assign(&format!("torch.leaky_relu({x}, {slope:?})"));
            }
            Operation::Elu(alpha) => self.assign(&format!("torch.elu({x}, {alpha:?})")),
            Operation::Prelu(alpha) => {
                let (sizes, alpha) = shape.channels_first(alpha);
                let alpha = self.parameter(format!("alpha_{i}"), sizes, alpha);
                // torch.prelu knows one alpha a channel, and a vector has no channels.
                self.assign(&format!("torch.relu({x})"));
                let positive = self.values;
                self.assign(&format!("torch.mul(torch.sub({x}, x{positive}), {alpha})"));
                self.assign(&format!("torch.add(x{positive}, x{})", self.values));
            }
            Operation::ScaleShift(scale, shift) => {
                let (sizes, scale) = shape.channels_first(scale);
                let scale = self.parameter(format!("scale_{i}"), sizes, scale);
                let (sizes, shift) = shape.channels_first(shift);
                let shift = self.parameter(format!("shift_{i}"), sizes, shift);
                self.assign(&format!("torch.add(torch.mul({x}, {scale}), {shift})"));
            }
            Operation::Split(patch) => {
                let n: usize = patch.iter().product();
                self.assign(&format!("torch.slice({x}, 0, 0, {n}, 1)"));
                self.assign(&format!(
                    "torch.reshape(x{}, {:?})",
                    self.values,
                    output.sizes()
                ));
                self.assign(&format!("torch.permute(x{}, [0, 3, 1, 2])", self.values));
            }
            Operation::Conv2d(conv) => {
                let weight = self.parameter(
                    format!("weight_{i}"),
                    vec![conv.filters, conv.inputs, conv.kernel[0], conv.kernel[1]],
                    inputs_before_kernel(conv),
                );
                let bias =
                    self.parameter(format!("bias_{i}"), vec![conv.filters], conv.bias.clone());
                let zeros = zeros(conv.size, conv.kernel, conv.stride, conv.padding);
                let x = self.padded(zeros, "0");
                let stride = conv.stride;
                self.assign(&format!(
                    "torch.conv2d({x}, {weight}, {bias}, {stride:?}, [0, 0], [1, 1], 1)"
                ));
            }
            Operation::MaxPool2d(pool) => {
                let zeros = zeros(pool.size, pool.pool, pool.stride, pool.padding);
                // Never the largest value.
                let x = self.padded(zeros, LOWEST);
                let (window, stride) = (pool.pool, pool.stride);
                self.assign(&format!(
                    "torch.max_pool2d({x}, {window:?}, {stride:?}, [0, 0], [1, 1], False)"
                ));
            }
            Operation::Flatten => {
                self.assign(&format!("torch.permute({x}, [0, 2, 3, 1])"));
                self.assign(&format!("torch.reshape(x{}, [-1])", self.values));
            }
            Operation::ConcatSide(first) => {
                self.assign(&format!(
                    "torch.slice(x0, 0, {first}, {}, 1)",
                    self.n_inputs
                ));
                self.assign(&format!("torch.cat([{x}, x{}], 0)", self.values));
            }
        }
    }

    /// The value with a border of `fill` around its frames and bands.
    fn padded(&mut self, zeros: [[usize; 2]; 2], fill: &str) -> String {
        if zeros != [[0; 2]; 2] {
            let [[top, bottom], [left, right]] = zeros;
            self.assign(&format!(
                "torch.constant_pad_nd(x{}, [{left}, {right}, {top}, {bottom}], {fill})",
                self.values
            ));
        }
        format!("x{}", self.values)
    }

    fn assign(&mut self, expression: &str) {
        self.values += 1;
        let _ = writeln!(self.statements, "    x{} = {expression}", self.values);
    }

    /// Adds a parameter; returns how `forward` names it.
    fn parameter(&mut self, name: String, sizes: Vec<usize>, values: Vec<f32>) -> String {
        let shown = format!("self.{name}");
        self.parameters.push(Parameter {
            name,
            sizes,
            values,
        });
        shown
    }

    /// The class of the module.
    fn code(&self) -> String {
        let names = self.parameters.iter().map(|parameter| &parameter.name);
        let quoted: String = names.clone().map(|name| format!("\"{name}\", ")).collect();
        let mut code = format!(
            "class Network(Module):\n  __parameters__ = [{quoted}]\n  __buffers__ = []\n  training : bool\n"
        );
        for name in names {
            let _ = writeln!(code, "  {name} : Tensor");
        }
        code += "  def forward(self: __torch__.Network,\n    features: Tensor) -> Tensor:\n";
        code += &self.statements;
        let _ = writeln!(code, "    return torch.unsqueeze(x{}, 0)", self.values);
        code
    }

    /// The module: an object with the parameters as attributes.
    fn pickle(&self) -> Vec<u8> {
        let mut pickle = Pickle::new();
        pickle
            .global("__torch__", "Network")
            .empty_tuple()
            .new_object();
        pickle.dictionary(|pickle| {
            pickle.text("training").boolean(false);
            for (i, parameter) in self.parameters.iter().enumerate() {
                pickle.text(&parameter.name);
                tensor(pickle, i, &parameter.sizes);
            }
        });
        pickle.build().finish()
    }
}

/// A contiguous `float32` tensor of the given shape, on the storage `data/STORAGE`.
fn tensor(pickle: &mut Pickle, storage: usize, shape: &[usize]) {
    let numbers = |pickle: &mut Pickle, numbers: &[usize]| {
        pickle.tuple(|pickle| {
            for &number in numbers {
                pickle.integer(number);
            }
        });
    };
    let strides: Vec<usize> = (1..=shape.len())
        .map(|axis| shape[axis..].iter().product())
        .collect();
    pickle.global("torch._utils", "_rebuild_tensor_v2");
    pickle.tuple(|pickle| {
        pickle.tuple(|pickle| {
            pickle
                .text("storage")
                .global("torch", "FloatStorage")
                .text(&storage.to_string())
                .text("cpu")
                .integer(shape.iter().product());
        });
        pickle.persistent().integer(0);
        numbers(pickle, shape);
        numbers(pickle, &strides);
        // requires_grad, and no hooks.
        pickle.boolean(false);
        pickle
            .global("collections", "OrderedDict")
            .empty_tuple()
            .reduce();
    });
    pickle.reduce();
}
