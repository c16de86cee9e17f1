//! Where the embeddings of the training notes lie.

use std::collections::HashSet;

use crate::package::Tensors;
use crate::{LoadError, Tensor};

/// Names of the optional tensors of a package.
const MEANS: &str = "calibration.means";
const WHITENING: &str = "calibration.whitening";

/// Prefix of all tensors that calibration alone reads.
pub(crate) const PREFIX: &str = "calibration.";

/// Share of the covariance that is replaced by a multiple of the identity (Ledoit and Wolf 2004, "A
/// well-conditioned estimator for large-dimensional covariance matrices", with a fixed share):
/// embeddings are long, and some of their values never change. Chosen on leave-one-player-out, see
/// `docs/calibration.md`.
const SHRINKAGE: f64 = 0.1;

/// Class means and shared covariance of embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Mean of each class, `[n_classes, n_embedding]`, row-major.
    pub(super) means: Vec<f32>,
    /// `A` `[n_embedding, n_embedding]`, row-major: `A' A` is the inverse of the covariance that
    /// the notes of one class have around their mean.
    pub(super) whitening: Vec<f32>,
    n_classes: usize,
}

impl Statistics {
    /// From the embeddings `[n_embedding]` of training notes and their classes, each class
    /// weighing the same. `None` if a class has no note, or the embeddings do not differ at all.
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
            means: means.concat().iter().map(|m| *m as f32).collect(),
            whitening: whitening.iter().map(|a| *a as f32).collect(),
            n_classes,
        })
    }

    /// Length of an embedding, `[n_embedding]`.
    #[must_use]
    pub fn n_embedding(&self) -> usize {
        self.means.len() / self.n_classes
    }

    /// As tensors of a package.
    #[must_use]
    pub fn tensors(&self) -> Tensors {
        let n = self.n_embedding();
        [
            (MEANS, vec![self.n_classes, n], &self.means),
            (WHITENING, vec![n, n], &self.whitening),
        ]
        .into_iter()
        .filter_map(|(name, shape, values)| {
            Some((name.to_owned(), Tensor::new(shape, values.clone())?))
        })
        .collect()
    }

    /// From the tensors of the weight file `file`, if they are there; `used` learns their names.
    ///
    /// # Errors
    /// When only one of the two is there or has not the shape that `n_classes` and `n_embedding`
    /// ask for.
    pub(crate) fn read(
        tensors: &Tensors,
        n_classes: usize,
        n_embedding: usize,
        used: &mut HashSet<String>,
        file: &str,
    ) -> Result<Option<Self>, LoadError> {
        if !tensors.contains_key(MEANS) && !tensors.contains_key(WHITENING) {
            return Ok(None);
        }
        let mut take = |name: &str, shape: [usize; 2]| {
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
                    "train the package again, or remove both tensors of the calibration",
                )),
            }
        };
        Ok(Some(Self {
            means: take(MEANS, [n_classes, n_embedding])?,
            whitening: take(WHITENING, [n_embedding, n_embedding])?,
            n_classes,
        }))
    }
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
