//! Where the training notes lie: their embeddings, or a projection of their features.

use std::collections::HashSet;

use super::tensor::{Tensor, Tensors};
use crate::LoadError;

/// Names of the optional tensors of a package.
const MEANS: &str = "calibration.means";
const WHITENING: &str = "calibration.whitening";
const PROJECTION: &str = "calibration.projection";

/// Prefix of all tensors that calibration alone reads.
pub(super) const PREFIX: &str = "calibration.";

/// Share of the covariance that is replaced by a multiple of the identity (Ledoit and Wolf 2004, "A
/// well-conditioned estimator for large-dimensional covariance matrices", with a fixed share):
/// embeddings are long, and some of their values never change. Chosen on leave-one-player-out, see
/// `docs/calibration.md`.
const SHRINKAGE: f64 = 0.1;

/// Class means and shared covariance of points: embeddings or, where there is a projection, what it
/// makes of the scaled features.
///
/// A network keeps of its features what tells the training players' techniques apart, and it knows
/// the training notes too well: they lie closer together in its embedding than those of anybody
/// else. The features themselves are as far apart for a new player as they were in training.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// `P` `[n_point, n_features]`, row-major: the points are `P x` of the scaled features `x`.
    /// `None`: they are the embeddings.
    pub projection: Option<Vec<f32>>,
    /// Mean of each class, `[n_classes, n_point]`, row-major.
    pub means: Vec<f32>,
    /// `A` `[n_point, n_point]`, row-major: `A' A` is the inverse of the covariance that the
    /// points of one class have around their mean.
    pub whitening: Vec<f32>,
    n_classes: usize,
}

/// What the statistics of a package may be about.
pub(super) struct StatisticsShape {
    pub(super) n_classes: usize,
    /// Length of the embedding.
    pub(super) n_embedding: usize,
    /// Number of features, if the network is one that a function of the features can be carried
    /// through: dense layers and relu.
    pub(super) n_features: Option<usize>,
}

impl Statistics {
    /// From the points `[n_point]` of training notes and their classes, each class weighing the
    /// same: the notes' embeddings. `None` if a class has no note, or the points do not differ.
    #[must_use]
    pub fn fit(n_classes: usize, embeddings: &[(usize, Vec<f32>)]) -> Option<Self> {
        let n = embeddings.first()?.1.len();
        let mut means = vec![vec![0.0_f64; n]; n_classes];
        let mut counts = vec![0.0_f64; n_classes];
        for (class, embedding) in embeddings {
            *counts.get_mut(*class)? += 1.0;
            for (mean, value) in means[*class].iter_mut().zip(embedding) {
                *mean += f64::from(*value);
            }
        }
        if n == 0 || counts.contains(&0.0) {
            return None;
        }
        for (mean, count) in means.iter_mut().zip(&counts) {
            mean.iter_mut().for_each(|m| *m /= count);
        }
        let mut covariance = vec![0.0_f64; n * n];
        let mut difference = vec![0.0_f64; n];
        for (class, embedding) in embeddings {
            let weight = 1.0 / (counts[*class] * n_classes as f64);
            for ((d, value), mean) in difference.iter_mut().zip(embedding).zip(&means[*class]) {
                *d = f64::from(*value) - mean;
            }
            for (row, d) in covariance.chunks_exact_mut(n).zip(&difference) {
                let factor = weight * d;
                if factor != 0.0 {
                    row.iter_mut()
                        .zip(&difference)
                        .for_each(|(c, d)| *c += factor * d);
                }
            }
        }
        let trace: f64 = (0..n).map(|i| covariance[i * n + i]).sum();
        covariance.iter_mut().for_each(|c| *c *= 1.0 - SHRINKAGE);
        for i in 0..n {
            covariance[i * n + i] += SHRINKAGE * trace / n as f64;
        }
        let whitening = inverse_of_root(&covariance, n)?;
        Some(Self {
            projection: None,
            means: means.concat().iter().map(|m| *m as f32).collect(),
            whitening: whitening.iter().map(|a| *a as f32).collect(),
            n_classes,
        })
    }

    /// As [`fit`](Self::fit), from the scaled features `[n_features]` of training notes as
    /// `projection` `[n_point, n_features]`, row-major, sees them.
    #[must_use]
    pub fn fit_projected(
        n_classes: usize,
        features: &[(usize, Vec<f32>)],
        projection: Vec<f32>,
    ) -> Option<Self> {
        let points: Vec<(usize, Vec<f32>)> = features
            .iter()
            .map(|(class, features)| (*class, project(&projection, features)))
            .collect();
        Some(Self {
            projection: Some(projection),
            ..Self::fit(n_classes, &points)?
        })
    }

    /// Length of a point, `[n_point]`.
    #[must_use]
    pub fn n_point(&self) -> usize {
        self.means.len() / self.n_classes
    }

    /// Whether the points are made of the features, not of the embedding.
    #[must_use]
    pub fn is_projected(&self) -> bool {
        self.projection.is_some()
    }

    /// As tensors of a package.
    #[must_use]
    pub fn tensors(&self) -> Tensors {
        let n = self.n_point();
        let mut tensors = vec![
            (MEANS, vec![self.n_classes, n], &self.means),
            (WHITENING, vec![n, n], &self.whitening),
        ];
        if let Some(projection) = &self.projection {
            tensors.push((PROJECTION, vec![n, projection.len() / n], projection));
        }
        let tensors = tensors.into_iter();
        tensors
            .filter_map(|(name, shape, values)| {
                Some((name.to_owned(), Tensor::new(shape, values.clone())?))
            })
            .collect()
    }

