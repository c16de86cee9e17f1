//! How the pipeline is set.

use tocco_dsp::{InputChoice, OnsetConfig};

use crate::rejection::DEFAULT_STRICTNESS;

/// What may change from block to block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Settings of the onset detector.
    pub onset: OnsetConfig,
    /// Least probability of the winner for a note to make MIDI, 0 to 1.
    pub gate: f32,
    /// How strictly onsets are rejected that are no notes: from 0, not at all, to 1.
    pub strictness: f32,
    /// What is heard of a stereo input.
    pub input: InputChoice,
    /// Whether the networks learn their player by listening. Without it they forget what they learnt
    /// at once, and with it again they start anew.
    pub adapt: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            onset: OnsetConfig::default(),
            gate: 0.0,
            strictness: DEFAULT_STRICTNESS,
            input: InputChoice::Automatic,
            adapt: true,
        }
    }
}
