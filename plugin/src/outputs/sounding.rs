//! Whether a note still sounds.
//!
//! One microphone hears all strings at once: a note is taken to sound until the guitar has fallen
//! [`FALL_DB`] below the note's own peak. What is played meanwhile keeps it alive.

/// How far below its peak a note has ended, dB.
pub const FALL_DB: f32 = 24.0;

/// Longest time that a note is taken to sound, seconds.
pub const LONGEST: f64 = 10.0;

/// Time in which the envelope falls by 20 dB, seconds: longer than a period of the lowest string, so
/// that it does not fall between two swings.
const RELEASE: f64 = 0.05;

/// Louder samples are none.
const LOUDEST: f32 = 16.0;

/// The level of the louder channel, risen at once and falling slowly. Real-time safe.
#[derive(Debug, Clone, Copy)]
pub struct Envelope {
    level: f32,
    /// Factor of each sample.
    fall: f32,
}

impl Envelope {
    /// For a host at `host_rate` Hz.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            level: 0.0,
            fall: (0.1f64).powf(1.0 / (RELEASE * host_rate)) as f32,
        }
    }

    /// Hears sample `index` of all channels; the level then, full scale 1.
    #[inline]
    pub fn hear<C: AsRef<[f32]>>(&mut self, channels: &[C], index: usize) -> f32 {
        let mut level = self.level * self.fall;
        for channel in channels {
            let sample = channel.as_ref()[index].abs();
            // What is no number is no level.
            if sample > level && sample <= LOUDEST {
                level = sample;
            }
        }
        // Without denormal numbers.
        self.level = if level < 1e-9 { 0.0 } else { level };
        self.level
    }

    /// Silence.
    pub fn reset(&mut self) {
        self.level = 0.0;
    }
}

/// Level under which a note with its peak at `peak_db` dB full scale has ended, full scale 1.
#[must_use]
pub fn floor(peak_db: f32) -> f32 {
    let floor = 10f32.powf((peak_db - FALL_DB) / 20.0);
    if floor.is_finite() { floor } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_slowly_at_any_rate() {
        for rate in [8_000.0, 48_000.0, 192_000.0] {
            let mut envelope = Envelope::new(rate);
            assert_eq!(envelope.hear(&[[0.1], [-0.5]], 0), 0.5);
            let samples = (0.05 * rate) as usize;
            let level = (0..samples)
                .map(|_| envelope.hear(&[[0.0]], 0))
                .last()
                .unwrap();
            assert!((level - 0.05).abs() < 1e-3, "{level} at {rate} Hz");
            for strange in [f32::NAN, f32::INFINITY, f32::MAX] {
                assert!(envelope.hear(&[[strange]], 0) < 0.05);
            }
            for _ in 0..samples * 12 {
                envelope.hear(&[[f32::from_bits(1)]], 0);
            }
            assert_eq!(envelope.hear(&[[0.0]], 0), 0.0);
        }
    }

    #[test]
    fn the_floor_is_a_level() {
        assert!((floor(-6.0) - 10f32.powf(-1.5)).abs() < 1e-6);
        assert_eq!(floor(f32::NAN), 0.0);
        assert_eq!(floor(f32::INFINITY), 0.0);
    }
}
