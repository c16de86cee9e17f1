//! RTNeural's JSON: the input's shape and the layers' types and shapes.

use serde::Deserialize;

use super::{Description, Problem, TensorDescription};
use crate::network::Network;
use crate::{file_kind, tensor_shape};

#[derive(Deserialize)]
struct Model {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "type")]
    kind: String,
    activation: Option<String>,
    shape: Option<Shape>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shape {
    Plain(Vec<Option<i64>>),
    InList(Vec<Vec<Option<i64>>>),
}

/// The layers of the file that `network` was read from.
pub(super) fn describe(bytes: &[u8], network: &Network) -> Result<Description, Problem> {
    let model: Model = serde_json::from_slice(file_kind::without_mark(bytes))
        .map_err(|error| Problem::new("JSON", "in_shape and layers", error.to_string()))?;
    let layers = model
        .layers
        .iter()
        .map(|layer| {
            let sizes = match &layer.shape {
                Some(Shape::Plain(sizes)) => sizes.clone(),
                Some(Shape::InList(lists)) => lists.concat(),
                None => Vec::new(),
            };
            let sizes: Vec<i64> = sizes.into_iter().map(|size| size.unwrap_or(-1)).collect();
            let activation = match layer.activation.as_deref() {
                None | Some("") => String::new(),
                Some(name) => format!(" with {name}"),
            };
            format!(
                "{} {}{activation}",
                layer.kind,
                tensor_shape::display(&sizes)
            )
        })
        .collect();
    let tensor = |name: &str, n: usize| {
        vec![TensorDescription {
            name: name.to_owned(),
            shape: vec![-1, i64::try_from(n).unwrap_or(i64::MAX)],
        }]
    };
    Ok(Description {
        inputs: tensor("input", network.n_inputs()),
        outputs: tensor("output", network.n_outputs()),
        layers,
    })
}
