//! A whole signal: values are `[steps, width]`.

use super::super::INPUT;
use super::super::folded::zeros;
use super::super::signal::{Buffers, Frames, Placed, inputs_before_taps, reordered, spread_out};
use super::{Graph, float, integer, integers};
use crate::network::flat::Flat;
use crate::network::{Activation, CausalConv2d, Conv1d, Gru, Layer, Lstm, MaxPool, Padding};

/// `sizes` are the lengths of input and output.
pub(in super::super) fn write(layers: &[Placed], sizes: [usize; 2]) -> Vec<u8> {
    let mut graph = Graph::new(sizes[0]);
    if let Some((_, frames, _)) = layers.first() {
        graph.reshape(&[frames.steps, frames.width()]);
    }
    let mut buffers = Buffers::new();
    for (flat, before, after) in layers {
        match flat {
            Flat::Layer(layer) => graph.layer(layer, *before, *after),
            Flat::Kept(kept) => {
                let value = graph.value.clone();
                graph.value = buffers.after(*kept, value, |a, b| graph.sum(a, b));
            }
        }
    }
    graph.reshape(&[1, sizes[1]]);
    graph.finish(sizes)
}

impl Graph {
    fn reshape(&mut self, sizes: &[usize]) {
        let sizes = self.integers(sizes);
        self.node("Reshape", &[&sizes], &[]);
    }

