//! Fitting a network to notes.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::Technique;
use tocco_engines::Scaler;

use crate::architecture::{Architecture, Sampling, Scaling};
use crate::augmentation::patch_perturbation::{FRAME_LEN, PatchPerturbation};
use crate::network::{Dropout, Network};
use crate::notes::Note;
use crate::shuffle::shuffle;

/// Epochs between two looks at the notes that were left out.
pub const CHECKPOINT_EPOCHS: usize = 5;

/// A trained network.
pub struct Trained {
    /// The softmax's temperature, 1 unless it was fitted afterwards.
    pub temperature: f64,
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
    let (n_features, frames) = (
        architecture.features.len(),
        architecture.preset.patch_frames(),
    );
    let together = match recipe.scaling {
        Scaling::EachFeature => None,
        Scaling::PatchBands => Some(frames),
    };
    let scaler = match &recipe.perturbation {
        None => fit_scaler(training, n_features, together),
        Some(perturbation) => {
            let perturbed = perturbed(training, perturbation, frames, &mut random);
            let perturbed: Vec<&Note> = perturbed.iter().collect();
            fit_scaler(&perturbed, n_features, together)
        }
    };
    let mut network = Network::new(&architecture.layers, &device, &mut random);
    let mut optimizer = AdamWConfig::new()
        .with_weight_decay(recipe.weight_decay)
        .with_epsilon(1e-8)
        .init();

    let mut right_at_checkpoints = Vec::new();
    let mut order = each_note(training);
    for epoch in 0..epochs {
        if let Sampling::EachGroup {
            draws,
            made_palm_mutes,
        } = recipe.sampling
        {
            order = each_group(training, draws, made_palm_mutes, &mut random);
        }
        shuffle(&mut order, &mut random);
        // The rate falls over the recipe's epochs, not over these: an earlier stop is then the
        // same training, stopped earlier.
        let done = epoch as f64 / recipe.epochs as f64;
        let rate = recipe.learning_rate * 0.5 * (1.0 + (PI * done).cos());
        for draws in batches(&order, recipe.batch) {
            let shown = draws.iter().map(|draw| draw.row(&mut random).to_vec());
            let mut shown: Vec<Vec<f32>> = shown.collect();
            for row in &mut shown {
                if let Some(perturbation) = &recipe.perturbation {
                    perturbation.apply(row, frames, &mut random);
                }
                if recipe.hidden_patch > 0.0 && random.random_bool(recipe.hidden_patch) {
                    hide_last_patch(row, frames, &scaler);
                }
            }
            let rows: Vec<&[f32]> = shown.iter().map(Vec::as_slice).collect();
            let targets = targets(draws, recipe.label_smoothing, &device);
            let dropout = Dropout {
                rate: recipe.dropout,
                random: &mut random,
            };
            let outputs = network.forward(scaled(&rows, &scaler, &device), Some(dropout));
            let loss = (log_softmax(outputs, 1) * targets).sum() / -(draws.len() as f32);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(rate, network, gradients);
        }
        if (epoch + 1) % CHECKPOINT_EPOCHS == 0 && !left_out.is_empty() {
            right_at_checkpoints.push(count_right(&network, &scaler, left_out));
        }
    }
    Trained {
        temperature: 1.0,
        scaler,
        network,
        right_at_checkpoints,
    }
}

/// A note to be shown, as what it is or as the palm mute that was made of it.
#[derive(Clone, Copy)]
struct Draw<'a> {
    note: &'a Note,
    made_palm_mute: bool,
}

impl<'a> Draw<'a> {
    /// The note as it is or one of its copies.
    fn row(&self, random: &mut ChaCha8Rng) -> &'a [f32] {
        let [copies, played] = self.note.shown(self.made_palm_mute);
        let own = usize::from(!self.made_palm_mute);
        let drawn = random.random_range(0..own + copies.len() + played.len());
        match drawn.checked_sub(own) {
            None => &self.note.features,
            Some(copy) => copies
                .get(copy)
                .unwrap_or_else(|| &played[copy - copies.len()]),
        }
    }

    fn technique(&self) -> Technique {
        if self.made_palm_mute {
            Technique::PalmMute
        } else {
            self.note.technique
        }
    }
}

fn each_note<'a>(notes: &[&'a Note]) -> Vec<Draw<'a>> {
    let draw = |note: &&'a Note| Draw {
        note,
        made_palm_mute: false,
    };
    notes.iter().map(draw).collect()
}

