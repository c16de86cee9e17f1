//! The same takes as they would have sounded elsewhere: with nothing or with another note ringing
//! before each, in another room, through another microphone, at another level.
//!
//! The whole recording is altered and then heard as the plugin hears it, so that a note that is
//! no longer detected counts as well.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Listener, Recording, Take, Technique};
use tocco_dsp::features::FeatureExtractor;

use crate::augmentation::equaliser::Equaliser;
use crate::augmentation::level::{amplitude, power};
use crate::augmentation::noise::add_noise;
use crate::augmentation::ringing::Ringing;
use crate::augmentation::room::{Convolver, Room};
use crate::notes::{Notes, fingerprint};

/// How long another note rings before the onset under which it is mixed, seconds.
const RINGS_BEFORE_S: f64 = 0.2;
/// And after it: on to the end of what the second decision hears of the note, and the fade.
const RINGS_AFTER_S: f64 = 0.19;
/// The latest part of a note that rings under others, seconds after its onset.
const LATEST_S: f64 = 0.5;
/// Over which part of the note its level counts, seconds from the onset: up to the features.
const NOTE_S: f64 = 0.013;
/// A ringing note is faded in and out over this, seconds, so that it has no onset of its own.
const FADE_S: f64 = 0.03;

/// What rang before a note is faded out over this, seconds.
const QUIET_FADE_S: f64 = 0.03;
/// And then nothing is left of it for so long, seconds, if the note before is not too near: longer
/// than any onset detector here remembers.
const QUIET_S: f64 = 0.15;
/// Where the recording comes back before the label, it does so over this, seconds, or half the margin.
const QUIET_RISE_S: f64 = 0.001;
/// Highest sample of the room noise where it is quiet, dB full scale.
const ROOM_NOISE_DB: f32 = -76.0;

/// Notes heard under a condition.
#[derive(Debug, Clone)]
pub struct Altered {
    /// The condition.
    pub name: &'static str,
    /// The notes at the onsets that are detected without it.
    pub at_clean_onsets: Notes,
    /// The notes that are detected under it.
    pub detected: Notes,
}

/// Something that takes are altered by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// What rang before each note is faded out until so many milliseconds before its label; there is
    /// room noise instead.
    Quiet(f64),
    /// Under each note rings one of another technique of the same player, so many dB against it.
    Ringing(f32),
    /// Another room.
    Room(Room),
    /// Another microphone: the spectrum is tilted by so many dB an octave.
    Tilt(f32),
    /// White noise with peaks so many dB below those of the recording.
    Noise(f32),
    /// Another level, dB.
    Level(f32),
}

/// All that is measured, with their names in reports.
pub const CONDITIONS: [(&str, Condition); 14] = [
    ("quiet before 0.5 ms", Condition::Quiet(0.5)),
    ("quiet before 2 ms", Condition::Quiet(2.0)),
    ("quiet before 8 ms", Condition::Quiet(8.0)),
    ("mixed -20 dB", Condition::Ringing(-20.0)),
    ("mixed -14 dB", Condition::Ringing(-14.0)),
    ("mixed -8 dB", Condition::Ringing(-8.0)),
    (
        "small room",
        Condition::Room(Room {
            rt60_s: 0.25,
            level_db: -12.0,
            delay_s: 0.002,
        }),
    ),
    (
        "live room",
        Condition::Room(Room {
            rt60_s: 0.6,
            level_db: -6.0,
            delay_s: 0.005,
        }),
    ),
    ("dark microphone", Condition::Tilt(-1.5)),
    ("bright microphone", Condition::Tilt(1.5)),
    ("noise -46 dB", Condition::Noise(-46.0)),
    ("noise -34 dB", Condition::Noise(-34.0)),
    ("level -12 dB", Condition::Level(-12.0)),
    ("level +12 dB", Condition::Level(12.0)),
];

/// The recordings of a corpus, to be heard under conditions.
pub struct Recordings<'a> {
    corpus: &'a Corpus,
    recordings: BTreeMap<PathBuf, Recording>,
}

