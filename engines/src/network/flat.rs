//! Blocks taken apart: layers one behind the other.
//!
//! What goes into a block is kept in a buffer, and added or taken back where the block ends. The skip
//! sum is such a buffer too.

use crate::network::{Layer, Network};

/// What is done with the vector that passes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flat<'a> {
    /// A layer without layers of its own, and not [`Layer::SkipSum`].
    Layer(&'a Layer),
    Kept(Kept),
}

/// What is done with a buffer, which is named by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Copies the vector to the buffer.
    Keep(usize),
    /// Adds the vector to the buffer.
    AddTo(usize),
    /// Adds the buffer to the vector.
    Add(usize),
    /// Goes on with the buffer.
    Recall(usize),
}

/// The buffer that the skip sum is in; those of blocks follow, one for each block in which the others
/// lie.
const SKIP_SUM: usize = 0;

/// The layers of `network`, its blocks taken apart.
pub(crate) fn flatten(network: &Network) -> Vec<Flat<'_>> {
    let mut flat = Flattened {
        list: Vec::new(),
        depth: 0,
        has_skip_sum: false,
    };
    flat.add(network.layers());
    flat.list
}

struct Flattened<'a> {
    list: Vec<Flat<'a>>,
    depth: usize,
    has_skip_sum: bool,
}

impl<'a> Flattened<'a> {
    fn kept(&mut self, kept: Kept) {
        self.list.push(Flat::Kept(kept));
    }

    fn add(&mut self, layers: &'a [Layer]) {
        for layer in layers {
            match layer {
                Layer::Residual(layers) => {
                    let buffer = self.block(layers);
                    self.kept(Kept::Add(buffer));
                }
                Layer::Skip(layers) if layers.is_empty() => self.add_to_skip_sum(),
                Layer::Skip(layers) => {
                    let buffer = self.block(layers);
                    self.add_to_skip_sum();
                    self.kept(Kept::Recall(buffer));
                }
                Layer::SkipSum => {
                    self.has_skip_sum = false;
                    self.kept(Kept::Recall(SKIP_SUM));
                }
                layer => self.list.push(Flat::Layer(layer)),
            }
        }
    }

    /// Adds what lies inside a block, and gives the buffer that keeps what went into it.
    fn block(&mut self, layers: &'a [Layer]) -> usize {
        self.depth += 1;
        let buffer = SKIP_SUM + self.depth;
        self.kept(Kept::Keep(buffer));
        self.add(layers);
        self.depth -= 1;
        buffer
    }

    /// The first that is added to an empty sum is the sum.
    fn add_to_skip_sum(&mut self) {
        let kept = match std::mem::replace(&mut self.has_skip_sum, true) {
            true => Kept::AddTo(SKIP_SUM),
            false => Kept::Keep(SKIP_SUM),
        };
        self.kept(kept);
    }
}
