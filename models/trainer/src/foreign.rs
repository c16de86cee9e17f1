//! Sounds that are no note of a guitar, made to be told from notes: somebody speaks, moves, handles the
//! guitar or something beside it.
//!
//! Recordings of these would need a licence; these are made of noise, pulses and resonances whose
//! numbers are drawn from wide ranges. No single sound has to be like a real one: what they have in
//! common must be what real ones have, too. A [`Kind`] is left out as a whole to see how far that goes.

mod friction;
mod hands;
mod impacts;
mod resonator;
mod speech;

use rand::{Rng, RngExt};
use tocco_dsp::SAMPLE_RATE;

use crate::augmentation::level::amplitude;
use crate::augmentation::log_uniform::log_uniform;

/// The analysis rate, Hz.
const RATE: f32 = SAMPLE_RATE as f32;

/// A kind of foreign sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody speaks.
    Speech,
    /// Somebody whispers, breathes or coughs.
    Breath,
    /// Something soft and heavy: a foot, a bumped stand or microphone.
    Thump,
    /// A knuckle on a table, something put down.
    Knock,
    /// Cloth or a palm that rubs.
    Rub,
    /// A chair or a neck strap that creaks.
    Creak,
    /// A finger that slides on a wound string and makes it squeak.
    Squeak,
    /// Hands that clap.
    Clap,
    /// Switches, plugs and crackling contacts.
    Click,
    /// Paper, bags, clothes.
    Rustle,
    /// Keys, coins, glasses.
    Jingle,
    /// Somebody blows, or the wind.
    Wind,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Speech,
        Self::Breath,
        Self::Thump,
        Self::Knock,
        Self::Rub,
        Self::Creak,
        Self::Squeak,
        Self::Clap,
        Self::Click,
        Self::Rustle,
        Self::Jingle,
        Self::Wind,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Breath => "breath",
            Self::Thump => "thumps",
            Self::Knock => "knocks",
            Self::Rub => "rubs",
            Self::Creak => "creaks",
            Self::Squeak => "squeaks",
            Self::Clap => "claps",
            Self::Click => "clicks",
            Self::Rustle => "rustling",
            Self::Jingle => "jingling",
            Self::Wind => "wind",
        }
    }

    /// One such sound at the analysis rate, its highest sample 1.
    pub fn sound(self, random: &mut impl Rng) -> Vec<f32> {
        let mut samples = match self {
            Self::Speech => speech::phrase(random, false),
            Self::Breath => speech::phrase(random, true),
            Self::Thump => impacts::thump(random),
            Self::Knock => impacts::knock(random),
            Self::Rub => friction::rub(random),
            Self::Creak => friction::creak(random),
            Self::Squeak => friction::squeak(random),
            Self::Clap => hands::clap(random),
            Self::Click => impacts::click(random),
            Self::Rustle => hands::rustle(random),
            Self::Jingle => impacts::jingle(random),
            Self::Wind => friction::wind(random),
        };
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let gain = if peak > 0.0 { peak.recip() } else { 0.0 };
        samples.iter_mut().for_each(|sample| *sample *= gain);
        samples
    }
}

/// About `duration_s` seconds at the analysis rate of sounds of these `kinds`, each as often as
/// another, one after the other with pauses, at levels that differ.
pub fn stream(kinds: &[Kind], duration_s: f32, random: &mut impl Rng) -> Vec<f32> {
    let n = (duration_s * RATE) as usize;
    let mut samples = vec![0.0; n];
    let mut at = (0.3 * RATE) as usize;
    while at < n && !kinds.is_empty() {
        let sound = kinds[random.random_range(0..kinds.len())].sound(random);
        let level = amplitude(random.random_range(-18.0..=0.0));
        for (sample, value) in samples[at..].iter_mut().zip(&sound) {
            *sample += level * value;
        }
        // Some overlap what comes next.
        let length = (sound.len() as f32 * random.random_range(0.7_f32..=1.0)) as usize;
        at += length + (log_uniform((0.05, 0.8), random) * RATE) as usize;
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn every_kind_sounds_differently_each_time_and_the_same_with_the_same_seed() {
        for kind in Kind::ALL {
            let sound = |seed| kind.sound(&mut ChaCha8Rng::seed_from_u64(seed));
            let (first, other) = (sound(1), sound(2));
            assert_eq!(first, sound(1), "{kind:?}");
            assert_ne!(first, other, "{kind:?}");
            for samples in [first, other] {
                let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
                assert!((peak - 1.0).abs() < 1e-5, "{kind:?}: {peak}");
                assert!(samples.iter().all(|sample| sample.is_finite()), "{kind:?}");
                let seconds = samples.len() as f32 / RATE;
                assert!((0.005..10.0).contains(&seconds), "{kind:?}: {seconds} s");
            }
        }
    }

    #[test]
    fn a_stream_is_as_long_as_asked_for() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let samples = stream(&Kind::ALL, 3.0, &mut random);
        assert_eq!(samples.len(), 144_000);
        assert!(samples.iter().any(|sample| *sample != 0.0));
        assert_eq!(stream(&[], 0.1, &mut random), [0.0; 4800]);
    }
}
