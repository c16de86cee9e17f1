//! First decisions that await their second, by the number of their onset.
//!
//! ```text
//! onset            expect
//! first decision   keep what it said
//! second features  is_open: only then the second network is asked
//! second answer    close: what the first one said, to be amended
//! swap, reset      give up what is open; the caller counts it
//! ```
//!
//! For the audio thread: a fixed number of places, no allocation after `new`, no unbounded loop.

use crate::classification::{Classification, MAX_CLASSES};

/// Places. At one onset in each hop of the longest wait, 127 hops, and with a full queue to the
/// classifier thread 160 notes are under way.
pub const CAPACITY: usize = 256;

/// What the first decision said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct First {
    /// Probabilities of the classes.
    pub probabilities: [f32; MAX_CLASSES],
    /// Index of the most probable class.
    pub class: usize,
    /// Whether it made no MIDI.
    pub gated: bool,
    /// Log odds that it is no note, with what was heard around it, if the model can tell.
    pub rejection: Option<f32>,
    /// What was around it: see [`Surroundings`](crate::rejection::Surroundings).
    pub around: f32,
    /// Level, dB full scale.
    pub peak_db: f32,
}

/// The place of onset `n` is `n % CAPACITY`.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    onset_id: u64,
    /// Whether a second decision is still to come.
    open: bool,
    first: Option<First>,
    /// What the first network was taught of this note. Outlives the decision: a swap, which
    /// teaching brings about, gives up the decision and not the example.
    taught: Option<usize>,
}

/// The notes that were heard once and are to be decided again.
#[derive(Debug)]
pub struct SecondDecisions {
    places: Box<[Place; CAPACITY]>,
    open: u64,
}

impl SecondDecisions {
    /// None. Allocates.
    #[must_use]
    #[allow(clippy::new_without_default)] // it allocates, which `default` would hide
    pub fn new() -> Self {
        Self {
            places: Box::new([Place::default(); CAPACITY]),
            open: 0,
        }
    }

    /// A second decision about onset `onset_id` is to come. Returns how many others were given up
    /// for want of room: 0 or 1. Real-time safe.
    #[inline]
    pub fn expect(&mut self, onset_id: u64) -> u64 {
        let place = &mut self.places[onset_id as usize % CAPACITY];
        let given_up = u64::from(place.open);
        *place = Place {
            onset_id,
            open: true,
            first: None,
            taught: None,
        };
        self.open += 1 - given_up;
        given_up
    }

    /// How many are to come. Real-time safe.
    #[must_use]
    #[inline]
    pub fn open(&self) -> u64 {
        self.open
    }

    /// Whether one about this onset is to come. Real-time safe.
    #[must_use]
    #[inline]
    pub fn is_open(&self, onset_id: u64) -> bool {
        let place = &self.places[onset_id as usize % CAPACITY];
        place.open && place.onset_id == onset_id
    }

    /// Keeps what the first decision says, and what was `around` its note. Real-time safe.
    #[inline]
    pub fn keep(&mut self, result: &Classification, around: f32) {
        if let Some(place) = self.place(result.note.onset_id) {
            place.first = Some(First {
                probabilities: result.probabilities,
                class: result.class,
                gated: result.gated,
                rejection: result.rejection,
                around,
                peak_db: result.note.peak_db,
            });
        }
    }

    /// The first network was taught that this onset's note is of `class`. Real-time safe.
    #[inline]
    pub fn teach(&mut self, onset_id: u64, class: usize) {
        if let Some(place) = self.place(onset_id) {
            place.taught = Some(class);
        }
    }

    /// What the second network is to be taught of this onset's note; once. Real-time safe.
    #[inline]
    pub fn take_taught(&mut self, onset_id: u64) -> Option<usize> {
        self.place(onset_id)?.taught.take()
    }

    /// The second decision about this onset comes now, or never. `None` if it was not awaited (any
    /// more), else what the first one said, if there was one. Real-time safe.
    #[inline]
    pub fn close(&mut self, onset_id: u64) -> Option<Option<First>> {
        let place = self.place(onset_id).filter(|place| place.open)?;
        place.open = false;
        let first = place.first;
        self.open -= 1;
        Some(first)
    }

    /// No decision that is open will come; returns how many those were. What was taught is kept.
    /// Real-time safe.
    pub fn give_up(&mut self) -> u64 {
        for place in self.places.iter_mut() {
            place.open = false;
        }
        std::mem::take(&mut self.open)
    }

    /// As [`give_up`](Self::give_up), and what was taught is forgotten. Real-time safe.
    pub fn clear(&mut self) -> u64 {
        self.places.fill(Place::default());
        std::mem::take(&mut self.open)
    }

    #[inline]
    fn place(&mut self, onset_id: u64) -> Option<&mut Place> {
        let place = &mut self.places[onset_id as usize % CAPACITY];
        (place.onset_id == onset_id).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_closed_once_and_what_is_open_is_counted() {
        let mut seconds = SecondDecisions::new();
        for id in 0..3 {
            assert_eq!(seconds.expect(id), 0);
        }
        seconds.keep(&Classification::numbered(1), 0.0);
        assert_eq!(seconds.open(), 3);
        assert_eq!(seconds.close(0), Some(None), "no first decision");
        let first = seconds.close(1).unwrap().unwrap();
        assert_eq!(
            first.probabilities,
            Classification::numbered(1).probabilities
        );
        assert_eq!(first.class, Classification::numbered(1).class);
        assert_eq!((seconds.close(1), seconds.close(7)), (None, None));
        assert_eq!(seconds.open(), 1);
        assert!(seconds.is_open(2) && !seconds.is_open(1));
        assert_eq!(seconds.give_up(), 1);
        assert_eq!(seconds.close(2), None);
        assert_eq!(seconds.open(), 0);
    }

    #[test]
    fn a_place_that_is_taken_again_gives_up_the_older_note() {
        let mut seconds = SecondDecisions::new();
        let wrapped = CAPACITY as u64;
        seconds.expect(0);
        seconds.teach(0, 3);
        assert_eq!(seconds.expect(wrapped), 1);
        assert_eq!(seconds.open(), 1);
        assert_eq!((seconds.close(0), seconds.take_taught(0)), (None, None));
        // What comes late for the older note does not reach the newer one.
        seconds.keep(&Classification::numbered(0), 0.0);
        assert_eq!(seconds.close(wrapped), Some(None));
    }

    #[test]
    fn what_was_taught_outlives_a_swap_and_not_a_reset() {
        let mut seconds = SecondDecisions::new();
        seconds.expect(5);
        seconds.expect(6);
        seconds.teach(5, 2);
        seconds.teach(6, 4);
        assert_eq!(seconds.give_up(), 2);
        assert_eq!(seconds.take_taught(5), Some(2));
        assert_eq!(seconds.take_taught(5), None);
        assert_eq!(seconds.clear(), 0);
        assert_eq!(seconds.take_taught(6), None);
    }
}
