//! How bright a note is: the frequency around which its energy lies.
//!
//! The root mean square of the frequency, from the energy of the samples and of their differences: a
//! sine of frequency f at rate r has differences 2 sin(pi f / r) times as large as itself. No
//! transform is needed, and the answer is there with the last sample.

/// Longest window, seconds.
const WINDOW: f64 = 0.03;

/// Frequency of no brightness at all, Hz.
pub const DARKEST_HZ: f32 = 100.0;

/// Frequency of full brightness, Hz.
pub const BRIGHTEST_HZ: f32 = 8_000.0;

/// What was heard last. For the audio thread; nothing in it allocates after `new`.
#[derive(Debug)]
pub struct Brightness {
    /// Energy of each sample and of its difference from the one before, all channels together.
    heard: Vec<(f32, f32)>,
    /// Where the next sample goes.
    next: usize,
    last: [f32; 2],
    host_rate: f32,
    /// Samples of the block that it has heard.
    until: usize,
}

impl Brightness {
    /// For a host at `host_rate` Hz. Allocates.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            heard: vec![(0.0, 0.0); (WINDOW * host_rate) as usize + 1],
            next: 0,
            last: [0.0; 2],
            host_rate: host_rate as f32,
            until: 0,
        }
    }

    /// Listens to the block's `channels` up to and without sample `until`. Real-time safe.
    pub fn hear_until<C: AsRef<[f32]>>(&mut self, channels: &[C], until: usize) {
        for index in self.until..until {
            self.hear(channels, index);
        }
        self.until = self.until.max(until);
    }

    /// Ends a block. Real-time safe.
    pub fn end_block(&mut self) {
        self.until = 0;
    }

    /// Hears sample `index` of all channels, of which two count. Real-time safe.
    #[inline]
    fn hear<C: AsRef<[f32]>>(&mut self, channels: &[C], index: usize) {
        let (mut energy, mut differences) = (0.0, 0.0);
        for (channel, last) in channels.iter().zip(&mut self.last) {
            let sample = channel.as_ref()[index];
            // What is no sample is silence.
            let sample = if sample.abs() <= 16.0 { sample } else { 0.0 };
            energy += sample * sample;
            differences += (sample - *last) * (sample - *last);
            *last = sample;
        }
        self.heard[self.next] = (energy, differences);
        self.next = (self.next + 1) % self.heard.len();
    }

    /// The brightness of the last `samples`, 0 to 1: linear in octaves. Real-time safe.
    #[must_use]
    pub fn of_last(&self, samples: u64) -> f32 {
        let length = self.heard.len();
        let samples = samples.min(length as u64) as usize;
        let (mut energy, mut differences) = (0.0, 0.0);
        for back in 1..=samples {
            let heard = self.heard[(self.next + length - back) % length];
            energy += heard.0;
            differences += heard.1;
        }
        let ratio: f32 = differences / energy;
        if !ratio.is_finite() {
            return 0.0;
        }
        let half = (ratio.sqrt() / 2.0).min(1.0);
        let frequency = half.asin() * self.host_rate / std::f32::consts::PI;
        let octaves = (frequency / DARKEST_HZ).log2() / (BRIGHTEST_HZ / DARKEST_HZ).log2();
        octaves.clamp(0.0, 1.0)
    }

    /// Silence. Real-time safe.
    pub fn reset(&mut self) {
        self.heard.fill((0.0, 0.0));
        self.last = [0.0; 2];
        self.until = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_is_as_bright_as_its_frequency_at_every_rate() {
        for rate in [44_100.0, 48_000.0, 192_000.0] {
            for (frequency, expected) in [(50.0, 0.0), (800.0, 0.4745), (8_000.0, 1.0)] {
                let mut brightness = Brightness::new(rate);
                for i in 0..(0.1 * rate) as usize {
                    let phase = std::f64::consts::TAU * frequency * i as f64 / rate;
                    let sample = [phase.sin() as f32 * 0.1];
                    brightness.hear(&[sample, sample], 0);
                }
                let found = brightness.of_last((0.02 * rate) as u64);
                assert!((found - expected).abs() < 0.01, "{found} at {rate} Hz");
            }
        }
    }

    #[test]
    fn silence_and_storms_are_numbers() {
        let mut brightness = Brightness::new(48_000.0);
        assert_eq!(brightness.of_last(u64::MAX), 0.0);
        for strange in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
            brightness.hear(&[[strange]], 0);
            assert!((0.0..=1.0).contains(&brightness.of_last(500)));
        }
    }
}
