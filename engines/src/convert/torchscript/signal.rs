//! A whole signal: values are `[steps, width]`.

use super::super::folded::zeros;
use super::super::signal::{Buffers, Frames, Placed, inputs_before_taps, reordered, spread_out};
use super::Module;
use crate::network::flat::Flat;
use crate::network::{Activation, Layer, Padding};

/// `sizes` are the lengths of input and output.
pub(in super::super) fn write(layers: &[Placed], sizes: [usize; 2]) -> Vec<u8> {
    let (steps, width) = match layers.first() {
        Some((_, frames, _)) => (frames.steps, frames.width()),
        None => (1, sizes[0]),
    };
    let mut module = Module {
        parameters: Vec::new(),
        statements: format!("    x0 = torch.reshape(features, [{steps}, {width}])\n"),
        values: 0,
        n_inputs: sizes[0],
    };
    let mut buffers = Buffers::new();
    for (i, (flat, before, after)) in layers.iter().enumerate() {
        match flat {
            Flat::Layer(layer) => module.layer(i, layer, *before, *after),
            Flat::Kept(kept) => {
                let value = buffers.after(*kept, module.values, |a, b| {
                    module.assign(&format!("torch.add(x{a}, x{b})"));
                    module.values
                });
                // The last value is the one that goes on.
                if value != module.values {
                    module.assign(&format!("x{value}"));
                }
            }
        }
    }
    module.assign(&format!("torch.reshape(x{}, [-1])", module.values));
    module.archive()
}

impl Module {
    fn layer(&mut self, i: usize, layer: &Layer, before: Frames, after: Frames) {
        let x = format!("x{}", self.values);
        let width = before.width();
        match layer {
            Layer::Dense(dense) => {
                let sizes = vec![dense.outputs, dense.inputs];
                let weight = self.parameter(format!("weight_{i}"), sizes, dense.weight.clone());
                let bias = self.vector(format!("bias_{i}"), &dense.bias);
                self.assign(&format!("torch.addmm({bias}, {x}, torch.t({weight}))"));
            }
            Layer::BatchNorm(norm) => {
                let names = [
                    ("gamma", &norm.gamma),
                    ("beta", &norm.beta),
                    ("mean", &norm.mean),
                    ("variance", &norm.variance),
                ]
                .map(|(name, values)| {
                    self.vector(format!("{name}_{i}"), &spread_out(values, width))
                });
                self.assign(&format!(
                    "torch.batch_norm({x}, {}, False, 0.1, {:?}, False)",
                    names.join(", "),
                    norm.epsilon
                ));
            }
            Layer::Activation(activation) => self.activation(&x, *activation),
            Layer::Prelu(alpha) => {
                let alpha = self.vector(format!("alpha_{i}"), &spread_out(alpha, width));
                self.assign(&format!("torch.prelu({x}, {alpha})"));
            }
            Layer::Conv1d(conv) => {
                let inputs = conv.inputs / conv.groups;
                let weight = self.parameter(
                    format!("weight_{i}"),
                    vec![conv.outputs, inputs, conv.kernel],
                    inputs_before_taps(&conv.weight, conv.kernel, inputs),
                );
                let bias = self.vector(format!("bias_{i}"), &conv.bias);
                let past = (conv.kernel - 1) * conv.dilation;
                self.assign(&format!("torch.unsqueeze(torch.t({x}), 0)"));
                self.assign(&format!(
                    "torch.constant_pad_nd(x{}, [{past}, 0], 0)",
                    self.values
                ));
                self.assign(&format!(
                    "torch.conv1d(x{}, {weight}, {bias}, [{}], [0], [{}], {})",
                    self.values, conv.stride, conv.dilation, conv.groups
                ));
                self.assign(&format!("torch.t(torch.squeeze(x{}, 0))", self.values));
            }
            Layer::CausalConv2d(conv) => {
                let weight = self.parameter(
                    format!("weight_{i}"),
                    vec![
                        conv.filters,
                        conv.inputs,
                        conv.kernel_time,
                        conv.kernel_features,
                    ],
                    inputs_before_taps(
                        &conv.weight,
                        conv.kernel_time * conv.kernel_features,
                        conv.inputs,
                    ),
                );
                let bias = self.vector(format!("bias_{i}"), &conv.bias);
                let [_, sides] = zeros(
                    [1, conv.features],
                    [1, conv.kernel_features],
                    [1, conv.stride],
                    [Padding::Valid, conv.padding],
                );
                self.channels_first(before);
                let x = self.padded([[conv.history() - 1, 0], sides], "0");
                self.assign(&format!(
                    "torch.conv2d({x}, {weight}, {bias}, [1, {}], [0, 0], [{}, 1], 1)",
                    conv.stride, conv.dilation
                ));
                self.channels_last(after);
            }
            Layer::MaxPool(pool) => {
                let [_, sides] = zeros(
                    [1, pool.features],
                    [1, pool.pool_features],
                    [1, pool.stride_features],
                    [Padding::Valid, pool.padding],
                );
                self.channels_first(before);
                let x = self.padded([[0, 0], sides], super::LOWEST);
                self.assign(&format!(
                    "torch.max_pool2d({x}, [{}, {}], [{}, {}], [0, 0], [1, 1], False)",
                    pool.pool_time, pool.pool_features, pool.stride_time, pool.stride_features
                ));
                self.channels_last(after);
            }
            Layer::Gru(gru) => {
                // Ours are update, reset, new; theirs reset, update, new.
                let order = |values: &[f32]| reordered(values, 3, &[1, 0, 2]);
                let weights = [
                    (vec![3 * gru.units, gru.inputs], order(&gru.kernel)),
                    (vec![3 * gru.units, gru.units], order(&gru.recurrent)),
                    (vec![3 * gru.units], order(&gru.input_bias)),
                    (vec![3 * gru.units], order(&gru.recurrent_bias)),
                ];
                self.recurrent(i, "gru", gru.units, weights);
            }
            Layer::Lstm(lstm) => {
                let rows = 4 * lstm.units;
                let weights = [
                    (vec![rows, lstm.inputs], lstm.kernel.clone()),
                    (vec![rows, lstm.units], lstm.recurrent.clone()),
                    (vec![rows], lstm.bias.clone()),
                    (vec![rows], vec![0.0; rows]),
                ];
                self.recurrent(i, "lstm", lstm.units, weights);
            }
            Layer::Gated => {
                let n = after.width();
                let columns = |from: usize| format!("torch.slice({x}, 1, {from}, {}, 1)", from + n);
                let (values, gates) = (columns(0), columns(n));
                self.assign(&format!(
                    "torch.mul(torch.tanh({values}), torch.sigmoid({gates}))"
                ));
            }
            Layer::Condition(condition) => {
                let sizes = vec![condition.size, condition.inputs];
                let weight = self.parameter(format!("weight_{i}"), sizes, condition.weight.clone());
                // The input, `[steps, n_inputs]`, is the first value.
                self.assign(&format!("torch.addmm({x}, x0, torch.t({weight}))"));
            }
            // `convert_signal` lets none through.
            Layer::Split(_)
            | Layer::ConcatSide
            | Layer::AddInput { .. }
            | Layer::Conv2d(_)
            | Layer::MaxPool2d(_)
            | Layer::Residual(_)
            | Layer::Skip(_)
            | Layer::SkipSum => {}
        }
    }

