//! What the engines are measured against: the same network in double precision, one plain loop a
//! layer, straight from the definitions at the types in [`crate::network`]. Nothing is folded,
//! packed or kept in rings. Allocates; not for the audio thread.

use crate::network::{Activation, Conv2d, Gru, Layer, Lstm, MaxPool2d, Network, Padding};

/// A network in double precision.
pub struct Reference<'a> {
    network: &'a Network,
    /// All inputs that each layer has seen, and the states of recurrent layers.
    memories: Vec<Memory>,
    output: Vec<f64>,
}

#[derive(Default)]
struct Memory {
    inputs: Vec<Vec<f64>>,
    h: Vec<f64>,
    c: Vec<f64>,
    /// Those of the layers inside a block.
    inside: Vec<Memory>,
}

/// What the layers of one step share.
struct Step {
    inputs: Vec<f64>,
    /// How much of the inputs goes through the layers.
    split: usize,
    skip_sum: Vec<f64>,
}

/// Outputs `[n_outputs]` of `network` for the scaled `features` `[n_inputs]`, as at the first step.
///
/// # Panics
/// When `features` has another length than the network's input.
#[must_use]
pub fn infer(network: &Network, features: &[f32]) -> Vec<f64> {
    Reference::new(network).step(features)
}

impl<'a> Reference<'a> {
    /// `network` before its first step.
    #[must_use]
    pub fn new(network: &'a Network) -> Self {
        Self {
            network,
            memories: Vec::new(),
            output: vec![0.0; network.n_outputs()],
        }
    }

    /// Outputs `[n_outputs]` of the next step, for `features` `[n_inputs]`.
    ///
    /// # Panics
    /// When `features` has another length than the network's input.
    pub fn step(&mut self, features: &[f32]) -> Vec<f64> {
        assert_eq!(
            features.len(),
            self.network.n_inputs(),
            "length of the features"
        );
        let inputs: Vec<f64> = features.iter().copied().map(f64::from).collect();
        let mut step = Step {
            inputs: inputs.clone(),
            split: self.network.split(),
            skip_sum: Vec::new(),
        };
        let layers = self.network.layers();
        if let Some(y) = evaluate_all(layers, &mut self.memories, inputs, &mut step) {
            self.output = y;
        }
        self.output.clone()
    }
}

/// What comes out of the last of `layers`, if anything does at this step.
fn evaluate_all(
    layers: &[Layer],
    memories: &mut Vec<Memory>,
    x: Vec<f64>,
    step: &mut Step,
) -> Option<Vec<f64>> {
    memories.resize_with(layers.len(), Memory::default);
    layers
        .iter()
        .zip(memories)
        .try_fold(x, |x, (layer, memory)| evaluate(layer, memory, x, step))
}

