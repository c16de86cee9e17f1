//! Performances: streams made of one player's own notes in musical rhythm.
//!
//! Recordings hold one technique a take, note after note with time to ring. Playing mixes the
//! techniques: strings ring on under a hit, are damped before the next note or struck again while they
//! still sound, and some notes are ghosts. So each labelled note of a session (one guitar, microphone
//! and room) is cut out ([`Repertoire`]) and played anew:
//!
//! - Phrases of 8 to 16 beats at a tempo of their own with pauses between them ([`Style`]). A beat is one
//!   note, two, a triplet or four; some are rests. Onsets lie some milliseconds beside the grid.
//! - What has a pitch rings until its recording ends, or is damped up to 40 ms before the next note,
//!   or sounds until the next string is struck. What has none is heard to its end.
//! - Under all of it lies the room noise of [`ROOM_NOISE_DB`].
//!
//! The same random numbers give the same performance.

use std::f32::consts::PI;
use std::ops::Range;

use anyhow::Result;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use tocco_corpus::{Corpus, Recording, Technique};
use tocco_dsp::SAMPLE_RATE;

use crate::augmentation::level::{amplitude, power};
use crate::augmentation::noise::add_noise;
use crate::augmentation::varispeed::varispeed;
use crate::sessions::sessions;

/// What is cut out of a recording before a label, samples: 3 ms, over which it is faded in.
pub const BEFORE: usize = 144;
/// A note is cut out up to this long before the next label, seconds.
const BEFORE_NEXT_S: f64 = 0.03;
/// And at most so long, seconds.
const LONGEST_S: f64 = 1.5;
/// The end of what was cut out is faded over this, samples.
const END_FADE: usize = 960;
/// A hand damps strings within this, samples: 10 ms.
const DAMPING: usize = 480;
/// A string that is struck again stops within this, samples: 3 ms.
const RESTRIKE: usize = 144;
/// Highest sample of the room noise, dB full scale.
pub const ROOM_NOISE_DB: f32 = -76.0;
/// Over what the rise of a note is measured, samples from its onset: 10 ms after, and as much before
/// what may be its own first trace.
const AFTER_ONSET: Range<i64> = 0..480;
const BEFORE_ONSET: Range<i64> = -624..-144;

/// A note cut out of a recording, to be played anywhere.
#[derive(Debug, Clone)]
pub struct CutNote {
    /// What was played.
    pub technique: Technique,
    /// Index of its take in the corpus.
    pub take: usize,
    /// Index of its label in the take.
    pub label: usize,
    /// The sound at the analysis rate; the label stands at [`BEFORE`].
    pub samples: Vec<f32>,
}

/// All labelled notes of one session.
#[derive(Debug, Clone)]
pub struct Repertoire {
    /// The player.
    pub player: String,
    /// The player's code with the number of the session.
    pub session: String,
    /// The notes in the order of takes and time.
    pub notes: Vec<CutNote>,
}

impl Repertoire {
    /// Those of all sessions of `corpus`, in alphabetical order.
    ///
    /// # Errors
    /// When a recording cannot be read.
    pub fn of(corpus: &Corpus) -> Result<Vec<Self>> {
        let sessions = sessions(corpus);
        let mut repertoires: Vec<Self> = Vec::new();
        let mut order: Vec<usize> = (0..corpus.takes.len()).collect();
        order.sort_by_key(|take| (&sessions[*take], &corpus.takes[*take].player, *take));
        for index in order {
            let take = &corpus.takes[index];
            let recording = Recording::read(&take.path)?.at_analysis_rate(&take.path)?;
            let new = repertoires.last().is_none_or(|last| {
                (&last.session, &last.player) != (&sessions[index], &take.player)
            });
            if new {
                repertoires.push(Self {
                    player: take.player.clone(),
                    session: sessions[index].clone(),
                    notes: Vec::new(),
                });
            }
            let notes = &mut repertoires.last_mut().expect("one was pushed").notes;
            for (label, note) in take.labels.iter().enumerate() {
                let next = take.labels.get(label + 1).map(|next| next.time_s);
                notes.push(CutNote {
                    technique: note.technique,
                    take: index,
                    label,
                    samples: cut(&recording, note.time_s, next),
                });
            }
        }
        Ok(repertoires)
    }
}

