//! Onset detection: where a note begins.
//!
//! Two [methods](OnsetMethod), one [detector](OnsetDetector): which is used belongs to the model,
//! whose network was trained on what the method finds.

mod config;
mod flux;
mod high_pass;
mod method;
mod mkl;
pub(crate) mod steepest_rise;
mod super_flux;

use std::ops::RangeInclusive;

pub use config::{OnsetConfig, OnsetError};
pub use method::{OnsetMethod, UnknownOnsetMethod};

use crate::{HOP, SAMPLE_RATE};
use flux::Flux;
use mkl::Mkl;

/// Onsets that two methods place within this many samples, 10 ms, are the same note.
const SAME_NOTE: u64 = 480;

/// After a change of the method the onsets of both count for this many hops, 21 ms: more than one
/// of them can detect a note later than the other.
const OVERLAP_HOPS: usize = 16;

/// What a method finds in a hop.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// By how many samples the note's beginning lies before the end of the hop.
    delay: u64,
    /// See [`Detection::hops_ago`].
    hops_ago: u64,
}

/// An onset as it becomes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// The note's estimated position, samples since the start (or [`OnsetDetector::reset`]), before
    /// the end of the hop that brought it; at the start of the stream it stops at 0.
    pub position: u64,
    /// How many hops ago the note showed: what follows it at a fixed time, as its features do, is
    /// counted from there. 0 with `mkl`, which the paper counts from the detection. With `flux` the
    /// hop in which the sound rose most, since a note that rises out of another is known later.
    pub hops_ago: u64,
    /// Who found it.
    pub method: OnsetMethod,
}

/// Finds the beginnings of notes, one hop at a time, with a method that can be changed while it
/// runs. The other method is there, too, but computes nothing.
///
/// Time keeping and the minimum inter-onset interval are done here for all methods: aubio counts
/// samples in 32 bits (after 24.8 hours it would stay deaf for another 24.8), and it is deaf for
/// one interval after its start and reports a phantom onset when a stream starts in the middle of
/// a sound. Otherwise the onsets of `mkl` are meant to be those of aubio itself.
///
/// ```
/// use tocco_dsp::{HOP, OnsetConfig, OnsetDetector, OnsetMethod};
///
/// let mut detector = OnsetDetector::new(OnsetMethod::Mkl, &OnsetConfig::default())?;
/// assert_eq!(detector.process(&[0.0; HOP]), None);
/// # Ok::<(), tocco_dsp::OnsetError>(())
/// ```
pub struct OnsetDetector {
    mkl: Mkl,
    flux: Flux,
    /// Whose onsets count.
    method: OnsetMethod,
    /// Who is to take over, and for how many hops it has listened along.
    successor: Option<(OnsetMethod, usize)>,
    /// Samples fed since the start, the position of the next hop.
    position: u64,
    /// Where the last accepted onset was (before the start: negative), and who found it.
    last: Option<(i64, OnsetMethod)>,
    minimum_inter_onset: u64,
}

impl OnsetDetector {
    /// A detector at the start of a stream. Allocates.
    ///
    /// # Errors
    /// [`OnsetError`] when a setting is out of range or not a number.
    pub fn new(method: OnsetMethod, config: &OnsetConfig) -> Result<Self, OnsetError> {
        config.check()?;
        Ok(Self {
            mkl: Mkl::new(config)?,
            flux: Flux::new(config),
            method,
            successor: None,
            position: 0,
            last: None,
            minimum_inter_onset: samples(config.minimum_inter_onset_ms),
        })
    }

    /// Takes the next hop; the onset that becomes known in it, if one does.
    ///
    /// The hop must be finite: see [`HopStream`](crate::HopStream). Values far beyond full scale
    /// are no harm. Real-time safe.
    pub fn process(&mut self, hop: &[f32; HOP]) -> Option<Detection> {
        let mut method = self.method;
        let mut found = self.run(method, hop);
        if let Some((successor, hops)) = self.successor {
            let its_own = self.run(successor, hop);
            let memory = memory_hops(successor);
            if found.is_none() && hops >= memory {
                (method, found) = (successor, its_own);
            }
            self.successor = Some((successor, hops + 1));
            if hops + 1 == memory + OVERLAP_HOPS {
                self.method = successor;
                self.successor = None;
            }
        }
        self.position += HOP as u64;
        let found = found?;
        let position = self.position as i64 - found.delay as i64;
        if let Some((last, by)) = self.last {
            let least = if by == method { 0 } else { SAME_NOTE };
            if position <= last + self.minimum_inter_onset.max(least) as i64 {
                return None;
            }
        }
        self.last = Some((position, method));
        if method == OnsetMethod::Flux {
            self.flux.reported();
        }
        Some(Detection {
            position: position.max(0) as u64,
            hops_ago: found.hops_ago,
            method,
        })
    }

