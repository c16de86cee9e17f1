//! What is played to the plugin: a WAV file, or a synthesised performance.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hound::{SampleFormat, WavReader};
use tocco_dsp::Technique;
use tocco_dsp::synth::{self, Performance};

/// Which of the synthesiser's performances is played.
const DEMO_SEED: u64 = 1;

/// Sound to stream, with the notes in it where they are known.
#[derive(Debug, Clone)]
pub struct Sound {
    /// What it is, for the reader of a report.
    pub source: String,
    /// Samples per second.
    pub sample_rate: u32,
    /// One vector for each channel, all of one length, full scale 1.
    pub channels: Vec<Vec<f32>>,
    /// What is played, in order of time; empty where nobody wrote it down.
    pub played: Vec<PlayedNote>,
    /// Name of each class that `played` counts in, `[n_classes]`.
    pub labels: Vec<String>,
}

/// A note that is known to be in a [`Sound`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedNote {
    /// Seconds from the start.
    pub time_s: f64,
    /// Class index of its technique.
    pub class: usize,
}

impl Sound {
    /// Reads a mono or stereo WAV file of any sample format.
    ///
    /// # Errors
    /// If the file is missing, is not WAV, is cut short, or has another number of channels.
    pub fn read_wav(path: &Path) -> Result<Self> {
        let name = path.display();
        let mut reader = WavReader::open(path)
            .with_context(|| format!("{name} cannot be read as a WAV file"))?;
        let spec = reader.spec();
        ensure!(
            matches!(spec.channels, 1 | 2),
            "{name} has {} channels; expected 1 or 2: mix it down first",
            spec.channels
        );
        ensure!(
            spec.sample_rate > 0,
            "{name} gives a sample rate of 0 Hz; expected a positive one"
        );
        let declared = reader.len() as usize;
        let scale = match spec.sample_format {
            SampleFormat::Float => 1.0,
            SampleFormat::Int => 1.0 / (1_i64 << (spec.bits_per_sample - 1)) as f32,
        };
        let samples: Result<Vec<f32>, _> = match spec.sample_format {
            SampleFormat::Float => reader.samples::<f32>().collect(),
            SampleFormat::Int => reader
                .samples::<i32>()
                .map(|sample| sample.map(|s| s as f32 * scale))
                .collect(),
        };
        let samples = samples.with_context(|| {
            format!("{name} is cut short or damaged: its header declares {declared} samples")
        })?;
        ensure!(!samples.is_empty(), "{name} holds no sound");
        let channels = usize::from(spec.channels);
        Ok(Self {
            source: name.to_string(),
            sample_rate: spec.sample_rate,
            channels: (0..channels)
                .map(|channel| {
                    samples[channel..]
                        .iter()
                        .step_by(channels)
                        .copied()
                        .collect()
                })
                .collect(),
            played: Vec::new(),
            labels: Vec::new(),
        })
    }

    /// The synthesised performance of `tocco_dsp::synth`: all eight techniques, no recording.
    pub fn synthesised() -> Self {
        let performance = Performance::demo(DEMO_SEED);
        let note = |note: &synth::PlayedNote| PlayedNote {
            time_s: note.time_s,
            class: note.technique.class(),
        };
        Self {
            source: "the synthesised performance (not a recording)".to_owned(),
            sample_rate: tocco_dsp::SAMPLE_RATE,
            played: performance.notes.iter().map(note).collect(),
            labels: Technique::ALL.map(|t| t.label().to_owned()).to_vec(),
            channels: vec![performance.samples],
        }
    }

    /// Samples in each channel.
    pub fn len(&self) -> usize {
        self.channels[0].len()
    }

    /// Whether there is nothing to hear.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Seconds.
    pub fn duration_s(&self) -> f64 {
        self.len() as f64 / f64::from(self.sample_rate)
    }

    /// Appends silence, so that the last note's result comes before the end.
    pub fn append_silence(&mut self, seconds: f64) {
        let length = self.len() + (seconds * f64::from(self.sample_rate)) as usize;
        for channel in &mut self.channels {
            channel.resize(length, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(spec: hound::WavSpec, samples: &[i32]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = hound::WavWriter::create(file.path(), spec).unwrap();
        for sample in samples {
            writer.write_sample(*sample).unwrap();
        }
        writer.finalize().unwrap();
        file
    }

    fn spec(channels: u16, bits_per_sample: u16) -> hound::WavSpec {
        hound::WavSpec {
            channels,
            sample_rate: 44_100,
            bits_per_sample,
            sample_format: SampleFormat::Int,
        }
    }

    #[test]
    fn channels_are_separated_and_scaled() {
        let file = write(spec(2, 24), &[1 << 22, -(1 << 23), 0, 1 << 21]);
        let sound = Sound::read_wav(file.path()).unwrap();
        assert_eq!(sound.channels, [[0.5, 0.0], [-1.0, 0.25]]);
        assert_eq!(sound.sample_rate, 44_100);
    }

    #[test]
    fn what_is_not_a_sound_is_named() {
        let missing = Sound::read_wav(Path::new("/nonexistent.wav"));
        let three = write(spec(3, 16), &[0; 6]);
        let empty = write(spec(1, 16), &[]);
        let cut = write(spec(1, 16), &[1; 1000]);
        let bytes = std::fs::read(cut.path()).unwrap();
        std::fs::write(cut.path(), &bytes[..777]).unwrap();
        let text = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(text.path(), "not a sound").unwrap();
        for (result, expected) in [
            (missing, "cannot be read"),
            (Sound::read_wav(three.path()), "3 channels"),
            (Sound::read_wav(empty.path()), "no sound"),
            (Sound::read_wav(cut.path()), "cut short"),
            (Sound::read_wav(text.path()), "cannot be read"),
        ] {
            let message = result.err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