/// The note at `time_s` of `recording`, which has the analysis rate, up to the `next` one.
fn cut(recording: &Recording, time_s: f64, next: Option<f64>) -> Vec<f32> {
    let rate = f64::from(SAMPLE_RATE);
    let end = next.map_or(f64::INFINITY, |next| next - BEFORE_NEXT_S);
    let end = end.min(recording.duration_s()) - time_s;
    let length = (end.clamp(0.0, LONGEST_S) * rate) as usize;
    let onset = (time_s * rate).round() as i64;
    let n = BEFORE + length;
    let mut samples = varispeed(&recording.samples, onset, BEFORE as i64, n, 1.0);
    fade_in(&mut samples[..BEFORE]);
    let fade = END_FADE.min(length);
    fade_out(&mut samples, n - fade, fade);
    samples
}

/// Raises all of `samples` out of silence.
fn fade_in(samples: &mut [f32]) {
    let n = samples.len() as f32;
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample *= 0.5 - 0.5 * (PI * (i as f32 + 0.5) / n).cos();
    }
}

/// Lets `samples` fall to silence from the sample `start` on over `n` samples.
fn fade_out(samples: &mut [f32], start: usize, n: usize) {
    for (i, sample) in samples.iter_mut().enumerate().skip(start) {
        let past = ((i - start) as f32 + 0.5) / n.max(1) as f32;
        *sample *= 0.5 + 0.5 * (PI * past.min(1.0)).cos();
    }
}

/// How somebody plays. Values are drawn evenly from their ranges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Beats a minute.
    pub tempo: (f64, f64),
    /// How often a beat is one note, two, three and four, in relation to each other.
    pub divisions: [f64; 4],
    /// Share of the notes that are left out.
    pub rests: f64,
    /// Deviation of an onset from the grid, seconds.
    pub loose_s: f64,
    /// Pause between phrases, seconds.
    pub pause_s: (f64, f64),
    /// Share of the notes that are ghosts, and their level, dB.
    pub ghosts: (f64, f32),
    /// The level of each note changes by at most this, dB up or down.
    pub dynamics_db: f32,
    /// Share of the ringing notes that are damped before the next note.
    pub damped: f64,
    /// How long before it, seconds.
    pub damped_before_s: (f64, f64),
    /// Share of the ringing notes that the next string stops when it is struck.
    pub restruck: f64,
}

impl Style {
    /// What models are measured with: 60 to 180 beats a minute, down to sixteenths.
    pub const MUSICAL: Self = Self {
        tempo: (60.0, 180.0),
        divisions: [0.3, 0.35, 0.1, 0.25],
        rests: 0.15,
        loose_s: 0.005,
        pause_s: (0.4, 1.5),
        ghosts: (0.1, -18.0),
        dynamics_db: 3.0,
        damped: 0.25,
        damped_before_s: (0.0, 0.04),
        restruck: 0.25,
    };

    /// Onsets of about `duration_s`, seconds.
    pub fn rhythm(&self, duration_s: f64, random: &mut impl Rng) -> Vec<f64> {
        /// Two notes are never nearer, seconds.
        const NEAREST_S: f64 = 0.06;
        let mut onsets: Vec<f64> = Vec::new();
        let mut now = 0.3;
        while now < duration_s {
            let beat = 60.0 / random.random_range(self.tempo.0..=self.tempo.1);
            for _ in 0..random.random_range(8..=16) {
                let mut drawn = random.random_range(0.0..self.divisions.iter().sum());
                let mut notes = 1;
                while notes < 4 && drawn >= self.divisions[notes - 1] {
                    drawn -= self.divisions[notes - 1];
                    notes += 1;
                }
                for i in 0..notes {
                    let loose: f64 = StandardNormal.sample(random);
                    let loose = (loose * self.loose_s).clamp(-0.012, 0.012);
                    let onset = now + beat * i as f64 / notes as f64 + loose;
                    let rest = random.random_bool(self.rests);
                    let near = onsets.last().is_some_and(|last| onset - last < NEAREST_S);
                    if !rest && !near {
                        onsets.push(onset);
                    }
                }
                now += beat;
            }
            now += random.random_range(self.pause_s.0..=self.pause_s.1);
        }
        onsets.retain(|onset| *onset < duration_s);
        onsets
    }
}

