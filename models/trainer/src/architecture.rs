//! The networks that can be trained, and how each is trained best.

use anyhow::{Result, bail};
use tocco_corpus::Listener;
use tocco_dsp::features::Preset;
use tocco_dsp::{OnsetConfig, OnsetMethod};
use tocco_engines::WeightFormat;
use tocco_engines::package::manifest::LayerSpec;

use crate::augmentation::copies::{Augmentation, SoundAugmentation};
use crate::augmentation::equaliser::EqualiserRange;
use crate::augmentation::patch_perturbation::PatchPerturbation;
use crate::augmentation::room::RoomRange;

/// Epsilon of batch normalisation: the default of Keras, with which the paper trained.
const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Everything that makes a model but its weights.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// The package's id and folder name.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Id of the architecture that amends its answers, if one does.
    pub second: Option<&'static str>,
    /// How its notes are found.
    pub onset: OnsetMethod,
    /// The family of its features.
    pub preset: Preset,
    /// Its features in the order of the input, `[n_features]`.
    pub features: Vec<String>,
    /// Hops between onset and features.
    pub post_onset_hops: usize,
    /// What our engines store its weights as; `None`: as they do by default.
    pub weight_format: Option<WeightFormat>,
    /// Whether its package stores the weights in half precision, which takes half the place in the
    /// plugin.
    pub stored_in_half: bool,
    /// Its layers, the last of them a softmax.
    pub layers: Vec<LayerSpec>,
    /// Parameters that the layers must have, those of batch normalisation that are not trained
    /// included.
    pub n_parameters: usize,
    /// How it is trained.
    pub recipe: Recipe,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Longest training, epochs. An epoch shows each note once, in one of its copies.
    pub epochs: usize,
    /// Notes a step.
    pub batch: usize,
    /// Learning rate at the start; it falls by a cosine to zero at the last epoch.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Share of each hidden layer's outputs that a step leaves out.
    pub dropout: f32,
    /// Share of the target probability that is spread over all classes.
    pub label_smoothing: f32,
    /// The copies of the notes.
    pub augmentation: Augmentation,
    /// How each note that is shown is changed beside that, in its features, if it is.
    pub perturbation: Option<PatchPerturbation>,
    /// Share of the notes of which the last patch is hidden when they are shown: what there is of
    /// the attack is then learnt although the rest tells more. Of features without patches, nothing.
    pub hidden_patch: f64,
    /// What an epoch shows.
    pub sampling: Sampling,
    /// How the features are scaled.
    pub scaling: Scaling,
    /// Whether the number of epochs is chosen on notes left out; else it is [`epochs`](Self::epochs).
    pub early_stopping: bool,
    /// Whether the softmax gets a temperature, fitted on notes left out.
    pub tempered: bool,
}

/// What an epoch shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// Each note once, in one of its copies.
    EachNote,
    /// As many notes, drawn at random, of each technique of each session, so that none is heard
    /// more often because more was recorded of it.
    EachGroup {
        /// Notes drawn of each.
        draws: usize,
        /// Palm mutes drawn of those that are made of a session's open notes.
        made_palm_mutes: usize,
    },
}

/// How features are scaled to zero mean and a deviation of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// Each on its own.
    EachFeature,
    /// The features of one band and channel of a log-Bark patch together, over all its frames. A
    /// frame that is nearly always silent is then not blown up.
    PatchBands,
}

/// How the paper's networks are trained beside what differs between them.
const PAPER_RECIPE: Recipe = Recipe {
    epochs: 0,
    batch: 64,
    learning_rate: 1e-3,
    weight_decay: 1e-2,
    dropout: 0.0,
    label_smoothing: 0.05,
    augmentation: Augmentation::PLAIN,
    perturbation: None,
    hidden_patch: 0.0,
    sampling: Sampling::EachNote,
    scaling: Scaling::EachFeature,
    early_stopping: true,
    tempered: false,
};

impl Architecture {
    /// All that can be trained, in alphabetical order.
    pub fn all() -> Vec<Self> {
        vec![
            paper_a(),
            paper_b(),
            paper_c(),
            tocco(),
            tocco_late(),
            tocco_sure(),
        ]
    }

