//! Named arrays of numbers and the safetensors file that holds them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::LoadError;
use crate::interned::Pool;

/// An array of `f32`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    /// Shared with all tensors of the process that have the same.
    values: Arc<Vec<f32>>,
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
        })
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
/// When `bytes` are not a safetensors file, or a tensor is not `F32` or has a value that is not
/// finite.
pub fn read(bytes: &[u8], file: &str) -> Result<Tensors, LoadError> {
    let remedy = "export the package again, or copy the file again if it came over a network";
    let parsed = SafeTensors::deserialize(bytes).map_err(|error| {
        LoadError::malformed(file, "header", "a complete safetensors file", error, remedy)
    })?;
    let mut tensors = Tensors::new();
    for (name, view) in parsed.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(LoadError::malformed(
                file,
                name,
                "F32 values",
                format_args!("{:?}", view.dtype()),
                "store all tensors as F32; engines convert them when they load",
            ));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(size_of::<f32>())
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        let tensor = Tensor::new(view.shape().to_vec(), values).ok_or_else(|| {
            LoadError::malformed(
                file,
                name,
                "as many values as its shape says",
                "another number",
                remedy,
            )
        })?;
        check_finite(name, &tensor, file)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
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
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}
