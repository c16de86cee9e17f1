//! Where a note begins, found in the sound once its attack is there.

/// Samples that are compared on either side of a place, 2.7 ms.
pub(crate) const SIDE: usize = 128;
/// How far before the end of the hop in which a note showed its place is looked for, samples, 4 ms,
pub(crate) const BACK: usize = 192;
/// and how far after it, 8 ms: a first trace can come so much earlier than the note.
pub(crate) const AHEAD: usize = 384;
/// The most samples that are looked at: both sides of all places, and the one before them that the
/// first difference takes.
const LONGEST: usize = SIDE + BACK + AHEAD + SIDE + 1;
/// Share of the loudest stretch that counts as silence: -20 dB. A trace below it, a pick that
/// touches the string, is no beginning.
const FLOOR: f64 = 0.01;
/// A place where the sound becomes less than this much stronger is none.
const LEAST_RISE: f64 = 1.3;

/// The index in `samples` before which the sound is weakest against what follows it, from index
/// `from` on up to where [`SIDE`] samples follow; `None` if it rises nowhere.
///
/// What is compared is the energy of the sound's first difference, which weighs an attack's high
/// frequencies more than a string that rings on, and does not hear a constant:
/// (A + 0.01 P) / (B + 0.01 P), with A the energy of the [`SIDE`] samples after a place, B that of
/// those before it, P the highest A. It depends on neither level nor what was before, as long as
/// that is below the note.
///
/// Samples before the first are taken to change nothing. Takes [`LONGEST`] samples at most, others
/// after them are not looked at; any values. Real-time safe.
pub(crate) fn steepest_rise(samples: &[f32], from: usize) -> Option<usize> {
    let samples = &samples[..samples.len().min(LONGEST)];
    // Energy up to each sample. Squares of the largest single-precision numbers fit.
    let mut energy = [0.0_f64; LONGEST];
    for (i, pair) in samples.windows(2).enumerate() {
        let difference = f64::from(pair[1]) - f64::from(pair[0]);
        energy[i + 1] = energy[i] + difference * difference;
    }
    // The difference at index i is that of the samples i - 1 and i, and counts to i.
    let up_to = |index: usize| index.checked_sub(1).map_or(0.0, |last| energy[last]);
    let after = |place: usize| up_to(place + SIDE) - up_to(place);
    let before = |place: usize| up_to(place) - up_to(place.saturating_sub(SIDE));
    let places = from..(samples.len() + 1).saturating_sub(SIDE);
    let floor = FLOOR * places.clone().map(after).fold(0.0, f64::max);
    let mut steepest = None;
    let mut most = LEAST_RISE;
    for place in places {
        let rise = (after(place) + floor) / (before(place) + floor + 1e-20);
        // Infinite where the sound overflowed.
        if rise > most && rise.is_finite() {
            (steepest, most) = (Some(place), rise);
        }
    }
    steepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::white_noise::white_noise;

    /// A string that is struck at `start`.
    fn struck(samples: &mut [f32], start: usize, amplitude: f32) {
        for (i, sample) in samples[start..].iter_mut().enumerate() {
            *sample += amplitude * (0.3 * i as f32).cos() * (-0.002 * i as f32).exp();
        }
    }

    #[test]
    fn the_place_does_not_depend_on_level_or_on_what_was_before() {
        for start in [200, 450, 600] {
            for level in [1.0, 1e-3, 1e6] {
                for before in [0.0, 1e-3, 0.02] {
                    let mut samples = white_noise(LONGEST, before * level);
                    struck(&mut samples, start, level);
                    let place = steepest_rise(&samples, SIDE + 1).unwrap();
                    assert!(
                        place.abs_diff(start) <= 4,
                        "{start} {level} {before}: {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_first_trace_a_constant_and_a_slow_swing_are_no_beginning() {
        let mut samples = vec![0.5; LONGEST];
        for (i, sample) in samples.iter_mut().enumerate() {
            *sample += 0.3 * (i as f32 * 0.005).sin();
        }
        let trace = white_noise(100, 0.02);
        for (sample, trace) in samples[250..].iter_mut().zip(trace) {
            *sample += trace;
        }
        struck(&mut samples, 500, 0.5);
        let place = steepest_rise(&samples, SIDE + 1).unwrap();
        assert!(place.abs_diff(500) <= 2, "{place}");
    }

    #[test]
    fn where_nothing_rises_there_is_no_place() {
        assert_eq!(steepest_rise(&[], 0), None);
        assert_eq!(steepest_rise(&[0.5; 100], 0), None);
        assert_eq!(steepest_rise(&[0.5; LONGEST], SIDE + 1), None);
        let mut falls = vec![0.0; LONGEST];
        struck(&mut falls, 0, 1.0);
        assert_eq!(steepest_rise(&falls, SIDE + 1), None);
    }

    #[test]
    fn no_value_does_harm() {
        for value in [f32::NAN, f32::INFINITY, f32::MAX, 1e-45] {
            for index in [0, 300, LONGEST - 1] {
                let mut samples = white_noise(LONGEST, 0.1);
                samples[index] = value;
                if let Some(place) = steepest_rise(&samples, SIDE + 1) {
                    assert!((SIDE + 1..=LONGEST - SIDE).contains(&place), "{place}");
                }
            }
        }
        let alternating: Vec<f32> = (0..LONGEST)
            .map(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN })
            .collect();
        assert_eq!(steepest_rise(&alternating, SIDE + 1), None);
    }

    #[test]
    fn at_the_start_of_the_sound_its_first_sample_can_be_the_place() {
        let mut samples = vec![0.0; 600];
        struck(&mut samples, 1, 1.0);
        assert_eq!(steepest_rise(&samples, 0), Some(1));
    }
}
