//! A score, played.

use std::f64::consts::TAU;

use super::guitar::{Guitar, Stroke};
use super::noise::Noise;
use crate::{SAMPLE_RATE, Technique};

/// Synthesised playing, with what is played in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Mono, at [`SAMPLE_RATE`], full scale 1.
    pub samples: Vec<f32>,
    /// The notes, in order of time.
    pub notes: Vec<PlayedNote>,
}

/// A note of a [`Performance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlayedNote {
    /// When it begins, seconds from the start.
    pub time_s: f64,
    /// How it is played.
    pub technique: Technique,
}

/// Power of the hiss, dB full scale.
const HISS_DB: f64 = -86.0;
/// Hands on strings are never quite still: power of that noise (dB full scale) and the edge above
/// which it falls by 12 dB an octave, Hz.
const HANDS_DB: f64 = -62.0;
const HANDS_EDGE_HZ: f64 = 700.0;
/// Power of the mains' hum, frequency (Hz) and level (dB full scale).
const HUM: [(f64, f64); 2] = [(50.0, -70.0), (150.0, -77.0)];
/// How long the room is faded in, seconds: after digital silence its sudden beginning would be an
/// onset.
const FADE_IN_S: f64 = 0.4;

impl Performance {
    /// Plays `score` on the guitar of `seed`, and lets the last stroke ring for a second.
    pub fn play(score: &[Stroke], seed: u64) -> Self {
        let end_s = score.iter().map(|s| s.time_s).fold(0.0, f64::max) + 1.0;
        let mut samples = background((end_s * f64::from(SAMPLE_RATE)) as usize, seed);
        let mut guitar = Guitar::new(seed);
        for stroke in score {
            guitar.play(stroke, &mut samples);
        }
        let mut notes: Vec<PlayedNote> = score
            .iter()
            .map(|stroke| PlayedNote {
                time_s: stroke.time_s,
                technique: stroke.technique,
            })
            .collect();
        notes.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
        Self { samples, notes }
    }

    /// About 17 seconds with 40 notes, each technique five times, on several strings and at
    /// several levels, 300 to 500 ms apart.
    pub fn demo(seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        let mut time_s = 0.5;
        let mut score = Vec::new();
        for bar in 0..5 {
            for beat in 0..8 {
                let technique = PATTERN[(beat + bar) % 8];
                let (string, fret) = POSITIONS[technique.class()][bar];
                score.push(Stroke {
                    time_s,
                    technique,
                    string,
                    fret,
                    peak_db: LEVELS_DB[(3 * bar + beat) % LEVELS_DB.len()] + noise.sample(),
                    ring_s: 0.24,
                });
                time_s += 0.4 + 0.1 * noise.sample();
            }
        }
        Self::play(&score, seed)
    }
}

/// A quiet room and its mains, so that nothing starts from digital silence.
fn background(length: usize, seed: u64) -> Vec<f32> {
    let mut noise = Noise::new(!seed);
    // The power of even noise is a third, of a sine a half.
    let hiss = 3f64.sqrt() * 10f64.powf(HISS_DB / 20.0);
    let pole = (-TAU * HANDS_EDGE_HZ / f64::from(SAMPLE_RATE)).exp();
    // What two such low-passes leave of the power.
    let passed = (1.0 - pole).powi(4) * (1.0 + pole * pole) / (1.0 - pole * pole).powi(3);
    let hands = (3.0 / passed).sqrt() * 10f64.powf(HANDS_DB / 20.0);
    let (mut first, mut second) = (0.0, 0.0);
    (0..length)
        .map(|n| {
            first = (1.0 - pole) * noise.sample() + pole * first;
            second = (1.0 - pole) * first + pole * second;
            let t = n as f64 / f64::from(SAMPLE_RATE);
            let hum = HUM.map(|(frequency_hz, level_db)| {
                2f64.sqrt() * 10f64.powf(level_db / 20.0) * (TAU * frequency_hz * t).sin()
            });
            let fade = (t / FADE_IN_S).min(1.0);
            (fade * (hiss * noise.sample() + hands * second + hum.iter().sum::<f64>())) as f32
        })
        .collect()
}

