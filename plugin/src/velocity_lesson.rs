//! The lesson of the velocity: play soft, play hard, done.
//!
//! The parameter *Velocity lesson* goes through it. While it says `soft` every note that is not
//! under the gate is a soft hit, while it says `hard` a hard one, whatever its technique; at `done`
//! the service thread finds the ends of the scale in them and sets the parameters. To say `soft` or
//! `hard` again begins that half anew.
//!
//! The medians of both halves are put at [`SOFT_AT`] and [`HARD_AT`] of the scale, and its ends follow
//! from the line through them: what is softer than most of the soft hits and harder than most of the
//! hard ones has room, too. Where techniques differ much in their level that is not room enough: nine
//! in ten of the soft hits lie over the soft end, and nine in ten of the hard ones under the hard end.
//!
//! With *Velocity by technique* a technique of which there were hits in both halves gets its own
//! ends. One that was played in neither, but taught, has been heard as its player plays it: the
//! median of its taught hits is put in the middle between soft and hard.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

use nice_plug::prelude::Enum;
use tocco_recognizer::classification::MAX_CLASSES;

/// Where the median soft hit is on the scale.
pub const SOFT_AT: f32 = 0.25;

/// Where the median hard hit is on the scale.
pub const HARD_AT: f32 = 0.875;

/// Least hits in each half, of all techniques or of one.
pub const LEAST_HITS: usize = 3;

/// Least distance of the medians, dB: less is no difference that a scale could be made of.
pub const LEAST_DISTANCE_DB: f32 = 4.0;

/// Hits remembered of a half: the first ones.
const MOST_HITS: usize = 256;

/// Taught hits remembered of a class: the last ones.
const MOST_TAUGHT: usize = 8;

/// The steps of the lesson, as the parameter has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Step {
    /// There is no lesson.
    #[id = "off"]
    Off,
    /// What is played is soft.
    #[id = "soft"]
    Soft,
    /// What is played is hard.
    #[id = "hard"]
    Hard,
    /// Learn from both.
    #[id = "done"]
    Done,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Standing {
    /// Nothing was learnt.
    #[default]
    AsSet,
    /// Soft hits are heard.
    Soft,
    /// Hard hits are heard.
    Hard,
    /// The ends were found and set.
    Learnt,
    /// There were fewer than [`LEAST_HITS`] in one of the halves.
    TooFew,
    /// The halves are nearer than [`LEAST_DISTANCE_DB`], or the wrong way around.
    Alike,
}

impl Standing {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::AsSet,
        Self::Soft,
        Self::Hard,
        Self::Learnt,
        Self::TooFew,
        Self::Alike,
    ];

    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::AsSet => "as set",
            Self::Soft => "play soft",
            Self::Hard => "play hard",
            Self::Learnt => "learnt",
            Self::TooFew => "too few hits",
            Self::Alike => "soft and hard are alike",
        }
    }
}

/// The ends of a scale, dB full scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    /// Level of the softest velocity.
    pub soft_db: f32,
    /// Level of the hardest velocity.
    pub hard_db: f32,
}

/// What was learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learnt {
    /// Of all techniques together.
    pub all: Ends,
    /// Of each that could be told by itself.
    pub of_class: [Option<Ends>; MAX_CLASSES],
    /// Whether it was learnt by technique.
    pub by_class: bool,
}

/// A hit: its class and its level.
type Hit = (usize, f32);

/// Hits that one thread adds and another reads and clears. Each writes a number of its own, so that what is
/// added while it is cleared does not bring back what was there.
#[derive(Debug)]
struct Hits<const N: usize> {
    /// Class in the upper half, bits of the level in dB in the lower. A ring: hit number `n` lies at
    /// `n % N`.
    hits: [AtomicU64; N],
    /// How many were added, ever. Written by who adds.
    count: AtomicUsize,
    /// How many of these were there when it was cleared. Written by who clears.
    begin: AtomicUsize,
}

impl<const N: usize> Default for Hits<N> {
    fn default() -> Self {
        Self {
            hits: [const { AtomicU64::new(0) }; N],
            count: AtomicUsize::new(0),
            begin: AtomicUsize::new(0),
        }
    }
}

impl<const N: usize> Hits<N> {
    /// Adds one if there is room.
    fn add(&self, hit: Hit) {
        if self.len() < N {
            self.add_last(hit);
        }
    }

