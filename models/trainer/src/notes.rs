//! The notes of a corpus as a network gets them.

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Heard, Listener, Technique};
use tocco_dsp::features::FeatureExtractor;

use crate::augmentation::Augmentation;

/// A detected and labelled note.
#[derive(Debug, Clone)]
pub struct Note {
    /// Index of its take in the corpus.
    pub take: usize,
    /// Index of its player in [`Notes::players`].
    pub player: usize,
    /// What was played.
    pub technique: Technique,
    /// Raw features as the plugin gets them, `[n_features]`.
    pub features: Vec<f32>,
    /// Raw features of its copies, `[copies][n_features]`.
    pub copies: Vec<Vec<f32>>,
}

/// All detected and labelled notes of a corpus, and what the onset detector made of it.
#[derive(Debug, Clone)]
pub struct Notes {
    /// The notes in the order of takes and time.
    pub notes: Vec<Note>,
    /// The players' codes in alphabetical order.
    pub players: Vec<String>,
    /// How well the onsets were found.
    pub onsets: Onsets,
    /// How many takes were heard.
    pub n_takes: usize,
}

/// How well onsets were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Onsets {
    /// Notes labelled by hand.
    pub labelled: usize,
    /// Onsets detected.
    pub detected: usize,
    /// From label to the report of its onset, seconds, one entry for each label that was matched,
    /// ascending.
    pub delays_s: Vec<f64>,
}

impl Notes {
    /// Hears all takes of `corpus`, and makes copies as `augmentation` says, seeded by the take
    /// so that it does not matter which other takes there are.
    ///
    /// # Errors
    /// When a recording or label is wrong, or no labelled note was detected at all.
    pub fn hear(
        corpus: &Corpus,
        listener: &Listener,
        augmentation: Option<&Augmentation>,
        seed: u64,
    ) -> Result<Self> {
        let players = corpus.players();
        let mut extractor = FeatureExtractor::new(listener.preset, &listener.features)?;
        let mut notes = Vec::new();
        let mut onsets = Onsets {
            labelled: 0,
            detected: 0,
            delays_s: Vec::new(),
        };
        for (take_index, take) in corpus.takes.iter().enumerate() {
            let (heard, matches) = take.hear(listener)?;
            onsets.labelled += take.labels.len();
            onsets.detected += heard.notes.len();
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&take.name));
            let player = players.iter().position(|p| *p == take.player);
            for (label, matched) in take.labels.iter().zip(matches) {
                let Some(note) = matched.map(|index| &heard.notes[index]) else {
                    continue;
                };
                onsets.delays_s.push(note.detected_s - label.time_s);
                let copies = augmentation.map_or_else(Vec::new, |augmentation| {
                    let end = note.window_end as i64;
                    copies(&heard, end, &mut extractor, augmentation, &mut random)
                });
                notes.push(Note {
                    take: take_index,
                    player: player.expect("the corpus lists its players"),
                    technique: label.technique,
                    features: note.features.clone(),
                    copies,
                });
            }
        }
        if notes.is_empty() {
            bail!(
                "recordings: expected labelled notes that the onset detector finds within 20 ms, \
                 found none of {} ({} onsets detected); check that the label files belong to the \
                 recordings",
                onsets.labelled,
                onsets.detected
            );
        }
        onsets.delays_s.sort_by(f64::total_cmp);
        Ok(Self {
            notes,
            players,
            onsets,
            n_takes: corpus.takes.len(),
        })
    }
}

fn copies(
    heard: &Heard,
    window_end: i64,
    extractor: &mut FeatureExtractor,
    augmentation: &Augmentation,
    random: &mut ChaCha8Rng,
) -> Vec<Vec<f32>> {
    let mut copy = || {
        let end = window_end + augmentation.shift(random);
        let mut window = heard.window(end, extractor.history_len());
        augmentation.alter(&mut window, random);
        let mut features = vec![0.0; extractor.n_features()];
        extractor.extract(&window, &mut features);
        features
    };
    (0..augmentation.copies).map(|_| copy()).collect()
}

/// A number for a name, the same on every machine (FNV-1a).
fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Onsets {
    /// Share of the detected onsets that are labelled notes.
    pub fn precision(&self) -> f64 {
        self.delays_s.len() as f64 / self.detected.max(1) as f64
    }

    /// Share of the labelled notes that were detected.
    pub fn recall(&self) -> f64 {
        self.delays_s.len() as f64 / self.labelled.max(1) as f64
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        2.0 * self.delays_s.len() as f64 / (self.detected + self.labelled).max(1) as f64
    }

    /// Mean delay, milliseconds.
    pub fn mean_delay_ms(&self) -> f64 {
        1e3 * self.delays_s.iter().sum::<f64>() / self.delays_s.len().max(1) as f64
    }

    /// The delay that 95 % of the notes keep below, milliseconds.
    pub fn p95_delay_ms(&self) -> f64 {
        let rank = (0.95 * self.delays_s.len() as f64).ceil() as usize;
        let delay = self.delays_s.get(rank.saturating_sub(1));
        1e3 * delay.copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn onset_scores_follow_from_the_counts() {
        let onsets = Onsets {
            labelled: 25,
            detected: 40,
            delays_s: (1..=20).map(|i| f64::from(i) / 1000.0).collect(),
        };
        assert_eq!(onsets.precision(), 0.5);
        assert_eq!(onsets.recall(), 0.8);
        let harmonic = 2.0 / (1.0 / 0.5 + 1.0 / 0.8);
        assert!((onsets.f1() - harmonic).abs() < 1e-12);
        assert!((onsets.mean_delay_ms() - 10.5).abs() < 1e-9);
        assert!((onsets.p95_delay_ms() - 19.0).abs() < 1e-9);
    }
}
