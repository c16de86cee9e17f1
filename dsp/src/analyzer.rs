//! Hops to notes: each onset is followed, a fixed number of hops later, by its feature vector.

use std::collections::VecDeque;

use crate::features::FeatureExtractor;
use crate::{Detection, HOP, OnsetConfig, OnsetDetector, OnsetError, OnsetMethod};

/// The beginning of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// Counts the onsets of one [`Analyzer`] from 0; never given twice, not even after a reset.
    pub id: u64,
    /// Where the note begins, analysis samples since the start; see [`Detection::position`].
    pub position: u64,
    /// End of the hop in which it was detected, analysis samples since the start.
    pub detected: u64,
}

/// A note whose features are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note<'a> {
    /// Its beginning.
    pub onset: Onset,
    /// Highest absolute sample from the onset's position up to now, dB full scale, at least
    /// [`Analyzer::PEAK_FLOOR_DB`].
    pub peak_db: f32,
    /// The features, not scaled, `[n_features]`.
    pub features: &'a [f32],
}

/// What one hop brought. All can happen in the same hop, and then belong to different notes
/// (unless features are taken 0 hops after the onset).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Analysis<'a> {
    /// An onset was detected in this hop.
    pub onset: Option<Onset>,
    /// Enough hops have passed since an earlier onset to describe its note.
    pub note: Option<Note<'a>>,
    /// Enough hops have passed to describe a note for the second time: see
    /// [`Analyzer::swap_second`].
    pub second: Option<Note<'a>>,
}

/// What a model wants of the sound: how onsets are found, by which features a note is described,
/// and when after the onset they are taken.
///
/// Made where allocating is allowed; [`Analyzer::swap_extraction`] takes it on the audio thread.
#[derive(Debug)]
pub struct Extraction {
    method: OnsetMethod,
    extractor: FeatureExtractor,
    post_onset_hops: usize,
    features: Vec<f32>,
}

impl Extraction {
    /// Finds onsets with `method`, and takes the features of `extractor` as soon as
    /// `post_onset_hops` hops have come in after the one in which the note showed
    /// ([`Detection::hops_ago`]; the paper: 5 after the detection, so that the newest 704 samples
    /// hold the note from its beginning). Allocates.
    ///
    /// # Errors
    /// [`AnalyzerError`] when the extractor looks further back than an analyzer remembers, or the
    /// delay is too long.
    pub fn new(
        method: OnsetMethod,
        extractor: FeatureExtractor,
        post_onset_hops: usize,
    ) -> Result<Self, AnalyzerError> {
        if extractor.history_len() > Analyzer::HISTORY {
            return Err(AnalyzerError::History {
                found: extractor.history_len(),
            });
        }
        if post_onset_hops > Analyzer::MAXIMUM_POST_ONSET_HOPS {
            return Err(AnalyzerError::PostOnsetHops {
                found: post_onset_hops,
            });
        }
        Ok(Self {
            method,
            features: vec![0.0; extractor.n_features()],
            extractor,
            post_onset_hops,
        })
    }

    /// How onsets are found.
    pub fn method(&self) -> OnsetMethod {
        self.method
    }

    /// The extractor.
    pub fn extractor(&self) -> &FeatureExtractor {
        &self.extractor
    }

    /// Hops between the onset's hop and the one after which the features are taken.
    pub fn post_onset_hops(&self) -> usize {
        self.post_onset_hops
    }

    /// The note that began with `onset`, as it is now. Real-time safe.
    fn describe(&mut self, onset: Onset, history: &History) -> Note<'_> {
        let now = history.position;
        let newest = history.newest(self.extractor.history_len());
        self.extractor.extract(newest, &mut self.features);
        // Positions are estimates: never before the start, never after now.
        let since_onset = (now - onset.position.min(now)).min(Analyzer::HISTORY as u64);
        Note {
            onset,
            peak_db: peak_db(history.newest(since_onset as usize)),
            features: &self.features,
        }
    }
}

