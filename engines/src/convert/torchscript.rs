//! TorchScript: a zip archive with the weights, a pickled module and its code.
//!
//! Source: "TorchScript serialization" in PyTorch's documentation
//! (`torch/csrc/jit/docs/serialization.md`). Archives of format version 3 load in every libtorch
//! since 1.5.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::folded::{FoldedActivation, FoldedLayer, FoldedNetwork};
use super::le_bytes;
use super::pickle::Pickle;

/// Folder of everything in the archive.
const ARCHIVE: &str = "tocco";

/// Alignment of the weights in the file, bytes, so that they can be mapped.
const ALIGNMENT: u16 = 64;

pub(super) fn write(network: &FoldedNetwork) -> Vec<u8> {
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
    add("data.pkl", &module(network));
    add("code/__torch__.py", code(network).as_bytes());
    for (i, layer) in network.layers.iter().enumerate() {
        add(&format!("data/{}", 2 * i), &le_bytes(&layer.weight));
        add(&format!("data/{}", 2 * i + 1), &le_bytes(&layer.bias));
    }
    add("constants.pkl", &Pickle::new().empty_tuple().finish());
    add("version", b"3\n");
    let file = zip
        .finish()
        .expect("writing to memory cannot fail below 4 GiB");
    file.into_inner()
}

/// The class of the module. A matrix-vector product on the flattened input is three to five times
/// as fast as `linear`, which prepares for batches; see facts of the comparison.
fn code(network: &FoldedNetwork) -> String {
    let names: Vec<String> = (0..network.layers.len())
        .flat_map(|i| [format!("weight_{i}"), format!("bias_{i}")])
        .collect();
    let quoted: String = names.iter().map(|name| format!("\"{name}\", ")).collect();
    let mut code = format!(
        "class Network(Module):\n  __parameters__ = [{quoted}]\n  __buffers__ = []\n  training : bool\n"
    );
    for name in &names {
        let _ = writeln!(code, "  {name} : Tensor");
    }
    code += "  def forward(self: __torch__.Network,\n    features: Tensor) -> Tensor:\n";
    code += "    x = torch.reshape(features, [-1])\n";
    for (i, layer) in network.layers.iter().enumerate() {
        let _ = writeln!(
            code,
            "    y{i} = torch.addmv(self.bias_{i}, self.weight_{i}, x{})",
            suffix(i)
        );
        let activated = match layer.activation {
            FoldedActivation::None => format!("y{i}"),
            FoldedActivation::Relu => format!("torch.relu(y{i})"),
            FoldedActivation::Tanh => format!("torch.tanh(y{i})"),
            FoldedActivation::Sigmoid => format!("torch.sigmoid(y{i})"),
            FoldedActivation::Softmax => format!("torch.softmax(y{i}, 0)"),
        };
        let _ = writeln!(code, "    x{} = {activated}", suffix(i + 1));
    }
    let n = network.layers.len();
    let _ = writeln!(code, "    return torch.unsqueeze(x{}, 0)", suffix(n));
    code
}

/// Suffix of the variable that layer `i` reads.
fn suffix(i: usize) -> String {
    if i == 0 { String::new() } else { i.to_string() }
}

/// The module: an object with the parameters as attributes.
fn module(network: &FoldedNetwork) -> Vec<u8> {
    let mut pickle = Pickle::new();
    pickle
        .global("__torch__", "Network")
        .empty_tuple()
        .new_object();
    pickle.dictionary(|pickle| {
        pickle.text("training").boolean(false);
        for (i, layer) in network.layers.iter().enumerate() {
            let FoldedLayer {
                inputs, outputs, ..
            } = *layer;
            pickle.text(&format!("weight_{i}"));
            tensor(pickle, 2 * i, &[outputs, inputs]);
            pickle.text(&format!("bias_{i}"));
            tensor(pickle, 2 * i + 1, &[outputs]);
        }
    });
    pickle.build().finish()
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
