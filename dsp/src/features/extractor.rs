//! The one entrance to all features.

use std::fmt;

use super::log_bark_patch::LogBarkPatch;
use super::timbreid::Timbreid;
use super::{FeatureError, Preset};

/// Computes selected features of a [`Preset`] from the newest samples.
///
/// A vector depends on the samples handed in alone. [`extract`](Self::extract) keeps nothing from one
/// call to the next; its work can also be done [in parts](Self::n_parts), while the samples come.
///
/// ```
/// use tocco_dsp::features::{FeatureExtractor, Preset};
///
/// let mut extractor = FeatureExtractor::new(Preset::Timbreid, &["zeroCrossing", "peakSample_value"])?;
/// let mut history = vec![0.0; extractor.history_len()];
/// *history.last_mut().unwrap() = -0.5;
///
/// let mut features = vec![0.0; extractor.n_features()];
/// extractor.extract(&history, &mut features);
/// assert_eq!(features, [0.0, 0.5]);
/// # Ok::<(), tocco_dsp::features::FeatureError>(())
/// ```
pub struct FeatureExtractor {
    preset: Preset,
    names: Vec<String>,
    family: Family,
}

/// What computes the features of a preset.
enum Family {
    Timbreid(Box<Timbreid>),
    LogBarkPatch(Box<LogBarkPatch>),
}

impl FeatureExtractor {
    /// Prepares the features `names` of `preset`, to be given out in that order.
    ///
    /// Allocates; not for the audio thread.
    ///
    /// # Errors
    /// When the list is empty, or has a name twice or one that the preset does not have.
    pub fn new(preset: Preset, names: &[impl AsRef<str>]) -> Result<Self, FeatureError> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        if names.is_empty() {
            return Err(FeatureError::NoFeatures { preset });
        }
        for (index, name) in names.iter().enumerate() {
            if let Some(first) = names[..index].iter().position(|earlier| earlier == name) {
                return Err(FeatureError::DuplicateFeature {
                    name: name.clone(),
                    first,
                    index,
                });
            }
        }
        let family = match preset.filterbank_sample_rate() {
            Some(sample_rate) => {
                Family::Timbreid(Box::new(Timbreid::new(preset, sample_rate, &names)?))
            }
            None => Family::LogBarkPatch(Box::new(LogBarkPatch::new(preset, &names)?)),
        };
        Ok(Self {
            preset,
            family,
            names,
        })
    }

    /// The preset that the features belong to.
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// The names of the features in the order of the vector, `[n_features]`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The length of the feature vector.
    pub fn n_features(&self) -> usize {
        self.names.len()
    }

    /// How many of the newest samples [`extract`](Self::extract) looks at; at least the preset's
    /// [`window`](Preset::window).
    pub fn history_len(&self) -> usize {
        match self.family {
            Family::Timbreid(_) => Timbreid::HISTORY,
            Family::LogBarkPatch(_) => self.preset.window(),
        }
    }

    /// Computes the feature vector of `history`, the newest samples at [`crate::SAMPLE_RATE`] with
    /// the newest last, `[history_len]`, into `features`, `[n_features]`.
    ///
    /// Finite samples give finite features. What has no value is given as -1: the attack time where
    /// no attack is found, the brightness of silence.
    ///
    /// Real-time safe.
    ///
    /// # Panics
    /// When a slice has not the stated length.
    pub fn extract(&mut self, history: &[f32], features: &mut [f32]) {
        assert_eq!(
            history.len(),
            self.history_len(),
            "history: [history_len] samples are needed"
        );
        for part in 0..self.n_parts() {
            self.compute_part(part, history);
        }
        self.finish(history, features);
    }

    /// Parts of the work that can be done before all samples are there, one after the other: see
    /// [`compute_part`](Self::compute_part).
    pub fn n_parts(&self) -> usize {
        match &self.family {
            Family::Timbreid(_) => 0,
            Family::LogBarkPatch(patch) => patch.parts(),
        }
    }

    /// How many samples of the history, from its first on, must be there for this part. Real-time safe.
    pub fn part_needs(&self, part: usize) -> usize {
        match &self.family {
            Family::Timbreid(_) => 0,
            Family::LogBarkPatch(patch) => patch.needs(part),
        }
    }

    /// Does one part of [`extract`](Self::extract). `history` begins where that of `extract` will, and
    /// may end before it. Real-time safe.
    ///
    /// # Panics
    /// When `history` is shorter than the part needs.
    pub fn compute_part(&mut self, part: usize, history: &[f32]) {
        match &mut self.family {
            Family::Timbreid(_) => {}
            Family::LogBarkPatch(patch) => patch.compute(part, history),
        }
    }

    /// The features of `history` `[history_len]`, all parts of which have been computed, into
    /// `features` `[n_features]`. Real-time safe.
    ///
    /// # Panics
    /// When a slice has not the stated length.
    pub fn finish(&mut self, history: &[f32], features: &mut [f32]) {
        assert_eq!(
            history.len(),
            self.history_len(),
            "history: [history_len] samples are needed"
        );
        assert_eq!(
            features.len(),
            self.n_features(),
            "features: [n_features] values are given out"
        );
        match &mut self.family {
            Family::Timbreid(timbreid) => timbreid.extract(history, features),
            Family::LogBarkPatch(patch) => patch.finish(history, features),
        }
    }
}

impl fmt::Debug for FeatureExtractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureExtractor")
            .field("preset", &self.preset)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(names: &[&str]) -> String {
        FeatureExtractor::new(Preset::Timbreid, names)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_unknown_name_is_told_with_its_place_and_what_there_is() {
        let message = error(&["mfcc_1", "barkSpec_51"]);
        assert!(message.starts_with("features[1]: the preset \"timbreid\" has no feature"));
        assert!(message.contains("\"barkSpec_51\"") && message.contains("barkSpec_1 to 50"));
    }

    #[test]
    fn a_name_twice_and_no_name_are_refused() {
        let message = error(&["mfcc_1", "zeroCrossing", "mfcc_1"]);
        assert!(message.starts_with("features[2]: \"mfcc_1\" is already at features[0]"));
        assert!(error(&[]).contains("the list is empty"));
    }

    #[test]
    fn it_may_move_to_another_thread() {
        fn moves<T: Send>() {}
        moves::<FeatureExtractor>();
    }
}
