//! Settings of the onset detector, whatever its method.

use std::ops::RangeInclusive;

/// Settings of the onset detector, relative to those that its [method](super::OnsetMethod) has of
/// its own: the same settings suit all methods. The default is each method's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnsetConfig {
    /// How far a peak of the detection function must stand out of its surroundings, as a multiple
    /// of the method's own threshold, 0 to 10. Higher: fewer onsets. Default 1.
    pub threshold_factor: f32,
    /// Level under which no onset is reported, dB above the method's own, -70 to 70. Higher: fewer
    /// onsets. Default 0.
    pub silence_offset_db: f32,
    /// Shortest time between two onsets, milliseconds, 0 to 1000. Default 20 (the paper's).
    pub minimum_inter_onset_ms: f32,
    /// Whether notes that hardly make the sound louder are looked for as well, where the method can.
    /// Default true.
    pub second_look: bool,
}

impl Default for OnsetConfig {
    fn default() -> Self {
        Self {
            threshold_factor: 1.0,
            silence_offset_db: 0.0,
            minimum_inter_onset_ms: 20.0,
            second_look: true,
        }
    }
}

impl OnsetConfig {
    /// Valid values of [`threshold_factor`](Self::threshold_factor).
    pub const THRESHOLD_FACTOR: RangeInclusive<f32> = 0.0..=10.0;
    /// Valid values of [`silence_offset_db`](Self::silence_offset_db), dB.
    pub const SILENCE_OFFSET_DB: RangeInclusive<f32> = -70.0..=70.0;
    /// Valid values of [`minimum_inter_onset_ms`](Self::minimum_inter_onset_ms), milliseconds.
    pub const MINIMUM_INTER_ONSET_MS: RangeInclusive<f32> = 0.0..=1000.0;

    pub(super) fn check(&self) -> Result<(), OnsetError> {
        for (field, found, range) in [
            (
                "threshold_factor",
                self.threshold_factor,
                Self::THRESHOLD_FACTOR,
            ),
            (
                "silence_offset_db",
                self.silence_offset_db,
                Self::SILENCE_OFFSET_DB,
            ),
            (
                "minimum_inter_onset_ms",
                self.minimum_inter_onset_ms,
                Self::MINIMUM_INTER_ONSET_MS,
            ),
        ] {
            if !range.contains(&found) {
                return Err(OnsetError::OutOfRange {
                    field,
                    minimum: *range.start(),
                    maximum: *range.end(),
                    found,
                });
            }
        }
        Ok(())
    }
}

/// Why a detector could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OnsetError {
    /// A setting lies outside its range.
    #[error(
        "onset detector: `{field}` must lie between {minimum} and {maximum}, found {found}; \
         choose a value in that range"
    )]
    OutOfRange {
        /// Name of the field of [`OnsetConfig`].
        field: &'static str,
        /// Smallest valid value.
        minimum: f32,
        /// Largest valid value.
        maximum: f32,
        /// The value given.
        found: f32,
    },
    /// aubio made no detector, which happens only when memory is exhausted.
    #[error("onset detector: aubio could not create it ({0}); free some memory and try again")]
    Aubio(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let config = OnsetConfig {
            silence_offset_db: f32::NAN,
            ..OnsetConfig::default()
        };
        let error = config.check().expect_err("not a number").to_string();
        assert!(error.contains("`silence_offset_db`"), "{error}");
        assert!(error.contains("-70"), "{error}");
        assert_eq!(OnsetConfig::default().check(), Ok(()));
    }
}
