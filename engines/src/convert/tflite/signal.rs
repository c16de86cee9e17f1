//! A whole signal: values are `[steps, width]`. Recurrent layers are unrolled into basic operators,
//! one step behind the other.

use super::super::folded::zeros;
use super::super::signal::{Buffers, Frames, Placed, spread_out};
use super::super::{Format, INPUT, Unconvertible};
use super::{EMPTY_BUFFER, FLOAT32, Model, Operator, VALID, field, options};
use crate::network::flat::Flat;
use crate::network::{Activation, Conv1d, Gru, Layer, Lstm, Padding};

/// `sizes` are the lengths of input and output.
///
/// # Errors
/// When a layer is none of TensorFlow Lite's.
pub(in super::super) fn write(
    layers: &[Placed],
    sizes: [usize; 2],
) -> Result<Vec<u8>, Unconvertible> {
    let mut model = Model::default();
    model.buffer(&[]);
    let input = model.tensor(INPUT, &[1, sizes[0]], EMPTY_BUFFER, FLOAT32);
    model.input = input;
    model.value = input;
    if let Some((_, frames, _)) = layers.first() {
        model.reshape(&[frames.steps, frames.width()]);
    }
    let mut buffers = Buffers::new();
    for (flat, before, after) in layers {
        match flat {
            Flat::Layer(layer) => model.layer(layer, *before, *after)?,
            Flat::Kept(kept) => {
                let sizes = [before.steps, before.width()];
                model.value = buffers.after(*kept, model.value, |a, b| {
                    model.binary(Operator::Add, *a, *b, &sizes)
                });
            }
        }
    }
    model.last = true;
    model.reshape(&[1, sizes[1]]);
    Ok(model.finish(sizes[1]))
}

