//! Notes for the host: which technique was played, and how sure we are of each.
//!
//! A note on for the winner, its velocity from the level; then the probability of every class as
//! polyphonic pressure on that class's note; the note off 100 ms later, or when the user wants it.
//! All carry the onset's id as their note id where the plugin format has one.
//!
//! A second decision makes nothing of this unless the user wants it corrected: then the pressures are
//! sent anew, and a new winner, or one that the gate let through only now, gets its note.

use nice_plug::midi::{Channel, Key, VoiceID};
use nice_plug::prelude::NoteEvent;

use super::sounding::{self, Envelope};
use super::velocity::Curve;
use tocco_recognizer::classification::{Classification, MAX_CLASSES};

/// From the note on to the note off unless the user chooses another length, milliseconds.
pub const NOTE_LENGTH_MS: u32 = 100;

/// Notes that may sound at once; one more ends the oldest early.
const SOUNDING: usize = 32;

/// The note numbers of the classes unless the user chooses others: 36 for the first, C2 where
/// middle C (60) is C4, as hosts see it here.
pub const DEFAULT_NOTES: [u8; MAX_CLASSES] = [36, 37, 38, 39, 40, 41, 42, 43];

/// When a note ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many milliseconds after it began.
    Fixed(u32),
    /// When the guitar does not sound any more: see [`sounding`].
    Sounding,
}

/// What is sent of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassMidi {
    /// Whether anything is.
    pub send: bool,
    /// MIDI note number, 0 to 127.
    pub key: u8,
    /// Channel, 0 to 15.
    pub channel: u8,
    /// When its notes end.
    pub length: Length,
    /// How their levels become velocities.
    pub curve: Curve,
}

/// What is sent of each class.
pub type MidiSettings = [ClassMidi; MAX_CLASSES];

/// As it is delivered.
#[must_use]
pub fn delivered() -> MidiSettings {
    DEFAULT_NOTES.map(|key| ClassMidi {
        send: true,
        key,
        channel: 0,
        length: Length::Fixed(NOTE_LENGTH_MS),
        curve: Curve::default(),
    })
}

/// Whether notes of any class last as long as they sound. Real-time safe.
#[must_use]
pub fn any_sounding(settings: &MidiSettings) -> bool {
    settings
        .iter()
        .any(|class| class.length == Length::Sounding)
}

/// A note that was begun and is to be ended.
#[derive(Debug, Clone, Copy)]
struct Sounding {
    key: u8,
    channel: u8,
    id: i32,
    /// Host samples.
    end: u64,
    /// Level under which it ends before that, full scale 1; 0 if it does not.
    floor: f32,
}

/// Makes MIDI of classifications. For the audio thread: nothing in it allocates after `new`.
pub struct MidiOut {
    /// Oldest first; never longer than [`SOUNDING`].
    sounding: Vec<Sounding>,
    host_rate: f64,
    /// Host samples since the stream began, up to the current block.
    position: u64,
    envelope: Envelope,
    /// Samples of the block that the envelope has heard.
    heard: usize,
}

