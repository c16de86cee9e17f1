//! The notes of a corpus as a network gets them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Heard, HeardNote, Listener, Take, Technique};
use tocco_dsp::OnsetMethod;
use tocco_dsp::features::FeatureExtractor;

use crate::augmentation::copies::{Augmentation, Augmenter, PRE_ROLL};
use crate::augmentation::rehearsal::rehearse;
use crate::augmentation::ringing::Ringing;
use crate::parallel;
use crate::performance::Repertoire;

/// The latest part of a note that rings under the copies of others, samples after its onset: 400 ms.
const LATEST_RINGING: usize = 19_200;

/// A detected and labelled note.
#[derive(Debug, Clone)]
pub struct Note {
    /// Index of its take in the corpus; of the first piece of it, if the take lies there in pieces.
    pub take: usize,
    /// Index of its recording in the corpus: the take or a piece of it.
    pub piece: usize,
    /// Index of its label there.
    pub label: usize,
    /// Index of the folder of its recording in [`Notes::folders`].
    pub folder: usize,
    /// Whether it is trained on and never tested on.
    pub only_trains: bool,
    /// Index of its player in [`Notes::players`].
    pub player: usize,
    /// Index of its player's sitting among all sittings in alphabetical order.
    pub session: usize,
    /// What was played.
    pub technique: Technique,
    /// Raw features as the plugin gets them, `[n_features]`.
    pub features: Vec<f32>,
    /// Raw features of its copies, `[copies][n_features]`.
    pub copies: Vec<Vec<f32>>,
    /// Raw features of the palm mutes that were made of it, `[copies][n_features]`.
    pub palm_mutes: Vec<Vec<f32>>,
    /// Raw features of the copies that were heard while it was played among others, `[n][n_features]`.
    pub played: Vec<Vec<f32>>,
    /// The same of the palm mutes that were made of it, `[n][n_features]`.
    pub played_palm_mutes: Vec<Vec<f32>>,
}

impl Note {
    /// Its copies, or those of the palm mutes that were made of it.
    pub fn shown(&self, made_palm_mute: bool) -> [&[Vec<f32>]; 2] {
        if made_palm_mute {
            [&self.palm_mutes, &self.played_palm_mutes]
        } else {
            [&self.copies, &self.played]
        }
    }
}

/// A labelled note that was not detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// As of a [`Note`].
    pub take: usize,
    /// As of a [`Note`].
    pub folder: usize,
    /// Index of its player in [`Notes::players`].
    pub player: usize,
    /// What was played.
    pub technique: Technique,
}

/// All detected and labelled notes of a corpus, and what the onset detector made of it.
#[derive(Debug, Clone)]
pub struct Notes {
    /// The notes in the order of takes and time.
    pub notes: Vec<Note>,
    /// The labelled notes that were not detected.
    pub missed: Vec<Missed>,
    /// The players' codes in alphabetical order; then those who are only trained on.
    pub players: Vec<String>,
    /// The folders that the recordings to be tested on lie in.
    pub folders: Vec<String>,
    /// How well the onsets were found.
    pub onsets: Onsets,
    /// How many takes were heard.
    pub n_takes: usize,
}

/// How well onsets were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Onsets {
    /// How they were searched for.
    pub method: OnsetMethod,
    /// Notes labelled by hand.
    pub labelled: usize,
    /// Onsets detected.
    pub detected: usize,
    /// From label to the report of its onset, seconds, one entry for each label that was matched,
    /// ascending.
    pub delays_s: Vec<f64>,
}

/// A take as it was heard.
struct HeardTake<'a> {
    take: &'a Take,
    heard: Heard,
    /// The index of each label's note, `[n_labels]`.
    matches: Vec<Option<usize>>,
}

