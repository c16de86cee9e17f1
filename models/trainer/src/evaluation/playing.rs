//! What is heard of a player who plays: [performances](crate::performance) through detector and
//! networks as the plugin runs them.
//!
//! Hop by hop, first and second decision from one analyzer, and the player is listened to as in the
//! plugin as it is delivered: the last decision about a note teaches both networks, when it is there.
//! Each player's networks are those of the protocol: by leave-one-player-out they have not heard the
//! player. Every session begins with nothing learnt.
//!
//! # What is counted
//! Onsets and labels are matched within [`TOLERANCE_S`], one to one. A label without an onset is
//! *missed*, and its note is named wrongly by both decisions. An onset without a label is *doubled* if
//! it comes up to [`DOUBLED_S`] after one, otherwise *invented*; both lower the precision. Notes are
//! *apart* if no other label is nearer than [`APART_S`], and *rise* if the sound gets louder by
//! [`RISE_DB`] with them ([`Played::rise_db`]). An onset without a label belongs to the label before
//! it: in the figures of notes apart it counts if that one is apart, in those of notes that rise always.
//!
//! A performance plays the same recordings several times, and what has learnt from one may know it again,
//! as no player plays it again. [`Performances::first_played`] has each recording once.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tocco_corpus::Technique;
use tocco_corpus::matching::{TOLERANCE_S, match_onsets};
use tocco_dsp::{Analyzer, HOP, OnsetConfig, SAMPLE_RATE};
use tocco_engines::{Classifier, EngineId, ModelPackage};
use tocco_recognizer::adaptation::SelfTraining;
use tocco_recognizer::input::extraction;

use crate::evaluation::answer::Answer;
use crate::evaluation::decisions::{AdaptiveNetwork, amend, answer, learn};
use crate::notes::fingerprint;
use crate::performance::{Performance, Played, Repertoire, Style};

/// How long each player is heard, seconds; of several sessions each as long as the others.
pub const DURATION_S: f64 = 300.0;
/// An onset without a label up to so long after one is the same note again, seconds.
pub const DOUBLED_S: f64 = 0.06;
/// Notes are apart if the nearest other one is at least so far away, seconds.
pub const APART_S: f64 = 0.1;
/// Notes rise if the sound rises by at least so much with them, dB.
pub const RISE_DB: f32 = 3.0;
/// Later than this after the label a first decision is late, and too late, seconds: what we aim for
/// with *Fast* and *Sure*.
pub const LATE_S: [f64; 2] = [0.011, 0.020];
/// Bounds of the times from one onset to the next by which notes are reported, milliseconds. A performance's
/// first note follows none, and is within no two of them.
pub const GAPS_MS: [f64; 6] = [0.0, 100.0, 150.0, 250.0, 500.0, f64::INFINITY];

/// A note of a performance and what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Which of the players.
    pub player: usize,
    /// The note.
    pub played: Played,
    /// Whether the same recording was played in this performance before.
    pub again: bool,
    /// The time since the note before and up to the next one, seconds.
    pub gaps_s: (f64, f64),
    /// Nothing if it was missed.
    pub heard: Option<HeardNote>,
}

/// What was heard of a note.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HeardNote {
    /// From the label to where the note is said to begin, seconds.
    pub place_s: f64,
    /// From the label to the first decision, seconds.
    pub decided_s: f64,
    /// The classes that it was named, first and second decision; nothing if there is no second one.
    pub named: [Option<usize>; 2],
    /// The same without listening to the player.
    pub plain: [Option<usize>; 2],
}

/// An onset without a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extra {
    /// Whether it follows a label at once.
    pub doubled: bool,
    /// Whether the label before it is apart from others.
    pub apart: bool,
}

/// All performances of an evaluation.
#[derive(Debug, Clone, Default)]
pub struct Performances {
    /// Who plays.
    pub players: Vec<String>,
    /// How many decisions there are about a note: 1, or 2 where a second network amends the first.
    pub decisions: usize,
    /// How long all of them together, seconds.
    pub duration_s: f64,
    /// The notes.
    pub notes: Vec<Judged>,
    /// What was heard beside them.
    pub extras: Vec<Extra>,
}

/// Figures of some of the notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// How many decisions there are: as of [`Performances`].
    pub decisions: usize,
    /// How many were played.
    pub notes: usize,
    /// Of those, how many were heard.
    pub heard: usize,
    /// Onsets that were heard twice.
    pub doubled: usize,
    /// Onsets where nothing was played.
    pub invented: usize,
    /// Right first and second decisions; none of those that there are not.
    pub right: [usize; 2],
    /// The same without listening to the player.
    pub right_plain: [usize; 2],
}

