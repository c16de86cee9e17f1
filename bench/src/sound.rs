//! What is played to the plugin: a WAV file, or a synthesised performance.

use std::path::Path;

use anyhow::{Result, ensure};
use tocco_corpus::WavReader;
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
    /// Reads a mono or stereo WAV file.
    ///
    /// # Errors
    /// As [`WavReader::open`] and [`WavReader::read`]; if it has more channels or no sound.
    pub fn read_wav(path: &Path) -> Result<Self> {
        let name = path.display();
        let wav = WavReader::open(path)?;
        let (sample_rate, n_channels) = (wav.sample_rate(), wav.channels());
        ensure!(
            matches!(n_channels, 1 | 2),
            "{name}: channels: expected 1 or 2, found {n_channels}; mix it down: \
             ffmpeg -i \"{name}\" -ac 1 -c:a pcm_s24le NEW.wav"
        );
        let mut channels = vec![Vec::new(); n_channels];
        wav.read(|frame| {
            for (channel, sample) in channels.iter_mut().zip(frame) {
                channel.push(*sample);
            }
        })?;
        ensure!(
            !channels[0].is_empty(),
            "{name}: samples: expected at least one, found none; record it again"
        );
        Ok(Self {
            source: name.to_string(),
            sample_rate,
            channels,
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

    /// Appends silence, so that the last note's result comes before the end. A sound that ends
    /// elsewhere than at 0 goes there in 0.2 s: a step would be heard as a note.
    pub fn append_silence(&mut self, seconds: f64) {
        let added = (seconds * f64::from(self.sample_rate)) as usize;
        let fade = FADE_S * f64::from(self.sample_rate);
        for channel in &mut self.channels {
            let last = channel.last().copied().unwrap_or(0.0);
            channel.extend((1..=added).map(|i| {
                let through = (i as f64 / fade).min(1.0);
                last * (0.5 + 0.5 * (through * std::f64::consts::PI).cos()) as f32
            }));
        }
    }
}

/// How long a constant takes to silence: too slow to be heard as a note.
const FADE_S: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_reached_without_a_step() {
        let mut sound = Sound::synthesised();
        sound.channels = vec![vec![0.5; 10]];
        sound.append_silence(0.25);
        let samples = &sound.channels[0];
        assert_eq!(samples.len(), 10 + 12_000);
        let steepest = samples.windows(2).map(|pair| (pair[0] - pair[1]).abs());
        assert!(steepest.fold(0.0, f32::max) < 1e-4);
        assert!(samples[11_000..].iter().all(|sample| *sample == 0.0));
    }

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
            sample_format: hound::SampleFormat::Int,
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
        let flac = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(flac.path(), "fLaC").unwrap();
        for (result, expected) in [
            (missing, "cannot be read"),
            (
                Sound::read_wav(three.path()),
                "found 3; mix it down: ffmpeg",
            ),
            (Sound::read_wav(empty.path()), "found none"),
            (Sound::read_wav(cut.path()), "the file is truncated"),
            (Sound::read_wav(text.path()), "expected a WAV file"),
            (
                Sound::read_wav(flac.path()),
                "a FLAC file; convert it: ffmpeg -i",
            ),
        ] {
            let message = result.err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
