//! A small network beside that of the classes, which tells notes from what is none.
//!
//! It is optional and has no place in the manifest: dense layers with relu between them, one output,
//! all in the tensors `rejection.0.weight`, `rejection.0.bias`, `rejection.1.weight` and so on. Its
//! input are the scaled features, its output the log odds that they are of no note: above zero it is
//! rather none, at the share of lost notes that the trainer aimed at.

use std::collections::HashSet;

use super::tensor::Tensors;
use crate::LoadError;
use crate::network::{Activation, Builder, Dense, Layer, Misfit, Network};

/// Prefix of its tensors.
pub const PREFIX: &str = "rejection.";

/// From the tensors of the weight file `file`, if they are there; `used` learns their names.
///
/// # Errors
/// When some are missing, or do not fit `n_features` or each other.
pub(super) fn read(
    tensors: &Tensors,
    n_features: usize,
    used: &mut HashSet<String>,
    file: &str,
) -> Result<Option<Network>, LoadError> {
    let malformed = |name: &str, misfit: Misfit| {
        LoadError::malformed(
            file,
            name,
            misfit.expected,
            misfit.found,
            "train the rejection again, or remove all its tensors",
        )
    };
    let mut network = Builder::new(1, n_features).map_err(|misfit| malformed(PREFIX, misfit))?;
    let mut last = None;
    for i in 0.. {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{PREFIX}{i}.{part}"));
        let Some(found) = tensors.get(&weight) else {
            break;
        };
        let inputs = network.width();
        let outputs = found.shape().first().copied().unwrap_or(0);
        let take = |name: &str, expected: &[usize]| {
            let found = tensors.get(name);
            let fits = found.filter(|found| outputs > 0 && found.shape() == expected);
            fits.map(|found| found.values().to_vec()).ok_or_else(|| {
                let found = found.map_or("none".to_owned(), |f| format!("{:?}", f.shape()));
                let expected = format_args!("a tensor of shape {expected:?}").to_string();
                malformed(name, Misfit { expected, found })
            })
        };
        let dense = Layer::Dense(Dense {
            inputs,
            outputs,
            weight: take(&weight, &[outputs, inputs])?,
            bias: take(&bias, &[outputs])?,
        });
        let relu = last
            .is_some()
            .then_some(Layer::Activation(Activation::Relu));
        for layer in relu.into_iter().chain([dense]) {
            let pushed = network.push(layer);
            pushed.map_err(|misfit| malformed(&weight, misfit))?;
        }
        used.insert(bias);
        used.insert(weight.clone());
        last = Some(weight);
    }
    let Some(last) = last else {
        return Ok(None);
    };
    if network.width() != 1 {
        return Err(malformed(&last, Misfit::new("one output", network.width())));
    }
    let network = network.build();
    network.map(Some).map_err(|misfit| malformed(&last, misfit))
}
