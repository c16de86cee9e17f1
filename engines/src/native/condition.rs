//! Conditioning on the network's input.

use crate::network::Condition;

/// See [`Condition`] for what is computed.
pub(super) struct ConditionKernel {
    /// `V` by columns, `[inputs, size]`: one value of the input feeds neighbours.
    columns: Vec<f32>,
    inputs: usize,
    size: usize,
}

impl ConditionKernel {
    pub(super) fn new(condition: &Condition) -> Self {
        let column = |i: usize| condition.weight.iter().skip(i).step_by(condition.inputs);
        Self {
            columns: (0..condition.inputs).flat_map(column).copied().collect(),
            inputs: condition.inputs,
            size: condition.size,
        }
    }

    /// Adds to `x` `[steps, size]` what the network's `inputs` `[steps, inputs]` give; those that
    /// are not finite count as 0. Real-time safe.
    pub(super) fn apply(&self, inputs: &[f32], x: &mut [f32]) {
        let steps = inputs.chunks_exact(self.inputs);
        for (x, inputs) in x.chunks_exact_mut(self.size).zip(steps) {
            for (input, column) in inputs.iter().zip(self.columns.chunks_exact(self.size)) {
                let input = if input.is_finite() { *input } else { 0.0 };
                for (x, weight) in x.iter_mut().zip(column) {
                    *x += weight * input;
                }
            }
        }
    }
}
