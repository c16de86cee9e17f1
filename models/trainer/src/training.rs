//! Fitting a network to notes.

use std::f64::consts::PI;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::Technique;
use tocco_engines::Scaler;

use crate::architecture::Architecture;
use crate::network::{Dropout, Network};
use crate::notes::Note;

/// Epochs between two looks at the notes that were left out.
pub const CHECKPOINT_EPOCHS: usize = 5;

/// A trained network.
pub struct Trained {
    /// Fitted on the training notes.
    pub scaler: Scaler,
    /// The weights after the last epoch.
    pub network: Network,
    /// How many of the notes left out were classified rightly after [`CHECKPOINT_EPOCHS`], twice
    /// as many, and so on.
    pub right_at_checkpoints: Vec<usize>,
}

/// Trains `architecture` on the notes `training` for `epochs` epochs, and looks at the notes
/// `left_out` now and then. The same arguments give the same bytes.
pub fn train(
    architecture: &Architecture,
    training: &[&Note],
    left_out: &[&Note],
    epochs: usize,
    seed: u64,
) -> Trained {
    let recipe = &architecture.recipe;
    let device = Device::flex().autodiff();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let scaler = fit_scaler(training, architecture.features.len());
    let mut network = Network::new(&architecture.layers, &device, &mut random);
    let mut optimizer = AdamWConfig::new()
        .with_weight_decay(recipe.weight_decay)
        .with_epsilon(1e-8)
        .init();

    let mut right_at_checkpoints = Vec::new();
    let mut order: Vec<&Note> = training.to_vec();
    for epoch in 0..epochs {
        shuffle(&mut order, &mut random);
        // The rate falls over the recipe's epochs, not over these: an earlier stop is then the
        // same training, stopped earlier.
        let done = epoch as f64 / recipe.epochs as f64;
        let rate = recipe.learning_rate * 0.5 * (1.0 + (PI * done).cos());
        for notes in batches(&order, recipe.batch) {
            let features: Vec<&[f32]> = notes
                .iter()
                .map(|note| any_copy(note, &mut random))
                .collect();
            let dropout = Dropout {
                rate: recipe.dropout,
                random: &mut random,
            };
            let outputs = network.forward(scaled(&features, &scaler, &device), Some(dropout));
            let targets = targets(notes, recipe.label_smoothing, &device);
            let loss = (log_softmax(outputs, 1) * targets).sum() / -(notes.len() as f32);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(rate, network, gradients);
        }
        if (epoch + 1) % CHECKPOINT_EPOCHS == 0 && !left_out.is_empty() {
            right_at_checkpoints.push(count_right(&network, &scaler, left_out));
        }
    }
    Trained {
        scaler,
        network,
        right_at_checkpoints,
    }
}

/// Batches of `size`, the last one larger rather than very small: batch normalisation needs
/// company.
fn batches<'a, 'n>(order: &'a [&'n Note], size: usize) -> impl Iterator<Item = &'a [&'n Note]> {
    let n_batches = (order.len() / size).max(1);
    (0..n_batches).map(move |i| {
        let end = if i + 1 == n_batches {
            order.len()
        } else {
            (i + 1) * size
        };
        &order[i * size..end]
    })
}

/// The note as it is or one of its copies.
fn any_copy<'a>(note: &'a Note, random: &mut ChaCha8Rng) -> &'a [f32] {
    match random.random_range(0..=note.copies.len()) {
        0 => &note.features,
        copy => &note.copies[copy - 1],
    }
}

fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.random_range(0..=i));
    }
}

fn scaled(rows: &[&[f32]], scaler: &Scaler, device: &Device) -> Tensor<2> {
    let n_features = scaler.n_features();
    let mut values = vec![0.0; rows.len() * n_features];
    for (row, values) in rows.iter().zip(values.chunks_exact_mut(n_features)) {
        scaler.apply(row, values);
    }
    Tensor::from_data(TensorData::new(values, [rows.len(), n_features]), device)
}

/// The probability that each class should get, `[batch, n_classes]`.
fn targets(notes: &[&Note], smoothing: f32, device: &Device) -> Tensor<2> {
    let n_classes = Technique::ALL.len();
    let mut values = vec![smoothing / n_classes as f32; notes.len() * n_classes];
    for (note, values) in notes.iter().zip(values.chunks_exact_mut(n_classes)) {
        values[note.technique.class()] += 1.0 - smoothing;
    }
    Tensor::from_data(TensorData::new(values, [notes.len(), n_classes]), device)
}

