//! Time-frequency patches: short log-Bark spectra side by side over a window.

use std::fmt;
use std::ops::Range;

use super::{FeatureError, Preset};
use crate::bark_spectrum::{BANDS, BarkSpectrum, FRAME};

/// The analysis window of `log-bark` in samples: when the features are taken 7 hops after the one
/// in which the note showed, 256 before and 448 after that hop.
pub(super) const WINDOW: usize = 704;
/// Samples of `log-bark-late` before the window of `log-bark`: what rang before the note.
const BEFORE: usize = 448;
/// The analysis window of `log-bark-late`: it begins 704 samples before the hop in which the note
/// showed, and ends 105 hops later than that of `log-bark`.
pub(super) const LATE_WINDOW: usize = BEFORE + WINDOW + 6720;
/// The window of `log-bark` in it.
pub(super) const LATE_ATTACK: Range<usize> = BEFORE..BEFORE + WINDOW;
/// The analysis window of `log-bark-sure`: that of `log-bark`, and the 5 hops after it.
pub(super) const SURE_WINDOW: usize = WINDOW + 320;
/// Power that silence is taken to have, as a share of that of a sine at the window's peak level:
/// -60 dB. It keeps noise below it from mattering, and the logarithm finite.
pub const LOG_BARK_FLOOR: f64 = 1e-6;
/// Share of a band's power that is left, however loud it was in the background: -20 dB.
const LEAST_LEFT: f64 = 0.01;

/// The shape of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// What its features' names begin with.
    name: &'static str,
    /// Samples of the window in front of it.
    start: usize,
    /// Samples that it spans, and is divided by the peak of.
    span: usize,
    /// Samples of a frame.
    frame: usize,
    /// Samples from one frame to the next.
    frame_hop: usize,
    /// Frames.
    pub(super) frames: usize,
    /// Where the frame lies in the window whose power is taken from that of all frames, if one is.
    background: Option<usize>,
}

impl Shape {
    const fn new(
        name: &'static str,
        start: usize,
        span: usize,
        frame: usize,
        frame_hop: usize,
    ) -> Self {
        let frames = (span - frame) / frame_hop + 1;
        Self {
            name,
            start,
            span,
            frame,
            frame_hop,
            frames,
            background: None,
        }
    }

    /// The same with the background in the frame at `start` taken away.
    const fn less_background(self, start: usize) -> Self {
        Self {
            background: Some(start),
            ..self
        }
    }

    /// The same `samples` further on in the window.
    const fn later(self, samples: usize) -> Self {
        Self {
            start: self.start + samples,
            ..self
        }
    }
}

/// The attack, in frames of 2.7 ms every millisecond.
pub(super) const EARLY: Shape = Shape::new("logBark", 0, WINDOW, FRAME, 48);
/// The attack and 6.7 ms of what follows, in frames of 2.7 ms every 1.3 ms.
pub(super) const SURE: Shape = Shape::new("logBark", 0, SURE_WINDOW, FRAME, 64);
/// What rings after it, from the attack on, in frames of 10.7 ms that tell bands of 100 Hz apart. What
/// rang on before the note, 14.7 to 4 ms before the hop in which it showed, is taken away: spectral
/// subtraction (Boll 1979, "Suppression of acoustic noise in speech using spectral subtraction").
pub(super) const LATE: Shape = Shape::new(
    "logBarkLate",
    LATE_START,
    LATE_WINDOW - LATE_START,
    512,
    512,
)
.less_background(0);
/// The hop in which the note showed.
const LATE_START: usize = BEFORE + 256;

/// Those of `log-bark-late`.
const BOTH: [Shape; 2] = [EARLY.later(BEFORE), LATE];

/// The patches of `preset`.
fn shapes(preset: Preset) -> &'static [Shape] {
    match preset {
        Preset::LogBarkLate => &BOTH,
        Preset::LogBarkSure => &[SURE],
        _ => &[EARLY],
    }
}

/// One number of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Feature {
    /// Which of the preset's patches.
    patch: usize,
    name: &'static str,
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

