//! Copies of notes as they are heard when they are played: among others of the same session, out of
//! silence, under ringing strings, damped or struck again, soft after loud.
//!
//! A copy that is cut out of its recording keeps what its technique's takes have in common: there
//! every percussive note comes out of silence and every pitched one out of a sounding string. In a
//! [`Performance`] all techniques come in the same contexts, and where a note begins is where the
//! plugin's own detector places it there.

use anyhow::Result;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::RealFftPlanner;
use tocco_corpus::matching::match_onsets;
use tocco_corpus::{Listener, Technique};
use tocco_dsp::features::FeatureExtractor;
use tocco_dsp::{Analyzer, Extraction, HOP, OnsetConfig, SAMPLE_RATE};

use crate::augmentation::copies::{Augmentation, SoundAugmentation, is_open};
use crate::augmentation::equaliser::Equaliser;
use crate::augmentation::level::amplitude;
use crate::augmentation::noise::add_noise;
use crate::augmentation::palm_damping::PalmDamping;
use crate::augmentation::room::{Convolver, Room};
use crate::augmentation::slow_attack::SlowAttack;
use crate::augmentation::varispeed::{ratio, varispeed};
use crate::performance::{BEFORE, Cue, CutNote, Performance, Repertoire, Style};
use crate::shuffle::shuffle;

/// Notes of a stream, in one room and through one microphone.
const NOTES: usize = 24;
/// What of a note is heard at most, seconds.
const LONGEST_S: f64 = 0.4;

/// How notes are played to be learnt: wilder than what models are measured with.
const STYLE: Style = Style {
    tempo: (50.0, 200.0),
    divisions: [0.45, 0.3, 0.1, 0.15],
    rests: 0.15,
    loose_s: 0.008,
    pause_s: (0.3, 0.8),
    ghosts: (0.1, -15.0),
    dynamics_db: 6.0,
    damped: 0.45,
    damped_before_s: (0.0, 0.1),
    restruck: 0.15,
};

/// A copy of a note, or of the palm mute that was made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Which note of the repertoire.
    pub note: usize,
    /// Whether it was made into a palm mute.
    pub made_palm_mute: bool,
    /// Raw features, `[n_features]`.
    pub features: Vec<f32>,
}

/// What is heard of the notes of `repertoire` when each is played so many times as `augmentation`
/// says; less often where it is not detected. Nothing if `augmentation` changes no sound.
///
/// # Errors
/// When the listener's settings are wrong.
pub fn rehearse(
    repertoire: &Repertoire,
    listener: &Listener,
    augmentation: &Augmentation,
    seed: u64,
) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for Rehearsal { turns, performance } in Rehearsal::all(repertoire, augmentation, seed) {
        let heard = hear(&performance, listener)?;
        copies.extend(heard.into_iter().map(|(turn, features)| Copy {
            note: turns[turn].0,
            made_palm_mute: turns[turn].1,
            features,
        }));
    }
    Ok(copies)
}

/// A stream of notes in one room and through one microphone.
pub(crate) struct Rehearsal {
    /// The repertoire's note of each that is played, and whether it is made into a palm mute.
    turns: Vec<(usize, bool)>,
    pub(crate) performance: Performance,
}

