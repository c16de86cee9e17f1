//! Copies of a note as it might have been heard otherwise.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use realfft::RealFftPlanner;
use tocco_corpus::{Heard, HeardNote, Technique};
use tocco_dsp::SAMPLE_RATE;
use tocco_dsp::features::FeatureExtractor;

use crate::augmentation::equaliser::{Equaliser, EqualiserRange};
use crate::augmentation::level::amplitude;
use crate::augmentation::noise::add_noise;
use crate::augmentation::palm_damping::PalmDamping;
use crate::augmentation::ringing::{Ringing, add_ringing};
use crate::augmentation::room::{Convolver, Room, RoomRange};
use crate::augmentation::varispeed::{ratio, varispeed};

/// Sound before the window that filters and rooms get to settle on, samples: 21 ms.
pub const PRE_ROLL: usize = 1024;

/// How the copies of a note differ from it. Each value is drawn evenly from its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Copies a note, besides the note as it is.
    pub copies: usize,
    /// How many samples later than the note's own its window ends, from and to: the detector's
    /// jitter, and where in a hop the note happens to begin.
    pub jitter: (i64, i64),
    /// The level changes by at most this, dB up or down.
    pub gain_db: f32,
    /// White noise is added, its level in dB below the window's peak: from, to.
    pub noise_db: (f32, f32),
    /// What else changes, if anything.
    pub sound: Option<SoundAugmentation>,
}

/// How the sound of the copies differs: another string, guitar, room and microphone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoundAugmentation {
    /// Notes with a pitch are played faster or slower by at most so many semitones.
    pub pitched_semitones: f32,
    /// The same for the others.
    pub percussive_semitones: f32,
    /// The colour.
    pub equaliser: EqualiserRange,
    /// The room.
    pub room: RoomRange,
    /// Share of the copies in which another technique of the same player rings on.
    pub ringing_share: f64,
    /// Its level against the note over the window, dB.
    pub ringing_db: (f32, f32),
    /// Further copies of each open note, which are damped into palm mutes.
    pub palm_mutes: usize,
    /// Further copies of each note, heard while it is played among others:
    /// [`rehearse`](crate::augmentation::rehearsal::rehearse).
    pub played: usize,
    /// The same of the palm mutes that are made of each open note.
    pub played_palm_mutes: usize,
    /// Share of those copies whose attack is made slower: of notes with a pitch, of others.
    pub slow_attacks: (f64, f64),
}

/// Whether palm mutes can be made of it.
pub(crate) fn is_open(technique: Technique) -> bool {
    matches!(
        technique,
        Technique::PickNearBridge | Technique::PickOverSoundHole
    )
}

impl Augmentation {
    /// Another level, place and noise floor: what the paper's networks are trained with.
    pub const PLAIN: Self = Self {
        copies: 24,
        jitter: (-64, 64),
        gain_db: 9.0,
        noise_db: (-80.0, -50.0),
        sound: None,
    };

    /// Changes the level, the polarity and the noise floor of a window.
    pub fn alter(&self, window: &mut [f32], random: &mut impl Rng) {
        let peak = window.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let gain = amplitude(random.random_range(-self.gain_db..=self.gain_db));
        let gain = if random.random_bool(0.5) { gain } else { -gain };
        let noise = peak * amplitude(random.random_range(self.noise_db.0..=self.noise_db.1));
        add_noise(window, noise, random);
        for sample in window {
            *sample *= gain;
        }
    }
}

/// Makes the copies of notes, one after the other.
pub struct Augmenter<'a> {
    augmentation: &'a Augmentation,
    extractor: FeatureExtractor,
    /// What can ring on under these notes.
    ringing: &'a [Ringing<'a>],
    random: ChaCha8Rng,
    convolver: Convolver,
    planner: RealFftPlanner<f32>,
}

