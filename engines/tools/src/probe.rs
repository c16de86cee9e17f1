//! A network so small that its result is known: the proof that an engine runs here.

use anyhow::{Result, ensure};
use tocco_engines::package::Tensors;
use tocco_engines::{Classifier, EngineId, Manifest, ModelPackage, Tensor};

const MANIFEST: &str = r#"
format = 1
id = "probe"
title = "Probe"
labels = ["sum", "difference"]
licence = "CC0-1.0"
[input]
sample_rate = 48000
hop = 64
window = 704
post_onset_hops = 5
preset = "timbreid"
features = ["a", "b"]
[scaler]
kind = "none"
[network]
weights = "weights.safetensors"
[[network.layers]]
kind = "dense"
name = "dense"
inputs = 2
outputs = 2
[[network.layers]]
kind = "softmax"
"#;

/// Loads the engine and runs it.
///
/// # Errors
/// When the engine is missing, does not load, or computes something else.
pub fn run(engine: EngineId) -> Result<()> {
    let mut classifier = Classifier::new(&package()?, engine)?;
    let mut probabilities = [0.0; 2];
    classifier.classify(&[0.5, 0.25], &mut probabilities)?;
    // softmax(0.75, 0.25)
    let expected = 1.0 / (1.0 + (-0.5_f32).exp());
    ensure!(
        (probabilities[0] - expected).abs() < 1e-5,
        "it computes {probabilities:?} where the first value must be {expected}"
    );
    Ok(())
}

/// The network: sum and difference of two values, as probabilities.
///
/// # Errors
/// Never: its text is part of the program.
pub fn package() -> Result<ModelPackage> {
    let mut tensors = Tensors::new();
    for (name, shape, values) in [
        ("dense.weight", vec![2, 2], vec![1.0, 1.0, 1.0, -1.0]),
        ("dense.bias", vec![2], vec![0.0, 0.0]),
    ] {
        tensors.extend(Tensor::new(shape, values).map(|tensor| (name.to_owned(), tensor)));
    }
    let manifest = Manifest::parse(MANIFEST, "probe")?;
    Ok(ModelPackage::new(manifest, tensors, "probe")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_engine_passes() {
        run(EngineId::Native).unwrap();
    }
}
