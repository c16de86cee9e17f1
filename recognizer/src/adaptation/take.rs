//! Takes: the sound of a lesson, with the places of its notes, on its way from the audio thread.
//!
//! While a technique is taught, and for a while after, what the analysis hears goes through a bounded
//! queue to a thread that may write files. A take ends with its lesson, when another technique is
//! taught, where the stream begins anew, and where the queue was full.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rtrb::{Consumer, Producer, RingBuffer};
use tocco_dsp::{HOP, SAMPLE_RATE};

/// Hops that may wait for the reader, which looks every 10 ms: .7 s.
const HOPS: usize = 512;

/// Notes that may wait for the reader.
const NOTES: usize = 32;

/// Hops that are kept after a lesson: what the second decision hears of its last note, and the ring of
/// the string.
const AFTER: u32 = SAMPLE_RATE / 2 / HOP as u32;

/// Samples of the longest take; a lesson that lasts longer makes several.
const LONGEST: usize = 60 * SAMPLE_RATE as usize;

/// Whether the sound of lessons is wanted. Off at first.
#[derive(Debug, Default)]
pub struct Wanted(AtomicBool);

impl Wanted {
    /// Real-time safe.
    #[must_use]
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Real-time safe.
    pub fn set(&self, wanted: bool) {
        self.0.store(wanted, Relaxed);
    }
}

/// A note of a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeNote {
    /// Number of its onset.
    pub onset_id: u64,
    /// Where it begins, samples from the take's first one.
    pub position: usize,
}

/// The sound of a lesson.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Take {
    /// What was taught.
    pub class: usize,
    /// At the analysis rate, `[n_samples]`.
    pub samples: Vec<f32>,
    /// The notes that were taught, in the order of time.
    pub notes: Vec<TakeNote>,
}

/// A hop of a lesson.
struct Piece {
    class: usize,
    /// Whether the take ends with it.
    last: bool,
    epoch: u32,
    /// Analysis samples of the stream at its end.
    end: u64,
    samples: [f32; HOP],
}

/// A note of a lesson.
struct Placed {
    class: usize,
    onset_id: u64,
    epoch: u32,
    /// Analysis samples of the stream.
    position: u64,
}

/// The audio thread's side.
pub struct Sender {
    pieces: Producer<Piece>,
    notes: Producer<Placed>,
    /// What was taught last and how many hops of it are to come.
    open: Option<(usize, u32)>,
}

/// The other side.
pub struct Receiver {
    pieces: Consumer<Piece>,
    notes: Consumer<Placed>,
    placed: Vec<Placed>,
    take: Take,
    /// Number of the stream that it is of.
    epoch: u32,
    /// Analysis samples of the stream at its end.
    end: u64,
}

/// Both sides. Allocates.
#[must_use]
pub fn queue() -> (Sender, Receiver) {
    let (pieces_in, pieces_out) = RingBuffer::new(HOPS);
    let (notes_in, notes_out) = RingBuffer::new(NOTES);
    let sender = Sender {
        pieces: pieces_in,
        notes: notes_in,
        open: None,
    };
    let receiver = Receiver {
        pieces: pieces_out,
        notes: notes_out,
        placed: Vec::new(),
        take: Take::default(),
        epoch: 0,
        end: 0,
    };
    (sender, receiver)
}

impl Sender {
    /// Hears a hop that ends `end` analysis samples after the stream number `epoch` began, while `class`
    /// is taught. One that finds no room is left out, and the take ends before it. Real-time safe.
    #[inline]
    pub fn hear(&mut self, class: Option<usize>, hop: &[f32; HOP], end: u64, epoch: u32) {
        let (class, left) = match (class, self.open) {
            (Some(class), _) => (class, AFTER),
            (None, Some((class, left))) => (class, left - 1),
            (None, None) => return,
        };
        let last = left == 0;
        self.open = (!last).then_some((class, left));
        let _ = self.pieces.push(Piece {
            class,
            last,
            epoch,
            end,
            samples: *hop,
        });
    }

    /// Says that note `onset_id`, which begins at `position` of the stream number `epoch`, was an
    /// example of `class`. Real-time safe.
    #[inline]
    pub fn note(&mut self, class: usize, onset_id: u64, position: u64, epoch: u32) {
        if self.open.is_some() {
            let _ = self.notes.push(Placed {
                class,
                onset_id,
                epoch,
                position,
            });
        }
    }
}

impl Receiver {
    /// The next take that has ended. Allocates.
    pub fn receive(&mut self) -> Option<Take> {
        // With each look, as the hops are: a take may have more notes than may wait.
        self.receive_notes();
        while let Ok(piece) = self.pieces.pop() {
            let begins = piece.end.saturating_sub(HOP as u64);
            let goes_on = (self.take.class, self.epoch) == (piece.class, piece.epoch)
                && self.end == begins
                && self.take.samples.len() < LONGEST;
            let ended = (!goes_on).then(|| self.finish());
            (self.take.class, self.epoch) = (piece.class, piece.epoch);
            self.end = piece.end;
            self.take.samples.extend_from_slice(&piece.samples);
            if let Some(take) = ended.flatten() {
                return Some(take);
            }
            if piece.last
                && let Some(take) = self.finish()
            {
                return Some(take);
            }
        }
        None
    }