    /// The one named `id`.
    ///
    /// # Errors
    /// When there is none of that name; the error lists those there are.
    pub fn find(id: &str) -> Result<Self> {
        let mut all = Self::all();
        let Some(index) = all.iter().position(|architecture| architecture.id == id) else {
            let ids: Vec<&str> = all.iter().map(|architecture| architecture.id).collect();
            bail!(
                "--model: expected one of {}, which can be trained, found {id:?}",
                ids.join(", ")
            );
        };
        Ok(all.swap_remove(index))
    }

    /// How recordings are heard for this network.
    pub fn listener(&self) -> Listener {
        Listener {
            method: self.onset,
            onset: OnsetConfig::default(),
            preset: self.preset,
            features: self.features.clone(),
            post_onset_hops: self.post_onset_hops,
        }
    }
}

/// What the paper's three networks share: features and timing.
fn of_the_paper(
    id: &'static str,
    title: &'static str,
    features: &str,
    layers: Vec<LayerSpec>,
    n_parameters: usize,
    recipe: Recipe,
) -> Architecture {
    Architecture {
        id,
        title,
        second: None,
        onset: OnsetMethod::Mkl,
        preset: Preset::Timbreid,
        features: features.split_whitespace().map(str::to_owned).collect(),
        // 704 samples at 48 kHz less the detector's mean delay, rounded up to hops (the authors'
        // plugin; `shared/facts.md`).
        post_onset_hops: 5,
        weight_format: None,
        // The engine rounds them so when it loads them, anyway.
        stored_in_half: true,
        layers,
        n_parameters,
        recipe,
    }
}

/// Model A: four hidden layers of 800, batch normalisation between them (paper, section 3.3).
fn paper_a() -> Architecture {
    let layers = perceptron(180, &[800; 4], true);
    let recipe = Recipe {
        epochs: 80,
        dropout: 0.3,
        ..PAPER_RECIPE
    };
    let features = include_str!("../features/a.txt");
    of_the_paper(
        "a",
        "Model A of the paper",
        features,
        layers,
        2_083_208,
        recipe,
    )
}

/// Model B: six hidden layers of 350 (paper, section 3.3).
fn paper_b() -> Architecture {
    let layers = perceptron(173, &[350; 6], false);
    let recipe = Recipe {
        epochs: 120,
        dropout: 0.1,
        ..PAPER_RECIPE
    };
    let features = include_str!("../features/b.txt");
    of_the_paper(
        "b",
        "Model B of the paper",
        features,
        layers,
        677_958,
        recipe,
    )
}

/// Model C: one hidden layer of 350 (paper, section 3.3).
fn paper_c() -> Architecture {
    let layers = perceptron(173, &[350], false);
    let recipe = Recipe {
        epochs: 200,
        dropout: 0.3,
        ..PAPER_RECIPE
    };
    let features = include_str!("../features/c.txt");
    of_the_paper(
        "c",
        "Model C of the paper",
        features,
        layers,
        63_708,
        recipe,
    )
}

/// Our own: a log-Bark patch, and a recipe made for players who are in no recording. What was
/// tried for it stands in `models/RESEARCH.md`.
fn tocco() -> Architecture {
    let features = Preset::LogBark.feature_names();
    let recipe = Recipe {
        epochs: 300,
        batch: 128,
        learning_rate: 1.5e-3,
        weight_decay: 3e-3,
        dropout: 0.3,
        label_smoothing: 0.1,
        augmentation: Augmentation {
            copies: 24,
            jitter: (-64, 128),
            gain_db: 0.0,
            noise_db: (-75.0, -34.0),
            sound: Some(SoundAugmentation {
                pitched_semitones: 9.0,
                percussive_semitones: 4.0,
                equaliser: EqualiserRange {
                    tilt_db: 2.0,
                    bell_db: 6.0,
                    shelf_db: 10.0,
                },
                room: RoomRange {
                    rt60_s: (0.08, 0.5),
                    level_db: (-26.0, -3.0),
                },
                ringing_share: 0.5,
                ringing_db: (-30.0, -6.0),
                palm_mutes: 24,
                played: 8,
                played_palm_mutes: 8,
                slow_attacks: (0.5, 0.2),
            }),
        },
        perturbation: Some(PatchPerturbation {
            band_db: 6.0,
            decay_db: 12.0,
            band_decay_db: 6.0,
        }),
        hidden_patch: 0.0,
        sampling: Sampling::EachGroup {
            draws: 20,
            made_palm_mutes: 12,
        },
        scaling: Scaling::PatchBands,
        early_stopping: false,
        tempered: true,
    };
    Architecture {
        id: "tocco",
        title: "Tocco",
        second: Some("tocco-late"),
        onset: OnsetMethod::Flux,
        preset: Preset::LogBark,
        layers: perceptron(features.len(), &[384, 128], false),
        features,
        post_onset_hops: 7,
        // Small enough then for the audio thread of a Raspberry Pi 4 (`shared/facts.md`).
        weight_format: Some(WeightFormat::Int8),
        stored_in_half: false,
        n_parameters: 290_312,
        recipe,
    }
}