impl<'a> Recordings<'a> {
    /// Reads all recordings of `corpus`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(corpus: &'a Corpus) -> Result<Self> {
        let read = |take: &Take| Ok((take.path.clone(), Recording::read(&take.path)?));
        let recordings = corpus.takes.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { corpus, recordings })
    }

    /// The notes as they are heard under `condition`, by `threads` takes at a time. The same
    /// arguments give the same notes.
    ///
    /// # Errors
    /// When a recording or label is wrong.
    pub fn hear(
        &self,
        condition: Condition,
        listener: &Listener,
        seed: u64,
        threads: NonZeroUsize,
    ) -> Result<Notes> {
        Notes::hear_with(self.corpus, listener, None, seed, threads, |take| {
            let heard = take.hear_as(&self.altered(condition, take, seed), listener);
            heard.with_context(|| format!("{condition:?}"))
        })
    }

    /// As [`hear`](Self::hear), but each note with the onset that was detected without the
    /// condition: what the network makes of it, whatever the detector does.
    ///
    /// # Errors
    /// As [`hear`](Self::hear).
    pub fn hear_at_clean_onsets(
        &self,
        condition: Condition,
        listener: &Listener,
        seed: u64,
        threads: NonZeroUsize,
    ) -> Result<Notes> {
        Notes::hear_with(self.corpus, listener, None, seed, threads, |take| {
            let (clean, matches) = take.hear_as(&self.recordings[&take.path], listener)?;
            let (mut heard, _) = take.hear_as(&self.altered(condition, take, seed), listener)?;
            let mut extractor = FeatureExtractor::new(listener.preset, &listener.features)?;
            heard.notes = clean.notes;
            for i in 0..heard.notes.len() {
                let end = heard.notes[i].window_end as i64;
                let window = heard.window(end, extractor.history_len());
                extractor.extract(&window, &mut heard.notes[i].features);
            }
            Ok((heard, matches))
        })
    }

    fn altered(&self, condition: Condition, take: &Take, seed: u64) -> Recording {
        let mut recording = self.recordings[&take.path].clone();
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&take.name));
        self.alter(condition, take, &mut recording, &mut random);
        recording
    }

    fn alter(
        &self,
        condition: Condition,
        take: &Take,
        recording: &mut Recording,
        random: &mut ChaCha8Rng,
    ) {
        let rate = recording.sample_rate as f32;
        let samples = &mut recording.samples;
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        match condition {
            Condition::Ringing(db) => self.mix(db, take, recording, random),
            Condition::Quiet(ms) => {
                quiet(ms / 1e3, take, recording);
                add_noise(&mut recording.samples, amplitude(ROOM_NOISE_DB), random);
            }
            Condition::Room(room) => {
                let response = room.impulse_response(rate, samples.len(), random);
                Convolver::default().apply(samples, &response);
            }
            Condition::Tilt(db) => {
                let mut equaliser = Equaliser::new(rate);
                equaliser.tilt(db);
                equaliser.apply(samples);
                // As loud as before: the level is a condition of its own.
                let now = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
                samples.iter_mut().for_each(|s| *s *= peak / now.max(1e-9));
            }
            Condition::Noise(db) => add_noise(samples, peak * amplitude(db), random),
            Condition::Level(db) => samples.iter_mut().for_each(|s| *s *= amplitude(db)),
        }
    }

    /// Mixes what rings of another technique of the same player under each note of `take`, over
    /// the note's first 13 ms `db` against it. A player without other ringing notes keeps the take
    /// as it is.
    fn mix(&self, db: f32, take: &Take, recording: &mut Recording, random: &mut ChaCha8Rng) {
        let rate = f64::from(recording.sample_rate);
        let samples_of = |seconds: f64| (seconds * rate) as usize;
        let length = samples_of(RINGS_BEFORE_S + RINGS_AFTER_S);
        let others: Vec<Ringing<'_>> = (self.corpus.takes.iter())
            .filter(|other| other.player == take.player)
            .flat_map(|other| self.ringing(other, recording.sample_rate, length))
            .collect();
        let dry = recording.samples.clone();
        for label in &take.labels {
            let fitting = |ringing: &&Ringing<'_>| ringing.technique != label.technique;
            let others: Vec<&Ringing<'_>> = others.iter().filter(fitting).collect();
            if others.is_empty() {
                continue;
            }
            let mut ringing = others[random.random_range(0..others.len())]
                .draw(length, random)
                .to_vec();
            fade(&mut ringing, samples_of(FADE_S));
            let onset = samples_of(label.time_s);
            let before = samples_of(RINGS_BEFORE_S);
            let note = &dry[onset.min(dry.len())..(onset + samples_of(NOTE_S)).min(dry.len())];
            let under = power(&ringing[before..][..note.len()]);
            if under > 0.0 {
                let gain = amplitude(db) * (power(note) / under).sqrt();
                for (i, value) in ringing.iter().enumerate() {
                    let at = (onset + i).checked_sub(before);
                    if let Some(sample) = at.and_then(|at| recording.samples.get_mut(at)) {
                        *sample += gain * value;
                    }
                }
            }
        }
    }

    /// What rings in `take` for at least `shortest` samples, by its labels.
    fn ringing(&self, take: &Take, sample_rate: u32, shortest: usize) -> Vec<Ringing<'_>> {
        let recording = &self.recordings[&take.path];
        if recording.sample_rate != sample_rate {
            return Vec::new();
        }
        let at = |time_s: f64| (time_s * f64::from(sample_rate)) as usize;
        let labels = take.labels.iter().enumerate();
        let ringing = labels.filter_map(|(i, label)| {
            let technique: Technique = label.technique;
            // Not up to the very label: an attack may begin a little before it.
            let next = take.labels.get(i + 1);
            let next = next.map_or(usize::MAX, |next| at(next.time_s - 0.005));
            Ringing::after(
                technique,
                &recording.samples,
                at(label.time_s),
                next,
                at(LATEST_S),
                shortest,
            )
        });
        ringing.collect()
    }
}

