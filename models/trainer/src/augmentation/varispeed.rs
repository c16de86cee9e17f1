//! Playing a sound faster or slower, as tape does: pitch and time change together.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Taps of the interpolation on each side.
const HALF_LENGTH: i64 = 8;
/// Fractions of a sample for which the taps are computed; between two of them they are interpolated.
const PHASES: usize = 1024;

/// The taps at each fraction of a sample, those of a whole one included.
static TAPS: LazyLock<Vec<[f32; 2 * HALF_LENGTH as usize]>> = LazyLock::new(|| {
    let tap = |fraction: f64, k: i64| {
        let distance = fraction - k as f64;
        let sinc = if distance.abs() < 1e-9 {
            1.0
        } else {
            (PI * distance).sin() / (PI * distance)
        };
        let hann = 0.5 + 0.5 * (PI * distance / HALF_LENGTH as f64).cos();
        (sinc * hann) as f32
    };
    let phases = 0..=PHASES;
    let fractions = phases.map(|phase| phase as f64 / PHASES as f64);
    fractions
        .map(|fraction| std::array::from_fn(|i| tap(fraction, i as i64 + 1 - HALF_LENGTH)))
        .collect()
});

/// `n` samples of `source`, played `ratio` times as fast around the sample `anchor`, which keeps
/// its place: the first one returned stands `before` samples before it. Silence outside of
/// `source`.
///
/// Interpolated with a Hann-windowed sinc of 16 taps at the full bandwidth: played faster by
/// nine semitones, only what lies above 18 kHz afterwards is folded back, and no feature looks
/// there.
pub fn varispeed(source: &[f32], anchor: i64, before: i64, n: usize, ratio: f64) -> Vec<f32> {
    let at = |index: i64| -> f32 {
        let index = usize::try_from(index).ok();
        index.and_then(|i| source.get(i)).copied().unwrap_or(0.0)
    };
    let taps = &*TAPS;
    (0..n as i64)
        .map(|i| {
            let position = anchor as f64 + (i - before) as f64 * ratio;
            let whole = position.floor();
            let fraction = (position - whole) as f32;
            let whole = whole as i64;
            // On a sample it is that sample.
            if !(1e-6..1.0 - 1e-6).contains(&fraction) {
                return at(position.round() as i64);
            }
            let phase = fraction * PHASES as f32;
            let (lower, between) = (phase as usize, phase.fract());
            let (lower, upper) = (&taps[lower], &taps[(lower + 1).min(PHASES)]);
            let tap = |i: usize| lower[i] + between * (upper[i] - lower[i]);
            let first = whole + 1 - HALF_LENGTH;
            let there = usize::try_from(first).ok();
            let there = there.and_then(|first| source.get(first..first + lower.len()));
            match there {
                Some(there) => there.iter().enumerate().map(|(i, s)| s * tap(i)).sum(),
                None => (0..lower.len())
                    .map(|i| at(first + i as i64) * tap(i))
                    .sum(),
            }
        })
        .collect()
}

/// The ratio of `semitones`.
pub fn ratio(semitones: f32) -> f64 {
    (f64::from(semitones) / 12.0).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, n: usize) -> Vec<f32> {
        let step = std::f64::consts::TAU * hertz / 48_000.0;
        (0..n).map(|i| (i as f64 * step).sin() as f32).collect()
    }

    #[test]
    fn at_the_same_speed_nothing_changes() {
        let sound = sine(440.0, 100);
        assert_eq!(varispeed(&sound, 50, 50, 100, 1.0), sound);
        let shifted = varispeed(&sound, 50, 60, 20, 1.0);
        assert_eq!(shifted[..10], [0.0; 10]);
        assert_eq!(shifted[10..], sound[..10]);
    }

    #[test]
    fn twelve_semitones_are_an_octave() {
        let slow = sine(1000.0, 1000);
        let fast = varispeed(&slow, 0, 0, 400, ratio(12.0));
        for (found, expected) in fast.iter().zip(sine(2000.0, 400)).skip(10) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        // Between the samples, up to high frequencies.
        let high = sine(12_000.0, 1000);
        let other = varispeed(&high, 0, 0, 600, ratio(-3.0));
        let expected = sine(12_000.0 * ratio(-3.0), 600);
        for (found, expected) in other.iter().zip(expected).skip(10) {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
    }

    #[test]
    fn next_to_a_sample_it_is_that_sample() {
        let sound = [1.0, 2.0, 3.0, 4.0];
        // The second position is a hair before sample 3, which single precision takes for it.
        let close = varispeed(&sound, 1, 0, 2, 2.0 - 1e-9);
        assert_eq!(close, [2.0, 4.0]);
    }

    #[test]
    fn the_anchor_keeps_its_place() {
        let mut click = vec![0.0; 300];
        click[200] = 1.0;
        for semitones in [-9.0, 0.0, 9.0] {
            let copy = varispeed(&click, 200, 120, 150, ratio(semitones));
            assert_eq!(copy[120], 1.0, "{semitones}");
        }
    }
}