    /// Adds one in the place of the oldest if there is no room.
    fn add_last(&self, (class, peak_db): Hit) {
        let packed = (class as u64) << 32 | u64::from(peak_db.to_bits());
        let count = self.count.load(Relaxed);
        self.hits[count % N].store(packed, Relaxed);
        self.count.store(count.wrapping_add(1), Release);
    }

    fn clear(&self) {
        self.begin.store(self.count.load(Acquire), Release);
    }

    /// How many were added since it was cleared.
    fn len(&self) -> usize {
        // In this order, as the count was that high when it was cleared.
        let begin = self.begin.load(Acquire);
        self.count.load(Acquire).wrapping_sub(begin)
    }

    fn get(&self) -> Vec<Hit> {
        let begin = self.begin.load(Acquire);
        let count = self.count.load(Acquire);
        let unpack = |number: usize| {
            let packed = self.hits[number % N].load(Relaxed);
            ((packed >> 32) as usize, f32::from_bits(packed as u32))
        };
        let kept = begin.max(count.saturating_sub(N))..count;
        kept.map(unpack).collect()
    }
}

/// The lesson of one instance. Hits come from the audio thread, steps from any.
#[derive(Debug, Default)]
pub struct VelocityLesson {
    soft: Hits<MOST_HITS>,
    hard: Hits<MOST_HITS>,
    taught: [Hits<MOST_TAUGHT>; MAX_CLASSES],
    standing: AtomicU8,
    /// How often it is to be learnt from.
    done: AtomicU32,
    /// Changes of the step, so that what was done late does not overwrite what began meanwhile.
    steps: AtomicU32,
}

impl VelocityLesson {
    /// The next step. Real-time safe.
    pub(crate) fn step(&self, step: Step) {
        self.steps.fetch_add(1, Relaxed);
        match step {
            Step::Off => self.stand(Standing::AsSet),
            Step::Soft => {
                self.soft.clear();
                self.stand(Standing::Soft);
            }
            Step::Hard => {
                self.hard.clear();
                self.stand(Standing::Hard);
            }
            Step::Done => {
                self.stand(Standing::AsSet);
                self.done.fetch_add(1, Release);
            }
        }
    }

    /// A note of `class` was heard, with its peak at `peak_db` dB full scale. For the audio thread;
    /// real-time safe.
    pub fn hear(&self, class: usize, peak_db: f32) {
        match self.standing() {
            Standing::Soft => self.soft.add((class, peak_db)),
            Standing::Hard => self.hard.add((class, peak_db)),
            _ => {}
        }
    }

    /// A note was heard as an example of `class`, below [`MAX_CLASSES`]. For the audio thread;
    /// real-time safe.
    pub fn hear_taught(&self, class: usize, peak_db: f32) {
        self.taught[class].add_last((class, peak_db));
    }

    /// Forgets what was taught. Real-time safe.
    pub fn forget_taught(&self) {
        self.taught.iter().for_each(Hits::clear);
    }

    /// How it stands. Real-time safe.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::ALL[usize::from(self.standing.load(Relaxed))]
    }

    /// Hits of the half that is under way, or of both together. Real-time safe.
    #[must_use]
    pub fn hits(&self) -> usize {
        match self.standing() {
            Standing::Soft => self.soft.len(),
            Standing::Hard => self.hard.len(),
            _ => self.soft.len() + self.hard.len(),
        }
    }

    /// Whether it waits to be learnt from. Real-time safe.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waiting() > 0
    }

    /// How often it waits: to be given back to [`finish`](Self::finish).
    pub(crate) fn waiting(&self) -> u32 {
        self.done.load(Acquire)
    }

    /// What is to be learnt, of each technique by itself if `by_technique`; from then on it stands
    /// accordingly. Allocates.
    pub(crate) fn learn(&self, by_technique: bool) -> Option<Learnt> {
        let steps = self.steps.load(Relaxed);
        let taught: Vec<Hit> = self.taught.iter().flat_map(Hits::get).collect();
        let learnt = learnt(&self.soft.get(), &self.hard.get(), &taught, by_technique);
        let standing = match learnt {
            Ok(_) => Standing::Learnt,
            Err(standing) => standing,
        };
        if self.steps.load(Relaxed) == steps {
            self.stand(standing);
        }
        learnt.ok()
    }

    /// What was [`waiting`](Self::waiting) is done and set. Real-time safe.
    pub(crate) fn finish(&self, waiting: u32) {
        self.done.fetch_sub(waiting, Release);
    }

    fn stand(&self, standing: Standing) {
        self.standing.store(standing as u8, Relaxed);
    }
}