/// `draws` notes of each technique of each session, and `made` of each session's made palm mutes.
fn each_group<'a>(
    notes: &[&'a Note],
    draws: usize,
    made: usize,
    random: &mut ChaCha8Rng,
) -> Vec<Draw<'a>> {
    let mut groups: BTreeMap<(usize, usize, bool), Vec<Draw<'a>>> = BTreeMap::new();
    for &note in notes {
        for made_palm_mute in [false, true] {
            let draw = Draw {
                note,
                made_palm_mute,
            };
            let made = note.shown(true).iter().any(|copies| !copies.is_empty());
            if !made_palm_mute || made {
                let key = (note.session, draw.technique().class(), made_palm_mute);
                groups.entry(key).or_default().push(draw);
            }
        }
    }
    let mut order = Vec::new();
    for ((_, _, made_palm_mute), group) in &groups {
        let n = if *made_palm_mute { made } else { draws };
        order.extend((0..n).map(|_| group[random.random_range(0..group.len())]));
    }
    order
}

/// Batches of `size`, the last one larger rather than very small: batch normalisation needs
/// company.
fn batches<T>(order: &[T], size: usize) -> impl Iterator<Item = &[T]> {
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

fn scaled(rows: &[&[f32]], scaler: &Scaler, device: &Device) -> Tensor<2> {
    let n_features = scaler.n_features();
    let mut values = vec![0.0; rows.len() * n_features];
    for (row, values) in rows.iter().zip(values.chunks_exact_mut(n_features)) {
        scaler.apply(row, values);
    }
    Tensor::from_data(TensorData::new(values, [rows.len(), n_features]), device)
}

/// The probability that each class should get, `[batch, n_classes]`.
fn targets(draws: &[Draw<'_>], smoothing: f32, device: &Device) -> Tensor<2> {
    let n_classes = Technique::ALL.len();
    let mut values = vec![smoothing / n_classes as f32; draws.len() * n_classes];
    for (draw, values) in draws.iter().zip(values.chunks_exact_mut(n_classes)) {
        values[draw.technique().class()] += 1.0 - smoothing;
    }
    Tensor::from_data(TensorData::new(values, [draws.len(), n_classes]), device)
}

/// Sets the last of the patches of `frames` frames each to what the scaler makes zero.
fn hide_last_patch(row: &mut [f32], frames: &[usize], scaler: &Scaler) {
    let hidden = frames.last().unwrap_or(&0) * FRAME_LEN;
    let from = row.len() - hidden;
    row[from..].copy_from_slice(&scaler.mean()[from..]);
}

/// The notes with all their copies perturbed once: what the scaler is fitted on.
fn perturbed(
    notes: &[&Note],
    perturbation: &PatchPerturbation,
    frames: &[usize],
    random: &mut ChaCha8Rng,
) -> Vec<Note> {
    let mut notes: Vec<Note> = notes.iter().map(|note| (*note).clone()).collect();
    for note in &mut notes {
        let copies = note.copies.iter_mut().chain(&mut note.palm_mutes);
        let played = note.played.iter_mut().chain(&mut note.played_palm_mutes);
        for row in std::iter::once(&mut note.features)
            .chain(copies)
            .chain(played)
        {
            perturbation.apply(row, frames, random);
        }
    }
    notes
}

/// Mean and standard deviation of each feature over the notes and their copies, `[n_features]`, or
/// of all that are scaled together: each band and channel of patches of so many frames. A feature
/// that never changes gets the scale 1.
fn fit_scaler(notes: &[&Note], n_features: usize, together: Option<&[usize]>) -> Scaler {
    let rows = || {
        notes.iter().flat_map(|note| {
            let copies = note.copies.iter().chain(&note.palm_mutes);
            let played = note.played.iter().chain(&note.played_palm_mutes);
            let all = copies.chain(played).map(Vec::as_slice);
            std::iter::once(note.features.as_slice()).chain(all)
        })
    };
    let n = rows().count().max(1) as f64;
    let mut mean = vec![0.0_f64; n_features];
    for row in rows() {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value) / n;
        }
    }
    share(&mut mean, together);
    let mut variance = vec![0.0_f64; n_features];
    for row in rows() {
        for ((variance, mean), value) in variance.iter_mut().zip(&mean).zip(row) {
            *variance += (f64::from(*value) - mean).powi(2) / n;
        }
    }
    share(&mut variance, together);
    let scale = variance.iter().map(|variance| {
        let deviation = variance.sqrt() as f32;
        if deviation > 1e-9 { deviation } else { 1.0 }
    });
    let mean = mean.iter().map(|mean| *mean as f32).collect();
    Scaler::new(mean, scale.collect()).expect("finite features have a finite mean and deviation")
}

