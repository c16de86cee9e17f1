//! A time-frequency patch: short log-Bark spectra side by side over the window.

use std::fmt;

use super::{FeatureError, Preset};
use crate::bark_spectrum::{BANDS, BarkSpectrum, FRAME};

/// The analysis window in samples: 384 before and 320 after the hop in which the onset was
/// detected, when the features are taken 5 hops later.
pub(super) const WINDOW: usize = 704;
/// Samples from one frame to the next.
const FRAME_HOP: usize = 48;
/// Frames of the patch.
pub(super) const FRAMES: usize = (WINDOW - FRAME) / FRAME_HOP + 1;
/// Power that silence is taken to have, as a share of that of a sine at the window's peak level:
/// -60 dB. It keeps noise below it from mattering, and the logarithm finite.
const FLOOR: f64 = 1e-6;

/// One number of the patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Feature {
    frame: usize,
    band: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Level of the band in the frame, dB.
    Level,
    /// The same less the band's mean level over the patch: what stays of it is how the sound moves,
    /// which microphone and room colour less.
    Motion,
}

/// `logBark_FRAME_BAND` and `logBarkMotion_FRAME_BAND`, counted from 1.
impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Level => "logBark",
            Kind::Motion => "logBarkMotion",
        };
        write!(f, "{kind}_{}_{}", self.frame + 1, self.band + 1)
    }
}

/// All features, frame by frame, in each band by band, in each the level and then the motion: the
/// order `[frames, bands, channels]` that two-dimensional convolutions take.
pub(super) fn features() -> impl Iterator<Item = Feature> {
    (0..FRAMES).flat_map(|frame| {
        (0..BANDS).flat_map(move |band| {
            [Kind::Level, Kind::Motion].map(|kind| Feature { frame, band, kind })
        })
    })
}

/// What [`features`] has, in words.
pub(super) fn name_ranges() -> String {
    format!(
        "logBark_1_1 to logBark_{FRAMES}_{BANDS} and logBarkMotion_1_1 to \
         logBarkMotion_{FRAMES}_{BANDS} (frame, band)"
    )
}

/// The patch, computed frame by frame with one small transform.
///
/// The window is divided by its peak. Frames of 128 samples every 48 samples, their powers in 24
/// Bark bands, a full-scale sine being 1; 10 log10(power + 1e-6).
pub(super) struct LogBarkPatch {
    features: Vec<Feature>,
    spectrum: BarkSpectrum,
    /// Levels in dB, `[FRAMES][BANDS]`.
    levels: Vec<[f64; BANDS]>,
    /// Mean over the frames, dB, `[BANDS]`.
    means: [f64; BANDS],
}

impl LogBarkPatch {
    /// Prepares the features `names`. Allocates.
    pub(super) fn new(names: &[String]) -> Result<Self, FeatureError> {
        let available: std::collections::HashMap<String, Feature> = features()
            .map(|feature| (feature.to_string(), feature))
            .collect();
        let find = |(index, name): (usize, &String)| {
            let feature = available.get(name).copied();
            feature.ok_or_else(|| FeatureError::UnknownFeature {
                preset: Preset::LogBark,
                name: name.clone(),
                index,
            })
        };
        let features = names
            .iter()
            .enumerate()
            .map(find)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            features,
            spectrum: BarkSpectrum::new(),
            levels: vec![[0.0; BANDS]; FRAMES],
            means: [0.0; BANDS],
        })
    }

    /// Computes the selected features of the newest [`WINDOW`] samples of `history`. Of silence,
    /// every level is -60 dB.
    ///
    /// Real-time safe.
    pub(super) fn extract(&mut self, history: &[f32], out: &mut [f32]) {
        let window = &history[history.len() - WINDOW..];
        let peak = window.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let gain = if peak > 0.0 {
            1.0 / f64::from(peak)
        } else {
            0.0
        };
        self.means = [0.0; BANDS];
        for (index, levels) in self.levels.iter_mut().enumerate() {
            let samples = &window[index * FRAME_HOP..][..FRAME];
            let powers = self.spectrum.powers(samples, gain);
            for ((level, mean), power) in levels.iter_mut().zip(&mut self.means).zip(powers) {
                *level = 10.0 * (power + FLOOR).log10();
                *mean += *level / FRAMES as f64;
            }
        }
        for (out, feature) in out.iter_mut().zip(&self.features) {
            let level = self.levels[feature.frame][feature.band];
            *out = match feature.kind {
                Kind::Level => level,
                Kind::Motion => level - self.means[feature.band],
            } as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureExtractor;

    fn extract(samples: &[f32]) -> Vec<f32> {
        let names = Preset::LogBark.feature_names();
        let mut extractor = FeatureExtractor::new(Preset::LogBark, &names).unwrap();
        assert_eq!(extractor.history_len(), WINDOW);
        let mut out = vec![f32::NAN; names.len()];
        extractor.extract(samples, &mut out);
        out
    }

    fn level(features: &[f32], frame: usize, band: usize) -> f32 {
        features[(frame * BANDS + band) * 2]
    }

    #[test]
    fn names_follow_the_order_of_the_patch() {
        let names = Preset::LogBark.feature_names();
        assert_eq!(names.len(), 13 * 24 * 2);
        assert_eq!(names[0], "logBark_1_1");
        assert_eq!(names[1], "logBarkMotion_1_1");
        assert_eq!(names[2], "logBark_1_2");
        assert_eq!(names[48], "logBark_2_1");
        assert_eq!(names[623], "logBarkMotion_13_24");
    }

    #[test]
    fn level_does_not_matter_and_silence_is_the_floor() {
        let samples: Vec<f32> = (0..WINDOW)
            .map(|i| ((i * i) as f32 * 0.01).sin() * (-(i as f32) / 300.0).exp())
            .collect();
        let quieter: Vec<f32> = samples.iter().map(|x| x * 0.125).collect();
        assert_eq!(extract(&samples), extract(&quieter));

        let silence = extract(&[0.0; WINDOW]);
        assert!(silence.iter().step_by(2).all(|&x| (x + 60.0).abs() < 1e-4));
        assert!(silence.iter().skip(1).step_by(2).all(|&x| x.abs() < 1e-4));
    }

    #[test]
    fn motion_is_the_level_less_its_mean() {
        let samples: Vec<f32> = (0..WINDOW)
            .map(|i| if i < 300 { 0.0 } else { (i as f32).sin() })
            .collect();
        let features = extract(&samples);
        for band in 0..BANDS {
            let mean = (0..FRAMES).map(|t| level(&features, t, band)).sum::<f32>() / FRAMES as f32;
            for frame in 0..FRAMES {
                let motion = features[(frame * BANDS + band) * 2 + 1];
                assert!((motion - (level(&features, frame, band) - mean)).abs() < 1e-3);
            }
        }
    }
}