/// The ends for `soft`, `hard` and `taught` hits. Allocates.
///
/// # Errors
/// Why there are none.
pub fn learnt(
    soft: &[Hit],
    hard: &[Hit],
    taught: &[Hit],
    by_technique: bool,
) -> Result<Learnt, Standing> {
    let (soft_db, hard_db) = (level(soft, None, 0.5), level(hard, None, 0.5));
    let (Some(soft_db), Some(hard_db)) = (soft_db, hard_db) else {
        return Err(Standing::TooFew);
    };
    let all = ends(soft, hard, None).ok_or(Standing::Alike)?;
    let middle = (soft_db + hard_db) / 2.0;
    let of_class = |class| {
        let own = |hits| level(hits, Some(class), 0.5);
        match (own(soft), own(hard)) {
            (Some(_), Some(_)) => ends(soft, hard, Some(class)),
            (None, None) => own(taught).map(|taught| Ends {
                soft_db: all.soft_db + taught - middle,
                hard_db: all.hard_db + taught - middle,
            }),
            _ => None,
        }
    };
    Ok(Learnt {
        all,
        of_class: std::array::from_fn(|class| of_class(class).filter(|_| by_technique)),
        by_class: by_technique,
    })
}

/// The ends for the hits, of `class` if one is named; nothing if there are too few or they are alike.
fn ends(soft: &[Hit], hard: &[Hit], class: Option<usize>) -> Option<Ends> {
    let (soft_db, hard_db) = (level(soft, class, 0.5)?, level(hard, class, 0.5)?);
    let distance = hard_db - soft_db;
    let whole = distance / (HARD_AT - SOFT_AT);
    let (line_soft, line_hard) = (soft_db - SOFT_AT * whole, hard_db + (1.0 - HARD_AT) * whole);
    (distance >= LEAST_DISTANCE_DB).then_some(Ends {
        soft_db: line_soft.min(level(soft, class, 0.1)?),
        hard_db: line_hard.max(level(hard, class, 0.9)?),
    })
}

