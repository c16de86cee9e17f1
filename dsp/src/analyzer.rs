//! Hops to notes: each onset is followed, a fixed number of hops later, by its feature vector.

mod extraction;
mod history;
mod waiting;

use std::sync::atomic::{AtomicU64, Ordering};

pub use extraction::Extraction;

use crate::onset::steepest_rise;
use crate::{HOP, OnsetConfig, OnsetDetector, OnsetError, OnsetMethod};
use history::History;
use waiting::{Origin, Pending, Waiting};

/// The beginning of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// Counts the onsets of one [`Analyzer`] from 0; never given twice, not even after a reset.
    pub id: u64,
    /// Where the note begins, analysis samples since the start. When the onset is reported, the
    /// detector's estimate ([`Detection::position`](crate::Detection::position)). With `flux` its [`Note`] says it anew, from
    /// the attack as it was by then: that can be up to 9 ms from the estimate, and after
    /// `detected` where the detector heard a first trace.
    pub position: u64,
    /// End of the hop in which it was detected, analysis samples since the start.
    pub detected: u64,
}

/// A note whose features are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note<'a> {
    /// Its beginning.
    pub onset: Onset,
    /// Where the window of its features ends, analysis samples since the start: never after the
    /// hop that brought it.
    pub window_end: u64,
    /// Highest absolute sample from the onset's position up to now, dB full scale, at least
    /// [`Analyzer::PEAK_FLOOR_DB`].
    pub peak_db: f32,
    /// The features, not scaled, `[n_features]`.
    pub features: &'a [f32],
}

/// What one hop brought. All can happen in the same hop, of different notes or of the same: with `flux`
/// a note that was known late is described as soon as its onset is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Analysis<'a> {
    /// An onset was detected in this hop.
    pub onset: Option<Onset>,
    /// Enough hops have passed since an earlier onset to describe its note.
    pub note: Option<Note<'a>>,
    /// Enough hops have passed to describe a note for the second time: see [`Analyzer::push_hop`].
    pub second: Option<Note<'a>>,
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

/// Follows the sound hop by hop, reports onsets, and describes each note a moment later.
///
/// Several notes can be on their way at once: an onset during the wait for an earlier one's
/// features is queued, not dropped.
///
/// ```
/// use tocco_dsp::features::{FeatureExtractor, Preset};
/// use tocco_dsp::{Analyzer, Extraction, HOP, OnsetConfig, OnsetMethod};
///
/// let extractor = FeatureExtractor::new(Preset::Timbreid, &["zeroCrossing"])?;
/// let mut extraction = Extraction::new(OnsetMethod::Mkl, extractor, 5)?;
/// let mut analyzer = Analyzer::new(&OnsetConfig::default(), extraction.method())?;
/// let analysis = analyzer.push_hop(&[0.0; HOP], &mut extraction, None);
/// assert!(analysis.onset.is_none() && analysis.note.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Analyzer {
    detector: OnsetDetector,
    history: History,
    /// Onsets whose notes are still to be described.
    pending: Waiting,
    /// Onsets whose notes are still to be described by the second extraction.
    second_pending: Waiting,
    next_id: u64,
    abandoned: u64,
    /// Another for each analyzer.
    serial: u64,
}

/// Analyzers made so far in this process.
static ANALYZERS: AtomicU64 = AtomicU64::new(0);

impl Analyzer {
    /// Samples of sound remembered for the features: 171 ms.
    pub const HISTORY: usize = 8192;
    /// Longest wait between an onset and its features: 160 ms.
    pub const MAXIMUM_POST_ONSET_HOPS: usize = 120;
    /// With `flux` the hops to the features are counted from the first hop that ends at least so
    /// many samples after the place where the note begins. After 7 hops, 9.7 to 11 ms have passed
    /// since that place.
    pub const LAG: u64 = 16;
    /// The work of a second description is begun so many hops before it is due: done in the one hop in
    /// which all samples are there, it would take longer than a hop on a small computer.
    const HOPS_OF_PREPARATION: usize = 10;
    /// What [`Note::peak_db`] says of silence.
    pub const PEAK_FLOOR_DB: f32 = -120.0;

