//! Standardisation of raw features.

/// `(x - mean) / scale` for each feature, as scikit-learn's `StandardScaler` does.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    /// A scaler from `mean` `[n_features]` and `scale` `[n_features]`; `None` if the lengths
    /// differ, a value is not finite or a scale is not positive.
    #[must_use]
    pub fn new(mean: Vec<f32>, scale: Vec<f32>) -> Option<Self> {
        let usable = mean.len() == scale.len()
            && mean.iter().all(|m| m.is_finite())
            && scale.iter().all(|s| s.is_finite() && *s > 0.0);
        usable.then_some(Self { mean, scale })
    }

    /// A scaler that leaves `n_features` finite features as they are.
    #[must_use]
    pub fn identity(n_features: usize) -> Self {
        Self {
            mean: vec![0.0; n_features],
            scale: vec![1.0; n_features],
        }
    }

    /// Length of the vectors, `[n_features]`.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.mean.len()
    }

    /// Means `[n_features]` of the raw features.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Scales `[n_features]` of the raw features.
    #[must_use]
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// Writes the scaled `raw` features `[n_features]` to `scaled` `[n_features]`.
    ///
    /// A feature that is not finite, or leaves the range of `f32` by scaling, becomes 0, which is
    /// its mean over the training data: one bad feature shall not turn all probabilities into NaN.
    ///
    /// Real-time safe. Superfluous elements of the longer slice are left alone.
    pub fn apply(&self, raw: &[f32], scaled: &mut [f32]) {
        for (((out, x), mean), scale) in scaled.iter_mut().zip(raw).zip(&self.mean).zip(&self.scale)
        {
            let y = (x - mean) / scale;
            *out = if y.is_finite() { y } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_replaces_what_is_not_finite() {
        let scaler = Scaler::new(vec![1.0, -2.0, 0.0, 5.0], vec![2.0, 0.5, 1.0, 1.0]).unwrap();
        let mut scaled = [9.0; 4];
        scaler.apply(&[2.0, -1.0, f32::NAN, f32::INFINITY], &mut scaled);
        assert_eq!(scaled, [0.5, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn refuses_what_cannot_scale() {
        assert_eq!(Scaler::new(vec![0.0], vec![0.0]), None);
        assert_eq!(Scaler::new(vec![0.0], vec![-1.0]), None);
        assert_eq!(Scaler::new(vec![f32::NAN], vec![1.0]), None);
        assert_eq!(Scaler::new(vec![0.0, 0.0], vec![1.0]), None);
    }
}
