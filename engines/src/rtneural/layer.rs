//! One layer of a model file.

use super::{Array, LAYER_NOTES, RawLayer, Shape, Sizes, frame_of, unknown};
use crate::network::{
    Activation, BatchNorm, Builder, CausalConv2d, Conv1d, Dense, Gru, Layer, Lstm, MaxPool, Misfit,
    Padding,
};

/// What to do about a layer that is not as its type has it.
pub(super) const EXPORT: &str = "export the model again with RTNeural's Keras exporter; its exporter for PyTorch writes some layers wrongly: from there take .onnx, and run that in engine onnx";

/// What to do about an exporter's "unknown".
const REPLACE: &str = "take the layer out of the model before it is exported: dropout and noise do nothing once a network is trained; instead of a layer that is an activation, give it to the layer before; of a Flatten or Reshape before a layer for vectors leave the model as it is and take the layer out of the file: frames are flattened there";

/// What to do about an activation that the exporter has no name for.
const NAME_ACTIVATION: &str = "take the layer out of the model before it is exported if it is linear; otherwise train with one of these, or export the model as .onnx or .tflite and run it in engine onnx or litert";

/// What to do about what is not of RTNeural's kind: another export would say the same, or nothing, and
/// what the exporter has no name for it leaves out without a word.
const TRAIN: &str =
    "train it so, or export the model as .onnx or .tflite and run it in engine onnx or litert";

/// What to do about the older form of a GRU.
const RESET_AFTER: &str = "train it with reset_after=True, Keras' default: this file can only say that form; or export the model as .onnx or .tflite and run it in engine onnx or litert";

/// What to do about alphas that are not one for each channel.
const SHARE: &str = "share the alphas over all axes but that of the channels when you train it: shared_axes=[1] of Keras' PReLU, [1, 2] behind a conv2d";

/// What to do about an activation at a layer that RTNeural reads none of.
const OWN_LAYER: &str =
    "give the activation a layer of its own behind this one, of type \"activation\"";

/// What to do about a layer that cannot stand where it does.
const FIT: &str = "make the layers fit each other and export the model again, or export it as .onnx or .tflite and run it in engine onnx or litert";

/// What to do about a layer that is not one of RTNeural's.
const OTHER_FORMAT: &str = "build the model of these layers, or export it as .onnx or .tflite and run it in engine onnx or litert";

/// What to do about a field without a meaning.
const REMOVE: &str = "remove the field if it changes nothing that the layer computes";

/// A misfit, the field it is in, and what to do.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) misfit: Misfit,
    pub(super) remedy: &'static str,
}

impl Fault {
    fn new(field: impl ToString, misfit: Misfit) -> Self {
        Self {
            field: field.to_string(),
            misfit,
            remedy: EXPORT,
        }
    }

    fn remedy(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }
}

const KINDS: &str = "dense, time-distributed-dense, conv1d, conv2d, gru, lstm, batchnorm, batchnorm2d, prelu, activation, maxpool1d, maxpool2d or leakyrelu";

const ACTIVATIONS: &str = "tanh, relu, sigmoid, softmax, elu, leaky_relu, linear or nothing";

/// The same for a layer that is nothing else.
const LAYER_ACTIVATIONS: &str = "tanh, relu, sigmoid, softmax, elu, leaky_relu or linear";

/// Whether `raw` is what the exporter makes of Keras' input layer of the `frame`: a type that it
/// does not know, nothing to compute with, and the input's shape in a list of its own.
pub(super) fn is_input(raw: &RawLayer, frame: [usize; 2]) -> bool {
    let shape = match &raw.shape {
        Some(Shape::InList([shape])) => frame_of(shape).ok(),
        _ => None,
    };
    raw.kind == "unknown"
        && raw.weights.is_empty()
        && raw.activation.as_deref().unwrap_or_default().is_empty()
        && given(raw).is_empty()
        && unknown(&raw.others, LAYER_NOTES).is_none()
        && shape == Some(frame)
}