    /// An analyzer at the start of a stream that finds onsets with `method`. Allocates.
    ///
    /// # Errors
    /// [`AnalyzerError`] when a setting of the onset detector is out of range.
    pub fn new(onset: &OnsetConfig, method: OnsetMethod) -> Result<Self, AnalyzerError> {
        Ok(Self {
            detector: OnsetDetector::new(method, onset)?,
            history: History::new(),
            pending: Waiting::new(),
            second_pending: Waiting::new(),
            next_id: 0,
            abandoned: 0,
            serial: ANALYZERS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Takes the next hop, whose samples must be finite: see [`HopStream`](crate::HopStream). `first`
    /// says how onsets are found and describes each note; `second`, if there is one, describes it
    /// once more, as many hops after its onset as that one waits.
    ///
    /// A note is reported in the first hop that ends when or after its features' window does (see
    /// [`Extraction::new`]), at the earliest in that of its detection, with `flux` when its place
    /// is known; one a hop, in the order of the onsets.
    ///
    /// Both may be others than in the hop before. Notes whose onsets were reported already are then
    /// described by the new ones; if those wait for fewer hops, notes that are overdue come in the
    /// next hops, one a hop. If `first` finds onsets with another method, that one takes over a moment
    /// later: see [`OnsetDetector::set_method`]. The method of `second` is not looked at; without it,
    /// notes that wait for their second description never get one. Real-time safe.
    pub fn push_hop<'a>(
        &mut self,
        hop: &[f32; HOP],
        first: &'a mut Extraction,
        second: Option<&'a mut Extraction>,
    ) -> Analysis<'a> {
        self.detector.set_method(first.method);
        if second.is_none() {
            self.second_pending.clear();
        }
        self.history.push(hop);
        let now = self.history.position;
        let onset = self.detector.process(hop).map(|detection| {
            let id = self.next_id;
            self.next_id += 1;
            let onset = Onset {
                id,
                position: detection.position,
                detected: now,
            };
            let shown = now - detection.hops_ago * HOP as u64;
            let origin = match detection.method {
                OnsetMethod::Mkl => Origin::Known(shown),
                OnsetMethod::Flux => Origin::Sought { shown },
            };
            let pending = Pending { onset, origin };
            if !self.pending.push(pending) {
                self.abandoned += 1;
            }
            if second.is_some() {
                self.second_pending.push(pending);
            }
            onset
        });
        self.seek_places();
        let history = &self.history;
        let note =
            (self.pending.due(now, first.post_onset_hops)).map(|due| first.describe(due, history));
        let second = second.and_then(|second| {
            let hops = second.post_onset_hops;
            if let Some(due) = self.second_pending.due(now, hops) {
                return Some(second.complete(self.serial, due, history));
            }
            let soon = self
                .second_pending
                .soon(now, hops, Self::HOPS_OF_PREPARATION);
            if let Some(due) = soon {
                second.prepare(self.serial, due, history);
            }
            None
        });
        Analysis {
            onset,
            note,
            second,
        }
    }

    /// Finds the places of the notes whose attacks are there by now. Both descriptions of a note
    /// go by the same place.
    fn seek_places(&mut self) {
        let now = self.history.position;
        for pending in &mut self.pending.0 {
            let Origin::Sought { shown } = pending.origin else {
                continue;
            };
            if now < shown + FIRST_LOOK {
                continue;
            }
            let place = self.history.place(shown).unwrap_or(pending.onset.position);
            let origin = (place + Self::LAG).next_multiple_of(HOP as u64);
            if now < shown + LAST_LOOK && now < origin + DECIDED {
                continue;
            }
            pending.onset.position = place;
            pending.origin = Origin::Known(origin);
            let id = pending.onset.id;
            let second = self.second_pending.0.iter_mut();
            for second in second.filter(|second| second.onset.id == id) {
                *second = *pending;
            }
        }
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

/// Hops from the one in which a note showed to the latest that the hops to its features are counted
/// from: its place may lie as far after it as it is looked for.
const PLACE_HOPS: usize = (steepest_rise::AHEAD + Analyzer::LAG as usize).div_ceil(HOP);

/// A place is looked for in each hop from so many samples after the one in which the note showed,
const FIRST_LOOK: u64 = 5 * HOP as u64;
/// until all that it can be is there,
const LAST_LOOK: u64 = (steepest_rise::AHEAD + steepest_rise::SIDE) as u64;
/// or the shipped models, whose features are taken 7 hops after it, are to answer.
const DECIDED: u64 = 7 * HOP as u64;

#[cfg(test)]
mod tests {
    use super::waiting::Due;
    use super::*;
    use crate::features::{FeatureExtractor, Preset};
    use crate::white_noise::white_noise;

    fn extractor() -> FeatureExtractor {
        let names = ["peakSample_value", "peakSample_index", "zeroCrossing"];
        FeatureExtractor::new(Preset::Timbreid, &names).unwrap()
    }

    /// An analyzer and what it describes notes with.
    struct TestAnalyzer {
        analyzer: Analyzer,
        first: Extraction,
        second: Option<Extraction>,
    }

    impl TestAnalyzer {
        fn new(config: &OnsetConfig, method: OnsetMethod, post_onset_hops: usize) -> Self {
            Self {
                analyzer: Analyzer::new(config, method).unwrap(),
                first: Extraction::new(method, extractor(), post_onset_hops).unwrap(),
                second: None,
            }
        }

        fn push_hop(&mut self, hop: &[f32; HOP]) -> Analysis<'_> {
            let second = self.second.as_mut();
            self.analyzer.push_hop(hop, &mut self.first, second)
        }
    }

    fn analyzer(post_onset_hops: usize) -> TestAnalyzer {
        let config = OnsetConfig {
            minimum_inter_onset_ms: 0.0,
            ..OnsetConfig::default()
        };
        TestAnalyzer::new(&config, OnsetMethod::Mkl, post_onset_hops)
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

    fn run(analyzer: &mut TestAnalyzer, hops: &[[f32; HOP]]) -> Reported {
        let (mut onsets, mut notes) = (Vec::new(), Vec::new());
        for (index, hop) in hops.iter().enumerate() {
            let Analysis { onset, note, .. } = analyzer.push_hop(hop);
            onsets.extend(onset.map(|onset| (index, onset)));
            notes.extend(note.map(|n| (index, n.onset, n.features.to_vec(), n.peak_db)));
        }
        (onsets, notes)
    }

    /// A preset's every feature, as many hops after the note as the shipped networks wait.
    fn patch(preset: Preset, post_onset_hops: usize) -> Extraction {
        let extractor = FeatureExtractor::new(preset, &preset.feature_names()).unwrap();
        Extraction::new(OnsetMethod::Flux, extractor, post_onset_hops).unwrap()
    }

    #[test]
    fn a_description_in_parts_is_that_of_its_window_whatever_comes_between() {
        let positions = [2_000, 2_500, 3_900, 5_000, 20_000, 20_300];
        let hops = knocks(600, &positions);
        let samples: Vec<f32> = hops.iter().flatten().copied().collect();
        let config = OnsetConfig {
            minimum_inter_onset_ms: 0.0,
            ..OnsetConfig::default()
        };
        // Never swapped; a fresh extraction every so many hops; one that another analyzer has used.
        for swap_every in [usize::MAX, 3, 25] {
            let mut analyzer = Analyzer::new(&config, OnsetMethod::Flux).unwrap();
            let mut other = Analyzer::new(&config, OnsetMethod::Flux).unwrap();
            let mut first = patch(Preset::LogBark, 7);
            let mut second = patch(Preset::LogBarkLate, 112);
            let mut alone =
                FeatureExtractor::new(Preset::LogBarkLate, &Preset::LogBarkLate.feature_names())
                    .unwrap();
            let mut expected = vec![0.0; alone.n_features()];
            let mut notes = 0;
            for (index, hop) in hops.iter().enumerate() {
                if index % swap_every == swap_every - 1 {
                    second = patch(Preset::LogBarkLate, 112);
                }
                let loud = hop.map(|sample| sample * 3.0);
                other.push_hop(&loud, &mut first, Some(&mut second));
                let analysis = analyzer.push_hop(hop, &mut first, Some(&mut second));
                let Some(note) = analysis.second else {
                    continue;
                };
                notes += 1;
                let end = note.window_end as usize;
                let mut window = vec![0.0; alone.history_len()];
                let there = end.min(window.len());
                let silent = window.len() - there;
                window[silent..].copy_from_slice(&samples[end - there..end]);
                alone.extract(&window, &mut expected);
                assert_eq!(note.features, expected, "{:?}", note.onset);
            }
            assert!(notes >= 4, "{notes}");
        }
    }

    #[test]
    fn a_description_at_once_between_the_parts_of_another_takes_nothing_from_it() {
        let hops = knocks(300, &[4_000]);
        let samples: Vec<f32> = hops.iter().flatten().copied().collect();
        let mut analyzer = Analyzer::new(&OnsetConfig::default(), OnsetMethod::Flux).unwrap();
        let mut first = patch(Preset::LogBark, 7);
        let mut second = patch(Preset::LogBarkLate, 112);
        let mut alone =
            FeatureExtractor::new(Preset::LogBarkLate, &Preset::LogBarkLate.feature_names())
                .unwrap();
        let mut expected = vec![0.0; alone.n_features()];
        let mut other = History::new();
        let onset = Onset {
            id: 0,
            position: 0,
            detected: 0,
        };
        let mut notes = 0;
        for hop in &hops {
            other.push(&[0.25; HOP]);
            let window_end = other.position;
            second.describe(Due { onset, window_end }, &other);
            let analysis = analyzer.push_hop(hop, &mut first, Some(&mut second));
            let Some(note) = analysis.second else {
                continue;
            };
            notes += 1;
            let end = note.window_end as usize;
            let start = end - alone.history_len();
            alone.extract(&samples[start..end], &mut expected);
            assert_eq!(note.features, expected);
        }
        assert_eq!(notes, 1);
    }

    #[test]
    fn most_of_a_second_description_is_done_before_it_is_due() {
        let mut analyzer = Analyzer::new(&OnsetConfig::default(), OnsetMethod::Flux).unwrap();
        let mut first = patch(Preset::LogBark, 7);
        let mut second = patch(Preset::LogBarkLate, 112);
        let all = second.extractor.n_parts();
        let (mut before, mut most, mut last) = (0, 0, 0);
        for hop in &knocks(300, &[2_000]) {
            let described = analyzer
                .push_hop(hop, &mut first, Some(&mut second))
                .second
                .is_some();
            let done = second.progress.map_or(0, |progress| progress.parts);
            if described {
                last = all - before;
            } else {
                most = most.max(done - before);
            }
            before = done;
        }
        assert!(
            last > 0 && last <= 3 && most <= 3,
            "{most} in a hop, {last} in the last"
        );
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
            analyzer.first = Extraction::new(OnsetMethod::Mkl, extractor(), after).unwrap();
            let (_, late) = run(&mut analyzer, &hops[88..]);
            let ids: Vec<u64> = early.iter().chain(&late).map(|note| note.1.id).collect();
            assert_eq!(ids, [0, 1, 2], "{before} to {after} hops");
            assert_eq!(analyzer.analyzer.abandoned(), 0);
        }
    }

    /// Index of the hop, id and features of each second description.
    fn run_second(analyzer: &mut TestAnalyzer, hops: &[[f32; HOP]]) -> Vec<(usize, u64, Vec<f32>)> {
        let mut notes = Vec::new();
        for (index, hop) in hops.iter().enumerate() {
            let second = analyzer.push_hop(hop).second;
            notes.extend(second.map(|n| (index, n.onset.id, n.features.to_vec())));
        }
        notes
    }

    fn later(post_onset_hops: usize) -> Option<Extraction> {
        Some(Extraction::new(OnsetMethod::Mkl, extractor(), post_onset_hops).unwrap())
    }

    #[test]
    fn a_second_extraction_describes_the_same_notes_later_and_changes_nothing_else() {
        let hops = knocks(200, &[4_000, 4_600, 5_200, 5_800]);
        let expected = run(&mut analyzer(5), &hops);
        // As one extraction alone that waits as long.
        let (_, late) = run(&mut analyzer(40), &hops);
        let mut with_second = analyzer(5);
        with_second.second = later(40);
        assert_eq!(run(&mut with_second, &hops), expected);

        let mut with_second = analyzer(5);
        with_second.second = later(40);
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
            analyzer.second = later(40);
            assert_eq!(run_second(&mut analyzer, &hops[..88]), []);
            analyzer.second = next;
            let notes = run_second(&mut analyzer, &hops[88..]);
            let ids: Vec<u64> = notes.iter().map(|note| note.1).collect();
            assert_eq!(ids, expected);
            // Nothing waits from before.
            analyzer.second = later(1);
            assert_eq!(run_second(&mut analyzer, &knocks(40, &[])), []);
        }
        // Nor after a reset.
        let mut analyzer = analyzer(5);
        analyzer.second = later(40);
        run_second(&mut analyzer, &hops[..96]);
        analyzer.analyzer.reset();
        assert_eq!(run_second(&mut analyzer, &knocks(100, &[])), []);
        assert_eq!(
            analyzer.analyzer.abandoned(),
            0,
            "the first descriptions were there"
        );
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
            let mut analyzer = TestAnalyzer::new(&config, from, 40);
            let (onsets, early) = run(&mut analyzer, &hops[..102]);
            assert_eq!((onsets.len(), early.len()), (2, 0), "{from}");
            analyzer.first = Extraction::new(to, extractor(), 40).unwrap();
            let (_, notes) = run(&mut analyzer, &hops[102..]);
            let ids: Vec<u64> = notes.iter().map(|note| note.1.id).collect();
            assert_eq!(ids, [0, 1, 2, 3], "{from} to {to}");
            for (note, position) in notes.iter().zip(positions) {
                assert!(note.1.position.abs_diff(position as u64) < 240, "{note:?}");
            }
            assert_eq!(analyzer.analyzer.detector_mut().method(), to);
            assert_eq!(analyzer.analyzer.abandoned(), 0);
        }
    }

