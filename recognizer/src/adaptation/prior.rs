//! What a network expects of each class before the player has played a note.

use tocco_engines::Statistics;

use super::embedding::Head;

/// How far apart, in scores, a head that tells nothing else is taken to see its classes: chosen on
/// leave-one-player-out, see `docs/calibration.md`.
const SEPARATION: f64 = 2.5;

/// How much the network's own scores and those of the discriminant count in the sum, and how little
/// is learnt from what the network knows.
///
/// Both are too sure of themselves with a player they have not heard, the discriminant of the
/// training notes by far: those lie close to their means. Chosen on leave-one-player-out for the
/// accuracy (their ratio) and the likelihood of the answers (their size), see
/// `docs/calibration.md`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    pub(super) network: f64,
    pub(super) discriminant: f64,
    /// Power of what the network is short of in [`share`](super::discriminant); 0: what it knows does
    /// not matter.
    pub(super) reluctance: f64,
}

const WITH_STATISTICS: Weights = Weights {
    network: 0.6,
    discriminant: 0.06,
    reluctance: 0.0,
};

const WITH_PROJECTION: Weights = Weights {
    network: 0.6,
    discriminant: 0.2,
    reluctance: 0.25,
};

const WITH_HEAD: Weights = Weights {
    network: 0.35,
    discriminant: 0.1,
    reluctance: 0.0,
};

/// Means of the classes under a shared covariance, in coordinates `y = A p` of the point `p`
/// in which that covariance is the identity: linear discriminant analysis then scores a class by
/// `m y - |m|^2 / 2`. The point is the embedding or, with a projection of the features, what
/// follows the embedding in a note's values `[n_values]`.
pub(super) struct Prior {
    metric: Metric,
    /// Values of a note before its point.
    skipped: usize,
    /// `m` `[n_classes][n_point]`, in coordinates.
    means: Vec<Vec<f64>>,
    /// Orthonormal directions in which the means are known; `None` if in all.
    known: Option<Vec<Vec<f64>>>,
    pub(super) weights: Weights,
}

/// `A`.
enum Metric {
    /// A multiple of the identity.
    Scale(f64),
    /// `[n_point, n_point]`, row-major.
    Whitening(Vec<f64>),
}

impl Prior {
    /// The prior that the training data gave, for embeddings of `n_embedding` values.
    pub(super) fn of_statistics(statistics: &Statistics, n_embedding: usize) -> Self {
        let whitening = statistics.whitening.iter().map(|a| f64::from(*a));
        let metric = Metric::Whitening(whitening.collect());
        let means = statistics.means.chunks_exact(statistics.n_point());
        let (skipped, weights) = if statistics.is_projected() {
            (n_embedding, WITH_PROJECTION)
        } else {
            (0, WITH_STATISTICS)
        };
        Self {
            means: means.map(|mean| metric.point(mean)).collect(),
            metric,
            skipped,
            known: None,
            weights,
        }
    }

    /// The prior that a linear head stands for: the class means under a covariance `q I` for which
    /// the discriminant *is* the head.
    ///
    /// With `w_c` and `b_c` less their means over the classes and divided by the temperature, the
    /// means are `m_0 + q w_c`, and their discriminant `w_c (e - m_0) - q |w_c|^2 / 2` is
    /// `w_c e + b_c`, up to a constant that all classes share, if `w_c m_0 = -b_c - q |w_c|^2 / 2`:
    /// as many equations as classes, of which the smallest solution is taken. Across the span of
    /// the `w_c` the head tells nothing of `m_0`; there the examples do, see
    /// [`means`](Self::means). `q` is the one number left open: such that a class mean scores
    /// [`SEPARATION`] for its class.
    pub(super) fn of_head(head: &Head) -> Self {
        let n = head.n_classes() as f64;
        let temperature = f64::from(head.temperature);
        let mut rows: Vec<Vec<f64>> = head
            .weight
            .chunks_exact(head.n_embedding())
            .map(|row| row.iter().map(|w| f64::from(*w) / temperature).collect())
            .collect();
        subtract_mean(&mut rows);
        let squares: Vec<f64> = rows.iter().map(|row| dot(row, row)).collect();
        let mean_square = squares.iter().sum::<f64>() / n;
        let q = if mean_square > 0.0 {
            SEPARATION / mean_square
        } else {
            1.0
        };
        let mut right: Vec<Vec<f64>> = head
            .bias
            .iter()
            .zip(&squares)
            .map(|(b, square)| vec![-f64::from(*b) / temperature - 0.5 * q * square])
            .collect();
        subtract_mean(&mut right);
        let (known, m_0) = smallest_solution(&rows, &right);
        let metric = Metric::Scale(1.0 / q.sqrt());
        let mean = |row: &Vec<f64>| -> Vec<f64> {
            let mean = m_0.iter().zip(row).map(|(m_0, w)| m_0 + q * w);
            mean.map(|m| m / q.sqrt()).collect()
        };
        Self {
            means: rows.iter().map(mean).collect(),
            metric,
            skipped: 0,
            known: Some(known),
            weights: WITH_HEAD,
        }
    }

    /// The coordinates `[n_point]` of a note with the values `[n_values]`.
    pub(super) fn point(&self, values: &[f32]) -> Vec<f64> {
        self.metric.point(&values[self.skipped..])
    }