    fn run(&mut self, method: OnsetMethod, hop: &[f32; HOP]) -> Option<Found> {
        match method {
            OnsetMethod::Mkl => self
                .mkl
                .process(hop)
                .map(|delay| Found { delay, hops_ago: 0 }),
            OnsetMethod::Flux => self.flux.process(hop),
        }
    }

    /// The method chosen last. Real-time safe.
    pub fn method(&self) -> OnsetMethod {
        self.successor.map_or(self.method, |(method, _)| method)
    }

    /// Chooses the method.
    ///
    /// Another than before first listens along until it has heard as much as its memory holds (21
    /// ms with `mkl`, 53 ms with `flux`), so that it takes what sounds at the moment for no onset.
    /// Then, for 21 ms, the onsets of both count, those of the same note once, before the old one
    /// falls silent: no note is lost. Positions go on as they were.
    ///
    /// Real-time safe: until then a hop costs as much as one of each.
    pub fn set_method(&mut self, method: OnsetMethod) {
        if method == self.method() {
            return;
        }
        if method == self.method {
            self.successor = None; // never stopped listening
            return;
        }
        // What it remembers from before is gone by the time its onsets count.
        self.successor = Some((method, 0));
    }

    /// Sets [`OnsetConfig::threshold_factor`] of all methods, clamped to its range; ignored if not
    /// a number. Real-time safe.
    pub fn set_threshold_factor(&mut self, factor: f32) {
        if let Some(factor) = clamped(factor, OnsetConfig::THRESHOLD_FACTOR) {
            self.mkl.set_threshold_factor(factor);
            self.flux.set_threshold_factor(factor);
        }
    }

    /// Sets [`OnsetConfig::silence_offset_db`] of all methods, dB, clamped to its range; ignored if
    /// not a number. Real-time safe.
    pub fn set_silence_offset_db(&mut self, offset_db: f32) {
        if let Some(offset_db) = clamped(offset_db, OnsetConfig::SILENCE_OFFSET_DB) {
            self.mkl.set_silence_offset_db(offset_db);
            self.flux.set_silence_offset_db(offset_db);
        }
    }

    /// Mean power of a hop, dB full scale, under which the method hears no onset. Real-time safe.
    pub fn silence_db(&self) -> f32 {
        match self.method() {
            OnsetMethod::Mkl => self.mkl.silence_db(),
            OnsetMethod::Flux => self.flux.silence_db(),
        }
    }

    /// Sets [`OnsetConfig::minimum_inter_onset_ms`], milliseconds, clamped to its range; ignored
    /// if not a number. Real-time safe.
    pub fn set_minimum_inter_onset_ms(&mut self, milliseconds: f32) {
        if let Some(milliseconds) = clamped(milliseconds, OnsetConfig::MINIMUM_INTER_ONSET_MS) {
            self.minimum_inter_onset = samples(milliseconds);
        }
    }

    /// Sets [`OnsetConfig::second_look`] of the methods that can. Real-time safe.
    pub fn set_second_look(&mut self, second_look: bool) {
        self.flux.set_second_look(second_look);
    }

    /// Starts anew at position 0 as if nothing had been heard; keeps the method chosen last and
    /// the settings. Real-time safe: with `mkl` it costs as much as 16 hops.
    pub fn reset(&mut self) {
        self.method = self.method();
        self.successor = None;
        match self.method {
            OnsetMethod::Mkl => self.mkl.reset(),
            OnsetMethod::Flux => self.flux.reset(),
        }
        self.position = 0;
        self.last = None;
    }
}

/// Hops after which nothing that a method heard before matters to it.
fn memory_hops(method: OnsetMethod) -> usize {
    match method {
        OnsetMethod::Mkl => Mkl::MEMORY_HOPS,
        OnsetMethod::Flux => Flux::MEMORY_HOPS,
    }
}

