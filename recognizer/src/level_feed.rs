//! What a window draws of the input as it comes: levels, and a mark for each note.
//!
//! Two bounded rings that the audio thread writes and one reader empties, without a lock. While
//! nobody reads, nothing is measured. What finds a ring full is dropped and counted.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};

use tocco_dsp::HOP;

use crate::classification::Classification;
use crate::counters::add;

/// Hops in a column.
pub const COLUMN_HOPS: usize = 4;

/// Columns that may wait for a reader, 5.5 s.
pub const COLUMNS: usize = 1024;

/// Marks that may wait for a reader.
pub const MARKS: usize = 128;

/// Absolute sample from which on an input counts as clipped: -0.01 dB full scale.
pub const CLIPPED: f32 = 0.999;

/// Lowest level, dB full scale, of a column.
pub const FLOOR_DB: f32 = -128.0;

/// Level, dB full scale, above which a column is something to see.
pub const QUIET_DB: f32 = -84.0;

/// Steps of a level in a cell, for each dB.
const STEPS: f32 = 256.0;

/// The input in [`COLUMN_HOPS`] hops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Host samples since the stream began, up to its end; the lower 32 bits.
    pub end: u32,
    /// Mean power of the loudest of its hops, dB full scale: what the detector's gate is compared
    /// with.
    pub level_db: f32,
    /// Highest absolute sample, dB full scale.
    pub peak_db: f32,
}

/// A decision about a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Where the note begins, host samples since the stream began; the lower 32 bits.
    pub position: u32,
    /// Lower 16 bits of the onset's number.
    pub onset: u16,
    /// The most probable class.
    pub class: u8,
    /// Whether it makes no MIDI.
    pub gated: bool,
    /// Whether it is a second decision about a note that has a mark.
    pub second: bool,
}