/// What comes out of `layer`, if anything does at this step.
fn evaluate(layer: &Layer, memory: &mut Memory, x: Vec<f64>, step: &mut Step) -> Option<Vec<f64>> {
    Some(match layer {
        Layer::Dense(dense) => affine(&dense.weight, &dense.bias, &x),
        Layer::BatchNorm(norm) => {
            let channel = |(i, x): (usize, &f64)| {
                let i = i % norm.size();
                let deviation = (f64::from(norm.variance[i]) + norm.epsilon).sqrt();
                f64::from(norm.gamma[i]) * (x - f64::from(norm.mean[i])) / deviation
                    + f64::from(norm.beta[i])
            };
            x.iter().enumerate().map(channel).collect()
        }
        Layer::Activation(activation) => activate(*activation, &x),
        Layer::Prelu(alpha) => x
            .iter()
            .zip(alpha.iter().cycle())
            .map(|(x, alpha)| if *x < 0.0 { x * f64::from(*alpha) } else { *x })
            .collect(),
        Layer::Gru(gru) => step_gru(gru, memory, &x),
        Layer::Lstm(lstm) => step_lstm(lstm, memory, &x),
        Layer::Conv1d(conv) => {
            memory.inputs.push(x);
            if !(memory.inputs.len() - 1).is_multiple_of(conv.stride) {
                return None;
            }
            let per_group = conv.inputs / conv.groups;
            let outputs_per_group = conv.outputs / conv.groups;
            let output = |o: usize| {
                let mut sum = f64::from(conv.bias[o]);
                for k in 0..conv.kernel {
                    for i in 0..per_group {
                        let w = conv.weight[(o * conv.kernel + k) * per_group + i];
                        let age = (conv.kernel - 1 - k) * conv.dilation;
                        let from = o / outputs_per_group * per_group + i;
                        sum += f64::from(w) * ago(memory, age).map_or(0.0, |x| x[from]);
                    }
                }
                sum
            };
            (0..conv.outputs).map(output).collect()
        }
        Layer::CausalConv2d(conv) => {
            let width = x.len();
            memory.inputs.push(x);
            let zeros = vec![0.0; width];
            let patch: Vec<f64> = (0..conv.kernel_time)
                .flat_map(|k| {
                    ago(memory, (conv.kernel_time - 1 - k) * conv.dilation)
                        .unwrap_or(&zeros)
                        .clone()
                })
                .collect();
            convolve(
                &Conv2d {
                    size: [conv.kernel_time, conv.features],
                    inputs: conv.inputs,
                    filters: conv.filters,
                    kernel: [conv.kernel_time, conv.kernel_features],
                    stride: [1, conv.stride],
                    padding: [Padding::Valid, conv.padding],
                    weight: conv.weight.clone(),
                    bias: conv.bias.clone(),
                },
                &patch,
            )
        }
        Layer::MaxPool(pool) => {
            memory.inputs.push(x);
            let seen = memory.inputs.len();
            if seen < pool.pool_time || !(seen - pool.pool_time).is_multiple_of(pool.stride_time) {
                return None;
            }
            let window = memory.inputs[seen - pool.pool_time..].concat();
            largest(
                &MaxPool2d {
                    size: [pool.pool_time, pool.features],
                    channels: pool.channels,
                    pool: [pool.pool_time, pool.pool_features],
                    stride: [1, pool.stride_features],
                    padding: [Padding::Valid, pool.padding],
                },
                &window,
            )
        }
        Layer::Conv2d(conv) => convolve(conv, &x),
        Layer::MaxPool2d(pool) => largest(pool, &x),
        Layer::Split(_) => x[..step.split].to_vec(),
        Layer::ConcatSide => [&x[..], &step.inputs[step.split..]].concat(),
        Layer::AddInput { gain } => {
            let input = f64::from(*gain) * step.inputs[0];
            x.iter().map(|x| x + input).collect()
        }
        Layer::Gated => {
            let (values, gates) = x.split_at(x.len() / 2);
            let gated = |(value, gate): (&f64, &f64)| value.tanh() * sigmoid(*gate);
            values.iter().zip(gates).map(gated).collect()
        }
        Layer::Condition(condition) => {
            let none = vec![0.0; condition.size];
            add(&x, &affine(&condition.weight, &none, &step.inputs))
        }
        Layer::Residual(layers) => {
            let y = evaluate_all(layers, &mut memory.inside, x.clone(), step)?;
            add(&x, &y)
        }
        Layer::Skip(layers) => {
            let y = evaluate_all(layers, &mut memory.inside, x.clone(), step)?;
            if step.skip_sum.is_empty() {
                step.skip_sum = vec![0.0; y.len()];
            }
            step.skip_sum = add(&step.skip_sum, &y);
            x
        }
        Layer::SkipSum => std::mem::take(&mut step.skip_sum),
    })
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn ago(memory: &Memory, age: usize) -> Option<&Vec<f64>> {
    memory.inputs.iter().rev().nth(age)
}

/// `W x + b`, `W` `[outputs, inputs]`.
fn affine(weight: &[f32], bias: &[f32], x: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(x.len());
    rows.zip(bias)
        .map(|(row, bias)| {
            row.iter()
                .zip(x)
                .map(|(w, x)| f64::from(*w) * x)
                .sum::<f64>()
                + f64::from(*bias)
        })
        .collect()
}

/// Value `i` of channel `c` at `[place * stride + offset - pad]` along both axes, if that is
/// inside `size`.
fn at(x: &[f64], size: [usize; 2], channels: usize, from: [isize; 2], c: usize) -> Option<f64> {
    let inside = |axis: usize| usize::try_from(from[axis]).ok().filter(|i| *i < size[axis]);
    Some(x[(inside(0)? * size[1] + inside(1)?) * channels + c])
}

fn convolve(conv: &Conv2d, x: &[f64]) -> Vec<f64> {
    let [frames, bands] = conv.output_size();
    let pad = [0, 1].map(|axis| {
        conv.padding[axis]
            .arrange(conv.size[axis], conv.kernel[axis], conv.stride[axis])
            .map_or(0, |(_, pad)| pad)
    });
    let mut y = Vec::new();
    for t in 0..frames {
        for f in 0..bands {
            for o in 0..conv.filters {
                let mut sum = f64::from(conv.bias[o]);
                for k in 0..conv.kernel[0] {
                    for j in 0..conv.kernel[1] {
                        for i in 0..conv.inputs {
                            let from = [
                                (t * conv.stride[0] + k) as isize - pad[0] as isize,
                                (f * conv.stride[1] + j) as isize - pad[1] as isize,
                            ];
                            let w = conv.weight
                                [((o * conv.kernel[0] + k) * conv.kernel[1] + j) * conv.inputs + i];
                            sum += f64::from(w)
                                * at(x, conv.size, conv.inputs, from, i).unwrap_or(0.0);
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

fn largest(pool: &MaxPool2d, x: &[f64]) -> Vec<f64> {
    let [frames, bands] = pool.output_size();
    let pad = [0, 1].map(|axis| {
        pool.padding[axis]
            .arrange(pool.size[axis], pool.pool[axis], pool.stride[axis])
            .map_or(0, |(_, pad)| pad)
    });
    let mut y = Vec::new();
    for t in 0..frames {
        for f in 0..bands {
            for c in 0..pool.channels {
                let mut largest = f64::NEG_INFINITY;
                for k in 0..pool.pool[0] {
                    for j in 0..pool.pool[1] {
                        let from = [
                            (t * pool.stride[0] + k) as isize - pad[0] as isize,
                            (f * pool.stride[1] + j) as isize - pad[1] as isize,
                        ];
                        largest = largest.max(
                            at(x, pool.size, pool.channels, from, c).unwrap_or(f64::NEG_INFINITY),
                        );
                    }
                }
                y.push(largest);
            }
        }
    }
    y
}

fn step_gru(gru: &Gru, memory: &mut Memory, x: &[f64]) -> Vec<f64> {
    memory.h.resize(gru.units, 0.0);
    let a = affine(&gru.kernel, &gru.input_bias, x);
    let c = affine(&gru.recurrent, &gru.recurrent_bias, &memory.h);
    let n = gru.units;
    for i in 0..n {
        let z = sigmoid(a[i] + c[i]);
        let r = sigmoid(a[n + i] + c[n + i]);
        let candidate = (a[2 * n + i] + r * c[2 * n + i]).tanh();
        memory.h[i] = z * memory.h[i] + (1.0 - z) * candidate;
    }
    memory.h.clone()
}

fn step_lstm(lstm: &Lstm, memory: &mut Memory, x: &[f64]) -> Vec<f64> {
    memory.h.resize(lstm.units, 0.0);
    memory.c.resize(lstm.units, 0.0);
    let none = vec![0.0_f32; 4 * lstm.units];
    let a = affine(&lstm.kernel, &lstm.bias, x);
    let b = affine(&lstm.recurrent, &none, &memory.h);
    let n = lstm.units;
    let sum = |gate: usize, i: usize| a[gate * n + i] + b[gate * n + i];
    for i in 0..n {
        memory.c[i] = sigmoid(sum(1, i)) * memory.c[i] + sigmoid(sum(0, i)) * sum(2, i).tanh();
        memory.h[i] = sigmoid(sum(3, i)) * memory.c[i].tanh();
    }
    memory.h.clone()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn activate(activation: Activation, x: &[f64]) -> Vec<f64> {
    let each = |f: &dyn Fn(f64) -> f64| x.iter().map(|x| f(*x)).collect();
    match activation {
        Activation::Relu => each(&|x| x.max(0.0)),
        Activation::LeakyRelu { slope } => {
            each(&|x| if x < 0.0 { f64::from(slope) * x } else { x })
        }
        Activation::Elu { alpha } => each(&|x| {
            if x < 0.0 {
                f64::from(alpha) * x.exp_m1()
            } else {
                x
            }
        }),
        Activation::Tanh => each(&f64::tanh),
        Activation::Sigmoid => each(&sigmoid),
        Activation::Softmax { temperature } => {
            let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = x
                .iter()
                .map(|x| ((x - largest) / f64::from(temperature)).exp())
                .collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(|power| power / sum).collect()
        }
    }
}
