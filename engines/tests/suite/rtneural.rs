//! Model files of RTNeural that are not as they should be.

use proptest::prelude::*;
use serde_json::{Value, json};
use tocco_engines::native::NativeEngine;
use tocco_engines::{Engine, LoadError, Malformed, rtneural};

fn malformed(model: &Value) -> Malformed {
    match rtneural::parse(model.to_string().as_bytes(), "model.json") {
        Err(LoadError::Malformed(malformed)) => *malformed,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was accepted: {model}"),
    }
}

/// A model of two inputs and the layers.
fn model(layers: Value) -> Value {
    json!({"in_shape": [null, null, 2], "layers": layers})
}

/// The dense layer that all tests begin with, `2 -> 3`.
fn dense() -> Value {
    json!({"type": "dense", "activation": "tanh", "shape": [null, null, 3],
           "weights": [[[1, 2, 3], [4, 5, 6]], [0, 0, 0]]})
}

/// The error of a model whose second layer is `layer`.
fn second(layer: Value) -> Malformed {
    malformed(&model(json!([dense(), layer])))
}

#[test]
fn an_unknown_layer_is_refused_with_its_index_and_name() {
    let error = second(json!({"type": "embedding", "weights": []}));
    assert_eq!(error.field, "layers[1] \"embedding\": type");
    assert!(error.expected.contains("gru"), "{error}");
}

#[test]
fn an_unknown_activation_is_refused() {
    let mut layer = dense();
    layer["activation"] = json!("gelu");
    let error = malformed(&model(json!([layer])));
    assert_eq!(error.field, "layers[0] \"dense\": activation");
    assert_eq!(error.found, "\"gelu\"");
}

#[test]
fn wrong_shapes_are_refused() {
    for (layer, field) in [
        (
            json!({"type": "dense", "weights": [[[1, 2]], [0, 0]]}),
            "weights[0]",
        ),
        (
            json!({"type": "dense", "weights": [[[1], [2], [3]], [0, 0]]}),
            "weights[1]",
        ),
        (json!({"type": "dense", "weights": []}), "weights"),
        (
            json!({"type": "dense", "shape": [null, 4], "weights": [[[1], [2], [3]], [0]]}),
            "shape",
        ),
        (
            json!({"type": "gru", "weights": [[[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0]], [0, 0, 0]]}),
            "weights[2]",
        ),
        (
            json!({"type": "lstm", "activation": "relu", "weights": [[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0]]]}),
            "activation",
        ),
        (
            json!({"type": "conv1d", "kernel_size": [2], "weights": [[[[1], [2], [3]]], [0]]}),
            "kernel_size",
        ),
        (
            json!({"type": "conv1d", "dilation": [0], "weights": [[[[1], [2], [3]]], [0]]}),
            "the layer",
        ),
        (
            json!({"type": "conv1d", "groups": 2, "weights": [[[[1], [2], [3]]], [0]]}),
            "weights[0]",
        ),
        (
            json!({"type": "conv1d", "dilation": [1_000_000_000], "weights": [[[[1], [2], [3]], [[1], [2], [3]]], [0]]}),
            "the layer",
        ),
        (
            json!({"type": "batchnorm", "weights": [[0, 0, 0], [1, 1, 1]]}),
            "epsilon",
        ),
        (
            json!({"type": "batchnorm", "epsilon": 0.1, "weights": [[0, 0], [1, 1]]}),
            "the layer",
        ),
        (
            json!({"type": "batchnorm", "epsilon": 0.1, "weights": [[0, 0, 0], [1, -1, 1]]}),
            "weights",
        ),
        (
            json!({"type": "prelu", "weights": [[0.1, 0.2]]}),
            "the layer",
        ),
        (
            json!({"type": "activation", "activation": ""}),
            "activation",
        ),
        (json!({"type": "leakyrelu"}), "alpha"),
        (json!({"type": "maxpool1d"}), "pool_size"),
        (
            json!({"type": "maxpool1d", "pool_size": 1e18 as u64}),
            "the layer",
        ),
        (
            json!({"type": "conv2d", "padding": "causal", "weights": [[[[[1]]]], [0]]}),
            "padding",
        ),
        (
            json!({"type": "conv2d", "padding": "valid", "strides": [2, 2], "weights": [[[[[1]]]], [0]]}),
            "strides",
        ),
        (
            json!({"type": "conv2d", "padding": "valid", "num_features_in": 4, "weights": [[[[[1]]]], [0]]}),
            "num_features_in",
        ),
    ] {
        let error = second(layer.clone());
        let kind = layer["type"].as_str().unwrap();
        assert_eq!(
            error.field,
            format!("layers[1] \"{kind}\": {field}"),
            "{error}"
        );
    }
}

#[test]
fn files_that_are_no_models_are_refused() {
    for json in [
        "",
        "{}",
        "[]",
        "{\"in_shape\": [null, 1], \"layers\": []}",
        "{\"layers\": []}",
    ] {
        let error = rtneural::parse(json.as_bytes(), "model.json")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("model.json: "), "{error}");
    }
    let mut missing = model(json!([dense()]));
    missing["in_shape"] = json!([null, null, null]);
    assert_eq!(malformed(&missing).field, "in_shape");
    missing["in_shape"] = json!([null, null, 1_u64 << 62, 4]);
    assert_eq!(malformed(&missing).field, "in_shape");
}

#[test]
fn work_that_the_file_does_not_pay_for_is_refused() {
    let kernel = json!([vec![[[0.0]]; 512]]);
    let layer = json!({"type": "conv2d", "padding": "same", "weights": [kernel, [0.0]]});
    let model = json!({"in_shape": [null, null, 1 << 20, 1], "layers": [layer]});
    let error = malformed(&model);
    assert!(error.expected.contains("multiply and compare"), "{error}");
}

#[test]
fn notes_of_other_projects_are_allowed() {
    let mut model = model(json!([dense()]));
    model["metadata"] = json!({"esr": 0.01});
    model["layers"][0]["name"] = json!("first");
    assert!(rtneural::parse(model.to_string().as_bytes(), "model.json").is_ok());
}

#[test]
fn inputs_that_are_not_finite_do_not_stay_in_the_state() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut engine = NativeEngine::from_rtneural(format!("{folder}/several_layers.json")).unwrap();
    let mut y = [0.0; 2];
    for x in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        0.5,
    ] {
        for _ in 0..20 {
            engine.infer(&[x; 3], &mut y).unwrap();
        }
        assert!(y.iter().all(|y| y.is_finite()), "{x}: {y:?}");
    }
}

proptest! {
    /// Any change of one byte gives a network or an error in words, never a panic.
    #[test]
    fn one_wrong_byte(at in 0_usize..600, byte: u8) {
        let mut text = model(json!([dense(), {"type": "gru", "activation": "tanh", "shape": [null, null, 1],
            "weights": [[[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]}])).to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        match rtneural::parse(&text, "model.json") {
            Ok(network) => {
                let mut engine = NativeEngine::new(&network);
                let mut y = vec![0.0; network.n_outputs()];
                engine.infer(&vec![0.1; network.n_inputs()], &mut y).unwrap();
            }
            Err(error) => prop_assert!(error.to_string().starts_with("model.json: ")),
        }
    }
}