/// The fields that `raw` has besides type, activation, shape and weights.
fn given(raw: &RawLayer) -> Vec<&'static str> {
    [
        ("kernel_size", raw.kernel_size.is_some()),
        ("kernel_size_time", raw.kernel_size_time.is_some()),
        ("kernel_size_feature", raw.kernel_size_feature.is_some()),
        ("dilation", raw.dilation.is_some()),
        ("strides", raw.strides.is_some()),
        ("groups", raw.groups.is_some()),
        ("padding", raw.padding.is_some()),
        ("num_filters_in", raw.num_filters_in.is_some()),
        ("num_features_in", raw.num_features_in.is_some()),
        ("num_filters_out", raw.num_filters_out.is_some()),
        ("epsilon", raw.epsilon.is_some()),
        ("pool_size", raw.pool_size.is_some()),
        ("alpha", raw.alpha.is_some()),
        ("negative_slope", raw.negative_slope.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect()
}

/// Refuses fields that say what this reader would not compute.
fn check_fields(raw: &RawLayer) -> Result<(), Fault> {
    let mut allowed: Vec<&str> = match raw.kind.as_str() {
        "conv1d" => vec!["kernel_size", "dilation", "groups", "strides", "padding"],
        "conv2d" => vec![
            "kernel_size",
            "kernel_size_time",
            "kernel_size_feature",
            "dilation",
            "strides",
            "padding",
            "num_filters_in",
            "num_features_in",
            "num_filters_out",
        ],
        "batchnorm" | "batchnorm2d" => vec!["epsilon", "num_filters_in", "num_features_in"],
        "maxpool1d" | "maxpool2d" => vec!["pool_size", "strides", "padding"],
        "leakyrelu" | "leaky_relu" => vec!["alpha", "negative_slope"],
        _ => Vec::new(),
    };
    match raw.activation.as_deref() {
        Some("elu") => allowed.push("alpha"),
        Some("leaky_relu" | "leakyrelu") => allowed.extend(["alpha", "negative_slope"]),
        _ => {}
    }
    let useless = given(raw).into_iter().find(|name| !allowed.contains(name));
    if let Some(name) = useless.or_else(|| unknown(&raw.others, LAYER_NOTES)) {
        let expected = ["type", "activation", "shape", "weights"]
            .into_iter()
            .chain(allowed)
            .chain(LAYER_NOTES.iter().copied())
            .collect::<Vec<_>>()
            .join(", ");
        return Err(bad(name, expected, "a field that means nothing here").remedy(REMOVE));
    }
    let has_none = matches!(
        raw.kind.as_str(),
        "activation" | "leakyrelu" | "leaky_relu" | "maxpool1d" | "maxpool2d"
    );
    if has_none && !raw.weights.is_empty() {
        return Err(bad(
            "weights",
            "none",
            format_args!("{} arrays", raw.weights.len()),
        ));
    }
    Ok(())
}

/// Adds the layer `raw` and its activation to `network`.
pub(super) fn push(raw: RawLayer, network: &mut Builder) -> Result<(), Fault> {
    let layer = match raw.kind.as_str() {
        "dense" | "time-distributed-dense" => dense(&raw, network)?,
        "conv1d" => {
            network.flatten();
            conv1d(&raw, network.width())?
        }
        "conv2d" => conv2d(&raw, network)?,
        "gru" => {
            network.flatten();
            gru(&raw, network.width())?
        }
        "lstm" => {
            network.flatten();
            lstm(&raw, network.width())?
        }
        "batchnorm" | "batchnorm2d" => batch_norm(&raw, network)?,
        "prelu" => prelu(&raw, network)?,
        "activation" => match activation(&raw)? {
            Some(activation) => Layer::Activation(activation),
            // What goes in comes out: there is nothing to add.
            None if raw.activation.as_deref() == Some("linear") => {
                check_fields(&raw)?;
                return check_shape(&raw, network);
            }
            None => {
                return Err(bad(
                    "activation",
                    LAYER_ACTIVATIONS,
                    "none: the exporter did not know this layer's activation",
                )
                .remedy(NAME_ACTIVATION));
            }
        },
        "leakyrelu" | "leaky_relu" => Layer::Activation(leaky_relu(&raw)?),
        "maxpool1d" | "maxpool2d" => max_pool(&raw, network)?,
        "unknown" => {
            return Err(bad(
                "type",
                KINDS,
                "\"unknown\": the exporter did not know this layer",
            )
            .remedy(REPLACE));
        }
        kind => {
            return Err(bad("type", KINDS, format_args!("\"{kind}\"")).remedy(OTHER_FORMAT));
        }
    };
    check_fields(&raw)?;
    let follows = match raw.kind.as_str() {
        "dense" | "time-distributed-dense" | "conv1d" | "conv2d" => activation(&raw)?,
        "activation" => None,
        kind => {
            let built_in = matches!(kind, "gru" | "lstm");
            match raw.activation.as_deref() {
                None | Some("") => None,
                Some("tanh") if built_in => None,
                Some("linear") if !built_in => None,
                Some("leaky_relu" | "leakyrelu") if kind.starts_with("leaky") => None,
                Some(other) => {
                    let expected = if built_in {
                        "tanh or nothing"
                    } else {
                        "nothing"
                    };
                    let fault = bad("activation", expected, format_args!("\"{other}\""));
                    return Err(fault.remedy(if built_in { TRAIN } else { OWN_LAYER }));
                }
            }
        }
    };
    network
        .push(layer)
        .map_err(|error| Fault::new("the layer", error).remedy(FIT))?;
    check_shape(&raw, network)?;
    match follows {
        Some(activation) => network
            .push(Layer::Activation(activation))
            .map_err(|error| Fault::new("activation", error).remedy(FIT)),
        None => Ok(()),
    }
}

/// The output's size must be what the file says.
fn check_shape(raw: &RawLayer, network: &Builder) -> Result<(), Fault> {
    let Some(shape) = &raw.shape else {
        return Ok(());
    };
    let [features, channels] =
        frame_of(shape.sizes()).map_err(|error| Fault::new("shape", error))?;
    if features.checked_mul(channels) != Some(network.width()) {
        return Err(bad(
            "shape",
            format_args!("{} values, as the weights give", network.width()),
            format_args!("{features} x {channels}"),
        ));
    }
    Ok(())
}

fn dense(raw: &RawLayer, network: &mut Builder) -> Result<Layer, Fault> {
    let [_, features, channels] = network.shape();
    let per_feature = features > 1
        && raw
            .weights
            .first()
            .map(|kernel| &kernel.shape[..])
            .is_some_and(|shape| shape.first() == Some(&channels));
    if !per_feature {
        network.flatten();
    }
    let inputs = if per_feature {
        channels
    } else {
        network.width()
    };
    let Linear {
        shape,
        weight,
        bias,
    } = kernel_and_bias(
        raw,
        "[inputs, outputs]",
        |shape| match *shape {
            [n, outputs] if n == inputs && outputs > 0 => Some(outputs),
            _ => None,
        },
        inputs,
    )?;
    let outputs = shape[1];
    Ok(if per_feature {
        Layer::CausalConv2d(CausalConv2d {
            features,
            inputs,
            filters: outputs,
            kernel_time: 1,
            kernel_features: 1,
            dilation: 1,
            stride: 1,
            padding: Padding::Valid,
            weight,
            bias,
        })
    } else {
        Layer::Dense(Dense {
            inputs,
            outputs,
            weight,
            bias,
        })
    })
}

fn conv1d(raw: &RawLayer, inputs: usize) -> Result<Layer, Fault> {
    let groups = raw.groups.unwrap_or(1);
    let Linear {
        shape,
        weight,
        bias,
    } = kernel_and_bias(
        raw,
        "[kernel, inputs / groups, outputs]",
        |shape| match *shape {
            [kernel, n, outputs]
                if kernel > 0 && n > 0 && n.checked_mul(groups) == Some(inputs) && outputs > 0 =>
            {
                Some(outputs)
            }
            _ => None,
        },
        inputs,
    )?;
    let kernel = shape[0];
    let named = one(raw.kernel_size.as_ref(), "kernel_size", kernel)?;
    if named != kernel {
        return Err(bad(
            "kernel_size",
            format_args!("{kernel}, as the weights have"),
            named,
        ));
    }
    Ok(Layer::Conv1d(Conv1d {
        inputs,
        outputs: shape[2],
        kernel,
        dilation: one(raw.dilation.as_ref(), "dilation", 1)?,
        stride: one(raw.strides.as_ref(), "strides", 1)?,
        groups,
        weight,
        bias,
    }))
}

fn conv2d(raw: &RawLayer, network: &mut Builder) -> Result<Layer, Fault> {
    let width = network.width();
    let [_, features, channels] = network.shape();
    // A frame has its channels; a vector is a frame of as many as the kernel takes. Where a layer that
    // reshapes was taken out of the file, both sizes say so.
    let fits = |inputs: usize| {
        inputs == channels
            || (inputs > 0
                && width.is_multiple_of(inputs)
                && (features == 1 || raw.names_frame(width / inputs, inputs)))
    };
    let Linear {
        shape,
        weight,
        bias,
    } = kernel_and_bias(
        raw,
        "[time, features, inputs, filters]",
        |shape| match *shape {
            [time, features, inputs, filters]
                if time > 0 && features > 0 && fits(inputs) && filters > 0 =>
            {
                Some(filters)
            }
            _ => None,
        },
        width,
    )?;
    let [kernel_time, kernel_features, inputs, filters] = [shape[0], shape[1], shape[2], shape[3]];
    network.reframe(width / inputs, inputs);
    let features = width / inputs;
    let [named_time, named_features] = match &raw.kernel_size {
        Some(sizes) => two(sizes, "kernel_size")?,
        None => [
            raw.kernel_size_time.unwrap_or(kernel_time),
            raw.kernel_size_feature.unwrap_or(kernel_features),
        ],
    };
    for (field, named, actual) in [
        ("kernel_size_time", named_time, kernel_time),
        ("kernel_size_feature", named_features, kernel_features),
        (
            "num_filters_in",
            raw.num_filters_in.unwrap_or(inputs),
            inputs,
        ),
        (
            "num_features_in",
            raw.num_features_in.unwrap_or(features),
            features,
        ),
        (
            "num_filters_out",
            raw.num_filters_out.unwrap_or(filters),
            filters,
        ),
    ] {
        if named != actual {
            return Err(bad(
                field,
                format_args!("{actual}, as the weights and the layer before give"),
                named,
            ));
        }
    }
    Ok(Layer::CausalConv2d(CausalConv2d {
        features,
        inputs,
        filters,
        kernel_time,
        kernel_features,
        dilation: first_with_second_one(raw.dilation.as_ref(), "dilation")?,
        stride: second_with_first_one(raw.strides.as_ref(), "strides")?,
        padding: padding(raw)?,
        weight,
        bias,
    }))
}

fn gru(raw: &RawLayer, inputs: usize) -> Result<Layer, Fault> {
    let (units, kernel, recurrent) = recurrent_kernels(raw, inputs, 3)?;
    let bias = match raw.weights.get(2) {
        None => vec![0.0; 6 * units],
        Some(bias) if bias.shape == [2, 3 * units] => bias.values.clone(),
        Some(bias) => {
            return Err(bad(
                "weights[2]",
                format_args!(
                    "[2, {}], the two biases of a GRU with reset_after=True",
                    3 * units
                ),
                format_args!("{:?}", bias.shape),
            )
            .remedy(RESET_AFTER));
        }
    };
    let (input_bias, recurrent_bias) = bias.split_at(3 * units);
    Ok(Layer::Gru(Gru {
        inputs,
        units,
        kernel,
        recurrent,
        input_bias: input_bias.to_vec(),
        recurrent_bias: recurrent_bias.to_vec(),
    }))
}

fn lstm(raw: &RawLayer, inputs: usize) -> Result<Layer, Fault> {
    let (units, kernel, recurrent) = recurrent_kernels(raw, inputs, 4)?;
    let bias = match raw.weights.get(2) {
        None => vec![0.0; 4 * units],
        Some(bias) if bias.shape == [4 * units] => bias.values.clone(),
        Some(bias) => {
            return Err(bad(
                "weights[2]",
                format_args!("[{}]", 4 * units),
                format_args!("{:?}", bias.shape),
            ));
        }
    };
    Ok(Layer::Lstm(Lstm {
        inputs,
        units,
        kernel,
        recurrent,
        bias,
    }))
}

/// Units, `[gates, units, inputs]` and `[gates, units, units]`.
fn recurrent_kernels(
    raw: &RawLayer,
    inputs: usize,
    gates: usize,
) -> Result<(usize, Vec<f32>, Vec<f32>), Fault> {
    let [kernel, recurrent, ..] = &raw.weights[..] else {
        return Err(bad(
            "weights",
            "kernel, recurrent kernel and bias",
            format_args!("{} arrays", raw.weights.len()),
        ));
    };
    if raw.weights.len() > 3 {
        return Err(bad("weights", "at most 3 arrays", raw.weights.len()));
    }
    let units = match recurrent.shape[..] {
        [units, sums] if units > 0 && units.checked_mul(gates) == Some(sums) => units,
        _ => {
            return Err(bad(
                "weights[1]",
                format_args!("[units, {gates} units]"),
                format_args!("{:?}", recurrent.shape),
            ));
        }
    };
    if kernel.shape != [inputs, gates * units] {
        return Err(bad(
            "weights[0]",
            format_args!("[{inputs}, {}]", gates * units),
            format_args!("{:?}", kernel.shape),
        ));
    }
    Ok((units, kernel.last_axis_first(), recurrent.last_axis_first()))
}

fn batch_norm(raw: &RawLayer, network: &mut Builder) -> Result<Layer, Fault> {
    let size = match raw.weights.last().map(|variance| &variance.shape[..]) {
        Some([size]) if *size > 0 => *size,
        _ => {
            return Err(bad(
                "weights",
                "gamma, beta, mean and variance, one list each",
                "others",
            ));
        }
    };
    if let Some((i, other)) = raw
        .weights
        .iter()
        .enumerate()
        .find(|(_, array)| array.shape != [size])
    {
        return Err(bad(
            format_args!("weights[{i}]"),
            format_args!("[{size}]"),
            format_args!("{:?}", other.shape),
        ));
    }
    let of = |i: usize| raw.weights[i].values.clone();
    let (gamma, beta, mean, variance) = match raw.weights.len() {
        4 => (of(0), of(1), of(2), of(3)),
        2 => (vec![1.0; size], vec![0.0; size], of(0), of(1)),
        n => {
            return Err(bad(
                "weights",
                "gamma, beta, mean and variance, or the last two",
                format_args!("{n} arrays"),
            )
            .remedy(
                "keep both center and scale of the Keras layer, or neither: of one the file does not say which",
            ));
        }
    };
    if let Some(value) = variance.iter().find(|value| **value < 0.0) {
        return Err(bad("weights", "a variance that is not negative", value));
    }
    let epsilon = match raw.epsilon {
        Some(epsilon) if epsilon.is_finite() && epsilon > 0.0 => epsilon,
        Some(epsilon) => return Err(bad("epsilon", "a positive number", epsilon)),
        None => return Err(bad("epsilon", "a positive number", "none")),
    };
    let [_, bands, _] = network.shape();
    let width = network.width();
    if raw.kind == "batchnorm2d"
        && width.is_multiple_of(size)
        && (bands == 1 || raw.names_frame(width / size, size))
    {
        network.reframe(width / size, size);
    }
    let features = network.width() / size;
    for (field, named, actual) in [
        ("num_filters_in", raw.num_filters_in, size),
        ("num_features_in", raw.num_features_in, features),
    ] {
        if let Some(named) = named.filter(|named| *named != actual) {
            return Err(bad(
                field,
                format_args!("{actual}, as the weights and the layer before give"),
                named,
            ));
        }
    }
    Ok(Layer::BatchNorm(BatchNorm {
        gamma,
        beta,
        mean,
        variance,
        epsilon,
    }))
}

fn prelu(raw: &RawLayer, network: &Builder) -> Result<Layer, Fault> {
    let [_, _, channels] = network.shape();
    let width = network.width();
    match &raw.weights[..] {
        [alpha] => {
            let n = alpha.values.len();
            // Keras keeps the axes that it shares an alpha over, of length 1. What runs over another axis
            // than that of the channels is no alpha of theirs, even if there are as many.
            let last = alpha.shape.last().copied().unwrap_or(n);
            let fits = [channels, width].contains(&n) && [channels, width].contains(&last);
            if n == 1 || fits {
                return Ok(Layer::Prelu(alpha.values.clone()));
            }
            Err(bad(
                "weights[0]",
                format_args!("one alpha, or [1, {channels}], one for each channel"),
                format_args!("{:?}", alpha.shape),
            )
            .remedy(SHARE))
        }
        others => Err(bad(
            "weights",
            "one array, alpha",
            format_args!("{} arrays", others.len()),
        )),
    }
}

fn max_pool(raw: &RawLayer, network: &mut Builder) -> Result<Layer, Fault> {
    let Some(pool_size) = &raw.pool_size else {
        return Err(bad("pool_size", "a size", "none"));
    };
    let two_dimensional = raw.kind == "maxpool2d";
    let (pool, stride) = if two_dimensional {
        let pool = two(pool_size, "pool_size")?;
        (
            pool,
            raw.strides
                .as_ref()
                .map_or(Ok(pool), |sizes| two(sizes, "strides"))?,
        )
    } else {
        network.flatten();
        let pool = one(Some(pool_size), "pool_size", 1)?;
        ([pool, 1], [one(raw.strides.as_ref(), "strides", pool)?, 1])
    };
    let padding = match raw.padding {
        Some(_) => padding(raw)?,
        None => Padding::Valid,
    };
    if padding == Padding::Same && pool[0] > 1 {
        return Err(bad(
            "padding",
            "\"valid\" where steps in time are pooled: what comes later is not known yet",
            "\"same\"",
        )
        .remedy(TRAIN));
    }
    let [_, features, channels] = network.shape();
    Ok(Layer::MaxPool(MaxPool {
        features,
        channels,
        pool_time: pool[0],
        pool_features: pool[1],
        stride_time: stride[0],
        stride_features: stride[1],
        padding,
    }))
}

fn padding(raw: &RawLayer) -> Result<Padding, Fault> {
    match raw.padding.as_deref() {
        Some("valid") => Ok(Padding::Valid),
        Some("same") => Ok(Padding::Same),
        other => Err(bad(
            "padding",
            "\"valid\" or \"same\"",
            other.map_or_else(|| "none".to_owned(), |name| format!("\"{name}\"")),
        )),
    }
}

/// The activation named in `raw`, if it names one.
fn activation(raw: &RawLayer) -> Result<Option<Activation>, Fault> {
    Ok(Some(match raw.activation.as_deref() {
        None | Some("" | "linear") => return Ok(None),
        Some("tanh") => Activation::Tanh,
        Some("relu") => Activation::Relu,
        Some("sigmoid") => Activation::Sigmoid,
        Some("softmax") => Activation::Softmax { temperature: 1.0 },
        Some("elu") => Activation::Elu {
            alpha: finite("alpha", raw.alpha.unwrap_or(1.0))?,
        },
        Some("leaky_relu" | "leakyrelu") => leaky_relu(raw)?,
        Some(other) => {
            let expected = if raw.kind == "activation" {
                LAYER_ACTIVATIONS
            } else {
                ACTIVATIONS
            };
            return Err(bad("activation", expected, format_args!("\"{other}\"")).remedy(TRAIN));
        }
    }))
}

fn leaky_relu(raw: &RawLayer) -> Result<Activation, Fault> {
    match raw.alpha.or(raw.negative_slope) {
        Some(slope) => Ok(Activation::LeakyRelu {
            slope: finite("alpha", slope)?,
        }),
        None => Err(bad("alpha", "the slope below zero", "none")),
    }
}

fn finite(field: &str, value: f64) -> Result<f32, Fault> {
    let narrow = value as f32;
    if narrow.is_finite() {
        Ok(narrow)
    } else {
        Err(bad(field, "a number in the range of f32", value))
    }
}

/// A kernel and its bias.
struct Linear<'a> {
    /// As in the file, outputs last.
    shape: &'a [usize],
    /// Outputs first.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The two arrays of a layer whose kernel has the `form`; `outputs` finds the number of outputs
/// in the kernel's shape, if that fits.
fn kernel_and_bias<'a>(
    raw: &'a RawLayer,
    form: &str,
    outputs: impl FnOnce(&[usize]) -> Option<usize>,
    inputs: usize,
) -> Result<Linear<'a>, Fault> {
    let (kernel, bias): (&Array, Option<&Array>) = match &raw.weights[..] {
        [kernel] => (kernel, None),
        [kernel, bias] => (kernel, Some(bias)),
        others => {
            return Err(bad(
                "weights",
                "kernel and bias",
                format_args!("{} arrays", others.len()),
            ));
        }
    };
    let Some(outputs) = outputs(&kernel.shape) else {
        return Err(bad(
            "weights[0]",
            format_args!("{form} for {inputs} inputs"),
            format_args!("{:?}", kernel.shape),
        ));
    };
    let bias = match bias {
        None => vec![0.0; outputs],
        Some(bias) if bias.shape == [outputs] => bias.values.clone(),
        Some(bias) => {
            return Err(bad(
                "weights[1]",
                format_args!("[{outputs}]"),
                format_args!("{:?}", bias.shape),
            ));
        }
    };
    Ok(Linear {
        shape: &kernel.shape,
        weight: kernel.last_axis_first(),
        bias,
    })
}