/// Takes away what sounds before each note of `take` until `margin_s` before its label.
fn quiet(margin_s: f64, take: &Take, recording: &mut Recording) {
    let rate = f64::from(recording.sample_rate);
    let mut before = f64::NEG_INFINITY;
    for label in &take.labels {
        let back = label.time_s - margin_s;
        // Of a note just before, half of the time up to this one is left.
        let length = QUIET_S.min((label.time_s - before - margin_s).max(0.0) / 2.0);
        let rise = QUIET_RISE_S.min(margin_s / 2.0);
        let fade = QUIET_FADE_S.min(length / 2.0);
        let gone = back - length;
        let first = ((gone - fade) * rate).max(0.0) as usize;
        let last = ((back + rise) * rate).max(0.0) as usize;
        let end = last.min(recording.samples.len());
        for (i, sample) in recording.samples[..end].iter_mut().enumerate().skip(first) {
            let t = i as f64 / rate;
            // How far out of the silence, 0 to 1.
            let out = ((gone - t) / fade.max(1e-9)).max((t - back) / rise.max(1e-9));
            *sample *= (0.5 - 0.5 * (std::f64::consts::PI * out.clamp(0.0, 1.0)).cos()) as f32;
        }
        before = label.time_s;
    }
}

/// Fades `samples` in and out over `n` samples.
fn fade(samples: &mut [f32], n: usize) {
    let length = samples.len();
    for i in 0..n.min(length / 2) {
        let gain = (i as f32 + 0.5) / n as f32;
        samples[i] *= gain;
        samples[length - 1 - i] *= gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use std::path::Path;
    use tocco_corpus::LabelledNote;

    fn take(name: &str, technique: Technique) -> (Take, Recording) {
        let sound =
            |i: usize| ((i * i % 97) as f32 / 97.0 - 0.5) * if i < 24_000 { 0.0 } else { 0.5 };
        let take = Take {
            path: PathBuf::from(name),
            name: name.to_owned(),
            whole: name.to_owned(),
            folder: 0,
            player: "AnnAri".to_owned(),
            session: "AnnAri".to_owned(),
            labels: vec![LabelledNote {
                time_s: 0.5,
                technique,
            }],
        };
        let recording = Recording {
            samples: (0..72_000).map(sound).collect(),
            sample_rate: 48_000,
        };
        (take, recording)
    }

    #[test]
    fn what_rings_under_a_note_has_its_level_and_ends() {
        let takes = [
            take("kick", Technique::Kick),
            take("pick", Technique::PickOverSoundHole),
        ];
        let corpus = Corpus {
            takes: takes.iter().map(|(take, _)| take.clone()).collect(),
            folders: Vec::new(),
        };
        let recordings = takes.map(|(take, recording)| (take.path, recording));
        let recordings = Recordings {
            corpus: &corpus,
            recordings: recordings.into(),
        };
        let dry = &recordings.recordings[Path::new("kick")];
        let mut mixed = dry.clone();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        recordings.mix(-14.0, &corpus.takes[0], &mut mixed, &mut random);
        let added: Vec<f32> = mixed
            .samples
            .iter()
            .zip(&dry.samples)
            .map(|(m, d)| m - d)
            .collect();
        let level = power(&added[24_000..24_624]) / power(&dry.samples[24_000..24_624]);
        assert!((10.0 * level.log10() + 14.0).abs() < 0.1, "{level}");
        assert!(power(&added[20_000..24_000]) > 0.0);
        assert!(
            added[..14_300]
                .iter()
                .chain(&added[33_200..])
                .all(|a| *a == 0.0)
        );
        // The second decision hears 149 ms of the note.
        let rings_on = power(&added[30_000..31_168]) / power(&added[24_000..25_168]);
        assert!(rings_on > 0.5, "{rings_on} of its power is left");
        // Nothing else of this player rings under the pick.
        let mut alone = recordings.recordings[Path::new("pick")].clone();
        recordings.mix(-14.0, &corpus.takes[1], &mut alone, &mut random);
        assert_eq!(alone, recordings.recordings[Path::new("pick")]);
    }

    #[test]
    fn it_is_quiet_before_a_note_and_the_note_is_whole() {
        for (margin_ms, back) in [(0.5, 23_976), (2.0, 23_904), (8.0, 23_616)] {
            let (mut take, mut recording) = take("kick", Technique::Kick);
            // A second note 0.1 s later: of the first one half the time up to it is left.
            take.labels.push(LabelledNote {
                time_s: 0.6,
                technique: Technique::Kick,
            });
            recording.samples = vec![1.0; 72_000];
            quiet(margin_ms / 1e3, &take, &mut recording);
            let samples = &recording.samples;
            assert_eq!(samples[..14_900], [1.0; 14_900]);
            assert!(samples[back - 7_200..back].iter().all(|s| *s == 0.0));
            // Back within a millisecond, and before the label.
            assert!(samples[back + 49..25_000].iter().all(|s| *s == 1.0));
            assert!(samples[back..24_000].is_sorted());
            let second = back + 4_800;
            assert!(samples[second - 2_200..second].iter().all(|s| *s == 0.0));
            assert!(samples[28_800..].iter().all(|s| *s == 1.0));
        }
    }

    #[test]
    fn where_nothing_is_detected_all_is_missed() {
        let (take, recording) = take("kick", Technique::Kick);
        let corpus = Corpus {
            takes: vec![take.clone()],
            folders: Vec::new(),
        };
        let recordings = Recordings {
            corpus: &corpus,
            recordings: [(take.path.clone(), recording)].into(),
        };
        let listener = Architecture::find("c").unwrap().listener();
        // Nothing is left of it in single precision.
        let silence = Condition::Level(-1_000.0);
        let notes = recordings.hear(silence, &listener, 1, NonZeroUsize::MIN);
        let notes = notes.unwrap();
        assert_eq!((notes.notes.len(), notes.missed.len()), (0, 1));
        assert_eq!((notes.onsets.recall(), notes.onsets.f1()), (0.0, 0.0));
    }

    #[test]
    fn level_noise_and_tilt_do_what_they_say() {
        let (take, recording) = take("kick", Technique::Kick);
        let corpus = Corpus {
            takes: vec![take.clone()],
            folders: Vec::new(),
        };
        let recordings = Recordings {
            corpus: &corpus,
            recordings: [(take.path.clone(), recording.clone())].into(),
        };
        let altered = |condition| {
            let mut altered = recording.clone();
            let mut random = ChaCha8Rng::seed_from_u64(1);
            recordings.alter(condition, &take, &mut altered, &mut random);
            altered.samples
        };
        let peak = |samples: &[f32]| samples.iter().fold(0.0_f32, |p, s| p.max(s.abs()));
        let dry = peak(&recording.samples);
        assert!((peak(&altered(Condition::Level(-12.0))) / dry - 0.2512).abs() < 1e-3);
        assert!((peak(&altered(Condition::Tilt(-1.5))) / dry - 1.0).abs() < 1e-3);
        let noise = altered(Condition::Noise(-40.0));
        assert!((peak(&noise[..20_000]) / dry - 0.01).abs() < 1e-3);
    }
}
