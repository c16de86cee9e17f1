//! Causal convolution over time.

use super::layers::steps_of_block;
use super::product::{Inputs, Product};
use super::weights::{Packing, Workspace};
use crate::network::Conv1d;

/// See [`Conv1d`] for what is computed.
pub(super) struct Conv1dKernel {
    inputs: usize,
    dilation: usize,
    stride: usize,
    kernel: usize,
    /// Steps until the next output.
    wait: usize,
    /// Steps before the present one that the kernel sees.
    past: usize,
    /// The last steps one behind the other, `[steps, inputs]`: what the kernel sees of any of them
    /// lies at equal distances.
    line: Vec<f32>,
    /// Steps in `line`. When there is no room for more, the last `past` go to its beginning.
    filled: usize,
    /// One matrix a group, with columns `[kernel, inputs / groups]`, oldest first.
    groups: Vec<Product>,
}

impl Conv1dKernel {
    pub(super) fn new(packing: &mut Packing, conv: &Conv1d) -> Self {
        let taps = conv.kernel * conv.inputs / conv.groups;
        let outputs = conv.outputs / conv.groups;
        let groups = conv
            .weight
            .chunks_exact(outputs * taps)
            .zip(conv.bias.chunks_exact(outputs))
            .map(|(weight, bias)| Product::new(packing, weight, bias))
            .collect();
        let past = conv.history() - 1;
        Self {
            inputs: conv.inputs,
            // Of one tap nothing is apart, however far it says.
            dilation: if conv.kernel == 1 { 1 } else { conv.dilation },
            stride: conv.stride,
            kernel: conv.kernel,
            wait: 0,
            past,
            // So long that a move comes seldom, even if the steps come one by one, and about twice what
            // the limit of a network's memory counts: of wide vectors a block has few.
            line: vec![0.0; (past + past.max(steps_of_block(conv.inputs))) * conv.inputs],
            filled: past,
            groups,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.groups.iter().map(Product::outputs).sum()
    }

    pub(super) fn reset(&mut self) {
        self.line.fill(0.0);
        self.filled = self.past;
        self.wait = 0;
    }

    /// Whether there is an output at every step.
    pub(super) fn is_of_every_step(&self) -> bool {
        self.stride == 1
    }

    /// Takes `x` `[steps, inputs]`, at most [`steps_of_block`] of so many inputs, and one step if there
    /// is not an output at every step; if these steps have outputs, writes them to `y`
    /// `[steps, outputs]` and returns true. Real-time safe.
    pub(super) fn steps(
        &mut self,
        workspace: &Workspace,
        x: &[f32],
        y: &mut [f32],
        steps: usize,
    ) -> bool {
        self.remember(x, steps);
        if self.wait > 0 {
            self.wait -= 1;
            return false;
        }
        self.wait = self.stride - 1;
        let run = self.inputs / self.groups.len();
        let inputs = Inputs {
            vectors: steps,
            from_vector_to_vector: self.inputs,
            runs: self.kernel,
            run,
            from_run_to_run: self.dilation * self.inputs,
        };
        let outputs = y.len() / steps;
        let oldest = (self.filled - steps - self.past) * self.inputs;
        let mut first = 0;
        for (g, group) in self.groups.iter().enumerate() {
            let x = &self.line[oldest + g * run..];
            group.apply(workspace, x, inputs, &mut y[first..], outputs);
            first += group.outputs();
        }
        true
    }

    /// Appends `x` `[steps, inputs]` to the line.
    fn remember(&mut self, x: &[f32], steps: usize) {
        if (self.filled + steps) * self.inputs > self.line.len() {
            let kept = (self.filled - self.past) * self.inputs..self.filled * self.inputs;
            self.line.copy_within(kept, 0);
            self.filled = self.past;
        }
        self.line[self.filled * self.inputs..][..x.len()].copy_from_slice(x);
        self.filled += steps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::InstructionSet;

    /// A convolution to two outputs.
    fn convolution(inputs: usize, kernel: usize, dilation: usize) -> Conv1d {
        let weight = |i: usize| (i as f32 * 0.61).sin();
        Conv1d {
            inputs,
            outputs: 2,
            kernel,
            dilation,
            stride: 1,
            groups: 1,
            weight: (0..2 * kernel * inputs).map(weight).collect(),
            bias: vec![0.25, -0.5],
        }
    }

    /// What a network may remember is counted by [`Conv1d::history`], the past twice.
    #[test]
    fn the_line_is_not_much_longer_than_what_is_counted() {
        for (inputs, kernel, dilation) in [(1 << 17, 1, 1), (1 << 14, 2, 1), (300, 3, 9), (1, 1, 1)]
        {
            let conv = convolution(inputs, kernel, dilation);
            let mut packing = Packing::new(InstructionSet::best());
            let line = Conv1dKernel::new(&mut packing, &conv).line.len();
            let counted = (2 * conv.history() - 1) * inputs;
            assert!(line <= counted + 1024, "{line} for {counted}");
        }
    }

    #[test]
    fn blocks_give_the_bits_that_single_steps_give() {
        const STEPS: usize = 130;
        for (inputs, kernel, dilation) in [
            (1, 1, 1),
            (3, 3, 5),
            (100, 1, 1),
            (100, 2, 1),
            (300, 2, 7),
            (2000, 3, 1),
        ] {
            let conv = convolution(inputs, kernel, dilation);
            let mut packing = Packing::new(InstructionSet::best());
            let mut kernel = Conv1dKernel::new(&mut packing, &conv);
            let workspace = packing.finish();
            let x: Vec<f32> = (0..STEPS * inputs)
                .map(|i| (i as f32 * 0.37).cos())
                .collect();
            let mut of_block = |block: usize| {
                kernel.reset();
                let mut y = vec![0.0; STEPS * 2];
                for (x, y) in x.chunks(block * inputs).zip(y.chunks_mut(block * 2)) {
                    let steps = y.len() / 2;
                    assert!(kernel.steps(&workspace, x, y, steps));
                }
                y
            };
            assert_eq!(of_block(1), of_block(steps_of_block(inputs)), "{inputs}");
        }
    }
}
