//! Counters of every note: what was heard, answered, dropped and late.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Serialize, Serializer};

use crate::classification::Classification;
use crate::runner::queue::Refused;

/// From the onset to the result (paper, section 3.2), milliseconds.
pub const DEADLINE_MS: u64 = 20;

/// Bins of the latency histogram, one millisecond each; the last one holds all that is longer.
pub const LATENCY_BINS: usize = 41;

/// Counts since the instance was made. Written by the audio thread, read by any.
///
/// `onsets = results + dropped_full + failed + abandoned + notes under way`, of first decisions
/// alone; those of second decisions are in [`second`](Self::second).
#[derive(Debug, Serialize)]
pub struct Counters {
    /// Onsets detected.
    pub onsets: AtomicU64,
    /// Notes whose features were computed.
    pub notes: AtomicU64,
    /// First decisions.
    #[serde(flatten)]
    pub first: DecisionCounters,
    /// Results later than [`DEADLINE_MS`] after the onset.
    pub over_deadline: AtomicU64,
    /// Results by latency, onset to result, in bins of 1 ms.
    #[serde(serialize_with = "all")]
    pub latency_ms: [AtomicU64; LATENCY_BINS],
    /// MIDI events that the host did not take.
    pub midi_refused: AtomicU64,
    /// Notes that taught a network something by the last decision about them: never more than
    /// results. What the model in use has learnt is [`Telemetry::adapted`](crate::pipeline::Telemetry).
    pub learned: AtomicU64,
    /// Models and engines taken into use after the first.
    pub swaps: AtomicU64,
    /// Calls of the audio callback.
    pub callbacks: AtomicU64,
    /// Second decisions.
    pub second: SecondDecisionCounters,
}

/// What became of the notes that a network was to decide about.
#[derive(Debug, Default, Serialize)]
pub struct DecisionCounters {
    /// Results that reached the audio thread.
    pub results: AtomicU64,
    /// Results under the confidence gate.
    pub gated: AtomicU64,
    /// Results that are no notes: see [`rejection`](crate::rejection). None of them counts as gated.
    pub rejected: AtomicU64,
    /// Notes dropped because the queue to the classifier thread was full.
    pub dropped_full: AtomicU64,
    /// Notes whose engine reported a failure.
    pub failed: AtomicU64,
    /// Notes under way when the stream was reset or stopped, or the model swapped: then of first
    /// decisions what the classifier thread was still asked after half a second, the most that a swap
    /// waits, of second ones all. Second decisions also if there was no first decision to amend.
    pub abandoned: AtomicU64,
    /// Results by lateness: in time, one block late, two or more.
    pub late_blocks: [AtomicU64; 3],
    /// Results that found no room in the queue to the event log.
    pub unlogged: AtomicU64,
}

/// Counts of second decisions since the instance was made.
///
/// `expected = results + dropped_full + failed + abandoned + notes under way`
#[derive(Debug, Default, Serialize)]
pub struct SecondDecisionCounters {
    /// Onsets detected while a second network was in use.
    pub expected: AtomicU64,
    /// What became of them.
    #[serde(flatten)]
    pub decisions: DecisionCounters,
    /// Those for another class than the first decision.
    pub changed: AtomicU64,
}

impl DecisionCounters {
    /// Notes that were lost for whatever reason. Real-time safe.
    #[must_use]
    pub fn lost(&self) -> u64 {
        [&self.dropped_full, &self.failed, &self.abandoned]
            .iter()
            .map(|counter| counter.load(Relaxed))
            .sum()
    }

    /// Counts a note that a network was not asked about. Real-time safe.
    #[inline]
    pub fn refuse(&self, refused: Refused) {
        match refused {
            Refused::Full => add(&self.dropped_full, 1),
            Refused::Dead => add(&self.failed, 1),
        }
    }

