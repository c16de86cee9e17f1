//! Model files of RTNeural that are not as they should be.

use proptest::prelude::*;
use serde_json::{Value, json};
use tocco_engines::convert::{Format, convert};
use tocco_engines::native::NativeEngine;
use tocco_engines::reference::{self, Reference};
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
        // What is built in is tanh.
        (
            json!({"type": "lstm", "activation": "linear", "weights": [[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0]]]}),
            "activation",
        ),
        (
            json!({"type": "gru", "activation": "linear", "weights": [[[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0]]]}),
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
            "weights[0]",
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
            json!({"type": "maxpool1d", "pool_size": 3, "strides": 2, "padding": "same"}),
            "padding",
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

/// What another export would write again, or leave out, is not mended by one.
#[test]
fn remedies_are_such_as_help() {
    for (layer, remedy) in [
        // Keras' GRU with reset_after=False.
        (
            json!({"type": "gru", "weights": [[[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0]], [0, 0, 0]]}),
            "reset_after=True",
        ),
        (
            json!({"type": "lstm", "activation": "relu", "weights": [[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0]]]}),
            "train it so",
        ),
        // The exporter would write "", which is linear.
        (
            json!({"type": "dense", "activation": "gelu", "weights": [[[1], [2], [3]], [0]]}),
            "train it so",
        ),
        (
            json!({"type": "maxpool1d", "pool_size": 3, "padding": "same"}),
            "train it so",
        ),
        (
            json!({"type": "batchnorm", "activation": "tanh", "epsilon": 0.1, "weights": [[0, 0, 0], [1, 1, 1]]}),
            "a layer of its own",
        ),
        (
            json!({"type": "prelu", "weights": [[[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]]}),
            "shared_axes",
        ),
        (
            json!({"type": "conv1d", "dilation": [1_000_000_000], "weights": [[[[1], [2], [3]], [[1], [2], [3]]], [0]]}),
            "fit each other",
        ),
    ] {
        let error = second(layer);
        assert!(error.remedy.contains(remedy), "{error}");
        assert!(!error.remedy.contains("Keras exporter"), "{error}");
    }
    let mut model = model(json!([dense()]));
    model["in_shape"] = json!([null, null, null]);
    assert!(malformed(&model).remedy.contains("a size"));
    for size in [json!(-1), json!(1.5), json!("1"), json!([[1]])] {
        let layer =
            json!({"type": "conv1d", "dilation": size, "weights": [[[[1], [2], [3]]], [0]]});
        let error = second(layer);
        assert!(error.found.contains("a whole number"), "{error}");
    }
    let causal = json!({"type": "conv2d", "padding": "causal", "weights": [[[[[1]]]], [0]]});
    assert_eq!(second(causal).found, "\"causal\"");
}

/// What a frame's channels are is not for the next layer to say.
#[test]
fn a_frame_keeps_its_channels() {
    let of_frame =
        |layer: Value| malformed(&json!({"in_shape": [null, null, 6, 2], "layers": [layer]}));
    let conv = json!({"type": "conv2d", "padding": "valid", "weights": [[[[[1], [2], [3]]]], [0]]});
    assert_eq!(of_frame(conv).field, "layers[0] \"conv2d\": weights[0]");
    let norm = json!({"type": "batchnorm2d", "epsilon": 0.1, "weights": [[0, 0, 0], [1, 1, 1]]});
    assert_eq!(of_frame(norm).field, "layers[0] \"batchnorm2d\": the layer");
}

/// As the exporter writes it behind a layer that reshapes, when that was taken out of the file.
#[test]
fn a_frame_becomes_another_where_both_sizes_say_so() {
    let layers = json!([
        {"type": "conv2d", "padding": "valid", "num_filters_in": 3, "num_features_in": 4,
         "weights": [[[[[1], [2], [3]]]], [0]]},
        {"type": "batchnorm2d", "epsilon": 1.0, "num_filters_in": 2, "num_features_in": 2,
         "weights": [[0, 10], [0, 0]]},
    ]);
    let model = json!({"in_shape": [null, null, 6, 2], "layers": layers}).to_string();
    let network = rtneural::parse(model.as_bytes(), "model.json").unwrap();
    let inputs: Vec<f32> = (0..12u8).map(f32::from).collect();
    let outputs = reference::infer(&network, &inputs);
    for (found, expected) in outputs.iter().zip([8.0, 16.0, 44.0, 52.0]) {
        assert!((found - expected).abs() < 1e-6, "{outputs:?}");
    }
}

/// Of as many features as channels, only the list's shape tells which of them it is about.
#[test]
fn alphas_of_features_are_not_taken_for_those_of_channels() {
    let prelu = |alpha: Value| json!({"in_shape": [null, null, 3, 3], "layers": [{"type": "prelu", "weights": [alpha]}]});
    let of_channels = json!([[[0.1, 0.2, 0.3]]]);
    let of_values = json!([[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]]);
    let inputs = [-1.0; 9];
    for (alpha, expected) in [
        (of_channels, [-0.1, -0.2, -0.3]),
        (of_values, [-0.4, -0.5, -0.6]),
    ] {
        let model = prelu(alpha).to_string();
        let network = rtneural::parse(model.as_bytes(), "model.json").unwrap();
        let outputs = reference::infer(&network, &inputs);
        for (found, expected) in outputs[3..6].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{outputs:?}");
        }
    }
    let of_features = json!([[[0.1], [0.2], [0.3]]]);
    assert_eq!(
        malformed(&prelu(of_features)).field,
        "layers[0] \"prelu\": weights[0]"
    );
}

