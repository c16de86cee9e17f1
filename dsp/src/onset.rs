//! Onset detection: where a note begins (paper, section 3.3; detector: aubio's modified
//! Kullback-Liebler method, Brossier 2006, chapter 2).

use crate::{HOP, SAMPLE_RATE};

/// Window of the detector's phase vocoder, samples: 5.33 ms.
const WINDOW: usize = 256;

/// By how much a peak of the detection function lags behind the note, samples: 4.3 hops, aubio's
/// own value for this method.
///
/// On the 744 labelled notes of the recordings the position so found is 0.27 ± 0.92 ms after the
/// label; the end of the hop less its mean delay of 6.01 ms would scatter by 1.00 ms
/// (`tests/onset_recordings.rs`).
const DELAY: u64 = 275;

/// Hops of silence after which aubio remembers nothing: its window spans 4 hops, its spectral
/// difference 1 and its peak picker 7 + 3; the next power of two.
const MEMORY_HOPS: usize = 16;

/// Settings of the onset detector. The default is the paper's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnsetConfig {
    /// How far a peak of the detection function must stand out of its surroundings, as a multiple
    /// of their mean (no unit), 0 to 10. Higher: fewer onsets. Default 1.21.
    pub threshold: f32,
    /// Level of the newest hop under which no onset is reported, dB full scale (mean power),
    /// -120 to 0. Default -53.
    pub silence_db: f32,
    /// Shortest time between two onsets, milliseconds, 0 to 1000. Default 20.
    pub minimum_inter_onset_ms: f32,
}

impl Default for OnsetConfig {
    fn default() -> Self {
        Self {
            threshold: 1.21,
            silence_db: -53.0,
            minimum_inter_onset_ms: 20.0,
        }
    }
}

impl OnsetConfig {
    /// Valid values of [`threshold`](Self::threshold).
    pub const THRESHOLD: std::ops::RangeInclusive<f32> = 0.0..=10.0;
    /// Valid values of [`silence_db`](Self::silence_db), dB.
    pub const SILENCE_DB: std::ops::RangeInclusive<f32> = -120.0..=0.0;
    /// Valid values of [`minimum_inter_onset_ms`](Self::minimum_inter_onset_ms), milliseconds.
    pub const MINIMUM_INTER_ONSET_MS: std::ops::RangeInclusive<f32> = 0.0..=1000.0;

