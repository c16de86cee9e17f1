//! What can be wrong with a choice of features.

use super::Preset;

/// A choice of features that no extractor can be built for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// The preset has no feature of that name.
    #[error(
        "features[{index}]: the preset \"{preset}\" has no feature \"{name}\"; it has {}. \
         Take a name of these, or the preset that the list was made for",
        preset.name_ranges()
    )]
    UnknownFeature {
        /// The preset that was searched.
        preset: Preset,
        /// The name that was not found.
        name: String,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// The same name stands in the list twice.
    #[error(
        "features[{index}]: \"{name}\" is already at features[{first}]; each feature may be listed \
         once. Remove one of the two"
    )]
    DuplicateFeature {
        /// The repeated name.
        name: String,
        /// Where it stands first, from 0.
        first: usize,
        /// Where it stands again, from 0.
        index: usize,
    },
    /// The list is empty.
    #[error("features: the list is empty; name at least one feature of the preset \"{preset}\"")]
    NoFeatures {
        /// The preset that the features were to be taken from.
        preset: Preset,
    },
}

/// A window on which the preset's patches do not lie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "window: expected {}, what the preset \"{preset}\" hears, found {found}; the network was trained on \
     other features. Train it again",
    preset.window()
)]
pub struct OtherWindow {
    /// The preset.
    pub preset: Preset,
    /// The window that was asked for, samples.
    pub found: usize,
}

/// A name that is no preset's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("preset: \"{name}\" is unknown; there are {}", Preset::list())]
pub struct UnknownPreset {
    /// The name that was not found.
    pub name: String,
}
