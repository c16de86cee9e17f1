//! Packages with random weights, those of the paper's architectures among them.

use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::{
    DEFAULT_ONSET, FORMAT, HOP, Input, LayerSpec, NetworkSpec, SAMPLE_RATE, ScalerSpec,
};
use tocco_engines::{Manifest, ModelPackage, Tensor};

/// A deterministic source of random numbers (Marsaglia's xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Uniform in -1 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, n: usize, scale: f32, offset: f32) -> Vec<f32> {
        (0..n).map(|_| self.next() * scale + offset).collect()
    }
}

/// A package of `layers` on `n_features` inputs, with 8 labels.
pub fn package(id: &str, n_features: usize, layers: Vec<LayerSpec>) -> ModelPackage {
    let mut random = Random::new(1 + n_features as u64);
    let mut tensors = Tensors::new();
    let mut insert = |name: String, shape: &[usize], scale: f32, offset: f32| {
        let values = random.vector(shape.iter().product(), scale, offset);
        tensors.insert(name, Tensor::new(shape.to_vec(), values).unwrap());
    };
    insert("scaler.mean".to_owned(), &[n_features], 1.0, 0.0);
    insert("scaler.scale".to_owned(), &[n_features], 0.4, 1.0);
    let mut channels_before = 0;
    for layer in &layers {
        match layer {
            LayerSpec::Split { channels, .. } => channels_before = *channels,
            LayerSpec::Conv2d {
                name,
                filters,
                kernel: [frames, bands],
                ..
            } => {
                let shape = [*filters, *frames, *bands, channels_before];
                let scale = (6.0 / (frames * bands * channels_before) as f32).sqrt();
                insert(format!("{name}.weight"), &shape, scale, 0.0);
                insert(format!("{name}.bias"), &[*filters], 0.2, 0.0);
                channels_before = *filters;
            }
            LayerSpec::Prelu { name, size } => {
                insert(format!("{name}.alpha"), &[*size], 0.5, 0.0);
            }
            LayerSpec::Dense {
                name,
                inputs,
                outputs,
            } => {
                let scale = (6.0 / *inputs as f32).sqrt();
                insert(format!("{name}.weight"), &[*outputs, *inputs], scale, 0.0);
                insert(format!("{name}.bias"), &[*outputs], 0.2, 0.0);
            }
            LayerSpec::BatchNorm { name, size, .. } => {
                insert(format!("{name}.gamma"), &[*size], 0.5, 1.0);
                insert(format!("{name}.beta"), &[*size], 0.5, 0.0);
                insert(format!("{name}.mean"), &[*size], 0.5, 0.3);
                insert(format!("{name}.variance"), &[*size], 0.5, 0.6);
            }
            _ => {}
        }
    }
    with_tensors(id, n_features, layers, tensors)
}

/// A package of `layers` on `n_features` inputs, with 8 labels and these tensors; without a scaler
/// where the tensors have none.
pub fn with_tensors(
    id: &str,
    n_features: usize,
    layers: Vec<LayerSpec>,
    tensors: Tensors,
) -> ModelPackage {
    let scaler = if tensors.contains_key("scaler.mean") {
        ScalerSpec::Standard {}
    } else {
        ScalerSpec::None {}
    };
    let manifest = Manifest {
        format: FORMAT,
        id: id.to_owned(),
        title: format!("Random weights, architecture {id}"),
        labels: (0..8).map(|i| format!("class {i}")).collect(),
        licence: "GPL-3.0-or-later".to_owned(),
        second: None,
        input: Input {
            sample_rate: SAMPLE_RATE,
            hop: HOP,
            window: 704,
            onset: DEFAULT_ONSET.to_owned(),
            post_onset_hops: 5,
            preset: "timbreid".to_owned(),
            features: (0..n_features).map(|i| format!("feature_{i}")).collect(),
        },
        scaler,
        network: NetworkSpec {
            weights: Some("weights.safetensors".to_owned()),
            file: None,
            weight_format: None,
            layers,
        },
        provenance: None,
        accuracy: Vec::new(),
    };
    ModelPackage::new(manifest, tensors, "random").unwrap()
}

fn dense(i: usize, inputs: usize, outputs: usize) -> LayerSpec {
    LayerSpec::Dense {
        name: format!("dense_{i}"),
        inputs,
        outputs,
    }
}

/// The paper's network A.
pub fn a() -> ModelPackage {
    let mut layers = Vec::new();
    for i in 0..4 {
        layers.push(dense(i, if i == 0 { 180 } else { 800 }, 800));
        layers.push(LayerSpec::Relu {});
        if i < 3 {
            layers.push(LayerSpec::BatchNorm {
                name: format!("batch_norm_{i}"),
                size: 800,
                epsilon: 1e-3,
            });
        }
    }
    layers.push(dense(4, 800, 8));
    layers.push(LayerSpec::Softmax { temperature: 1.0 });
    package("a", 180, layers)
}

/// The paper's network B.
pub fn b() -> ModelPackage {
    let mut layers = Vec::new();
    for i in 0..6 {
        layers.push(dense(i, if i == 0 { 173 } else { 350 }, 350));
        layers.push(LayerSpec::Relu {});
    }
    layers.push(dense(6, 350, 8));
    layers.push(LayerSpec::Softmax { temperature: 1.0 });
    package("b", 173, layers)
}

/// The paper's network C.
pub fn c() -> ModelPackage {
    package(
        "c",
        173,
        vec![
            dense(0, 173, 350),
            LayerSpec::Relu {},
            dense(1, 350, 8),
            LayerSpec::Softmax { temperature: 1.0 },
        ],
    )
}
