//! A head moved towards what the player played.

use super::embedding::Head;
use super::prior::{Prior, dot, subtract_mean};

/// Bias of a masked class: below every score that sane features can give, so that its probability
/// is exactly 0; finite, because packages hold only finite numbers.
const MASKED: f32 = f32::MIN / 4.0;

/// How many examples the prior's mean of a class counts for.
const PRIOR_EXAMPLES: f64 = 1.0;

/// An example in the prior's coordinates.
pub(super) struct Example<'a> {
    pub(super) class: usize,
    /// `[n_point]`.
    pub(super) point: &'a [f64],
    /// The probability that the head gives its class without calibration.
    pub(super) known: f64,
}

/// How the mean of a class moves.
pub(super) struct Move {
    pub(super) class: usize,
    /// The share of the way to the centre of its examples.
    pub(super) share: f64,
    /// What each example of the class, in their order, counts in that centre.
    pub(super) weights: Vec<f64>,
}

/// How the classes of `examples` move.
pub(super) fn moves(n_classes: usize, examples: &[Example<'_>], reluctance: f64) -> Vec<Move> {
    let mut moves = Vec::new();
    for class in 0..n_classes {
        let own = examples.iter().filter(|example| example.class == class);
        let known: Vec<f64> = own.map(|example| example.known).collect();
        if !known.is_empty() {
            moves.push(Move {
                class,
                share: share(known, reluctance),
                weights: median_weights(&points_of(examples, class)),
            });
        }
    }
    moves
}

fn points_of<'a>(examples: &[Example<'a>], class: usize) -> Vec<&'a [f64]> {
    let own = examples.iter().filter(|example| example.class == class);
    own.map(|example| example.point).collect()
}

