//! Our own engine, its networks loaded at run time.

mod activation;
mod dense;
pub(crate) mod fold;

use crate::network::{Activation, Network};
use crate::{Engine, EngineId, InferError};
use dense::DenseKernel;
use fold::{Step, fold};

/// What is done to the values that pass, in order.
enum Operation {
    Dense(DenseKernel),
    ScaleShift { scale: Vec<f32>, shift: Vec<f32> },
    Activation(Activation),
}

/// The engine `native`.
///
/// Batch normalisation is folded into a neighbouring dense layer when the network is loaded.
/// [`Engine::infer`] neither allocates nor fails on slices of the right lengths: real-time safe.
pub struct NativeEngine {
    n_features: usize,
    n_classes: usize,
    operations: Vec<Operation>,
    /// Values before and after an operation, each as long as the widest layer.
    front: Vec<f32>,
    back: Vec<f32>,
}

impl NativeEngine {
    /// Packs `network` for this engine.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let mut widest = network.n_inputs();
        let operations = fold(network)
            .into_iter()
            .map(|step| match step {
                Step::Dense(dense) => {
                    widest = widest.max(dense.outputs);
                    Operation::Dense(DenseKernel::new(&dense))
                }
                Step::ScaleShift { scale, shift } => Operation::ScaleShift { scale, shift },
                Step::Activation(activation) => Operation::Activation(activation),
            })
            .collect();
        Self {
            n_features: network.n_inputs(),
            n_classes: network.n_outputs(),
            operations,
            front: vec![0.0; widest],
            back: vec![0.0; widest],
        }
    }
}

impl Engine for NativeEngine {
    fn name(&self) -> &'static str {
        EngineId::Native.name()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        InferError::check_lengths(self.n_features, features, self.n_classes, probabilities)?;
        let mut front = self.front.as_mut_slice();
        let mut back = self.back.as_mut_slice();
        let mut width = features.len();
        front[..width].copy_from_slice(features);
        for operation in &self.operations {
            match operation {
                Operation::Dense(dense) => {
                    dense.apply(&front[..width], &mut back[..dense.outputs()]);
                    width = dense.outputs();
                    std::mem::swap(&mut front, &mut back);
                }
                Operation::ScaleShift { scale, shift } => {
                    for ((x, scale), shift) in front[..width].iter_mut().zip(scale).zip(shift) {
                        *x = *x * scale + shift;
                    }
                }
                Operation::Activation(activation) => {
                    activation::apply(*activation, &mut front[..width]);
                }
            }
        }
        probabilities.copy_from_slice(&front[..width]);
        Ok(())
    }

    fn weight_bytes(&self) -> usize {
        self.operations
            .iter()
            .map(|operation| match operation {
                Operation::Dense(dense) => dense.weight_bytes(),
                Operation::ScaleShift { scale, shift } => {
                    size_of_val(&scale[..]) + size_of_val(&shift[..])
                }
                Operation::Activation(_) => 0,
            })
            .sum()
    }
}
