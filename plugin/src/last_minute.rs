//! The notes of the last minute: for the terminal, and for a MIDI file that a host can be given.
//!
//! The service thread keeps what was decided. What becomes of it in a file is what the map says when it
//! is saved: keys, channels, gates, velocities. Played first and mapped later, a take is not lost.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use tocco_recognizer::classification::{Classification, Decision};

use crate::outputs::midi::{ClassMidi, Length};
use crate::outputs::retrigger::{Retrigger, Suppressed, Verdict};
use crate::params::ToccoParams;

/// Seconds that are kept.
const SECONDS: f64 = 60.0;

/// Decisions that are kept at most: twenty notes a second, each decided twice.
const MOST: usize = 2_400;

/// Ticks of a quarter note, and quarter notes in a second: 120 beats a minute, as hosts begin.
const TICKS: u16 = 480;
const QUARTERS_PER_SECOND: f64 = 2.0;

/// Milliseconds that a note lasts whose length is that of the string: nobody kept the sound.
const SOUNDING_MS: u32 = 250;

/// Files of one name that are looked for a free one.
const MOST_FILES: usize = 10_000;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum LastMinuteError {
    /// Nothing was played.
    #[error("no note in the last minute that the map sends: play some, and save again")]
    NoNotes,
    /// There is no place for it.
    #[error("there is no folder for music, documents or home on this system")]
    NoFolder,
    /// It cannot be written.
    #[error("{0}: it cannot be written: {1}")]
    File(String, std::io::Error),
}

/// A decision and when its note began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decided {
    /// Seconds since the first note of all.
    pub seconds: f64,
    /// Number of the stream in which it was heard, over all pipelines. The numbers of onsets go on over
    /// streams and pipelines: an instance gives none twice.
    pub stream: u32,
    /// The decision.
    pub result: Classification,
}

/// What is kept.
#[derive(Debug, Default)]
struct Kept {
    decided: VecDeque<Decided>,
    /// How many there were since the beginning.
    count: u64,
    /// Seconds at the beginning of the stream of that number, and its rate, Hz.
    stream: Option<(u32, f64, f64)>,
    /// How many streams there were.
    streams: u32,
    /// When the first note of all was decided.
    begin: Option<Instant>,
}

/// The last minute of an instance. Takes a lock: not for the audio thread.
#[derive(Debug, Default)]
pub struct LastMinute(Mutex<Kept>);

impl LastMinute {
    /// Adds what was decided by `now` in a stream of `host_rate` Hz.
    pub(crate) fn add(&self, result: &Classification, host_rate: f64, now: Instant) {
        let mut kept = self.lock();
        let begin = *kept.begin.get_or_insert(now);
        let position = result.note.position as f64 / host_rate;
        let epoch = result.note.epoch;
        // Every stream counts from 0. How far apart two are only the clock knows, unless the one before was
        // played faster than it was heard: then they follow each other.
        let offset = match kept.stream {
            Some((of, offset, rate)) if of == epoch && rate == host_rate => offset,
            _ => {
                kept.streams = kept.streams.wrapping_add(1);
                let last = kept.decided.back().map_or(0.0, |last| last.seconds);
                (now - begin).as_secs_f64().max(last) - position
            }
        };
        kept.stream = Some((epoch, offset, host_rate));
        let seconds = offset + position;
        let stream = kept.streams;
        kept.decided.push_back(Decided {
            seconds,
            stream,
            result: *result,
        });
        kept.count += 1;
        let old = |decided: &Decided| decided.seconds < seconds - SECONDS;
        while kept.decided.len() > MOST || kept.decided.front().is_some_and(old) {
            kept.decided.pop_front();
        }
    }

    /// What comes from here on is of another pipeline, which numbers its streams from 0 again.
    pub(crate) fn begin_pipeline(&self) {
        self.lock().stream = None;
    }

    /// What came after the first `count`, and how many there are now: to be given the next time.
    #[must_use]
    pub fn since(&self, count: u64) -> (Vec<Decided>, u64) {
        let kept = self.lock();
        let new = kept.count.saturating_sub(count) as usize;
        let skipped = kept.decided.len().saturating_sub(new);
        (
            kept.decided.iter().skip(skipped).copied().collect(),
            kept.count,
        )
    }

