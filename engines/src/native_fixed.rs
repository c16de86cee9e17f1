//! The paper's three networks, and recurrent ones for audio, with their shapes fixed at compile
//! time.
//!
//! The answer to RTNeural's compile-time models: the compiler knows the length of every loop. What
//! is loaded is the same as for `native`, a package or a model file, as long as its network,
//! after folding, has the shape of A, B or C, or is one LSTM or GRU layer of one of the widths
//! there are between one input and one output.

mod multilayer;

use crate::native::NativeOptions;
use crate::native::fixed::{self, Stream};
use crate::network::fold::{Step, fold};
use crate::network::{Activation, Dense, Layer, Network};
use crate::{Engine, EngineId, InferError, LoadError};
use multilayer::Multilayer;

/// Number of classes of the paper's three networks.
const CLASSES: usize = 8;

/// A network of one of the shapes there are.
enum Shape {
    A(Box<Multilayer<180, 800, 3>>),
    B(Box<Multilayer<173, 350, 5>>),
    C(Box<Multilayer<173, 350, 0>>),
    Recurrent(Box<dyn Stream>),
}

/// The engine `native-fixed`.
///
/// [`Engine::infer`] and [`Engine::process_block`] neither allocate nor fail on slices of the right
/// lengths: real-time safe. Inputs that are not finite count as 0.
pub struct NativeFixedEngine {
    shape: Shape,
}

impl NativeFixedEngine {
    /// Packs `network`, with weights as they were trained; `source` names it in errors.
    ///
    /// # Errors
    /// When the network has none of the shapes there are.
    pub fn new(network: &Network, source: &str) -> Result<Self, LoadError> {
        Self::with_options(network, source, NativeOptions::default())
    }

    /// Packs `network`; `source` names it in errors.
    ///
    /// # Errors
    /// When the network has none of the shapes there are.
    pub fn with_options(
        network: &Network,
        source: &str,
        options: NativeOptions,
    ) -> Result<Self, LoadError> {
        if let Some(stream) = fixed::of_shape(network, options) {
            return Ok(Self {
                shape: Shape::Recurrent(stream),
            });
        }
        let (layers, temperature) = dense_layers(network).ok_or_else(|| other_shape(source))?;
        let a = Multilayer::new(&layers, temperature, options).map(|a| Shape::A(Box::new(a)));
        let b = || Multilayer::new(&layers, temperature, options).map(|b| Shape::B(Box::new(b)));
        let c = || Multilayer::new(&layers, temperature, options).map(|c| Shape::C(Box::new(c)));
        let shape = a.or_else(b).or_else(c).ok_or_else(|| other_shape(source))?;
        Ok(Self { shape })
    }
}

fn other_shape(source: &str) -> LoadError {
    LoadError::Engine {
        engine: EngineId::NativeFixed,
        reason: format!(
            "the network of {source} is not one of those built in: 180-800-800-800-800-8, \
             173-350-350-350-350-350-350-8 and 173-350-8, with relu between and softmax at the end, \
             or 1-n-1 with one lstm or gru layer of n = 8, 16, 24, 32, 40 or 64 units and a dense \
             output"
        ),
        remedy: "choose native, which runs any shape".to_owned(),
    }
}

/// The dense layers and the softmax's temperature, if `network`, after folding, has nothing but
/// dense layers with relu between them and a softmax at the end.
fn dense_layers(network: &Network) -> Option<(Vec<Dense>, f32)> {
    let mut layers = Vec::new();
    let mut steps = fold(network).into_iter();
    loop {
        let Some(Step::Layer(Layer::Dense(dense))) = steps.next() else {
            return None;
        };
        layers.push(dense);
        match steps.next() {
            Some(Step::Layer(Layer::Activation(Activation::Relu))) => {}
            Some(Step::Layer(Layer::Activation(Activation::Softmax { temperature }))) => {
                return steps.next().is_none().then_some((layers, temperature));
            }
            _ => return None,
        }
    }
}

impl Engine for NativeFixedEngine {
    fn name(&self) -> &'static str {
        EngineId::NativeFixed.name()
    }

    fn n_features(&self) -> usize {
        match &self.shape {
            Shape::A(_) => 180,
            Shape::B(_) | Shape::C(_) => 173,
            Shape::Recurrent(_) => 1,
        }
    }

    fn n_classes(&self) -> usize {
        match &self.shape {
            Shape::A(_) | Shape::B(_) | Shape::C(_) => CLASSES,
            Shape::Recurrent(_) => 1,
        }
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(self.n_features(), features, self.n_classes(), probabilities)?;
        match &mut self.shape {
            Shape::A(network) => network.infer(features, probabilities),
            Shape::B(network) => network.infer(features, probabilities),
            Shape::C(network) => network.infer(features, probabilities),
            Shape::Recurrent(network) => network.process(features, probabilities),
        }
        Ok(())
    }

    fn process_block(&mut self, inputs: &[f32], outputs: &mut [f32]) -> Result<(), InferError> {
        let (n_features, n_classes) = (self.n_features(), self.n_classes());
        InferError::check_block(n_features, inputs, n_classes, outputs)?;
        if let Shape::Recurrent(network) = &mut self.shape {
            network.process(inputs, outputs);
            return Ok(());
        }
        let inputs = inputs.chunks_exact(n_features);
        for (features, probabilities) in inputs.zip(outputs.chunks_exact_mut(n_classes)) {
            self.infer(features, probabilities)?;
        }
        Ok(())
    }

    fn reset(&mut self) {
        if let Shape::Recurrent(network) = &mut self.shape {
            network.reset();
        }
    }

    fn weight_bytes(&self) -> usize {
        match &self.shape {
            Shape::A(network) => network.weight_bytes(),
            Shape::B(network) => network.weight_bytes(),
            Shape::C(network) => network.weight_bytes(),
            Shape::Recurrent(network) => network.weight_bytes(),
        }
    }
}
