//! The network that tells notes from what is none: how it is trained.
//!
//! It is small and stands beside that of the classes, which it leaves as it is: it gets the same scaled
//! features and says one number, the log odds that they are of no note. Notes and foreign sounds are
//! heard through the plugin's own detector, and go through the same rooms, microphones and levels
//! ([`material`]), so that none of that tells them apart.

pub mod material;
mod tones;

use std::f64::consts::PI;

use anyhow::Result;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::package::{REJECTION_PREFIX, Tensors};
use tocco_engines::{ModelPackage, Tensor as PackageTensor};

use crate::architecture::Architecture;
use crate::augmentation::patch_perturbation::PatchPerturbation;
use crate::network::{Dropout, Network};
use crate::shuffle::shuffle;

/// Outputs of its hidden layer.
const HIDDEN: usize = 32;
/// How often the material is shown, and how many notes, and foreign onsets, each time.
const EPOCHS: usize = 30;
const DRAWS: usize = 4_096;
const BATCH: usize = 256;
/// At the start; it falls by a cosine to zero at the last epoch.
const LEARNING_RATE: f64 = 2e-3;
const WEIGHT_DECAY: f32 = 1e-2;
/// Share of the hidden layer's outputs that a step leaves out.
const DROPOUT: f32 = 0.3;

/// Raw features `[n_features]` of onsets, in groups that shall count the same.
pub type Groups<'a> = Vec<Vec<&'a [f32]>>;

/// The name of the last layer, whose bias is the threshold.
const LAST: &str = "rejection.1";

fn layers(n_features: usize) -> Vec<LayerSpec> {
    let dense = |i: usize, inputs, outputs| LayerSpec::Dense {
        name: format!("{REJECTION_PREFIX}{i}"),
        inputs,
        outputs,
    };
    vec![
        dense(0, n_features, HIDDEN),
        LayerSpec::Relu {},
        dense(1, HIDDEN, 1),
    ]
}

/// The tensors of a network that tells `notes` from `foreign` sounds as `package`, which is of
/// `architecture`, scales them. The same arguments give the same bytes.
///
/// # Errors
/// When the package's scaler is malformed.
///
/// # Panics
/// When there are no notes, or no foreign sounds.
pub fn train(
    architecture: &Architecture,
    package: &ModelPackage,
    notes: &Groups<'_>,
    foreign: &Groups<'_>,
    seed: u64,
) -> Result<Tensors> {
    let scaler = package.scaler()?;
    let device = Device::flex().autodiff();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let layers = layers(scaler.n_features());
    let mut network = Network::new(&layers, &device, &mut random);
    let mut optimizer = AdamWConfig::new()
        .with_weight_decay(WEIGHT_DECAY)
        .with_epsilon(1e-8)
        .init();
    let frames = architecture.preset.patch_frames();
    // Bands and decays vary less than where techniques are learnt: what is foreign has no others.
    let perturbation = architecture.recipe.perturbation.map(|p| PatchPerturbation {
        band_db: 0.5 * p.band_db,
        decay_db: 0.5 * p.decay_db,
        band_decay_db: 0.5 * p.band_decay_db,
    });
    let n_features = scaler.n_features();
    for epoch in 0..EPOCHS {
        let mut order: Vec<(&[f32], f32)> = Vec::with_capacity(2 * DRAWS);
        for (groups, sign) in [(notes, -1.0), (foreign, 1.0)] {
            for _ in 0..DRAWS {
                let group = &groups[random.random_range(0..groups.len())];
                order.push((group[random.random_range(0..group.len())], sign));
            }
        }
        shuffle(&mut order, &mut random);
        let done = epoch as f64 / EPOCHS as f64;
        let rate = LEARNING_RATE * 0.5 * (1.0 + (PI * done).cos());
        for batch in order.chunks(BATCH) {
            let mut values = vec![0.0; batch.len() * n_features];
            let mut signs = Vec::with_capacity(batch.len());
            for ((row, sign), values) in batch.iter().zip(values.chunks_exact_mut(n_features)) {
                let mut row = row.to_vec();
                if let Some(perturbation) = &perturbation {
                    perturbation.apply(&mut row, frames, &mut random);
                }
                scaler.apply(&row, values);
                signs.push(*sign);
            }
            let input = TensorData::new(values, [batch.len(), n_features]);
            let signs = TensorData::new(signs, [batch.len(), 1]);
            let dropout = Dropout {
                rate: DROPOUT,
                random: &mut random,
            };
            let outputs = network.forward(Tensor::<2>::from_data(input, &device), Some(dropout));
            let right = outputs * Tensor::<2>::from_data(signs, &device);
            let loss = log_sigmoid(right).sum() / -(batch.len() as f32);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(rate, network, gradients);
        }
    }
    Ok(network.tensors(&layers))
}

/// `package` with the rejection of `tensors`, as it says zero where these say `threshold`.
///
/// # Errors
/// When they do not fit.
pub fn with_rejection(
    package: &ModelPackage,
    tensors: &Tensors,
    threshold: f32,
) -> Result<ModelPackage> {
    let mut all = package.tensors.clone();
    all.retain(|name, _| !name.starts_with(REJECTION_PREFIX));
    for (name, tensor) in tensors {
        let tensor = if *name == format!("{LAST}.bias") {
            let moved = tensor.values().iter().map(|bias| bias - threshold);
            PackageTensor::new(tensor.shape().to_vec(), moved.collect())
        } else {
            // As our engine keeps them.
            Some(tensor.rounded_to_half())
        };
        if let Some(tensor) = tensor {
            all.insert(name.clone(), tensor);
        }
    }
    let (manifest, source) = (package.manifest.clone(), package.source.clone());
    Ok(ModelPackage::new(manifest, all, source)?)
}
