//! Where the network runs: on the audio thread, or on a thread of its own.
//!
//! Small networks of our own engines answer on the audio thread in the callback that has the
//! features. The others get a [`worker`] thread, one per plugin instance and loaded model, with
//! queues both ways. Offline everything answers at once, so that a bounce is the same every time.

pub mod queue;
pub mod scheduling;
pub mod wake;
pub mod worker;

use tocco_engines::{Classifier, EngineId, InferError};

use crate::classification::MAX_CLASSES;
use crate::pace::Pace;
use queue::{Answer, Died};

pub use queue::ThreadRunner;
pub use scheduling::Scheduling;
pub use wake::Wake;

/// Networks with no more weights than this may run on the audio thread, bytes as they are packed:
/// what a Raspberry Pi 4 reads in time. The paper's model C has 254,832 in `f32` (and takes a few µs
/// of a 1,333 µs block), model B 2.7 million. Tocco has 0.34 million, and 0.36 million when
/// calibrated, 0.04 million of them to tell notes from foreign sounds.
pub const LARGEST_INLINE_WEIGHTS: usize = 360_000;

/// Where a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On the audio thread.
    Inline,
    /// On the classifier thread.
    Thread,
}

impl Placement {
    /// Offline everything is inline. In real time only what is small and does not allocate: the
    /// libraries behind the foreign engines allocate in every inference.
    #[must_use]
    pub fn of(engine: EngineId, weight_bytes: usize, offline: bool) -> Self {
        let allocation_free = matches!(engine, EngineId::Native | EngineId::NativeFixed);
        if offline || (allocation_free && weight_bytes <= LARGEST_INLINE_WEIGHTS) {
            Self::Inline
        } else {
            Self::Thread
        }
    }
}

/// What a network says of a note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// Probabilities of the classes; those from `n_classes` on are 0.
    pub probabilities: [f32; MAX_CLASSES],
    /// Log odds that it is no note; `None` if the network cannot tell.
    pub rejection: Option<f32>,
}

impl Said {
    /// What `classifier` says of the note with these raw `features` `[n_features]`. Real-time safe where
    /// the engine is.
    ///
    /// # Errors
    /// When the engine fails.
    #[inline]
    pub fn by(classifier: &mut Classifier, features: &[f32]) -> Result<Self, InferError> {
        let mut probabilities = [0.0; MAX_CLASSES];
        let n_classes = classifier.n_classes();
        classifier.classify(features, &mut probabilities[..n_classes])?;
        Ok(Self {
            probabilities,
            rejection: classifier.rejection(),
        })
    }
}

/// A network on the audio thread.
pub struct InlineRunner {
    classifier: Classifier,
    /// Features of nothing, `[n_features]`, to prime with.
    nothing: Vec<f32>,
    primed: bool,
}

impl InlineRunner {
    /// Takes a classifier that was primed on the loading thread. Allocates.
    #[must_use]
    pub fn new(classifier: Classifier) -> Self {
        Self {
            nothing: vec![0.0; classifier.n_features()],
            classifier,
            primed: false,
        }
    }

    /// Primes the network on the thread that runs it, the first time only: one inference on top
    /// of those on the loading thread. Real-time safe where the engine is.
    #[inline]
    pub fn prime(&mut self) {
        if !self.primed {
            // A failing library fails again at the first note, where it is counted.
            let _ = Said::by(&mut self.classifier, &self.nothing);
            self.classifier.reset();
            self.primed = true;
        }
    }

    /// What the network says of the note with these raw `features` `[n_features]`. Real-time safe where
    /// the engine is.
    ///
    /// # Errors
    /// When the engine fails.
    #[inline]
    pub fn classify(&mut self, features: &[f32]) -> Result<Said, InferError> {
        Said::by(&mut self.classifier, features)
    }

    /// Forgets earlier notes. Real-time safe.
    pub fn reset(&mut self) {
        self.classifier.reset();
    }
}

/// A network in its place.
pub enum Runner {
    /// On the audio thread.
    Inline(Box<InlineRunner>),
    /// On the classifier thread.
    Thread(ThreadRunner),
}

impl Runner {
    /// Says that a note is on its way. Real-time safe.
    #[inline]
    pub fn arm(&self) {
        if let Self::Thread(remote) = self {
            remote.arm();
        }
    }

    /// The next answer of a classifier thread, in the order of the notes; waited for as far as the
    /// stream's `pace` allows. None is to come of a network on the audio thread. Real-time safe.
    ///
    /// # Errors
    /// When the thread died with notes under way.
    #[inline]
    pub fn next_answer(&mut self, pace: &mut Pace) -> Result<Option<Answer>, Died> {
        let Self::Thread(remote) = self else {
            return Ok(None);
        };
        pace.wait(|| !remote.owes());
        match remote.poll() {
            Some(answer) => Ok(Some(answer)),
            None => match remote.give_up_if_dead() {
                0 => Ok(None),
                lost => Err(Died { lost }),
            },
        }
    }

    /// Where it is.
    #[must_use]
    pub fn placement(&self) -> Placement {
        match self {
            Self::Inline(_) => Placement::Inline,
            Self::Thread(_) => Placement::Thread,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_networks_of_our_own_run_on_the_audio_thread() {
        let of = |engine, bytes| Placement::of(engine, bytes, false);
        assert_eq!(of(EngineId::Native, 254_832), Placement::Inline);
        assert_eq!(of(EngineId::NativeFixed, 254_832), Placement::Inline);
        assert_eq!(of(EngineId::Native, 2_711_832), Placement::Thread);
        assert_eq!(of(EngineId::Onnx, 254_832), Placement::Thread);
        for engine in EngineId::ALL {
            assert_eq!(Placement::of(engine, 1 << 30, true), Placement::Inline);
        }
    }
}
