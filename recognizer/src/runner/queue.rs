//! The way to the classifier thread and back, as the audio thread sees it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};
use tocco_engines::Classifier;

use super::Said;
use super::wake::Signal;
use crate::classification::Note;

/// Notes that may be under way at once. At the shortest inter-onset interval of 10 ms this is a
/// third of a second of notes: longer than any inference.
pub const CAPACITY: usize = 32;

/// A note for the classifier thread. Its features lie in the feature queue, pushed before it.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The note.
    pub note: Note,
    /// When it was pushed: [`ticks::now`](crate::ticks::now).
    pub ready: u64,
}

/// What the classifier thread says of a note.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The note, as it came.
    pub note: Note,
    /// What the network says; `None` when the engine failed.
    pub said: Option<Said>,
    /// From the push of the request to the start of the inference.
    pub wake: Duration,
    /// Duration of the inference.
    pub inference: Duration,
}

/// Why a note was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// [`CAPACITY`] notes are under way.
    Full,
    /// The classifier thread is no more.
    Dead,
}

/// The classifier thread is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died {
    /// Notes under way that it took with it.
    pub lost: usize,
}

/// The audio thread's side. Dropping it ends the classifier thread, waits for it and frees the
/// engine: for the service thread, not for the audio thread.
pub struct ThreadRunner {
    features: Producer<f32>,
    requests: Producer<Request>,
    answers: Consumer<Answer>,
    signal: Arc<Signal>,
    under_way: usize,
    worker: Option<JoinHandle<Classifier>>,
}

/// The classifier thread's side.
pub struct Work {
    features: Consumer<f32>,
    requests: Consumer<Request>,
    answers: Producer<Answer>,
    /// Shared with the audio thread.
    pub signal: Arc<Signal>,
}

/// Both sides of the queues for feature vectors of length `n_features`. Allocates.
#[must_use]
pub fn queues(n_features: usize) -> (ThreadRunner, Work) {
    let (features_in, features_out) = RingBuffer::new(CAPACITY * n_features);
    let (requests_in, requests_out) = RingBuffer::new(CAPACITY);
    let (answers_in, answers_out) = RingBuffer::new(CAPACITY);
    let signal = Arc::new(Signal::default());
    let remote = ThreadRunner {
        features: features_in,
        requests: requests_in,
        answers: answers_out,
        signal: Arc::clone(&signal),
        under_way: 0,
        worker: None,
    };
    let work = Work {
        features: features_out,
        requests: requests_out,
        answers: answers_in,
        signal,
    };
    (remote, work)
}

impl ThreadRunner {
    /// Gives it the thread to end when it is dropped.
    pub(super) fn attach(&mut self, worker: JoinHandle<Classifier>) {
        self.worker = Some(worker);
    }

    /// Says that a note is on its way. Real-time safe.
    #[inline]
    pub fn arm(&self) {
        self.signal.arm();
    }

    /// Sends a note with its raw `features` `[n_features]`, which are `ready` now by the processor's
    /// counter. Real-time safe.
    ///
    /// # Errors
    /// When too many notes are under way or the thread is dead; the note was not sent.
    #[inline]
    pub fn submit(&mut self, note: Note, features: &[f32], ready: u64) -> Result<(), Refused> {
        if self.requests.is_abandoned() {
            return Err(Refused::Dead);
        }
        // Every note under way has a place in each queue, the way back included: no push fails.
        if self.under_way == CAPACITY || self.features.push_entire_slice(features).is_err() {
            return Err(Refused::Full);
        }
        if self.requests.push(Request { note, ready }).is_err() {
            return Err(Refused::Full);
        }
        self.under_way += 1;
        self.signal.work();
        Ok(())
    }

    /// The next answer, in the order of the notes. Real-time safe.
    #[inline]
    pub fn poll(&mut self) -> Option<Answer> {
        if self.under_way == 0 {
            return None;
        }
        let answer = self.answers.pop().ok()?;
        self.under_way -= 1;
        Some(answer)
    }