/// As [`tocco`], but it listens for 149 ms: surer of what has a pitch, and too late to play by.
fn tocco_late() -> Architecture {
    let features = Preset::LogBarkLate.feature_names();
    let attack = tocco();
    Architecture {
        id: "tocco-late",
        title: "Tocco-late",
        second: None,
        preset: Preset::LogBarkLate,
        layers: perceptron(features.len(), &[512, 256], false),
        features,
        post_onset_hops: 7 + 105,
        n_parameters: 797_448,
        recipe: Recipe {
            hidden_patch: 0.3,
            scaling: Scaling::EachFeature,
            ..attack.recipe
        },
        ..attack
    }
}

/// As [`tocco`], but it listens for 6.7 ms more: surer of what has a pitch, and still there within 20 ms.
fn tocco_sure() -> Architecture {
    let features = Preset::LogBarkSure.feature_names();
    Architecture {
        id: "tocco-sure",
        title: "Tocco-sure",
        preset: Preset::LogBarkSure,
        // As many weights as `tocco` has at most: it shall run where that one does.
        layers: perceptron(features.len(), &[320, 128], false),
        features,
        post_onset_hops: 7 + 5,
        stored_in_half: true,
        n_parameters: 272_840,
        ..tocco()
    }
}

/// `n_features` inputs, dense hidden layers with ReLU, eight outputs with softmax; if wanted with
/// batch normalisation after each hidden layer but the last.
fn perceptron(n_features: usize, hidden: &[usize], batch_norm: bool) -> Vec<LayerSpec> {
    let mut layers = Vec::new();
    let mut inputs = n_features;
    for (i, &outputs) in hidden.iter().enumerate() {
        layers.push(LayerSpec::Dense {
            name: format!("dense_{i}"),
            inputs,
            outputs,
        });
        layers.push(LayerSpec::Relu {});
        if batch_norm && i + 1 < hidden.len() {
            layers.push(LayerSpec::BatchNorm {
                name: format!("batch_norm_{i}"),
                size: outputs,
                epsilon: BATCH_NORM_EPSILON,
            });
        }
        inputs = outputs;
    }
    layers.push(LayerSpec::Dense {
        name: format!("dense_{}", hidden.len()),
        inputs,
        outputs: tocco_corpus::Technique::ALL.len(),
    });
    layers.push(LayerSpec::Softmax { temperature: 1.0 });
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_networks_take_the_papers_features() {
        for (id, n_features) in [("a", 180), ("b", 173), ("c", 173)] {
            let architecture = Architecture::find(id).unwrap();
            assert_eq!(architecture.features.len(), n_features);
            let known = architecture.preset.feature_names();
            let unknown = architecture.features.iter().find(|f| !known.contains(f));
            assert_eq!(unknown, None, "{id}");
        }
        let count = |kind: &str| {
            let features = Architecture::find("a").unwrap().features;
            features.iter().filter(|f| f.starts_with(kind)).count()
        };
        let counts = ["cepstrum_", "barkSpec_", "bfcc_", "mfcc_"].map(count);
        assert_eq!(counts, [58, 50, 37, 31]);
    }

    #[test]
    fn an_unknown_model_is_told_what_there_is() {
        let message = Architecture::find("d").unwrap_err().to_string();
        assert_eq!(
            message,
            "--model: expected one of a, b, c, tocco, tocco-late, tocco-sure, which can be trained, found \"d\""
        );
    }
}
