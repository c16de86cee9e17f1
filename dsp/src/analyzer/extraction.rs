//! What a model wants of the sound, and how a note is described by it: at once or in parts.

use super::history::History;
use super::waiting::Due;
use super::{Analyzer, AnalyzerError, LAST_LOOK, Note, Onset, PLACE_HOPS};
use crate::features::FeatureExtractor;
use crate::{HOP, OnsetMethod};

/// What a model wants of the sound: how onsets are found, by which features a note is described,
/// and when after the onset they are taken.
///
/// Made where allocating is allowed; [`Analyzer::push_hop`] borrows it on the audio thread.
#[derive(Debug)]
pub struct Extraction {
    pub(super) method: OnsetMethod,
    pub(super) extractor: FeatureExtractor,
    pub(super) post_onset_hops: usize,
    features: Vec<f32>,
    /// Of the note that is being described for the second time.
    pub(super) progress: Option<Progress>,
}

/// How far the description of a note is that is done in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The analyzer whose note it is, and the note's onset there.
    analyzer: u64,
    onset: u64,
    /// Parts that are done.
    pub(super) parts: usize,
}

impl Extraction {
    /// Finds onsets with `method`, and takes the features of `extractor` from a window that ends
    /// `post_onset_hops` hops after the note.
    ///
    /// With `mkl` they are counted from the end of the hop that detected it (the paper: 5, so that
    /// the newest 704 samples hold the note from its beginning). With `flux` they are counted from
    /// the place where the note begins ([`Analyzer::LAG`]), which is looked for once the attack is
    /// there: it is known 5 to 8 hops after the one in which the note showed. Allocates.
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
            progress: None,
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

    /// Hops from the note to the end of the features' window: see [`new`](Self::new).
    pub fn post_onset_hops(&self) -> usize {
        self.post_onset_hops
    }

    /// The most hops from the one that brought an onset to the one that brings its note. With `mkl`
    /// all notes take as many. With `flux` the place may lie later than the first trace that was
    /// detected, and it must be known.
    pub fn longest_wait_hops(&self) -> usize {
        match self.method {
            OnsetMethod::Mkl => self.post_onset_hops,
            OnsetMethod::Flux => (self.post_onset_hops + PLACE_HOPS).max(LAST_LOOK as usize / HOP),
        }
    }

    /// The note that began with the onset of `due`. Real-time safe.
    pub(super) fn describe(&mut self, due: Due, history: &History) -> Note<'_> {
        let Due { onset, window_end } = due;
        // Another window takes the place of the parts that were done.
        self.progress = None;
        let (window, window_end) = history.ending(window_end, self.extractor.history_len());
        self.extractor.extract(window, &mut self.features);
        self.note(onset, window_end, history)
    }

    /// Does some of the work of describing a note, not all of whose samples need be there.
    /// Real-time safe.
    pub(super) fn prepare(&mut self, analyzer: u64, due: Due, history: &History) {
        let parts = self.extractor.n_parts();
        let done = self.done(analyzer, due.onset.id);
        let missing = due.window_end.saturating_sub(history.position) as usize;
        let Some(there) = self.extractor.history_len().checked_sub(missing) else {
            return;
        };
        let (window, end) = history.ending(due.window_end.min(history.position), there);
        if end != due.window_end.min(history.position) {
            return; // Too old to be done in parts.
        }
        let some = parts.div_ceil(Analyzer::HOPS_OF_PREPARATION);
        let mut next = done;
        while next < parts.min(done + some) && self.extractor.part_needs(next) <= there {
            self.extractor.compute_part(next, window);
            next += 1;
        }
        self.progress = Some(Progress {
            analyzer,
            onset: due.onset.id,
            parts: next,
        });
    }

    /// The note that began with the onset of `due`, which may have been [prepared](Self::prepare).
    /// Real-time safe.
    pub(super) fn complete(&mut self, analyzer: u64, due: Due, history: &History) -> Note<'_> {
        let done = self.done(analyzer, due.onset.id);
        self.progress = None;
        let (window, window_end) = history.ending(due.window_end, self.extractor.history_len());
        // Not the window that was prepared: it lies too far back.
        let first = if window_end == due.window_end {
            done
        } else {
            0
        };
        for part in first..self.extractor.n_parts() {
            self.extractor.compute_part(part, window);
        }
        self.extractor.finish(window, &mut self.features);
        self.note(due.onset, window_end, history)
    }

    /// Parts of the description of this note that are done.
    fn done(&self, analyzer: u64, onset: u64) -> usize {
        let own = self
            .progress
            .filter(|progress| (progress.analyzer, progress.onset) == (analyzer, onset));
        own.map_or(0, |progress| progress.parts)
    }

    /// The note whose features are there.
    fn note(&self, onset: Onset, window_end: u64, history: &History) -> Note<'_> {
        let now = history.position;
        // Positions are estimates: never before the start, never after now.
        let since_onset = (now - onset.position.min(now)).min(Analyzer::HISTORY as u64);
        let (sounded, _) = history.ending(now, since_onset as usize);
        Note {
            onset,
            window_end,
            peak_db: peak_db(sounded),
            features: &self.features,
        }
    }
}

fn peak_db(samples: &[f32]) -> f32 {
    let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    (20.0 * peak.log10()).max(Analyzer::PEAK_FLOOR_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_the_floor_as_its_level() {
        assert_eq!(peak_db(&[0.0; 8]), Analyzer::PEAK_FLOOR_DB);
        assert_eq!(peak_db(&[]), Analyzer::PEAK_FLOOR_DB);
        assert_eq!(peak_db(&[0.5, -1.0]), 0.0);
    }
}