    fn flux_analyzer(post_onset_hops: usize) -> TestAnalyzer {
        TestAnalyzer::new(&OnsetConfig::default(), OnsetMethod::Flux, post_onset_hops)
    }

    /// Position and end of the window of each note's first and second description, with the hop's
    /// end.
    fn windows(analyzer: &mut TestAnalyzer, hops: &[[f32; HOP]]) -> [Vec<(u64, u64, u64)>; 2] {
        let mut windows = [Vec::new(), Vec::new()];
        for (index, hop) in hops.iter().enumerate() {
            let Analysis { note, second, .. } = analyzer.push_hop(hop);
            let end = ((index + 1) * HOP) as u64;
            for (windows, note) in windows.iter_mut().zip([note, second]) {
                windows.extend(note.map(|n| (n.onset.position, n.window_end, end)));
            }
        }
        windows
    }

    #[test]
    fn with_flux_neither_place_nor_window_depends_on_a_trace_before_the_note() {
        for position in 4_000..4_064 {
            let plain = knocks(120, &[position]);
            let mut touched: Vec<f32> = plain.as_flattened().to_vec();
            for (i, sample) in touched[position - 250..][..60].iter_mut().enumerate() {
                *sample += 0.01 * (1.9 * i as f32).sin();
            }
            for hops in [&plain[..], touched.as_chunks().0] {
                let [notes, _] = windows(&mut flux_analyzer(7), hops);
                let [(place, window_end, known)] = notes[..] else {
                    panic!("one note: {notes:?}")
                };
                assert!(place.abs_diff(position as u64) <= 1, "{position}: {place}");
                let after = window_end - place;
                assert!((448 + 16..=448 + 16 + 64).contains(&after), "{after}");
                assert_eq!(known, window_end);
            }
        }
    }