    /// The weights `[n_values]` of the linear function of a note's values that is `direction`
    /// `[n_point]` times the coordinates.
    pub(super) fn pull_back(&self, direction: &[f64]) -> Vec<f64> {
        let mut weight = vec![0.0; self.skipped];
        match &self.metric {
            Metric::Scale(scale) => weight.extend(direction.iter().map(|d| d * scale)),
            Metric::Whitening(rows) => {
                weight.resize(self.skipped + direction.len(), 0.0);
                for (row, d) in rows.chunks_exact(direction.len()).zip(direction) {
                    let of_point = weight[self.skipped..].iter_mut();
                    of_point.zip(row).for_each(|(w, a)| *w += d * a);
                }
            }
        }
        weight
    }

    /// The means `[n_classes][n_point]`, for a player whose taught classes have these
    /// `centres` `[n][n_point]`: where the prior tells nothing of the means, they are all at
    /// the mean of the centres.
    pub(super) fn means(&self, centres: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut means = self.means.clone();
        let (Some(known), false) = (&self.known, centres.is_empty()) else {
            return means;
        };
        let n = centres.len() as f64;
        let at = |i: usize| centres.iter().map(|centre| centre[i]).sum::<f64>() / n;
        let mut rest: Vec<f64> = (0..centres[0].len()).map(at).collect();
        for direction in known {
            let length = dot(&rest, direction);
            subtract(&mut rest, direction, length);
        }
        for mean in &mut means {
            subtract(mean, &rest, -1.0);
        }
        means
    }
}

impl Metric {
    fn point(&self, embedding: &[f32]) -> Vec<f64> {
        match self {
            Self::Scale(scale) => embedding.iter().map(|e| f64::from(*e) * scale).collect(),
            Self::Whitening(rows) => rows
                .chunks_exact(embedding.len())
                .map(|row| {
                    row.iter()
                        .zip(embedding)
                        .map(|(a, e)| a * f64::from(*e))
                        .sum()
                })
                .collect(),
        }
    }
}

/// The shortest `x` with `rows x = right`, where the equations do not contradict each other, and
/// an orthonormal basis of the rows, by Gram and Schmidt.
fn smallest_solution(rows: &[Vec<f64>], right: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<f64>) {
    /// Share of a row that rounding can leave of one that depends on others.
    const ROUNDING: f64 = 1e-6;
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut x = vec![0.0; rows[0].len()];
    for (row, right) in rows.iter().zip(right) {
        let mut rest = row.clone();
        for direction in &basis {
            let length = dot(&rest, direction);
            subtract(&mut rest, direction, length);
        }
        let length = dot(&rest, &rest).sqrt();
        if length <= ROUNDING * dot(row, row).sqrt() {
            continue;
        }
        rest.iter_mut().for_each(|r| *r /= length);
        let step = (right[0] - dot(row, &x)) / length;
        subtract(&mut x, &rest, -step);
        basis.push(rest);
    }
    (basis, x)
}

/// Takes the mean of the `rows` from each.
pub(super) fn subtract_mean(rows: &mut [Vec<f64>]) {
    let n = rows.len() as f64;
    let at = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>() / n;
    let mean: Vec<f64> = (0..rows[0].len()).map(at).collect();
    for row in rows {
        subtract(row, &mean, 1.0);
    }
}

/// `x - factor y`, in place.
fn subtract(x: &mut [f64], y: &[f64], factor: f64) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x -= factor * y);
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            weight: vec![
                1.0, 2.0, 0.5, 0.0, -1.0, 0.5, 3.0, 1.0, //
                0.5, 0.5, 0.5, 2.0,
            ],
            bias: vec![0.3, -2.0, 1.0],
            temperature: 2.0,
        }
    }

    /// Without hits the discriminant of the head's prior is the head, whatever the embedding.
    #[test]
    fn the_heads_prior_scores_as_the_head_does() {
        let head = head();
        let prior = Prior::of_head(&head);
        let means = prior.means(&[]);
        for embedding in [[0.0; 4], [1.0, -2.0, 3.0, 0.5], [10.0, 0.0, 0.0, -7.0]] {
            let point = prior.point(&embedding);
            let scores = means.iter().map(|m| dot(m, &point) - 0.5 * dot(m, m));
            let scores: Vec<f64> = scores.collect();
            let expected = head.scores(&embedding);
            for class in 1..3 {
                let found = scores[class] - scores[0];
                let expected = expected[class] - expected[0];
                assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
        }
    }

    /// Across the rows of the head the means are where the examples are; along them they stay.
    #[test]
    fn examples_tell_what_the_head_does_not() {
        let head = head();
        let prior = Prior::of_head(&head);
        let centre = prior.point(&[4.0, 4.0, -3.0, 9.0]);
        let means = prior.means(std::slice::from_ref(&centre));
        let distance = |mean: &Vec<f64>| -> f64 {
            let difference = mean.iter().zip(&centre).map(|(m, c)| (m - c).powi(2));
            difference.sum()
        };
        for (new, old) in means.iter().zip(prior.means(&[])) {
            assert!(distance(new) < distance(&old));
        }
        let differences = |means: &[Vec<f64>]| -> Vec<f64> {
            means[1].iter().zip(&means[0]).map(|(a, b)| a - b).collect()
        };
        let (new, old) = (differences(&means), differences(&prior.means(&[])));
        assert!(new.iter().zip(old).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn a_head_that_tells_nothing_gives_finite_means() {
        let head = Head {
            weight: vec![1.0; 6],
            bias: vec![0.0, 1.0],
            temperature: 1.0,
        };
        let means = Prior::of_head(&head).means(&[]);
        assert!(means.iter().flatten().all(|m| m.is_finite()));
    }
}
