//! The matrix-vector product at the bottom of nearly every layer.

/// Partial sums kept for a row: enough to hide the latency of the additions, and as many as the
/// compiler can keep in vector registers of any width.
const LANES: usize = 16;

/// `y = W x + b`, one dot product a row.
pub(super) struct DenseKernel {
    inputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl DenseKernel {
    /// From `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`.
    pub(super) fn new(inputs: usize, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        debug_assert_eq!(weight.len(), inputs * bias.len());
        Self {
            inputs,
            weight,
            bias,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn weight_bytes(&self) -> usize {
        size_of_val(&self.weight[..]) + size_of_val(&self.bias[..])
    }

    /// Writes `y` `[outputs]` from `x` `[inputs]`. Real-time safe.
    pub(super) fn apply(&self, x: &[f32], y: &mut [f32]) {
        let rows = self.weight.chunks_exact(self.inputs);
        for ((y, row), bias) in y.iter_mut().zip(rows).zip(&self.bias) {
            *y = dot(row, x) + bias;
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
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
