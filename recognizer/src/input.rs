//! What a model's manifest says about its input, in the types of the analysis.

use tocco_dsp::features::{FeatureError, FeatureExtractor, OtherWindow, Preset, UnknownPreset};
use tocco_dsp::{AnalyzerError, Extraction, OnsetMethod, UnknownOnsetMethod};
use tocco_engines::ModelPackage;

/// How a model wants the sound to be heard: which onsets, which features, and when after the onset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInput {
    /// How onsets are found.
    pub method: OnsetMethod,
    /// The family of features.
    pub preset: Preset,
    /// Which features, in which order, `[n_features]`.
    pub features: Vec<String>,
    /// When after the onset they are taken, hops.
    pub post_onset_hops: usize,
}

/// Why a package's input cannot be had: the place and what is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{package}/model.toml: {fault}")]
pub struct InputError {
    /// Where the package is.
    pub package: String,
    /// What is wrong.
    pub fault: InputFault,
}

/// What is wrong with a manifest's `[input]`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InputFault {
    /// Features of an unknown kind.
    #[error("input.{0}")]
    Preset(#[from] UnknownPreset),
    /// An unknown way to find onsets.
    #[error("input.{0}")]
    OnsetMethod(#[from] UnknownOnsetMethod),
    /// Features there are not.
    #[error("input.{0}")]
    Features(#[from] FeatureError),
    /// The network was trained on another window of the patches.
    #[error("input.{0}")]
    Window(#[from] OtherWindow),
    /// Features that cannot be taken as it says.
    #[error("input: {0}")]
    Extraction(#[from] AnalyzerError),
}

impl ModelInput {
    /// What the manifest of `package` says, its window checked. Allocates.
    ///
    /// # Errors
    /// When a name is unknown, or the patches that the network was trained on had another window.
    pub fn of(package: &ModelPackage) -> Result<Self, InputError> {
        let input = &package.manifest.input;
        let read = || -> Result<Self, InputFault> {
            let preset: Preset = input.preset.parse()?;
            preset.check_window(input.window as usize)?;
            Ok(Self {
                method: input.onset.parse()?,
                preset,
                features: input.features.clone(),
                post_onset_hops: input.post_onset_hops as usize,
            })
        };
        read().map_err(|fault| fault.in_package(package))
    }

    /// The extraction that takes these features. Allocates.
    ///
    /// # Errors
    /// When there are no such features, or they cannot be taken then.
    fn extraction(&self) -> Result<Extraction, InputFault> {
        let extractor = FeatureExtractor::new(self.preset, &self.features)?;
        Ok(Extraction::new(
            self.method,
            extractor,
            self.post_onset_hops,
        )?)
    }
}

/// The features of `package` as the analysis takes them. Allocates.
///
/// # Errors
/// When its manifest's `[input]` cannot be had: see [`InputFault`].
pub fn extraction(package: &ModelPackage) -> Result<Extraction, InputError> {
    let extraction = ModelInput::of(package)?.extraction();
    extraction.map_err(|fault| fault.in_package(package))
}

impl InputFault {
    fn in_package(self, package: &ModelPackage) -> InputError {
        InputError {
            package: package.source.clone(),
            fault: self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::shipped;

    #[test]
    fn every_field_of_the_input_is_checked_and_named() {
        let package = shipped("tocco-late");
        let heard = extraction(&package).unwrap();
        assert_eq!(heard.method(), OnsetMethod::Flux);
        assert_eq!(heard.extractor().n_features(), 1_296);
        assert_eq!(heard.post_onset_hops(), 112);
        type Fault = fn(&mut tocco_engines::package::manifest::Input);
        let faults: [(Fault, &str); 5] = [
            (|input| input.preset = "mel".to_owned(), "input.preset"),
            (|input| input.onset = "ear".to_owned(), "input.onset"),
            // What Tocco-late heard before it left out what rang before the note.
            (|input| input.window = 7_424, "input.window"),
            (
                |input| input.features[3] = "none".to_owned(),
                "input.features[3]",
            ),
            (
                |input| input.post_onset_hops = 121,
                "input: `post_onset_hops`",
            ),
        ];
        for (fault, place) in faults {
            let mut package = package.clone();
            fault(&mut package.manifest.input);
            let error = extraction(&package).unwrap_err().to_string();
            assert!(error.contains("tocco-late/model.toml: "), "{error}");
            assert!(error.contains(place), "{error}");
        }
    }
}