impl Notes {
    /// Hears all takes of `corpus`, and makes copies as `augmentation` says, seeded by the take
    /// so that it does not matter which other takes there are; only what rings on under a copy is
    /// taken from the player's other takes. Works on `threads` takes at the same time.
    ///
    /// # Errors
    /// When a recording or label is wrong, or no labelled note was detected at all.
    pub fn hear(
        corpus: &Corpus,
        listener: &Listener,
        augmentation: Option<&Augmentation>,
        seed: u64,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        let hear = |take: &Take| Ok(take.hear(listener)?);
        let mut notes = Self::hear_with(corpus, listener, augmentation, seed, threads, hear)?;
        if notes.onsets.delays_s.is_empty() {
            bail!(
                "recordings: expected labelled notes that the onset detector finds within 20 ms, \
                 found none of {} ({} onsets detected); check that the label files belong to the \
                 recordings",
                notes.onsets.labelled,
                notes.onsets.detected
            );
        }
        if let Some(augmentation) = augmentation {
            notes.rehearse(corpus, listener, augmentation, seed, threads)?;
        }
        Ok(notes)
    }

    /// Adds the copies of the notes, which are all of `corpus`, that are heard when they are played.
    fn rehearse(
        &mut self,
        corpus: &Corpus,
        listener: &Listener,
        augmentation: &Augmentation,
        seed: u64,
        threads: NonZeroUsize,
    ) -> Result<()> {
        let plays = augmentation.sound.is_some_and(|sound| sound.played > 0);
        if !plays {
            return Ok(());
        }
        let mut places = BTreeMap::new();
        for (place, note) in self.notes.iter().enumerate() {
            places.insert((note.piece, note.label), place);
        }
        let repertoires = Repertoire::of(corpus)?;
        let rehearsed = parallel::map(repertoires, threads, |repertoire| {
            let seed = seed ^ fingerprint(&repertoire.session);
            let copies = rehearse(&repertoire, listener, augmentation, seed)?;
            anyhow::Ok((repertoire, copies))
        });
        for rehearsed in rehearsed {
            let (repertoire, copies) = rehearsed?;
            for copy in copies {
                let note = &repertoire.notes[copy.note];
                let Some(place) = places.get(&(note.take, note.label)) else {
                    continue;
                };
                let note = &mut self.notes[*place];
                if copy.made_palm_mute {
                    note.played_palm_mutes.push(copy.features);
                } else {
                    note.played.push(copy.features);
                }
            }
        }
        Ok(())
    }