impl Judged {
    /// Whether no other note is near.
    pub fn apart(&self) -> bool {
        self.gaps_s.0.min(self.gaps_s.1) >= APART_S
    }

    /// Whether the sound rises with it.
    pub fn rises(&self) -> bool {
        self.played.rise_db >= RISE_DB
    }
}

impl Figures {
    /// Those of `notes`, about each of which there are so many `decisions`, and `extras`.
    pub fn of<'a>(
        decisions: usize,
        notes: impl IntoIterator<Item = &'a Judged>,
        extras: impl IntoIterator<Item = &'a Extra>,
    ) -> Self {
        let mut figures = Self {
            decisions,
            ..Self::default()
        };
        for note in notes {
            figures.notes += 1;
            let Some(heard) = note.heard else { continue };
            figures.heard += 1;
            let class = Some(note.played.technique.class());
            for decision in 0..2 {
                figures.right[decision] += usize::from(heard.named[decision] == class);
                figures.right_plain[decision] += usize::from(heard.plain[decision] == class);
            }
        }
        for extra in extras {
            if extra.doubled {
                figures.doubled += 1;
            } else {
                figures.invented += 1;
            }
        }
        figures
    }

    /// Share of the onsets that are notes.
    pub fn precision(&self) -> f64 {
        share(self.heard, self.heard + self.doubled + self.invented)
    }

    /// Share of the notes that are heard.
    pub fn recall(&self) -> f64 {
        share(self.heard, self.notes)
    }

    /// Harmonic mean of both.
    pub fn f1(&self) -> f64 {
        let all = self.notes + self.heard + self.doubled + self.invented;
        share(2 * self.heard, all)
    }

    /// Share of the played notes that each decision names rightly, `[decisions]`.
    pub fn accuracy(&self) -> Vec<f64> {
        self.shares(self.right, self.notes)
    }

    /// Share of the heard notes, `[decisions]`.
    pub fn accuracy_of_heard(&self) -> Vec<f64> {
        self.shares(self.right, self.heard)
    }

    /// Share of the played notes, without listening to the player, `[decisions]`.
    pub fn accuracy_plain(&self) -> Vec<f64> {
        self.shares(self.right_plain, self.notes)
    }

    fn shares(&self, right: [usize; 2], whole: usize) -> Vec<f64> {
        let right = right.iter().take(self.decisions);
        right.map(|right| share(*right, whole)).collect()
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Performances {
    /// All notes.
    pub fn all(&self) -> Figures {
        Figures::of(self.decisions, &self.notes, &self.extras)
    }

    /// Notes that are apart.
    pub fn apart(&self) -> Figures {
        Figures::of(
            self.decisions,
            self.notes.iter().filter(|note| note.apart()),
            self.extras.iter().filter(|extra| extra.apart),
        )
    }

    /// Notes that are apart and whose recordings were not played before.
    pub fn first_played(&self) -> Figures {
        self.only(|note| note.apart() && !note.again)
    }

    /// Notes that rise.
    pub fn rising(&self) -> Figures {
        let rising = self.notes.iter().filter(|note| note.rises());
        Figures::of(self.decisions, rising, &self.extras)
    }

    /// Notes that are apart and rise.
    pub fn rising_apart(&self) -> Figures {
        Figures::of(
            self.decisions,
            self.notes
                .iter()
                .filter(|note| note.apart() && note.rises()),
            self.extras.iter().filter(|extra| extra.apart),
        )
    }

    /// Of the notes for which `which` holds how many were heard and named rightly.
    pub fn only(&self, which: impl Fn(&Judged) -> bool) -> Figures {
        let notes = self.notes.iter().filter(|note| which(note));
        Figures::of(self.decisions, notes, [])
    }

    /// Notes that are apart and were played with `technique`.
    pub fn technique(&self, technique: Technique) -> Figures {
        self.only(|note| note.apart() && note.played.technique == technique)
    }

    /// Notes so many milliseconds after the one before; the first one of a performance has none before it and
    /// is not among them.
    pub fn gap(&self, from_ms: f64, to_ms: f64) -> Figures {
        self.only(|note| (from_ms..to_ms).contains(&(1e3 * note.gaps_s.0)))
    }

    /// Mean time from the label to the first decision, and the share of those later than `limit_s`.
    pub fn decided(&self, limit_s: f64) -> (f64, f64) {
        let heard = || self.notes.iter().filter_map(|note| note.heard);
        let n = heard().count().max(1) as f64;
        let mean = heard().map(|heard| heard.decided_s).sum::<f64>() / n;
        let late = heard().filter(|heard| heard.decided_s > limit_s).count();
        (mean, late as f64 / n)
    }
}

/// A player's networks: the first one and, if there is one, that which amends its answers.
#[derive(Debug, Clone)]
pub struct Networks {
    /// The player's code.
    pub player: String,
    /// Their packages, with the statistics that listening needs, if they have any.
    pub packages: Vec<Arc<ModelPackage>>,
}

/// Lets each player of `repertoires` who has networks play, as `seed` says.
///
/// # Errors
/// When a package cannot be run.
pub fn perform(
    repertoires: &[Repertoire],
    networks: &[Networks],
    engine: EngineId,
    seed: u64,
) -> Result<Performances> {
    let mut performances = Performances::default();
    for (player, networks) in networks.iter().enumerate() {
        performances.players.push(networks.player.clone());
        performances.decisions = networks.packages.len();
        let own = |repertoire: &&Repertoire| repertoire.player == networks.player;
        let own: Vec<&Repertoire> = repertoires.iter().filter(own).collect();
        for repertoire in &own {
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&repertoire.session));
            let duration_s = DURATION_S / own.len() as f64;
            let performance = Performance::of(repertoire, &Style::MUSICAL, duration_s, &mut random);
            let onsets = hear(&performance.samples, &networks.packages, engine)?;
            judge(&performance, player, &onsets, &mut performances);
        }
    }
    Ok(performances)
}

