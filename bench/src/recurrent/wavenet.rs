//! A WaveNet of the size of Neural Amp Modeler's *standard*: two layer arrays of 16 and 8 channels,
//! kernel 3, dilations 1 to 512.

use anyhow::{Context, Result};
use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{Manifest, ModelPackage, Tensor, network::Network};

use super::shape::row;

/// All but the layers.
const MANIFEST: &str = r#"
format = 1
id = "wavenet"
title = "A WaveNet"
labels = ["sound"]
licence = "CC0-1.0"

[input]
sample_rate = 48000
hop = 64
window = 64
post_onset_hops = 0
preset = "audio"
features = ["sound"]

[scaler]
kind = "none"

[network]
weights = "weights.safetensors"

[[network.layers]]
kind = "skip_sum"
"#;

/// Layers and their tensors.
struct Draft {
    seed: u32,
    tensors: Tensors,
}

impl Draft {
    fn tensor(&mut self, name: String, shape: &[usize]) -> Result<()> {
        let values = row(shape.iter().product(), &mut self.seed);
        let tensor = Tensor::new(shape.to_vec(), values).context("a tensor's length")?;
        self.tensors.insert(name, tensor);
        Ok(())
    }

    fn conv(
        &mut self,
        name: &str,
        inputs: usize,
        filters: usize,
        [kernel, dilation]: [usize; 2],
    ) -> Result<LayerSpec> {
        self.tensor(format!("{name}.weight"), &[filters, kernel, inputs])?;
        self.tensor(format!("{name}.bias"), &[filters])?;
        Ok(LayerSpec::Conv1d {
            name: name.to_owned(),
            filters,
            kernel,
            dilation,
            groups: 1,
        })
    }

    /// One layer array, without what changes the number of channels.
    fn array(&mut self, name: &str, channels: usize, gated: bool) -> Result<Vec<LayerSpec>> {
        let (width, activation) = match gated {
            true => (2 * channels, LayerSpec::Gated {}),
            false => (channels, LayerSpec::Tanh {}),
        };
        let mut layers = Vec::new();
        for i in 0..10 {
            let mixin = format!("{name}_{i}_mixin");
            self.tensor(format!("{mixin}.weight"), &[width, 1])?;
            layers.push(LayerSpec::Residual {
                layers: vec![
                    self.conv(&format!("{name}_{i}"), channels, width, [3, 1 << i])?,
                    LayerSpec::Condition { name: mixin },
                    activation.clone(),
                    LayerSpec::Skip { layers: Vec::new() },
                    self.conv(&format!("{name}_{i}_out"), channels, channels, [1, 1])?,
                ],
            });
        }
        Ok(layers)
    }
}

/// With gates, or with tanh alone as Neural Amp Modeler's own.
pub(super) fn network(gated: bool) -> Result<Network> {
    let mut draft = Draft {
        seed: 1,
        tensors: Tensors::new(),
    };
    let mut layers = vec![draft.conv("first_in", 1, 16, [1, 1])?];
    layers.extend(draft.array("first", 16, gated)?);
    layers.push(LayerSpec::Skip {
        layers: vec![
            LayerSpec::SkipSum {},
            draft.conv("first_head", 16, 8, [1, 1])?,
        ],
    });
    layers.push(draft.conv("second_in", 16, 8, [1, 1])?);
    layers.extend(draft.array("second", 8, gated)?);
    layers.push(LayerSpec::SkipSum {});
    layers.push(draft.conv("second_head", 8, 1, [1, 1])?);
    let mut manifest = Manifest::parse(MANIFEST, "the benchmark")?;
    manifest.network.layers = layers;
    Ok(ModelPackage::new(manifest, draft.tensors, "the benchmark")?.network()?)
}