/// Why an [`Analyzer`] or [`Extraction`] could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnalyzerError {
    /// The onset detector's settings are wrong.
    #[error(transparent)]
    Onset(#[from] OnsetError),
    /// The features reach further back than the history.
    #[error(
        "feature history: expected at most {} samples, found {found}; use a shorter window",
        Analyzer::HISTORY
    )]
    History {
        /// Samples the extractor asks for.
        found: usize,
    },
    /// The features would be taken too late.
    #[error(
        "`post_onset_hops`: expected at most {}, found {found}; take the features earlier",
        Analyzer::MAXIMUM_POST_ONSET_HOPS
    )]
    PostOnsetHops {
        /// The number of hops given.
        found: usize,
    },
}

/// An onset whose note is still to be described.
#[derive(Debug, Clone, Copy)]
struct Pending {
    onset: Onset,
    /// End of the hop from which the hops to its features are counted: [`Detection::hops_ago`].
    shown: u64,
}

/// Onsets whose notes are still to be described, oldest first.
struct Waiting(VecDeque<Pending>);

impl Waiting {
    fn new() -> Self {
        // At most one onset comes in a hop, and one leaves when it is due: never full.
        Self(VecDeque::with_capacity(
            Analyzer::MAXIMUM_POST_ONSET_HOPS + 1,
        ))
    }

    /// Whether there was room.
    fn push(&mut self, pending: Pending) -> bool {
        let room = self.0.len() < self.0.capacity();
        if room {
            self.0.push_back(pending);
        }
        room
    }

    /// Takes out the oldest if `post_onset_hops` have passed at `now`, the end of a hop.
    fn due(&mut self, now: u64, post_onset_hops: usize) -> Option<Onset> {
        let wait = (post_onset_hops * HOP) as u64;
        let due = |pending: &mut Pending| pending.shown + wait <= now;
        self.0.pop_front_if(due).map(|pending| pending.onset)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Follows the sound hop by hop, reports onsets, and describes each note a moment later.
///
/// Several notes can be on their way at once: an onset during the wait for an earlier one's
/// features is queued, not dropped.
///
/// ```
/// use tocco_dsp::features::{FeatureExtractor, Preset};
/// use tocco_dsp::{Analyzer, HOP, OnsetConfig, OnsetMethod};
///
/// let extractor = FeatureExtractor::new(Preset::Timbreid, &["zeroCrossing"])?;
/// let mut analyzer = Analyzer::new(&OnsetConfig::default(), OnsetMethod::Mkl, extractor, 5)?;
/// let analysis = analyzer.push_hop(&[0.0; HOP]);
/// assert!(analysis.onset.is_none() && analysis.note.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Analyzer {
    detector: OnsetDetector,
    extraction: Box<Extraction>,
    /// Describes each note once more, later.
    second: Option<Box<Extraction>>,
    history: History,
    /// Onsets whose notes are still to be described.
    pending: Waiting,
    /// Onsets whose notes are still to be described by the second extraction.
    second_pending: Waiting,
    next_id: u64,
    abandoned: u64,
}

impl Analyzer {
    /// Samples of sound remembered for the features: 171 ms.
    pub const HISTORY: usize = 8192;
    /// Longest wait between an onset and its features: 160 ms.
    pub const MAXIMUM_POST_ONSET_HOPS: usize = 120;
    /// What [`Note::peak_db`] says of silence.
    pub const PEAK_FLOOR_DB: f32 = -120.0;

    /// An analyzer at the start of a stream; see [`Extraction::new`] for the last three arguments.
    /// Allocates.
    ///
    /// # Errors
    /// [`AnalyzerError`] when a setting is out of range.
    pub fn new(
        onset: &OnsetConfig,
        method: OnsetMethod,
        extractor: FeatureExtractor,
        post_onset_hops: usize,
    ) -> Result<Self, AnalyzerError> {
        let extraction = Extraction::new(method, extractor, post_onset_hops)?;
        Self::with_extraction(onset, Box::new(extraction))
    }