/// A ring of `N` cells for one writer and one reader. Not `rtrb`'s, whose reader is a value that somebody
/// owns: windows come and go, and the audio thread must not care.
#[derive(Debug)]
struct Ring<const N: usize> {
    cells: [AtomicU64; N],
    written: AtomicU64,
    read: AtomicU64,
    dropped: AtomicU64,
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self {
            cells: [const { AtomicU64::new(0) }; N],
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Ring<N> {
    fn push(&self, value: u64) {
        let written = self.written.load(Relaxed);
        if written.wrapping_sub(self.read.load(Acquire)) >= N as u64 {
            add(&self.dropped, 1);
            return;
        }
        self.cells[written as usize % N].store(value, Relaxed);
        self.written.store(written.wrapping_add(1), Release);
    }

    fn pop(&self) -> Option<u64> {
        let read = self.read.load(Relaxed);
        if read == self.written.load(Acquire) {
            return None;
        }
        let value = self.cells[read as usize % N].load(Relaxed);
        self.read.store(read.wrapping_add(1), Release);
        Some(value)
    }

    fn skip(&self) {
        self.read.store(self.written.load(Acquire), Release);
    }
}

/// The way from the audio thread to one window.
#[derive(Debug, Default)]
pub struct LevelFeed {
    open: AtomicBool,
    columns: Ring<COLUMNS>,
    marks: Ring<MARKS>,
    /// Whether there was something to see since it was asked last.
    news: AtomicBool,
    /// Callbacks whose input clipped while somebody read.
    clipped: AtomicU64,
    /// Bits of the detector's gate, dB full scale.
    gate_db: AtomicU32,
}

impl LevelFeed {
    /// Begins to measure, or ends it. For the reader. Real-time safe.
    pub fn open(&self, open: bool) {
        if open {
            // What an earlier reader left is old.
            self.columns.skip();
            self.marks.skip();
        }
        self.open.store(open, Release);
    }

    /// Whether somebody reads. Real-time safe.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// The next column, if there is one. For the reader. Real-time safe.
    #[must_use]
    pub fn next_column(&self) -> Option<Column> {
        self.columns.pop().map(|cell| Column {
            end: (cell >> 32) as u32,
            level_db: decibels_of((cell >> 16) as u16),
            peak_db: decibels_of(cell as u16),
        })
    }

    /// The next mark, if there is one. For the reader. Real-time safe.
    #[must_use]
    pub fn next_mark(&self) -> Option<Mark> {
        self.marks.pop().map(|cell| Mark {
            position: (cell >> 32) as u32,
            onset: (cell >> 16) as u16,
            class: (cell >> 8) as u8,
            gated: cell & 1 != 0,
            second: cell & 2 != 0,
        })
    }

    /// Columns and marks that found no room. Real-time safe.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.columns.dropped.load(Relaxed) + self.marks.dropped.load(Relaxed)
    }

    /// Whether a mark came, or a column above [`QUIET_DB`], since the last call. Real-time safe.
    #[must_use]
    pub fn take_news(&self) -> bool {
        self.news.load(Relaxed) && self.news.swap(false, Relaxed)
    }

    /// Callbacks whose input clipped. Real-time safe.
    #[must_use]
    pub fn clipped(&self) -> u64 {
        self.clipped.load(Relaxed)
    }

    /// Mean power of a hop under which there is no onset, dB full scale; 0 before the first callback.
    /// Real-time safe.
    #[must_use]
    pub fn gate_db(&self) -> f32 {
        f32::from_bits(self.gate_db.load(Relaxed))
    }

    /// A callback begins with the first `length` samples of `channels`. For the audio thread;
    /// real-time safe.
    pub fn begin_block<C: AsRef<[f32]>>(&self, channels: &[C], length: usize) {
        if !self.is_open() {
            return;
        }
        let mut channels = channels.iter().map(|channel| &channel.as_ref()[..length]);
        let clipped = channels.any(|channel| channel.iter().any(|x| x.abs() >= CLIPPED));
        add(&self.clipped, u64::from(clipped));
    }

    /// The detector's gate is `gate_db` dB full scale. For the audio thread; real-time safe.
    pub fn set_gate_db(&self, gate_db: f32) {
        self.gate_db.store(gate_db.to_bits(), Relaxed);
    }

    /// Marks the note of `result`. For the audio thread; real-time safe.
    pub fn mark(&self, result: &Classification) {
        if !self.is_open() {
            return;
        }
        let note = &result.note;
        let flags = u64::from(result.gated) | u64::from(result.is_second()) << 1;
        let class = result.class as u64 & 0xff;
        let onset = note.onset_id & 0xffff;
        let cell = (note.position & 0xffff_ffff) << 32 | onset << 16 | class << 8 | flags;
        self.marks.push(cell);
        self.news.store(true, Relaxed);
    }
}

/// Makes columns of hops. On the audio thread; nothing in it allocates.
#[derive(Debug, Default)]
pub struct LevelMeter {
    hops: usize,
    power: f32,
    peak: f32,
}

impl LevelMeter {
    /// Takes the next hop, which ends `end` host samples after the stream began; every
    /// [`COLUMN_HOPS`] of them `feed` gets a column, if somebody reads. Real-time safe.
    #[inline]
    pub fn hear(&mut self, hop: &[f32; HOP], end: u64, feed: &LevelFeed) {
        if !feed.is_open() {
            // The next reader gets nothing that was heard before it came.
            return self.clear();
        }
        let power = hop.iter().map(|x| x * x).sum::<f32>() / HOP as f32;
        self.power = self.power.max(power);
        self.peak = hop.iter().fold(self.peak, |peak, x| peak.max(x.abs()));
        self.hops += 1;
        if self.hops < COLUMN_HOPS {
            return;
        }
        let level_db = 10.0 * self.power.log10();
        let levels =
            u64::from(cell_of(level_db)) << 16 | u64::from(cell_of(20.0 * self.peak.log10()));
        if level_db > QUIET_DB {
            feed.news.store(true, Relaxed);
        }
        feed.columns.push((end & 0xffff_ffff) << 32 | levels);
        self.clear();
    }

