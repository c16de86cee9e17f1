//! Any network, layer by layer.

use super::condition::ConditionKernel;
use super::conv1d::Conv1dKernel;
use super::conv2d::{CausalConv2dKernel, Conv2dKernel};
use super::dense::DenseKernel;
use super::max_pool::{MaxPool2dKernel, MaxPoolKernel};
use super::recurrent::{GruKernel, LstmKernel};
use super::weights::{Packing, Workspace};
use super::{NativeOptions, WeightFormat, activation, gated};
use crate::network::flat::Kept;
use crate::network::fold::{Step, fold};
use crate::network::{Activation, Layer, Network};

/// What is done to the values that pass, in order.
enum Operation {
    /// `scale x + shift`, repeated over the vector.
    ScaleShift(Vec<(f32, f32)>),
    Activation(Activation),
    Prelu(Vec<f32>),
    Dense(DenseKernel),
    Conv1d(Conv1dKernel),
    CausalConv2d(CausalConv2dKernel),
    Gru(GruKernel),
    Lstm(LstmKernel),
    MaxPool(MaxPoolKernel),
    /// Goes on with so many of the inputs.
    Split(usize),
    /// Appends the inputs from this one on.
    ConcatSide(usize),
    /// Adds so much of the first input.
    AddInput(f32),
    Conv2d(Conv2dKernel),
    MaxPool2d(MaxPool2dKernel),
    /// `[2 n]` to `[n]`
    Gated,
    Condition(ConditionKernel),
    Kept(Kept),
}

/// An operation with the lengths of its input and output.
struct Stage {
    operation: Operation,
    inputs: usize,
    outputs: usize,
}

/// Values in a block of steps, at the widest layer: they stay in the first level of the caches,
/// beside the weights of a small network.
const BLOCK_VALUES: usize = 1024;

/// Steps in a block at most: what a step costs beside its arithmetic is little then.
const MOST_STEPS: usize = 64;

/// Steps in a block, where the widest vector has so many values.
pub(super) fn steps_of_block(widest: usize) -> usize {
    (BLOCK_VALUES / widest).clamp(1, MOST_STEPS)
}

/// The layers of a network with their weights and what they remember.
pub(super) struct Layers {
    n_inputs: usize,
    stages: Vec<Stage>,
    workspace: Workspace,
    /// Steps that go through the layers at once.
    block: usize,
    /// What is kept of vectors that passed, buffer by buffer, `[block]` times as long as the longest.
    kept: Vec<Vec<f32>>,
    /// Values before and after an operation, `[block]` times as long as the widest layer.
    front: Vec<f32>,
    back: Vec<f32>,
    /// Whether there may be no new output at some step: then a block is one step.
    rests: bool,
    /// The last new output `[n_outputs]`, for the steps at which there is none.
    output: Vec<f32>,
}

impl Layers {
    /// Packs `network` and touches what an inference needs.
    pub(super) fn new(network: &Network, options: NativeOptions) -> Self {
        let mut packing = Packing::new(options.instructions);
        let mut stages: Vec<Stage> = Vec::new();
        let mut widest = network.n_inputs();
        let mut width = network.n_inputs();
        let mut buffers = Buffers::default();
        let mut steps = fold(network).into_iter().peekable();
        while let Some(step) = steps.next() {
            let is_relu =
                |step: &Step| matches!(step, Step::Layer(Layer::Activation(Activation::Relu)));
            let is_dense = matches!(step, Step::Layer(Layer::Dense(_)));
            let relu = is_dense && steps.next_if(is_relu).is_some();
            let operation = Operation::new(step, relu, network, &mut packing, options.weights);
            let inputs = width;
            width = operation.output_width(width, network.n_inputs(), &mut buffers);
            widest = widest.max(width);
            stages.push(Stage {
                operation,
                inputs,
                outputs: width,
            });
        }
        let mut operations = stages.iter().map(|stage| &stage.operation);
        let rests = !operations.all(Operation::is_of_every_step);
        let block = if rests { 1 } else { steps_of_block(widest) };
        let mut engine = Self {
            n_inputs: network.n_inputs(),
            stages,
            workspace: packing.finish(),
            block,
            kept: buffers.with_room_for(block),
            front: vec![0.0; block * widest],
            back: vec![0.0; block * widest],
            output: vec![0.0; network.n_outputs()],
            rests,
        };
        engine.touch();
        engine
    }