/// Gives all features that are scaled together the mean of their `values`.
fn share(values: &mut [f64], together: Option<&[usize]>) {
    let mut rest = values;
    for n_frames in together.unwrap_or_default() {
        let (patch, others) = rest.split_at_mut(n_frames * FRAME_LEN);
        for first in 0..FRAME_LEN {
            let frames = patch[first..].iter_mut().step_by(FRAME_LEN);
            let mean = frames.map(|value| *value).sum::<f64>() / *n_frames as f64;
            for value in patch[first..].iter_mut().step_by(FRAME_LEN) {
                *value = mean;
            }
        }
        rest = others;
    }
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
    use crate::notes::{Notes, Onsets};
    use tocco_dsp::OnsetMethod;

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
                piece: i,
                label: 0,
                folder: 0,
                only_trains: false,
                player: (i / Technique::ALL.len()) % 4,
                session: (i / Technique::ALL.len()) % 4,
                technique,
                features: features(),
                copies: vec![features(), features()],
                palm_mutes: Vec::new(),
                played: Vec::new(),
                played_palm_mutes: Vec::new(),
            });
        }
        notes
    }

    /// The same as all that was heard of four players, each note a take of its own.
    pub(crate) fn easy_corpus(n_features: usize, n: usize) -> Notes {
        let notes = easy_notes(n_features, n);
        Notes {
            players: ["A", "B", "C", "D"].map(str::to_owned).into(),
            folders: vec!["recordings".to_owned()],
            onsets: Onsets {
                method: OnsetMethod::Mkl,
                labelled: notes.len(),
                detected: notes.len(),
                delays_s: vec![0.006; notes.len()],
            },
            missed: Vec::new(),
            n_takes: notes.len(),
            notes,
        }
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
            piece: 0,
            label: 0,
            folder: 0,
            only_trains: false,
            player: 0,
            session: 0,
            technique: Technique::Kick,
            features: values.to_vec(),
            copies: Vec::new(),
            palm_mutes: Vec::new(),
            played: Vec::new(),
            played_palm_mutes: Vec::new(),
        };
        let notes = [note([1.0, 7.0]), note([3.0, 7.0])];
        let notes: Vec<&Note> = notes.iter().collect();
        let scaler = fit_scaler(&notes, 2, None);
        assert_eq!(scaler.mean(), [2.0, 7.0]);
        assert_eq!(scaler.scale(), [1.0, 1.0]);
    }

    #[test]
    fn a_band_is_scaled_over_all_frames_of_its_patch() {
        // Patches of two frames and of one; the first band's level is 1 and 3 in the first, 7 in
        // the second.
        let mut features = vec![0.0; 3 * FRAME_LEN];
        (features[0], features[FRAME_LEN], features[2 * FRAME_LEN]) = (1.0, 3.0, 7.0);
        let mut note = easy_notes(1, 1).swap_remove(0);
        note.features = features;
        note.copies.clear();
        let scaler = fit_scaler(&[&note], 3 * FRAME_LEN, Some(&[2, 1]));
        let mean = [0, FRAME_LEN, 2 * FRAME_LEN, 1].map(|i| scaler.mean()[i]);
        assert_eq!(mean, [2.0, 2.0, 7.0, 0.0]);
        let scale = [0, FRAME_LEN, 2 * FRAME_LEN].map(|i| scaler.scale()[i]);
        assert_eq!(scale, [1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_hidden_patch_is_zero_to_the_network_and_the_others_stay() {
        let n_features = 3 * FRAME_LEN;
        let mean: Vec<f32> = (0..n_features).map(|i| i as f32).collect();
        let scaler = Scaler::new(mean, vec![2.0; n_features]).unwrap();
        let mut row = vec![-7.0; n_features];
        hide_last_patch(&mut row, &[2, 1], &scaler);
        let mut scaled = vec![f32::NAN; n_features];
        scaler.apply(&row, &mut scaled);
        assert!(row[..2 * FRAME_LEN].iter().all(|value| *value == -7.0));
        assert!(scaled[2 * FRAME_LEN..].iter().all(|value| *value == 0.0));
    }

    #[test]
    fn each_technique_of_each_session_is_drawn_as_often() {
        let mut notes = easy_notes(2, 4);
        notes.truncate(19);
        notes[7].palm_mutes = vec![vec![1.0, 2.0]];
        let notes: Vec<&Note> = notes.iter().collect();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let order = each_group(&notes, 5, 3, &mut random);
        // 19 groups of one note each, and one of made palm mutes.
        assert_eq!(order.len(), 19 * 5 + 3);
        let made: Vec<&Draw<'_>> = order.iter().filter(|d| d.made_palm_mute).collect();
        assert_eq!(made.len(), 3);
        assert_eq!(made[0].technique(), Technique::PalmMute);
        assert_eq!(made[0].row(&mut random), [1.0, 2.0]);
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