/// A note of a performance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Played {
    /// Its onset, analysis samples.
    pub position: usize,
    /// What is played.
    pub technique: Technique,
    /// Which note of the repertoire it is.
    pub note: usize,
    /// Whether it is a ghost note.
    pub ghost: bool,
    /// By how much the sound rises with it, dB: the power of the 10 ms from the onset on against that of
    /// 13 to 3 ms before it.
    pub rise_db: f32,
}

/// A stream of notes.
#[derive(Debug, Clone)]
pub struct Performance {
    /// The sound at the analysis rate.
    pub samples: Vec<f32>,
    /// The notes in the order of time.
    pub notes: Vec<Played>,
}

impl Performance {
    /// `duration_s` seconds of `repertoire` in `style`: the techniques that there are in turn, as often
    /// as each other, and of each one note as often as another.
    pub fn of(
        repertoire: &Repertoire,
        style: &Style,
        duration_s: f64,
        random: &mut impl Rng,
    ) -> Self {
        let notes = &repertoire.notes;
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); Technique::ALL.len()];
        for (i, note) in notes.iter().enumerate() {
            groups[note.technique.class()].push(i);
        }
        groups.retain(|group| !group.is_empty());
        let onsets = style.rhythm(duration_s, random);
        let mut cues = Vec::new();
        for onset in onsets {
            if groups.is_empty() {
                break;
            }
            let group = &groups[random.random_range(0..groups.len())];
            let note = group[random.random_range(0..group.len())];
            cues.push(Cue {
                position: (onset * f64::from(SAMPLE_RATE)) as usize,
                technique: notes[note].technique,
                note,
            });
        }
        Self::play(&cues, style, random, |cue, _| {
            notes[cue.note].samples.clone()
        })
    }

    /// Plays `cues`, in the order of time, each with what `sound` makes of it: samples with the onset at
    /// [`BEFORE`].
    pub fn play<R: Rng>(
        cues: &[Cue],
        style: &Style,
        random: &mut R,
        mut sound: impl FnMut(&Cue, &mut R) -> Vec<f32>,
    ) -> Self {
        let rate = f64::from(SAMPLE_RATE);
        let end = cues.last().map_or(0, |cue| cue.position);
        let mut samples = vec![0.0; end + (LONGEST_S * rate) as usize];
        let mut notes = Vec::new();
        for (i, cue) in cues.iter().enumerate() {
            let mut own = sound(cue, random);
            let ghost = random.random_bool(style.ghosts.0);
            let mut level = random.random_range(-style.dynamics_db..=style.dynamics_db);
            if ghost {
                level += style.ghosts.1;
            }
            own.iter_mut().for_each(|s| *s *= amplitude(level));
            let later = &cues[i + 1..];
            if cue.technique.is_pitched() {
                // Where another note stops this one, samples from its onset, and within how many.
                let after = |other: &Cue| other.position - cue.position;
                let drawn = random.random_range(0.0..1.0);
                let before = random.random_range(style.damped_before_s.0..=style.damped_before_s.1);
                let stop = if drawn < style.damped {
                    let before = (before * rate) as usize;
                    let next = later.first().map(after);
                    next.map(|next| (next.saturating_sub(before), DAMPING))
                } else if drawn < style.damped + style.restruck {
                    let string = later.iter().find(|other| other.technique.is_pitched());
                    string.map(|string| (after(string), RESTRIKE))
                } else {
                    None
                };
                if let Some((silent, within)) = stop {
                    fade_out(&mut own, (BEFORE + silent).saturating_sub(within), within);
                }
            }
            let start = cue.position as i64 - BEFORE as i64;
            for (at, value) in (start..).zip(&own) {
                let sample = usize::try_from(at).ok().and_then(|at| samples.get_mut(at));
                if let Some(sample) = sample {
                    *sample += value;
                }
            }
            notes.push(Played {
                position: cue.position,
                technique: cue.technique,
                note: cue.note,
                ghost,
                rise_db: 0.0,
            });
        }
        add_noise(&mut samples, amplitude(ROOM_NOISE_DB), random);
        for note in &mut notes {
            note.rise_db = rise_db(&samples, note.position);
        }
        Self { samples, notes }
    }

    /// Its length, seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }
}

