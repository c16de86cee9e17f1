//! Dense layers of equal width, their sizes known to the compiler.

use super::CLASSES;
use crate::native::activation;
use crate::network::{Activation, Dense};

/// Partial sums kept for a row, as in `native`.
const LANES: usize = 16;

/// `I` inputs, a first hidden layer and `M` more, all of `H` units with relu, and the classes.
pub(super) struct Multilayer<const I: usize, const H: usize, const M: usize> {
    first: FixedDense<I, H>,
    more: [FixedDense<H, H>; M],
    last: FixedDense<H, CLASSES>,
    temperature: f32,
    inputs: [f32; I],
    front: [f32; H],
    back: [f32; H],
}

impl<const I: usize, const H: usize, const M: usize> Multilayer<I, H, M> {
    /// From `layers` of just these sizes.
    pub(super) fn new(layers: &[Dense], temperature: f32) -> Option<Self> {
        let [first, more @ .., last] = layers else {
            return None;
        };
        let more: Vec<FixedDense<H, H>> =
            more.iter().map(FixedDense::new).collect::<Option<_>>()?;
        Some(Self {
            first: FixedDense::new(first)?,
            more: more.try_into().ok()?,
            last: FixedDense::new(last)?,
            temperature,
            inputs: [0.0; I],
            front: [0.0; H],
            back: [0.0; H],
        })
    }

    /// Writes `probabilities` `[CLASSES]` from `features` `[I]`. Real-time safe.
    pub(super) fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) {
        for (x, feature) in self.inputs.iter_mut().zip(features) {
            *x = if feature.is_finite() { *feature } else { 0.0 };
        }
        self.first.apply::<true>(&self.inputs, &mut self.front);
        for dense in &self.more {
            dense.apply::<true>(&self.front, &mut self.back);
            std::mem::swap(&mut self.front, &mut self.back);
        }
        let mut y = [0.0; CLASSES];
        self.last.apply::<false>(&self.front, &mut y);
        let temperature = self.temperature;
        activation::apply(Activation::Softmax { temperature }, &mut y);
        probabilities.copy_from_slice(&y);
    }

    pub(super) fn weight_bytes(&self) -> usize {
        let more: usize = self.more.iter().map(FixedDense::weight_bytes).sum();
        self.first.weight_bytes() + more + self.last.weight_bytes()
    }
}

/// `y = W x + b`.
struct FixedDense<const I: usize, const O: usize> {
    weight: Box<[[f32; I]]>,
    bias: Box<[f32; O]>,
}

impl<const I: usize, const O: usize> FixedDense<I, O> {
    fn new(dense: &Dense) -> Option<Self> {
        if dense.inputs != I {
            return None;
        }
        Some(Self {
            weight: dense.weight.as_chunks().0.into(),
            bias: dense.bias.clone().try_into().ok()?,
        })
    }

    fn weight_bytes(&self) -> usize {
        size_of_val(&*self.weight) + size_of_val(&*self.bias)
    }

    fn apply<const RELU: bool>(&self, x: &[f32; I], y: &mut [f32; O]) {
        for ((y, row), bias) in y.iter_mut().zip(&self.weight).zip(self.bias.iter()) {
            let sum = dot(row, x) + bias;
            *y = if RELU { sum.max(0.0) } else { sum };
        }
    }
}

fn dot<const I: usize>(a: &[f32; I], b: &[f32; I]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