    /// As [`hear`](Self::hear), with each take heard by `hear`. There may be no note that is detected.
    ///
    /// # Errors
    /// When a recording or label is wrong.
    pub fn hear_with(
        corpus: &Corpus,
        listener: &Listener,
        augmentation: Option<&Augmentation>,
        seed: u64,
        threads: NonZeroUsize,
        hear: impl Fn(&Take) -> Result<(Heard, Vec<Option<usize>>)> + Sync,
    ) -> Result<Self> {
        let takes = parallel::map(corpus.takes.iter().collect(), threads, |take: &Take| {
            let (mut heard, matches) = hear(take)?;
            // The sound itself is needed for copies alone.
            if augmentation.is_none() {
                heard.samples = Vec::new();
            }
            Ok(HeardTake {
                take,
                heard,
                matches,
            })
        });
        let takes: Vec<HeardTake<'_>> = takes.into_iter().collect::<Result<_>>()?;
        let mut onsets = Onsets {
            method: listener.method,
            labelled: takes.iter().map(|take| take.matches.len()).sum(),
            detected: takes.iter().map(|take| take.heard.notes.len()).sum(),
            delays_s: takes.iter().flat_map(HeardTake::delays_s).collect(),
        };
        onsets.delays_s.sort_by(f64::total_cmp);

        let players = corpus.players();
        let player = |take: &Take| {
            let found = players.iter().position(|p| *p == take.player);
            found.expect("the corpus lists its players")
        };
        let mut sessions: Vec<&str> = corpus.takes.iter().map(|t| t.session.as_str()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let extractor = FeatureExtractor::new(listener.preset, &listener.features)?;
        let shortest = PRE_ROLL + extractor.history_len();
        let ringing: Vec<Vec<Ringing<'_>>> = (players.iter())
            .filter(|_| augmentation.is_some())
            .map(|player| {
                let own = takes.iter().filter(|take| take.take.player == *player);
                own.flat_map(|take| take.ringing(shortest)).collect()
            })
            .collect();
        let wholes = corpus.wholes();
        let jobs = takes.iter().enumerate().collect();
        let notes = parallel::map(jobs, threads, |(index, take): (usize, &HeardTake<'_>)| {
            let player = player(take.take);
            let session = sessions.iter().position(|s| *s == take.take.session);
            let mut augmenter = augmentation.map(|augmentation| {
                let extractor = FeatureExtractor::new(listener.preset, &listener.features)
                    .expect("one was made of the same names above");
                let random = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&take.take.name));
                Augmenter::new(augmentation, extractor, &ringing[player], random)
            });
            let note = |(label, technique, note): (usize, Technique, &HeardNote)| {
                let (copies, palm_mutes) = match &mut augmenter {
                    None => Default::default(),
                    Some(augmenter) => (
                        augmenter.copies(&take.heard, note, technique),
                        augmenter.palm_mutes(&take.heard, note, technique),
                    ),
                };
                Note {
                    take: wholes[index],
                    piece: index,
                    label,
                    folder: take.take.folder,
                    only_trains: false,
                    player,
                    session: session.expect("the corpus's sessions were listed"),
                    technique,
                    features: note.features.clone(),
                    copies,
                    palm_mutes,
                    played: Vec::new(),
                    played_palm_mutes: Vec::new(),
                }
            };
            take.notes().map(note).collect::<Vec<_>>()
        });
        let missed = takes.iter().zip(&wholes).flat_map(|(take, whole)| {
            let player = player(take.take);
            take.missed().map(move |technique| Missed {
                take: *whole,
                folder: take.take.folder,
                player,
                technique,
            })
        });
        Ok(Self {
            missed: missed.collect(),
            notes: notes.into_iter().flatten().collect(),
            onsets,
            n_takes: {
                let whole = wholes.iter().enumerate().filter(|(i, whole)| i == *whole);
                whole.count()
            },
            folders: (corpus.folders.iter())
                .map(|folder| folder.display().to_string())
                .collect(),
            players: players.clone(),
        })
    }

    /// Adds the notes of `more`, another corpus, to be trained on and never tested on. They count in
    /// no figure.
    pub fn train_also_on(&mut self, more: Self) {
        let takes = self.notes.iter().map(|note| note.take + 1).max();
        let sessions = self.notes.iter().map(|note| note.session + 1).max();
        let (takes, sessions) = (takes.unwrap_or(0), sessions.unwrap_or(0));
        for mut note in more.notes {
            let name = &more.players[note.player];
            let known = self.players.iter().position(|player| player == name);
            note.player = known.unwrap_or_else(|| {
                self.players.push(name.clone());
                self.players.len() - 1
            });
            note.take += takes;
            note.session += sessions;
            note.only_trains = true;
            self.notes.push(note);
        }
    }
}

impl HeardTake<'_> {
    /// The labelled notes that were detected, with the numbers of their labels.
    fn notes(&self) -> impl Iterator<Item = (usize, Technique, &HeardNote)> {
        let labels = self.take.labels.iter().zip(&self.matches).enumerate();
        labels.filter_map(|(i, (label, matched))| {
            Some((i, label.technique, &self.heard.notes[(*matched)?]))
        })
    }

    /// The labelled notes that were not.
    fn missed(&self) -> impl Iterator<Item = Technique> {
        let labels = self.take.labels.iter().zip(&self.matches);
        labels.filter_map(|(label, matched)| matched.is_none().then_some(label.technique))
    }

    /// From each detected label to its detection, seconds.
    fn delays_s(&self) -> impl Iterator<Item = f64> {
        let labels = self.take.labels.iter().zip(&self.matches);
        labels.filter_map(|(label, matched)| {
            Some(self.heard.notes[(*matched)?].detected_s - label.time_s)
        })
    }

    /// What rings after its detected notes for at least `shortest` samples.
    fn ringing(&self, shortest: usize) -> impl Iterator<Item = Ringing<'_>> {
        let onset = |note: &HeardNote| note.onset.position as usize;
        self.notes().filter_map(move |(_, technique, note)| {
            let next = self.heard.notes.iter().find(|n| onset(n) > onset(note));
            let next = next.map_or(usize::MAX, onset);
            let recording = &self.heard.samples;
            Ringing::after(
                technique,
                recording,
                onset(note),
                next,
                LATEST_RINGING,
                shortest,
            )
        })
    }
}

/// A number for a name, the same on every machine (FNV-1a).
pub(crate) fn fingerprint(name: &str) -> u64 {
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
            method: OnsetMethod::Mkl,
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
