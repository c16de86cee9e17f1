//! Puts layers together and refuses those that do not fit.

use super::{Activation, Layer, Network};

/// Longest vector that may pass between two layers.
const LARGEST_VECTOR: usize = 1 << 20;

/// Most numbers that a network may take beside its weights: what its layers remember, and the vectors
/// that pass.
///
/// Files name sizes, such as dilations and filters, whose product the bytes of their weights do
/// not cover. The two limits keep a small file from claiming more than 32 MiB, which `fuzz` holds it to.
const LARGEST_MEMORY: usize = 1 << 23;

/// Vectors of the greatest length that there are while a step is computed: before and behind a layer, the
/// last output, and the input and output of who asks for it.
const VECTORS: usize = 5;

/// Most multiplications and comparisons that a step of a network may take: a hundred times what
/// the paper's largest takes. Kernels and windows move over vectors whose length costs a file
/// nothing, and a step runs on the audio thread.
const MOST_WORK: usize = 1 << 28;

/// How deep blocks may lie in blocks: deeper than networks are, and not so deep that those who walk
/// through them run out of stack.
pub(crate) const DEEPEST: usize = 16;

/// A layer that does not fit.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Misfit {
    pub(crate) fn new(expected: impl ToString, found: impl ToString) -> Self {
        Self {
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

/// A layer with layers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// [`Layer::Residual`]
    Residual,
    /// [`Layer::Skip`]
    Skip,
}

/// A block whose layers are being added.
struct Open {
    block: Block,
    /// What goes into it.
    shape: [usize; 3],
    /// The layers before it.
    before: Vec<Layer>,
}

/// A network as far as it is known to fit together.
///
/// The lengths of a layer's parameters are the business of those who read them from a file.
pub(crate) struct Builder {
    n_inputs: usize,
    /// What comes out of the last layer: frames, bands (features), channels.
    shape: [usize; 3],
    side: Option<usize>,
    /// Shape of the skip sum, unless that is empty.
    skip: Option<[usize; 3]>,
    memory: usize,
    /// Length of the longest vector so far.
    widest: usize,
    work: usize,
    /// The blocks that are open, the innermost last.
    open: Vec<Open>,
    /// The layers of the innermost open block, or else of the network.
    layers: Vec<Layer>,
}

impl Builder {
    /// A network whose input is a frame `[features, channels]`.
    pub(crate) fn new(features: usize, channels: usize) -> Result<Self, Misfit> {
        let shape = [1, features, channels];
        let n_inputs = checked_width(shape)?;
        Ok(Self {
            n_inputs,
            shape,
            side: None,
            skip: None,
            memory: 0,
            widest: n_inputs,
            work: 0,
            open: Vec::new(),
            layers: Vec::new(),
        })
    }

    /// Frames, bands and channels that come out of the last layer.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Length of the vector that comes out of the last layer.
    pub(crate) fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// The layer added last.
    pub(crate) fn last(&self) -> Option<&Layer> {
        self.layers.last()
    }

    /// Forgets that the vector has frames and bands.
    pub(crate) fn flatten(&mut self) {
        self.shape = [1, 1, self.width()];
    }

    /// Sees the vector as a frame `[features, channels]` of the same length.
    pub(crate) fn reframe(&mut self, features: usize, channels: usize) {
        if features * channels == self.width() {
            self.shape = [1, features, channels];
        }
    }

    /// Begins a block: what is pushed until [`Builder::close`] lies in it.
    pub(crate) fn open(&mut self, block: Block) -> Result<(), Misfit> {
        if self.open.len() == DEEPEST {
            return Err(Misfit::new(
                format_args!("blocks at most {DEEPEST} deep in each other"),
                "more",
            ));
        }
        self.remember(Some(self.width()), self.width())?;
        self.open.push(Open {
            block,
            shape: self.shape,
            before: std::mem::take(&mut self.layers),
        });
        Ok(())
    }

    /// Ends the innermost open block, if there is one.
    pub(crate) fn close(&mut self) -> Result<(), Misfit> {
        let Some(Open {
            block,
            shape,
            before,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let layers = std::mem::replace(&mut self.layers, before);
        if layers.iter().any(rests) {
            return Err(Misfit::new(
                "layers with an output at every step inside a block",
                "a stride or a pool over time",
            ));
        }
        self.layers.push(match block {
            Block::Residual if layers.is_empty() => {
                return Err(Misfit::new("at least one layer in the block", "none"));
            }
            Block::Residual if self.shape != shape => {
                return Err(Misfit::new(
                    format_args!(
                        "{} at the end of the block, as at its beginning",
                        shape_text(shape)
                    ),
                    shape_text(self.shape),
                ));
            }
            Block::Residual => Layer::Residual(layers),
            Block::Skip => {
                let sum = *self.skip.get_or_insert(self.shape);
                if sum != self.shape {
                    return Err(Misfit::new(
                        format_args!("{}, as the skip sum has", shape_text(sum)),
                        shape_text(self.shape),
                    ));
                }
                self.shape = shape;
                Layer::Skip(layers)
            }
        });
        Ok(())
    }

    /// Counts so many numbers that are remembered, `None` if they overflow, and a vector of length
    /// `width`.
    fn remember(&mut self, memory: Option<usize>, width: usize) -> Result<(), Misfit> {
        let widest = self.widest.max(width);
        let room = LARGEST_MEMORY.saturating_sub(VECTORS * widest);
        let memory = memory
            .and_then(|memory| memory.checked_add(self.memory))
            .filter(|memory| *memory <= room);
        self.memory = memory.ok_or_else(|| {
            Misfit::new(
                format_args!(
                    "layers that remember at most {room} values together, beside vectors of up to {widest}"
                ),
                "more: a kernel, dilation or pool that is too long",
            )
        })?;
        self.widest = widest;
        Ok(())
    }

    /// Adds a layer without layers of its own.
    pub(crate) fn push(&mut self, layer: Layer) -> Result<(), Misfit> {
        let shape = self.shape_after(&layer)?;
        let width = checked_width(shape)?;
        self.remember(memory_of(&layer), width)?;
        let work = work_of(&layer, shape)
            .and_then(|work| work.checked_add(self.work))
            .filter(|work| *work <= MOST_WORK);
        self.work = work.ok_or_else(|| {
            Misfit::new(
                format_args!("layers that multiply and compare at most {MOST_WORK} times a step"),
                "more: a kernel or window that is too large for what it moves over",
            )
        })?;
        if let Layer::Split(patch) = &layer {
            self.side = Some(self.n_inputs - patch.iter().product::<usize>());
        }
        if let Layer::SkipSum = &layer {
            self.skip = None;
        }
        self.shape = shape;
        self.layers.push(layer);
        Ok(())
    }

    /// The network.
    pub(crate) fn build(self) -> Result<Network, Misfit> {
        if self.layers.is_empty() {
            return Err(Misfit::new("at least one layer", "none"));
        }
        debug_assert!(self.open.is_empty(), "a block is still open");
        if self.skip.is_some() {
            return Err(Misfit::new(
                "a skip_sum behind the last skip, which takes what it gave",
                "none",
            ));
        }
        Ok(Network {
            n_inputs: self.n_inputs,
            n_outputs: self.width(),
            layers: self.layers,
        })
    }

    /// The shape that comes out of `layer`, if it fits behind the others.
    fn shape_after(&self, layer: &Layer) -> Result<[usize; 3], Misfit> {
        let [frames, bands, channels] = self.shape;
        let width = self.width();
        let vector_of = |inputs: usize, outputs: usize| {
            expect_shape(self.shape, [1, 1, inputs])?;
            Ok([1, 1, outputs])
        };
        match layer {
            Layer::Dense(dense) => vector_of(dense.inputs, dense.outputs),
            Layer::Gru(gru) => vector_of(gru.inputs, gru.units),
            Layer::Lstm(lstm) => vector_of(lstm.inputs, lstm.units),
            Layer::Conv1d(conv) => {
                expect_positive("kernel", &[conv.kernel])?;
                expect_positive("dilation", &[conv.dilation])?;
                expect_positive("stride", &[conv.stride])?;
                expect_positive("groups", &[conv.groups])?;
                if !conv.inputs.is_multiple_of(conv.groups)
                    || !conv.outputs.is_multiple_of(conv.groups)
                {
                    return Err(Misfit::new(
                        format_args!(
                            "a number of groups that divides {} inputs and {} outputs",
                            conv.inputs, conv.outputs
                        ),
                        conv.groups,
                    ));
                }
                vector_of(conv.inputs, conv.outputs)
            }
            Layer::BatchNorm(norm) => {
                if norm.size() == channels || norm.size() == width {
                    Ok(self.shape)
                } else {
                    Err(Misfit::new(
                        format_args!("one set of parameters for each of {channels} channels"),
                        norm.size(),
                    ))
                }
            }
            Layer::Prelu(alpha) => {
                if [1, channels, width].contains(&alpha.len()) {
                    Ok(self.shape)
                } else {
                    Err(Misfit::new(
                        format_args!("one alpha, or one for each of {channels} channels"),
                        alpha.len(),
                    ))
                }
            }
            Layer::Activation(Activation::Softmax { .. }) if frames * bands != 1 => {
                Err(Misfit::new(
                    "a vector",
                    format_args!(
                        "{} (flatten it first: softmax means something else for each framework otherwise)",
                        shape_text(self.shape)
                    ),
                ))
            }
            Layer::Activation(_) => Ok(self.shape),
            Layer::CausalConv2d(conv) => {
                expect_positive("kernel", &[conv.kernel_time, conv.kernel_features])?;
                expect_positive("dilation", &[conv.dilation])?;
                expect_positive("stride", &[conv.stride])?;
                expect_shape(self.shape, [1, conv.features, conv.inputs])?;
                match conv.output_features() {
                    0 => Err(too_large(conv.kernel_features, conv.features)),
                    features => Ok([1, features, conv.filters]),
                }
            }
            Layer::MaxPool(pool) => {
                expect_positive("pool", &[pool.pool_time, pool.pool_features])?;
                expect_positive("stride", &[pool.stride_time, pool.stride_features])?;
                expect_shape(self.shape, [1, pool.features, pool.channels])?;
                match pool.output_features() {
                    0 => Err(too_large(pool.pool_features, pool.features)),
                    features => Ok([1, features, pool.channels]),
                }
            }
            Layer::Split(patch) => {
                let n = checked_width(*patch)?;
                if !(self.layers.is_empty() && self.open.is_empty()) || n > self.n_inputs {
                    return Err(Misfit::new(
                        format_args!(
                            "the first layer, with a patch of at most {} values",
                            self.n_inputs
                        ),
                        format_args!("layer {}, {n} values", self.layers.len()),
                    ));
                }
                Ok(*patch)
            }
            Layer::ConcatSide => match self.side {
                Some(side) => Ok([1, 1, width + side]),
                None => Err(Misfit::new("a split as the first layer", "none")),
            },
            Layer::AddInput { .. } => {
                if self.shape != [1, 1, 1] {
                    return Err(Misfit::new(
                        "one output, which the first input is added to",
                        shape_text(self.shape),
                    ));
                }
                self.expect_no_rest()?;
                Ok(self.shape)
            }
            Layer::Conv2d(conv) => {
                expect_positive("kernel", &conv.kernel)?;
                expect_positive("stride", &conv.stride)?;
                expect_shape(self.shape, [conv.size[0], conv.size[1], conv.inputs])?;
                match conv.output_size() {
                    [0, _] | [_, 0] => Err(too_large(
                        conv.kernel[0].max(conv.kernel[1]),
                        frames.min(bands),
                    )),
                    [frames, bands] => Ok([frames, bands, conv.filters]),
                }
            }
            Layer::MaxPool2d(pool) => {
                expect_positive("pool", &pool.pool)?;
                expect_positive("stride", &pool.stride)?;
                expect_shape(self.shape, [pool.size[0], pool.size[1], pool.channels])?;
                match pool.output_size() {
                    [0, _] | [_, 0] => {
                        Err(too_large(pool.pool[0].max(pool.pool[1]), frames.min(bands)))
                    }
                    [frames, bands] => Ok([frames, bands, pool.channels]),
                }
            }
            Layer::Gated => match self.shape {
                [1, 1, n] if n.is_multiple_of(2) => Ok([1, 1, n / 2]),
                shape => Err(Misfit::new(
                    "a vector of an even length, values and gates",
                    shape_text(shape),
                )),
            },
            Layer::Condition(condition) => {
                self.expect_no_rest()?;
                if condition.inputs != self.n_inputs {
                    return Err(Misfit::new(
                        format_args!("{} inputs, as the network has", self.n_inputs),
                        condition.inputs,
                    ));
                }
                vector_of(condition.size, condition.size)
            }
            Layer::SkipSum => self
                .skip
                .ok_or_else(|| Misfit::new("a skip before, which gives something", "none")),
            // Theirs is `close`.
            Layer::Residual(_) | Layer::Skip(_) => Err(Misfit::new(
                "a block that was opened and closed",
                "a whole one",
            )),
        }
    }

    /// A layer that takes the network's input of the same step needs one.
    fn expect_no_rest(&self) -> Result<(), Misfit> {
        let mut all = self
            .layers
            .iter()
            .chain(self.open.iter().flat_map(|open| &open.before));
        if all.any(rests) {
            return Err(Misfit::new(
                "layers with an output at every step, which the input of that step is added to",
                "a stride or a pool over time",
            ));
        }
        Ok(())
    }
}

/// Whether a layer gives no new output at some steps.
fn rests(layer: &Layer) -> bool {
    match layer {
        Layer::Conv1d(conv) => conv.stride > 1,
        Layer::MaxPool(pool) => pool.stride_time > 1 || pool.pool_time > 1,
        _ => false,
    }
}

/// Numbers that `native` keeps of a layer for which its file need not have any; `None` if they overflow.
fn memory_of(layer: &Layer) -> Option<usize> {
    let history =
        |kernel: usize, dilation: usize| (kernel - 1).checked_mul(dilation)?.checked_add(1);
    match layer {
        // A line of twice the past, see `Conv1dKernel`.
        Layer::Conv1d(conv) => history(conv.kernel, conv.dilation)?
            .checked_mul(2)?
            .checked_sub(1)?
            .checked_mul(conv.inputs),
        // A ring, and the frames of it that the taps meet.
        Layer::CausalConv2d(conv) => history(conv.kernel_time, conv.dilation)?
            .checked_add(conv.kernel_time)?
            .checked_mul(conv.features)?
            .checked_mul(conv.inputs),
        Layer::MaxPool(pool) => pool
            .pool_time
            .checked_mul(pool.features)?
            .checked_mul(pool.channels),
        // A gain of the input is one of as many channels as there are inputs: four parameters, and what
        // they are folded into, in double and in single precision.
        Layer::BatchNorm(norm) => norm.size().checked_mul(10),
        _ => Some(0),
    }
}

/// Multiplications and comparisons of a layer that gives `shape`; `None` if they overflow.
fn work_of(layer: &Layer, shape: [usize; 3]) -> Option<usize> {
    let places = shape[0] * shape[1];
    match layer {
        Layer::Conv2d(conv) => places.checked_mul(conv.weight.len()),
        Layer::CausalConv2d(conv) => places.checked_mul(conv.weight.len()),
        Layer::MaxPool(pool) => (places * shape[2])
            .checked_mul(pool.pool_time)?
            .checked_mul(pool.pool_features),
        Layer::MaxPool2d(pool) => (places * shape[2])
            .checked_mul(pool.pool[0])?
            .checked_mul(pool.pool[1]),
        layer => Some(layer.parameter_count().max(places * shape[2])),
    }
}

fn checked_width(shape: [usize; 3]) -> Result<usize, Misfit> {
    shape[0]
        .checked_mul(shape[1])
        .and_then(|n| n.checked_mul(shape[2]))
        .filter(|n| (1..=LARGEST_VECTOR).contains(n))
        .ok_or_else(|| {
            Misfit::new(
                format_args!("1 to {LARGEST_VECTOR} values between two layers"),
                shape_text(shape),
            )
        })
}

fn expect_shape(found: [usize; 3], expected: [usize; 3]) -> Result<(), Misfit> {
    if found == expected {
        Ok(())
    } else {
        Err(Misfit::new(
            format_args!("{} from the layer before", shape_text(expected)),
            shape_text(found),
        ))
    }
}

fn expect_positive(name: &str, values: &[usize]) -> Result<(), Misfit> {
    match values.iter().all(|value| *value > 0) {
        true => Ok(()),
        false => Err(Misfit::new(format_args!("a positive {name}"), 0)),
    }
}

fn too_large(window: usize, room: usize) -> Misfit {
    Misfit::new(
        format_args!("a window of at most {room}"),
        format_args!("one of {window} that does not fit even once"),
    )
}

fn shape_text(shape: [usize; 3]) -> String {
    match shape {
        [1, 1, n] => format!("a vector of {n}"),
        [1, features, channels] => {
            format!("a frame of {features} features and {channels} channels")
        }
        [frames, bands, channels] => {
            format!("a patch of {frames} frames, {bands} bands and {channels} channels")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Conv1d, Dense, MaxPool, Padding};

    fn dense(inputs: usize, outputs: usize) -> Layer {
        Layer::Dense(Dense {
            inputs,
            outputs,
            weight: vec![0.5; inputs * outputs],
            bias: vec![0.0; outputs],
        })
    }

    fn strided(width: usize) -> Layer {
        Layer::Conv1d(Conv1d {
            inputs: width,
            outputs: width,
            kernel: 1,
            dilation: 1,
            stride: 2,
            groups: 1,
            weight: vec![0.5; width * width],
            bias: vec![0.0; width],
        })
    }

    /// What is wrong with a residual block of `layers` on a vector of 3.
    fn residual(layers: Vec<Layer>) -> String {
        let mut builder = Builder::new(1, 3).unwrap();
        builder.open(Block::Residual).unwrap();
        let result = layers
            .into_iter()
            .try_for_each(|layer| builder.push(layer))
            .and_then(|()| builder.close());
        result.map_or_else(
            |misfit| format!("{} / {}", misfit.expected, misfit.found),
            |()| "nothing".to_owned(),
        )
    }

    #[test]
    fn a_residual_block_keeps_the_shape_and_never_rests() {
        assert_eq!(residual(vec![dense(3, 3)]), "nothing");
        assert_eq!(
            residual(vec![dense(3, 4)]),
            "a vector of 3 at the end of the block, as at its beginning / a vector of 4"
        );
        assert!(residual(vec![]).starts_with("at least one layer"));
        let resting = residual(vec![strided(3)]);
        assert!(resting.contains("at every step"), "{resting}");
        let split = residual(vec![Layer::Split([1, 1, 3])]);
        assert!(split.starts_with("the first layer"), "{split}");
    }

    #[test]
    fn a_block_behind_a_layer_that_rests_takes_no_input() {
        let mut builder = Builder::new(1, 3).unwrap();
        builder.push(strided(3)).unwrap();
        builder.open(Block::Residual).unwrap();
        let condition = Layer::Condition(crate::network::Condition {
            inputs: 3,
            size: 3,
            weight: vec![0.0; 9],
        });
        let misfit = builder.push(condition).unwrap_err();
        assert!(misfit.found.contains("stride"), "{misfit:?}");
    }

    #[test]
    fn the_skip_sum_has_one_width_and_is_taken_once() {
        let mut builder = Builder::new(1, 3).unwrap();
        assert!(builder.push(Layer::SkipSum).is_err());
        for outputs in [2, 2] {
            builder.open(Block::Skip).unwrap();
            builder.push(dense(3, outputs)).unwrap();
            builder.close().unwrap();
            assert_eq!(builder.shape(), [1, 1, 3]);
        }
        builder.open(Block::Skip).unwrap();
        let misfit = builder.close().unwrap_err();
        assert_eq!(misfit.expected, "a vector of 2, as the skip sum has");

        let mut builder = Builder::new(1, 3).unwrap();
        builder.open(Block::Skip).unwrap();
        builder.close().unwrap();
        builder.push(Layer::SkipSum).unwrap();
        assert!(builder.push(Layer::SkipSum).is_err());

        let mut builder = Builder::new(1, 3).unwrap();
        builder.open(Block::Skip).unwrap();
        builder.close().unwrap();
        let misfit = builder.build().unwrap_err();
        assert!(misfit.expected.starts_with("a skip_sum"), "{misfit:?}");
    }

    #[test]
    fn blocks_lie_only_so_deep_in_each_other() {
        let mut builder = Builder::new(1, 1).unwrap();
        for _ in 0..DEEPEST {
            builder.open(Block::Residual).unwrap();
        }
        assert!(builder.open(Block::Residual).is_err());
    }

    /// A few bytes of a file say how long the vectors are and how many of them a pool keeps.
    #[test]
    fn wide_vectors_leave_less_to_remember() {
        let pool = |pool_time| {
            Layer::MaxPool(MaxPool {
                features: 1,
                channels: LARGEST_VECTOR,
                pool_time,
                pool_features: 1,
                stride_time: pool_time,
                stride_features: 1,
                padding: Padding::Valid,
            })
        };
        let left = LARGEST_MEMORY / LARGEST_VECTOR - VECTORS;
        let mut builder = Builder::new(1, LARGEST_VECTOR).unwrap();
        let misfit = builder.push(pool(left + 1)).unwrap_err();
        assert!(misfit.expected.contains("remember"), "{misfit:?}");
        builder.push(pool(left)).unwrap();
    }

    #[test]
    fn what_blocks_keep_is_counted() {
        let mut builder = Builder::new(1, LARGEST_VECTOR).unwrap();
        for _ in 0..LARGEST_MEMORY / LARGEST_VECTOR - VECTORS {
            builder.open(Block::Residual).unwrap();
        }
        let misfit = builder.open(Block::Residual).unwrap_err();
        assert!(misfit.expected.contains("remember"), "{misfit:?}");
    }
}