/// RTNeural's parser passes over it, too.
#[test]
fn the_mark_before_the_text_is_passed_over() {
    let plain = model(json!([dense()])).to_string();
    let marked = format!("\u{feff}{plain}");
    let [plain, marked] =
        [plain, marked].map(|text| rtneural::parse(text.as_bytes(), "model.json").unwrap());
    assert_eq!(plain, marked);
}

/// The frame of a network is a vector in a converted file: what is one a channel there is one a value.
#[test]
fn parameters_of_channels_come_back_as_one_a_value() {
    let kernel: Vec<[f64; 2]> = (0..12).map(|i| [0.1 * f64::from(i), -0.3]).collect();
    let model = json!({"in_shape": [null, null, 4, 3], "layers": [
        {"type": "batchnorm2d", "epsilon": 0.001,
         "weights": [[1.0, 2.0, 0.5], [0.1, -0.2, 0.3], [0.0, 0.1, -0.1], [1.0, 0.5, 2.0]]},
        {"type": "activation", "activation": "tanh"},
        {"type": "prelu", "weights": [[0.1, 0.2, 0.3]]},
        {"type": "dense", "activation": "softmax", "shape": [null, null, 2],
         "weights": [kernel, [0.0, 0.5]]},
    ]});
    let network = rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap();
    let bytes = convert(&network, Format::RtNeural).unwrap();
    let again = rtneural::parse(&bytes, "converted.json").unwrap();
    let inputs: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
    let [before, after] = [&network, &again].map(|network| reference::infer(network, &inputs));
    for (before, after) in before.iter().zip(&after) {
        assert!((before - after).abs() < 1e-6, "{before} {after}");
    }
}

#[test]
fn a_single_tap_is_nowhere_however_far_its_dilation_says() {
    let layer = json!({"type": "conv1d", "kernel_size": [1], "dilation": [i64::MAX],
                       "weights": [[[[1], [2], [3]]], [0]]});
    let model = model(json!([dense(), layer])).to_string();
    let network = rtneural::parse(model.as_bytes(), "model.json").unwrap();
    let mut output = [0.0];
    let mut engine = NativeEngine::new(&network);
    engine.infer(&[0.0, 0.0], &mut output).unwrap();
    assert_eq!(output, [0.0]);
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
    for note in rtneural::NOTES {
        model[*note] = json!({"esr": [0.01, null]});
    }
    for note in rtneural::LAYER_NOTES {
        model["layers"][0][*note] = json!("first");
    }
    assert!(rtneural::parse(model.to_string().as_bytes(), "model.json").is_ok());
}

