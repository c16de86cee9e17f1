//! What is said about one note.

use std::time::Duration;

/// Most classes a model may have: each class has a bar in the editor and a MIDI note.
pub const MAX_CLASSES: usize = 8;

/// Number of a loaded model, in the order of loading. Results carry it, so that a name is never
/// taken from a model that was swapped in later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelSerial(pub u32);

/// A note on its way from the analysis to its result. Travels with the features and comes back
/// with the probabilities, so that a result cannot be paired with another onset.
///
/// Positions are host samples since the stream began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Number of the onset, counted from the first.
    pub onset_id: u64,
    /// Estimated onset.
    pub position: u64,
    /// End of the hop in which the onset was detected.
    pub detected: u64,
    /// End of the hop after which the features were computed.
    pub features_ready: u64,
    /// Highest level around the onset, dB full scale.
    pub peak_db: f32,
    /// The callback in which the features were computed, counted from the first.
    pub callback: u64,
    /// The stream that the note was heard in: another one after every reset.
    pub epoch: u32,
}

/// Which of the decisions about a note a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The first one, as soon as the attack was heard.
    First,
    /// A later and surer one, about a note of which the first one is known.
    Second {
        /// The class of the first decision.
        was: usize,
        /// Whether the first decision made no MIDI.
        was_gated: bool,
    },
}

/// The result for one note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Classification {
    /// Which decision about the note it is.
    pub decision: Decision,
    /// The note that was classified. Of a second decision, with the level that the first one had.
    pub note: Note,
    /// Host position, samples: end of the hop in which the result reached the audio thread. What a
    /// classifier thread answered between two callbacks is seen at the end of the later one's first
    /// hop, or of all of it if it is shorter; its event lies at the beginning of that callback, up to a
    /// hop earlier.
    pub seen: u64,
    /// Probabilities of the classes; those from `n_classes` on are 0.
    pub probabilities: [f32; MAX_CLASSES],
    /// How many classes the model has.
    pub n_classes: usize,
    /// Index of the most probable class.
    pub class: usize,
    /// Whether it makes no MIDI: the probability lies under the confidence gate, or it is rejected.
    pub gated: bool,
    /// Log odds that it is no note, with what was heard around it: see [`rejection`](crate::rejection).
    /// `None` if the model cannot tell.
    pub rejection: Option<f32>,
    /// Whether it is rejected as no note.
    pub rejected: bool,
    /// Whether it was classified on the audio thread.
    pub inline: bool,
    /// Time from the features being ready to the start of the inference; zero when inline.
    pub wake: Duration,
    /// Duration of the inference.
    pub inference: Duration,
    /// Callbacks by which the result came later than it could have: 0 in the same callback as the
    /// features and in the next one.
    pub late_blocks: u32,
    /// The model that answered.
    pub model: ModelSerial,
}

impl Classification {
    /// Whether it amends an earlier result for the same note. Real-time safe.
    #[must_use]
    #[inline]
    pub fn is_second(&self) -> bool {
        self.decision != Decision::First
    }

    /// Whether it is a second decision for another class than the first. Real-time safe.
    #[must_use]
    #[inline]
    pub fn changed(&self) -> bool {
        matches!(self.decision, Decision::Second { was, .. } if was != self.class)
    }

    /// Probability of the most probable class.
    ///
    /// Real-time safe.
    #[must_use]
    #[inline]
    pub fn probability(&self) -> f32 {
        self.probabilities[self.class]
    }

    /// A first decision about onset `onset_id`, all of whose numbers follow from that: for tests of
    /// what is made of results.
    #[doc(hidden)]
    #[must_use]
    pub fn numbered(onset_id: u64) -> Self {
        Self {
            decision: Decision::First,
            note: Note {
                onset_id,
                position: 0,
                detected: 0,
                features_ready: 0,
                peak_db: onset_id as f32,
                callback: 0,
                epoch: 0,
            },
            seen: onset_id,
            probabilities: [onset_id as f32; MAX_CLASSES],
            n_classes: 8,
            class: (onset_id % 8) as usize,
            gated: onset_id % 2 == 1,
            rejection: None,
            rejected: false,
            inline: true,
            wake: Duration::ZERO,
            inference: Duration::ZERO,
            late_blocks: 0,
            model: ModelSerial(onset_id as u32),
        }
    }

    /// From the onset to the result on the audio thread, host samples.
    ///
    /// Real-time safe.
    #[must_use]
    #[inline]
    pub fn latency(&self) -> u64 {
        self.seen.saturating_sub(self.note.position)
    }
}
