//! Sound to onsets to feature vectors.

pub mod features;

/// The rate of all analysis, in hertz. Sound at another rate is resampled to it first.
pub const SAMPLE_RATE: u32 = 48_000;

/// The step of all analysis, in samples at [`SAMPLE_RATE`]: sound comes in hops of this length.
pub const HOP: usize = 64;