/// `logBark_FRAME_BAND` and `logBarkMotion_FRAME_BAND`, counted from 1; of the late patch
/// `logBarkLate_…` and `logBarkLateMotion_…`.
impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let motion = match self.kind {
            Kind::Level => "",
            Kind::Motion => "Motion",
        };
        let (frame, band) = (self.frame + 1, self.band + 1);
        write!(f, "{}{motion}_{frame}_{band}", self.name)
    }
}

/// All features of `preset`, patch by patch, frame by frame, in each band by band, in each the
/// level and then the motion: the order `[frames, bands, channels]` that two-dimensional
/// convolutions take.
pub(super) fn features(preset: Preset) -> impl Iterator<Item = Feature> {
    let shapes = shapes(preset).iter().enumerate();
    shapes.flat_map(|(patch, shape)| {
        (0..shape.frames).flat_map(move |frame| {
            (0..BANDS).flat_map(move |band| {
                [Kind::Level, Kind::Motion].map(|kind| Feature {
                    patch,
                    name: shape.name,
                    frame,
                    band,
                    kind,
                })
            })
        })
    })
}

/// What [`features`] has, in words.
pub(super) fn name_ranges(preset: Preset) -> String {
    let ranges = shapes(preset).iter().map(|Shape { name, frames, .. }| {
        let last = format!("{frames}_{BANDS}");
        format!("{name}_1_1 to {name}_{last} and {name}Motion_1_1 to {name}Motion_{last}")
    });
    format!("{} (frame, band)", ranges.collect::<Vec<_>>().join(", "))
}

/// The patches of a preset, each computed frame by frame with one small transform.
///
/// What a patch spans is divided by its peak. Powers of its frames in 24 Bark bands, a full-scale
/// sine being 1; 10 log10(power + 1e-6). Where there is a background its power is taken away first, of a
/// band at most all but a hundredth.
pub(super) struct LogBarkPatch {
    features: Vec<Feature>,
    patches: Vec<Patch>,
}

/// One patch.
struct Patch {
    shape: Shape,
    spectrum: BarkSpectrum,
    /// Powers of the background, `[BANDS]`; zeros if there is none.
    background: [f64; BANDS],
    /// Levels in dB, `[frames][BANDS]`; powers until all of them are known.
    levels: Vec<[f64; BANDS]>,
    /// Mean over the frames, dB, `[BANDS]`.
    means: [f64; BANDS],
}

