//! Recurrent layers, a step at once.

use super::WeightFormat;
use super::activation::sigmoid;
use super::dense::DenseKernel;
use super::weights::{Packing, Workspace};
use crate::network::{Gru, Lstm};

/// See [`Gru`] for what is computed.
pub(super) struct GruKernel {
    from_input: DenseKernel,
    from_state: DenseKernel,
    /// Sums `[3, units]` from the input and from the state.
    input_sums: Vec<f32>,
    state_sums: Vec<f32>,
    h: Vec<f32>,
}

impl GruKernel {
    pub(super) fn new(packing: &mut Packing, gru: &Gru) -> Self {
        let mut pack =
            |weight, bias| DenseKernel::new(packing, WeightFormat::F32, weight, bias, false);
        Self {
            from_input: pack(&gru.kernel, &gru.input_bias),
            from_state: pack(&gru.recurrent, &gru.recurrent_bias),
            input_sums: vec![0.0; 3 * gru.units],
            state_sums: vec![0.0; 3 * gru.units],
            h: vec![0.0; gru.units],
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.h.len()
    }

    pub(super) fn reset(&mut self) {
        self.h.fill(0.0);
    }

    /// Writes `y` `[units]` from `x` `[inputs]`. Real-time safe.
    pub(super) fn step(&mut self, workspace: &mut Workspace, x: &[f32], y: &mut [f32]) {
        self.from_input.apply(workspace, x, &mut self.input_sums);
        self.from_state
            .apply(workspace, &self.h, &mut self.state_sums);
        let units = self.h.len();
        for i in 0..units {
            let z = sigmoid(self.input_sums[i] + self.state_sums[i]);
            let r = sigmoid(self.input_sums[units + i] + self.state_sums[units + i]);
            let n = (self.input_sums[2 * units + i] + r * self.state_sums[2 * units + i]).tanh();
            self.h[i] = finite(z * self.h[i] + (1.0 - z) * n);
        }
        y.copy_from_slice(&self.h);
    }
}

/// See [`Lstm`] for what is computed.
pub(super) struct LstmKernel {
    inputs: usize,
    units: usize,
    /// `[W, U]`, so that one product sums over input and state.
    gates: DenseKernel,
    /// Input and state `[inputs + units]`.
    xh: Vec<f32>,
    /// `[4, units]`
    sums: Vec<f32>,
    c: Vec<f32>,
}

impl LstmKernel {
    pub(super) fn new(packing: &mut Packing, lstm: &Lstm) -> Self {
        let rows = lstm.kernel.chunks_exact(lstm.inputs);
        let weight: Vec<f32> = rows
            .zip(lstm.recurrent.chunks_exact(lstm.units))
            .flat_map(|(w, u)| w.iter().chain(u).copied())
            .collect();
        let width = lstm.inputs + lstm.units;
        Self {
            inputs: lstm.inputs,
            units: lstm.units,
            gates: DenseKernel::new(packing, WeightFormat::F32, &weight, &lstm.bias, false),
            xh: vec![0.0; width],
            sums: vec![0.0; 4 * lstm.units],
            c: vec![0.0; lstm.units],
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.units
    }

    pub(super) fn reset(&mut self) {
        self.xh.fill(0.0);
        self.c.fill(0.0);
    }

    /// Writes `y` `[units]` from `x` `[inputs]`. Real-time safe.
    pub(super) fn step(&mut self, workspace: &mut Workspace, x: &[f32], y: &mut [f32]) {
        self.xh[..self.inputs].copy_from_slice(x);
        self.gates.apply(workspace, &self.xh, &mut self.sums);
        let units = self.units;
        for (i, c) in self.c.iter_mut().enumerate() {
            let input = sigmoid(self.sums[i]);
            let forget = sigmoid(self.sums[units + i]);
            let candidate = self.sums[2 * units + i].tanh();
            let output = sigmoid(self.sums[3 * units + i]);
            *c = finite(forget * *c + input * candidate);
            y[i] = finite(output * c.tanh());
        }
        self.xh[self.inputs..].copy_from_slice(y);
    }
}

/// A state that overflowed once must not stay broken for ever.
fn finite(state: f32) -> f32 {
    if state.is_finite() { state } else { 0.0 }
}
