//! Recordings as the analysis hears them: one channel.

use std::io::Read;
use std::path::Path;

use tocco_dsp::InputChoice;

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

    /// Its length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}