    /// Ends the take and begins an empty one; one without a note is nothing. For what there is of a take
    /// when nothing more will come.
    pub fn finish(&mut self) -> Option<Take> {
        // Those of the hops that came since.
        self.receive_notes();
        let mut take = std::mem::take(&mut self.take);
        let (epoch, end) = (self.epoch, self.end);
        let begin = end.saturating_sub(take.samples.len() as u64);
        for note in &self.placed {
            if (note.class, note.epoch) == (take.class, epoch)
                && (begin..end).contains(&note.position)
            {
                take.notes.push(TakeNote {
                    onset_id: note.onset_id,
                    position: (note.position - begin) as usize,
                });
            }
        }
        // What is left is of takes to come.
        self.placed
            .retain(|note| (note.epoch, note.position) >= (epoch, end));
        take.notes.sort_by_key(|note| note.position);
        (!take.notes.is_empty()).then_some(take)
    }

    fn receive_notes(&mut self) {
        while let Ok(note) = self.notes.pop() {
            self.placed.push(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP_LEN: u64 = HOP as u64;

    /// Hops `from..to` of a stream whose samples count up, while `class` is taught.
    fn hear(sender: &mut Sender, class: Option<usize>, hops: std::ops::Range<u64>, epoch: u32) {
        for hop in hops {
            let samples = std::array::from_fn(|i| (hop * HOP_LEN) as f32 + i as f32);
            sender.hear(class, &samples, (hop + 1) * HOP_LEN, epoch);
        }
    }

    fn all(receiver: &mut Receiver) -> Vec<Take> {
        std::iter::from_fn(|| receiver.receive()).collect()
    }

    #[test]
    fn a_take_has_the_lesson_and_what_follows_and_its_notes() {
        let (mut sender, mut receiver) = queue();
        hear(&mut sender, None, 0..5, 0);
        hear(&mut sender, Some(3), 5..25, 0);
        sender.note(3, 77, 10 * HOP_LEN + 9, 0);
        assert!(all(&mut receiver).is_empty());
        for hop in 25..1000 {
            hear(&mut sender, None, hop..hop + 1, 0);
            if hop % 100 == 0 {
                let takes = all(&mut receiver);
                let Some(take) = takes.first() else {
                    assert!(hop < 25 + u64::from(AFTER) + 100);
                    continue;
                };
                assert_eq!((takes.len(), take.class), (1, 3));
                assert_eq!(take.samples.len(), HOP * (20 + AFTER as usize));
                assert_eq!(
                    take.notes,
                    [TakeNote {
                        onset_id: 77,
                        position: 5 * HOP + 9
                    }]
                );
                let place = take.notes[0].position;
                assert_eq!(take.samples[place], (10 * HOP + 9) as f32);
                return;
            }
        }
        panic!("no take");
    }

    #[test]
    fn another_technique_a_new_stream_and_a_full_queue_end_a_take() {
        let (mut sender, mut receiver) = queue();
        hear(&mut sender, Some(0), 0..10, 0);
        sender.note(0, 1, 70, 0);
        hear(&mut sender, Some(1), 10..20, 0);
        sender.note(1, 2, 15 * HOP_LEN, 0);
        // The stream begins anew.
        hear(&mut sender, Some(1), 5..15, 1);
        sender.note(1, 3, 14 * HOP_LEN, 1);
        let first = all(&mut receiver);
        // What finds no room.
        hear(&mut sender, Some(1), 15..15 + 2 * HOPS as u64, 1);
        let mut takes = first;
        takes.extend(all(&mut receiver));
        hear(&mut sender, Some(1), 2000..2010, 1);
        takes.extend(all(&mut receiver));
        takes.extend(receiver.finish());
        let found: Vec<(usize, Vec<u64>)> = takes
            .iter()
            .map(|take| (take.class, take.notes.iter().map(|n| n.onset_id).collect()))
            .collect();
        assert_eq!(found, [(0, vec![1]), (1, vec![2]), (1, vec![3])]);
        assert_eq!(takes[2].samples.len(), HOP * (10 + HOPS));
        assert_eq!(receiver.finish(), None);
    }

    #[test]
    fn a_take_has_all_its_notes_however_many() {
        let (mut sender, mut receiver) = queue();
        let notes = NOTES as u64 + 8;
        for hop in 0..notes {
            hear(&mut sender, Some(1), hop..hop + 1, 0);
            sender.note(1, hop, hop * HOP_LEN + 9, 0);
            assert_eq!(receiver.receive(), None);
        }
        let take = receiver.finish().unwrap();
        let ids: Vec<u64> = take.notes.iter().map(|note| note.onset_id).collect();
        assert_eq!(ids, Vec::from_iter(0..notes));
    }

    #[test]
    fn a_lesson_without_notes_makes_no_take() {
        let (mut sender, mut receiver) = queue();
        sender.note(2, 5, 0, 0);
        hear(&mut sender, Some(2), 0..10, 0);
        hear(&mut sender, None, 10..500, 0);
        assert!(all(&mut receiver).is_empty());
        assert_eq!(receiver.finish(), None);
    }
}
