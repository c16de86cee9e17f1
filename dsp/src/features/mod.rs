//! Feature vectors: what a network is told about a note.
//!
//! A [`Preset`] names a family of features with all their settings, a [`FeatureExtractor`]
//! computes a selection of them, by name and in the given order, from the newest samples.
//!
//! The `timbreid` presets follow William Brent's timbreID in the C++ port that the authors of the
//! paper use (GitHub `wbrent/timbreIDLib` and `domenicostefani/cpp-timbreID`), with the settings of
//! their plugin. One file in `timbreid/` holds one feature; the Fourier transform and the Bark bands are
//! computed once per window and shared.
//!
//! The preset `log-bark` is our own: a time-frequency patch for convolutional networks.

mod error;
mod extractor;
mod log_bark_patch;
mod preset;
mod timbreid;

pub use error::{FeatureError, OtherWindow, UnknownPreset};
pub use extractor::FeatureExtractor;
pub use log_bark_patch::LOG_BARK_FLOOR;
pub use preset::Preset;