/// Mean and standard deviation of each feature over the notes and their copies, `[n_features]`.
/// A feature that never changes gets the scale 1.
fn fit_scaler(notes: &[&Note], n_features: usize) -> Scaler {
    let rows = || {
        notes.iter().flat_map(|note| {
            let copies = note.copies.iter().map(Vec::as_slice);
            std::iter::once(note.features.as_slice()).chain(copies)
        })
    };
    let n = rows().count().max(1) as f64;
    let mut mean = vec![0.0_f64; n_features];
    for row in rows() {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value) / n;
        }
    }
    let mut variance = vec![0.0_f64; n_features];
    for row in rows() {
        for ((variance, mean), value) in variance.iter_mut().zip(&mean).zip(row) {
            *variance += (f64::from(*value) - mean).powi(2) / n;
        }
    }
    let scale = variance.iter().map(|variance| {
        let deviation = variance.sqrt() as f32;
        if deviation > 1e-9 { deviation } else { 1.0 }
    });
    let mean = mean.iter().map(|mean| *mean as f32).collect();
    Scaler::new(mean, scale.collect()).expect("finite features have a finite mean and deviation")
}

fn count_right(network: &Network, scaler: &Scaler, notes: &[&Note]) -> usize {
    let rows: Vec<&[f32]> = notes.iter().map(|note| note.features.as_slice()).collect();
    let features = scaled(&rows, scaler, &Device::flex());
    let outputs = network.valid().forward::<ChaCha8Rng>(features, None);
    let classes = outputs.argmax(1).try_into_vec_as::<i64>();
    let classes = classes.expect("the CPU's memory can be read");
    let pairs = classes.iter().zip(notes);
    pairs
        .filter(|(class, note)| usize::try_from(**class) == Ok(note.technique.class()))
        .count()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Notes of eight techniques, `n` of each, that are easy to tell apart: each technique lights
    /// up another few of the features.
    pub(crate) fn easy_notes(n_features: usize, n: usize) -> Vec<Note> {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut notes = Vec::new();
        for i in 0..n * Technique::ALL.len() {
            let technique = Technique::ALL[i % Technique::ALL.len()];
            let mut features = || -> Vec<f32> {
                (0..n_features)
                    .map(|f| {
                        let lit = f % Technique::ALL.len() == technique.class();
                        10.0 + f32::from(u8::from(lit)) + random.random_range(-0.5..0.5)
                    })
                    .collect()
            };
            notes.push(Note {
                take: i,
                player: (i / Technique::ALL.len()) % 4,
                technique,
                features: features(),
                copies: vec![features(), features()],
            });
        }
        notes
    }

    #[test]
    fn easy_notes_are_learnt_and_the_same_seed_gives_the_same_weights() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 10;
        let notes = easy_notes(architecture.features.len(), 20);
        let (left_out, training): (Vec<&Note>, Vec<&Note>) =
            notes.iter().partition(|n| n.player == 3);
        let run = |seed| train(&architecture, &training, &left_out, 10, seed);
        let first = run(1);
        assert_eq!(first.right_at_checkpoints.len(), 2);
        assert!(first.right_at_checkpoints[1] * 10 >= left_out.len() * 9);

        let tensors = |trained: &Trained| trained.network.tensors(&architecture.layers);
        assert_eq!(tensors(&first), tensors(&run(1)));
        assert_ne!(tensors(&first), tensors(&run(2)));
        // Two at the same time do not disturb each other.
        let threads = std::num::NonZeroUsize::new(2).unwrap();
        for again in crate::parallel::map(vec![1, 1], threads, run) {
            assert_eq!(tensors(&first), tensors(&again));
        }
    }

    #[test]
    fn the_scaler_is_fitted_on_what_it_is_given() {
        let note = |values: [f32; 2]| Note {
            take: 0,
            player: 0,
            technique: Technique::Kick,
            features: values.to_vec(),
            copies: Vec::new(),
        };
        let notes = [note([1.0, 7.0]), note([3.0, 7.0])];
        let scaler = fit_scaler(&notes.iter().collect::<Vec<_>>(), 2);
        assert_eq!(scaler.mean(), [2.0, 7.0]);
        assert_eq!(scaler.scale(), [1.0, 1.0]);
    }

    #[test]
    fn no_batch_is_small() {
        let notes = easy_notes(1, 17);
        let order: Vec<&Note> = notes.iter().collect();
        let sizes: Vec<usize> = batches(&order, 64).map(<[_]>::len).collect();
        assert_eq!(sizes, [64, 72]);
        let sizes: Vec<usize> = batches(&order[..5], 64).map(<[_]>::len).collect();
        assert_eq!(sizes, [5]);
    }
}