impl MidiOut {
    /// For a host at `host_rate` Hz. Allocates.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            sounding: Vec::with_capacity(SOUNDING),
            host_rate,
            position: 0,
            envelope: Envelope::new(host_rate),
            heard: 0,
        }
    }

    /// Listens to the block's `channels` up to and without sample `until`: notes that last as long as
    /// they sound end where they do not any more. To be called before the events of that time are
    /// sent, if there are such notes. Real-time safe.
    pub fn hear<C: AsRef<[f32]>>(&mut self, channels: &[C], until: usize) {
        for index in self.heard..until {
            let level = self.envelope.hear(channels, index);
            let position = self.position + index as u64;
            for note in &mut self.sounding {
                if level < note.floor {
                    note.end = note.end.min(position);
                }
            }
        }
        self.heard = self.heard.max(until);
    }

    /// Gives out the events of `result` at `offset` samples into the block, and before them the
    /// note offs due until then. `send` returns whether the host took the event. Returns how many
    /// events it did not take. Real-time safe.
    pub fn note(
        &mut self,
        result: &Classification,
        offset: usize,
        settings: &MidiSettings,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) -> u64 {
        self.end_notes(offset, send);
        let ClassMidi {
            send: sent,
            key,
            channel,
            length,
            curve,
        } = settings[result.class];
        if !sent {
            return 0;
        }
        let id = note_id(result);
        // A key that still sounds is ended first: without note ids its note off would end this one.
        let position = self.position + offset as u64;
        for note in &mut self.sounding {
            if (note.key, note.channel) == (key, channel) {
                note.end = position;
            }
        }
        if self.sounding.len() == SOUNDING {
            self.sounding[0].end = position;
        }
        self.end_notes(offset, send);

        let begun = send(NoteEvent::NoteOn {
            timing: offset as u32,
            voice_id: VoiceID::ID(id),
            channel: Channel::Number(channel),
            key: Key::Number(key),
            velocity: curve.velocity(result.note.peak_db),
        });
        if !begun {
            return 1;
        }
        if self.sounding.len() < SOUNDING {
            let (seconds, floor) = match length {
                Length::Fixed(ms) => (f64::from(ms) / 1000.0, 0.0),
                Length::Sounding => (sounding::LONGEST, sounding::floor(result.note.peak_db)),
            };
            self.sounding.push(Sounding {
                key,
                channel,
                id,
                end: position + (seconds * self.host_rate) as u64,
                floor,
            });
        }
        pressures(result, offset, settings, send)
    }

    /// Gives out what a second decision changes where another note is to be played: the note off of
    /// the former if it still sounds, and the note, with the velocity that its technique gives to the
    /// first one's level. Arguments and result as of [`note`](Self::note). Real-time safe.
    pub fn replace(
        &mut self,
        result: &Classification,
        offset: usize,
        settings: &MidiSettings,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) -> u64 {
        let position = self.position + offset as u64;
        for note in &mut self.sounding {
            if note.id == note_id(result) {
                note.end = note.end.min(position);
            }
        }
        self.note(result, offset, settings, send)
    }

    /// Gives out the pressures of a second decision that changes nothing else. Arguments and result
    /// as of [`note`](Self::note). Real-time safe.
    pub fn press(
        &mut self,
        result: &Classification,
        offset: usize,
        settings: &MidiSettings,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) -> u64 {
        self.end_notes(offset, send);
        pressures(result, offset, settings, send)
    }

    /// Ends a block of `length` samples: gives out the note offs due in it. Real-time safe.
    pub fn end_block(&mut self, length: usize, send: &mut impl FnMut(NoteEvent<()>) -> bool) {
        if let Some(last) = length.checked_sub(1) {
            self.end_notes(last, send);
        }
        self.position += length as u64;
        self.heard = 0;
    }

    /// Whether a note that sounds lasts as long as its string. Real-time safe.
    #[must_use]
    pub fn any_sounding(&self) -> bool {
        self.sounding.iter().any(|note| note.floor > 0.0)
    }

    /// Lets what still sounds end at the start of the block. Real-time safe.
    pub fn end_all(&mut self) {
        for note in &mut self.sounding {
            note.end = note.end.min(self.position);
        }
    }

    /// Has the notes of `other` in place of its own, to end them. Real-time safe.
    pub fn take_over(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.sounding, &mut other.sounding);
    }

    /// Starts anew at position 0; what still sounds ends in the next block. Real-time safe.
    pub fn reset(&mut self) {
        self.position = 0;
        self.heard = 0;
        self.envelope.reset();
        for note in &mut self.sounding {
            note.end = 0;
        }
    }

    /// Note offs due up to and including `offset`, in the order of time. One that the host does not
    /// take is due again after that. Real-time safe.
    pub fn end_notes(&mut self, offset: usize, send: &mut impl FnMut(NoteEvent<()>) -> bool) {
        let until = self.position + offset as u64;
        // Each round takes one away or puts it off.
        loop {
            let due = self.sounding.iter().enumerate();
            let due = due.filter(|(_, note)| note.end <= until);
            let Some((index, note)) = due.min_by_key(|(_, note)| note.end) else {
                return;
            };
            let ended = send(NoteEvent::NoteOff {
                timing: note.end.saturating_sub(self.position) as u32,
                voice_id: VoiceID::ID(note.id),
                channel: Channel::Number(note.channel),
                key: Key::Number(note.key),
                velocity: 0.0,
            });
            if ended {
                self.sounding.remove(index);
            } else {
                self.sounding[index].end = until + 1;
            }
        }
    }
}

/// Ids are for telling simultaneous notes apart: 31 bits will do.
fn note_id(result: &Classification) -> i32 {
    (result.note.onset_id & 0x7fff_ffff) as i32
}