    /// Begins a new column. Real-time safe.
    #[inline]
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A level in 16 bits: what is beyond them is at their end, and so is the logarithm of 0.
fn cell_of(db: f32) -> u16 {
    ((db - FLOOR_DB) * STEPS) as u16
}

fn decibels_of(cell: u16) -> f32 {
    f32::from(cell) / STEPS + FLOOR_DB
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(meter: &mut LevelMeter, feed: &LevelFeed, sample: f32, n: usize) {
        for hop in 0..n {
            meter.hear(&[sample; HOP], (hop * HOP) as u64, feed);
        }
    }

    #[test]
    fn a_column_has_the_level_and_the_peak_of_its_hops() {
        let (feed, mut meter) = (LevelFeed::default(), LevelMeter::default());
        feed.open(true);
        hops(&mut meter, &feed, 0.001, COLUMN_HOPS - 1);
        assert_eq!(feed.next_column(), None);
        let mut hop = [0.1; HOP];
        hop[7] = -0.5;
        meter.hear(&hop, 0x1_0000_0100, &feed);
        let column = feed.next_column().unwrap();
        assert_eq!(column.end, 0x100);
        let power: f32 = (63.0 * 0.01 + 0.25) / 64.0;
        assert!((column.level_db - 10.0 * power.log10()).abs() < 0.01);
        assert!((column.peak_db - 20.0 * 0.5f32.log10()).abs() < 0.01);
        assert!(feed.take_news());
        // Nothing is left of it in the next one, and silence has a level and is no news.
        hops(&mut meter, &feed, 0.0, COLUMN_HOPS);
        assert!(!feed.take_news());
        let column = feed.next_column().unwrap();
        assert_eq!((column.level_db, column.peak_db), (FLOOR_DB, FLOOR_DB));
        hops(&mut meter, &feed, 1e30, COLUMN_HOPS);
        assert!(feed.next_column().unwrap().peak_db > 100.0);
    }

    #[test]
    fn a_full_ring_drops_and_counts_and_goes_on_once_it_is_read() {
        let (feed, mut meter) = (LevelFeed::default(), LevelMeter::default());
        feed.open(true);
        hops(&mut meter, &feed, 0.1, COLUMN_HOPS * (COLUMNS + 3));
        assert_eq!(feed.dropped(), 3);
        for id in 0..MARKS as u64 + 2 {
            feed.mark(&Classification::numbered(id));
        }
        assert_eq!(feed.dropped(), 5);
        assert_eq!(std::iter::from_fn(|| feed.next_column()).count(), COLUMNS);
        let marks: Vec<Mark> = std::iter::from_fn(|| feed.next_mark()).collect();
        assert_eq!(marks.len(), MARKS);
        assert_eq!(
            (marks[9].onset, marks[9].class, marks[9].gated),
            (9, 1, true)
        );
        hops(&mut meter, &feed, 0.1, COLUMN_HOPS);
        assert!(feed.next_column().is_some());
        assert_eq!(feed.dropped(), 5);
    }

    #[test]
    fn while_nobody_reads_nothing_is_written() {
        let (feed, mut meter) = (LevelFeed::default(), LevelMeter::default());
        let loud = [[1.0f32; HOP]];
        hops(&mut meter, &feed, 1.0, 10 * COLUMN_HOPS);
        feed.mark(&Classification::numbered(1));
        feed.begin_block(&loud, HOP);
        assert_eq!((feed.next_column(), feed.next_mark()), (None, None));
        assert_eq!(feed.clipped(), 0);
        feed.open(true);
        hops(&mut meter, &feed, 1.0, COLUMN_HOPS);
        feed.begin_block(&loud, HOP);
        feed.begin_block(&[[0.99f32; HOP]], HOP);
        feed.begin_block(&loud, 0);
        assert_eq!(feed.clipped(), 1);
        // The next reader gets nothing old.
        feed.open(false);
        feed.open(true);
        assert_eq!(feed.next_column(), None);
    }

    #[test]
    fn a_column_that_was_begun_for_one_reader_is_not_ended_for_the_next() {
        let (feed, mut meter) = (LevelFeed::default(), LevelMeter::default());
        feed.open(true);
        hops(&mut meter, &feed, 1.0, 1);
        feed.open(false);
        hops(&mut meter, &feed, 1.0, 1);
        feed.open(true);
        hops(&mut meter, &feed, 0.0, COLUMN_HOPS);
        assert_eq!(feed.next_column().unwrap().peak_db, FLOOR_DB);
        assert_eq!(feed.next_column(), None);
    }

    #[test]
    fn a_reader_beside_the_writer_gets_every_column_in_order() {
        const N: u32 = 100_000;
        let feed = LevelFeed::default();
        feed.open(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut meter = LevelMeter::default();
                for end in 0..N {
                    for _ in 0..COLUMN_HOPS {
                        meter.hear(&[0.1; HOP], u64::from(end), &feed);
                    }
                }
            });
            let (mut last, mut seen) = (None, 0_u64);
            while seen + feed.dropped() < u64::from(N) {
                if let Some(column) = feed.next_column() {
                    assert!(last.is_none_or(|last| last < column.end));
                    last = Some(column.end);
                    seen += 1;
                }
            }
            assert!(seen > 0);
        });
    }
}
