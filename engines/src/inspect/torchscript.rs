//! TorchScript: the parameters of the module. The archive names neither inputs nor outputs; where
//! the first and the last parameters are those of dense layers, their sizes are what it takes
//! and gives.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::{Description, Problem, TensorDescription, pickle};

/// Largest `data.pkl` that is read: the weights are not in it.
const LARGEST_PICKLE: u64 = 1 << 20;

pub(super) fn describe(bytes: &[u8]) -> Result<Description, Problem> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| Problem::new("archive", "a zip archive", error.to_string()))?;
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.ends_with("/data.pkl"))
        .map(Cow::into_owned)
        .ok_or_else(|| Problem::new("data.pkl", "a TorchScript module", "no such file in it"))?;
    let mut pickled = Vec::new();
    archive
        .by_name(&name)
        .map_err(|error| error.to_string())
        .and_then(|file| {
            file.take(LARGEST_PICKLE)
                .read_to_end(&mut pickled)
                .map_err(|error| error.to_string())
        })
        .map_err(|error| Problem::new(&name, "a readable file", error))?;
    let parameters = pickle::tensors(&pickled)
        .ok_or_else(|| Problem::new(&name, "a pickled module", "something else"))?;

    let described = |name: &str, size: i64| {
        vec![TensorDescription {
            name: name.to_owned(),
            shape: vec![1, size],
        }]
    };
    // What begins or ends with other layers does not say what it takes or gives.
    let matrix = |shape: &Vec<i64>| <[i64; 2]>::try_from(shape.as_slice()).ok();
    let mut weights = parameters
        .iter()
        .map(|(_, shape)| shape)
        .filter(|shape| shape.len() > 1);
    let first = weights.clone().next().and_then(matrix);
    let last = weights.next_back().and_then(matrix);
    Ok(Description {
        inputs: first.map_or_else(Vec::new, |[_, inputs]| described("input", inputs)),
        outputs: last.map_or_else(Vec::new, |[outputs, _]| described("output", outputs)),
        layers: parameters
            .into_iter()
            .map(|(name, shape)| TensorDescription { name, shape }.to_string())
            .collect(),
    })
}
