//! Sound to onsets to feature vectors, hop by hop.
//!
//! The way of the data: [`HopStream`] turns what a host delivers (any rate, any block size, any
//! number of channels) into hops of [`HOP`] samples at [`SAMPLE_RATE`]; [`OnsetDetector`] marks
//! the hops in which a note begins; [`features`] describes the note in numbers; [`Analyzer`] puts
//! the two together.
//!
//! This crate starts no threads and does no I/O. Everything is allocated in constructors; what is
//! marked "Real-time safe" never allocates, locks or calls the system.

pub mod analyzer;
mod bark_spectrum;
pub mod denormals;
mod downmix;
pub mod features;
pub mod hop_stream;
pub mod onset;
pub mod synth;
mod technique;
#[cfg(test)]
mod white_noise;

pub use analyzer::{Analysis, Analyzer, AnalyzerError, Extraction, Note, Onset};
pub use downmix::InputChoice;
pub use hop_stream::{HopEnd, HopStream, HopStreamError, StreamClock};
pub use onset::{
    Detection, OnsetConfig, OnsetDetector, OnsetError, OnsetMethod, UnknownOnsetMethod,
};
pub use technique::{Technique, UnknownTechnique};

/// The rate of all analysis, in hertz (paper, section 3.3). Sound at another rate is resampled to
/// it first.
pub const SAMPLE_RATE: u32 = 48_000;

/// The step of all analysis, in samples at [`SAMPLE_RATE`]: sound comes in hops of this length,
/// 1.33 ms (paper, section 3.3).
pub const HOP: usize = 64;
