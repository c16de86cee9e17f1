//! Learning a player by listening: a classifier that is taught by its own decisions.
//!
//! Self-training (Scudder, "Probability of error of some adaptive pattern-recognition machines",
//! 1965) on top of linear discriminant analysis: what a network calls a kick moves the mean of the
//! kicks towards how *this* player kicks, on this guitar and in this room, and the next note is
//! compared with where the means are by then. Nobody says whether a decision was right; that most
//! are is enough, as the notes of a technique lie together.
//!
//! ```text
//! features -> network --------------------------> probabilities -> adjust -> probabilities
//!        \--> point [n_point] of the note ----------------------/   |
//!                      \------------- learn <- decision <----------/ (or a later, surer one)
//! ```
//!
//! For a package with [`Statistics`] of its features; others have nothing to
//! compare by. What was learnt is kept nowhere: it is forgotten with the object, or by
//! [`forget`](SelfTraining::forget).

use tocco_engines::{LoadError, ModelPackage, Scaler, Statistics};

/// How many independent values a point's values are worth. They are correlated, all the more the
/// more there are: the discriminant of `n_point` values, which takes them for independent, counts
/// `INDEPENDENT / n_point`. This and the next three numbers are chosen on leave-one-player-out;
/// `models/RESEARCH.md` tells what others give, and what is left if they are chosen without the player
/// that is tested.
const INDEPENDENT: f32 = 20.0;

/// How many notes the training mean of a class counts for.
const PRIOR_NOTES: f32 = 5.0;

/// A class's notes are forgotten as if there had been so many at most: a mean can always move.
const MEMORY: f32 = 32.0;

/// Notes after which the discriminant itself, with its means unmoved, has half its weight: before
/// anything was heard the network is alone.
const CAUTION: f32 = 10.0;

/// Values of a point reach no further from the mean of the training, in its standard deviations: a
/// burst that was taken for a note shall not carry a class away.
const FURTHEST: f32 = 10.0;

/// How far from the mean of its class in training a note may lie to be learnt: the square of the
/// distance under the covariance, a value. When it was chosen, 98 in 100 of an unheard player's notes lay
/// within .85, 95 in 100 of the onsets in speech and squeaks beyond 1.4 (`models/RESEARCH.md`).
const PLAUSIBLE: f32 = 1.0;

/// What was learnt of a player, and what follows from it for the next note.
#[derive(Debug, Clone)]
pub struct SelfTraining {
    scaler: Scaler,
    /// `[n_features]`, scratch.
    scaled: Vec<f32>,
    averages: Vec<Vec<Term>>,
    /// `A` `[n_point, n_point]`, row-major: the distance of points is that of `A p`.
    whitening: Vec<f32>,
    prior: Linear,
    /// What the moved means add to `prior`.
    change: Linear,
    /// `[n_classes][n_point]`, row-major: where the class means were in training.
    means: Vec<f32>,
    /// `A m` of these means.
    white_means: Vec<f32>,
    /// `[n_classes][n_point]`, row-major: the mean of the notes that were learnt.
    heard: Vec<f32>,
    /// `[n_classes]`: how many those are, [`MEMORY`] at most.
    counts: Vec<f32>,
    /// Of all classes, without limit.
    learned: u64,
    /// `[n_point]`, scratch.
    moved: Vec<f32>,
    /// `[n_point]`, scratch.
    white: Vec<f32>,
}

/// A feature and its weight in a value of a point.
#[derive(Debug, Clone, Copy)]
struct Term {
    feature: usize,
    weight: f32,
}

/// A score of each class: `W p + b`.
#[derive(Debug, Clone)]
struct Linear {
    /// `[n_classes, n_point]`, row-major.
    weights: Vec<f32>,
    /// `[n_classes]`.
    biases: Vec<f32>,
}

impl Linear {
    fn zero(n_classes: usize, n_point: usize) -> Self {
        Self {
            weights: vec![0.0; n_classes * n_point],
            biases: vec![0.0; n_classes],
        }
    }
}

impl SelfTraining {
    /// For `package`, of a player that was not heard yet. `None` if it has no statistics of its
    /// features. Allocates.
    ///
    /// # Errors
    /// When the package is malformed.
    pub fn new(package: &ModelPackage) -> Result<Option<Self>, LoadError> {
        match package.statistics()? {
            Some(statistics) => Ok(Self::from_statistics(package.scaler()?, &statistics)),
            None => Ok(None),
        }
    }

