//! Which of the notes that were heard are played, as MIDI and as sound.
//!
//! - Under the gate, that of all techniques or its own, or softer than its technique's threshold, a note
//!   is not played.
//! - A **double hit** is not: a note of the technique that was played less than its *hold* ago.
//! - A **cross hit** is not: a note of one technique within the *cross-fire window* of one of another
//!   that was played, unless it is louder by more than [`LOUDER_DB`]. The hand that hits the body
//!   rebounds, and the strings answer: a kick is followed by a tom that nobody played. One that is
//!   much louder is what was meant, and what was before it the touch.
//!
//! Times are between onsets, not between answers. What is suppressed begins no hold and no window:
//! of a roll the rule lets one through in each of them. What is suppressed stays so when a second
//! decision names it otherwise.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tocco_recognizer::classification::{Classification, Decision, MAX_CLASSES};

/// By how much a note must be louder than one of another technique to be played within its
/// window, dB.
pub const LOUDER_DB: f32 = 6.0;

/// Onsets remembered until the second decision about them: more than can be on their way.
const REMEMBERED: usize = 64;

/// What is set of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Least probability of each technique, 0 to 1.
    pub gate: [f32; MAX_CLASSES],
    /// Least peak of each technique, dB full scale.
    pub threshold: [f32; MAX_CLASSES],
    /// Time from a note of each technique in which another one of it is not played, host samples.
    pub hold: [u64; MAX_CLASSES],
    /// Time from a note in which one of another technique is not played, host samples.
    pub cross: u64,
}

impl Default for Rules {
    /// All that lies over the pipeline's own gate is played.
    fn default() -> Self {
        Self {
            gate: [0.0; MAX_CLASSES],
            threshold: [f32::NEG_INFINITY; MAX_CLASSES],
            hold: [0; MAX_CLASSES],
            cross: 0,
        }
    }
}

/// What becomes of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is played.
    Play,
    /// It lies under a gate or a threshold.
    Gated,
    /// It is a double hit.
    Double,
    /// It is a cross hit.
    Cross,
    /// Nothing was sent of it, whatever the rules say: in a bypass, or while MIDI was off.
    Unsent,
}

/// What a second decision changes of what is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amendment {
    /// Nothing: it was not played, and is not now.
    Nothing,
    /// The same note goes on: only how sure we are of each technique is another.
    Pressures,
    /// Another note is to be played, and the former one, if there was one, to end.
    Play,
}

/// How many notes were suppressed. Written by the audio thread, read by any.
#[derive(Debug, Default)]
pub struct Suppressed {
    /// Double hits.
    pub double: AtomicU64,
    /// Cross hits.
    pub cross: AtomicU64,
}

/// A note that was played.
#[derive(Debug, Clone, Copy)]
struct Played {
    /// Onset, host samples.
    position: u64,
    peak_db: f32,
}

/// Follows what is played. For the audio thread; nothing in it allocates.
#[derive(Debug)]
pub struct Retrigger {
    /// The last note of each class.
    last: [Option<Played>; MAX_CLASSES],
    /// Onsets and what became of them, in turn.
    heard: [(u64, Verdict); REMEMBERED],
    next: usize,
}

impl Default for Retrigger {
    fn default() -> Self {
        Self {
            last: [None; MAX_CLASSES],
            // No onset has that number.
            heard: [(u64::MAX, Verdict::Gated); REMEMBERED],
            next: 0,
        }
    }
}

impl Retrigger {
    /// What becomes of the note of a first decision; counts it if it is suppressed. Real-time safe.
    pub fn first(
        &mut self,
        result: &Classification,
        rules: &Rules,
        suppressed: &Suppressed,
    ) -> Verdict {
        let verdict = if is_gated(result, rules) {
            Verdict::Gated
        } else if self.is_held(result, rules) {
            Verdict::Double
        } else if self.is_cross(result, rules) {
            Verdict::Cross
        } else {
            Verdict::Play
        };
        match verdict {
            Verdict::Play => self.played(result),
            Verdict::Gated | Verdict::Unsent => {}
            Verdict::Double => count(&suppressed.double),
            Verdict::Cross => count(&suppressed.cross),
        }
        self.remember(result, verdict);
        verdict
    }

    /// Of the note of a first decision nothing is sent, whatever became of it: a second one has nothing
    /// to amend then, and a note that late is none. Real-time safe.
    pub fn leave_unsent(&mut self, result: &Classification) {
        let onset = result.note.onset_id;
        match self.heard.iter_mut().find(|(heard, _)| *heard == onset) {
            Some((_, verdict)) => *verdict = Verdict::Unsent,
            None => self.remember(result, Verdict::Unsent),
        }
    }