fn samples(milliseconds: f32) -> u64 {
    (milliseconds * SAMPLE_RATE as f32 / 1000.0).round() as u64
}

fn clamped(value: f32, range: RangeInclusive<f32>) -> Option<f32> {
    (!value.is_nan()).then(|| value.clamp(*range.start(), *range.end()))
}

#[cfg(test)]
mod detector_tests {
    use super::*;

    /// A decaying 220 Hz tone with its first few harmonics that begins at `start`.
    pub(super) fn tone(start: usize, length: usize) -> Vec<f32> {
        let mut samples = vec![0.0; length];
        for (i, sample) in samples[start..].iter_mut().enumerate() {
            let t = i as f32 / SAMPLE_RATE as f32;
            *sample = (1..6)
                .map(|k| (std::f32::consts::TAU * 220.0 * k as f32 * t).sin() / k as f32)
                .sum::<f32>()
                * 0.3
                * (-t * 8.0).exp();
        }
        samples
    }

    pub(super) fn onsets(detector: &mut OnsetDetector, samples: &[f32]) -> Vec<u64> {
        samples
            .as_chunks::<HOP>()
            .0
            .iter()
            .filter_map(|hop| detector.process(hop))
            .map(|found| found.position)
            .collect()
    }

    fn detectors() -> [OnsetDetector; 2] {
        OnsetMethod::ALL.map(|method| OnsetDetector::new(method, &OnsetConfig::default()).unwrap())
    }

    #[test]
    fn one_note_is_one_onset_near_its_beginning() {
        for mut detector in detectors() {
            let found = onsets(&mut detector, &tone(10_000, 24_000));
            assert_eq!(found.len(), 1, "{}: {found:?}", detector.method());
            assert!(found[0].abs_diff(10_000) < 240, "{found:?}"); // 5 ms
        }
    }

    #[test]
    fn a_stream_that_starts_in_a_sound_gives_no_phantom() {
        for mut detector in detectors() {
            let found = onsets(&mut detector, &[0.1; 4_800]);
            // The step itself may be heard once; aubio alone also reports its start-up position.
            assert!(found.len() <= 1, "{}: {found:?}", detector.method());
        }
    }

    #[test]
    fn a_note_right_at_the_start_is_found() {
        for mut detector in detectors() {
            let found = onsets(&mut detector, &tone(300, 24_000));
            assert_eq!(found.len(), 1, "{}: {found:?}", detector.method());
        }
    }

    #[test]
    fn a_reset_detector_is_as_good_as_new() {
        for mut used in detectors() {
            onsets(&mut used, &tone(100, 9_000));
            used.reset();
            let mut fresh = OnsetDetector::new(used.method(), &OnsetConfig::default()).unwrap();
            let samples = crate::synth::Performance::demo(2).samples;
            assert_eq!(onsets(&mut used, &samples), onsets(&mut fresh, &samples));
        }
    }

    #[test]
    fn counting_goes_on_where_32_bits_end() {
        for mut detector in detectors() {
            detector.position = (1 << 32) - 6_400;
            let start = detector.position;
            let found = onsets(&mut detector, &tone(10_048, 24_000));
            assert_eq!(found.len(), 1);
            assert!(found[0].abs_diff(start + 10_048) < 240, "{found:?}");
        }
    }

    #[test]
    fn the_interval_is_kept_and_can_be_changed_while_running() {
        let mut samples = tone(4_800, 24_000);
        samples[6_000..8_000].fill(0.0); // cut off 25 ms after its onset,
        let second = tone(8_000, 24_000); // the next one begins 67 ms after it
        samples[8_000..].copy_from_slice(&second[8_000..]);
        for mut detector in detectors() {
            let method = detector.method();
            assert_eq!(onsets(&mut detector, &samples).len(), 2, "{method}");
            detector.reset();
            detector.set_minimum_inter_onset_ms(100.0);
            assert_eq!(onsets(&mut detector, &samples).len(), 1, "{method}");
            detector.reset();
            detector.set_minimum_inter_onset_ms(f32::NAN); // ignored
            assert_eq!(onsets(&mut detector, &samples).len(), 1, "{method}");
        }
    }