    /// From the tensors of the weight file `file`, if they are there; `used` learns their names.
    ///
    /// # Errors
    /// When some are missing or have not the shapes that `expected` asks for.
    pub(super) fn read(
        tensors: &Tensors,
        expected: &StatisticsShape,
        used: &mut HashSet<String>,
        file: &str,
    ) -> Result<Option<Self>, LoadError> {
        let all = [MEANS, WHITENING, PROJECTION];
        if !all.iter().any(|name| tensors.contains_key(*name)) {
            return Ok(None);
        }
        let n_classes = expected.n_classes;
        let take = |name: &str, shape: [usize; 2], used: &mut HashSet<String>| {
            let found = tensors.get(name);
            match found.filter(|tensor| tensor.shape() == shape) {
                Some(tensor) => {
                    used.insert(name.to_owned());
                    Ok(tensor.values().to_vec())
                }
                None => Err(LoadError::malformed(
                    file,
                    name,
                    format_args!("a tensor of shape {shape:?}"),
                    found.map_or("none".to_owned(), |found| format!("{:?}", found.shape())),
                    "train the package again, or remove all tensors of the calibration",
                )),
            }
        };
        let (n_point, projection) = match (tensors.get(PROJECTION), expected.n_features) {
            (None, _) => (expected.n_embedding, None),
            (Some(_), None) => {
                return Err(LoadError::malformed(
                    file,
                    PROJECTION,
                    "none: only networks of dense layers and relu can use one",
                    "one",
                    "remove all tensors of the calibration",
                ));
            }
            (Some(found), Some(n_features)) => {
                // Points of no values have no distances.
                let n_point = found.shape().first().copied().unwrap_or(0).max(1);
                (
                    n_point,
                    Some(take(PROJECTION, [n_point, n_features], used)?),
                )
            }
        };
        Ok(Some(Self {
            projection,
            means: take(MEANS, [n_classes, n_point], used)?,
            whitening: take(WHITENING, [n_point, n_point], used)?,
            n_classes,
        }))
    }
}

/// `P x` `[n_point]` for `P` `[n_point, n_features]`, row-major, and `x` `[n_features]`. Allocates.
#[must_use]
pub fn project(projection: &[f32], features: &[f32]) -> Vec<f32> {
    let rows = projection.chunks_exact(features.len());
    rows.map(|row| {
        let products = row.iter().zip(features);
        let sum: f64 = products.map(|(p, x)| f64::from(*p) * f64::from(*x)).sum();
        sum as f32
    })
    .collect()
}

/// `L^-1` for a symmetric positive definite `L L'` `[n, n]`, by Cholesky's decomposition; `None`
/// if the matrix is not positive definite.
fn inverse_of_root(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut root = vec![0.0_f64; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (row_i, row_j) = (&root[i * n..][..j], &root[j * n..][..j]);
            let sum: f64 = row_i.iter().zip(row_j).map(|(a, b)| a * b).sum();
            let rest = matrix[i * n + j] - sum;
            root[i * n + j] = if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / root[j * n + j]
            };
        }
    }
    // Row i of the inverse: (1_i - sum_j L_ij row_j) / L_ii.
    let mut inverse = vec![0.0_f64; n * n];
    for i in 0..n {
        let (above, below) = inverse.split_at_mut(i * n);
        let row = &mut below[..n];
        row[i] = 1.0;
        for (j, other) in above.chunks_exact(n).enumerate() {
            let factor = root[i * n + j];
            for (r, o) in row[..=j].iter_mut().zip(&other[..=j]) {
                *r -= factor * o;
            }
        }
        let diagonal = root[i * n + i];
        row.iter_mut().for_each(|r| *r /= diagonal);
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitening_undoes_the_covariance() {
        let matrix = [4.0, 2.0, 0.5, 2.0, 3.0, -0.3, 0.5, -0.3, 1.0];
        let a = inverse_of_root(&matrix, 3).unwrap();
        // A M A' is the identity.
        for i in 0..3 {
            for j in 0..3 {
                let mut sum = 0.0;
                for k in 0..3 {
                    for l in 0..3 {
                        sum += a[i * 3 + k] * matrix[k * 3 + l] * a[j * 3 + l];
                    }
                }
                let expected = f64::from(u8::from(i == j));
                assert!((sum - expected).abs() < 1e-12, "{i} {j}: {sum}");
            }
        }
        assert_eq!(inverse_of_root(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(inverse_of_root(&[f64::NAN], 1), None);
    }

    #[test]
    fn classes_weigh_the_same_and_dead_values_do_no_harm() {
        let note = |class: usize, x: f32| (class, vec![x, 0.0]);
        let notes = [
            note(0, 1.0),
            note(0, 3.0),
            note(1, 10.0),
            note(1, 10.0),
            note(1, 14.0),
            note(1, 14.0),
        ];
        let statistics = Statistics::fit(2, &notes).unwrap();
        assert_eq!(statistics.means, [2.0, 0.0, 12.0, 0.0]);
        // Variances 1 and 4, on average 2.5; half of the shrunk trace goes to the dead value.
        let expected = (2.5 * (1.0 - SHRINKAGE) + 1.25 * SHRINKAGE).sqrt().recip();
        assert!((f64::from(statistics.whitening[0]) - expected).abs() < 1e-6);
        assert!(statistics.whitening.iter().all(|a| a.is_finite()));
        assert_eq!(Statistics::fit(3, &notes), None, "no note of the third");
        assert_eq!(Statistics::fit(1, &notes), None, "a note of no class");
        assert_eq!(Statistics::fit(1, &[note(0, 1.0)]), None, "no spread");
        assert_eq!(Statistics::fit(1, &[]), None);
    }
}