    #[inline]
    fn book(&self, result: &Classification) {
        add(&self.results, 1);
        add(&self.gated, u64::from(result.gated && !result.rejected));
        add(&self.rejected, u64::from(result.rejected));
        add(&self.late_blocks[result.late_blocks.min(2) as usize], 1);
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            onsets: AtomicU64::new(0),
            notes: AtomicU64::new(0),
            first: DecisionCounters::default(),
            over_deadline: AtomicU64::new(0),
            latency_ms: std::array::from_fn(|_| AtomicU64::new(0)),
            midi_refused: AtomicU64::new(0),
            learned: AtomicU64::new(0),
            swaps: AtomicU64::new(0),
            callbacks: AtomicU64::new(0),
            second: SecondDecisionCounters::default(),
        }
    }
}

/// Serialises a histogram: serde itself knows arrays of up to 32 elements only.
fn all<S: Serializer>(bins: &[AtomicU64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(bins.iter().map(|bin| bin.load(Relaxed)))
}

/// Adds to a counter that only the calling thread writes: no atomic read-modify-write is needed.
///
/// Real-time safe.
#[inline]
pub fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

impl Counters {
    /// Books a result; a second decision apart from the first ones. `host_rate` in Hz. Real-time
    /// safe.
    #[inline]
    pub fn book(&self, result: &Classification, host_rate: f64) {
        if result.is_second() {
            self.second.decisions.book(result);
            add(&self.second.changed, u64::from(result.changed()));
            return;
        }
        self.first.book(result);
        let latency_ms = result.latency() as f64 * 1000.0 / host_rate;
        if latency_ms > DEADLINE_MS as f64 {
            add(&self.over_deadline, 1);
        }
        let bin = (latency_ms as usize).min(LATENCY_BINS - 1);
        add(&self.latency_ms[bin], 1);
    }

    /// The latency, in whole milliseconds, that `share` (0 to 1) of the results stayed under or
    /// reached; `None` before the first result.
    #[must_use]
    pub fn latency_percentile_ms(&self, share: f64) -> Option<usize> {
        let counts: Vec<u64> = self
            .latency_ms
            .iter()
            .map(|bin| bin.load(Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let wanted = (total as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::Decision;

    fn result(latency: u64, late_blocks: u32) -> Classification {
        Classification {
            seen: latency,
            gated: false,
            late_blocks,
            ..Classification::numbered(0)
        }
    }

    #[test]
    fn results_are_sorted_by_lateness_and_latency() {
        let counters = Counters::default();
        assert_eq!(counters.latency_percentile_ms(0.5), None);
        for (latency, late) in [(624, 0), (960, 1), (961, 2), (48_000, 7)] {
            counters.book(&result(latency, late), 48_000.0);
        }
        let late = counters
            .first
            .late_blocks
            .each_ref()
            .map(|c| c.load(Relaxed));
        assert_eq!(late, [1, 1, 2]);
        assert_eq!(counters.over_deadline.load(Relaxed), 2);
        assert_eq!(counters.latency_ms[13].load(Relaxed), 1);
        assert_eq!(counters.latency_ms[20].load(Relaxed), 2);
        assert_eq!(counters.latency_ms[LATENCY_BINS - 1].load(Relaxed), 1);
        assert_eq!(counters.latency_percentile_ms(0.5), Some(20));
        // Second decisions are late by nature and have books of their own.
        for was in [0, 1] {
            let was_gated = false;
            let decision = Decision::Second { was, was_gated };
            let second = Classification {
                decision,
                ..result(7_200, 1)
            };
            counters.book(&second, 48_000.0);
        }
        let second = &counters.second;
        assert_eq!(second.decisions.results.load(Relaxed), 2);
        assert_eq!(second.changed.load(Relaxed), 1);
        assert_eq!(second.decisions.late_blocks[1].load(Relaxed), 2);
        assert_eq!(counters.first.results.load(Relaxed), 4);
        assert_eq!(counters.first.late_blocks[1].load(Relaxed), 1);
        assert_eq!(counters.over_deadline.load(Relaxed), 2);
        assert_eq!(counters.latency_percentile_ms(0.5), Some(20));
        assert_eq!(counters.latency_percentile_ms(1.0), Some(LATENCY_BINS - 1));
    }
}