/// An onset as the plugin hears and names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeardOnset {
    /// Where the note is said to begin, analysis samples.
    pub position: u64,
    /// When the first decision was there, analysis samples.
    pub decided: u64,
    /// As of a [`HeardNote`].
    pub named: [Option<usize>; 2],
    /// As of a [`HeardNote`].
    pub plain: [Option<usize>; 2],
}

/// A network with what it learns.
struct Ear {
    classifier: Classifier,
    techniques: Vec<Technique>,
    learner: Option<AdaptiveNetwork>,
    outputs: Vec<f32>,
}

impl Ear {
    fn new(package: &ModelPackage, engine: EngineId) -> Result<Self> {
        let classifier = Classifier::new(package, engine)?;
        let labels = classifier.labels().iter();
        let techniques: Vec<Technique> = labels
            .map(|label| label.parse())
            .collect::<Result<_, _>>()
            .context("labels: the package classifies something else than techniques")?;
        let training = SelfTraining::new(package)?;
        Ok(Self {
            outputs: vec![0.0; techniques.len()],
            learner: training.map(|training| AdaptiveNetwork {
                training,
                techniques: techniques.clone(),
            }),
            classifier,
            techniques,
        })
    }

    /// What the network says of `features`, before anything that was learnt.
    fn answer(&mut self, features: &[f32]) -> Result<Answer> {
        self.classifier.classify(features, &mut self.outputs)?;
        let mut probabilities = vec![0.0; Technique::ALL.len()];
        for (technique, output) in self.techniques.iter().zip(&self.outputs) {
            probabilities[technique.class()] = *output;
        }
        let mut point = Vec::new();
        if let Some(AdaptiveNetwork { training, .. }) = &mut self.learner {
            point = vec![0.0; training.n_point()];
            training.point(features, &mut point);
        }
        Ok(Answer {
            take: 0,
            folder: 0,
            player: 0,
            // Not looked at.
            played: Technique::Kick,
            probabilities,
            point,
        })
    }
}