    #[test]
    fn no_note_waits_longer_than_the_longest_wait_and_one_after_a_trace_longer_than_others() {
        for wait in [0, 7, 112] {
            let waited = |position: usize, trace: &[f32]| {
                let mut samples = knocks(250, &[position]).as_flattened().to_vec();
                let traced = samples[position - 250..].iter_mut().zip(trace);
                traced.for_each(|(sample, trace)| *sample += trace);
                let mut analyzer = flux_analyzer(wait);
                let (onsets, notes) = run(&mut analyzer, samples.as_chunks().0);
                assert_eq!((onsets.len(), notes.len()), (1, 1), "{position}");
                let waited = notes[0].0 - onsets[0].0;
                assert!(waited <= analyzer.first.longest_wait_hops(), "{waited}");
                waited
            };
            let trace = white_noise(60, 0.01);
            for position in (4_000..4_064).step_by(7) {
                // What follows the place at a fixed time follows its trace later.
                let (alone, traced) = (waited(position, &[]), waited(position, &trace));
                assert!(wait == 0 || traced > alone + 1, "{alone} {traced}");
            }
        }
        let mkl = Extraction::new(OnsetMethod::Mkl, extractor(), 5).unwrap();
        assert_eq!(mkl.longest_wait_hops(), 5);
    }

