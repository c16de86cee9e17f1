//! Speech: glottal pulses and noise through formants that move, as Klatt (1980) makes it.

use rand::{Rng, RngExt};

use super::RATE;
use super::resonator::Resonator;
use crate::augmentation::log_uniform::log_uniform;

/// First to third formants of vowels, Hz (Peterson and Barney 1952, men).
const VOWELS: [[f32; 3]; 10] = [
    [270.0, 2290.0, 3010.0],
    [390.0, 1990.0, 2550.0],
    [530.0, 1840.0, 2480.0],
    [660.0, 1720.0, 2410.0],
    [730.0, 1090.0, 2440.0],
    [570.0, 840.0, 2410.0],
    [440.0, 1020.0, 2240.0],
    [300.0, 870.0, 2240.0],
    [640.0, 1190.0, 2390.0],
    [490.0, 1350.0, 1690.0],
];

/// Where the second formant comes from or goes to at a closure by lips, tongue and palate, Hz.
const LOCI: [f32; 3] = [900.0, 1800.0, 2600.0];

/// A piece of speech with one setting of the mouth.
#[derive(Debug, Clone, Copy)]
struct Segment {
    length_s: f32,
    /// Levels of the voice, of breath through the formants, and of friction at the teeth.
    voice: f32,
    breath: f32,
    friction: f32,
    /// Friction's resonance, Hz and bandwidth.
    hiss: [f32; 2],
    formants: [f32; 3],
    /// How fast the levels follow, seconds: a burst is there at once.
    attack_s: f32,
}

/// Who speaks.
struct Speaker {
    pitch_hz: f32,
    /// The length of the vocal tract: formants times this.
    scale: f32,
    breathiness: f32,
    /// Share of a period in which the glottis is open.
    open: f32,
    /// Length of a vowel, seconds.
    vowel_s: f32,
}

/// Some syllables of somebody; without voice if they are `whispered`.
pub fn phrase(random: &mut impl Rng, whispered: bool) -> Vec<f32> {
    let speaker = Speaker {
        pitch_hz: log_uniform((75.0, 320.0), random),
        scale: random.random_range(0.85..=1.3),
        breathiness: log_uniform((0.005, 0.2), random),
        open: random.random_range(0.4..=0.8),
        vowel_s: log_uniform((0.05, 0.2), random),
    };
    let mut segments = Vec::new();
    for _ in 0..random.random_range(1..=9) {
        syllable(&speaker, &mut segments, random);
    }
    if whispered {
        // Some of them are long: breath and blowing.
        let stretch = log_uniform((0.7, 4.0), random);
        for segment in &mut segments {
            segment.breath = segment.breath.max(segment.voice);
            segment.voice = 0.0;
            segment.length_s *= stretch;
        }
    }
    sing(&speaker, &segments, random)
}

/// Adds the segments of a consonant, a vowel, and perhaps another consonant.
fn syllable(speaker: &Speaker, segments: &mut Vec<Segment>, random: &mut impl Rng) {
    let vowel = VOWELS[random.random_range(0..VOWELS.len())];
    let vowel = vowel.map(|hertz| hertz * speaker.scale * random.random_range(0.92..=1.08));
    consonant(speaker, vowel, segments, random);
    let other = VOWELS[random.random_range(0..VOWELS.len())];
    let loud = log_uniform((0.3, 1.0), random);
    let length_s = speaker.vowel_s * log_uniform((0.6, 1.8), random);
    let voiced = Segment {
        length_s,
        voice: loud,
        breath: loud * speaker.breathiness,
        friction: 0.0,
        hiss: [4_000.0, 2_000.0],
        formants: vowel,
        attack_s: log_uniform((0.003, 0.02), random),
    };
    segments.push(voiced);
    if random.random_bool(0.25) {
        // A diphthong.
        segments.push(Segment {
            length_s: 0.7 * length_s,
            formants: other.map(|hertz| hertz * speaker.scale),
            ..voiced
        });
    }
    if random.random_bool(0.4) {
        consonant(speaker, vowel, segments, random);
    }
    if random.random_bool(0.15) {
        segments.push(silence(log_uniform((0.03, 0.3), random), vowel));
    }
}

fn silence(length_s: f32, formants: [f32; 3]) -> Segment {
    Segment {
        length_s,
        voice: 0.0,
        breath: 0.0,
        friction: 0.0,
        hiss: [4_000.0, 2_000.0],
        formants,
        attack_s: 0.004,
    }
}

