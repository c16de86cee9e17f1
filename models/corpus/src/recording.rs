//! Recordings as the analysis hears them: one channel.

use std::io::Read;
use std::path::Path;

use tocco_dsp::{HOP, HopStream, InputChoice, SAMPLE_RATE};

use crate::{CorpusError, WavReader};

/// The sound of a WAV file: of two sides the one that the plugin hears with
/// [`InputChoice::Automatic`] once it knows both, of more the mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Mono samples, full scale ±1, all finite.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub sample_rate: u32,
}

impl Recording {
    /// Reads the WAV file at `path`.
    ///
    /// # Errors
    /// As [`WavReader::open`] and [`WavReader::read`].
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        Self::mix_down(WavReader::open(path)?)
    }

    /// Reads WAV data that comes from `place`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(data: impl Read, place: &str) -> Result<Self, CorpusError> {
        Self::mix_down(WavReader::new(data, place)?)
    }

    fn mix_down(wav: WavReader<impl Read>) -> Result<Self, CorpusError> {
        let (sample_rate, channels) = (wav.sample_rate(), wav.channels() as f64);
        let mut samples = Vec::new();
        let mut second = Vec::new();
        wav.read(|frame| match frame {
            [left, right] => {
                samples.push(*left);
                second.push(*right);
            }
            _ => {
                let sum: f64 = frame.iter().map(|sample| f64::from(*sample)).sum();
                samples.push((sum / channels) as f32);
            }
        })?;
        let energy = |side: &[f32]| side.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        if energy(&second) > f64::from(InputChoice::TAKE_OVER) * energy(&samples) {
            samples = second;
        }
        Ok(Self {
            samples,
            sample_rate,
        })
    }

    /// The same at the rate of the analysis, through the resampler that the plugin hears through, with its
    /// beginning and its length in place to within a sample. `path` is where it lies.
    ///
    /// # Errors
    /// When its sample rate is out of the plugin's range.
    pub fn at_analysis_rate(self, path: &Path) -> Result<Self, CorpusError> {
        if self.sample_rate == SAMPLE_RATE {
            return Ok(self);
        }
        let rate = f64::from(self.sample_rate);
        let mut stream = HopStream::new(rate).map_err(|error| CorpusError::Rate {
            path: path.to_owned(),
            error,
        })?;
        let n = (self.duration_s() * f64::from(SAMPLE_RATE)) as usize;
        let mut samples = Vec::with_capacity(n + HOP);
        // Silence until the last sample is through the filter, and its hop is complete.
        let tail = stream.latency() + (8 * HOP) as f64 * rate / f64::from(SAMPLE_RATE);
        let tail = vec![0.0; tail.ceil() as usize];
        for part in [&self.samples, &tail] {
            stream.push(&[part], |hop, _| samples.extend_from_slice(hop));
        }
        samples.resize(n, 0.0);
        Ok(Self {
            samples,
            sample_rate: SAMPLE_RATE,
        })
    }

    /// Its length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// A second of a tone that begins after half of it.
    fn tone(hertz: f64, sample_rate: u32) -> Recording {
        let sound = |i: u32| {
            let t = f64::from(i) / f64::from(sample_rate);
            if t < 0.5 {
                0.0
            } else {
                0.5 * (TAU * hertz * (t - 0.5)).sin() as f32
            }
        };
        Recording {
            samples: (0..sample_rate).map(sound).collect(),
            sample_rate,
        }
    }

    #[test]
    fn at_the_analysis_rate_a_tone_is_where_it_was_and_none_is_folded_back() {
        let path = Path::new("tone.wav");
        for rate in [22_050, 44_100, 96_000, 192_000] {
            let found = tone(1_000.0, rate).at_analysis_rate(path).unwrap();
            assert_eq!((found.sample_rate, found.samples.len()), (48_000, 48_000));
            // A sample of the recording later at most, and apart from where the tone begins.
            let expected = tone(1_000.0, 48_000);
            for (i, (found, expected)) in found.samples.iter().zip(&expected.samples).enumerate() {
                let limit = if (23_900..24_100).contains(&i) {
                    0.5
                } else {
                    0.16
                };
                assert!((found - expected).abs() < limit, "{rate} Hz, {i}: {found}");
            }
        }
        // 30 kHz would be heard at 18 kHz.
        let found = tone(30_000.0, 96_000).at_analysis_rate(path).unwrap();
        let inside = found.samples[26_000..46_000].iter();
        let loudest = inside.fold(0.0_f32, |loudest, s| loudest.max(s.abs()));
        assert!(loudest < 0.01, "{loudest}");
        let same = tone(1_000.0, 48_000);
        assert_eq!(same.clone().at_analysis_rate(path).unwrap(), same);
        assert!(tone(100.0, 4_000).at_analysis_rate(path).is_err());
    }
}