impl Rehearsal {
    /// The notes of `repertoire`, each played so many times as `augmentation` says, one stream after the
    /// other. None if `augmentation` changes no sound.
    pub(crate) fn all<'a>(
        repertoire: &'a Repertoire,
        augmentation: &'a Augmentation,
        seed: u64,
    ) -> impl Iterator<Item = Self> + use<'a> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut turns: Vec<(usize, bool)> = Vec::new();
        if let Some(sound) = &augmentation.sound {
            for (i, note) in repertoire.notes.iter().enumerate() {
                turns.extend(std::iter::repeat_n((i, false), sound.played));
                if is_open(note.technique) {
                    turns.extend(std::iter::repeat_n((i, true), sound.played_palm_mutes));
                }
            }
        }
        shuffle(&mut turns, &mut random);
        let mut studio = Studio::new(&repertoire.notes);
        let mut streams = turns
            .chunks(NOTES)
            .map(<[_]>::to_vec)
            .collect::<Vec<_>>()
            .into_iter();
        std::iter::from_fn(move || {
            let (turns, sound) = (streams.next()?, augmentation.sound.as_ref()?);
            let mut onsets: Vec<f64> = Vec::new();
            while onsets.len() < turns.len() {
                let from = onsets.last().map_or(0.0, |last| last + 0.2);
                onsets.extend(STYLE.rhythm(10.0, &mut random).iter().map(|t| from + t));
            }
            let cues = turns.iter().zip(&onsets).map(|((note, palm), onset)| Cue {
                position: (onset * f64::from(SAMPLE_RATE)) as usize,
                technique: if *palm {
                    Technique::PalmMute
                } else {
                    repertoire.notes[*note].technique
                },
                note: *note,
            });
            let cues: Vec<Cue> = cues.collect();
            let mut performance = Performance::play(&cues, &STYLE, &mut random, |cue, random| {
                studio.sound(cue, sound, random)
            });
            studio.record(&mut performance.samples, augmentation, sound, &mut random);
            Some(Self { turns, performance })
        })
    }
}

/// Where notes get another sound.
pub(crate) struct Studio<'a> {
    notes: &'a [CutNote],
    convolver: Convolver,
    planner: RealFftPlanner<f32>,
}

impl<'a> Studio<'a> {
    /// For these `notes`.
    pub(crate) fn new(notes: &'a [CutNote]) -> Self {
        Self {
            notes,
            convolver: Convolver::default(),
            planner: RealFftPlanner::new(),
        }
    }

    /// The note of `cue` on another string of another guitar; a made palm mute if it is one and the
    /// note is none.
    fn sound(&mut self, cue: &Cue, sound: &SoundAugmentation, random: &mut impl Rng) -> Vec<f32> {
        let note = &self.notes[cue.note];
        let semitones = if note.technique.is_pitched() {
            sound.pitched_semitones
        } else {
            sound.percussive_semitones
        };
        let speed = ratio(random.random_range(-semitones..=semitones));
        let after = (note.samples.len() - BEFORE) as f64 / speed;
        let after = after.min(LONGEST_S * f64::from(SAMPLE_RATE)) as usize;
        let before = BEFORE as i64;
        let mut samples = varispeed(&note.samples, before, before, BEFORE + after, speed);
        if cue.technique != note.technique {
            let damping = PalmDamping::draw(random);
            damping.apply(&mut samples, BEFORE, SAMPLE_RATE as f32, &mut self.planner);
        }
        let slow = if note.technique.is_pitched() {
            sound.slow_attacks.0
        } else {
            sound.slow_attacks.1
        };
        if random.random_bool(slow) {
            SlowAttack::draw(random).apply(&mut samples, BEFORE, SAMPLE_RATE as f32);
        }
        samples
    }

    /// The stream `samples` in another room, through another microphone.
    pub(crate) fn record(
        &mut self,
        samples: &mut [f32],
        augmentation: &Augmentation,
        sound: &SoundAugmentation,
        random: &mut ChaCha8Rng,
    ) {
        let rate = SAMPLE_RATE as f32;
        Equaliser::draw(&sound.equaliser, rate, random).apply(samples);
        let room = Room::draw(&sound.room, random);
        let room = room.impulse_response(rate, samples.len(), random);
        self.convolver.apply(samples, &room);
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let (low, high) = augmentation.noise_db;
        let noise = amplitude(random.random_range(low..=high));
        add_noise(samples, peak * noise, random);
        // As loud as guitars are recorded.
        let level = amplitude(random.random_range(-20.0..=-3.0)) / peak.max(1e-6);
        let level = if random.random_bool(0.5) {
            level
        } else {
            -level
        };
        samples.iter_mut().for_each(|sample| *sample *= level);
    }
}