#[test]
fn unknown_fields_are_refused_by_name() {
    for (field, value) in [
        ("in_scale", json!(2)),
        ("residual", json!(true)),
        ("out_skip", json!(0)),
    ] {
        let mut model = model(json!([dense()]));
        model[field] = value;
        let error = malformed(&model);
        assert_eq!(error.field, field);
        assert!(error.remedy.contains("metadata"), "{error}");
    }
    for (layer, field) in [
        (
            json!({"type": "dense", "weights": [[[1], [2], [3]], [0]], "bias_scale": 2}),
            "bias_scale",
        ),
        (
            json!({"type": "dense", "weights": [[[1], [2], [3]], [0]], "dilation": 2}),
            "dilation",
        ),
        (
            json!({"type": "dense", "activation": "relu", "alpha": 0.5, "weights": [[[1], [2], [3]], [0]]}),
            "alpha",
        ),
        (
            json!({"type": "conv2d", "padding": "valid", "groups": 2, "weights": [[[[[1]]]], [0]]}),
            "groups",
        ),
        (
            json!({"type": "gru", "reset_after": false, "weights": [[[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0]]]}),
            "reset_after",
        ),
        (
            json!({"type": "activation", "activation": "tanh", "weights": [[1]]}),
            "weights",
        ),
    ] {
        let kind = layer["type"].as_str().unwrap().to_owned();
        let error = second(layer);
        assert_eq!(error.field, format!("layers[1] \"{kind}\": {field}"));
    }
}

/// An LSTM of one input and three units, and a dense layer of one output.
fn amplifier() -> Value {
    let layers: Value = serde_json::from_str(AMPLIFIER).unwrap();
    json!({"in_shape": [null, null, 1], "layers": layers})
}

const AMPLIFIER: &str = r#"[{"type": "lstm", "activation": "", "shape": [null, null, 3], "weights": [[[0.366, 0.3695, 0.0184, -0.257, -0.5353, -0.14, -0.1098, -0.5457, -0.5415, 0.599, 0.1828, -0.3186]], [[-0.0781, 0.569, 0.4772, 0.4131, -0.1291, -0.0084, 0.212, -0.527, 0.0667, -0.2743, 0.4556, -0.5229], [0.215, 0.4441, -0.3272, 0.4745, 0.4466, -0.5778, 0.249, -0.5986, 0.004, -0.076, -0.3561, -0.2101], [0.3675, -0.2203, -0.4212, 0.2382, -0.0617, 0.3587, -0.3174, -0.2163, 0.3599, 0.0085, 0.0077, -0.3166]], [-0.5826, 0.5199, -0.497, 0.4139, -0.1585, 0.5412, -0.1207, 0.5237, 0.0674, -0.3118, 0.2897, 0.2093]]}, {"type": "dense", "activation": "", "shape": [null, null, 1], "weights": [[[0.221], [-0.0434], [-0.3337]], [0.1691]]}]"#;

/// Outputs of our engine and of the reference, one a step.
fn outputs(model: &Value, inputs: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let network = rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap();
    let mut engine = NativeEngine::new(&network);
    let mut exact = Reference::new(&network);
    let steps = inputs.chunks_exact(network.n_inputs()).map(|x| {
        let mut y = [0.0];
        engine.infer(x, &mut y).unwrap();
        (f64::from(y[0]), exact.step(x)[0])
    });
    steps.unzip()
}

/// The fields of AIDA-X; what is right was computed with NumPy in double precision, from inputs of
/// which single precision keeps eight digits.
#[test]
fn the_input_is_added_and_gains_are_factors() {
    let alone = [0.17027265, 0.15003480, 0.15014849, 0.17331533];
    let skip = [0.67027265, -0.09996520, 0.27514849, 1.07331533];
    let gain = [0.12965983, 0.10853661, 0.11017871, 0.13153665];
    let both = [0.83592861, -0.24459777, 0.28674590, 1.40282044];
    for (fields, expected) in [
        (json!({}), alone),
        (json!({"in_skip": 0, "in_gain": 0, "out_gain": null}), alone),
        (json!({"in_skip": 1}), skip),
        (json!({"in_gain": 6.0, "out_gain": -3.0}), gain),
        (
            json!({"in_skip": 1, "in_gain": 6.0, "out_gain": -3.0}),
            both,
        ),
        (json!({"out_gain": -90}), [0.0; 4]),
    ] {
        let mut model = amplifier();
        for (name, value) in fields.as_object().unwrap() {
            model[name] = value.clone();
        }
        let (native, reference) = outputs(&model, &[0.5, -0.25, 0.125, 0.9]);
        for ((native, reference), expected) in native.iter().zip(&reference).zip(expected) {
            assert!(
                (native - expected).abs() < 1e-6,
                "{fields}: {native}, not {expected}"
            );
            assert!(
                (reference - expected).abs() < 2e-7,
                "{fields}: {reference}, not {expected}"
            );
        }
    }
}