/// `head` for a player who played `examples`: a weighted sum of its scores and those of linear discriminant analysis
/// with the mean of each taught class moved from `m` towards the centre `h` of its examples, by the
/// [`share`] of the way that they call for. Without examples, the head as it is. Classes that are
/// `masked` are never answered.
pub(super) fn adapt(head: &Head, prior: &Prior, examples: &[Example<'_>], masked: &[bool]) -> Head {
    let mut adapted = head.clone();
    if !examples.is_empty() {
        add_discriminant(&mut adapted, prior, examples);
    }
    let rows = adapted.weight.chunks_exact_mut(head.n_embedding());
    for ((row, bias), masked) in rows.zip(&mut adapted.bias).zip(masked) {
        if *masked {
            row.fill(0.0);
            *bias = MASKED;
        }
    }
    adapted
}

fn add_discriminant(head: &mut Head, prior: &Prior, examples: &[Example<'_>]) {
    let moves = moves(head.n_classes(), examples, prior.weights.reluctance);
    let centres: Vec<Vec<f64>> = moves
        .iter()
        .map(|change| weighted_mean(&points_of(examples, change.class), &change.weights))
        .collect();
    let mut means = prior.means(&centres);
    for (change, centre) in moves.iter().zip(&centres) {
        for (mean, h) in means[change.class].iter_mut().zip(centre) {
            *mean += change.share * (h - *mean);
        }
    }
    // What all classes have in common changes no probability; without it the numbers are smaller.
    let mut constants: Vec<Vec<f64>> = means.iter().map(|m| vec![-0.5 * dot(m, m)]).collect();
    subtract_mean(&mut constants);
    subtract_mean(&mut means);
    let n_embedding = head.n_embedding();
    // The head's scores are divided by the temperature later.
    let factor = prior.weights.discriminant * f64::from(head.temperature);
    let own = prior.weights.network;
    let rows = head.weight.chunks_exact_mut(n_embedding);
    for (((row, bias), mean), constant) in rows.zip(&mut head.bias).zip(&means).zip(&constants) {
        for (w, change) in row.iter_mut().zip(prior.pull_back(mean)) {
            *w = (own * f64::from(*w) + factor * change) as f32;
        }
        *bias = (own * f64::from(*bias) + factor * constant[0]) as f32;
    }
}

/// The share of the way from a class's mean to the centre of its examples, whose class the head knew
/// with the probabilities `known`: `k / (1 + k)` of `k` examples, times what the head was short of at the
/// middle one, to the power `reluctance`.
///
/// A player's few examples of a technique are alike: one string, one dynamic. Where the network
/// knows them already, there is nothing to learn from them but that, and much to lose: natural
/// harmonics, taught on one string, were found less often on the others. Chosen on
/// leave-one-player-out, see `docs/calibration.md`.
fn share(mut known: Vec<f64>, reluctance: f64) -> f64 {
    let k = known.len() as f64;
    known.sort_by(f64::total_cmp);
    let middle = 0.5 * (known[(known.len() - 1) / 2] + known[known.len() / 2]);
    k / (PRIOR_EXAMPLES + k) * (1.0 - middle.clamp(0.0, 1.0)).powf(reluctance)
}

/// What each of `points` counts in their geometric median, the place with the smallest sum of
/// distances to them. Of three or more points it stays with the majority wherever a wrong one lies;
/// of one or two it is their mean.
///
/// Weiszfeld's iteration ("Sur le point pour lequel la somme des distances de n points donnés est
/// minimum", 1937), with distances kept off zero.
fn median_weights(points: &[&[f64]]) -> Vec<f64> {
    const ROUNDS: usize = 32;
    let mut weights = vec![1.0; points.len()];
    let mut centre = weighted_mean(points, &weights);
    if points.len() < 3 {
        return weights;
    }
    let furthest = points.iter().map(|p| distance(p, &centre));
    let nearest_allowed = 1e-6 * furthest.fold(0.0, f64::max);
    if nearest_allowed == 0.0 {
        return weights;
    }
    for _ in 0..ROUNDS {
        for (weight, point) in weights.iter_mut().zip(points) {
            *weight = 1.0 / distance(point, &centre).max(nearest_allowed);
        }
        centre = weighted_mean(points, &weights);
    }
    weights
}

pub(super) fn weighted_mean(points: &[&[f64]], weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let mut mean = vec![0.0; points[0].len()];
    for (point, weight) in points.iter().zip(weights) {
        let share = weight / total;
        mean.iter_mut()
            .zip(*point)
            .for_each(|(m, p)| *m += share * p);
    }
    mean
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    differences.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_moves_the_less_the_better_the_head_knows_its_examples() {
        let share = |known: &[f64]| share(known.to_vec(), 0.25);
        assert_eq!(share(&[0.0]), 0.5);
        assert_eq!(share(&[1.0]), 0.0);
        assert!((share(&[0.9375, 0.0, 1.0]) - 0.75 * 0.5).abs() < 1e-12);
        // One wrong example among three does not say that the network knows nothing.
        assert_eq!(share(&[0.9, 0.0, 0.9]), share(&[0.9, 0.9, 0.9]));
        assert!((share(&[0.0, 0.5]) - 2.0 / 3.0 * 0.75_f64.powf(0.25)).abs() < 1e-12);
        // A head that is not trusted.
        assert_eq!(super::share(vec![1.0, 1.0, 1.0], 0.0), 0.75);
    }

    fn centre(points: &[&[f64]]) -> Vec<f64> {
        weighted_mean(points, &median_weights(points))
    }

    #[test]
    fn the_geometric_median_stays_with_the_majority() {
        let points: [&[f64]; 5] = [
            &[1.0, 0.0],
            &[-1.0, 0.0],
            &[0.0, 1.0],
            &[0.0, -1.0],
            &[1e6, 1e6],
        ];
        assert_eq!(centre(&points[..1]), [1.0, 0.0]);
        assert_eq!(centre(&points[..2]), [0.0, 0.0]);
        let found = centre(&points);
        assert!(distance(&found, &[0.0, 0.0]) < 1.0, "{found:?}");
        assert_eq!(centre(&[&[2.0], &[2.0], &[2.0]]), [2.0]);
        // In one dimension it is the median.
        let found = centre(&[&[0.0], &[1.0], &[50.0]]);
        assert!((found[0] - 1.0).abs() < 0.05, "{found:?}");
    }
}