    /// As [`leave_unsent`](Self::leave_unsent), of all notes so far: what was played of them is ended.
    /// Real-time safe.
    pub fn leave_all_unsent(&mut self) {
        for (_, verdict) in &mut self.heard {
            *verdict = Verdict::Unsent;
        }
    }

    /// What a second decision changes. Real-time safe.
    pub fn second(
        &mut self,
        result: &Classification,
        rules: &Rules,
        suppressed: &Suppressed,
    ) -> Amendment {
        let Decision::Second { was, was_gated } = result.decision else {
            return Amendment::Nothing;
        };
        let onset = result.note.onset_id;
        let verdict = self.heard.iter().find(|(heard, _)| *heard == onset);
        let was_gated = match verdict {
            Some((_, Verdict::Double | Verdict::Cross | Verdict::Unsent)) => {
                return Amendment::Nothing;
            }
            Some((_, verdict)) => *verdict == Verdict::Gated,
            None => was_gated,
        };
        match (is_gated(result, rules), was_gated) {
            (true, true) => Amendment::Nothing,
            (false, was_gated) if was_gated || result.changed() => {
                // The rebound of a hit, by its right name.
                if self.is_held(result, rules) {
                    count(&suppressed.double);
                    return match was_gated {
                        true => Amendment::Nothing,
                        false => Amendment::Pressures,
                    };
                }
                // One that was played is what the window began with.
                if was_gated && self.is_cross(result, rules) {
                    count(&suppressed.cross);
                    return Amendment::Nothing;
                }
                // It was none of the technique that it was played as, and begins no hold of that.
                if !was_gated {
                    self.unplayed(was, result.note.position);
                }
                self.played(result);
                Amendment::Play
            }
            _ => Amendment::Pressures,
        }
    }

    /// Starts anew. Real-time safe.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn remember(&mut self, result: &Classification, verdict: Verdict) {
        self.heard[self.next] = (result.note.onset_id, verdict);
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The note of `class` at `position` was none, if it is the last one of that class.
    fn unplayed(&mut self, class: usize, position: u64) {
        let last = &mut self.last[class];
        if last.is_some_and(|last| last.position == position) {
            *last = None;
        }
    }

    fn played(&mut self, result: &Classification) {
        let position = result.note.position;
        let last = &mut self.last[result.class];
        // A second decision comes after other notes.
        if last.is_none_or(|last| last.position <= position) {
            *last = Some(Played {
                position,
                peak_db: result.note.peak_db,
            });
        }
    }

    fn is_held(&self, result: &Classification, rules: &Rules) -> bool {
        let apart = |played: Played| result.note.position.abs_diff(played.position);
        let last = self.last[result.class];
        last.is_some_and(|played| apart(played) < rules.hold[result.class])
    }

    fn is_cross(&self, result: &Classification, rules: &Rules) -> bool {
        let note = &result.note;
        self.last.iter().enumerate().any(|(class, last)| {
            class != result.class
                && last.is_some_and(|played| {
                    // What came later answers to this note, not this note to it.
                    let apart = note.position.checked_sub(played.position);
                    apart.is_some_and(|apart| apart < rules.cross)
                        && note.peak_db <= played.peak_db + LOUDER_DB
                })
        })
    }
}

/// Whether a note lies under a gate or its threshold. Real-time safe.
pub(super) fn is_gated(result: &Classification, rules: &Rules) -> bool {
    result.gated
        || result.probability() < rules.gate[result.class]
        || result.note.peak_db < rules.threshold[result.class]
}

