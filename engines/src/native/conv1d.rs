//! Causal convolution over time, a step at once.

use super::WeightFormat;
use super::dense::DenseKernel;
use super::history::History;
use super::weights::{Packing, Workspace};
use crate::network::Conv1d;

/// See [`Conv1d`] for what is computed.
pub(super) struct Conv1dKernel {
    dilation: usize,
    stride: usize,
    kernel: usize,
    /// Steps until the next output.
    wait: usize,
    history: History,
    /// The inputs of the taps of one group, oldest first, `[kernel, inputs / groups]`.
    taps: Vec<f32>,
    /// One matrix a group.
    groups: Vec<DenseKernel>,
}

impl Conv1dKernel {
    pub(super) fn new(packing: &mut Packing, conv: &Conv1d) -> Self {
        let taps = conv.kernel * conv.inputs / conv.groups;
        let outputs = conv.outputs / conv.groups;
        let groups = conv
            .weight
            .chunks_exact(outputs * taps)
            .zip(conv.bias.chunks_exact(outputs))
            .map(|(weight, bias)| DenseKernel::new(packing, WeightFormat::F32, weight, bias, false))
            .collect();
        Self {
            dilation: conv.dilation,
            stride: conv.stride,
            kernel: conv.kernel,
            wait: 0,
            history: History::new(conv.history(), conv.inputs),
            taps: vec![0.0; taps],
            groups,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.groups.iter().map(DenseKernel::outputs).sum()
    }

    pub(super) fn reset(&mut self) {
        self.history.reset();
        self.wait = 0;
    }

    /// Whether there is an output at every step.
    pub(super) fn is_of_every_step(&self) -> bool {
        self.stride == 1
    }

    /// Takes `x` `[steps, inputs]`, one step if there is not an output at every step; if these
    /// steps have outputs, writes them to `y` `[steps, outputs]` and returns true. Real-time safe.
    pub(super) fn steps(
        &mut self,
        workspace: &mut Workspace,
        x: &[f32],
        y: &mut [f32],
        steps: usize,
    ) -> bool {
        let (inputs, outputs) = (x.len() / steps, y.len() / steps);
        let mut renewed = true;
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
            renewed = self.step(workspace, x, y);
        }
        renewed
    }

    fn step(&mut self, workspace: &mut Workspace, x: &[f32], y: &mut [f32]) -> bool {
        self.history.push(x);
        if self.wait > 0 {
            self.wait -= 1;
            return false;
        }
        self.wait = self.stride - 1;
        let run = self.taps.len() / self.kernel;
        let mut y = y;
        for (g, group) in self.groups.iter().enumerate() {
            for (k, tap) in self.taps.chunks_exact_mut(run).enumerate() {
                let age = (self.kernel - 1 - k) * self.dilation;
                tap.copy_from_slice(&self.history.ago(age)[g * run..(g + 1) * run]);
            }
            let (head, tail) = y.split_at_mut(group.outputs());
            group.apply(workspace, &self.taps, head, 1);
            y = tail;
        }
        true
    }
}