/// What is to be played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cue {
    /// The onset, analysis samples.
    pub position: usize,
    /// What is played.
    pub technique: Technique,
    /// Which note of the repertoire.
    pub note: usize,
}

/// By how much `samples` rise at the sample `onset`: see [`Played::rise_db`].
fn rise_db(samples: &[f32], onset: usize) -> f32 {
    let part = |range: Range<i64>| {
        let at = |i: i64| {
            usize::try_from(onset as i64 + i)
                .unwrap_or(0)
                .min(samples.len())
        };
        power(&samples[at(range.start)..at(range.end)])
    };
    let least = amplitude(ROOM_NOISE_DB).powi(2) / 3.0;
    10.0 * (part(AFTER_ONSET).max(least) / part(BEFORE_ONSET).max(least)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Notes of all techniques: a step of one that rings for a second.
    fn repertoire() -> Repertoire {
        let note = |technique: &Technique| {
            let mut samples = vec![0.0; BEFORE];
            samples.extend(vec![0.1; 48_000]);
            CutNote {
                technique: *technique,
                take: technique.class(),
                label: 0,
                samples,
            }
        };
        Repertoire {
            player: "AnnAri".to_owned(),
            session: "AnnAri".to_owned(),
            notes: Technique::ALL.iter().map(note).collect(),
        }
    }

    #[test]
    fn the_same_seed_plays_the_same_and_all_techniques_come_as_often() {
        let play = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            Performance::of(&repertoire(), &Style::MUSICAL, 240.0, &mut random)
        };
        let performance = play(1);
        assert_eq!(performance.notes, play(1).notes);
        assert_eq!(performance.samples, play(1).samples);
        assert_ne!(performance.notes, play(2).notes);
        let n = performance.notes.len();
        assert!((500..1_200).contains(&n), "{n} notes in four minutes");
        for technique in Technique::ALL {
            let own = performance
                .notes
                .iter()
                .filter(|n| n.technique == technique);
            let share = own.count() as f64 / n as f64;
            assert!((share - 0.125).abs() < 0.04, "{technique:?}: {share}");
        }
        let ghosts = performance.notes.iter().filter(|note| note.ghost).count();
        assert!((ghosts as f64 / n as f64 - 0.1).abs() < 0.03, "{ghosts}");
    }

    #[test]
    fn the_rhythm_is_that_of_the_tempo() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let style = Style {
            tempo: (120.0, 120.0),
            divisions: [0.0, 0.0, 0.0, 1.0],
            rests: 0.0,
            loose_s: 0.0,
            ..Style::MUSICAL
        };
        let onsets = style.rhythm(60.0, &mut random);
        let gaps: Vec<f64> = onsets.windows(2).map(|w| w[1] - w[0]).collect();
        let sixteenths = gaps
            .iter()
            .filter(|gap| (*gap - 0.125).abs() < 1e-9)
            .count();
        assert!(sixteenths * 10 > gaps.len() * 9, "{gaps:?}");
        let (low, high) = Style::MUSICAL.pause_s;
        assert!(
            gaps.iter()
                .all(|gap| *gap < 0.126 || (low + 0.125..high + 0.126).contains(gap))
        );
        let mixed = Style::MUSICAL.rhythm(600.0, &mut random);
        let gaps: Vec<f64> = mixed.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(gaps.iter().all(|gap| *gap >= 0.06));
        let share = |from: f64, to: f64| {
            let within = gaps.iter().filter(|gap| (from..to).contains(*gap));
            within.count() as f64 / gaps.len() as f64
        };
        for (from, to) in [(0.06, 0.1), (0.1, 0.15), (0.15, 0.25), (0.25, 1.0)] {
            assert!(
                share(from, to) > 0.05,
                "{from} to {to}: {}",
                share(from, to)
            );
        }
    }

    #[test]
    fn strings_ring_on_are_damped_or_struck_again_as_the_style_says() {
        let notes = repertoire().notes;
        let cue = |position, technique: Technique| Cue {
            position,
            technique,
            note: technique.class(),
        };
        // A string, a hit 0.2 s later, and another string after as long.
        let cues = [
            cue(10_000, Technique::PickNearBridge),
            cue(19_600, Technique::Kick),
            cue(29_200, Technique::PickOverSoundHole),
        ];
        let sound_at = |damped: f64, restruck: f64, at: usize| {
            let style = Style {
                ghosts: (0.0, 0.0),
                dynamics_db: 0.0,
                damped,
                damped_before_s: (0.02, 0.02),
                restruck,
                ..Style::MUSICAL
            };
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let performance = Performance::play(&cues, &style, &mut random, |cue, _| {
                notes[cue.note].samples.clone()
            });
            performance.samples[at]
        };
        let near = |found: f32, expected: f32| (found - expected).abs() < 1e-3;
        // Rings on under the hit and the second string.
        assert!(near(sound_at(0.0, 0.0, 10_001), 0.1));
        assert!(near(sound_at(0.0, 0.0, 20_000), 0.2));
        assert!(near(sound_at(0.0, 0.0, 30_000), 0.3));
        // Gone 20 ms before the hit.
        assert!(near(sound_at(1.0, 0.0, 18_150), 0.1));
        assert!(near(sound_at(1.0, 0.0, 18_650), 0.0));
        assert!(near(sound_at(1.0, 0.0, 20_000), 0.1));
        // Heard under the hit, and stopped by the second string.
        assert!(near(sound_at(0.0, 1.0, 20_000), 0.2));
        assert!(near(sound_at(0.0, 1.0, 29_040), 0.2));
        assert!(near(sound_at(0.0, 1.0, 29_201), 0.2));
    }

    #[test]
    fn the_rise_is_that_of_the_power() {
        let mut samples = vec![0.01; 2_000];
        samples[1_000..].fill(0.1);
        assert!((rise_db(&samples, 1_000) - 20.0).abs() < 1e-3);
        assert!(rise_db(&samples, 1_700).abs() < 1e-3);
        assert!(rise_db(&samples, 0).is_finite() && rise_db(&samples, 1_999).is_finite());
        // Out of digital silence as out of the room noise.
        samples[..1_000].fill(0.0);
        let rise = rise_db(&samples, 1_000);
        assert!((60.0..70.0).contains(&rise), "{rise}");
    }

    #[test]
    fn a_note_is_cut_at_its_label_whatever_the_rate() {
        for rate in [44_100, 48_000, 96_000] {
            let at = |seconds: f64| (seconds * f64::from(rate)) as usize;
            let mut samples = vec![0.0; at(2.0)];
            samples[at(0.5)..].fill(0.5);
            let recording = Recording {
                samples,
                sample_rate: rate,
            };
            let path = std::path::Path::new("step.wav");
            let recording = recording.at_analysis_rate(path).unwrap();
            let note = cut(&recording, 0.5, Some(1.0));
            assert_eq!(note.len(), BEFORE + 22_560, "up to 30 ms before the next");
            assert!(note[BEFORE - 20].abs() < 0.05 && (note[BEFORE + 20] - 0.5).abs() < 0.05);
            assert!(note.last().unwrap().abs() < 1e-3);
            assert_eq!(cut(&recording, 0.5, None).len(), BEFORE + 72_000);
        }
    }
}
