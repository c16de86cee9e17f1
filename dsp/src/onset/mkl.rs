//! aubio's modified Kullback-Liebler method, set as in the paper (section 3.3; Brossier 2006,
//! chapter 2).

use super::{OnsetConfig, OnsetError};
use crate::{HOP, SAMPLE_RATE};

/// Window of the phase vocoder, samples: 5.33 ms.
const WINDOW: usize = 256;

/// The paper's threshold: a peak of the detection function must exceed its surroundings by this
/// multiple of their mean.
const THRESHOLD: f32 = 1.21;

/// The paper's silence level: mean power of the newest hop, dB full scale.
const SILENCE_DB: f32 = -53.0;

/// By how much a peak of the detection function lags behind the note, samples: 4.3 hops, aubio's
/// own value for this method.
///
/// On the 744 labelled notes of the recordings the position so found is 0.27 ± 0.92 ms after the
/// label; the end of the hop less its mean delay of 6.01 ms would scatter by 1.00 ms
/// (`tests/onset_recordings.rs`).
const DELAY: u64 = 275;

/// aubio 0.4.9, built in, with method `mkl`, window 256, hop 64, its default compression of the
/// magnitudes for that method (0.02) and adaptive whitening off, the paper's choice. Time keeping
/// and minimum inter-onset are left to [`OnsetDetector`](super::OnsetDetector).
pub(super) struct Mkl {
    aubio: aubio::Onset,
}

// SAFETY: the detector owns its aubio object alone. aubio keeps no thread-local state, and the
// object shares nothing with others: the FFT built in (Ooura) has its tables in the object, and
// aubio's only global state, the log functions, is read by constructors only.
unsafe impl Send for Mkl {}

impl Mkl {
    /// Hops after which nothing heard before matters: the window spans 4 hops, the spectral
    /// difference 1 and the peak picker 7 + 3; the next power of two.
    pub(super) const MEMORY_HOPS: usize = 16;

    /// Allocates.
    pub(super) fn new(config: &OnsetConfig) -> Result<Self, OnsetError> {
        let aubio = aubio::Onset::new(aubio::OnsetMode::Mkl, WINDOW, HOP, SAMPLE_RATE)
            .map_err(|error| OnsetError::Aubio(error.to_string()))?
            .with_awhitening(false)
            .with_delay(0)
            .with_minioi(0);
        let mut detector = Self { aubio };
        detector.set_threshold_factor(config.threshold_factor);
        detector.set_silence_offset_db(config.silence_offset_db);
        Ok(detector)
    }

    /// See [`OnsetConfig::threshold_factor`]. Real-time safe.
    pub(super) fn set_threshold_factor(&mut self, factor: f32) {
        self.aubio.set_threshold(factor * THRESHOLD);
    }

    /// See [`OnsetConfig::silence_offset_db`]. Real-time safe.
    pub(super) fn set_silence_offset_db(&mut self, offset_db: f32) {
        self.aubio.set_silence(offset_db + SILENCE_DB);
    }

    /// See [`OnsetDetector::silence_db`](super::OnsetDetector::silence_db). Real-time safe.
    pub(super) fn silence_db(&self) -> f32 {
        self.aubio.get_silence()
    }

    /// Takes the next hop, which must be finite; whether an onset becomes known in it, and then by
    /// how many samples the note's beginning lies before the end of this hop. Real-time safe.
    pub(super) fn process(&mut self, hop: &[f32; HOP]) -> Option<u64> {
        // Clears nothing but aubio's 32-bit counters, so that they never wrap. With its delay and
        // minimum interval at 0 they have no other effect.
        self.aubio.reset();
        let mut offset = [0.0];
        // Never fails: the lengths are right, and the feature that would check them is off.
        let status = self.aubio.do_(hop.as_slice(), offset.as_mut_slice());
        debug_assert!(status.is_ok());
        // The peak, in hops from the hop's start: 0.5 to 1.5. aubio rounds to the sample, too.
        let [offset] = offset;
        (offset > 0.0).then(|| DELAY + HOP as u64 - (offset * HOP as f32).round() as u64)
    }

    /// Forgets what was heard; keeps the settings.
    ///
    /// aubio's own reset leaves its signal buffers as they are; they are finite, so a few hops of
    /// silence clear them. Real-time safe: costs as much as [`MEMORY_HOPS`](Self::MEMORY_HOPS).
    pub(super) fn reset(&mut self) {
        for _ in 0..Self::MEMORY_HOPS {
            self.process(&[0.0; HOP]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::OnsetMethod;
    use super::super::detector_tests::{onsets, tone};
    use super::*;

    /// aubio as it comes, with its own time keeping.
    fn onsets_of_aubio_alone(threshold: f32, samples: &[f32]) -> Vec<u64> {
        let mut aubio = aubio::Onset::new(aubio::OnsetMode::Mkl, WINDOW, HOP, SAMPLE_RATE)
            .unwrap()
            .with_awhitening(false)
            .with_silence(-53.0)
            .with_threshold(threshold)
            .with_minioi_ms(20.0);
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
    fn the_detector_hears_what_aubio_alone_hears() {
        // With a low threshold the minimum interval has something to do.
        for (factor, at_least) in [(1.0, 40), (0.05 / 1.21, 100)] {
            let config = OnsetConfig {
                threshold_factor: factor,
                ..OnsetConfig::default()
            };
            let samples = crate::synth::Performance::demo(1).samples;
            let expected = onsets_of_aubio_alone(factor * 1.21, &samples);
            assert!(expected.len() >= at_least, "{}", expected.len());
            let mut detector = crate::OnsetDetector::new(OnsetMethod::Mkl, &config).unwrap();
            assert_eq!(onsets(&mut detector, &samples), expected);
        }
    }

    #[test]
    fn reset_gives_a_fresh_detector_bit_for_bit() {
        let config = OnsetConfig::default();
        let mut used = Mkl::new(&config).unwrap();
        for hop in tone(100, 9_000).as_chunks::<HOP>().0 {
            used.process(hop);
        }
        used.reset();
        let mut fresh = Mkl::new(&config).unwrap();
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
    fn the_settings_reach_aubio() {
        let mut mkl = Mkl::new(&OnsetConfig::default()).unwrap();
        assert_eq!(mkl.aubio.get_threshold(), 1.21);
        assert_eq!(mkl.aubio.get_silence(), -53.0);
        mkl.set_threshold_factor(2.0);
        mkl.set_silence_offset_db(-10.0);
        assert_eq!(mkl.aubio.get_threshold(), 2.42);
        assert_eq!(mkl.aubio.get_silence(), -63.0);
    }
}