impl LogBarkPatch {
    /// Prepares the features `names` of `preset`. Allocates.
    pub(super) fn new(preset: Preset, names: &[String]) -> Result<Self, FeatureError> {
        let available: std::collections::HashMap<String, Feature> = features(preset)
            .map(|feature| (feature.to_string(), feature))
            .collect();
        let find = |(index, name): (usize, &String)| {
            let feature = available.get(name).copied();
            feature.ok_or_else(|| FeatureError::UnknownFeature {
                preset,
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
            patches: shapes(preset).iter().copied().map(Patch::new).collect(),
        })
    }

    /// How many parts the work has: transforms, in the order in which their samples come.
    pub(super) fn parts(&self) -> usize {
        self.patches.iter().map(|patch| patch.parts()).sum()
    }

    /// The patch that a part is of, its number there, and where its samples begin in the window.
    fn part(&self, part: usize) -> Option<(usize, usize, usize)> {
        let mut own = part;
        for (index, patch) in self.patches.iter().enumerate() {
            if own < patch.parts() {
                return Some((index, own, patch.start(own)));
            }
            own -= patch.parts();
        }
        None
    }

    /// Samples of the window, from its first on, that a part needs.
    pub(super) fn needs(&self, part: usize) -> usize {
        let place = self.part(part);
        place.map_or(0, |(patch, _, start)| {
            start + self.patches[patch].shape.frame
        })
    }

    /// Does one part; `window` begins with the preset's window and has as many samples of it as the
    /// part needs. Real-time safe.
    pub(super) fn compute(&mut self, part: usize, window: &[f32]) {
        if let Some((patch, own, start)) = self.part(part) {
            self.patches[patch].transform(own, &window[start..]);
        }
    }

    /// The selected features of `window`, the preset's, all parts of which have been done. Of silence,
    /// every level is -60 dB. Real-time safe.
    pub(super) fn finish(&mut self, window: &[f32], out: &mut [f32]) {
        for patch in &mut self.patches {
            patch.finish(window);
        }
        for (out, feature) in out.iter_mut().zip(&self.features) {
            let patch = &self.patches[feature.patch];
            let level = patch.levels[feature.frame][feature.band];
            *out = match feature.kind {
                Kind::Level => level,
                Kind::Motion => level - patch.means[feature.band],
            } as f32;
        }
    }
}

impl Patch {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            spectrum: BarkSpectrum::new(shape.frame),
            background: [0.0; BANDS],
            levels: vec![[0.0; BANDS]; shape.frames],
            means: [0.0; BANDS],
        }
    }

    /// Transforms: of the background, if there is one, and then of the frames.
    fn parts(&self) -> usize {
        usize::from(self.shape.background.is_some()) + self.shape.frames
    }

    /// Where the samples of a transform begin in the window.
    fn start(&self, part: usize) -> usize {
        let frame = |index: usize| self.shape.start + index * self.shape.frame_hop;
        match self.shape.background {
            Some(background) if part == 0 => background,
            Some(_) => frame(part - 1),
            None => frame(part),
        }
    }

    /// Puts the powers of one transform, of the samples as they are, where its levels will be.
    /// Real-time safe.
    fn transform(&mut self, part: usize, samples: &[f32]) {
        let powers = self.spectrum.powers(&samples[..self.shape.frame], 1.0);
        let frame = match self.shape.background {
            Some(_) if part == 0 => {
                self.background = powers;
                return;
            }
            Some(_) => part - 1,
            None => part,
        };
        self.levels[frame] = powers;
    }

    /// Makes levels of the powers, now that all that the patch spans is there. Real-time safe.
    fn finish(&mut self, window: &[f32]) {
        let samples = &window[self.shape.start..][..self.shape.span];
        let peak = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let gain = if peak > 0.0 {
            1.0 / f64::from(peak)
        } else {
            0.0
        };
        // Of a power.
        let gain = gain * gain;
        self.means = [0.0; BANDS];
        for levels in &mut self.levels {
            let powers = levels.iter_mut().zip(&self.background);
            for ((level, before), mean) in powers.zip(&mut self.means) {
                let power = *level * gain;
                let power = (power - before * gain).max(LEAST_LEFT * power);
                *level = 10.0 * (power + LOG_BARK_FLOOR).log10();
                *mean += *level / self.shape.frames as f64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bark_spectrum::{bark, centre};
    use crate::features::FeatureExtractor;

    const FRAMES: usize = EARLY.frames;

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
    fn the_sure_patch_hears_the_attack_as_the_early_one_does_and_goes_on() {
        let names = Preset::LogBarkSure.feature_names();
        assert_eq!(names.len(), 15 * 24 * 2);
        assert_eq!(names[719], "logBarkMotion_15_24");
        let mut extractor = FeatureExtractor::new(Preset::LogBarkSure, &names).unwrap();
        assert_eq!(extractor.history_len(), SURE_WINDOW);
        let sound = |i: usize| (i as f32 * 0.3).sin() * (-(i as f32) / 300.0).exp();
        let samples: Vec<f32> = (0..SURE_WINDOW).map(sound).collect();
        let mut sure = vec![f32::NAN; names.len()];
        extractor.extract(&samples, &mut sure);
        let early = extract(&samples[Preset::LogBarkSure.attack()]);
        // Every third frame begins where every fourth one of the early patch does.
        for (own, of_early) in [(0, 0), (3, 4), (6, 8), (9, 12)] {
            for band in 0..BANDS {
                let levels = [level(&sure, own, band), level(&early, of_early, band)];
                assert_eq!(levels[0], levels[1], "frame {own}, band {band}");
            }
        }
        assert!(level(&sure, 14, 9) < level(&sure, 9, 9) - 5.0, "it decays");
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

    #[test]
    fn the_late_patch_follows_the_early_one_which_stays_what_it_is() {
        let names = Preset::LogBarkLate.feature_names();
        assert_eq!(names.len(), (13 + 14) * 24 * 2);
        assert_eq!(names[..624], Preset::LogBark.feature_names());
        assert_eq!(names[624], "logBarkLate_1_1");
        assert_eq!(names[1295], "logBarkLateMotion_14_24");
        let mut extractor = FeatureExtractor::new(Preset::LogBarkLate, &names).unwrap();
        assert_eq!(extractor.history_len(), LATE_WINDOW);
        let samples: Vec<f32> = (0..LATE_WINDOW).map(decaying).collect();
        let mut features = vec![f32::NAN; names.len()];
        extractor.extract(&samples, &mut features);
        assert_eq!(
            features[..624],
            extract(&samples[Preset::LogBarkLate.attack()])
        );
        // A sine at 2.3 kHz that loses a factor of e, 8.7 dB, in 2000 samples: 2.2 dB a frame.
        let late = &features[624..];
        let loudest = (0..BANDS).max_by(|&a, &b| level(late, 1, a).total_cmp(&level(late, 1, b)));
        let fall = level(late, 3, loudest.unwrap()) - level(late, 8, loudest.unwrap());
        assert!((fall - 5.0 * 512.0 / 2000.0 * 8.686).abs() < 0.1, "{fall}");
    }

    /// A sine at 2.3 kHz from where the late patch begins.
    fn decaying(i: usize) -> f32 {
        match i.checked_sub(LATE.start) {
            None => 0.0,
            Some(since) => (since as f32 * 0.3).sin() * (-(since as f32) / 2000.0).exp(),
        }
    }

    #[test]
    fn what_rang_before_the_note_is_taken_away_from_the_late_patch() {
        let names = Preset::LogBarkLate.feature_names();
        let mut extractor = FeatureExtractor::new(Preset::LogBarkLate, &names).unwrap();
        let mut late = |sound: &dyn Fn(usize) -> f32| {
            let samples: Vec<f32> = (0..LATE_WINDOW).map(sound).collect();
            let mut features = vec![f32::NAN; names.len()];
            extractor.extract(&samples, &mut features);
            features.split_off(624)
        };
        // 440 Hz, whole periods in no frame, 20 dB below the note's peak.
        let ringing = |i: usize| 0.1 * (i as f32 * 0.0576).sin();
        let note = late(&decaying);
        let both = late(&|i| decaying(i) + ringing(i));
        // The same, but nothing is heard of it before the note.
        let sudden = late(&|i| decaying(i) + if i < LATE.start { 0.0 } else { ringing(i) });
        let band = |hertz: f64| {
            let from = |band: &usize| (centre(*band) - bark(hertz)).abs();
            let bands = 0..BANDS;
            bands.min_by(|a, b| from(a).total_cmp(&from(b))).unwrap()
        };
        let (low, high) = (band(440.0), band(2_292.0));
        for frame in 1..LATE.frames {
            let [note_low, both_low, sudden_low] =
                [&note, &both, &sudden].map(|f| level(f, frame, low));
            assert!(
                sudden_low > note_low + 10.0,
                "{frame}: {sudden_low} {note_low}"
            );
            assert!(
                both_low < sudden_low - 15.0,
                "{frame}: {both_low} {sudden_low}"
            );
            let [note_high, both_high] = [&note, &both].map(|f| level(f, frame, high));
            assert!(
                (both_high - note_high).abs() < 1.0,
                "{frame}: {both_high} {note_high}"
            );
        }
        // Of what is as loud as before, a hundredth is left.
        let still = late(&ringing);
        let unheard = late(&|i| if i < LATE.start { 0.0 } else { ringing(i) });
        let left = level(&still, 5, low) - level(&unheard, 5, low);
        assert!((left + 20.0).abs() < 1.0, "{left}");
    }
}