    fn layer(&mut self, layer: &Layer, before: Frames, after: Frames) {
        match layer {
            Layer::Dense(dense) => {
                let weight = self.floats("weight", &[dense.outputs, dense.inputs], &dense.weight);
                let bias = self.floats("bias", &[dense.outputs], &dense.bias);
                self.node("Gemm", &[&weight, &bias], &[integer("transB", 1)]);
            }
            Layer::BatchNorm(norm) => {
                let width = before.width();
                let names = [&norm.gamma, &norm.beta, &norm.mean, &norm.variance]
                    .map(|values| self.floats("norm", &[width], &spread_out(values, width)));
                let [gamma, beta, mean, variance] = &names;
                let epsilon = float("epsilon", norm.epsilon as f32);
                self.node(
                    "BatchNormalization",
                    &[gamma, beta, mean, variance],
                    &[epsilon],
                );
            }
            Layer::Activation(activation) => self.activation(*activation),
            Layer::Prelu(alpha) => {
                let alpha = spread_out(alpha, before.width());
                let slope = self.floats("slope", &[alpha.len()], &alpha);
                self.node("PRelu", &[&slope], &[]);
            }
            Layer::Conv1d(conv) => self.conv1d(conv, before, after),
            Layer::CausalConv2d(conv) => self.causal_conv2d(conv, before, after),
            Layer::MaxPool(pool) => self.max_pool(pool, before, after),
            Layer::Gru(gru) => self.gru(gru, after),
            Layer::Lstm(lstm) => self.lstm(lstm, after),
            Layer::Gated => {
                let both = self.value.clone();
                self.slice(&both, after.width(), 2 * after.width());
                self.node("Sigmoid", &[], &[]);
                let open = self.value.clone();
                self.slice(&both, 0, after.width());
                self.node("Tanh", &[], &[]);
                self.node("Mul", &[&open], &[]);
            }
            Layer::Condition(condition) => {
                let x = std::mem::replace(&mut self.value, INPUT.to_owned());
                self.reshape(&[before.steps, condition.inputs]);
                let sizes = [condition.size, condition.inputs];
                let weight = self.floats("weight", &sizes, &condition.weight);
                self.node("Gemm", &[&weight, &x], &[integer("transB", 1)]);
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

    /// The name of a new value, `a + b`.
    fn sum(&mut self, a: &str, b: &str) -> String {
        a.clone_into(&mut self.value);
        self.node("Add", &[b], &[]);
        self.value.clone()
    }

    fn activation(&mut self, activation: Activation) {
        match activation {
            Activation::Relu => self.node("Relu", &[], &[]),
            Activation::Tanh => self.node("Tanh", &[], &[]),
            Activation::Sigmoid => self.node("Sigmoid", &[], &[]),
            Activation::LeakyRelu { slope } => {
                self.node("LeakyRelu", &[], &[float("alpha", slope)]);
            }
            Activation::Elu { alpha } => self.node("Elu", &[], &[float("alpha", alpha)]),
            Activation::Softmax { temperature } => {
                let factor = self.floats("factor", &[1], &[temperature.recip()]);
                self.node("Mul", &[&factor], &[]);
                self.node("Softmax", &[], &[]);
            }
        }
    }

    fn conv1d(&mut self, conv: &Conv1d, before: Frames, after: Frames) {
        let inputs = conv.inputs / conv.groups;
        let weight = self.floats(
            "weight",
            &[conv.outputs, inputs, conv.kernel],
            &inputs_before_taps(&conv.weight, conv.kernel, inputs),
        );
        let bias = self.floats("bias", &[conv.outputs], &conv.bias);
        self.reshape(&[1, before.steps, conv.inputs]);
        self.node("Transpose", &[], &[integers("perm", &[0, 2, 1])]);
        let attributes = [
            integers("kernel_shape", &[conv.kernel]),
            integers("strides", &[conv.stride]),
            integers("dilations", &[conv.dilation]),
            integers("pads", &[(conv.kernel - 1) * conv.dilation, 0]),
            integer("group", conv.groups as u64),
        ];
        self.node("Conv", &[&weight, &bias], &attributes);
        self.node("Transpose", &[], &[integers("perm", &[0, 2, 1])]);
        self.reshape(&[after.steps, after.width()]);
    }

    fn causal_conv2d(&mut self, conv: &CausalConv2d, before: Frames, after: Frames) {
        let kernel = [conv.kernel_time, conv.kernel_features];
        let weight = self.floats(
            "weight",
            &[conv.filters, conv.inputs, kernel[0], kernel[1]],
            &inputs_before_taps(&conv.weight, kernel[0] * kernel[1], conv.inputs),
        );
        let bias = self.floats("bias", &[conv.filters], &conv.bias);
        let [_, [left, right]] = zeros(
            [1, conv.features],
            [1, conv.kernel_features],
            [1, conv.stride],
            [Padding::Valid, conv.padding],
        );
        self.channels_first(before);
        let attributes = [
            integers("kernel_shape", &kernel),
            integers("strides", &[1, conv.stride]),
            integers("dilations", &[conv.dilation, 1]),
            integers("pads", &[conv.history() - 1, left, 0, right]),
        ];
        self.node("Conv", &[&weight, &bias], &attributes);
        self.channels_last(after);
    }

    fn max_pool(&mut self, pool: &MaxPool, before: Frames, after: Frames) {
        let [_, [left, right]] = zeros(
            [1, pool.features],
            [1, pool.pool_features],
            [1, pool.stride_features],
            [Padding::Valid, pool.padding],
        );
        self.channels_first(before);
        let attributes = [
            integers("kernel_shape", &[pool.pool_time, pool.pool_features]),
            integers("strides", &[pool.stride_time, pool.stride_features]),
            integers("pads", &[0, left, 0, right]),
        ];
        self.node("MaxPool", &[], &attributes);
        self.channels_last(after);
    }

    /// `[steps, width]` as `[1, channels, steps, bands]`.
    fn channels_first(&mut self, frames: Frames) {
        self.reshape(&[1, frames.steps, frames.bands, frames.channels]);
        self.node("Transpose", &[], &[integers("perm", &[0, 3, 1, 2])]);
    }

    fn channels_last(&mut self, frames: Frames) {
        self.node("Transpose", &[], &[integers("perm", &[0, 2, 3, 1])]);
        self.reshape(&[frames.steps, frames.width()]);
    }

    fn gru(&mut self, gru: &Gru, after: Frames) {
        let weights = [&gru.kernel[..], &gru.recurrent];
        let bias = [&gru.input_bias[..], &gru.recurrent_bias].concat();
        let units = gru.units;
        let before_reset = integer("linear_before_reset", 1);
        self.recurrent("GRU", [gru.inputs, units], weights, &bias, &[before_reset]);
        self.reshape(&[after.steps, units]);
    }

    fn lstm(&mut self, lstm: &Lstm, after: Frames) {
        // Ours are input, forget, cell, output; theirs input, output, forget, cell.
        let order = |values: &[f32]| reordered(values, 4, &[0, 3, 1, 2]);
        let (kernel, recurrent) = (order(&lstm.kernel), order(&lstm.recurrent));
        let mut bias = order(&lstm.bias);
        bias.resize(8 * lstm.units, 0.0);
        let sizes = [lstm.inputs, lstm.units];
        self.recurrent("LSTM", sizes, [&kernel, &recurrent], &bias, &[]);
        self.reshape(&[after.steps, lstm.units]);
    }

    fn recurrent(
        &mut self,
        operator: &'static str,
        [inputs, units]: [usize; 2],
        [kernel, recurrent]: [&[f32]; 2],
        bias: &[f32],
        attributes: &[super::Message],
    ) {
        let rows = recurrent.len() / units;
        let kernel = self.floats("kernel", &[1, rows, inputs], kernel);
        let recurrent = self.floats("recurrent", &[1, rows, units], recurrent);
        let bias = self.floats("bias", &[1, bias.len()], bias);
        // As many steps as there are, of one signal.
        let sizes = self.initializer(
            "sizes",
            super::INT64,
            &[3],
            [-1_i64, 1, inputs as i64]
                .iter()
                .flat_map(|size| size.to_le_bytes())
                .collect(),
        );
        self.node("Reshape", &[&sizes], &[]);
        let mut attributes = attributes.to_vec();
        attributes.push(integer("hidden_size", units as u64));
        self.node(operator, &[&kernel, &recurrent, &bias], &attributes);
    }
}
