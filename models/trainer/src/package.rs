//! Model packages of trained networks.

use anyhow::Result;
use tocco_corpus::Technique;
use tocco_dsp::{HOP, SAMPLE_RATE};
use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::{
    Accuracy, FORMAT, Input, LayerSpec, NetworkSpec, Provenance, ScalerSpec,
};
use tocco_engines::{Manifest, ModelPackage, Tensor};

use crate::architecture::Architecture;
use crate::training::Trained;

/// Rounds the tensors with this ending of their names to half precision, in which a package keeps them.
pub fn round_to_half(tensors: &mut Tensors, ending: &str) {
    for (name, tensor) in tensors {
        if name.ends_with(ending) {
            *tensor = tensor.rounded_to_half();
        }
    }
}

/// The package of a trained network, complete and checked.
///
/// # Errors
/// When the training diverged: weights that are not finite are refused.
pub fn package(
    architecture: &Architecture,
    trained: &Trained,
    provenance: Option<Provenance>,
    accuracy: Vec<Accuracy>,
) -> Result<ModelPackage> {
    let mut tensors = trained.network.tensors(&architecture.layers);
    for (name, values) in [
        ("scaler.mean", trained.scaler.mean()),
        ("scaler.scale", trained.scaler.scale()),
    ] {
        let tensor = Tensor::new(vec![values.len()], values.to_vec());
        tensors.insert(name.to_owned(), tensor.expect("one value a feature"));
    }
    if architecture.stored_in_half {
        round_to_half(&mut tensors, ".weight");
    }
    let mut layers = architecture.layers.clone();
    if let Some(LayerSpec::Softmax { temperature }) = layers.last_mut() {
        *temperature = trained.temperature;
    }
    let manifest = Manifest {
        format: FORMAT,
        id: architecture.id.to_owned(),
        title: architecture.title.to_owned(),
        labels: Technique::ALL.map(|t| t.label().to_owned()).into(),
        licence: "GPL-3.0-or-later".to_owned(),
        second: architecture.second.map(str::to_owned),
        input: Input {
            sample_rate: SAMPLE_RATE,
            hop: HOP as u32,
            window: architecture.preset.window() as u32,
            onset: architecture.onset.to_string(),
            post_onset_hops: architecture.post_onset_hops as u32,
            preset: architecture.preset.to_string(),
            features: architecture.features.clone(),
        },
        scaler: ScalerSpec::Standard {},
        network: NetworkSpec {
            weights: Some("weights.safetensors".to_owned()),
            file: None,
            weight_format: architecture.weight_format,
            layers,
        },
        provenance,
        accuracy,
    };
    Ok(ModelPackage::new(manifest, tensors, architecture.id)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::Note;
    use crate::training::tests::easy_notes;
    use crate::training::train;
    use burn::module::Module;
    use burn::tensor::activation::softmax;
    use burn::tensor::{Device, Tensor, TensorData};
    use rand_chacha::ChaCha8Rng;
    use tocco_engines::WeightFormat;
    use tocco_engines::{Classifier, EngineId};

    /// The package on our own engine must say what burn says, batch normalisation included.
    #[test]
    fn a_package_gives_the_probabilities_of_the_trained_network() {
        let mut architecture = Architecture::find("a").unwrap();
        architecture.recipe.batch = 16;
        let notes = easy_notes(architecture.features.len(), 4);
        let training: Vec<&Note> = notes.iter().collect();
        let trained = train(&architecture, &training, &[], 2, 1);

        let mut package = package(&architecture, &trained, None, Vec::new()).unwrap();
        assert_eq!(package.parameter_count().unwrap(), 2_083_208);
        // The default format rounds once more, after the batch normalisation is folded in.
        package.manifest.network.weight_format = Some(WeightFormat::F32);
        let mut classifier = Classifier::new(&package, EngineId::Native).unwrap();
        for note in &notes[..8] {
            let mut found = [0.0; 8];
            classifier.classify(&note.features, &mut found).unwrap();

            let mut scaled = vec![0.0; note.features.len()];
            trained.scaler.apply(&note.features, &mut scaled);
            let shape = [1, scaled.len()];
            let input = Tensor::<2>::from_data(TensorData::new(scaled, shape), &Device::flex());
            let outputs = trained.network.valid().forward::<ChaCha8Rng>(input, None);
            let expected = softmax(outputs, 1).try_into_vec_as::<f32>().unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-3, "{found} {expected}");
            }
        }
    }
}
