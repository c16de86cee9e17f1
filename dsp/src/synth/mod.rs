//! A synthesised acoustic guitar, for tests and for the demo.
//!
//! **Nothing here is a recording.** Strings and body are physical models, every number that comes
//! out of measuring them describes this synthesiser and no real player, and whoever lets it be
//! heard or quotes a result on it says so. The parameters were set by comparing spectra, attacks
//! and decays with measurements of the playing of four people; no recorded sample is in it.
//!
//! The same seed gives the same samples. A [`Performance`] is a score played by the [`Guitar`]:
//! [`plucking`] a [`string`] is heard through the [`body`]; [`percussion`] hits the body itself.

pub mod body;
pub mod guitar;
pub mod modes;
pub mod noise;
pub mod percussion;
pub mod performance;
pub mod plucking;
pub mod string;
pub mod tone;

pub use guitar::{Guitar, Stroke};
pub use performance::{Performance, PlayedNote};
pub use tone::add_tone;
