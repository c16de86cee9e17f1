//! What is to sound: one recording a technique, at the host's rate.

use tocco_dsp::Technique;
use tocco_recognizer::classification::MAX_CLASSES;

use super::synthesis;

/// The sounds of all classes, mono.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// The host's rate, Hz.
    pub rate: f64,
    /// Samples of each class at the host's rate; full scale 1.
    pub shots: [Vec<f32>; MAX_CLASSES],
}

impl Bank {
    /// The set of our own at `rate` Hz. Allocates.
    #[must_use]
    pub fn synthesised(rate: f64) -> Self {
        Self {
            rate,
            shots: Technique::ALL.map(|technique| synthesis::render(technique, rate)),
        }
    }
}