/// What the networks `packages` make of the stream `samples` at the analysis rate.
///
/// # Errors
/// When a package cannot be run.
pub fn hear(
    samples: &[f32],
    packages: &[Arc<ModelPackage>],
    engine: EngineId,
) -> Result<Vec<HeardOnset>> {
    let Some(first) = packages.first() else {
        bail!("performances: no network to hear them");
    };
    let mut first = extraction(first)?;
    let second = packages.get(1);
    let mut second = second.map(|second| extraction(second)).transpose()?;
    let mut analyzer = Analyzer::new(&OnsetConfig::default(), first.method())?;
    let ears = packages.iter().map(|package| Ear::new(package, engine));
    let mut ears: Vec<Ear> = ears.collect::<Result<_>>()?;

    let mut onsets: Vec<HeardOnset> = Vec::new();
    // What the first network said of each note, and what was decided.
    let mut firsts: Vec<(Answer, Answer)> = Vec::new();
    // Until the last note has been decided about.
    let tail = [0.0; (Analyzer::MAXIMUM_POST_ONSET_HOPS + 8) * HOP];
    let mut now = 0;
    for hop in samples
        .as_chunks::<HOP>()
        .0
        .iter()
        .chain(tail.as_chunks::<HOP>().0)
    {
        now += HOP as u64;
        let analysis = analyzer.push_hop(hop, &mut first, second.as_mut());
        if let Some(note) = analysis.note {
            let plain = ears[0].answer(note.features)?;
            let decided = answer(ears[0].learner.as_ref(), &plain);
            onsets.push(HeardOnset {
                position: note.onset.position,
                decided: now,
                named: [Some(decided.class()), None],
                plain: [Some(plain.class()), None],
            });
            firsts.push((plain, decided));
            debug_assert_eq!(note.onset.id + 1, onsets.len() as u64);
            if ears.len() == 1 {
                let (plain, decided) = firsts.last().expect("it was pushed");
                teach(&mut ears, &[plain], std::slice::from_ref(decided));
            }
        }
        if let (Some(note), [_, _]) = (analysis.second, ears.as_slice()) {
            let id = note.onset.id as usize;
            let plain = ears[1].answer(note.features)?;
            let (first, decided) = &firsts[id];
            let second = amend(decided, ears[1].learner.as_ref(), &plain);
            let unlearnt = amend(first, None, &plain);
            onsets[id].named[1] = Some(second.class());
            onsets[id].plain[1] = Some(unlearnt.class());
            let decided = [decided.clone(), second];
            teach(&mut ears, &[first, &plain], &decided);
        }
    }
    Ok(onsets)
}

/// Lets the networks learn the last of what was `decided`, if all of them can.
fn teach(ears: &mut [Ear], plain: &[&Answer], decided: &[Answer]) {
    if ears.iter().any(|ear| ear.learner.is_none()) {
        return;
    }
    let learners = ears.iter_mut().filter_map(|ear| ear.learner.take());
    let mut learners: Vec<AdaptiveNetwork> = learners.collect();
    learn(&mut learners, plain, decided);
    for (ear, learner) in ears.iter_mut().zip(learners) {
        ear.learner = Some(learner);
    }
}