/// Of several inputs the first is the sound, the others are knobs.
#[test]
fn gain_and_skip_are_those_of_the_first_input() {
    let model = json!({"in_shape": [null, null, 2], "in_skip": 1, "in_gain": 20, "out_gain": 6.020_599_913_279_624,
        "layers": [{"type": "dense", "weights": [[[1], [0.25]], [0.5]]}]});
    let (native, reference) = outputs(&model, &[0.125, 4.0]);
    // (10 x 0.125 + 0.25 x 4 + 0.5 + 10 x 0.125) x 2
    assert!((native[0] - 8.0).abs() < 1e-5, "{native:?}");
    assert!((reference[0] - 8.0).abs() < 1e-6, "{reference:?}");
}

#[test]
fn gains_and_skips_that_cannot_be_are_refused_by_name() {
    for (field, value) in [
        ("in_skip", json!(2)),
        ("in_skip", json!(-1)),
        ("in_gain", json!(1e9)),
        ("out_gain", json!("loud")),
    ] {
        let mut model = amplifier();
        model[field] = value;
        assert_eq!(malformed(&model).field, field);
    }
    let mut two_outputs = model(json!([dense()]));
    two_outputs["in_skip"] = json!(1);
    assert_eq!(malformed(&two_outputs).field, "in_skip");
    let strided = json!({"in_shape": [null, null, 1], "in_skip": 1,
        "layers": [{"type": "conv1d", "strides": 2, "weights": [[[[1]]], [0]]}]});
    assert_eq!(malformed(&strided).field, "in_skip");
}

#[test]
fn a_gain_lets_no_infinity_into_the_state() {
    let mut model = amplifier();
    model["in_gain"] = json!(120);
    model["in_skip"] = json!(1);
    let network = rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap();
    let mut engine = NativeEngine::new(&network);
    let mut y = [0.0];
    for x in [f32::MAX, f32::MIN, f32::INFINITY, f32::NAN] {
        engine.infer(&[x], &mut y).unwrap();
    }
    for _ in 0..20 {
        engine.infer(&[0.5e-6], &mut y).unwrap();
    }
    assert!(y[0].is_finite(), "{y:?}");
}

/// Written by the exporter for Keras' input layer.
#[test]
fn an_exported_input_layer_is_passed_over() {
    let input =
        |shape: Value| json!({"type": "unknown", "activation": "", "shape": shape, "weights": []});
    let plain = model(json!([dense()]));
    let network =
        |model: &Value| rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap();
    let expected = network(&plain);
    let mut nested = model(json!([input(json!([[null, null, 2]])), dense()]));
    assert_eq!(network(&nested), expected);
    nested["in_shape"] = json!([[null, null, 2]]);
    nested["layers"][1]["shape"] = json!([[null, null, 3]]);
    assert_eq!(network(&nested), expected);
    for layers in [
        // Of a list of its own only Keras' input layer has the shape.
        json!([input(json!([null, null, 2])), dense()]),
        json!([input(json!([[null, null, 3]])), dense()]),
        json!([dense(), input(json!([[null, null, 3]]))]),
        json!([dense(), input(json!([null, null, 3]))]),
    ] {
        let error = malformed(&model(layers));
        assert!(error.field.ends_with("\"unknown\": type"), "{error}");
        assert!(error.remedy.contains("dropout"), "{error}");
        assert!(!error.remedy.contains("exporter"), "{error}");
    }
}

