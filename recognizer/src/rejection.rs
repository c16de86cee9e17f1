//! Whether an onset is a note of ours at all.
//!
//! ```text
//! own evidence   log odds of a network that the onset is foreign, see Classifier::rejection: of the first
//!                network for the first decision, of the second one for the second
//! surroundings   what the onsets of the last seconds were, a leaky sum of the first network's evidence
//! rejected       own evidence + surroundings + strictness > 0
//! ```
//!
//! The attack alone tells little: a plosive is as short as a hit. But foreign sounds keep company: who
//! speaks goes on speaking, and who plays goes on playing. So what was heard in the last seconds counts.
//! The second network knows more of that, and is not asked: its answers come when its thread has time, and
//! which notes are played may not depend on that, nor on whether there is a second decision at all.
//!
//! The plugin rejects by it on the audio thread ([`pipeline`](crate::pipeline)), and what is published is
//! measured with the same functions. All of them are real-time safe.

/// How long surroundings are remembered, seconds: until they count a third. This and the next four numbers
/// were chosen together by leave-one-player-out: see `models/RESEARCH.md`.
const MEMORY_S: f64 = 6.0;

/// Log odds at which an onset says nothing of the others: notes have far lower ones, most of what is foreign
/// has higher ones, although few reach zero.
const NEUTRAL: f32 = -2.0;

/// One onset counts no more than this, either way: networks are surer than they are right.
const MOST_EVIDENCE: f32 = 3.0;

/// Surroundings of foreign sounds alone, and of notes alone. Notes count less, so that speech after a song is
/// soon known for what it is.
const MOST_FOREIGN: f32 = 12.0;
const MOST_NOTES: f32 = 8.0;

/// The strictness as delivered. Stricter, a guitar that no network has heard loses too many notes.
pub const DEFAULT_STRICTNESS: f32 = 0.1;

/// Strictness next to nothing or next to everything is not told from more.
const LEAST_STRICTNESS: f32 = 0.01;

/// What was heard lately: above zero rather foreign sounds, below rather notes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Surroundings {
    log_odds: f32,
    /// When that was so, seconds.
    at_s: f64,
}

impl Surroundings {
    /// Takes in the onset at `at_s` seconds, of which the first network says `own`; the log odds of what
    /// was around it. Real-time safe.
    #[inline]
    #[must_use]
    pub fn hear(&mut self, at_s: f64, own: f32) -> f32 {
        let around = self.log_odds * left(at_s - self.at_s);
        *self = Self {
            log_odds: (around + evidence(own)).clamp(-MOST_NOTES, MOST_FOREIGN),
            at_s: self.at_s.max(at_s),
        };
        around
    }

    /// Forgets everything. Real-time safe.
    #[inline]
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The log odds that an onset is foreign, of which a network says `own`, with what is `around` it. Real-time
/// safe.
#[inline]
#[must_use]
pub fn among(own: f32, around: f32) -> f32 {
    own + around
}

/// Whether an onset with these `log_odds` is rejected at a `strictness` from 0, where nothing is, to 1.
/// Real-time safe.
#[inline]
#[must_use]
pub fn is_rejected(log_odds: f32, strictness: f32) -> bool {
    if strictness <= 0.0 {
        return false;
    }
    let strictness = strictness.clamp(LEAST_STRICTNESS, 1.0 - LEAST_STRICTNESS);
    log_odds + (strictness / (1.0 - strictness)).ln() > 0.0
}

/// What an onset adds to the surroundings of others. A network that gives no number says nothing.
fn evidence(own: f32) -> f32 {
    if own.is_nan() {
        return 0.0;
    }
    (own - NEUTRAL).clamp(-MOST_EVIDENCE, MOST_EVIDENCE)
}

/// How much of the surroundings is left after so many seconds.
fn left(seconds: f64) -> f32 {
    (-seconds.max(0.0) / MEMORY_S).exp() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strictness_goes_from_nothing_to_nearly_everything() {
        assert!(!is_rejected(100.0, 0.0));
        for (log_odds, strictness, expected) in [
            (0.1, 0.5, true),
            (-0.1, 0.5, false),
            (0.1, 0.4, false),
            (-1.0, 0.9, true),
            (-4.0, 1.0, true),
            (-100.0, 1.0, false),
            (f32::NAN, 1.0, false),
        ] {
            assert_eq!(
                is_rejected(log_odds, strictness),
                expected,
                "{log_odds} {strictness}"
            );
        }
    }

    #[test]
    fn foreign_company_makes_foreign_and_is_forgotten() {
        let mut surroundings = Surroundings::default();
        assert_eq!(surroundings.hear(0.0, -0.5), 0.0);
        surroundings.clear();
        for i in 0..5 {
            let _ = surroundings.hear(f64::from(i), 3.0);
        }
        let mut later = surroundings;
        assert!(among(-0.5, surroundings.hear(5.0, -0.5)) > 0.0);
        assert!(later.hear(60.0, -0.5).abs() < 0.01);
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut surroundings = Surroundings::default();
        let _ = surroundings.hear(0.0, 1.0);
        let mut other = surroundings;
        let _ = surroundings.hear(1.0, f32::NAN);
        let next = [surroundings.hear(2.0, 0.0), other.hear(2.0, 0.0)];
        assert!((next[0] - next[1]).abs() < 1e-6, "{next:?}");
    }
}