/// The level under which `share` of the hits lie, of `class` if one is named; nothing if there are too
/// few.
fn level(hits: &[Hit], class: Option<usize>, share: f32) -> Option<f32> {
    let wanted = |hit: &&Hit| hit.1.is_finite() && class.is_none_or(|class| class == hit.0);
    let mut levels: Vec<f32> = hits.iter().filter(wanted).map(|hit| hit.1).collect();
    if levels.len() < LEAST_HITS {
        return None;
    }
    levels.sort_by(f32::total_cmp);
    let place = share * (levels.len() - 1) as f32;
    let (below, above) = (
        levels[place.floor() as usize],
        levels[place.ceil() as usize],
    );
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::velocity::Curve;

    fn of(class: usize, levels: &[f32]) -> Vec<Hit> {
        levels.iter().map(|level| (class, *level)).collect()
    }

    fn velocity(ends: Ends, peak_db: f32) -> f32 {
        let curve = Curve {
            soft_db: ends.soft_db,
            hard_db: ends.hard_db,
            bend: 0.0,
        };
        curve.velocity(peak_db)
    }

    #[test]
    fn the_medians_are_put_where_they_belong_whatever_went_wrong_once() {
        let soft = of(0, &[-30.0, -31.0, -29.0, -3.0]);
        let hard = of(2, &[-10.0, -11.0, -9.0, -70.0, -8.0]);
        let learnt = learnt(&soft, &hard, &[], false).unwrap();
        assert_eq!(learnt.of_class, [None; MAX_CLASSES]);
        assert!((velocity(learnt.all, -29.5) - SOFT_AT).abs() < 1e-5);
        assert!((velocity(learnt.all, -10.0) - HARD_AT).abs() < 1e-5);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_said() {
        let few = of(0, &[-30.0, -31.0]);
        let three = of(0, &[-30.0, -31.0, -29.0]);
        let near = of(0, &[-27.0, -27.0, -27.0]);
        let strange = of(0, &[f32::NAN, f32::INFINITY, -3.0, -3.0]);
        for (soft, hard, why) in [
            (&few, &three, Standing::TooFew),
            (&three, &few, Standing::TooFew),
            (&three, &strange, Standing::TooFew),
            (&three, &near, Standing::Alike),
            (&near, &three, Standing::Alike),
        ] {
            assert_eq!(learnt(soft, hard, &[], true), Err(why));
        }
    }

    #[test]
    fn each_technique_has_its_own_ends_where_they_can_be_told() {
        let soft = [
            of(0, &[-20.0; 3]),
            of(1, &[-40.0; 3]),
            of(2, &[-30.0; 2]),
            of(3, &[-30.0; 3]),
        ]
        .concat();
        let hard = [
            of(0, &[-5.0; 3]),
            of(1, &[-20.0; 3]),
            of(2, &[-12.0; 3]),
            of(3, &[-29.0; 3]),
        ]
        .concat();
        let taught = [of(4, &[-25.0; 5]), of(0, &[-60.0; 5]), of(5, &[-9.0; 2])].concat();
        let learnt = learnt(&soft, &hard, &taught, true).unwrap();
        let [kick, snare, tom, other_snare, harmonics, mute, ..] = learnt.of_class;
        for (ends, soft_db, hard_db) in [(kick, -20.0, -5.0), (snare, -40.0, -20.0)] {
            assert!((velocity(ends.unwrap(), soft_db) - SOFT_AT).abs() < 1e-5);
            assert!((velocity(ends.unwrap(), hard_db) - HARD_AT).abs() < 1e-5);
        }
        assert_eq!((tom, other_snare, mute), (None, None, None));
        // Taught hits are in the middle of the medians, -30 and -16 dB.
        let expected = velocity(learnt.all, -23.0);
        assert!((velocity(harmonics.unwrap(), -25.0) - expected).abs() < 1e-5);
    }

    #[test]
    fn steps_lead_through_it() {
        let lesson = VelocityLesson::default();
        let play = |levels: &[f32]| levels.iter().for_each(|level| lesson.hear(0, *level));
        play(&[-1.0; 5]);
        assert_eq!((lesson.standing(), lesson.hits()), (Standing::AsSet, 0));
        lesson.step(Step::Soft);
        play(&[-1.0; 5]);
        lesson.step(Step::Soft); // anew
        play(&[-30.0; 4]);
        assert_eq!((lesson.standing(), lesson.hits()), (Standing::Soft, 4));
        lesson.step(Step::Hard);
        assert_eq!((lesson.standing(), lesson.hits()), (Standing::Hard, 0));
        play(&[-10.0; 3]);
        assert!(!lesson.waits());
        lesson.step(Step::Done);
        play(&[0.0; 9]);
        let waiting = lesson.waiting();
        lesson.step(Step::Done);
        let learnt = lesson.learn(false).unwrap();
        assert!((velocity(learnt.all, -30.0) - SOFT_AT).abs() < 1e-5);
        lesson.finish(waiting);
        assert!(lesson.waits(), "asked once more");
        lesson.finish(lesson.waiting());
        assert!(!lesson.waits());
        assert_eq!((lesson.standing(), lesson.hits()), (Standing::Learnt, 7));
        lesson.step(Step::Soft);
        lesson.step(Step::Done);
        assert_eq!(lesson.learn(false), None);
        assert_eq!(lesson.standing(), Standing::TooFew);
        lesson.step(Step::Off);
        assert_eq!(lesson.standing(), Standing::AsSet);
    }

    #[test]
    fn no_more_hits_are_kept_than_there_is_room_for() {
        let lesson = VelocityLesson::default();
        lesson.step(Step::Soft);
        for _ in 0..2 * MOST_HITS {
            lesson.hear(0, -30.0);
        }
        assert_eq!(lesson.hits(), MOST_HITS);
        assert_eq!(lesson.soft.get().len(), MOST_HITS);
        lesson.step(Step::Soft); // anew
        lesson.hear(0, -20.0);
        assert_eq!(lesson.soft.get(), [(0, -20.0)]);
        for level in 0..100 {
            lesson.hear_taught(7, -(level as f32));
        }
        let taught = lesson.taught[7].get();
        assert_eq!(taught.len(), MOST_TAUGHT);
        assert!(taught.contains(&(7, -99.0)) && !taught.contains(&(7, -91.0)));
        lesson.forget_taught();
        assert_eq!(lesson.taught[7].get(), []);
    }

    #[test]
    fn what_was_forgotten_does_not_come_back_with_what_is_heard_meanwhile() {
        const NOTES: usize = 100_000;
        let (hits, added) = (Hits::<MOST_TAUGHT>::default(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for note in 0..NOTES {
                    hits.add_last((note, -30.0));
                    added.store(note + 1, Release);
                }
            });
            let mut before = 0;
            while before < NOTES {
                before = added.load(Acquire);
                hits.clear();
                let left = hits.get();
                let are_new = left.iter().all(|(note, _)| *note >= before);
                assert!(are_new, "{before}: {left:?}");
            }
        });
        assert_eq!(hits.get(), []);
    }
}
