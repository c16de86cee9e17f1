//! A whole signal in one inference: how a network with memory is run by engines that keep none.

use super::{Format, Unconvertible, onnx, tflite, torchscript};
use crate::network::flat::{Flat, Kept, flatten};
use crate::network::{Layer, Network};

/// A model file that maps a signal `[1, steps n_inputs]` to what the network gives at its steps,
/// `[1, steps_out n_outputs]`, the memory being zero before the first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The file.
    pub model: Vec<u8>,
    /// Steps that come out: fewer than go in where layers stride or pool over time.
    pub steps_out: usize,
    /// The step that the first of them belongs to.
    pub first: usize,
    /// Steps from one of them to the next.
    pub stride: usize,
}

/// A value of the file: `[steps, bands channels]`, the channel running fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frames {
    pub(super) steps: usize,
    pub(super) bands: usize,
    pub(super) channels: usize,
}

impl Frames {
    /// Values of a step.
    pub(super) fn width(self) -> usize {
        self.bands * self.channels
    }

    /// The same values with the bands and channels that `layer` takes them for.
    fn as_seen_by(self, layer: &Layer) -> Self {
        let (bands, channels) = match layer {
            Layer::CausalConv2d(conv) => (conv.features, conv.inputs),
            Layer::MaxPool(pool) => (pool.features, pool.channels),
            Layer::Dense(_) | Layer::Conv1d(_) | Layer::Gru(_) | Layer::Lstm(_) => {
                (1, self.width())
            }
            _ => (self.bands, self.channels),
        };
        Self {
            bands,
            channels,
            ..self
        }
    }

    fn after(self, layer: &Layer) -> Self {
        let vector = |channels| Self {
            bands: 1,
            channels,
            ..self
        };
        match layer {
            Layer::Dense(dense) => vector(dense.outputs),
            Layer::Gru(gru) => vector(gru.units),
            Layer::Lstm(lstm) => vector(lstm.units),
            Layer::Conv1d(conv) => Self {
                steps: self.steps.div_ceil(conv.stride),
                ..vector(conv.outputs)
            },
            Layer::CausalConv2d(conv) => Self {
                bands: conv.output_features(),
                channels: conv.filters,
                ..self
            },
            Layer::MaxPool(pool) => Self {
                steps: (self.steps + pool.stride_time).saturating_sub(pool.pool_time)
                    / pool.stride_time,
                bands: pool.output_features(),
                channels: pool.channels,
            },
            Layer::Gated => Self {
                channels: self.channels / 2,
                ..self
            },
            _ => self,
        }
    }
}

/// The file of `format` that evaluates `network` over `steps` steps at once. Batch normalisation
/// stays an operation of its own.
///
/// # Errors
/// When the network has a layer that cannot be written so, or no step comes out.
pub fn convert_signal(
    network: &Network,
    format: Format,
    steps: usize,
) -> Result<Signal, Unconvertible> {
    let mut frames = Frames {
        steps,
        bands: 1,
        channels: network.n_inputs(),
    };
    let (mut first, mut stride) = (0, 1);
    let mut stages = Vec::new();
    // What each buffer keeps.
    let mut kept: Vec<Frames> = Vec::new();
    for flat in flatten(network) {
        let layer = match flat {
            Flat::Layer(layer) => layer,
            Flat::Kept(operation) => {
                let before = frames;
                match operation {
                    Kept::Keep(buffer) => {
                        kept.resize(kept.len().max(buffer + 1), frames);
                        kept[buffer] = frames;
                    }
                    Kept::Recall(buffer) => frames = kept[buffer],
                    Kept::AddTo(_) | Kept::Add(_) => {}
                }
                stages.push((flat, before, frames));
                continue;
            }
        };
        frames = frames.as_seen_by(layer);
        match layer {
            Layer::Conv1d(conv) => stride *= conv.stride,
            Layer::MaxPool(pool) => {
                first += (pool.pool_time - 1) * stride;
                stride *= pool.stride_time;
            }
            Layer::Split(_)
            | Layer::ConcatSide
            | Layer::AddInput { .. }
            | Layer::Conv2d(_)
            | Layer::MaxPool2d(_) => {
                return Err(Unconvertible::new("one that sees no signal", format));
            }
            _ => {}
        }
        let after = frames.after(layer);
        if after.steps == 0 {
            return Err(Unconvertible::new(
                format_args!("one that gives nothing in {steps} steps"),
                format,
            ));
        }
        stages.push((flat, frames, after));
        frames = after;
    }
    let sizes = [steps * network.n_inputs(), frames.steps * frames.width()];
    let model = match format {
        Format::Onnx => onnx::signal::write(&stages, sizes),
        Format::TfLite => tflite::signal::write(&stages, sizes)?,
        Format::TorchScript => torchscript::signal::write(&stages, sizes),
        Format::RtNeural => return Err(Unconvertible::new("a whole signal", format)),
    };
    Ok(Signal {
        model,
        steps_out: frames.steps,
        first,
        stride,
    })
}

/// A layer, or what is kept, with what goes in and what comes out.
pub(super) type Placed<'a> = (Flat<'a>, Frames, Frames);

/// The values of a file that the buffers keep, by their names there.
pub(super) struct Buffers<T>(Vec<T>);

impl<T: Clone> Buffers<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// The value behind `kept`, for `value`; `sum` writes the sum of two.
    pub(super) fn after(&mut self, kept: Kept, value: T, sum: impl FnOnce(&T, &T) -> T) -> T {
        match kept {
            Kept::Keep(buffer) => {
                self.0.resize(self.0.len().max(buffer + 1), value.clone());
                self.0[buffer] = value.clone();
                value
            }
            Kept::AddTo(buffer) => {
                self.0[buffer] = sum(&self.0[buffer], &value);
                value
            }
            Kept::Add(buffer) => sum(&value, &self.0[buffer]),
            Kept::Recall(buffer) => self.0[buffer].clone(),
        }
    }
}

/// `values`, one for each channel or for each value, or one for all, over `width` values.
pub(super) fn spread_out(values: &[f32], width: usize) -> Vec<f32> {
    values.iter().copied().cycle().take(width).collect()
}

/// The rows of a matrix of gates `[gates, units, ..]` in another order of the gates.
pub(super) fn reordered(values: &[f32], gates: usize, order: &[usize]) -> Vec<f32> {
    let size = values.len() / gates;
    let gate = |&gate: &usize| &values[gate * size..][..size];
    order.iter().flat_map(gate).copied().collect()
}

/// A kernel `[outputs, taps, inputs]` as `[outputs, inputs, taps]`.
pub(super) fn inputs_before_taps(weight: &[f32], taps: usize, inputs: usize) -> Vec<f32> {
    weight
        .chunks_exact(taps * inputs)
        .flat_map(|output| (0..inputs).flat_map(move |i| output.iter().skip(i).step_by(inputs)))
        .copied()
        .collect()
}
