//! Scales of frequencies on which bands lie at equal distances.

/// A scale, and the distance of the bands on it.
pub(super) struct Scale {
    /// The distance between the peaks of neighbouring bands, in the scale's unit.
    pub(super) spacing: f64,
    /// The scale's end, in its unit.
    pub(super) highest: f64,
    /// Its unit to hertz.
    pub(super) hertz: fn(f64) -> f64,
}

impl Scale {
    /// The band boundaries in hertz, rising, up to half of `sample_rate` hertz. Each band reaches over
    /// three of them and peaks at the middle one (timbreID `tIDLib_getBarkBoundFreqs`,
    /// `tIDLib_getMelBoundFreqs`). Allocates.
    pub(super) fn boundaries(&self, sample_rate: f64) -> Vec<f64> {
        let n_steps = (self.highest / self.spacing) as u32;
        (0..=n_steps)
            .map(|step| (self.hertz)(f64::from(step) * self.spacing))
            .take_while(|&frequency| frequency <= sample_rate / 2.0)
            .collect()
    }

    /// How many bands there are up to half of `sample_rate` hertz. Allocates.
    pub(super) fn n_bands(&self, sample_rate: f64) -> usize {
        self.boundaries(sample_rate).len() - 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_end_with_the_scale_or_at_half_the_sample_rate() {
        let scale = Scale {
            spacing: 0.5,
            highest: 2.2,
            hertz: |place| 100.0 * place,
        };
        assert_eq!(scale.boundaries(1_000.0), [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!(scale.n_bands(1_000.0), 3);
        assert_eq!(scale.boundaries(300.0), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(scale.n_bands(299.0), 1);
    }
}
