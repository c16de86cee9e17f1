//! The guitar's own sound, reshaped as the technique is that was heard: a kick gets a body, a snare its
//! snap.
//!
//! [`reshaping`] follows the decisions and glides to what is set for each technique; [`equaliser`] and
//! [`compressor`] are what it reshapes with. Until the decision a note sounds as the technique before it
//! did. As delivered it is off, and no sample is touched.

pub mod compressor;
pub mod equaliser;
pub mod reshaping;