/// The only writer is the audio thread.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_recognizer::classification::Note;

    /// Heard at sample `position` as `class` with a peak of `peak_db`.
    fn note(onset_id: u64, class: usize, position: u64, peak_db: f32) -> Classification {
        let numbered = Classification::numbered(onset_id);
        Classification {
            note: Note {
                position,
                peak_db,
                ..numbered.note
            },
            class,
            gated: false,
            probabilities: [0.5; MAX_CLASSES],
            ..numbered
        }
    }

    fn second(first: &Classification, class: usize) -> Classification {
        Classification {
            decision: Decision::Second {
                was: first.class,
                was_gated: first.gated,
            },
            class,
            ..*first
        }
    }

    fn verdicts(rules: &Rules, notes: &[Classification]) -> (Vec<Verdict>, u64, u64) {
        let (mut retrigger, suppressed) = (Retrigger::default(), Suppressed::default());
        let verdicts = notes
            .iter()
            .map(|note| retrigger.first(note, rules, &suppressed))
            .collect();
        (
            verdicts,
            suppressed.double.load(Relaxed),
            suppressed.cross.load(Relaxed),
        )
    }

    use Verdict::{Cross, Double, Gated, Play};

    #[test]
    fn as_delivered_all_is_played_that_the_pipelines_gate_lets_through() {
        let mut notes = [
            note(0, 0, 0, -10.0),
            note(1, 0, 1, -10.0),
            note(2, 3, 1, -30.0),
        ];
        notes[1].gated = true;
        assert_eq!(
            verdicts(&Rules::default(), &notes),
            (vec![Play, Gated, Play], 0, 0)
        );
    }

    #[test]
    fn a_technique_has_its_own_threshold() {
        let mut rules = Rules::default();
        rules.threshold[1] = -30.0;
        let notes = [
            note(0, 1, 0, -30.5),
            note(1, 1, 9_000, -30.0),
            note(2, 2, 18_000, -60.0),
            note(3, 2, 27_000, f32::NEG_INFINITY),
        ];
        assert_eq!(
            verdicts(&rules, &notes),
            (vec![Gated, Play, Play, Play], 0, 0)
        );
        // Heard anew as what has none, it is played; as what has one, it ends nothing that was not.
        let (mut retrigger, suppressed) = (Retrigger::default(), Suppressed::default());
        let soft = note(0, 1, 0, -40.0);
        assert_eq!(retrigger.first(&soft, &rules, &suppressed), Gated);
        let as_other = retrigger.second(&second(&soft, 2), &rules, &suppressed);
        assert_eq!(as_other, Amendment::Play);
        let as_same = retrigger.second(&second(&soft, 1), &rules, &suppressed);
        assert_eq!(as_same, Amendment::Nothing);
    }

    #[test]
    fn a_technique_has_its_own_gate() {
        let mut rules = Rules::default();
        rules.gate[2] = 0.6;
        let notes = [note(0, 2, 0, -10.0), note(1, 1, 9, -10.0)];
        assert_eq!(verdicts(&rules, &notes), (vec![Gated, Play], 0, 0));
        rules.gate[2] = 0.5;
        assert_eq!(verdicts(&rules, &notes), (vec![Play, Play], 0, 0));
    }

    #[test]
    fn a_hold_lets_one_through_and_is_not_begun_by_what_it_holds_back() {
        let mut rules = Rules::default();
        rules.hold[0] = 100;
        let notes = [
            note(0, 0, 1_000, -10.0),
            note(1, 0, 1_099, 0.0),
            note(2, 0, 1_100, -10.0),
            note(3, 1, 1_101, -10.0),
            note(4, 1, 1_102, -10.0),
            note(5, 0, 1_199, -10.0),
        ];
        assert_eq!(
            verdicts(&rules, &notes),
            (vec![Play, Double, Play, Play, Play, Double], 2, 0)
        );
    }

    #[test]
    fn a_cross_hit_is_another_technique_soon_after_and_not_much_louder() {
        let rules = Rules {
            cross: 100,
            ..Rules::default()
        };
        let notes = [
            note(0, 0, 1_000, -20.0),
            note(1, 2, 1_099, -14.0), // as loud as may be
            note(2, 0, 1_050, -10.0), // the same technique
            note(3, 2, 1_060, -3.9),  // the one that was meant
            note(4, 2, 1_170, -10.0),
            note(5, 1, 1_269, -10.0),
            note(6, 1, 1_270, -10.0),
        ];
        assert_eq!(
            verdicts(&rules, &notes),
            (vec![Play, Cross, Play, Play, Play, Cross, Play], 0, 2)
        );
    }

    #[test]
    fn a_second_decision_plays_what_was_not_and_lets_rest_what_was_suppressed() {
        let mut rules = Rules {
            cross: 100,
            ..Rules::default()
        };
        rules.hold[1] = 1_000;
        rules.gate[5] = 0.6;
        let suppressed = Suppressed::default();
        let mut retrigger = Retrigger::default();
        let kick = note(0, 0, 1_000, -10.0);
        let answer = note(1, 2, 1_050, -20.0);
        let unsure = note(2, 5, 1_200, -10.0);
        for note in [&kick, &answer, &unsure] {
            retrigger.first(note, &rules, &suppressed);
        }
        let mut amend = |note: &Classification, class| {
            retrigger.second(&second(note, class), &rules, &suppressed)
        };
        assert_eq!(amend(&kick, 0), Amendment::Pressures);
        assert_eq!(amend(&answer, 7), Amendment::Nothing);
        assert_eq!(amend(&unsure, 5), Amendment::Nothing);
        assert_eq!(amend(&unsure, 1), Amendment::Play);
        // Within the hold of that.
        assert_eq!(amend(&kick, 1), Amendment::Pressures);
        assert_eq!(amend(&kick, 3), Amendment::Play);
        assert_eq!(amend(&kick, 5), Amendment::Pressures);
        assert_eq!(suppressed.double.load(Relaxed), 1);
        assert_eq!(
            retrigger.second(&kick, &rules, &suppressed),
            Amendment::Nothing
        );
    }

    #[test]
    fn a_second_decision_comes_after_later_notes_and_knows_how_far_they_are() {
        let mut rules = Rules {
            cross: 30,
            ..Rules::default()
        };
        rules.hold[0] = 100;
        let suppressed = Suppressed::default();
        let mut retrigger = Retrigger::default();
        let (near, far, kick) = (
            note(0, 2, 1_000, -10.0),
            note(1, 2, 950, -10.0),
            note(2, 0, 1_060, -10.0),
        );
        for note in [&far, &near, &kick] {
            retrigger.first(note, &rules, &suppressed);
        }
        let mut amend =
            |note: &Classification| retrigger.second(&second(note, 0), &rules, &suppressed);
        assert_eq!(amend(&far), Amendment::Play, "110 apart");
        assert_eq!(amend(&near), Amendment::Pressures, "60 apart");
        // The last kick is still that at 1,060.
        let cross = note(3, 2, 1_089, -10.0);
        assert_eq!(retrigger.first(&cross, &rules, &suppressed), Cross);
        let double = note(4, 0, 1_159, -10.0);
        assert_eq!(retrigger.first(&double, &rules, &suppressed), Double);
    }

    #[test]
    fn what_was_corrected_holds_nothing_of_the_wrong_technique_back() {
        let mut rules = Rules::default();
        rules.hold[0] = 300;
        let suppressed = Suppressed::default();
        let mut retrigger = Retrigger::default();
        let wrong = note(0, 0, 1_000, -10.0);
        assert_eq!(retrigger.first(&wrong, &rules, &suppressed), Play);
        let right = second(&wrong, 2);
        let amendment = retrigger.second(&right, &rules, &suppressed);
        assert_eq!(amendment, Amendment::Play);
        for (onset, position, verdict) in [(1, 1_200, Play), (2, 1_400, Double)] {
            let kick = note(onset, 0, position, -10.0);
            assert_eq!(retrigger.first(&kick, &rules, &suppressed), verdict);
        }
        // A later kick is one, whatever became of an earlier note.
        let late = second(&note(3, 0, 1_100, -10.0), 2);
        let amendment = retrigger.second(&late, &rules, &suppressed);
        assert_eq!(amendment, Amendment::Play);
        let kick = note(4, 0, 1_450, -10.0);
        assert_eq!(retrigger.first(&kick, &rules, &suppressed), Double);
    }

    #[test]
    fn of_what_was_left_unsent_nothing_is_amended() {
        let (mut retrigger, suppressed) = (Retrigger::default(), Suppressed::default());
        let rules = Rules::default();
        let [unheard, played] = [note(0, 0, 1_000, -10.0), note(1, 0, 2_000, -10.0)];
        let mut gated = note(2, 0, 3_000, -10.0);
        gated.gated = true;
        for note in [&played, &gated] {
            retrigger.first(note, &rules, &suppressed);
        }
        for first in [&unheard, &played, &gated] {
            retrigger.leave_unsent(first);
            for class in [0, 3] {
                let mut now = second(first, class);
                now.gated = false;
                let amendment = retrigger.second(&now, &rules, &suppressed);
                assert_eq!(amendment, Amendment::Nothing, "{first:?}");
            }
        }
    }

    #[test]
    fn a_second_decision_plays_no_cross_hit_that_the_gate_held_back() {
        let rules = Rules {
            cross: 100,
            ..Rules::default()
        };
        let suppressed = Suppressed::default();
        let mut retrigger = Retrigger::default();
        let kick = note(0, 0, 1_000, -10.0);
        let [mut answer, mut before] = [note(1, 2, 1_050, -20.0), note(2, 2, 950, -20.0)];
        (answer.gated, before.gated) = (true, true);
        for note in [&before, &kick, &answer] {
            retrigger.first(note, &rules, &suppressed);
        }
        let mut surer = |gated: &Classification| {
            let second = Classification {
                gated: false,
                ..second(gated, 2)
            };
            retrigger.second(&second, &rules, &suppressed)
        };
        assert_eq!(surer(&answer), Amendment::Nothing);
        assert_eq!(surer(&before), Amendment::Play);
        assert_eq!(suppressed.cross.load(Relaxed), 1);
    }

    #[test]
    fn of_an_onset_that_is_not_remembered_the_decision_itself_tells() {
        let (mut retrigger, suppressed) = (Retrigger::default(), Suppressed::default());
        let first = note(7, 3, 0, -10.0);
        let rules = Rules::default();
        let mut amend = |first: &Classification, class| {
            retrigger.second(&second(first, class), &rules, &suppressed)
        };
        assert_eq!(amend(&first, 3), Amendment::Pressures);
        let gated = Classification {
            gated: true,
            ..first
        };
        let mut now = second(&gated, 3);
        now.gated = false;
        assert_eq!(retrigger.second(&now, &rules, &suppressed), Amendment::Play);
    }
}