    /// Brings what an inference reads and writes into memory.
    fn touch(&mut self) {
        let features = vec![1.0; self.n_inputs];
        let mut probabilities = vec![0.0; self.output.len()];
        self.advance(&features, &mut probabilities, 1);
        self.reset();
    }

    /// Writes `outputs` `[steps, n_outputs]` from `inputs` `[steps, n_inputs]`, at most
    /// `self.block` steps. Real-time safe.
    pub(super) fn advance(&mut self, inputs: &[f32], outputs: &mut [f32], steps: usize) {
        let n_inputs = self.n_inputs;
        let workspace = &mut self.workspace;
        let kept = &mut self.kept;
        let mut front = self.front.as_mut_slice();
        let mut back = self.back.as_mut_slice();
        for (value, input) in front.iter_mut().zip(inputs) {
            *value = if input.is_finite() { *input } else { 0.0 };
        }
        for stage in &mut self.stages {
            let (width, next) = (stage.inputs, stage.outputs);
            let (x, y) = (&mut front[..steps * width], &mut back[..steps * next]);
            let mut renewed = true;
            let in_place = match &mut stage.operation {
                Operation::ScaleShift(affine) => {
                    for x in x.chunks_exact_mut(width) {
                        for (x, (scale, shift)) in x.iter_mut().zip(affine.iter().cycle()) {
                            *x = *x * scale + shift;
                        }
                    }
                    true
                }
                Operation::Activation(activation) => {
                    activation::apply(workspace, *activation, width, x);
                    true
                }
                Operation::Prelu(alpha) => {
                    for x in x.chunks_exact_mut(width) {
                        activation::prelu(alpha, x);
                    }
                    true
                }
                Operation::Split(_) => true,
                Operation::ConcatSide(first) => {
                    for (value, input) in front[width..next].iter_mut().zip(&inputs[*first..]) {
                        *value = if input.is_finite() { *input } else { 0.0 };
                    }
                    true
                }
                Operation::AddInput(gain) => {
                    for (x, input) in x.chunks_exact_mut(width).zip(inputs.chunks_exact(n_inputs)) {
                        let input = input.first().filter(|input| input.is_finite());
                        let input = *gain * input.copied().unwrap_or(0.0);
                        x.iter_mut().for_each(|x| *x += input);
                    }
                    true
                }
                Operation::Condition(condition) => {
                    condition.apply(inputs, x);
                    true
                }
                Operation::Kept(Kept::Keep(buffer)) => {
                    kept[*buffer][..x.len()].copy_from_slice(x);
                    true
                }
                Operation::Kept(Kept::AddTo(buffer)) => {
                    add(&mut kept[*buffer], x);
                    true
                }
                Operation::Kept(Kept::Add(buffer)) => {
                    add(x, &kept[*buffer]);
                    true
                }
                Operation::Kept(Kept::Recall(buffer)) => {
                    y.copy_from_slice(&kept[*buffer][..y.len()]);
                    false
                }
                Operation::Gated => {
                    gated::apply(workspace, x, y, next);
                    false
                }
                Operation::Dense(dense) => {
                    dense.apply(workspace, x, y, steps);
                    false
                }
                Operation::Conv1d(conv) => {
                    renewed = conv.steps(workspace, x, y, steps);
                    false
                }
                Operation::CausalConv2d(conv) => {
                    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(next)) {
                        conv.step(workspace, x, y);
                    }
                    false
                }
                Operation::Gru(gru) => {
                    gru.steps(workspace, x, y, steps);
                    false
                }
                Operation::Lstm(lstm) => {
                    lstm.steps(workspace, x, y, steps);
                    false
                }
                Operation::MaxPool(pool) => {
                    renewed = pool.step(x, y);
                    false
                }
                Operation::Conv2d(conv) => {
                    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(next)) {
                        conv.apply(workspace, x, y);
                    }
                    false
                }
                Operation::MaxPool2d(pool) => {
                    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(next)) {
                        pool.apply(x, y);
                    }
                    false
                }
            };
            if !renewed {
                outputs.copy_from_slice(&self.output);
                return;
            }
            if !in_place {
                std::mem::swap(&mut front, &mut back);
            }
        }
        outputs.copy_from_slice(&front[..outputs.len()]);
        if self.rests {
            self.output.copy_from_slice(outputs);
        }
    }

    /// Writes `outputs` `[steps, n_outputs]` from `inputs` `[steps, n_inputs]`. Real-time safe.
    pub(super) fn process(&mut self, inputs: &[f32], outputs: &mut [f32], steps: usize) {
        let (mut inputs, mut outputs, mut rest) = (inputs, outputs, steps);
        while rest > 0 {
            let steps = rest.min(self.block);
            let (block, later) = inputs.split_at(steps * self.n_inputs);
            let (output, later_output) = outputs.split_at_mut(steps * self.output.len());
            self.advance(block, output, steps);
            (inputs, outputs, rest) = (later, later_output, rest - steps);
        }
    }

    pub(super) fn reset(&mut self) {
        let operations = self.stages.iter_mut().map(|stage| &mut stage.operation);
        operations.for_each(Operation::reset);
        self.output.fill(0.0);
    }

    pub(super) fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    pub(super) fn n_outputs(&self) -> usize {
        self.output.len()
    }

    pub(super) fn weight_bytes(&self) -> usize {
        self.workspace.weight_bytes()
    }
}