impl Model {
    fn layer(&mut self, layer: &Layer, before: Frames, after: Frames) -> Result<(), Unconvertible> {
        let (steps, width) = (after.steps, after.width());
        match layer {
            Layer::Dense(dense) => {
                self.value = self.product(
                    self.value,
                    &dense.weight,
                    &dense.bias,
                    [steps, dense.inputs, dense.outputs],
                );
            }
            Layer::BatchNorm(norm) => {
                let pairs: Vec<_> = (0..norm.size()).map(|i| norm.scale_and_shift(i)).collect();
                let scale: Vec<f32> = pairs.iter().map(|pair| pair.0 as f32).collect();
                let shift: Vec<f32> = pairs.iter().map(|pair| pair.1 as f32).collect();
                let scale = self.floats("scale", &[width], &spread_out(&scale, width));
                let shift = self.floats("shift", &[width], &spread_out(&shift, width));
                let scaled = self.binary(Operator::Mul, self.value, scale, &[steps, width]);
                self.value = self.binary(Operator::Add, scaled, shift, &[steps, width]);
            }
            Layer::Activation(activation) => self.activation(*activation, &[steps, width])?,
            Layer::Prelu(alpha) => {
                let alpha = self.floats("alpha", &[width], &spread_out(alpha, width));
                self.apply(Operator::Prelu, &[self.value, alpha], &[steps, width], None);
            }
            Layer::Conv1d(conv) => self.conv1d(conv, before, after)?,
            Layer::CausalConv2d(conv) => {
                let kernel = [conv.kernel_time, conv.kernel_features];
                let [_, sides] = zeros(
                    [1, conv.features],
                    [1, conv.kernel_features],
                    [1, conv.stride],
                    [Padding::Valid, conv.padding],
                );
                self.convolve(
                    [&conv.weight, &conv.bias],
                    kernel,
                    [[conv.history() - 1, 0], sides],
                    ([1, conv.stride], conv.dilation),
                    [before, after],
                );
            }
            Layer::MaxPool(pool) => {
                let [_, sides] = zeros(
                    [1, pool.features],
                    [1, pool.pool_features],
                    [1, pool.stride_features],
                    [Padding::Valid, pool.padding],
                );
                self.reshape(&[1, before.steps, before.bands, before.channels]);
                let shape = super::Shape::Patch([before.steps, before.bands, before.channels]);
                self.pad(shape, [[0, 0], sides], Some(f32::MIN));
                let [stride_h, stride_w] = [pool.stride_time, pool.stride_features].map(as_i32);
                let [height, width] = [pool.pool_time, pool.pool_features].map(as_i32);
                let options = self.options(options::POOL_2D, |builder| {
                    builder.push_slot(field(0), VALID, 0_i8);
                    builder.push_slot(field(1), stride_w, 0);
                    builder.push_slot(field(2), stride_h, 0);
                    builder.push_slot(field(3), width, 0);
                    builder.push_slot(field(4), height, 0);
                });
                let sizes = [1, after.steps, after.bands, after.channels];
                self.apply(Operator::MaxPool2d, &[self.value], &sizes, options);
                self.reshape(&[after.steps, after.width()]);
            }
            Layer::Gru(gru) => self.gru(gru, steps),
            Layer::Lstm(lstm) => self.lstm(lstm, steps),
            Layer::Gated => {
                let (both, sizes) = (self.value, [steps, width]);
                let values = self.part(both, [0, 0], sizes);
                self.apply(Operator::Tanh, &[values], &sizes, None);
                let values = self.value;
                let gates = self.part(both, [0, width], sizes);
                self.apply(Operator::Logistic, &[gates], &sizes, None);
                self.value = self.binary(Operator::Mul, values, self.value, &sizes);
            }
            Layer::Condition(condition) => {
                let x = std::mem::replace(&mut self.value, self.input);
                self.reshape(&[steps, condition.inputs]);
                let none = vec![0.0; width];
                let sizes = [steps, condition.inputs, width];
                let mixed = self.product(self.value, &condition.weight, &none, sizes);
                self.value = self.binary(Operator::Add, x, mixed, &[steps, width]);
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
        Ok(())
    }

    fn activation(&mut self, activation: Activation, sizes: &[usize]) -> Result<(), Unconvertible> {
        let x = self.value;
        match activation {
            Activation::Relu => self.apply(Operator::Relu, &[x], sizes, None),
            Activation::Tanh => self.apply(Operator::Tanh, &[x], sizes, None),
            Activation::Sigmoid => self.apply(Operator::Logistic, &[x], sizes, None),
            Activation::LeakyRelu { slope } => {
                let options = self.options(options::LEAKY_RELU, |builder| {
                    builder.push_slot(field(0), slope, 0.0);
                });
                self.apply(Operator::LeakyRelu, &[x], sizes, options);
            }
            Activation::Elu { alpha: 1.0 } => self.apply(Operator::Elu, &[x], sizes, None),
            Activation::Elu { alpha } => {
                let layer = format_args!("elu with alpha {alpha}");
                return Err(Unconvertible::new(layer, Format::TfLite));
            }
            Activation::Softmax { temperature } => {
                let beta = temperature.recip();
                let options = self.options(options::SOFTMAX, |builder| {
                    builder.push_slot(field(0), beta, 0.0);
                });
                self.apply(Operator::Softmax, &[x], sizes, options);
            }
        }
        Ok(())
    }

    fn conv1d(
        &mut self,
        conv: &Conv1d,
        before: Frames,
        after: Frames,
    ) -> Result<(), Unconvertible> {
        if conv.groups > 1 {
            return Err(Unconvertible::new("conv1d with groups", Format::TfLite));
        }
        self.convolve(
            [&conv.weight, &conv.bias],
            [conv.kernel, 1],
            [[(conv.kernel - 1) * conv.dilation, 0], [0, 0]],
            ([conv.stride, 1], conv.dilation),
            [before, after],
        );
        Ok(())
    }

    /// Convolves `[steps, width]` over time and bands; `strides` and the dilation over time.
    fn convolve(
        &mut self,
        [weight, bias]: [&[f32]; 2],
        kernel: [usize; 2],
        border: [[usize; 2]; 2],
        (strides, dilation): ([usize; 2], usize),
        [before, after]: [Frames; 2],
    ) {
        let Frames {
            bands, channels, ..
        } = before;
        self.reshape(&[1, before.steps, bands, channels]);
        self.pad(
            super::Shape::Patch([before.steps, bands, channels]),
            border,
            None,
        );
        let filters = bias.len();
        let weight = self.floats("weight", &[filters, kernel[0], kernel[1], channels], weight);
        let bias = self.floats("bias", &[filters], bias);
        let [stride_h, stride_w] = strides.map(as_i32);
        let dilation = as_i32(dilation);
        let options = self.options(options::CONV_2D, |builder| {
            builder.push_slot(field(0), VALID, 0_i8);
            builder.push_slot(field(1), stride_w, 0);
            builder.push_slot(field(2), stride_h, 0);
            builder.push_slot(field(5), dilation, 1);
        });
        let sizes = [1, after.steps, after.bands, filters];
        self.apply(
            Operator::Conv2d,
            &[self.value, weight, bias],
            &sizes,
            options,
        );
        self.reshape(&[after.steps, after.width()]);
    }

    fn lstm(&mut self, lstm: &Lstm, steps: usize) {
        let n = lstm.units;
        let signal = self.value;
        let [kernel, recurrent] = [(&lstm.kernel, lstm.inputs), (&lstm.recurrent, n)]
            .map(|(values, columns)| self.floats("weight", &[4 * n, columns], values));
        let bias = self.floats("bias", &[4 * n], &lstm.bias);
        let none = self.floats("none", &[4 * n], &vec![0.0; 4 * n]);
        let zero = self.floats("zero", &[1, n], &vec![0.0; n]);
        let (mut h, mut c) = (zero, zero);
        let mut outputs = Vec::new();
        for step in 0..steps {
            let x = self.part(signal, [step, 0], [1, lstm.inputs]);
            let x = self.multiplied([x, kernel, bias], 4 * n);
            let u = self.multiplied([h, recurrent, none], 4 * n);
            let sum = self.binary(Operator::Add, x, u, &[1, 4 * n]);
            let gates = [0, 1, 2, 3].map(|gate| self.part(sum, [0, gate * n], [1, n]));
            let input = self.unary(Operator::Logistic, gates[0], n);
            let forget = self.unary(Operator::Logistic, gates[1], n);
            let new = self.unary(Operator::Tanh, gates[2], n);
            let output = self.unary(Operator::Logistic, gates[3], n);
            let kept = self.binary(Operator::Mul, forget, c, &[1, n]);
            let new = self.binary(Operator::Mul, input, new, &[1, n]);
            c = self.binary(Operator::Add, kept, new, &[1, n]);
            let shown = self.unary(Operator::Tanh, c, n);
            h = self.binary(Operator::Mul, output, shown, &[1, n]);
            outputs.push(h);
        }
        self.together(&outputs, n);
    }

    fn gru(&mut self, gru: &Gru, steps: usize) {
        let n = gru.units;
        let signal = self.value;
        let [kernel, recurrent] = [(&gru.kernel, gru.inputs), (&gru.recurrent, n)]
            .map(|(values, columns)| self.floats("weight", &[3 * n, columns], values));
        let [input_bias, recurrent_bias] = [&gru.input_bias, &gru.recurrent_bias]
            .map(|values| self.floats("bias", &[3 * n], values));
        let mut h = self.floats("zero", &[1, n], &vec![0.0; n]);
        let mut outputs = Vec::new();
        for step in 0..steps {
            let x = self.part(signal, [step, 0], [1, gru.inputs]);
            let x = self.multiplied([x, kernel, input_bias], 3 * n);
            let u = self.multiplied([h, recurrent, recurrent_bias], 3 * n);
            let [xs, us] =
                [x, u].map(|sum| [0, 1, 2].map(|gate| self.part(sum, [0, gate * n], [1, n])));
            let [update, reset] = [0, 1].map(|gate| {
                let sum = self.binary(Operator::Add, xs[gate], us[gate], &[1, n]);
                self.unary(Operator::Logistic, sum, n)
            });
            let past = self.binary(Operator::Mul, reset, us[2], &[1, n]);
            let sum = self.binary(Operator::Add, xs[2], past, &[1, n]);
            let new = self.unary(Operator::Tanh, sum, n);
            // z h + (1 - z) n = n + z (h - n)
            let change = self.binary(Operator::Sub, h, new, &[1, n]);
            let change = self.binary(Operator::Mul, update, change, &[1, n]);
            h = self.binary(Operator::Add, new, change, &[1, n]);
            outputs.push(h);
        }
        self.together(&outputs, n);
    }

    fn product(
        &mut self,
        x: i32,
        weight: &[f32],
        bias: &[f32],
        [steps, inputs, outputs]: [usize; 3],
    ) -> i32 {
        let weight = self.floats("weight", &[outputs, inputs], weight);
        let bias = self.floats("bias", &[outputs], bias);
        let options = self.options(options::FULLY_CONNECTED, |_| {});
        let sizes = [steps, outputs];
        self.apply(
            Operator::FullyConnected,
            &[x, weight, bias],
            &sizes,
            options,
        );
        self.value
    }

    /// A dense layer of one step with tensors that are there: value, weight and bias.
    fn multiplied(&mut self, tensors: [i32; 3], outputs: usize) -> i32 {
        let options = self.options(options::FULLY_CONNECTED, |_| {});
        self.apply(Operator::FullyConnected, &tensors, &[1, outputs], options);
        self.value
    }

    fn unary(&mut self, operator: Operator, x: i32, n: usize) -> i32 {
        self.apply(operator, &[x], &[1, n], None);
        self.value
    }

    fn binary(&mut self, operator: Operator, a: i32, b: i32, sizes: &[usize]) -> i32 {
        let kind = match operator {
            Operator::Add => options::ADD,
            Operator::Sub => options::SUB,
            _ => options::MUL,
        };
        let options = self.options(kind, |_| {});
        self.apply(operator, &[a, b], sizes, options);
        self.value
    }

    /// The part of a matrix of the given size that begins at `begin`.
    fn part(&mut self, matrix: i32, begin: [usize; 2], size: [usize; 2]) -> i32 {
        let begin = self.integers("begin", &[2], &begin);
        let extent = self.integers("size", &[2], &size);
        let options = self.options(options::SLICE, |_| {});
        self.apply(Operator::Slice, &[matrix, begin, extent], &size, options);
        self.value
    }

    /// The rows `[1, n]` one below the other.
    fn together(&mut self, rows: &[i32], n: usize) {
        if rows.len() > 1 {
            let options = self.options(options::CONCATENATION, |_| {});
            self.apply(Operator::Concatenation, rows, &[rows.len(), n], options);
        }
    }
}

fn as_i32(size: usize) -> i32 {
    size as i32
}
