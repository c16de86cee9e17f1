//! The discrete cosine transform of a few bands, by coefficient.

use std::f64::consts::PI;

use super::inner_product::inner_product;

/// The unscaled DCT-II (timbreID `tIDLib_cosineTransform`):
/// coefficient i = sum over k of `bands[k]` cos(pi i (k + 1/2) / n).
pub(super) struct CosineTransform {
    n_bands: usize,
    /// `[n_bands, n_bands]`, a row a coefficient.
    basis: Vec<f64>,
}

impl CosineTransform {
    /// Tabulates the cosines for `n_bands` bands and coefficients. Allocates.
    pub(super) fn new(n_bands: usize) -> Self {
        let cosine = |i: usize, k: usize| (PI * i as f64 * (k as f64 + 0.5) / n_bands as f64).cos();
        Self {
            n_bands,
            basis: (0..n_bands * n_bands)
                .map(|at| cosine(at / n_bands, at % n_bands))
                .collect(),
        }
    }

    /// Coefficient `i` of `bands`, `[n_bands]`. Real-time safe.
    pub(super) fn coefficient(&self, i: usize, bands: &[f64]) -> f64 {
        let row = &self.basis[i * self.n_bands..][..self.n_bands];
        inner_product(row, bands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_gives_one_coefficient() {
        let n = 38;
        let transform = CosineTransform::new(n);
        let bands: Vec<f64> = (0..n)
            .map(|k| (PI * 5.0 * (k as f64 + 0.5) / n as f64).cos())
            .collect();
        for i in 0..n {
            let expected = if i == 5 { n as f64 / 2.0 } else { 0.0 };
            let difference = transform.coefficient(i, &bands) - expected;
            assert!(
                difference.abs() < 1e-12,
                "coefficient {i}: off by {difference}"
            );
        }
    }
}