    fn vector(&mut self, name: String, values: &[f32]) -> String {
        self.parameter(name, vec![values.len()], values.to_vec())
    }

    fn activation(&mut self, x: &str, activation: Activation) {
        self.assign(&match activation {
            Activation::Relu => format!("torch.relu({x})"),
            Activation::Tanh => format!("torch.tanh({x})"),
            Activation::Sigmoid => format!("torch.sigmoid({x})"),
            Activation::LeakyRelu { slope } => format!("torch.leaky_relu({x}, {slope:?})"),
            Activation::Elu { alpha } => format!("torch.elu({x}, {alpha:?})"),
            Activation::Softmax { temperature } => {
                format!("torch.softmax(torch.div({x}, {temperature:?}), 1)")
            }
        });
    }

    /// `[steps, width]` as `[1, channels, steps, bands]`.
    fn channels_first(&mut self, frames: Frames) {
        let sizes = [1, frames.steps, frames.bands, frames.channels];
        self.assign(&format!(
            "torch.permute(torch.reshape(x{}, {sizes:?}), [0, 3, 1, 2])",
            self.values
        ));
    }

    fn channels_last(&mut self, frames: Frames) {
        let sizes = [frames.steps, frames.width()];
        self.assign(&format!(
            "torch.reshape(torch.permute(x{}, [0, 2, 3, 1]), {sizes:?})",
            self.values
        ));
    }

    /// `weights` are those of the input and of the state, and their biases.
    fn recurrent(
        &mut self,
        i: usize,
        kind: &str,
        units: usize,
        weights: [(Vec<usize>, Vec<f32>); 4],
    ) {
        let mut names = Vec::new();
        for (n, (sizes, values)) in weights.into_iter().enumerate() {
            names.push(self.parameter(format!("{kind}_{i}_{n}"), sizes, values));
        }
        let zero = self.parameter(
            format!("{kind}_{i}_zero"),
            vec![1, 1, units],
            vec![0.0; units],
        );
        let (state, results) = match kind {
            "lstm" => (format!("[{zero}, {zero}]"), "h, c"),
            _ => (zero, "h"),
        };
        let x = self.values;
        self.assign(&format!("torch.unsqueeze(x{x}, 1)"));
        let x = self.values;
        self.statements += &format!(
            "    y{x}, {} = torch.{kind}(x{x}, {state}, [{}], True, 1, 0., False, False, False)\n",
            results
                .split(", ")
                .map(|name| format!("{name}{x}"))
                .collect::<Vec<_>>()
                .join(", "),
            names.join(", ")
        );
        self.assign(&format!("torch.squeeze(y{x}, 1)"));
    }
}