    /// As [`new`](Self::new), with an extraction made before. Allocates.
    ///
    /// # Errors
    /// [`AnalyzerError`] when a setting of the onset detector is out of range.
    pub fn with_extraction(
        onset: &OnsetConfig,
        extraction: Box<Extraction>,
    ) -> Result<Self, AnalyzerError> {
        Ok(Self {
            detector: OnsetDetector::new(extraction.method, onset)?,
            extraction,
            second: None,
            history: History::new(),
            pending: Waiting::new(),
            second_pending: Waiting::new(),
            next_id: 0,
            abandoned: 0,
        })
    }

    /// Takes the next hop, whose samples must be finite: see [`HopStream`](crate::HopStream).
    ///
    /// A note is reported in the hop that is `post_onset_hops` after the one in which it showed, at
    /// the earliest in that of its detection; its features then include this hop. Real-time safe.
    pub fn push_hop(&mut self, hop: &[f32; HOP]) -> Analysis<'_> {
        self.history.push(hop);
        let now = self.history.position;
        let onset = self.detector.process(hop).map(|detection| {
            let id = self.next_id;
            self.next_id += 1;
            let Detection { position, hops_ago } = detection;
            let onset = Onset {
                id,
                position,
                detected: now,
            };
            let shown = now - hops_ago * HOP as u64;
            let pending = Pending { onset, shown };
            if !self.pending.push(pending) {
                self.abandoned += 1;
            }
            if self.second.is_some() {
                self.second_pending.push(pending);
            }
            onset
        });
        let history = &self.history;
        let note = (self.pending.due(now, self.extraction.post_onset_hops))
            .map(|onset| self.extraction.describe(onset, history));
        let second = self.second.as_mut().and_then(|second| {
            let onset = self.second_pending.due(now, second.post_onset_hops)?;
            Some(second.describe(onset, history))
        });
        Analysis {
            onset,
            note,
            second,
        }
    }

    /// Finds and describes notes with `next` from now on, also those whose onsets were reported
    /// already; returns what was used until now, to be freed on another thread.
    ///
    /// If `next` waits for fewer hops than before, waiting notes that are overdue come in the
    /// next hops, one a hop. If it finds onsets with another method, that one takes over a moment
    /// later: see [`OnsetDetector::set_method`]. Real-time safe.
    pub fn swap_extraction(&mut self, next: Box<Extraction>) -> Box<Extraction> {
        self.detector.set_method(next.method);
        std::mem::replace(&mut self.extraction, next)
    }

    /// Describes each note once more with `next` from now on, as many hops after its onset as that
    /// one waits; with none, once only. Returns what was used until now, to be freed on another
    /// thread.
    ///
    /// It goes by the onsets of the first extraction: the method of `next` is not looked at. Notes
    /// that still wait for their second description get it from `next`, and never if there is none.
    /// Real-time safe.
    pub fn swap_second(&mut self, next: Option<Box<Extraction>>) -> Option<Box<Extraction>> {
        if next.is_none() {
            self.second_pending.clear();
        }
        std::mem::replace(&mut self.second, next)
    }

    /// How notes are found and described at present. Real-time safe.
    pub fn extraction(&self) -> &Extraction {
        &self.extraction
    }

    /// The onset detector, to change its settings while it runs. Real-time safe.
    pub fn detector_mut(&mut self) -> &mut OnsetDetector {
        &mut self.detector
    }

    /// How many onsets were reported whose notes will never come, because of a
    /// [`reset`](Self::reset) in between; second descriptions do not count. Real-time safe.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Starts anew at position 0 as if nothing had been heard. Ids go on, settings stay.
    /// Real-time safe.
    pub fn reset(&mut self) {
        self.abandoned += self.pending.len() as u64;
        self.pending.clear();
        self.second_pending.clear();
        self.detector.reset();
        self.history.clear();
    }
}

