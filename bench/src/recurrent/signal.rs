//! The foreign engines: a file of one step and a file of a block of steps.

use tocco_engines::convert::{Format, convert_signal};
use tocco_engines::network::Network;
use tocco_engines::{Engine, InferError, foreign};

use super::BLOCK;

/// Steps, and blocks of [`BLOCK`] steps, each from the network's beginning: these files have no state
/// that goes in and out. The arithmetic is that of a network that remembers.
pub struct SignalEngine {
    step: Box<dyn Engine>,
    block: Box<dyn Engine>,
}

impl SignalEngine {
    /// `network`, of one input and one output, in the engine of `format`.
    ///
    /// # Errors
    /// In words, when the format has not these layers, or the engine is not there.
    pub fn new(network: &Network, format: Format) -> Result<Self, String> {
        let load = |steps: usize| {
            let signal = convert_signal(network, format, steps).map_err(|e| e.to_string())?;
            foreign::load_bytes(format.engine(), &signal.model, "the benchmark", steps)
                .map_err(|e| e.to_string())
        };
        Ok(Self {
            step: load(1)?,
            block: load(BLOCK)?,
        })
    }
}

impl Engine for SignalEngine {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn n_features(&self) -> usize {
        1
    }

    fn n_classes(&self) -> usize {
        1
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        self.step.infer(features, probabilities)
    }

    /// Only for whole blocks.
    fn process_block(&mut self, inputs: &[f32], outputs: &mut [f32]) -> Result<(), InferError> {
        self.block.infer(inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recurrent::shape::Shape;
    use tocco_engines::reference::Reference;

    #[test]
    fn a_block_is_that_of_the_network() {
        let formats = [Format::Onnx, Format::TfLite, Format::TorchScript];
        let shapes = [
            Shape::Lstm(8),
            Shape::Gru(8),
            Shape::WaveNet { gated: false },
            Shape::WaveNet { gated: true },
        ];
        for (shape, format) in shapes
            .into_iter()
            .flat_map(|shape| formats.map(|format| (shape, format)))
        {
            let network = shape.network().unwrap();
            let mut engine = match SignalEngine::new(&network, format) {
                Ok(engine) => engine,
                Err(reason) => {
                    assert!(std::env::var_os("CI").is_none(), "{reason}");
                    eprintln!("skipped: {reason}");
                    continue;
                }
            };
            let inputs: [f32; BLOCK] = std::array::from_fn(|i| (0.3 * i as f32).sin());
            let mut outputs = [f32::NAN; BLOCK];
            engine.process_block(&inputs, &mut outputs).unwrap();
            let mut reference = Reference::new(&network);
            for (i, (x, y)) in inputs.iter().zip(&outputs).enumerate() {
                let error = (f64::from(*y) - reference.step(&[*x])[0]).abs();
                assert!(error < 5e-6, "{shape}, {format}, step {i}: {error:e}");
            }
            engine.infer(&inputs[7..8], &mut outputs[..1]).unwrap();
            let exact = Reference::new(&network).step(&inputs[7..8])[0];
            assert!(
                (f64::from(outputs[0]) - exact).abs() < 5e-6,
                "{shape}, {format}"
            );
        }
    }
}