    #[test]
    fn threshold_and_silence_act_and_are_clamped() {
        let samples = tone(4_800, 24_000);
        for mut detector in detectors() {
            detector.set_silence_offset_db(f32::INFINITY);
            assert_eq!(onsets(&mut detector, &samples), []);
            detector.set_silence_offset_db(0.0);
            detector.set_threshold_factor(f32::NAN); // ignored
            detector.reset();
            assert_eq!(onsets(&mut detector, &samples).len(), 1);
            detector.set_threshold_factor(1e9); // as 10
            detector.reset();
            assert_eq!(onsets(&mut detector, &samples), []);
        }
    }

    #[test]
    fn the_silence_level_is_told_of_the_method_in_use() {
        let config = OnsetConfig::default();
        let mut detector = OnsetDetector::new(OnsetMethod::Mkl, &config).unwrap();
        assert_eq!(detector.silence_db(), -53.0);
        detector.set_silence_offset_db(-10.0);
        assert_eq!(detector.silence_db(), -63.0);
        detector.set_method(OnsetMethod::Flux);
        assert_eq!(detector.silence_db(), -80.0);
    }

    /// The onsets in `samples` with the method changed at hop `change`.
    fn changed_at(change: usize, from: OnsetMethod, samples: &[f32]) -> Vec<u64> {
        let mut detector = OnsetDetector::new(from, &OnsetConfig::default()).unwrap();
        let [a, b] = OnsetMethod::ALL;
        let mut found = Vec::new();
        for (index, hop) in samples.as_chunks::<HOP>().0.iter().enumerate() {
            if index == change {
                detector.set_method(if from == a { b } else { a });
            }
            found.extend(detector.process(hop).map(|found| found.position));
        }
        found
    }

    #[test]
    fn a_change_of_the_method_loses_no_note_makes_none_and_keeps_the_time() {
        // Three notes, 250 ms apart, short enough for both methods to hear all.
        let mut samples = vec![0.0; 48_000];
        for start in [9_600, 21_600, 33_600] {
            for (i, (sample, note)) in samples.iter_mut().zip(tone(start, 48_000)).enumerate() {
                *sample += note * (-(i.saturating_sub(start) as f32) / 2_000.0).exp();
            }
        }
        let notes = [9_600_u64, 21_600, 33_600];
        for from in OnsetMethod::ALL {
            for change in 0..700 {
                let found = changed_at(change, from, &samples);
                assert_eq!(found.len(), notes.len(), "{from}, hop {change}: {found:?}");
                for (found, note) in found.iter().zip(notes) {
                    assert!(found.abs_diff(note) < 240, "{from}, hop {change}: {found}");
                }
            }
        }
    }

    #[test]
    fn after_a_change_the_detector_is_that_of_the_other_method_from_the_start() {
        let samples = crate::synth::Performance::demo(3).samples;
        for [from, to] in [
            [OnsetMethod::Mkl, OnsetMethod::Flux],
            [OnsetMethod::Flux, OnsetMethod::Mkl],
        ] {
            let mut other = OnsetDetector::new(to, &OnsetConfig::default()).unwrap();
            let found = changed_at(4_000, from, &samples);
            let expected = onsets(&mut other, &samples);
            let later = |found: &[u64]| {
                let after = (4_000 + 100) * HOP as u64;
                found
                    .iter()
                    .copied()
                    .filter(|at| *at > after)
                    .collect::<Vec<_>>()
            };
            assert!(later(&expected).len() > 10);
            assert_eq!(later(&found), later(&expected), "{from} to {to}");
        }
    }

    #[test]
    fn going_back_in_the_middle_of_a_change_is_as_if_nothing_had_been() {
        let samples = crate::synth::Performance::demo(4).samples;
        let [mut plain, mut wavering] =
            [0; 2].map(|_| OnsetDetector::new(OnsetMethod::Mkl, &OnsetConfig::default()).unwrap());
        for (index, hop) in samples.as_chunks::<HOP>().0.iter().enumerate() {
            match index % 20 {
                0 => wavering.set_method(OnsetMethod::Flux),
                10 => wavering.set_method(OnsetMethod::Mkl),
                _ => {}
            }
            assert_eq!(wavering.process(hop), plain.process(hop));
        }
        wavering.set_method(OnsetMethod::Flux);
        wavering.reset();
        assert_eq!(wavering.method, OnsetMethod::Flux);
    }
}
