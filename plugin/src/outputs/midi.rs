//! Notes for the host: which technique was played, and how sure we are of each.
//!
//! A note on for the winner, its velocity from the level; then the probability of every class as
//! polyphonic pressure on that class's note; the note off 100 ms later. All carry the onset's id
//! as their note id where the plugin format has one.
//!
//! A second decision makes nothing of this unless the user wants it corrected: then the pressures are
//! sent anew, and a new winner, or one that the gate let through only now, gets its note.

use nice_plug::midi::{Channel, Key, VoiceID};
use nice_plug::prelude::NoteEvent;

use tocco_recognizer::classification::{Classification, Decision, MAX_CLASSES};

/// From the note on to the note off, seconds.
pub const NOTE_LENGTH: f64 = 0.1;

/// Level of the softest velocity, dB full scale. Full scale is the hardest.
pub const SOFTEST_DB: f32 = -54.0;

/// Notes that may sound at once; one more ends the oldest early.
const SOUNDING: usize = 32;

/// The note numbers of the classes unless the user chooses others: 36 for the first, C2 where
/// middle C (60) is C4, as hosts see it here.
pub const DEFAULT_NOTES: [u8; MAX_CLASSES] = [36, 37, 38, 39, 40, 41, 42, 43];

/// Velocity (1/127 to 1) of a note with its peak at `peak_db` dB full scale: linear in dB.
///
/// Real-time safe.
#[must_use]
pub fn velocity(peak_db: f32) -> f32 {
    let velocity = 1.0 - peak_db / SOFTEST_DB;
    if velocity.is_nan() {
        return 1.0 / 127.0;
    }
    velocity.clamp(1.0 / 127.0, 1.0)
}

/// A note that was begun and is to be ended.
#[derive(Debug, Clone, Copy)]
struct Sounding {
    key: u8,
    id: i32,
    /// Host samples.
    end: u64,
}

/// Makes MIDI of classifications. For the audio thread: nothing in it allocates after `new`.
pub struct MidiOut {
    /// Oldest first; never longer than [`SOUNDING`].
    sounding: Vec<Sounding>,
    /// Host samples.
    note_length: u64,
    /// Host samples since the stream began, up to the current block.
    position: u64,
}

impl MidiOut {
    /// For a host at `host_rate` Hz. Allocates.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            sounding: Vec::with_capacity(SOUNDING),
            note_length: (NOTE_LENGTH * host_rate) as u64,
            position: 0,
        }
    }

    /// Gives out the events of `result` at `offset` samples into the block, and before them the
    /// note offs due until then. `notes`: the note number of each class. `send` returns whether
    /// the host took the event. Returns how many events it did not take. Real-time safe.
    pub fn note(
        &mut self,
        result: &Classification,
        offset: usize,
        notes: &[u8; MAX_CLASSES],
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) -> u64 {
        self.end_notes(offset, send);
        let key = notes[result.class];
        let id = note_id(result);
        // A key that still sounds is ended first: without note ids its note off would end this one.
        let position = self.position + offset as u64;
        for note in &mut self.sounding {
            if note.key == key {
                note.end = position;
            }
        }
        if self.sounding.len() == SOUNDING {
            self.sounding[0].end = position;
        }
        self.end_notes(offset, send);

        let timing = offset as u32;
        let channel = Channel::Number(0);
        let voice_id = VoiceID::ID(id);
        let begun = send(NoteEvent::NoteOn {
            timing,
            voice_id,
            channel,
            key: Key::Number(key),
            velocity: velocity(result.note.peak_db),
        });
        if !begun {
            return 1;
        }
        if self.sounding.len() < SOUNDING {
            self.sounding.push(Sounding {
                key,
                id,
                end: position + self.note_length,
            });
        }
        pressures(result, offset, notes, send)
    }

    /// Gives out what a second decision changes of the MIDI of the first: of a note that either of
    /// them let through the gate the pressures; where the winner is another one, or the gate let
    /// it through only now, its note, with the first one's velocity, and before that the note off
    /// of the former if it still sounds. Arguments and result as of [`note`](Self::note).
    /// Real-time safe.
    pub fn correct(
        &mut self,
        result: &Classification,
        offset: usize,
        notes: &[u8; MAX_CLASSES],
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) -> u64 {
        let Decision::Second { was_gated, .. } = result.decision else {
            return 0;
        };
        if !result.gated && (was_gated || result.changed()) {
            let position = self.position + offset as u64;
            for note in &mut self.sounding {
                if note.id == note_id(result) {
                    note.end = note.end.min(position);
                }
            }
            return self.note(result, offset, notes, send);
        }
        self.end_notes(offset, send);
        if result.gated && was_gated {
            return 0;
        }
        pressures(result, offset, notes, send)
    }

    /// Ends a block of `length` samples: gives out the note offs due in it. Real-time safe.
    pub fn end_block(&mut self, length: usize, send: &mut impl FnMut(NoteEvent<()>) -> bool) {
        if let Some(last) = length.checked_sub(1) {
            self.end_notes(last, send);
        }
        self.position += length as u64;
    }

    /// Lets what still sounds end at the start of the block. Real-time safe.
    pub fn end_all(&mut self) {
        for note in &mut self.sounding {
            note.end = note.end.min(self.position);
        }
    }

    /// Starts anew at position 0; what still sounds ends in the next block. Real-time safe.
    pub fn reset(&mut self) {
        self.position = 0;
        for note in &mut self.sounding {
            note.end = 0;
        }
    }

    /// Note offs due up to and including `offset`. One that the host does not take stays due.
    fn end_notes(&mut self, offset: usize, send: &mut impl FnMut(NoteEvent<()>) -> bool) {
        let until = self.position + offset as u64;
        let start = self.position;
        self.sounding.retain(|note| {
            if note.end > until {
                return true;
            }
            !send(NoteEvent::NoteOff {
                timing: note.end.saturating_sub(start) as u32,
                voice_id: VoiceID::ID(note.id),
                channel: Channel::Number(0),
                key: Key::Number(note.key),
                velocity: 0.0,
            })
        });
    }
}

