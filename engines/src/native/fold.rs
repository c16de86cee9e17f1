//! Batch normalisation disappears into its neighbours.

use crate::network::{Activation, Dense, Layer, Network};

/// A layer after folding.
pub(crate) enum Step {
    Dense(Dense),
    ScaleShift { scale: Vec<f32>, shift: Vec<f32> },
    Activation(Activation),
}

/// A dense layer in double precision, so that several foldings round once.
struct WideDense {
    inputs: usize,
    outputs: usize,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// The steps that compute `network`.
///
/// A normalisation is `scale x + shift`. Right after a dense layer it goes into that layer:
/// `scale (W x + b) + shift`. Otherwise, if a dense layer follows, it goes into that one:
/// `W (scale x + shift) + b`. Only where neither is the case does it stay a step of its own.
pub(crate) fn fold(network: &Network) -> Vec<Step> {
    let mut steps = Vec::with_capacity(network.layers().len());
    let mut previous: Option<WideDense> = None;
    let mut pending: Option<Vec<(f64, f64)>> = None;
    for layer in network.layers() {
        match layer {
            Layer::Dense(dense) => {
                steps.extend(previous.take().map(narrowed));
                let mut wide = widened(dense);
                if let Some(affine) = pending.take() {
                    fold_into_next(&affine, &mut wide);
                }
                previous = Some(wide);
            }
            Layer::BatchNorm(norm) => {
                let affine: Vec<_> = (0..norm.size()).map(|i| norm.scale_and_shift(i)).collect();
                match (&mut previous, &mut pending) {
                    (Some(dense), _) => fold_into_previous(&affine, dense),
                    (None, Some(first)) => compose(first, &affine),
                    (None, None) => pending = Some(affine),
                }
            }
            Layer::Activation(activation) => {
                steps.extend(previous.take().map(narrowed));
                steps.extend(pending.take().map(scale_shift));
                steps.push(Step::Activation(*activation));
            }
        }
    }
    steps.extend(previous.take().map(narrowed));
    steps.extend(pending.take().map(scale_shift));
    steps
}

fn fold_into_previous(affine: &[(f64, f64)], dense: &mut WideDense) {
    let rows = dense.weight.chunks_exact_mut(dense.inputs);
    for ((row, bias), (scale, shift)) in rows.zip(&mut dense.bias).zip(affine) {
        row.iter_mut().for_each(|w| *w *= scale);
        *bias = *bias * scale + shift;
    }
}

fn fold_into_next(affine: &[(f64, f64)], dense: &mut WideDense) {
    let rows = dense.weight.chunks_exact_mut(dense.inputs);
    for (row, bias) in rows.zip(&mut dense.bias) {
        for (w, (scale, shift)) in row.iter_mut().zip(affine) {
            *bias += *w * shift;
            *w *= scale;
        }
    }
}

/// `second(first(x))`, left in `first`.
fn compose(first: &mut [(f64, f64)], second: &[(f64, f64)]) {
    for (first, second) in first.iter_mut().zip(second) {
        *first = (first.0 * second.0, first.1 * second.0 + second.1);
    }
}

fn widened(dense: &Dense) -> WideDense {
    WideDense {
        inputs: dense.inputs,
        outputs: dense.outputs,
        weight: dense.weight.iter().copied().map(f64::from).collect(),
        bias: dense.bias.iter().copied().map(f64::from).collect(),
    }
}

fn narrowed(dense: WideDense) -> Step {
    Step::Dense(Dense {
        inputs: dense.inputs,
        outputs: dense.outputs,
        weight: dense.weight.into_iter().map(|w| w as f32).collect(),
        bias: dense.bias.into_iter().map(|b| b as f32).collect(),
    })
}

fn scale_shift(affine: Vec<(f64, f64)>) -> Step {
    Step::ScaleShift {
        scale: affine.iter().map(|(scale, _)| *scale as f32).collect(),
        shift: affine.iter().map(|(_, shift)| *shift as f32).collect(),
    }
}