/// The detected notes of `performance`: their places in it and raw features `[n_features]`.
fn hear(performance: &Performance, listener: &Listener) -> Result<Vec<(usize, Vec<f32>)>> {
    let extractor = FeatureExtractor::new(listener.preset, &listener.features)?;
    let wait = listener.post_onset_hops;
    let mut extraction = Extraction::new(listener.method, extractor, wait)?;
    // Whoever learns from notes that are hardly heard names the others worse (`models/RESEARCH.md`).
    let onset = OnsetConfig {
        second_look: false,
        ..listener.onset
    };
    let mut analyzer = Analyzer::new(&onset, listener.method)?;
    let mut notes: Vec<(u64, Vec<f32>)> = Vec::new();
    for hop in performance.samples.as_chunks::<HOP>().0 {
        if let Some(note) = analyzer.push_hop(hop, &mut extraction, None).note {
            notes.push((note.onset.position, note.features.to_vec()));
        }
    }
    notes.sort_by_key(|(position, _)| *position);
    let seconds = |position: f64| position / f64::from(SAMPLE_RATE);
    let onsets: Vec<f64> = notes.iter().map(|(p, _)| seconds(*p as f64)).collect();
    let labels = performance.notes.iter();
    let labels: Vec<f64> = labels.map(|n| seconds(n.position as f64)).collect();
    let matches = match_onsets(&labels, &onsets).into_iter().enumerate();
    let heard = matches.filter_map(|(i, onset)| Some((i, std::mem::take(&mut notes[onset?].1))));
    Ok(heard.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;

    #[test]
    fn every_note_is_heard_in_turn_and_open_ones_as_palm_mutes_too() {
        // Decaying tones, high for the open note.
        let note = |technique: Technique, hertz: f32| {
            let sound = |i: usize| {
                let t = (i as f32 - BEFORE as f32) / 48_000.0;
                let tone = (std::f32::consts::TAU * hertz * t).sin() * (-25.0 * t).exp();
                if t < 0.0 { 0.0 } else { 0.5 * tone }
            };
            CutNote {
                technique,
                take: technique.class(),
                label: 0,
                samples: (0..BEFORE + 24_000).map(sound).collect(),
            }
        };
        let repertoire = Repertoire {
            player: "AnnAri".to_owned(),
            session: "AnnAri".to_owned(),
            notes: vec![
                note(Technique::Kick, 90.0),
                note(Technique::PickOverSoundHole, 2_000.0),
            ],
        };
        let architecture = Architecture::find("tocco").unwrap();
        let mut augmentation = architecture.recipe.augmentation;
        let listener = architecture.listener();
        let mut played = |played: usize, palm_mutes: usize| {
            let sound = augmentation.sound.as_mut().unwrap();
            (sound.played, sound.played_palm_mutes) = (played, palm_mutes);
            rehearse(&repertoire, &listener, &augmentation, 1).unwrap()
        };
        assert_eq!(played(0, 0), []);
        let copies = played(12, 6);
        assert_eq!(copies, played(12, 6), "the same seed");
        let count = |note: usize, made: bool| {
            let own = copies.iter();
            own.filter(|c| (c.note, c.made_palm_mute) == (note, made))
                .count()
        };
        assert_eq!(count(0, true), 0);
        for (note, made, turns) in [(0, false, 12), (1, false, 12), (1, true, 6)] {
            let heard = count(note, made);
            assert!(heard <= turns && 2 * heard > turns, "{heard} of {turns}");
        }
        let features = |copy: &Copy| copy.features.len() == architecture.features.len();
        assert!(copies.iter().all(features));
        assert!(
            copies
                .iter()
                .flat_map(|c| &c.features)
                .all(|f| f.is_finite())
        );
    }
}
