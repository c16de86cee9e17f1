//! Families of features with all their settings.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::error::{OtherWindow, UnknownPreset};
use super::{log_bark_patch, timbreid};

/// A family of features with all its settings, as a model package names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// `timbreid`: exactly the features of the paper's plugin, which builds its filterbanks for
    /// 44.1 kHz (50 Bark bands) while the sound is at 48 kHz.
    Timbreid,
    /// `timbreid-48k`: the same with filterbanks for 48 kHz (51 Bark bands).
    Timbreid48k,
    /// `log-bark`: a patch of log-Bark spectra, 13 frames by 24 bands by 2 channels (level, and
    /// level less its mean over time), of the window divided by its peak.
    LogBark,
    /// `log-bark-sure`: such a patch of 15 frames, which ends 16 ms after the onset.
    LogBarkSure,
    /// `log-bark-late`: the patch of `log-bark`, which ends 9 ms after the onset, and a second one of
    /// 14 longer frames that goes on to 149 ms after it, less what rang before it: how the note rings,
    /// for a decision that has the time.
    LogBarkLate,
}

impl Preset {
    /// All presets.
    pub const ALL: &'static [Self] = &[
        Self::Timbreid,
        Self::Timbreid48k,
        Self::LogBark,
        Self::LogBarkSure,
        Self::LogBarkLate,
    ];

    /// The preset's name in model packages and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timbreid => "timbreid",
            Self::Timbreid48k => "timbreid-48k",
            Self::LogBark => "log-bark",
            Self::LogBarkSure => "log-bark-sure",
            Self::LogBarkLate => "log-bark-late",
        }
    }

    /// The analysis window in samples at [`crate::SAMPLE_RATE`].
    ///
    /// A feature may look further back than the window:
    /// see [`FeatureExtractor::history_len`](super::FeatureExtractor::history_len).
    pub const fn window(self) -> usize {
        match self {
            Self::Timbreid | Self::Timbreid48k => timbreid::WINDOW,
            Self::LogBark => log_bark_patch::WINDOW,
            Self::LogBarkSure => log_bark_patch::SURE_WINDOW,
            Self::LogBarkLate => log_bark_patch::LATE_WINDOW,
        }
    }

    /// Whether a network that says it was trained on windows of `found` samples was trained on these
    /// features: patches of the same name have lain elsewhere.
    ///
    /// # Errors
    /// When the preset has patches, and another window.
    pub const fn check_window(self, found: usize) -> Result<(), OtherWindow> {
        if self.patch_frames().is_empty() || found == self.window() {
            return Ok(());
        }
        Err(OtherWindow {
            preset: self,
            found,
        })
    }

    /// Which samples of the window are the note's attack: what `log-bark` hears, where the preset hears
    /// more.
    pub const fn attack(self) -> Range<usize> {
        match self {
            Self::LogBarkSure => 0..log_bark_patch::WINDOW,
            Self::LogBarkLate => log_bark_patch::LATE_ATTACK,
            _ => 0..self.window(),
        }
    }

    /// The names of all features of this preset, in their natural order.
    pub fn feature_names(self) -> Vec<String> {
        match self.filterbank_sample_rate() {
            Some(sample_rate) => timbreid::features(sample_rate)
                .map(|feature| feature.to_string())
                .collect(),
            None => log_bark_patch::features(self)
                .map(|feature| feature.to_string())
                .collect(),
        }
    }

    /// Frames of each of the preset's log-Bark patches, one after the other in
    /// [`feature_names`](Self::feature_names), each frame of 24 bands and 2 channels (level and
    /// motion); none if the preset has no patches.
    pub const fn patch_frames(self) -> &'static [usize] {
        match self {
            Self::Timbreid | Self::Timbreid48k => &[],
            Self::LogBark => &[log_bark_patch::EARLY.frames],
            Self::LogBarkSure => &[log_bark_patch::SURE.frames],
            Self::LogBarkLate => &[log_bark_patch::EARLY.frames, log_bark_patch::LATE.frames],
        }
    }

    /// The sample rate in hertz that the filterbanks of timbreID are built for, if the preset is
    /// one of those that have them.
    pub(super) const fn filterbank_sample_rate(self) -> Option<f64> {
        match self {
            Self::Timbreid => Some(44_100.0),
            Self::Timbreid48k => Some(48_000.0),
            Self::LogBark | Self::LogBarkSure | Self::LogBarkLate => None,
        }
    }

    /// The feature names in words, short enough for an error message.
    pub(super) fn name_ranges(self) -> String {
        match self.filterbank_sample_rate() {
            Some(sample_rate) => timbreid::name_ranges(sample_rate),
            None => log_bark_patch::name_ranges(self),
        }
    }

    /// The names of all presets in words.
    pub(super) fn list() -> String {
        let names: Vec<_> = Self::ALL
            .iter()
            .map(|preset| format!("\"{preset}\""))
            .collect();
        names.join(", ")
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|preset| preset.name() == name);
        found.copied().ok_or_else(|| UnknownPreset {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_preset() {
        for &preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let error = "timbreid-96k".parse::<Preset>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "preset: \"timbreid-96k\" is unknown; there are \"timbreid\", \"timbreid-48k\", \
             \"log-bark\", \"log-bark-sure\", \"log-bark-late\""
        );
    }

    #[test]
    fn feature_counts_are_those_of_the_reference() {
        let count = |preset: Preset, kind: &str| {
            let names = preset.feature_names();
            names.iter().filter(|name| name.starts_with(kind)).count()
        };
        for (preset, bark_bands) in [(Preset::Timbreid, 50), (Preset::Timbreid48k, 51)] {
            assert_eq!(count(preset, "barkSpec_"), bark_bands);
            assert_eq!(count(preset, "bfcc_"), bark_bands);
            assert_eq!(count(preset, "cepstrum_"), 353);
            assert_eq!(count(preset, "mfcc_"), 38);
            assert_eq!(preset.feature_names().len(), 2 * bark_bands + 353 + 38 + 5);
        }
    }
}