/// A size of a one-dimensional layer.
fn one(sizes: Option<&Sizes>, field: &str, default: usize) -> Result<usize, Fault> {
    match sizes.map(Sizes::as_slice) {
        None => Ok(default),
        Some(&[size]) => Ok(size),
        Some(others) => Err(bad(field, "one size", format_args!("{others:?}"))),
    }
}

/// Sizes over time and features; a single one counts for both.
fn two(sizes: &Sizes, field: &str) -> Result<[usize; 2], Fault> {
    match *sizes.as_slice() {
        [size] => Ok([size, size]),
        [time, features] => Ok([time, features]),
        ref others => Err(bad(field, "one or two sizes", format_args!("{others:?}"))),
    }
}

/// A size over time, where that over features can only be 1.
fn first_with_second_one(sizes: Option<&Sizes>, field: &str) -> Result<usize, Fault> {
    match sizes.map(Sizes::as_slice) {
        None => Ok(1),
        Some(&[size] | &[size, 1]) => Ok(size),
        Some(others) => Err(bad(
            field,
            "one size, or a size over time and 1",
            format_args!("{others:?}"),
        )),
    }
}

/// A size over features, where that over time can only be 1.
fn second_with_first_one(sizes: Option<&Sizes>, field: &str) -> Result<usize, Fault> {
    match sizes.map(Sizes::as_slice) {
        None => Ok(1),
        Some(&[size] | &[1, size]) => Ok(size),
        Some(others) => Err(bad(
            field,
            "one size, or 1 and a size over features",
            format_args!("{others:?}"),
        )),
    }
}

fn bad(field: impl ToString, expected: impl ToString, found: impl ToString) -> Fault {
    Fault::new(field, Misfit::new(expected, found))
}