impl<'a> Augmenter<'a> {
    /// Makes copies as `augmentation` says. Under them rings what is in `ringing`, of at least
    /// [`PRE_ROLL`] samples and the extractor's history.
    pub fn new(
        augmentation: &'a Augmentation,
        extractor: FeatureExtractor,
        ringing: &'a [Ringing<'a>],
        random: ChaCha8Rng,
    ) -> Self {
        Self {
            augmentation,
            extractor,
            ringing,
            random,
            convolver: Convolver::default(),
            planner: RealFftPlanner::new(),
        }
    }

    /// Raw features of the copies of `note` in `heard`, `[copies][n_features]`.
    pub fn copies(
        &mut self,
        heard: &Heard,
        note: &HeardNote,
        technique: Technique,
    ) -> Vec<Vec<f32>> {
        (0..self.augmentation.copies)
            .map(|_| self.copy(heard, note, technique, false))
            .collect()
    }

    /// Raw features of the palm mutes that are made of `note`, `[copies][n_features]`; none if it
    /// is not an open note.
    pub fn palm_mutes(
        &mut self,
        heard: &Heard,
        note: &HeardNote,
        technique: Technique,
    ) -> Vec<Vec<f32>> {
        let sound = self.augmentation.sound.as_ref();
        let sound = sound.filter(|_| is_open(technique));
        (0..sound.map_or(0, |sound| sound.palm_mutes))
            .map(|_| self.copy(heard, note, technique, true))
            .collect()
    }

    fn copy(
        &mut self,
        heard: &Heard,
        note: &HeardNote,
        technique: Technique,
        palm: bool,
    ) -> Vec<f32> {
        let jitter = self.augmentation.jitter;
        let end = note.window_end as i64 + self.random.random_range(jitter.0..=jitter.1);
        let n_window = self.extractor.history_len();
        let mut window = match &self.augmentation.sound {
            None => heard.window(end, n_window),
            Some(sound) => {
                let n = PRE_ROLL + n_window;
                let onset = note.onset.position as i64;
                let before = onset - (end - n as i64);
                let mut samples = self.resound(sound, heard, onset, before, n, technique, palm);
                samples.split_off(PRE_ROLL)
            }
        };
        self.augmentation.alter(&mut window, &mut self.random);
        let mut features = vec![0.0; self.extractor.n_features()];
        self.extractor.extract(&window, &mut features);
        features
    }

    /// `n` samples of `heard` with the sample `onset` at index `before`, as they might have
    /// sounded elsewhere.
    #[allow(clippy::too_many_arguments)]
    fn resound(
        &mut self,
        sound: &SoundAugmentation,
        heard: &Heard,
        onset: i64,
        before: i64,
        n: usize,
        technique: Technique,
        palm: bool,
    ) -> Vec<f32> {
        let rate = SAMPLE_RATE as f32;
        let random = &mut self.random;
        let semitones = if technique.is_pitched() {
            sound.pitched_semitones
        } else {
            sound.percussive_semitones
        };
        let speed = ratio(random.random_range(-semitones..=semitones));
        let mut samples = varispeed(&heard.samples, onset, before, n, speed);
        if palm {
            let damping = PalmDamping::draw(random);
            let onset = usize::try_from(before).unwrap_or(0);
            damping.apply(&mut samples, onset, rate, &mut self.planner);
        }
        let others: Vec<&Ringing<'_>> = self
            .ringing
            .iter()
            .filter(|ringing| ringing.technique != technique)
            .collect();
        if random.random_bool(sound.ringing_share) && !others.is_empty() {
            let ringing = others[random.random_range(0..others.len())].draw(n, random);
            let level = random.random_range(sound.ringing_db.0..=sound.ringing_db.1);
            // Against the attack, however long the window goes on after it.
            let attack = self.extractor.preset().attack();
            let attack = PRE_ROLL + attack.start..PRE_ROLL + attack.end;
            add_ringing(&mut samples, ringing, attack, level);
        }
        Equaliser::draw(&sound.equaliser, rate, random).apply(&mut samples);
        let room = Room::draw(&sound.room, random).impulse_response(rate, n, random);
        self.convolver.apply(&mut samples, &room);
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use rand::SeedableRng;
    use tocco_corpus::{Listener, Recording};
    use tocco_dsp::OnsetConfig;

    #[test]
    fn copies_stay_within_their_ranges() {
        let augmentation = Augmentation::PLAIN;
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut inverted = 0;
        for _ in 0..1000 {
            let mut window = [1.0, 0.0];
            augmentation.alter(&mut window, &mut random);
            let level = 20.0 * window[0].abs().log10();
            assert!(level.abs() < augmentation.gain_db + 0.1, "{level} dB");
            assert!(window[1].abs() < window[0].abs() * 0.01);
            inverted += usize::from(window[0] < 0.0);
        }
        assert!((400..600).contains(&inverted), "{inverted}");
    }

    #[test]
    fn silence_stays_silent() {
        let mut window = [0.0; 8];
        Augmentation::PLAIN.alter(&mut window, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(window.map(f32::abs), [0.0; 8]);
    }

    /// Half a second of a picked string, or what passes for one, as `architecture` hears it.
    fn pick(architecture: &str) -> (Heard, FeatureExtractor) {
        let sound = |i: i32| {
            let t = f64::from(i - 10_000) / 48_000.0;
            let partial = |k: i32| {
                let k = f64::from(k);
                // Phases that spread the sound over the period: a frame may not hold all of it.
                (std::f64::consts::TAU * 220.0 * k * t + k * k).sin() * (-k * t).exp() / k
            };
            let value: f64 = (1..40).map(partial).sum();
            if t < 0.0 { 0.0 } else { 0.3 * value as f32 }
        };
        let recording = Recording {
            samples: (0..24_000).map(sound).collect(),
            sample_rate: 48_000,
        };
        let architecture = Architecture::find(architecture).unwrap();
        let listener = Listener {
            onset: OnsetConfig::default(),
            ..architecture.listener()
        };
        let path = std::path::Path::new("x.wav");
        let heard = listener.hear(&recording, path).unwrap();
        let extractor = FeatureExtractor::new(listener.preset, &listener.features).unwrap();
        (heard, extractor)
    }

    #[test]
    fn what_rings_on_is_as_loud_against_the_attack_however_much_is_heard_around_it() {
        let ringing: Vec<f32> = (0..20_000).map(|i| (i as f32 * 0.65).sin()).collect();
        let level = |architecture: &str| {
            let (heard, extractor) = pick(architecture);
            let mut augmentation = Architecture::find(architecture)
                .unwrap()
                .recipe
                .augmentation;
            augmentation.copies = 50;
            let sound = augmentation.sound.as_mut().unwrap();
            sound.ringing_share = 1.0;
            sound.ringing_db = (-10.0, -10.0);
            let ringing = [Ringing {
                technique: Technique::NaturalHarmonics,
                samples: &ringing,
            }];
            let random = ChaCha8Rng::seed_from_u64(1);
            let mut augmenter = Augmenter::new(&augmentation, extractor, &ringing, random);
            let copies = augmenter.copies(&heard, &heard.notes[0], Technique::PickNearBridge);
            // The band around 5 kHz in the first frame, which ends before the attack.
            let levels = copies.iter().map(|copy| f64::from(copy[15 * 2]));
            levels.sum::<f64>() / copies.len() as f64
        };
        let (short, long) = (level("tocco"), level("tocco-late"));
        assert!(short > -30.0, "{short}");
        assert!((short - long).abs() < 3.0, "{short} and {long} dB");
    }

    #[test]
    fn a_palm_takes_the_high_bands_out_of_an_open_note_alone() {
        let (heard, extractor) = pick("tocco");
        let mut augmentation = Architecture::find("tocco").unwrap().recipe.augmentation;
        augmentation.copies = 20;
        augmentation.sound.as_mut().unwrap().palm_mutes = 20;
        let random = ChaCha8Rng::seed_from_u64(1);
        let mut augmenter = Augmenter::new(&augmentation, extractor, &[], random);
        let note = &heard.notes[0];
        let open = Technique::PickOverSoundHole;
        // Bands from 1.5 to 6 kHz, early in the note against late.
        let fall = |copies: &[Vec<f32>]| {
            let level = |features: &[f32], frame: usize| -> f32 {
                (9..17).map(|band| features[(frame * 24 + band) * 2]).sum()
            };
            let falls = copies.iter().map(|copy| {
                (0..3)
                    .map(|i| level(copy, 3 + i) - level(copy, 10 + i))
                    .sum::<f32>()
            });
            falls.sum::<f32>() / (3 * 8 * copies.len()) as f32
        };
        let plain = fall(&augmenter.copies(&heard, note, open));
        let muted = fall(&augmenter.palm_mutes(&heard, note, open));
        assert!(muted > plain + 3.0, "{muted} dB against {plain} dB");
        assert!(
            augmenter
                .palm_mutes(&heard, note, Technique::Kick)
                .is_empty()
        );
    }
}