/// The probability of each class as pressure on its note; how many the host did not take. Of several
/// classes on one note only the most probable one presses it: it has one pressure, and the last one counts.
fn pressures(
    result: &Classification,
    offset: usize,
    settings: &MidiSettings,
    send: &mut impl FnMut(NoteEvent<()>) -> bool,
) -> u64 {
    let classes = || {
        let probabilities = &result.probabilities[..result.n_classes];
        let classes = settings.iter().zip(probabilities).enumerate();
        classes.filter(|(_, (class, _))| class.send)
    };
    let is_most_probable = |index: usize, class: &ClassMidi, probability: f32| {
        classes().all(|(other_index, (other, other_probability))| {
            (other.channel, other.key) != (class.channel, class.key)
                || *other_probability < probability
                || *other_probability == probability && other_index >= index
        })
    };
    classes()
        .filter(|(index, (class, probability))| is_most_probable(*index, class, **probability))
        .map(|(_, (class, probability))| {
            let event = NoteEvent::PolyPressure {
                timing: offset as u32,
                voice_id: VoiceID::ID(note_id(result)),
                channel: Channel::Number(class.channel),
                key: Key::Number(class.key),
                pressure: *probability,
            };
            u64::from(!send(event))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::retrigger::{Amendment, Retrigger, Rules, Suppressed};
    use tocco_recognizer::classification::Decision;

    /// What is sent, in short.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Sent {
        On(u32, u8, f32),
        Pressure(u32, u8, f32),
        Off(u32, u8),
    }

    /// The key, and above it the channel.
    fn place(channel: Channel, key: Key) -> u8 {
        key.number().unwrap() | channel.number().unwrap() << 7
    }

    fn collect(sent: &mut Vec<Sent>) -> impl FnMut(NoteEvent<()>) -> bool {
        move |event| {
            sent.push(match event {
                NoteEvent::NoteOn {
                    timing,
                    channel,
                    key,
                    velocity,
                    ..
                } => Sent::On(timing, place(channel, key), velocity),
                NoteEvent::PolyPressure {
                    timing,
                    channel,
                    key,
                    pressure,
                    ..
                } => Sent::Pressure(timing, place(channel, key), pressure),
                NoteEvent::NoteOff {
                    timing,
                    channel,
                    key,
                    ..
                } => Sent::Off(timing, place(channel, key)),
                other => panic!("{other:?}"),
            });
            true
        }
    }

    #[test]
    fn what_sounds_when_the_stream_begins_anew_at_another_rate_is_ended() {
        let mut sent = Vec::new();
        let mut before = MidiOut::new(48_000.0);
        before.note(&first(1, false), 5, &delivered(), &mut collect(&mut sent));
        before.end_block(64, &mut collect(&mut sent));
        let mut midi = MidiOut::new(96_000.0);
        midi.take_over(&mut before);
        midi.reset();
        sent.clear();
        midi.end_block(64, &mut collect(&mut sent));
        assert_eq!(sent, [Sent::Off(0, DEFAULT_NOTES[1])]);
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
        let (settings, rules) = (delivered(), Rules::default());
        let (mut retrigger, suppressed) = (Retrigger::default(), Suppressed::default());
        let mut midi = MidiOut::new(1_000.0); // notes of 100 samples
        let mut ignored = Vec::new();
        retrigger.first(first, &rules, &suppressed);
        if !first.gated {
            midi.note(first, 0, &settings, &mut collect(&mut ignored));
        }
        midi.end_block(later, &mut collect(&mut ignored));
        let mut sent = Vec::new();
        let amendment = retrigger.second(second, &rules, &suppressed);
        {
            let mut send = collect(&mut sent);
            let refused = match amendment {
                Amendment::Nothing => 0,
                Amendment::Pressures => midi.press(second, 3, &settings, &mut send),
                Amendment::Play => midi.replace(second, 3, &settings, &mut send),
            };
            midi.end_block(1_000, &mut send);
            assert_eq!(refused, 0);
        }
        sent
    }

    #[test]
    fn a_correction_plays_a_new_winner_and_one_that_the_gate_lets_through_now() {
        let pressures = [Sent::Pressure(3, 36, 0.5), Sent::Pressure(3, 37, 0.5)];
        let on = Sent::On(3, 37, 1.0);
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
        assert_eq!(sent[..2], [Sent::Off(3, 36), Sent::On(3, 37, 1.0)]);
        assert_eq!(sent[4..], [Sent::Off(103, 37)]);
        // The same winner: its note goes on.
        let sent = corrected(&first, &second(0, false, &first), 50);
        assert_eq!(sent[2..], [Sent::Off(50, 36)]);
    }

    #[test]
    fn each_class_goes_where_it_is_sent_and_ends_when_it_should() {
        let mut settings = delivered();
        settings[0].channel = 1;
        settings[0].length = Length::Fixed(500);
        settings[1].length = Length::Fixed(20);
        let mut midi = MidiOut::new(1_000.0);
        let mut sent = Vec::new();
        for class in [0, 1] {
            midi.note(&first(class, false), 5, &settings, &mut collect(&mut sent));
        }
        midi.end_block(1_000, &mut collect(&mut sent));
        let kick = 36 | 1 << 7;
        assert_eq!(
            sent,
            [
                Sent::On(5, kick, 1.0),
                Sent::Pressure(5, kick, 0.0),
                Sent::Pressure(5, 37, 0.0),
                Sent::On(5, 37, 1.0),
                Sent::Pressure(5, kick, 0.0),
                Sent::Pressure(5, 37, 0.0),
                Sent::Off(25, 37),
                Sent::Off(505, kick),
            ]
        );
    }

    #[test]
    fn of_classes_on_one_key_the_most_probable_presses_it() {
        let mut settings = delivered();
        settings[1].key = settings[0].key;
        settings[3] = settings[0];
        settings[4].key = settings[0].key;
        settings[4].channel = 1;
        settings[5] = settings[0];
        settings[5].send = false;
        let mut result = Classification {
            n_classes: 6,
            ..first(0, false)
        };
        result.probabilities[..6].copy_from_slice(&[0.5, 0.125, 0.25, 0.5, 0.0625, 0.75]);
        let mut sent = Vec::new();
        let refused = pressures(&result, 5, &settings, &mut collect(&mut sent));
        let pressures = [
            Sent::Pressure(5, 36, 0.5),
            Sent::Pressure(5, DEFAULT_NOTES[2], 0.25),
            Sent::Pressure(5, 36 | 1 << 7, 0.0625),
        ];
        assert_eq!((sent, refused), (pressures.to_vec(), 0));
    }

    #[test]
    fn of_a_class_that_is_not_sent_there_is_nothing() {
        let mut settings = delivered();
        settings[0].send = false;
        let mut midi = MidiOut::new(1_000.0);
        let mut sent = Vec::new();
        for class in [0, 1] {
            midi.note(&first(class, false), 5, &settings, &mut collect(&mut sent));
        }
        midi.end_block(1_000, &mut collect(&mut sent));
        let expected = [
            Sent::On(5, 37, 1.0),
            Sent::Pressure(5, 37, 0.0),
            Sent::Off(105, 37),
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_note_lasts_as_long_as_it_sounds_at_every_block_size() {
        let mut settings = delivered();
        settings[1].length = Length::Sounding;
        // A note at full scale that falls by 20 dB in 0.1 s: 24 dB below after 0.12 s.
        let sound: Vec<f32> = (0..1_000)
            .map(|i| {
                let swing = if i % 10 < 5 { 1.0 } else { -1.0 };
                swing * 0.1f32.powf(i as f32 / 100.0)
            })
            .collect();
        let mut ends = Vec::new();
        for block in [1_000, 64, 7, 1] {
            let mut midi = MidiOut::new(1_000.0);
            let mut off = None;
            for (index, samples) in sound.chunks(block).enumerate() {
                let start = index * block;
                let mut sent = Vec::new();
                if (start..start + samples.len()).contains(&10) {
                    midi.hear(&[samples], 10 - start);
                    let note = first(1, false);
                    midi.note(&note, 10 - start, &settings, &mut collect(&mut sent));
                }
                midi.hear(&[samples], samples.len());
                midi.end_block(samples.len(), &mut collect(&mut sent));
                for event in sent {
                    if let Sent::Off(timing, 37) = event {
                        assert_eq!(off.replace(start + timing as usize), None);
                    }
                }
            }
            ends.push(off);
        }
        assert!((115..135).contains(&ends[0].unwrap()), "{ends:?}");
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    }

    #[test]
    fn what_the_host_does_not_take_ends_later() {
        let settings = delivered();
        let mut midi = MidiOut::new(1_000.0);
        let mut sent = Vec::new();
        midi.note(&first(0, false), 0, &settings, &mut collect(&mut sent));
        midi.end_block(500, &mut |_| false);
        sent.clear();
        midi.end_block(500, &mut collect(&mut sent));
        assert_eq!(sent, [Sent::Off(0, 36)]);
        sent.clear();
        midi.end_block(500, &mut collect(&mut sent));
        assert_eq!(sent, []);
    }
}