    #[test]
    fn with_flux_the_second_description_goes_by_the_place_of_the_first() {
        let hops = knocks(300, &[4_000, 6_300, 9_111]);
        for (first, second) in [(7, 112), (7, 7), (112, 7), (0, 120)] {
            let mut analyzer = flux_analyzer(first);
            analyzer.second = later(second);
            let [firsts, seconds] = windows(&mut analyzer, &hops);
            assert_eq!((firsts.len(), seconds.len()), (3, 3));
            for (a, b) in firsts.iter().zip(&seconds) {
                assert_eq!(a.0, b.0);
                // What is known late is cut where it belongs.
                assert_eq!(a.1 + 64 * second as u64, b.1 + 64 * first as u64);
                assert!(a.1 <= a.2 && b.1 <= b.2);
            }
        }
    }

    #[test]
    fn reset_starts_anew_but_for_the_ids() {
        let hops = knocks(60, &[2_000]);
        let mut analyzer = analyzer(5);
        let (onsets, notes) = run(&mut analyzer, &hops);
        let onset_hop = onsets[0].0;
        analyzer.analyzer.reset();
        let (again, _) = run(&mut analyzer, &hops[..=onset_hop]);
        assert_eq!(again[0].1.id, 1);
        analyzer.analyzer.reset(); // with one pending
        assert_eq!(analyzer.analyzer.abandoned(), 1);
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
    fn a_delay_too_long_is_refused() {
        let error = Extraction::new(OnsetMethod::Mkl, extractor(), 121).expect_err("too long");
        assert!(
            error.to_string().contains("at most 120, found 121"),
            "{error}"
        );
    }
}