/// The newest samples, always in one piece.
struct History {
    /// Every hop is written twice, [`Analyzer::HISTORY`] apart: wherever the newest one lies in
    /// the second half, all that came before lies unbroken in front of it.
    samples: Box<[f32]>,
    /// Samples pushed since the start.
    position: u64,
}

impl History {
    fn new() -> Self {
        Self {
            samples: vec![0.0; 2 * Analyzer::HISTORY].into_boxed_slice(),
            position: 0,
        }
    }

    fn push(&mut self, hop: &[f32; HOP]) {
        let start = (self.position % Analyzer::HISTORY as u64) as usize;
        self.samples[start..start + HOP].copy_from_slice(hop);
        self.samples[start + Analyzer::HISTORY..][..HOP].copy_from_slice(hop);
        self.position += HOP as u64;
    }

    /// The newest `length` samples, at most [`Analyzer::HISTORY`], zeros before the start.
    fn newest(&self, length: usize) -> &[f32] {
        let end = (self.position % Analyzer::HISTORY as u64) as usize + Analyzer::HISTORY;
        &self.samples[end - length..end]
    }

    fn clear(&mut self) {
        self.samples.fill(0.0);
        self.position = 0;
    }
}

// The double writing relies on it.
const _: () = assert!(Analyzer::HISTORY.is_multiple_of(HOP));

