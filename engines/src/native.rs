//! Our own engine, its networks loaded at run time.

pub(crate) mod activation;
mod columns;
mod condition;
mod conv1d;
mod conv2d;
pub(crate) mod dense;
pub(crate) mod fixed;
mod gated;
mod half_precision;
mod history;
mod instruction_set;
mod int8;
pub(crate) mod lanes;
mod layers;
mod max_pool;
mod panel;
mod product;
mod recurrent;
mod tanh;
pub(crate) mod weights;

use crate::network::Network;
use crate::{Engine, EngineId, InferError, WeightFormat};
use fixed::Stream;
use layers::Layers;

pub use instruction_set::InstructionSet;

/// How the engines `native` and `native-fixed` compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeOptions {
    /// What the weights of dense layers are stored as.
    pub weights: WeightFormat,
    /// The vector instructions; if the processor has not got them, the best that it has.
    pub instructions: InstructionSet,
}

impl Default for NativeOptions {
    /// Weights as they were trained, the best instructions there are.
    fn default() -> Self {
        Self {
            weights: WeightFormat::F32,
            instructions: InstructionSet::best(),
        }
    }
}

/// The engine `native`.
///
/// When the network is loaded, batch normalisation is folded into a neighbouring layer, a ReLU into
/// the dense layer before it, and the weights are packed for the processor's vector instructions
/// and touched, so that not even the first inference waits for a page. [`Engine::infer`] and
/// [`Engine::process_block`] neither allocate nor fail on slices of the right lengths: real-time
/// safe. A block goes through the layers one after the other. The shapes of recurrent networks that
/// `native-fixed` knows run here as they do there.
/// Inputs that are not finite count as 0, so that they cannot stay in a layer's memory.
pub struct NativeEngine {
    network: Packed,
}

/// A network, ready to run.
enum Packed {
    Layers(Box<Layers>),
    Fixed(Box<dyn Stream>),
}

impl NativeEngine {
    /// Packs `network` for this engine, with weights as they were trained.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self::with_options(network, NativeOptions::default())
    }

    /// Packs `network` for this engine.
    #[must_use]
    pub fn with_options(network: &Network, options: NativeOptions) -> Self {
        let network = match fixed::of_shape(network, options) {
            Some(fixed) => Packed::Fixed(fixed),
            None => Packed::Layers(Box::new(Layers::new(network, options))),
        };
        Self { network }
    }
}

impl Engine for NativeEngine {
    fn name(&self) -> &'static str {
        EngineId::Native.name()
    }

    fn n_features(&self) -> usize {
        match &self.network {
            Packed::Layers(layers) => layers.n_inputs(),
            Packed::Fixed(_) => 1,
        }
    }

    fn n_classes(&self) -> usize {
        match &self.network {
            Packed::Layers(layers) => layers.n_outputs(),
            Packed::Fixed(_) => 1,
        }
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(self.n_features(), features, self.n_classes(), probabilities)?;
        match &mut self.network {
            Packed::Layers(layers) => layers.advance(features, probabilities, 1),
            Packed::Fixed(fixed) => fixed.process(features, probabilities),
        }
        Ok(())
    }

    fn process_block(&mut self, inputs: &[f32], outputs: &mut [f32]) -> Result<(), InferError> {
        let steps = InferError::check_block(self.n_features(), inputs, self.n_classes(), outputs)?;
        match &mut self.network {
            Packed::Layers(layers) => layers.process(inputs, outputs, steps),
            Packed::Fixed(fixed) => fixed.process(inputs, outputs),
        }
        Ok(())
    }

    fn reset(&mut self) {
        match &mut self.network {
            Packed::Layers(layers) => layers.reset(),
            Packed::Fixed(fixed) => fixed.reset(),
        }
    }

    fn weight_bytes(&self) -> usize {
        match &self.network {
            Packed::Layers(layers) => layers.weight_bytes(),
            Packed::Fixed(fixed) => fixed.weight_bytes(),
        }
    }
}
