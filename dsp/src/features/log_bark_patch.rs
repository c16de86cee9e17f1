//! A time-frequency patch: short log-Bark spectra side by side over the window.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::{FeatureError, Preset};
use crate::SAMPLE_RATE;

/// The analysis window in samples: 384 before and 320 after the hop in which the onset was
/// detected, when the features are taken 5 hops later.
pub(super) const WINDOW: usize = 704;
/// Samples of one frame.
const FRAME: usize = 128;
/// Samples from one frame to the next.
const FRAME_HOP: usize = 48;
/// Samples of the transform: frames are padded with zeros at their end.
const TRANSFORM: usize = 256;
/// Frames of the patch.
pub(super) const FRAMES: usize = (WINDOW - FRAME) / FRAME_HOP + 1;
/// Bark bands of the patch.
pub(super) const BANDS: usize = 24;
/// The lowest band begins here, hertz.
const LOWEST_HERTZ: f64 = 40.0;
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

/// Hertz to Bark, 6 asinh(f / 600) (Wang, Sekey and Gersho 1992).
fn bark(hertz: f64) -> f64 {
    6.0 * (hertz / 600.0).asinh()
}

/// The patch, computed frame by frame with one small transform.
///
/// The window is divided by its peak. Frames of 128 samples under a Hann window, zero-padded to
/// 256, every 48 samples; power spectra, a full-scale sine being 1; triangular filters of ±1 Bark,
/// one Bark apart, the lowest beginning at 40 Hz; 10 log10(power + 1e-6).
pub(super) struct LogBarkPatch {
    features: Vec<Feature>,
    transform: Arc<dyn RealToComplex<f64>>,
    /// Hann, scaled so that the squared magnitude of a full-scale sine is 1.
    window_function: Vec<f64>,
    frame: Vec<f64>,
    bins: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    /// First bin and weights of each band, `[BANDS]`.
    bands: Vec<(usize, Vec<f64>)>,
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
        let transform = RealFftPlanner::new().plan_fft_forward(TRANSFORM);
        let hann: Vec<f64> = (0..FRAME)
            .map(|i| 0.5 - 0.5 * (TAU * i as f64 / FRAME as f64).cos())
            .collect();
        let sum: f64 = hann.iter().sum();
        Ok(Self {
            features,
            window_function: hann.iter().map(|weight| weight * 2.0 / sum).collect(),
            frame: transform.make_input_vec(),
            bins: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            transform,
            bands: (0..BANDS).map(triangle).collect(),
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
            let (head, padding) = self.frame.split_at_mut(FRAME);
            for ((value, &sample), weight) in
                head.iter_mut().zip(samples).zip(&self.window_function)
            {
                *value = f64::from(sample) * gain * weight;
            }
            // The transform leaves its input changed.
            padding.fill(0.0);
            self.transform
                .process_with_scratch(&mut self.frame, &mut self.bins, &mut self.scratch)
                .expect("the plan made these buffers");
            for ((level, mean), (first, weights)) in
                levels.iter_mut().zip(&mut self.means).zip(&self.bands)
            {
                let bins = self.bins[*first..].iter().zip(weights);
                let power: f64 = bins.map(|(bin, weight)| bin.norm_sqr() * weight).sum();
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

/// The triangular filter of a band: its first bin and the weights from there.
fn triangle(band: usize) -> (usize, Vec<f64>) {
    let centre = bark(LOWEST_HERTZ) + (band + 1) as f64;
    let weight = |bin: usize| {
        let hertz = bin as f64 * f64::from(SAMPLE_RATE) / TRANSFORM as f64;
        1.0 - (bark(hertz) - centre).abs()
    };
    let bins = (0..=TRANSFORM / 2).filter(|&bin| weight(bin) > 0.0);
    let first = bins.clone().next().unwrap_or(0);
    (first, bins.map(weight).collect())
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
    fn every_band_has_a_bin_and_the_filters_of_neighbours_sum_to_one() {
        let bands: Vec<_> = (0..BANDS).map(triangle).collect();
        assert!(bands.iter().all(|(_, weights)| !weights.is_empty()));
        // 3 kHz lies between two centres.
        let sum: f64 = bands
            .iter()
            .filter_map(|(first, weights)| weights.get(16_usize.checked_sub(*first)?))
            .sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn a_sine_on_a_bin_has_its_power_in_the_bands_around_it() {
        // Bin 32 of 256, 6 kHz; the main lobe reaches four bins (of 256) to each side.
        let samples: Vec<f32> = (0..WINDOW)
            .map(|i| 0.25 * (TAU * i as f64 / 8.0).sin() as f32)
            .collect();
        let features = extract(&samples);
        let power: f64 = (0..BANDS)
            .map(|band| 10_f64.powf(f64::from(level(&features, 6, band)) / 10.0))
            .sum();
        // Sum over the lobe of a Hann window at half-bin steps: 2 * 1.5.
        assert!((power - 3.0).abs() < 0.01, "{power}");
        let loudest =
            (0..BANDS).max_by(|&a, &b| level(&features, 6, a).total_cmp(&level(&features, 6, b)));
        let centre = |band: usize| bark(LOWEST_HERTZ) + (band + 1) as f64;
        assert!((centre(loudest.unwrap()) - bark(6_000.0)).abs() < 1.0);
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
