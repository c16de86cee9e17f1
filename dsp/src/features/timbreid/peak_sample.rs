//! `peakSample`: the loudest sample and where it stands.

/// The largest absolute amplitude and its place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Peak {
    /// Linear amplitude, 0 or above.
    pub(super) value: f32,
    /// Samples from the window's beginning.
    pub(super) index: usize,
}

/// The largest absolute sample of `window`, the first of equals (timbreID `peakSample~.c`).
///
/// Real-time safe.
pub(super) fn peak_sample(window: &[f32]) -> Peak {
    let mut peak = Peak::default();
    for (index, sample) in window.iter().enumerate() {
        let value = sample.abs();
        if value > peak.value {
            peak = Peak { value, index };
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_of_equally_loud_samples_of_either_sign() {
        let peak = peak_sample(&[0.1, -0.7, 0.7, 0.2]);
        assert_eq!(
            peak,
            Peak {
                value: 0.7,
                index: 1
            }
        );
    }

    #[test]
    fn silence_peaks_at_its_first_sample() {
        let peak = peak_sample(&[0.0; 704]);
        assert_eq!(
            peak,
            Peak {
                value: 0.0,
                index: 0
            }
        );
    }
}