    /// For raw features that `scaler` scales, and `statistics` of the scaled ones. `None` if they are
    /// about embeddings. Allocates.
    #[must_use]
    pub fn from_statistics(scaler: Scaler, statistics: &Statistics) -> Option<Self> {
        let projection = statistics.projection.as_ref()?;
        let n_features = scaler.n_features();
        let n_point = statistics.n_point();
        let n_classes = statistics.means.len() / n_point;
        let terms = |row: &[f32]| -> Vec<Term> {
            let weights = row.iter().copied().enumerate();
            let terms = weights.map(|(feature, weight)| Term { feature, weight });
            terms.filter(|term| term.weight != 0.0).collect()
        };
        let mut new = Self {
            // Ones, because zeros may be pages that the system has not given yet.
            scaled: vec![1.0; n_features],
            scaler,
            averages: projection.chunks_exact(n_features).map(terms).collect(),
            whitening: statistics.whitening.clone(),
            prior: Linear::zero(n_classes, n_point),
            change: Linear::zero(n_classes, n_point),
            means: statistics.means.clone(),
            white_means: vec![0.0; n_classes * n_point],
            heard: vec![1.0; n_classes * n_point],
            counts: vec![0.0; n_classes],
            learned: 0,
            moved: vec![1.0; n_point],
            white: vec![1.0; n_point],
        };
        for class in 0..n_classes {
            let row = class * n_point..(class + 1) * n_point;
            new.moved.copy_from_slice(&new.means[row.clone()]);
            new.pull_back();
            // m'Q p - m'Q m / 2, with Q = A'A.
            let square = dot(&new.moved, &new.means[row.clone()]);
            new.prior.biases[class] = -0.5 * square;
            new.white_means[row.clone()].copy_from_slice(&new.white);
            new.prior.weights[row].copy_from_slice(&new.moved);
        }
        new.forget();
        Some(new)
    }

