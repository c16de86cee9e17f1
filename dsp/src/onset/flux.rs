//! Our own onset detector: log-spectral flux and the rise of the level.

use crate::bark_spectrum::{BANDS, BarkSpectrum, FRAME};
use crate::{HOP, OnsetConfig};

/// Mean rise over the bands from which a hop can be an onset, dB.
const FLUX_DB: f32 = 3.5;
/// Rise of the level of the whole sound from which it can be one, dB.
const RISE_DB: f32 = 5.0;
/// How far the silence gate lies below [`OnsetConfig::silence_db`], dB. Noise is kept out by the
/// two rises, so the gate need not.
const GATE_BELOW_DB: f32 = 17.0;
/// The most that one band counts, dB.
const CEILING_DB: f32 = 20.0;
/// Power that silence is taken to have in a band, and as a whole.
const FLOOR: f32 = 1e-8;
/// The sound is compared with what it was from this many hops ago, the length of what is compared,
const NEWEST: usize = 3;
/// to this many: 32 ms, two and a half periods of the low E string, whose level moves by 5 dB
/// within one.
const OLDEST: usize = 24;
/// Hops over which the level is taken.
const LEVEL_HOPS: usize = 3;
/// The flux may have come this many hops earlier than the rise, the newest one included.
const FLUX_HOPS: usize = 4;
/// Hops that are remembered; a power of two.
const MEMORY: usize = 32;

/// By how much the end of the hop that shows an onset lags behind the note, samples: the mean over
/// the labelled notes of the recordings (`tests/onset_recordings.rs`).
const DELAY: u64 = 62;

/// Hears a note where the spectrum rises.
///
/// In every hop, the levels of 24 Bark bands over the newest 128 samples are compared with the
/// highest that each band had 3 to 24 hops ago. The mean over the bands of what they rose by is the
/// flux (after Böck and Widmer 2013, "Maximum filter vibrato suppression for onset detection": here
/// the maximum is taken over time, which a string's beating needs more than over frequency). A
/// note is where the flux is high *and* the level of the whole sound rises: a finger that touches
/// or leaves a ringing string makes flux, but the sound becomes softer.
///
/// Nothing depends on the level of the sound but a gate far below it, and a note rises out of
/// another that rings on as out of silence, only by less.
pub(super) struct Flux {
    spectrum: BarkSpectrum,
    /// The newest samples.
    frame: [f32; FRAME],
    /// Levels of the bands in the last hops, dB, a ring `[MEMORY][BANDS]`.
    bands: [[f32; BANDS]; MEMORY],
    /// Level of the last [`LEVEL_HOPS`] hops, dB, a ring.
    levels: [f32; MEMORY],
    /// Mean power of each hop, a ring.
    powers: [f32; MEMORY],
    /// The flux of the last hops, dB, a ring.
    flux: [f32; FLUX_HOPS],
    /// Hops since the start or reset.
    hops: u64,
    threshold: f32,
    gate_db: f32,
}

impl Flux {
    /// A detector at the start of a stream. Allocates.
    pub(super) fn new(config: &OnsetConfig) -> Self {
        let mut detector = Self {
            spectrum: BarkSpectrum::new(),
            frame: [0.0; FRAME],
            bands: [[0.0; BANDS]; MEMORY],
            levels: [0.0; MEMORY],
            powers: [0.0; MEMORY],
            flux: [0.0; FLUX_HOPS],
            hops: 0,
            threshold: 1.0,
            gate_db: 0.0,
        };
        detector.set_threshold(config.threshold);
        detector.set_silence_db(config.silence_db);
        detector
    }

    /// Takes the next hop, which must be finite; whether a note shows in it, and then by how many
    /// samples its beginning lies before the end of this hop. Real-time safe.
    pub(super) fn process(&mut self, hop: &[f32; HOP]) -> Option<u64> {
        self.frame.copy_within(HOP.., 0);
        self.frame[FRAME - HOP..].copy_from_slice(hop);
        let now = self.hops as usize % MEMORY;
        let powers = self.spectrum.powers(&self.frame, 1.0);
        self.bands[now] = powers.map(|power| decibels(power as f32));
        self.powers[now] = hop.iter().map(|x| x * x).sum::<f32>() / HOP as f32;
        let newest = (0..LEVEL_HOPS).map(|ago| self.powers[(now + MEMORY - ago) % MEMORY]);
        self.levels[now] = decibels(newest.sum::<f32>() / LEVEL_HOPS as f32);
        self.hops += 1;
        if self.hops <= LEVEL_HOPS as u64 {
            // What came before the start is unknown: as if it had sounded the same.
            self.bands = [self.bands[now]; MEMORY];
            self.levels = [self.levels[now]; MEMORY];
            self.flux = [0.0; FLUX_HOPS];
            return None;
        }

        let mut highest_level = f32::MIN;
        let mut highest = [f32::MIN; BANDS];
        for ago in NEWEST..=OLDEST {
            let then = (now + MEMORY - ago) % MEMORY;
            highest_level = highest_level.max(self.levels[then]);
            for (highest, level) in highest.iter_mut().zip(&self.bands[then]) {
                *highest = highest.max(*level);
            }
        }
        let rises = self.bands[now].iter().zip(&highest);
        let rises = rises.map(|(level, highest)| (level - highest).clamp(0.0, CEILING_DB));
        self.flux[self.hops as usize % FLUX_HOPS] = rises.sum::<f32>() / BANDS as f32;

        let flux = self.flux.iter().fold(0.0_f32, |most, flux| most.max(*flux));
        let rise = self.levels[now] - highest_level;
        let is_onset = flux >= FLUX_DB * self.threshold
            && rise >= RISE_DB * self.threshold
            && decibels(self.powers[now]) > self.gate_db;
        is_onset.then_some(DELAY)
    }

    /// Sets the rises that make an onset, as a multiple of those that the default
    /// [`OnsetConfig::threshold`] stands for. Real-time safe.
    pub(super) fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold / OnsetConfig::default().threshold;
    }

    /// Real-time safe.
    pub(super) fn set_silence_db(&mut self, silence_db: f32) {
        self.gate_db = silence_db - GATE_BELOW_DB;
    }

    /// Forgets what was heard; keeps the settings. Real-time safe.
    pub(super) fn reset(&mut self) {
        self.frame = [0.0; FRAME];
        self.powers = [0.0; MEMORY];
        self.hops = 0;
    }
}

fn decibels(power: f32) -> f32 {
    10.0 * (power + FLOOR).log10()
}
