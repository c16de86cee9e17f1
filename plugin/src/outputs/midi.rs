//! Notes for the host: which technique was played, and how sure we are of each.
//!
//! A note on for the winner, its velocity from the level; then the probability of every class as
//! polyphonic pressure on that class's note; the note off 100 ms later. All carry the onset's id
//! as their note id where the plugin format has one.

use nice_plug::midi::{Channel, Key, VoiceID};
use nice_plug::prelude::NoteEvent;

use crate::classification::{Classification, MAX_CLASSES};

/// From the note on to the note off, seconds.
pub const NOTE_LENGTH: f64 = 0.1;

/// Level of the softest velocity, dB full scale. Full scale is the hardest.
pub const SOFTEST_DB: f32 = -54.0;

/// Notes that may sound at once; one more ends the oldest early.
const SOUNDING: usize = 32;

/// The note numbers of the classes unless the user chooses others: 36 (C1) for the first.
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
        // Ids are for telling simultaneous notes apart: 31 bits will do.
        let id = (result.note.onset_id & 0x7fff_ffff) as i32;
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
        let pressures = notes.iter().zip(&result.probabilities[..result.n_classes]);
        pressures
            .map(|(key, probability)| {
                let event = NoteEvent::PolyPressure {
                    timing,
                    voice_id,
                    channel,
                    key: Key::Number(*key),
                    pressure: *probability,
                };
                u64::from(!send(event))
            })
            .sum()
    }

    /// Ends a block of `length` samples: gives out the note offs due in it. Real-time safe.
    pub fn end_block(&mut self, length: usize, send: &mut impl FnMut(NoteEvent<()>) -> bool) {
        if let Some(last) = length.checked_sub(1) {
            self.end_notes(last, send);
        }
        self.position += length as u64;
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