fn consonant(
    speaker: &Speaker,
    vowel: [f32; 3],
    segments: &mut Vec<Segment>,
    random: &mut impl Rng,
) {
    let locus = LOCI[random.random_range(0..LOCI.len())] * speaker.scale;
    let closed = [250.0, locus, 2_500.0 * speaker.scale];
    let voiced = random.random_bool(0.5);
    match random.random_range(0..5) {
        // A plosive: closure, burst, breath.
        0 | 1 => {
            let murmur = if voiced { 0.08 } else { 0.0 };
            segments.push(Segment {
                voice: murmur,
                ..silence(log_uniform((0.03, 0.1), random), closed)
            });
            segments.push(Segment {
                friction: log_uniform((0.1, 1.0), random),
                breath: 0.2,
                hiss: [
                    log_uniform((400.0, 6_000.0), random),
                    log_uniform((400.0, 4_000.0), random),
                ],
                attack_s: 0.0003,
                ..silence(log_uniform((0.003, 0.015), random), closed)
            });
            if !voiced {
                segments.push(Segment {
                    breath: log_uniform((0.05, 0.4), random),
                    ..silence(log_uniform((0.01, 0.08), random), vowel)
                });
            }
        }
        // A fricative.
        2 | 3 => segments.push(Segment {
            voice: if voiced { 0.15 } else { 0.0 },
            friction: log_uniform((0.05, 0.8), random),
            hiss: [
                log_uniform((1_200.0, 9_000.0), random),
                log_uniform((800.0, 5_000.0), random),
            ],
            attack_s: log_uniform((0.005, 0.03), random),
            ..silence(log_uniform((0.05, 0.2), random), closed)
        }),
        // A nasal or a glide.
        _ => segments.push(Segment {
            voice: log_uniform((0.1, 0.5), random),
            attack_s: 0.008,
            ..silence(log_uniform((0.03, 0.1), random), closed)
        }),
    }
}

/// The sound of `segments`.
fn sing(speaker: &Speaker, segments: &[Segment], random: &mut impl Rng) -> Vec<f32> {
    let length: f32 = segments.iter().map(|segment| segment.length_s).sum();
    let mut samples = Vec::with_capacity((length * RATE) as usize + 1);
    let mut formants = [Resonator::default(); 5];
    let mut hiss = Resonator::default();
    let (mut levels, mut tuned) = ([0.0_f32; 3], segments[0].formants);
    let (mut phase, mut period) = (0.0_f32, RATE / speaker.pitch_hz);
    let slope = random.random_range(-0.35..=0.15_f32);
    // A mouth takes some 20 ms from one setting to the next.
    let glide = 1.0 - (-1.0 / (log_uniform((0.008, 0.03), random) * RATE)).exp();
    for segment in segments {
        let follow = 1.0 - (-1.0 / (segment.attack_s * RATE)).exp();
        let wanted = [segment.voice, segment.breath, segment.friction];
        hiss.tune(segment.hiss[0], segment.hiss[1]);
        for i in 0..(segment.length_s * RATE) as usize {
            for (level, wanted) in levels.iter_mut().zip(wanted) {
                *level += follow * (wanted - *level);
            }
            if i % 16 == 0 {
                let glide = 1.0 - (1.0 - glide).powi(16);
                for (tuned, wanted) in tuned.iter_mut().zip(segment.formants) {
                    *tuned += glide * (wanted - *tuned);
                }
                let high = [3_500.0 * speaker.scale, 4_500.0 * speaker.scale];
                let widths = [70.0, 90.0, 130.0, 200.0, 250.0];
                let hertz = tuned.iter().chain(&high);
                for ((formant, hertz), width) in formants.iter_mut().zip(hertz).zip(widths) {
                    formant.tune(*hertz, width);
                }
            }
            phase += 1.0 / period;
            if phase >= 1.0 {
                phase -= 1.0;
                let sung = samples.len() as f32 / (length * RATE).max(1.0);
                let jitter = random.random_range(0.985..=1.015_f32);
                let pitch = speaker.pitch_hz * (1.0 + slope * sung) * jitter;
                period = RATE / pitch;
            }
            // The flow's derivative (KLGLOTT88): it rises, and breaks off when the glottis closes.
            let x = phase / speaker.open;
            let pulse = if x < 1.0 { 2.0 * x - 3.0 * x * x } else { 0.0 };
            let noise = random.random_range(-1.0..=1.0_f32);
            let source = levels[0] * pulse + levels[1] * noise;
            // In parallel, with signs that alternate so that no notch lies between two of them.
            let gains = [1.0, -0.6, 0.35, -0.2, 0.12];
            let voice: f32 = (formants.iter_mut().zip(gains))
                .map(|(formant, gain)| gain * formant.step(source))
                .sum();
            samples.push(voice + 0.7 * levels[2] * hiss.step(noise));
        }
    }
    samples.push(0.0);
    samples
}
