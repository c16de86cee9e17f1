//! Batch normalisation disappears into its neighbours.

use crate::network::flat::{Flat, Kept, flatten};
use crate::network::{BatchNorm, Dense, Layer, Network};

/// A layer after folding.
pub(crate) enum Step {
    Layer(Layer),
    /// `scale x + shift`, one pair a channel.
    ScaleShift(Vec<(f64, f64)>),
    Kept(Kept),
}

/// The steps that compute `network`, its blocks taken apart.
///
/// A normalisation is `scale x + shift`. Right after a dense or convolutional layer it goes into
/// that layer: `scale (W x + b) + shift`. Otherwise, if a dense layer follows, it goes into that
/// one: `W (scale x + shift) + b`; not so into a convolution, whose padding is zero and not
/// `shift`. Where neither is the case it stays a step of its own. What is kept of a vector is kept as it
/// was: nothing is folded past that. Computed in double precision.
pub(crate) fn fold(network: &Network) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(network.layers().len());
    for flat in flatten(network) {
        let layer = match flat {
            Flat::Layer(layer) => layer,
            Flat::Kept(kept) => {
                steps.push(Step::Kept(kept));
                continue;
            }
        };
        match layer {
            Layer::BatchNorm(norm) => fold_norm(norm, &mut steps),
            Layer::Dense(dense) => {
                let mut dense = dense.clone();
                if let Some(affine) = steps.pop_if(|step| matches!(step, Step::ScaleShift(_)))
                    && let Step::ScaleShift(affine) = affine
                {
                    fold_into_next(&affine, &mut dense);
                }
                steps.push(Step::Layer(Layer::Dense(dense)));
            }
            layer => steps.push(Step::Layer(layer.clone())),
        }
    }
    steps
}

fn fold_norm(norm: &BatchNorm, steps: &mut Vec<Step>) {
    let affine: Vec<_> = (0..norm.size()).map(|i| norm.scale_and_shift(i)).collect();
    match steps.last_mut() {
        Some(Step::Layer(Layer::Dense(dense))) => {
            fold_into_previous(&affine, &mut dense.weight, &mut dense.bias);
        }
        Some(Step::Layer(Layer::Conv1d(conv))) => {
            fold_into_previous(&affine, &mut conv.weight, &mut conv.bias);
        }
        Some(Step::Layer(Layer::CausalConv2d(conv))) if affine.len() == conv.filters => {
            fold_into_previous(&affine, &mut conv.weight, &mut conv.bias);
        }
        Some(Step::Layer(Layer::Conv2d(conv))) if affine.len() == conv.filters => {
            fold_into_previous(&affine, &mut conv.weight, &mut conv.bias);
        }
        _ => steps.push(Step::ScaleShift(affine)),
    }
}

/// `weight` `[outputs, ...]` and `bias` `[outputs]` of a layer whose output `o` is of channel
/// `o % affine.len()`.
fn fold_into_previous(affine: &[(f64, f64)], weight: &mut [f32], bias: &mut [f32]) {
    let rows = weight.chunks_exact_mut(weight.len() / bias.len());
    for ((row, bias), (scale, shift)) in rows.zip(bias).zip(affine.iter().cycle()) {
        row.iter_mut()
            .for_each(|w| *w = (f64::from(*w) * scale) as f32);
        *bias = (f64::from(*bias) * scale + shift) as f32;
    }
}

fn fold_into_next(affine: &[(f64, f64)], dense: &mut Dense) {
    let rows = dense.weight.chunks_exact_mut(dense.inputs);
    for (row, bias) in rows.zip(&mut dense.bias) {
        let mut sum = f64::from(*bias);
        for (w, (scale, shift)) in row.iter_mut().zip(affine.iter().cycle()) {
            sum += f64::from(*w) * shift;
            *w = (f64::from(*w) * scale) as f32;
        }
        *bias = sum as f32;
    }
}