/// Ids are for telling simultaneous notes apart: 31 bits will do.
fn note_id(result: &Classification) -> i32 {
    (result.note.onset_id & 0x7fff_ffff) as i32
}

/// The probability of each class as pressure on its note; how many the host did not take.
fn pressures(
    result: &Classification,
    offset: usize,
    notes: &[u8; MAX_CLASSES],
    send: &mut impl FnMut(NoteEvent<()>) -> bool,
) -> u64 {
    let pressures = notes.iter().zip(&result.probabilities[..result.n_classes]);
    pressures
        .map(|(key, probability)| {
            let event = NoteEvent::PolyPressure {
                timing: offset as u32,
                voice_id: VoiceID::ID(note_id(result)),
                channel: Channel::Number(0),
                key: Key::Number(*key),
                pressure: *probability,
            };
            u64::from(!send(event))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent, in short.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Sent {
        On(u32, u8, f32),
        Pressure(u32, u8, f32),
        Off(u32, u8),
    }

    fn collect(sent: &mut Vec<Sent>) -> impl FnMut(NoteEvent<()>) -> bool {
        let number = |key: Key| key.number().unwrap();
        move |event| {
            sent.push(match event {
                NoteEvent::NoteOn {
                    timing,
                    key,
                    velocity,
                    ..
                } => Sent::On(timing, number(key), velocity),
                NoteEvent::PolyPressure {
                    timing,
                    key,
                    pressure,
                    ..
                } => Sent::Pressure(timing, number(key), pressure),
                NoteEvent::NoteOff { timing, key, .. } => Sent::Off(timing, number(key)),
                other => panic!("{other:?}"),
            });
            true
        }
    }

    fn first(class: usize, gated: bool) -> Classification {
        Classification {
            class,
            gated,
            n_classes: 2,
            ..Classification::numbered(0)
        }
    }

    fn second(class: usize, gated: bool, first: &Classification) -> Classification {
        Classification {
            decision: Decision::Second {
                was: first.class,
                was_gated: first.gated,
            },
            class,
            gated,
            probabilities: [0.5; MAX_CLASSES],
            ..*first
        }
    }

    /// What the second decision `later` samples after the first sends, up to the last note off.
    fn corrected(first: &Classification, second: &Classification, later: usize) -> Vec<Sent> {
        let mut midi = MidiOut::new(1_000.0); // notes of 100 samples
        let mut ignored = Vec::new();
        if !first.gated {
            midi.note(first, 0, &DEFAULT_NOTES, &mut collect(&mut ignored));
        }
        midi.end_block(later, &mut collect(&mut ignored));
        let mut sent = Vec::new();
        let refused = midi.correct(second, 3, &DEFAULT_NOTES, &mut collect(&mut sent));
        midi.end_block(1_000, &mut collect(&mut sent));
        assert_eq!(refused, 0);
        sent
    }

    #[test]
    fn a_correction_plays_a_new_winner_and_one_that_the_gate_lets_through_now() {
        let pressures = [Sent::Pressure(3, 36, 0.5), Sent::Pressure(3, 37, 0.5)];
        let on = Sent::On(3, 37, velocity(0.0));
        let played = [on, pressures[0], pressures[1], Sent::Off(103, 37)];
        for (was, was_gated, class, gated, expected) in [
            (0, false, 0, false, &pressures[..]),
            (0, false, 1, false, &played),
            (0, true, 1, false, &played),
            (1, true, 1, false, &played),
            (0, false, 1, true, &pressures),
            (0, true, 1, true, &[]),
        ] {
            let first = first(was, was_gated);
            let second = second(class, gated, &first);
            let sent = corrected(&first, &second, 150);
            assert_eq!(sent, expected, "{was} {was_gated} to {class} {gated}");
        }
        assert_eq!(corrected(&first(0, false), &first(0, false), 150), []);
    }

    #[test]
    fn a_correction_ends_the_former_note_if_it_still_sounds() {
        let first = first(0, false);
        let sent = corrected(&first, &second(1, false, &first), 50);
        assert_eq!(
            sent[..2],
            [Sent::Off(3, 36), Sent::On(3, 37, velocity(0.0))]
        );
        assert_eq!(sent[4..], [Sent::Off(103, 37)]);
        // The same winner: its note goes on.
        let sent = corrected(&first, &second(0, false, &first), 50);
        assert_eq!(sent[2..], [Sent::Off(50, 36)]);
    }
}
