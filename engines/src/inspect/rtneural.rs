//! RTNeural's JSON: the input's shape and the layers' types and shapes.

use serde::Deserialize;

use super::{Description, Problem, TensorDescription};

#[derive(Deserialize)]
struct Model {
    in_shape: Vec<Option<i64>>,
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    activation: String,
    #[serde(default)]
    shape: Vec<Option<i64>>,
}

pub(super) fn describe(bytes: &[u8]) -> Result<Description, Problem> {
    let model: Model = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new("JSON", "in_shape and layers", error.to_string()))?;
    let tensor = |name: &str, shape: &[Option<i64>]| TensorDescription {
        name: name.to_owned(),
        shape: shape.iter().map(|size| size.unwrap_or(-1)).collect(),
    };
    let layers = model
        .layers
        .iter()
        .map(|layer| {
            let activation = match layer.activation.as_str() {
                "" => String::new(),
                name => format!(" with {name}"),
            };
            format!("{}{activation}", tensor(&layer.kind, &layer.shape))
        })
        .collect();
    Ok(Description {
        inputs: vec![tensor("input", &model.in_shape)],
        outputs: model
            .layers
            .last()
            .map(|layer| tensor("output", &layer.shape))
            .into_iter()
            .collect(),
        layers,
    })
}