fn peak_db(samples: &[f32]) -> f32 {
    let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    (20.0 * peak.log10()).max(Analyzer::PEAK_FLOOR_DB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Preset;

    fn extractor() -> FeatureExtractor {
        let names = ["peakSample_value", "peakSample_index", "zeroCrossing"];
        FeatureExtractor::new(Preset::Timbreid, &names).unwrap()
    }

    fn analyzer(post_onset_hops: usize) -> Analyzer {
        let config = OnsetConfig {
            minimum_inter_onset_ms: 0.0,
            ..OnsetConfig::default()
        };
        Analyzer::new(&config, OnsetMethod::Mkl, extractor(), post_onset_hops).unwrap()
    }

    /// Silence with knocks that decay within 400 samples, their first sample the loudest.
    fn knocks(hops: usize, positions: &[usize]) -> Vec<[f32; HOP]> {
        let mut samples = vec![0.0; hops * HOP];
        for position in positions {
            for (i, sample) in samples[*position..][..400].iter_mut().enumerate() {
                *sample = 0.5 * (0.4 * i as f32).cos() * (-0.01 * i as f32).exp();
            }
        }
        samples.as_chunks().0.to_vec()
    }

    /// Index of the hop and the onset or note in it.
    type Reported = (Vec<(usize, Onset)>, Vec<(usize, Onset, Vec<f32>, f32)>);

    fn run(analyzer: &mut Analyzer, hops: &[[f32; HOP]]) -> Reported {
        let (mut onsets, mut notes) = (Vec::new(), Vec::new());
        for (index, hop) in hops.iter().enumerate() {
            let Analysis { onset, note, .. } = analyzer.push_hop(hop);
            onsets.extend(onset.map(|onset| (index, onset)));
            notes.extend(note.map(|n| (index, n.onset, n.features.to_vec(), n.peak_db)));
        }
        (onsets, notes)
    }

    #[test]
    fn a_note_follows_its_onset_by_the_set_number_of_hops() {
        for wait in [0, 1, 5, 60] {
            let (onsets, notes) = run(&mut analyzer(wait), &knocks(120, &[1000]));
            let [(hop, onset)] = onsets[..] else {
                panic!("one onset: {onsets:?}")
            };
            assert_eq!((onset.id, onset.detected), (0, (hop as u64 + 1) * 64));
            assert!(onset.position.abs_diff(1000) < 240);
            let [(note_hop, note_onset, features, peak_db)] = &notes[..] else {
                panic!("one note: {notes:?}")
            };
            assert_eq!((*note_hop, *note_onset), (hop + wait, onset));
            if wait == 5 {
                assert!((peak_db - 20.0 * 0.5f32.log10()).abs() < 1e-3);
                // The newest 704 samples end with the note's hop, and the knock's start is the peak.
                assert_eq!(features[0], 0.5);
                assert_eq!(features[1] as usize, 1000 - ((note_hop + 1) * 64 - 704));
            }
        }
    }

    #[test]
    fn onsets_during_the_wait_are_kept_in_order() {
        let hops = knocks(200, &[4_000, 4_600, 5_200, 5_800]);
        let (onsets, notes) = run(&mut analyzer(40), &hops);
        assert_eq!(onsets.len(), 4);
        assert!(onsets[3].0 < notes[0].0, "all are pending at once");
        for ((index, onset), (note_index, note_onset, ..)) in onsets.iter().zip(&notes) {
            assert_eq!((index + 40, onset), (*note_index, note_onset));
        }
        assert_eq!(notes.len(), 4);
    }

    #[test]
    fn swapping_loses_no_pending_note() {
        let hops = knocks(200, &[4_000, 4_600, 5_200]);
        for (before, after) in [(40, 5), (40, 50), (5, 0)] {
            let mut analyzer = analyzer(before);
            let (onsets, early) = run(&mut analyzer, &hops[..88]);
            assert_eq!(onsets.len(), 3);
            let next = Box::new(Extraction::new(OnsetMethod::Mkl, extractor(), after).unwrap());
            assert_eq!(analyzer.swap_extraction(next).post_onset_hops(), before);
            let (_, late) = run(&mut analyzer, &hops[88..]);
            let ids: Vec<u64> = early.iter().chain(&late).map(|note| note.1.id).collect();
            assert_eq!(ids, [0, 1, 2], "{before} to {after} hops");
            assert_eq!(analyzer.abandoned(), 0);
        }
    }

    /// Index of the hop, id and features of each second description.
    fn run_second(analyzer: &mut Analyzer, hops: &[[f32; HOP]]) -> Vec<(usize, u64, Vec<f32>)> {
        let mut notes = Vec::new();
        for (index, hop) in hops.iter().enumerate() {
            let second = analyzer.push_hop(hop).second;
            notes.extend(second.map(|n| (index, n.onset.id, n.features.to_vec())));
        }
        notes
    }

    fn later(post_onset_hops: usize) -> Option<Box<Extraction>> {
        let extraction = Extraction::new(OnsetMethod::Mkl, extractor(), post_onset_hops);
        Some(Box::new(extraction.unwrap()))
    }

    #[test]
    fn a_second_extraction_describes_the_same_notes_later_and_changes_nothing_else() {
        let hops = knocks(200, &[4_000, 4_600, 5_200, 5_800]);
        let expected = run(&mut analyzer(5), &hops);
        // As one extraction alone that waits as long.
        let (_, late) = run(&mut analyzer(40), &hops);
        let mut with_second = analyzer(5);
        assert!(with_second.swap_second(later(40)).is_none());
        assert_eq!(run(&mut with_second, &hops), expected);

        let mut with_second = analyzer(5);
        with_second.swap_second(later(40));
        let second = run_second(&mut with_second, &hops);
        let late: Vec<_> = late.into_iter().map(|n| (n.0, n.1.id, n.2)).collect();
        assert_eq!(second.len(), 4);
        assert_eq!(second, late);
    }

    #[test]
    fn a_swap_of_the_second_extraction_keeps_what_waits_and_its_end_does_not() {
        let hops = knocks(200, &[4_000, 4_600, 5_200]);
        for (next, expected) in [
            (later(60), &[0, 1, 2][..]),
            (later(10), &[0, 1, 2]),
            (None, &[]),
        ] {
            let mut analyzer = analyzer(5);
            analyzer.swap_second(later(40));
            assert_eq!(run_second(&mut analyzer, &hops[..88]), []);
            let old = analyzer.swap_second(next);
            assert_eq!(old.map(|old| old.post_onset_hops()), Some(40));
            let notes = run_second(&mut analyzer, &hops[88..]);
            let ids: Vec<u64> = notes.iter().map(|note| note.1).collect();
            assert_eq!(ids, expected);
            // Nothing waits from before.
            analyzer.swap_second(later(1));
            assert_eq!(run_second(&mut analyzer, &knocks(40, &[])), []);
        }
        // Nor after a reset.
        let mut analyzer = analyzer(5);
        analyzer.swap_second(later(40));
        run_second(&mut analyzer, &hops[..96]);
        analyzer.reset();
        assert_eq!(run_second(&mut analyzer, &knocks(100, &[])), []);
        assert_eq!(analyzer.abandoned(), 0, "the first descriptions were there");
    }

    #[test]
    fn a_swap_to_another_method_keeps_pending_notes_and_the_time() {
        // The first two notes are pending when the method changes, the others come later.
        let positions = [4_000, 6_000, 12_000, 14_500];
        let hops = knocks(300, &positions);
        let [mkl, flux] = OnsetMethod::ALL;
        for (from, to) in [(mkl, flux), (flux, mkl)] {
            let config = OnsetConfig {
                minimum_inter_onset_ms: 0.0,
                ..OnsetConfig::default()
            };
            let mut analyzer = Analyzer::new(&config, from, extractor(), 40).unwrap();
            let (onsets, early) = run(&mut analyzer, &hops[..102]);
            assert_eq!((onsets.len(), early.len()), (2, 0), "{from}");
            let next = Box::new(Extraction::new(to, extractor(), 40).unwrap());
            assert_eq!(analyzer.swap_extraction(next).method(), from);
            let (_, notes) = run(&mut analyzer, &hops[102..]);
            let ids: Vec<u64> = notes.iter().map(|note| note.1.id).collect();
            assert_eq!(ids, [0, 1, 2, 3], "{from} to {to}");
            for (note, position) in notes.iter().zip(positions) {
                assert!(note.1.position.abs_diff(position as u64) < 240, "{note:?}");
            }
            assert_eq!(analyzer.detector_mut().method(), to);
            assert_eq!(analyzer.abandoned(), 0);
        }
    }

    #[test]
    fn reset_starts_anew_but_for_the_ids() {
        let hops = knocks(60, &[2_000]);
        let mut analyzer = analyzer(5);
        let (onsets, notes) = run(&mut analyzer, &hops);
        let onset_hop = onsets[0].0;
        analyzer.reset();
        let (again, _) = run(&mut analyzer, &hops[..=onset_hop]);
        assert_eq!(again[0].1.id, 1);
        analyzer.reset(); // with one pending
        assert_eq!(analyzer.abandoned(), 1);
        let (last_onsets, last_notes) = run(&mut analyzer, &hops);
        assert_eq!(
            last_onsets[0].1,
            Onset {
                id: 2,
                ..onsets[0].1
            }
        );
        assert_eq!(last_notes[0].2, notes[0].2);
    }

    #[test]
    fn the_history_is_whole_wherever_it_wraps() {
        let mut history = History::new();
        for hop in 0..200usize {
            history.push(&std::array::from_fn(|i| (hop * HOP + i) as f32));
            let newest = history.newest(Analyzer::HISTORY);
            assert_eq!(newest.len(), Analyzer::HISTORY);
            for (back, sample) in newest.iter().rev().enumerate() {
                let expected = ((hop + 1) * HOP).saturating_sub(back + 1) as f32;
                assert_eq!(*sample, expected);
            }
        }
    }

    #[test]
    fn silence_has_the_floor_as_its_level() {
        assert_eq!(peak_db(&[0.0; 8]), Analyzer::PEAK_FLOOR_DB);
        assert_eq!(peak_db(&[]), Analyzer::PEAK_FLOOR_DB);
        assert_eq!(peak_db(&[0.5, -1.0]), 0.0);
    }

    #[test]
    fn a_delay_too_long_is_refused() {
        let error = Extraction::new(OnsetMethod::Mkl, extractor(), 121).expect_err("too long");
        assert!(
            error.to_string().contains("at most 120, found 121"),
            "{error}"
        );
    }
}