/// Adds `b` to `a`, as far as both go.
fn add(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// The buffers of [`Kept`] while a network is packed.
#[derive(Default)]
struct Buffers {
    /// Length of what each keeps now, and of the longest that it ever keeps.
    widths: Vec<(usize, usize)>,
}

impl Buffers {
    /// Length of the vector behind `kept`, for one of `width`.
    fn after(&mut self, kept: Kept, width: usize) -> usize {
        match kept {
            Kept::Keep(buffer) => {
                if self.widths.len() <= buffer {
                    self.widths.resize(buffer + 1, (0, 0));
                }
                let (_, longest) = self.widths[buffer];
                self.widths[buffer] = (width, longest.max(width));
                width
            }
            Kept::AddTo(_) | Kept::Add(_) => width,
            Kept::Recall(buffer) => self.widths.get(buffer).map_or(width, |(now, _)| *now),
        }
    }

    fn with_room_for(&self, steps: usize) -> Vec<Vec<f32>> {
        let buffer = |(_, longest): &(usize, usize)| vec![0.0; steps * longest];
        self.widths.iter().map(buffer).collect()
    }
}

impl Operation {
    /// With `relu`, a dense layer with a ReLU behind it. `format` is what weights are stored as
    /// where that pays.
    fn new(
        step: Step,
        relu: bool,
        network: &Network,
        packing: &mut Packing,
        format: WeightFormat,
    ) -> Self {
        let layer = match step {
            Step::ScaleShift(affine) => {
                let narrow = |(scale, shift): (f64, f64)| (scale as f32, shift as f32);
                return Self::ScaleShift(affine.into_iter().map(narrow).collect());
            }
            Step::Kept(kept) => return Self::Kept(kept),
            Step::Layer(layer) => layer,
        };
        match layer {
            Layer::Dense(dense) => {
                let (weight, bias) = (&dense.weight, &dense.bias);
                Self::Dense(DenseKernel::new(packing, format, weight, bias, relu))
            }
            Layer::BatchNorm(norm) => {
                let narrow = |i| {
                    let (scale, shift) = norm.scale_and_shift(i);
                    (scale as f32, shift as f32)
                };
                Self::ScaleShift((0..norm.size()).map(narrow).collect())
            }
            Layer::Activation(activation) => Self::Activation(activation),
            Layer::Prelu(alpha) => Self::Prelu(alpha),
            Layer::Conv1d(conv) => Self::Conv1d(Conv1dKernel::new(packing, &conv)),
            Layer::CausalConv2d(conv) => {
                Self::CausalConv2d(CausalConv2dKernel::new(packing, &conv))
            }
            Layer::Gru(gru) => Self::Gru(GruKernel::new(packing, format, &gru)),
            Layer::Lstm(lstm) => Self::Lstm(LstmKernel::new(packing, format, &lstm)),
            Layer::MaxPool(pool) => Self::MaxPool(MaxPoolKernel::new(&pool)),
            Layer::Split(_) => Self::Split(network.split()),
            Layer::ConcatSide => Self::ConcatSide(network.split()),
            Layer::AddInput { gain } => Self::AddInput(gain),
            Layer::Conv2d(conv) => Self::Conv2d(Conv2dKernel::new(packing, &conv)),
            Layer::MaxPool2d(pool) => Self::MaxPool2d(MaxPool2dKernel::new(&pool)),
            Layer::Gated => Self::Gated,
            Layer::Condition(condition) => Self::Condition(ConditionKernel::new(&condition)),
            Layer::Residual(_) | Layer::Skip(_) | Layer::SkipSum => {
                unreachable!("`fold` has taken blocks apart")
            }
        }
    }

    /// Length of the output for an input of `width`, in a network of `n_inputs` inputs. `buffers` are
    /// those that the operations before this one have filled.
    fn output_width(&self, width: usize, n_inputs: usize, buffers: &mut Buffers) -> usize {
        match self {
            Self::ScaleShift(_)
            | Self::Activation(_)
            | Self::Prelu(_)
            | Self::AddInput(_)
            | Self::Condition(_) => width,
            Self::Gated => width / 2,
            Self::Kept(kept) => buffers.after(*kept, width),
            Self::Dense(dense) => dense.outputs(),
            Self::Conv1d(conv) => conv.outputs(),
            Self::CausalConv2d(conv) => conv.outputs(),
            Self::Gru(gru) => gru.outputs(),
            Self::Lstm(lstm) => lstm.outputs(),
            Self::MaxPool(pool) => pool.outputs(),
            Self::Split(n) => *n,
            Self::ConcatSide(first) => width + n_inputs - first,
            Self::Conv2d(conv) => conv.outputs(),
            Self::MaxPool2d(pool) => pool.outputs(),
        }
    }

    /// Whether there is a new output at every step, made of nothing but the input.
    fn is_of_every_step(&self) -> bool {
        match self {
            Self::Conv1d(conv) => conv.is_of_every_step(),
            Self::MaxPool(_) | Self::Split(_) | Self::ConcatSide(_) => false,
            _ => true,
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Conv1d(conv) => conv.reset(),
            Self::CausalConv2d(conv) => conv.reset(),
            Self::Gru(gru) => gru.reset(),
            Self::Lstm(lstm) => lstm.reset(),
            Self::MaxPool(pool) => pool.reset(),
            Self::ScaleShift(_)
            | Self::Activation(_)
            | Self::Prelu(_)
            | Self::Dense(_)
            | Self::Split(_)
            | Self::ConcatSide(_)
            | Self::AddInput(_)
            | Self::Conv2d(_)
            | Self::MaxPool2d(_)
            | Self::Gated
            | Self::Condition(_)
            // What is kept is of one step.
            | Self::Kept(_) => {}
        }
    }
}