    /// Number of classes, `[n_classes]`.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.counts.len()
    }

    /// Length of a point, `[n_point]`.
    #[must_use]
    pub fn n_point(&self) -> usize {
        self.moved.len()
    }

    /// How many notes were learnt.
    #[must_use]
    pub fn learned(&self) -> u64 {
        self.learned
    }

    /// Writes the `point` `[n_point]` of a note with the raw `features` `[n_features]`: what of it
    /// is compared with other notes, at most 10 standard deviations from the mean of the training.
    /// Features that are not finite count as their mean.
    ///
    /// Real-time safe. Superfluous elements of a longer slice are left alone.
    pub fn point(&mut self, features: &[f32], point: &mut [f32]) {
        self.scaler.apply(features, &mut self.scaled);
        for (value, terms) in point.iter_mut().zip(&self.averages) {
            let products = terms.iter().map(|t| t.weight * self.scaled[t.feature]);
            *value = products.sum::<f32>().clamp(-FURTHEST, FURTHEST);
        }
    }

    /// Changes a network's `probabilities` `[n_classes]` of the note at `point` `[n_point]` by what was
    /// learnt. What has the probability 0 keeps it. Without anything learnt, nothing changes.
    ///
    /// Real-time safe.
    pub fn adjust(&self, point: &[f32], probabilities: &mut [f32]) {
        if self.learned == 0 || point.len() != self.n_point() {
            return;
        }
        let learned = self.learned as f32;
        let caution = learned / (learned + CAUTION);
        let factor = INDEPENDENT / self.n_point() as f32;
        let score = |class: usize| {
            let row = class * self.n_point()..(class + 1) * self.n_point();
            let prior = dot(&self.prior.weights[row.clone()], point) + self.prior.biases[class];
            let change = dot(&self.change.weights[row], point) + self.change.biases[class];
            factor * (caution * prior + change)
        };
        let mut highest = f32::NEG_INFINITY;
        for (class, p) in probabilities.iter().enumerate().take(self.n_classes()) {
            if *p > 0.0 {
                highest = highest.max(score(class));
            }
        }
        let mut sum = 0.0;
        for (class, p) in probabilities.iter().enumerate().take(self.n_classes()) {
            // What is 0 adds nothing, and its score, which is not in `highest`, may be so much higher that
            // the power is beyond all numbers.
            if *p != 0.0 {
                sum += p * (score(class) - highest).exp();
            }
        }
        // A network that says nothing, or scores beyond all numbers, leave it as it is.
        if !(sum.is_finite() && sum > 0.0 && highest.is_finite()) {
            return;
        }
        for (class, p) in probabilities.iter_mut().enumerate().take(self.n_classes()) {
            if *p != 0.0 {
                *p *= (score(class) - highest).exp() / sum;
            }
        }
    }

    /// Whether what lies at `point` `[n_point]` may be a note of `class` at all. What the detector
    /// takes for a note in speech or noise is mostly none of any class, however sure the network is:
    /// it is not to be learnt from.
    ///
    /// Real-time safe: `n_point` squared multiplications.
    #[must_use]
    pub fn is_plausible(&self, class: usize, point: &[f32]) -> bool {
        let n_point = self.n_point();
        if class >= self.n_classes() || point.len() != n_point {
            return false;
        }
        let mean = &self.white_means[class * n_point..(class + 1) * n_point];
        let rows = self.whitening.chunks_exact(n_point);
        let squares = rows.zip(mean).map(|(row, m)| (dot(row, point) - m).powi(2));
        squares.sum::<f32>() <= PLAUSIBLE * n_point as f32
    }

    /// Takes the note at `point` `[n_point]` for one of `class`. A class that there is not, or a
    /// point that is none, teaches nothing.
    ///
    /// Real-time safe: `2 n_point` squared multiplications.
    pub fn learn(&mut self, class: usize, point: &[f32]) {
        let n_point = self.n_point();
        if class >= self.n_classes()
            || point.len() != n_point
            || point.iter().any(|value| !value.is_finite())
        {
            return;
        }
        self.learned += 1;
        let count = (self.counts[class] + 1.0).min(MEMORY);
        self.counts[class] = count;
        let share = count / (count + PRIOR_NOTES);
        let row = class * n_point..(class + 1) * n_point;
        let means = self.means[row.clone()].iter();
        let heard = self.heard[row.clone()].iter_mut();
        for (((heard, mean), value), moved) in heard.zip(means).zip(point).zip(&mut self.moved) {
            *heard += (value - *heard) / count;
            *moved = share * (*heard - mean);
        }
        // With d the way that the mean m moved, (m + d)'Q p - (m + d)'Q (m + d) / 2 is the prior
        // and d'Q p - d'Q m - d'Q d / 2.
        let along = dot(&self.moved, &self.prior.weights[row.clone()]);
        self.pull_back();
        let square = dot(&self.white, &self.white);
        self.change.biases[class] = -along - 0.5 * square;
        self.change.weights[row].copy_from_slice(&self.moved);
    }

    /// Forgets the player. Real-time safe.
    pub fn forget(&mut self) {
        self.learned = 0;
        self.counts.fill(0.0);
        self.heard.fill(0.0);
        self.change.weights.fill(0.0);
        self.change.biases.fill(0.0);
    }

    /// `d := A'A d` of `moved`; leaves `A d` in `white`.
    fn pull_back(&mut self) {
        let rows = || self.whitening.chunks_exact(self.moved.len());
        for (white, row) in self.white.iter_mut().zip(rows()) {
            *white = dot(row, &self.moved);
        }
        self.moved.fill(0.0);
        let rows = self.whitening.chunks_exact(self.moved.len());
        for (white, row) in self.white.iter().zip(rows) {
            for (moved, a) in self.moved.iter_mut().zip(row) {
                *moved += white * a;
            }
        }
    }
}