/// Adds the notes of `performance`, played by `player`, of which `onsets` were heard.
fn judge(
    performance: &Performance,
    player: usize,
    onsets: &[HeardOnset],
    performances: &mut Performances,
) {
    let rate = f64::from(SAMPLE_RATE);
    let notes = &performance.notes;
    let labels_s: Vec<f64> = notes.iter().map(|n| n.position as f64 / rate).collect();
    // In the order of time, as the matching wants them.
    let mut order: Vec<usize> = (0..onsets.len()).collect();
    order.sort_by_key(|onset| onsets[*onset].position);
    let onsets_s = order
        .iter()
        .map(|onset| onsets[*onset].position as f64 / rate);
    let onsets_s: Vec<f64> = onsets_s.collect();
    let matches = match_onsets(&labels_s, &onsets_s);
    let first = performances.notes.len();
    let mut known = HashSet::new();
    for (i, (played, matched)) in notes.iter().zip(&matches).enumerate() {
        let gap = |from: Option<usize>, to: Option<usize>| {
            let ends = from
                .zip(to)
                .and_then(|(a, b)| labels_s.get(a).zip(labels_s.get(b)));
            ends.map_or(f64::INFINITY, |(from, to)| to - from)
        };
        performances.notes.push(Judged {
            player,
            played: *played,
            again: !known.insert(played.note),
            gaps_s: (gap(i.checked_sub(1), Some(i)), gap(Some(i), Some(i + 1))),
            heard: matched.map(|matched| {
                let onset = onsets[order[matched]];
                HeardNote {
                    place_s: onsets_s[matched] - labels_s[i],
                    decided_s: onset.decided as f64 / rate - labels_s[i],
                    named: onset.named,
                    plain: onset.plain,
                }
            }),
        });
    }
    for (onset, time_s) in onsets_s.iter().enumerate() {
        if matches.contains(&Some(onset)) {
            continue;
        }
        // An onset may be placed a little before its label.
        let before = labels_s.partition_point(|label| *label <= time_s + TOLERANCE_S);
        let before = before.checked_sub(1);
        performances.extras.push(Extra {
            doubled: before.is_some_and(|label| time_s - labels_s[label] <= DOUBLED_S),
            apart: before.is_none_or(|label| performances.notes[first + label].apart()),
        });
    }
    performances.duration_s += performance.duration_s();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(position: usize, technique: Technique, rise_db: f32) -> Played {
        Played {
            position,
            technique,
            note: 0,
            ghost: false,
            rise_db,
        }
    }

    fn onset(position: u64, named: [Option<usize>; 2]) -> HeardOnset {
        HeardOnset {
            position,
            decided: position + 480,
            named,
            plain: [Some(7), named[1]],
        }
    }

    #[test]
    fn missed_doubled_and_invented_notes_count() {
        let performance = Performance {
            samples: vec![0.0; 96_000],
            notes: vec![
                played(9_600, Technique::Kick, 20.0),
                // 80 ms and 50 ms apart: neither of the three is apart.
                played(24_000, Technique::Tom, 20.0),
                played(27_840, Technique::PalmMute, 1.0),
                played(30_240, Technique::Tom, 20.0),
                played(48_000, Technique::PickOverSoundHole, 1.0),
                played(72_000, Technique::Kick, 20.0),
            ],
        };
        let onsets = [
            // Right; the same again 30 ms later.
            onset(9_700, [Some(0), Some(0)]),
            onset(11_140, [Some(1), Some(1)]),
            // Wrong first, right then; 20 ms later again.
            onset(23_800, [Some(0), Some(2)]),
            onset(25_200, [Some(0), Some(2)]),
            // The palm mute is missed.
            onset(30_240, [Some(2), Some(2)]),
            // The pick is placed 21 ms early: missed, and invented.
            onset(46_990, [Some(7), Some(7)]),
            // Nothing there.
            onset(60_000, [Some(7), Some(7)]),
            onset(72_100, [Some(0), Some(3)]),
        ];
        let mut performances = Performances {
            decisions: 2,
            ..Performances::default()
        };
        judge(&performance, 3, &onsets, &mut performances);
        let all = performances.all();
        assert_eq!((all.notes, all.heard), (6, 4));
        assert_eq!((all.doubled, all.invented), (2, 2));
        assert_eq!(all.precision(), 0.5);
        assert!((all.recall() - 4.0 / 6.0).abs() < 1e-12);
        assert!((all.f1() - 8.0 / 14.0).abs() < 1e-12);
        assert_eq!(all.accuracy(), [0.5, 0.5]);
        assert_eq!(all.accuracy_of_heard(), [0.75, 0.75]);
        assert_eq!(all.accuracy_plain(), [0.0, 0.5]);
        // Kick, pick and kick; the double of the tom belongs to it, the last two onsets to others.
        let apart = performances.apart();
        assert_eq!((apart.notes, apart.heard), (3, 2));
        assert_eq!((apart.doubled, apart.invented), (1, 1));
        let rising = performances.rising();
        assert_eq!((rising.notes, rising.heard), (4, 4));
        assert_eq!((rising.doubled, rising.invented), (2, 2));
        assert_eq!(performances.rising_apart().notes, 2);
        let first = performances.first_played();
        assert_eq!((first.notes, first.right), (1, [1, 1]), "all play note 0");
        assert_eq!(performances.technique(Technique::Tom).notes, 0);
        assert_eq!(performances.technique(Technique::Kick).right, [2, 1]);
        assert_eq!(performances.gap(0.0, 100.0).notes, 2);
        // The first note has none before it.
        assert_eq!(performances.gap(500.0, f64::INFINITY).notes, 1);
        let (mean, late) = performances.decided(0.012);
        assert!((mean - 0.01).abs() < 0.001, "{mean}");
        assert_eq!(late, 0.5);
        assert!(performances.notes.iter().all(|note| note.player == 3));
        // Of a model without second network there is no second figure, whatever was played.
        performances.decisions = 1;
        assert_eq!(performances.all().accuracy(), [0.5]);
        assert_eq!(performances.all().accuracy_of_heard(), [0.75]);
        assert_eq!(performances.apart().accuracy_plain(), [0.0]);
        assert_eq!(performances.technique(Technique::Snare2).accuracy(), [0.0]);
    }
}