/// Keras without `center` and `scale`; RTNeural calls it not affine.
#[test]
fn a_normalisation_of_statistics_alone_is_read_in_one_and_two_dimensions() {
    let norm = |kind: &str, more: Value| {
        let mut layer = json!({"type": kind, "activation": "", "epsilon": 0.01,
            "weights": [[0.5, 1.0], [0.15, 0.24]]});
        for (name, value) in more.as_object().unwrap() {
            layer[name] = value.clone();
        }
        layer
    };
    for (in_shape, layer, n) in [
        (
            json!([null, null, 2]),
            norm("batchnorm", json!({"shape": [null, null, 2]})),
            2,
        ),
        (
            json!([null, null, 3, 2]),
            norm(
                "batchnorm2d",
                json!({"shape": [null, null, 3, 2], "num_filters_in": 2, "num_features_in": 3}),
            ),
            6,
        ),
    ] {
        let model = json!({"in_shape": in_shape, "layers": [layer]});
        let network = rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap();
        let mut y = vec![0.0; n];
        NativeEngine::new(&network)
            .infer(&vec![1.5; n], &mut y)
            .unwrap();
        // (1.5 - 0.5) / sqrt(0.16) and (1.5 - 1) / sqrt(0.25)
        for pair in y.chunks_exact(2) {
            assert!(
                (pair[0] - 2.5).abs() < 1e-6 && (pair[1] - 1.0).abs() < 1e-6,
                "{y:?}"
            );
        }
    }
    // Of three arrays the first may be either.
    let error = second(
        json!({"type": "batchnorm", "epsilon": 0.1, "weights": [[0, 0, 0], [0, 0, 0], [1, 1, 1]]}),
    );
    assert!(error.remedy.contains("center"), "{error}");
}

#[test]
fn a_linear_activation_is_no_layer() {
    let network =
        |model: &Value| rtneural::parse(model.to_string().as_bytes(), "model.json").unwrap();
    let linear =
        json!({"type": "activation", "activation": "linear", "shape": [null, 3], "weights": []});
    let with = model(json!([dense(), linear]));
    assert_eq!(network(&with), network(&model(json!([dense()]))));
    for (field, value) in [("shape", json!([null, 4])), ("alpha", json!(1))] {
        let mut wrong = linear.clone();
        wrong[field] = value;
        let error = second(wrong);
        assert_eq!(error.field, format!("layers[1] \"activation\": {field}"));
    }
    // One that the exporter has no name for.
    for unnamed in [
        json!({"type": "activation", "activation": ""}),
        json!({"type": "activation"}),
    ] {
        let error = second(unnamed);
        assert!(!error.expected.contains("nothing"), "{error}");
        assert!(error.found.contains("the exporter did not know"), "{error}");
        assert!(error.remedy.contains("if it is linear"), "{error}");
    }
}

/// Python writes them into its JSON.
#[test]
fn weights_that_are_no_numbers_are_said_to_come_of_the_training() {
    for (weight, diverged) in [
        ("NaN", true),
        ("Infinity", true),
        ("-Infinity", true),
        ("nan", true),
        ("-inf", true),
        ("Nine", false),
        ("?", false),
    ] {
        for space in [" ", "\n"] {
            let text = format!(
                "{{\"in_shape\": [null, 1],{space}\"layers\": [{{\"type\": \"dense\", \"weights\": \
                 [[[0.5,{space}{weight}]],{space}[0, 0]]}}]}}"
            );
            let error = rtneural::parse(text.as_bytes(), "model.json").unwrap_err();
            let LoadError::Malformed(error) = error else {
                panic!("{error}");
            };
            let says = error.remedy.contains("the training diverged");
            assert_eq!(says, diverged, "{error}");
        }
    }
}

#[test]
fn files_of_other_programs_are_named() {
    for (json, what) in [
        (
            r#"{"architecture": "WaveNet", "weights": [0.5], "config": {}}"#,
            "Neural Amp Modeler",
        ),
        (r#"{"model_data": {}, "state_dict": {}}"#, "GuitarML"),
        (r#"{"class_name": "Sequential", "config": {}}"#, "Keras"),
        (r#"{"lin.weight": [[0.5]], "lin.bias": [0.25]}"#, "PyTorch"),
    ] {
        let error = rtneural::parse(json.as_bytes(), "model.json")
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "{error}");
    }
    let cut = &amplifier().to_string()[..300];
    let error = rtneural::parse(cut.as_bytes(), "model.json")
        .unwrap_err()
        .to_string();
    assert!(error.contains("stops in the middle"), "{error}");
}

#[test]
fn inputs_that_are_not_finite_do_not_stay_in_the_state() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut engine =
        NativeEngine::new(&rtneural::load(format!("{folder}/several_layers.json")).unwrap());
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