    /// The notes as `params` have them: when each begins, seconds from the first one, what is sent of
    /// it, and its velocity.
    fn notes(&self, params: &ToccoParams) -> Vec<(f64, ClassMidi, u8)> {
        let midi = params.midi_settings();
        let correct = params.correct.value();
        // The rules count in samples: a microsecond is one here.
        let rules = params.rules(1e6);
        let (mut retrigger, suppressed) = (Retrigger::default(), Suppressed::default());
        let (decided, _) = self.since(0);
        let second_of = |first: Decided| {
            move |decided: &&Decided| {
                decided.result.is_second()
                    && decided.stream == first.stream
                    && decided.result.note.onset_id == first.result.note.onset_id
            }
        };
        let mut notes = Vec::new();
        let mut firsts: Vec<&Decided> = decided.iter().filter(|d| !d.result.is_second()).collect();
        firsts.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        for first in firsts {
            let mut amendments = decided.iter().filter(|_| correct);
            let amended = amendments.find(second_of(*first));
            let seconds = first.seconds;
            let mut result = amended.map_or(first.result, |second| Classification {
                decision: Decision::First,
                ..second.result
            });
            result.note.position = ((seconds + 1.0) * 1e6) as u64;
            let settings = midi[result.class];
            if retrigger.first(&result, &rules, &suppressed) == Verdict::Play && settings.send {
                let velocity = settings.curve.velocity(result.note.peak_db);
                let velocity = (velocity * 127.0).round().clamp(1.0, 127.0) as u8;
                notes.push((seconds, settings, velocity));
            }
        }
        let first = notes.first().map_or(0.0, |(seconds, ..)| *seconds);
        for (seconds, ..) in &mut notes {
            *seconds -= first;
        }
        notes
    }

