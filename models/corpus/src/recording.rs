//! Recordings as the analysis hears them: one channel.

use std::io::Read;
use std::path::Path;

use crate::{CorpusError, WavReader};

/// The sound of a WAV file, mixed down to mono.
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
        wav.read(|frame| {
            let sum: f64 = frame.iter().map(|sample| f64::from(*sample)).sum();
            samples.push((sum / channels) as f32);
        })?;
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
