//! Named arrays of numbers and the safetensors file that holds them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::LoadError;
use crate::interned::Pool;

/// An array of `f32`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    /// Shared with all tensors of the process that have the same.
    values: Arc<Vec<f32>>,
    /// Whether a file has them as `F16`. Then each of the values is one.
    half: bool,
}

/// The values of all tensors.
static VALUES: Pool<f32> = Pool::new();

impl Tensor {
    /// A tensor of `shape`; `None` if the number of `values` is not the product of its sizes.
    #[must_use]
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        let n = shape
            .iter()
            .try_fold(1_usize, |n, &size| n.checked_mul(size))?;
        (n == values.len()).then(|| Self {
            shape,
            values: VALUES.intern(values),
            half: false,
        })
    }

    /// The same shape, each value rounded to the nearest `F16`, and a file of half the size. A value
    /// beyond 65,504 becomes infinite, and saving refuses it.
    #[must_use]
    pub fn rounded_to_half(&self) -> Self {
        let rounded = self.values.iter().map(|&value| f16::from_f32(value).into());
        Self {
            shape: self.shape.clone(),
            values: VALUES.intern(rounded.collect()),
            half: true,
        }
    }

    /// Sizes, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values, the last index running fastest.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Reads the tensors of a safetensors file; `file` names it in errors.
///
/// # Errors
/// When `bytes` are not a safetensors file, or a tensor is not `F32`, `F16` or `BF16` or has a value
/// that is not finite.
pub fn read(bytes: &[u8], file: &str) -> Result<Tensors, LoadError> {
    let remedy = "export the package again, or copy the file again if it came over a network";
    let parsed = SafeTensors::deserialize(bytes).map_err(|error| {
        LoadError::malformed(file, "header", "a complete safetensors file", error, remedy)
    })?;
    let mut tensors = Tensors::new();
    for (name, view) in parsed.iter() {
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => numbers(view.data(), f32::from_le_bytes),
            Dtype::F16 => numbers(view.data(), |bytes| f16::from_le_bytes(bytes).into()),
            Dtype::BF16 => numbers(view.data(), |bytes| bf16::from_le_bytes(bytes).into()),
            other => {
                return Err(LoadError::malformed(
                    file,
                    name,
                    "F32, F16 or BF16 values",
                    format_args!("{other:?}"),
                    "store all tensors as F32; engines convert them when they load",
                ));
            }
        };
        let mut tensor = Tensor::new(view.shape().to_vec(), values).ok_or_else(|| {
            LoadError::malformed(
                file,
                name,
                "as many values as its shape says",
                "another number",
                remedy,
            )
        })?;
        check_finite(name, &tensor, file)?;
        tensor.half = view.dtype() == Dtype::F16;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// The numbers of `SIZE` bytes each that `bytes` consist of.
fn numbers<const SIZE: usize>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<SIZE>();
    numbers.iter().map(|&bytes| number(bytes)).collect()
}

/// The bytes of a safetensors file with `tensors`: the same bytes for the same tensors.
///
/// # Errors
/// When a tensor has a value that is not finite.
pub fn write(tensors: &Tensors, file: &str) -> Result<Vec<u8>, LoadError> {
    for (name, tensor) in tensors {
        check_finite(name, tensor, file)?;
    }
    safetensors::serialize(tensors, None).map_err(|error| {
        LoadError::malformed(
            file,
            "tensors",
            "tensors that fit a safetensors file",
            error,
            "split the model",
        )
    })
}

fn check_finite(name: &str, tensor: &Tensor, file: &str) -> Result<(), LoadError> {
    match tensor.values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(i) => Err(LoadError::malformed(
            file,
            format_args!("{name}[{i}]"),
            "finite values",
            tensor.values[i],
            "the training diverged or the export is broken: train or export again",
        )),
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        if self.half { Dtype::F16 } else { Dtype::F32 }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.values.iter();
        if self.half {
            let halves = values.flat_map(|&value| f16::from_f32(value).to_le_bytes());
            halves.collect()
        } else {
            values.flat_map(|value| value.to_le_bytes()).collect()
        }
    }

    fn data_len(&self) -> usize {
        self.values.len() * if self.half { 2 } else { 4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brain_floats_are_read() {
        // The upper two bytes of a float are the same number in BF16, cut off.
        let values = [1.0_f32, -2.5, 3.0e38];
        let upper = values.map(|value| value.to_bits() >> 16);
        let bytes: Vec<u8> = upper
            .iter()
            .flat_map(|&bits| (bits as u16).to_le_bytes())
            .collect();
        let header = r#"{"x":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}"#;
        let length = (header.len() as u64).to_le_bytes();
        let file = [&length[..], header.as_bytes(), &bytes].concat();

        let found = &read(&file, "test").unwrap()["x"];
        for (found, expected) in found.values().iter().zip(values) {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
        }
    }
}
