//! `attackTime`: how long the sound rose to its peak.

use crate::{HOP, SAMPLE_RATE};

use super::peak_sample::peak_sample;
use super::window::WINDOW;

/// How far to look back from the peak, in samples, the peak included: 20 ms at 44.1 kHz, the rate
/// that the paper's plugin has when it sets this, before it learns the host's.
const SEARCH_RANGE: usize = 882;

/// The samples that the attack time is computed from: the reference's buffer.
pub(super) const HISTORY: usize = SEARCH_RANGE + HOP;

/// The newest samples, which the search for the peak leaves out: a hop and one more.
const LEFT_OUT: usize = HOP + 1;

/// The absolute amplitude up to which a sample counts as quiet (timbreID's default).
const QUIET: f32 = 0.005;

/// How many quiet samples in a row end the search (timbreID's default).
const QUIET_RUN: usize = 10;

/// The time in milliseconds from the first of ten quiet samples in a row to the peak after them,
/// or -1 if there are no such ten within the search range. `history` is `[HISTORY]`.
///
/// timbreID `attackTime~.c` with the port's indices: the peak is sought in the window without its
/// first sample, and a search that would begin before `history` sees its first sample repeated.
///
/// Real-time safe.
pub(super) fn attack_time_ms(history: &[f32]) -> f32 {
    let window_end = history.len() - LEFT_OUT;
    let window_start = window_end - WINDOW + 1;
    let peak = window_start + peak_sample(&history[window_start..window_end]).index;

    let mut run = 0;
    for distance in 0..SEARCH_RANGE {
        if history[peak.saturating_sub(distance)].abs() <= QUIET {
            run += 1;
            if run == QUIET_RUN {
                let seconds = (distance + 1) as f64 / f64::from(SAMPLE_RATE);
                return seconds as f32 * 1000.0;
            }
        } else {
            run = 0;
        }
    }
    -1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quiet up to `start`, then rising slowly to a peak at `peak`, then loud.
    fn attack(start: usize, peak: usize) -> Vec<f32> {
        let amplitude = |i| match i {
            _ if i < start => QUIET,
            _ if i == peak => 0.9,
            _ => 0.5,
        };
        (0..HISTORY).map(amplitude).collect()
    }

    #[test]
    fn counts_from_the_tenth_quiet_sample() {
        // Quiet samples 391 to 400 make ten; from 391 to 600, both included, are 210 samples.
        let expected = 210.0 / 48.0;
        assert!((attack_time_ms(&attack(401, 600)) - expected).abs() < 1e-5);
    }

    #[test]
    fn the_newest_65_samples_cannot_be_the_peak() {
        let mut history = attack(401, 600);
        history[HISTORY - 65] = 1.0;
        assert!((attack_time_ms(&history) - 210.0 / 48.0).abs() < 1e-5);
        history[HISTORY - 66] = 1.0;
        assert!((attack_time_ms(&history) - (880 - 391 + 1) as f32 / 48.0).abs() < 1e-5);
    }

    #[test]
    fn nine_quiet_samples_are_too_few() {
        let mut history = vec![0.5; HISTORY];
        history[600] = 0.9;
        history[300..309].fill(0.0);
        assert_eq!(attack_time_ms(&history), -1.0);
        history[300..310].fill(0.0);
        assert!((attack_time_ms(&history) - 301.0 / 48.0).abs() < 1e-5);
    }

    #[test]
    fn the_first_sample_is_repeated_before_the_beginning() {
        let mut history = vec![0.5; HISTORY];
        history[400] = 0.9;
        history[0] = 0.0;
        assert!((attack_time_ms(&history) - 410.0 / 48.0).abs() < 1e-5);
    }

    #[test]
    fn silence_is_quiet_at_once() {
        assert!((attack_time_ms(&[0.0; HISTORY]) - 10.0 / 48.0).abs() < 1e-6);
    }
}