    /// Whether an answer is still to come and [`poll`](Self::poll) would give none. Real-time safe.
    #[must_use]
    #[inline]
    pub fn owes(&self) -> bool {
        self.under_way > 0 && self.answers.is_empty() && !self.answers.is_abandoned()
    }

    /// Notes sent and not answered yet. Real-time safe.
    #[must_use]
    #[inline]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Gives up the notes under way if the thread died with them; how many. Real-time safe.
    #[inline]
    pub fn give_up_if_dead(&mut self) -> usize {
        if self.under_way > 0 && self.answers.is_abandoned() && self.answers.is_empty() {
            std::mem::take(&mut self.under_way)
        } else {
            0
        }
    }
}

impl Drop for ThreadRunner {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has nothing to return; its panic was printed.
            drop(worker.join());
        }
    }
}

impl Work {
    /// Whether a request waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Takes the next request and its features, which fill `features` `[n_features]`. Real-time
    /// safe.
    pub fn take(&mut self, features: &mut [f32]) -> Option<Request> {
        let request = self.requests.pop().ok()?;
        // The features were pushed before the request.
        let complete = self.features.pop_entire_slice(features).is_ok();
        debug_assert!(complete);
        Some(request)
    }

    /// Sends an answer. Real-time safe.
    pub fn answer(&mut self, answer: Answer) {
        // There is room: see `ThreadRunner::submit`.
        let sent = self.answers.push(answer).is_ok();
        debug_assert!(sent);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::classification::MAX_CLASSES;

    /// The note of this onset, of which nothing but its place is known.
    pub(crate) fn note(onset_id: u64) -> Note {
        Note {
            onset_id,
            position: onset_id * 100,
            detected: 0,
            features_ready: 0,
            peak_db: 0.0,
            callback: 0,
            epoch: 0,
        }
    }

    fn answer(request: Request, features: &[f32]) -> Answer {
        Answer {
            note: request.note,
            said: Some(Said {
                probabilities: [features[0]; MAX_CLASSES],
                rejection: None,
            }),
            wake: Duration::ZERO,
            inference: Duration::ZERO,
        }
    }

    #[test]
    fn a_full_queue_refuses_and_every_answer_keeps_its_note() {
        let (mut remote, mut work) = queues(3);
        let mut sent = Vec::new();
        for id in 0..100 {
            match remote.submit(note(id), &[id as f32; 3], 0) {
                Ok(()) => sent.push(id),
                Err(refused) => assert_eq!(refused, Refused::Full),
            }
            // The thread is slower than the notes come: two of three are answered.
            let mut features = [0.0; 3];
            if id % 3 != 0
                && let Some(request) = work.take(&mut features)
            {
                work.answer(answer(request, &features));
            }
        }
        let mut features = [0.0; 3];
        while let Some(request) = work.take(&mut features) {
            work.answer(answer(request, &features));
        }
        let mut answered = Vec::new();
        while let Some(answer) = remote.poll() {
            let id = answer.note.onset_id;
            assert_eq!(answer.said.unwrap().probabilities[0], id as f32);
            assert_eq!(answer.note, note(id));
            answered.push(id);
        }
        assert_eq!(answered, sent);
        assert_eq!(sent.len(), CAPACITY);
        assert_eq!(remote.under_way(), 0);
        assert_eq!(remote.submit(note(100), &[1.0; 3], 0), Ok(()));
    }

    #[test]
    fn notes_of_a_dead_thread_are_given_up() {
        let (mut remote, work) = queues(1);
        remote.submit(note(0), &[0.0], 0).unwrap();
        remote.submit(note(1), &[0.0], 0).unwrap();
        assert_eq!(remote.give_up_if_dead(), 0);
        drop(work);
        assert_eq!(remote.submit(note(2), &[0.0], 0), Err(Refused::Dead));
        assert_eq!(remote.give_up_if_dead(), 2);
        assert_eq!(remote.under_way(), 0);
    }
}
