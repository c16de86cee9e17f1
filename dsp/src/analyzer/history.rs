//! The sound that was heard last.

use super::Analyzer;
use crate::HOP;
use crate::onset::steepest_rise::{self, steepest_rise};

/// The newest samples, always in one piece.
pub(super) struct History {
    /// Every hop is written twice, [`CAPACITY`] apart: wherever the newest one lies in the second
    /// half, all that came before lies unbroken in front of it.
    samples: Box<[f32]>,
    /// Samples pushed since the start.
    pub(super) position: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            samples: vec![0.0; 2 * CAPACITY].into_boxed_slice(),
            position: 0,
        }
    }

    pub(super) fn push(&mut self, hop: &[f32; HOP]) {
        let start = (self.position % CAPACITY as u64) as usize;
        self.samples[start..start + HOP].copy_from_slice(hop);
        self.samples[start + CAPACITY..][..HOP].copy_from_slice(hop);
        self.position += HOP as u64;
    }

    /// The `length` samples, at most [`Analyzer::HISTORY`], before position `end`, zeros before the
    /// start, and where they end: `end`, or as near to it as memory reaches.
    pub(super) fn ending(&self, end: u64, length: usize) -> (&[f32], u64) {
        let ago = (self.position - end.min(self.position)).min((CAPACITY - length) as u64);
        let newest = (self.position % CAPACITY as u64) as usize + CAPACITY;
        let last = newest - ago as usize;
        (&self.samples[last - length..last], self.position - ago)
    }

    /// Where the note begins that showed in the hop that ended at `shown`, as far as can be seen
    /// by now.
    pub(super) fn place(&self, shown: u64) -> Option<u64> {
        let [back, ahead, side] = [
            steepest_rise::BACK,
            steepest_rise::AHEAD,
            steepest_rise::SIDE,
        ]
        .map(|n| n as u64);
        let last = (shown + ahead + side).min(self.position);
        // One more for the first difference; what came before the start is unknown.
        let first = shown.saturating_sub(side + back + 1);
        let (samples, _) = self.ending(last, (last - first) as usize);
        let from = shown.saturating_sub(back) - first;
        steepest_rise(samples, from as usize).map(|at| first + at as u64)
    }

    pub(super) fn clear(&mut self) {
        self.samples.fill(0.0);
        self.position = 0;
    }
}

/// Samples remembered: the longest window may end a little before now.
const CAPACITY: usize = Analyzer::HISTORY + 1024;

// The double writing relies on it.
const _: () = assert!(CAPACITY.is_multiple_of(HOP));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_whole_wherever_it_wraps() {
        let mut history = History::new();
        for hop in 0..200usize {
            history.push(&std::array::from_fn(|i| (hop * HOP + i) as f32));
            let now = ((hop + 1) * HOP) as u64;
            for ago in [0, 1, 777, 1024] {
                let end = now.saturating_sub(ago);
                let (samples, ended) = history.ending(end, Analyzer::HISTORY);
                assert_eq!((samples.len(), ended), (Analyzer::HISTORY, end));
                for (back, sample) in samples.iter().rev().enumerate() {
                    let expected = end.saturating_sub(back as u64 + 1) as f32;
                    assert_eq!(*sample, expected);
                }
            }
            // What lies further back than memory reaches.
            let (_, ended) = history.ending(0, Analyzer::HISTORY);
            assert_eq!(ended, now.saturating_sub(1024));
        }
    }
}