/// In eight sums, which the compiler can keep in a register.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: usize = 5;

    /// Two classes; points are the first feature and the mean of the next two.
    fn learner() -> SelfTraining {
        let note = |class: usize, x: f32, y: f32, z: f32| (class, vec![x, y, z, 9.0, 0.0]);
        let notes = [
            note(0, 0.0, 0.0, 1.0),
            note(0, 1.0, 1.0, -1.0),
            note(0, -1.0, 1.0, 2.0),
            note(1, 4.0, 2.0, 1.0),
            note(1, 5.0, 1.0, -3.0),
            note(1, 6.0, 3.0, 0.0),
        ];
        #[rustfmt::skip]
        let projection = vec![
            1.0, 0.0, 0.0, 0.0, 0.0,
            0.0, 0.5, 0.5, 0.0, 0.0,
        ];
        let statistics = Statistics::fit_projected(2, &notes, projection).unwrap();
        SelfTraining::from_statistics(Scaler::identity(FEATURES), &statistics).unwrap()
    }

    fn point(learner: &mut SelfTraining, features: [f32; FEATURES]) -> Vec<f32> {
        let mut point = vec![0.0; learner.n_point()];
        learner.point(&features, &mut point);
        point
    }

    fn adjusted(learner: &SelfTraining, point: &[f32], probabilities: [f32; 2]) -> [f32; 2] {
        let mut adjusted = probabilities;
        learner.adjust(point, &mut adjusted);
        adjusted
    }

    #[test]
    fn points_are_averages_and_bad_features_their_means() {
        let mut learner = learner();
        assert_eq!(point(&mut learner, [2.0, 1.0, 4.0, 7.0, 7.0]), [2.0, 2.5]);
        let bad = [f32::NAN, f32::INFINITY, 4.0, f32::NAN, 0.0];
        assert_eq!(point(&mut learner, bad), [0.0, 2.0]);
        let burst = [-1e30, 1e30, f32::MAX, 0.0, 0.0];
        assert_eq!(point(&mut learner, burst), [-FURTHEST, FURTHEST]);
    }

    /// Linear discriminant analysis as in a textbook, in f64, with the means where they should be.
    #[test]
    fn what_is_learnt_scores_by_its_definition() {
        let mut learner = learner();
        let taught = [
            (1, [3.0, -1.0]),
            (1, [2.0, -2.0]),
            (0, [0.5, 0.5]),
            (1, [2.5, -4.0]),
        ];
        for (class, point) in taught {
            learner.learn(class, &point);
        }
        let old = |class: usize| [0, 1].map(|i| f64::from(learner.means[class * 2 + i]));
        let means = [0, 1].map(|class| {
            let own = || taught.iter().filter(|(c, _)| *c == class);
            let n = own().count() as f64;
            let share = n / (n + f64::from(PRIOR_NOTES));
            [0, 1].map(|i| {
                let sum: f64 = own().map(|(_, point)| f64::from(point[i])).sum();
                old(class)[i] + share * (sum / n - old(class)[i])
            })
        });
        let squared = |point: [f64; 2], mean: [f64; 2]| -> f64 {
            let rows = learner.whitening.chunks_exact(2);
            rows.map(|row| {
                let value = |i: usize| f64::from(row[i]) * (point[i] - mean[i]);
                (value(0) + value(1)).powi(2)
            })
            .sum()
        };
        let caution = 4.0 / (4.0 + f64::from(CAUTION));
        for (x, y) in [(2.0, -1.0), (0.0, 0.0), (3.0, 3.0), (2.4, 0.7)] {
            let point = [x, y];
            let score = |class: usize| {
                let moved = -0.5 * (squared(point, means[class]) - squared(point, old(class)));
                f64::from(INDEPENDENT) / 2.0 * (moved - 0.5 * caution * squared(point, old(class)))
            };
            let odds = 0.3 / 0.7 * (score(1) - score(0)).exp();
            let expected = odds / (1.0 + odds);
            let found = adjusted(&learner, &[x as f32, y as f32], [0.7, 0.3]);
            assert!(
                (f64::from(found[1]) - expected).abs() < 1e-4,
                "{x} {y}: {found:?} {expected}"
            );
            assert!((found[0] + found[1] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn what_lies_far_from_a_class_is_none_of_it() {
        let learner = learner();
        let mean = |class: usize| learner.means[class * 2..class * 2 + 2].to_vec();
        for class in 0..2 {
            assert!(learner.is_plausible(class, &mean(class)));
            for far in [
                [1e3, 0.0],
                [f32::NAN, 0.0],
                [f32::INFINITY, 0.0],
                [f32::MAX, f32::MAX],
            ] {
                assert!(!learner.is_plausible(class, &far), "{far:?}");
            }
        }
        assert!(!learner.is_plausible(2, &mean(0)), "there is no such class");
        assert!(!learner.is_plausible(0, &[0.0]), "that is no point");
        // On the way from one mean outwards it ends where the distance a value is 1.
        let (m, other) = (mean(0), mean(1));
        let at = |t: f32| [m[0] + t * (m[0] - other[0]), m[1] + t * (m[1] - other[1])];
        let distance = |p: [f32; 2]| -> f32 {
            let rows = learner.whitening.chunks_exact(2);
            rows.map(|row| (row[0] * (p[0] - m[0]) + row[1] * (p[1] - m[1])).powi(2))
                .sum()
        };
        for step in 0..100 {
            let point = at(0.02 * step as f32);
            let inside = distance(point) / 2.0;
            if (inside - PLAUSIBLE).abs() > 1e-3 {
                assert_eq!(
                    learner.is_plausible(0, &point),
                    inside < PLAUSIBLE,
                    "{point:?}"
                );
            }
        }
    }

    #[test]
    fn a_class_follows_its_player_and_forgets_the_way() {
        let mut learner = learner();
        let there = [2.2, 6.0];
        let before = [0.55, 0.45];
        assert_eq!(
            adjusted(&learner, &there, before),
            before,
            "nothing was learnt"
        );
        for _ in 0..100 {
            learner.learn(1, &there);
        }
        assert_eq!(learner.learned(), 100);
        let after = adjusted(&learner, &there, before);
        assert!(after[1] > 0.9, "{after:?}");
        // Another player takes the guitar: the mean moves on as fast as ever.
        let elsewhere = [8.0, -6.0];
        for _ in 0..100 {
            learner.learn(1, &elsewhere);
        }
        let heard = &learner.heard[2..];
        assert!(
            (heard[0] - 8.0).abs() < 0.5 && (heard[1] + 6.0).abs() < 1.0,
            "{heard:?}"
        );
        learner.forget();
        assert_eq!(adjusted(&learner, &there, before), before);
        // And learns anew as it did the first time.
        learner.learn(1, &there);
        let mut fresh = super::tests::learner();
        fresh.learn(1, &there);
        assert_eq!(
            adjusted(&learner, &there, before),
            adjusted(&fresh, &there, before)
        );
    }

    #[test]
    fn a_note_right_at_a_masked_class_is_adjusted_among_the_others() {
        let notes: Vec<(usize, Vec<f32>)> = [(0, 0.0), (1, 5.0), (2, 40.0)]
            .into_iter()
            .flat_map(|(class, x): (usize, f32)| {
                let around = [[0.0, 0.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 2.0]];
                around.map(|[dx, y, z]: [f32; 3]| (class, vec![x + dx, y, z, 9.0, 0.0]))
            })
            .collect();
        #[rustfmt::skip]
        let projection = vec![
            1.0, 0.0, 0.0, 0.0, 0.0,
            0.0, 0.5, 0.5, 0.0, 0.0,
        ];
        let statistics = Statistics::fit_projected(3, &notes, projection).unwrap();
        let scaler = Scaler::identity(FEATURES);
        let mut learner = SelfTraining::from_statistics(scaler, &statistics).unwrap();
        for _ in 0..10 {
            learner.learn(1, &statistics.means[2..4]);
        }
        let mut adjusted = [0.6, 0.4, 0.0];
        learner.adjust(&statistics.means[4..6], &mut adjusted);
        assert!(adjusted[1] > 0.99, "the nearer one: {adjusted:?}");
        assert!((adjusted[0] + adjusted[1] - 1.0).abs() < 1e-6);
        assert_eq!(adjusted[2], 0.0);
    }

    #[test]
    fn masked_classes_stay_masked_and_nonsense_teaches_nothing() {
        let mut learner = learner();
        for (class, point) in [
            (2, &[0.0, 0.0][..]),
            (usize::MAX, &[0.0, 0.0]),
            (0, &[0.0]),
            (0, &[f32::NAN, 0.0]),
            (1, &[0.0, f32::INFINITY]),
        ] {
            learner.learn(class, point);
        }
        assert_eq!(learner.learned(), 0);
        for _ in 0..40 {
            learner.learn(0, &[1e3, -1e3]);
            learner.learn(1, &[-1e18, 1e18]);
        }
        for point in [
            [0.0, 0.0],
            [1e3, -1e3],
            [f32::NAN, 0.0],
            [f32::MAX, f32::MAX],
        ] {
            assert_eq!(adjusted(&learner, &point, [1.0, 0.0])[1], 0.0);
            let both = adjusted(&learner, &point, [0.4, 0.6]);
            assert!(
                (both[0] + both[1] - 1.0).abs() < 1e-6,
                "{point:?}: {both:?}"
            );
            assert_eq!(adjusted(&learner, &point, [0.0, 0.0]), [0.0, 0.0]);
            let silent = adjusted(&learner, &point, [f32::NAN, 0.5]);
            assert!(silent[0].is_nan(), "an engine's nonsense is not hidden");
        }
    }
}