    fn check(&self) -> Result<(), OnsetError> {
        for (field, found, range) in [
            ("threshold", self.threshold, Self::THRESHOLD),
            ("silence_db", self.silence_db, Self::SILENCE_DB),
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

/// Finds the beginnings of notes, one hop at a time.
///
/// aubio (0.4.9, built in) computes the detection function and picks its peaks with method `mkl`,
/// window 256, hop 64, its default compression of the magnitudes for that method (0.02) and
/// adaptive whitening off, the paper's choice.
/// Time keeping and the minimum inter-onset interval are ours: aubio counts samples in 32 bits
/// (after 24.8 hours it would stay deaf for another 24.8), and it is deaf for one interval after
/// its start and reports a phantom onset when a stream starts in the middle of a sound. Otherwise
/// the onsets are meant to be those of aubio itself.
///
/// ```
/// use tocco_dsp::{HOP, OnsetConfig, OnsetDetector};
///
/// let mut detector = OnsetDetector::new(&OnsetConfig::default())?;
/// assert_eq!(detector.process(&[0.0; HOP]), None);
/// # Ok::<(), tocco_dsp::OnsetError>(())
/// ```
pub struct OnsetDetector {
    aubio: aubio::Onset,
    /// Samples fed since the start, the position of the next hop.
    position: u64,
    /// Peak of the last accepted onset, before the delay is taken off.
    last_peak: Option<u64>,
    minimum_inter_onset: u64,
}

// SAFETY: the detector owns its aubio object alone. aubio keeps no thread-local state, and the
// object shares nothing with others: the FFT built in (Ooura) has its tables in the object, and
// aubio's only global state, the log functions, is read by constructors only.
unsafe impl Send for OnsetDetector {}

impl OnsetDetector {
    /// A detector at the start of a stream. Allocates.
    ///
    /// # Errors
    /// [`OnsetError`] when a setting is out of range or not a number.
    pub fn new(config: &OnsetConfig) -> Result<Self, OnsetError> {
        config.check()?;
        let aubio = aubio::Onset::new(aubio::OnsetMode::Mkl, WINDOW, HOP, SAMPLE_RATE)
            .map_err(|error| OnsetError::Aubio(error.to_string()))?
            .with_awhitening(false)
            .with_silence(config.silence_db)
            .with_threshold(config.threshold)
            // Both are done here, see the type's documentation.
            .with_delay(0)
            .with_minioi(0);
        Ok(Self {
            aubio,
            position: 0,
            last_peak: None,
            minimum_inter_onset: samples(config.minimum_inter_onset_ms),
        })
    }

    /// Takes the next hop. When a note's onset becomes known in it, returns the note's estimated
    /// position in samples since the start (or [`reset`](Self::reset)), at least one window
    /// before the end of this hop except at the start of the stream, where it stops at 0.
    ///
    /// The hop must be finite: see [`HopStream`](crate::HopStream). Values far beyond full scale
    /// are no harm. Real-time safe.
    pub fn process(&mut self, hop: &[f32; HOP]) -> Option<u64> {
        let offset = self.peak_offset(hop);
        let hop_start = self.position;
        self.position += HOP as u64;
        // aubio rounds to the sample, too.
        let peak = hop_start + (offset? * HOP as f32).round() as u64;
        if let Some(last) = self.last_peak
            && last + self.minimum_inter_onset >= peak
        {
            return None;
        }
        self.last_peak = Some(peak);
        Some(peak.saturating_sub(DELAY))
    }

    /// Runs aubio: offset of the peak from the start of the hop, in hops (0.5 to 1.5).
    fn peak_offset(&mut self, hop: &[f32; HOP]) -> Option<f32> {
        // Clears nothing but aubio's 32-bit counters, so that they never wrap. With its delay and
        // minimum interval at 0 they have no other effect.
        self.aubio.reset();
        let mut offset = [0.0];
        // Never fails: the lengths are right, and the feature that would check them is off.
        let status = self.aubio.do_(hop.as_slice(), offset.as_mut_slice());
        debug_assert!(status.is_ok());
        (offset[0] > 0.0).then_some(offset[0])
    }

    /// Sets [`OnsetConfig::threshold`], clamped to its range; ignored if not a number.
    /// Real-time safe.
    pub fn set_threshold(&mut self, threshold: f32) {
        if let Some(threshold) = clamped(threshold, OnsetConfig::THRESHOLD) {
            self.aubio.set_threshold(threshold);
        }
    }

    /// Sets [`OnsetConfig::silence_db`], dB, clamped to its range; ignored if not a number.
    /// Real-time safe.
    pub fn set_silence_db(&mut self, silence_db: f32) {
        if let Some(silence_db) = clamped(silence_db, OnsetConfig::SILENCE_DB) {
            self.aubio.set_silence(silence_db);
        }
    }

    /// Sets [`OnsetConfig::minimum_inter_onset_ms`], milliseconds, clamped to its range; ignored
    /// if not a number. Real-time safe.
    pub fn set_minimum_inter_onset_ms(&mut self, milliseconds: f32) {
        if let Some(milliseconds) = clamped(milliseconds, OnsetConfig::MINIMUM_INTER_ONSET_MS) {
            self.minimum_inter_onset = samples(milliseconds);
        }
    }

    /// Starts anew at position 0 as if nothing had been heard; keeps the settings.
    ///
    /// aubio's own reset leaves its signal buffers as they are; they are finite, so a few hops of
    /// silence clear them. Real-time safe: costs as much as 16 hops.
    pub fn reset(&mut self) {
        for _ in 0..MEMORY_HOPS {
            self.peak_offset(&[0.0; HOP]);
        }
        self.position = 0;
        self.last_peak = None;
    }
}

fn samples(milliseconds: f32) -> u64 {
    (milliseconds * SAMPLE_RATE as f32 / 1000.0).round() as u64
}

fn clamped(value: f32, range: std::ops::RangeInclusive<f32>) -> Option<f32> {
    (!value.is_nan()).then(|| value.clamp(*range.start(), *range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decaying 220 Hz tone with its first few harmonics that begins at `start`.
    fn tone(start: usize, length: usize) -> Vec<f32> {
        let mut samples = vec![0.0; length];
        for (i, sample) in samples[start..].iter_mut().enumerate() {
            let t = i as f32 / SAMPLE_RATE as f32;
            *sample = (1..6)
                .map(|k| (std::f32::consts::TAU * 220.0 * k as f32 * t).sin() / k as f32)
                .sum::<f32>()
                * 0.3
                * (-t * 8.0).exp();
        }
        samples
    }

    fn onsets(detector: &mut OnsetDetector, samples: &[f32]) -> Vec<u64> {
        samples
            .as_chunks::<HOP>()
            .0
            .iter()
            .filter_map(|hop| detector.process(hop))
            .collect()
    }

    fn detector() -> OnsetDetector {
        OnsetDetector::new(&OnsetConfig::default()).unwrap()
    }

    /// aubio as it comes, with its own time keeping.
    fn onsets_of_aubio_alone(config: &OnsetConfig, samples: &[f32]) -> Vec<u64> {
        let mut aubio = aubio::Onset::new(aubio::OnsetMode::Mkl, WINDOW, HOP, SAMPLE_RATE)
            .unwrap()
            .with_awhitening(false)
            .with_silence(config.silence_db)
            .with_threshold(config.threshold)
            .with_minioi_ms(config.minimum_inter_onset_ms);
        samples
            .as_chunks::<HOP>()
            .0
            .iter()
            .filter_map(|hop| {
                let mut offset = [0.0];
                aubio.do_(hop.as_slice(), offset.as_mut_slice()).unwrap();
                (offset[0] > 0.0).then(|| aubio.get_last() as u64)
            })
            .collect()
    }

    #[test]
    fn hears_what_aubio_alone_hears() {
        // With a low threshold the minimum interval has something to do.
        for (threshold, at_least) in [(OnsetConfig::default().threshold, 40), (0.05, 100)] {
            let config = OnsetConfig {
                threshold,
                ..OnsetConfig::default()
            };
            let samples = crate::synth::Performance::demo(1).samples;
            let expected = onsets_of_aubio_alone(&config, &samples);
            assert!(expected.len() >= at_least, "{}", expected.len());
            let mut detector = OnsetDetector::new(&config).unwrap();
            assert_eq!(onsets(&mut detector, &samples), expected);
        }
    }

    #[test]
    fn one_note_is_one_onset_near_its_beginning() {
        let found = onsets(&mut detector(), &tone(10_000, 24_000));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].abs_diff(10_000) < 240, "{found:?}"); // 5 ms
    }

    #[test]
    fn a_stream_that_starts_in_a_sound_gives_no_phantom() {
        let sound = vec![0.1; 4_800];
        let found = onsets(&mut detector(), &sound);
        // The step itself may be heard once; aubio alone also reports its start-up position.
        assert!(found.len() <= 1, "{found:?}");
    }

    #[test]
    fn a_note_right_at_the_start_is_found() {
        let found = onsets(&mut detector(), &tone(300, 24_000));
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn reset_gives_a_fresh_detector_bit_for_bit() {
        let mut used = detector();
        onsets(&mut used, &tone(100, 9_000));
        used.reset();
        let mut fresh = detector();
        for hop in tone(640, 24_000).as_chunks::<HOP>().0 {
            assert_eq!(used.process(hop), fresh.process(hop));
            assert_eq!(
                used.aubio.get_descriptor().to_bits(),
                fresh.aubio.get_descriptor().to_bits()
            );
            assert_eq!(
                used.aubio.get_thresholded_descriptor().to_bits(),
                fresh.aubio.get_thresholded_descriptor().to_bits()
            );
        }
    }

    #[test]
    fn counting_goes_on_where_aubios_32_bits_end() {
        let mut detector = detector();
        detector.position = (1 << 32) - 6_400;
        let start = detector.position;
        let found = onsets(&mut detector, &tone(10_048, 24_000));
        assert_eq!(found.len(), 1);
        assert!(found[0].abs_diff(start + 10_048) < 240, "{found:?}");
    }

    #[test]
    fn the_interval_is_kept_and_can_be_changed_while_running() {
        let mut samples = tone(4_800, 24_000);
        samples[6_000..7_200].fill(0.0); // cut off 25 ms after its onset,
        let second = tone(7_200, 24_000); // the next one begins 50 ms after it
        samples[7_200..].copy_from_slice(&second[7_200..]);
        let mut detector = detector();
        assert_eq!(onsets(&mut detector, &samples).len(), 2);
        detector.reset();
        detector.set_minimum_inter_onset_ms(100.0);
        assert_eq!(onsets(&mut detector, &samples).len(), 1);
        detector.reset();
        detector.set_minimum_inter_onset_ms(f32::NAN); // ignored
        assert_eq!(onsets(&mut detector, &samples).len(), 1);
    }

    #[test]
    fn threshold_and_silence_act_and_are_clamped() {
        let samples = tone(4_800, 24_000);
        let mut detector = detector();
        detector.set_silence_db(f32::INFINITY);
        assert_eq!(detector.aubio.get_silence(), 0.0);
        assert_eq!(onsets(&mut detector, &samples), []);
        detector.set_silence_db(-53.0);
        detector.reset();
        detector.set_threshold(1e9);
        assert_eq!(detector.aubio.get_threshold(), 10.0);
        assert_eq!(onsets(&mut detector, &samples), []);
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let config = OnsetConfig {
            silence_db: f32::NAN,
            ..OnsetConfig::default()
        };
        let error = OnsetDetector::new(&config).err().expect("an error");
        assert!(error.to_string().contains("`silence_db`"), "{error}");
        assert!(error.to_string().contains("-120"), "{error}");
    }
}
