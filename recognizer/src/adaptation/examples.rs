//! Notes on their way from the audio thread to be examples.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::classification::{MAX_CLASSES, ModelSerial};
use crate::counters::add;

/// Notes that may wait for the service thread, which looks every 10 ms; one that two networks learn
/// from counts twice.
const NOTES: usize = 32;

/// Features that may wait: of each note as many as the largest preset has.
const FEATURES: usize = NOTES * 1296;

/// What is being taught at present.
#[derive(Debug, Default)]
pub struct Teaching {
    /// The class and one, or 0.
    class: AtomicU32,
    missed: AtomicU64,
}

impl Teaching {
    /// The class that the next note is an example of. Real-time safe.
    #[must_use]
    #[inline]
    pub fn class(&self) -> Option<usize> {
        (self.class.load(Relaxed) as usize).checked_sub(1)
    }

    /// Sets it. Real-time safe.
    pub fn set(&self, class: Option<usize>) {
        let class = class.filter(|class| *class < MAX_CLASSES);
        self.class
            .store(class.map_or(0, |class| class as u32 + 1), Relaxed);
    }

    /// Notes that found no room on their way.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }
}

/// Where an example comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// Number of the note's onset.
    pub onset_id: u64,
    /// The model that heard it.
    pub model: ModelSerial,
    /// Whether the model's second network is to learn from it, or the first.
    pub second: bool,
}

/// A note to learn from. Its features lie in the feature queue, pushed before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Example {
    /// What it is an example of.
    pub class: usize,
    /// Where it comes from.
    pub source: Source,
    /// Length of its features.
    n_features: usize,
}

/// The audio thread's side.
pub struct Sender {
    features: Producer<f32>,
    examples: Producer<Example>,
}

/// The service thread's side.
pub struct Receiver {
    features: Consumer<f32>,
    examples: Consumer<Example>,
}

/// Both sides of the queue. Allocates.
#[must_use]
pub fn queue() -> (Sender, Receiver) {
    let (features_in, features_out) = RingBuffer::new(FEATURES);
    let (examples_in, examples_out) = RingBuffer::new(NOTES);
    let sender = Sender {
        features: features_in,
        examples: examples_in,
    };
    let receiver = Receiver {
        features: features_out,
        examples: examples_out,
    };
    (sender, receiver)
}

impl Sender {
    /// Sends a note of `class` with the raw `features` `[n_features]` that were heard. Returns
    /// whether it was sent; one that finds no room is counted in `teaching`. Real-time safe.
    #[inline]
    pub fn send(
        &mut self,
        teaching: &Teaching,
        class: usize,
        source: Source,
        features: &[f32],
    ) -> bool {
        // Asked first: features without their note would shift all later ones.
        let room = !self.examples.is_full();
        if !room || self.features.push_entire_slice(features).is_err() {
            add(&teaching.missed, 1);
            return false;
        }
        let example = Example {
            class,
            source,
            n_features: features.len(),
        };
        let sent = self.examples.push(example).is_ok();
        debug_assert!(sent);
        sent
    }
}

impl Receiver {
    /// The next note and its raw features. Allocates.
    pub fn receive(&mut self) -> Option<(Example, Vec<f32>)> {
        let example = self.examples.pop().ok()?;
        let mut features = vec![0.0; example.n_features];
        let complete = self.features.pop_entire_slice(&mut features).is_ok();
        debug_assert!(complete);
        Some((example, features))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_keeps_notes_and_features_together() {
        let (mut sender, mut receiver) = queue();
        let teaching = Teaching::default();
        assert_eq!(teaching.class(), None);
        let source = |round| Source {
            onset_id: 7,
            model: ModelSerial(round),
            second: round == 1,
        };

        teaching.set(Some(MAX_CLASSES));
        assert_eq!(teaching.class(), None, "there is no such class");
        teaching.set(Some(3));
        for round in 0..3 {
            for note in 0..NOTES + 5 {
                let features = vec![note as f32; if note % 2 == 0 { 1 } else { 900 }];
                let sent = sender.send(&teaching, 3, source(round), &features);
                assert_eq!(sent, note < NOTES);
            }
            assert_eq!(teaching.missed(), 5 * (u64::from(round) + 1));
            for note in 0..NOTES {
                let (example, features) = receiver.receive().unwrap();
                assert_eq!((example.class, example.source), (3, source(round)));
                assert_eq!(features.len(), if note % 2 == 0 { 1 } else { 900 });
                assert!(features.iter().all(|f| *f == note as f32));
            }
            assert!(receiver.receive().is_none());
        }
        // More features than the queue ever holds.
        assert!(!sender.send(&teaching, 3, source(9), &vec![0.0; FEATURES + 1]));
        assert!(receiver.receive().is_none());
        assert_eq!(teaching.missed(), 16);
    }
}