    /// Saves the notes as a MIDI file in `folder`, which is made, under a name that is free; where it
    /// is and how many notes it has. Writes a file.
    ///
    /// # Errors
    /// When there is no note, or the file cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        params: &ToccoParams,
    ) -> Result<(PathBuf, usize), LastMinuteError> {
        let notes = self.notes(params);
        if notes.is_empty() {
            return Err(LastMinuteError::NoNotes);
        }
        let fault = |path: &Path, error| LastMinuteError::File(path.display().to_string(), error);
        std::fs::create_dir_all(folder).map_err(|error| fault(folder, error))?;
        let mut names = (1..=MOST_FILES).map(|number| folder.join(format!("Tocco {number}.mid")));
        let mut create = std::fs::OpenOptions::new();
        create.write(true).create_new(true);
        let (path, file) = loop {
            let path = names.next().unwrap_or_else(|| folder.join("Tocco.mid"));
            match create.open(&path) {
                Ok(file) => break (path, file),
                Err(error)
                    if error.kind() == std::io::ErrorKind::AlreadyExists
                        && names.size_hint().0 > 0 => {}
                Err(error) => return Err(fault(&path, error)),
            }
        };
        match fill(&path, file, &midi_file(&notes)) {
            Ok(()) => Ok((path, notes.len())),
            Err(error) => Err(fault(&path, error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole after every line.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Where MIDI files go: the user's music, else documents, else home.
///
/// # Errors
/// When there is none of them.
pub fn folder() -> Result<PathBuf, LastMinuteError> {
    let own = dirs::audio_dir()
        .or_else(dirs::document_dir)
        .or_else(dirs::home_dir);
    own.map(|folder| folder.join("Tocco"))
        .ok_or(LastMinuteError::NoFolder)
}

/// Writes `bytes` to the new `file` at `path`. Where that fails, as on a full disk, there is no file: a part
/// of one is of no use to anybody, and each attempt would leave another.
fn fill(path: &Path, mut file: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.flush());
    // Windows takes no file away that is open.
    drop(file);
    written.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// A standard MIDI file of format 0 (*Standard MIDI Files 1.0*, MIDI Manufacturers Association).
fn midi_file(notes: &[(f64, ClassMidi, u8)]) -> Vec<u8> {
    let ticks = |seconds: f64| (seconds * f64::from(TICKS) * QUARTERS_PER_SECOND).round() as u32;
    let mut events = Vec::with_capacity(2 * notes.len());
    for (index, (seconds, midi, velocity)) in notes.iter().enumerate() {
        let length = match midi.length {
            Length::Fixed(ms) => ms,
            Length::Sounding => SOUNDING_MS,
        };
        let begin = ticks(*seconds);
        // A key is released before it is struck again.
        let again = notes[index + 1..]
            .iter()
            .find(|(_, next, _)| (next.key, next.channel) == (midi.key, midi.channel))
            .map_or(u32::MAX, |(seconds, ..)| ticks(*seconds));
        let end = ticks(seconds + f64::from(length) / 1000.0)
            .max(begin + 1)
            .min(again);
        events.push((begin, 1, [0x90 | midi.channel, midi.key, *velocity]));
        events.push((end, 0, [0x80 | midi.channel, midi.key, 0]));
    }
    events.sort_by_key(|(at, order, _)| (*at, *order));
    let mut track = Vec::new();
    let microseconds = (1e6 / QUARTERS_PER_SECOND) as u32;
    track.extend([0, 0xff, 0x51, 3]);
    track.extend(&microseconds.to_be_bytes()[1..]);
    let mut last = 0;
    for (at, _, message) in events {
        variable_length(&mut track, at - last);
        track.extend(message);
        last = at;
    }
    track.extend([0, 0xff, 0x2f, 0]);
    let mut file = b"MThd\0\0\0\x06\0\0\0\x01".to_vec();
    file.extend(TICKS.to_be_bytes());
    file.extend(b"MTrk");
    file.extend((track.len() as u32).to_be_bytes());
    file.extend(track);
    file
}

/// A number in groups of seven bits, the highest first, of which all but the last have the eighth.
fn variable_length(bytes: &mut Vec<u8>, number: u32) {
    for group in (1..5).rev() {
        if number >> (7 * group) > 0 {
            bytes.push((number >> (7 * group)) as u8 | 0x80);
        }
    }
    bytes.push(number as u8 & 0x7f);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::set;
    use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};
    use std::time::Duration;

    /// A note `seconds` after the beginning of the stream `epoch`.
    fn note(onset: u64, epoch: u32, seconds: f64, class: usize) -> Classification {
        let mut result = Classification::numbered(onset);
        result.note.position = (seconds * 48_000.0) as u64;
        result.note.peak_db = -20.0;
        result.note.epoch = epoch;
        result.probabilities = [0.9; 8];
        result.class = class;
        result.gated = false;
        result
    }

    fn kept(results: &[Classification]) -> LastMinute {
        let minute = LastMinute::default();
        let now = Instant::now();
        for result in results {
            minute.add(result, 48_000.0, now);
        }
        minute
    }

    /// Seconds, whether it begins, channel, key and velocity of each event, as another program reads
    /// the file.
    fn read(path: &Path) -> Vec<(f64, bool, u8, u8, u8)> {
        let bytes = std::fs::read(path).unwrap();
        let file = Smf::parse(&bytes).unwrap();
        let Timing::Metrical(ticks) = file.header.timing else {
            panic!("{:?}", file.header)
        };
        let (mut microseconds, mut at, mut events) = (500_000.0, 0.0, Vec::new());
        assert_eq!(file.tracks.len(), 1);
        for event in &file.tracks[0] {
            at += f64::from(event.delta.as_int()) / f64::from(ticks.as_int()) * microseconds / 1e6;
            match event.kind {
                TrackEventKind::Meta(MetaMessage::Tempo(tempo)) => {
                    microseconds = f64::from(tempo.as_int());
                }
                TrackEventKind::Midi { channel, message } => {
                    let (on, key, velocity) = match message {
                        MidiMessage::NoteOn { key, vel } => (true, key.as_int(), vel.as_int()),
                        MidiMessage::NoteOff { key, vel } => (false, key.as_int(), vel.as_int()),
                        other => panic!("{other:?}"),
                    };
                    events.push((at, on, channel.as_int(), key, velocity));
                }
                TrackEventKind::Meta(MetaMessage::EndOfTrack) => {}
                other => panic!("{other:?}"),
            }
        }
        events
    }

    #[test]
    fn another_program_reads_the_notes_that_were_played() {
        let params = ToccoParams::default();
        let kick = &params.techniques.of_class[0];
        set(&kick.channel, 10);
        set(&kick.length, 300);
        set(&params.techniques.of_class[3].send, false);
        let results = [
            note(0, 1, 5.0, 0),
            note(1, 1, 5.125, 0),
            note(2, 1, 6.5, 3),
            note(3, 1, 64.0, 7),
        ];
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let (path, count) = kept(&results).save(&folder, &params).unwrap();
        assert_eq!(count, 3);
        let events = read(&path);
        let expected = [
            (0.0, true, 9, 36),
            (0.125, false, 9, 36), // struck again
            (0.125, true, 9, 36),
            (0.425, false, 9, 36),
            (59.0, true, 0, 43),
            (59.1, false, 0, 43),
        ];
        assert_eq!(events.len(), expected.len(), "{events:?}");
        for (found, expected) in events.iter().zip(expected) {
            let (at, on, channel, key, velocity) = *found;
            assert!((at - expected.0).abs() < 0.002, "{found:?} {expected:?}");
            assert_eq!((on, channel, key), (expected.1, expected.2, expected.3));
            // -20 dB between -54 and 0.
            assert_eq!(velocity, if on { 80 } else { 0 });
        }
        // No file takes another one's place.
        let (other, _) = kept(&results).save(&folder, &params).unwrap();
        assert!(other != path && path.exists() && other.ends_with("Tocco 2.mid"));
    }

    #[test]
    fn a_minute_is_kept_over_streams_and_no_more() {
        let minute = LastMinute::default();
        let begin = Instant::now();
        minute.add(&note(0, 1, 100.0, 0), 48_000.0, begin);
        // The host has begun anew 5 s later.
        let later = begin + Duration::from_secs(5);
        minute.add(&note(1, 2, 0.5, 0), 48_000.0, later);
        minute.add(
            &note(2, 2, 1.5, 0),
            48_000.0,
            later + Duration::from_millis(990),
        );
        let (decided, count) = minute.since(0);
        let seconds: Vec<f64> = decided.iter().map(|decided| decided.seconds).collect();
        assert_eq!((seconds, count), (vec![0.0, 5.0, 6.0], 3));
        assert_eq!(minute.since(2).0.len(), 1);
        minute.add(
            &note(3, 2, 60.4, 0),
            48_000.0,
            later + Duration::from_secs(61),
        );
        let (decided, count) = minute.since(0);
        assert_eq!((decided.len(), decided[0].seconds, count), (3, 5.0, 4));
        for onset in 4..2 * MOST as u64 {
            minute.add(&note(onset, 2, 61.0, 0), 48_000.0, later);
        }
        assert_eq!(minute.since(0).0.len(), MOST);
    }

    #[test]
    fn another_pipeline_counts_from_the_beginning_and_corrects_nothing_of_the_one_before() {
        let params = ToccoParams::default();
        set(&params.correct, true);
        let minute = LastMinute::default();
        let begin = Instant::now();
        minute.add(&note(0, 0, 20.0, 0), 48_000.0, begin);
        // Another length of blocks: the number of the stream is the same, and here that of the onset, too.
        minute.begin_pipeline();
        let later = begin + Duration::from_secs(3);
        minute.add(&note(0, 0, 1.0, 2), 48_000.0, later);
        let mut second = note(0, 0, 1.0, 5);
        second.decision = Decision::Second {
            was: 2,
            was_gated: false,
        };
        minute.add(&second, 48_000.0, later + Duration::from_millis(150));
        let notes = minute.notes(&params);
        let notes: Vec<(f64, u8)> = notes.iter().map(|(at, midi, _)| (*at, midi.key)).collect();
        assert_eq!(notes, [(0.0, 36), (3.0, 41)]);
    }

    #[test]
    fn what_was_rendered_fast_does_not_push_a_live_take_together() {
        let minute = LastMinute::default();
        let begin = Instant::now();
        for onset in 0..180 {
            let rendered = note(onset, 1, onset as f64, 0);
            minute.add(&rendered, 48_000.0, begin);
        }
        minute.begin_pipeline();
        for onset in 0..3 {
            let now = begin + Duration::from_secs(10 + onset);
            minute.add(&note(onset, 0, 1.0 + onset as f64, 1), 48_000.0, now);
        }
        let notes = minute.notes(&ToccoParams::default());
        let live: Vec<f64> = (notes.iter())
            .filter(|(_, midi, _)| midi.key == 37)
            .map(|(at, ..)| *at)
            .collect();
        assert_eq!(live.len(), 3);
        assert!((live[1] - live[0] - 1.0).abs() < 1e-6 && (live[2] - live[1] - 1.0).abs() < 1e-6);
        assert!(notes.iter().all(|(at, ..)| *at >= 0.0));
        assert_eq!(notes[0].0, 0.0);
    }

    #[test]
    fn what_is_not_played_is_not_in_the_file_and_what_is_corrected_is() {
        let params = ToccoParams::default();
        set(&params.techniques.of_class[0].hold, 100);
        let mut gated = note(2, 1, 3.0, 0);
        gated.gated = true;
        let mut second = note(0, 1, 1.0, 5);
        second.decision = Decision::Second {
            was: 0,
            was_gated: false,
        };
        let results = [note(0, 1, 1.0, 0), note(1, 1, 1.05, 0), gated, second];
        let keys = |params: &ToccoParams| -> Vec<u8> {
            let notes = kept(&results).notes(params);
            notes.iter().map(|(_, midi, _)| midi.key).collect()
        };
        assert_eq!(keys(&params), [36]);
        set(&params.correct, true);
        assert_eq!(keys(&params), [41, 36], "the second is no double hit then");
        let folder = tempfile::tempdir().unwrap();
        let nothing = LastMinute::default().save(folder.path(), &params);
        assert!(nothing.unwrap_err().to_string().contains("no note"));
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = kept(&results).save(&file.join("in"), &params);
        assert!(error.unwrap_err().to_string().contains("cannot be written"));
    }

    #[test]
    fn a_disk_that_is_full_keeps_no_part_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Tocco 1.mid");
        let new = || std::fs::File::create_new(&path).unwrap();
        fill(&path, new(), b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        std::fs::remove_file(&path).unwrap();
        drop(new());
        // There is room for four bytes.
        let error = fill(&path, &mut [0u8; 4][..], b"whole").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
        assert!(!path.exists());
    }
}