/// Order of the techniques in a bar of the demo; each bar begins one later.
const PATTERN: [Technique; 8] = [
    Technique::Kick,
    Technique::PickOverSoundHole,
    Technique::Snare1,
    Technique::PalmMute,
    Technique::Tom,
    Technique::NaturalHarmonics,
    Technique::Snare2,
    Technique::PickNearBridge,
];

/// String and fret by technique and bar; no matter for hits. The strings are mostly those on which
/// the recordings that the synthesiser was compared with have the technique.
const POSITIONS: [[(u8, u8); 5]; 8] = [
    [(1, 0); 5],
    [(1, 0); 5],
    [(1, 0); 5],
    [(1, 0); 5],
    [(3, 12), (5, 7), (4, 12), (3, 5), (2, 12)],
    [(3, 5), (4, 2), (1, 3), (3, 7), (4, 5)],
    [(6, 8), (2, 3), (4, 2), (6, 7), (2, 5)],
    [(3, 1), (1, 2), (5, 3), (3, 4), (6, 3)],
];

/// Soft, medium and loud, dB full scale.
const LEVELS_DB: [f64; 5] = [-15.0, -12.0, -17.0, -10.0, -14.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HOP, OnsetConfig, OnsetDetector, OnsetMethod};

    /// Found by the host tests of hostile input: a note was heard where the room began.
    #[test]
    fn after_digital_silence_the_room_is_no_note() {
        let silence = vec![0.0; SAMPLE_RATE as usize];
        let performance = Performance::demo(1);
        for method in OnsetMethod::ALL {
            let mut detector = OnsetDetector::new(method, &OnsetConfig::default()).unwrap();
            let until_first = (0.48 * f64::from(SAMPLE_RATE)) as usize;
            let room = &performance.samples[..until_first];
            for hop in [&silence[..], room].concat().as_chunks::<HOP>().0 {
                assert_eq!(detector.process(hop), None, "{method}");
            }
        }
    }

    #[test]
    fn the_same_seed_plays_the_same_and_another_does_not() {
        let first = Performance::demo(1);
        assert_eq!(first, Performance::demo(1));
        assert_ne!(first.samples, Performance::demo(2).samples);
    }

    #[test]
    fn the_demo_has_every_technique_at_musical_distances() {
        let Performance { samples, notes } = Performance::demo(3);
        assert_eq!(notes.len(), 40);
        for technique in Technique::ALL {
            assert_eq!(notes.iter().filter(|n| n.technique == technique).count(), 5);
        }
        for pair in notes.windows(2) {
            assert!((0.299..0.501).contains(&(pair[1].time_s - pair[0].time_s)));
        }
        let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        assert!((0.2..0.9).contains(&peak), "{peak}");
    }

    #[test]
    fn the_detector_hears_each_note_of_the_demo_once() {
        for method in OnsetMethod::ALL {
            hears_each_note_of_the_demo_once(method);
        }
    }

    fn hears_each_note_of_the_demo_once(method: OnsetMethod) {
        let (mut played, mut found, mut matched) = (0, 0, 0);
        for seed in 1..=5 {
            let Performance { samples, notes } = Performance::demo(seed);
            let mut detector = OnsetDetector::new(method, &OnsetConfig::default()).unwrap();
            let onsets: Vec<f64> = samples
                .as_chunks::<HOP>()
                .0
                .iter()
                .filter_map(|hop| detector.process(hop))
                .map(|found| found.position as f64 / f64::from(SAMPLE_RATE))
                .collect();
            played += notes.len();
            found += onsets.len();
            // One to one: notes lie 300 ms apart, the detector's 20 ms cannot span two.
            matched += notes
                .iter()
                .filter(|note| onsets.iter().any(|o| (o - note.time_s).abs() < 0.02))
                .count();
        }
        let f1 = 2.0 * f64::from(matched as u32) / f64::from((played + found) as u32);
        assert!(
            f1 >= 0.98,
            "{method}: F1 {f1}: {played} played, {found} found, {matched} matched"
        );
    }
}
