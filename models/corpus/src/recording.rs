//! WAV files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use hound::{SampleFormat, WavReader};

use crate::CorpusError;

/// The sound of a WAV file, mixed down to mono.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Mono samples, full scale ±1, all finite.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub sample_rate: u32,
}

impl Recording {
    /// Reads the WAV file at `path`: integers of 8 to 32 bits or 32-bit floats, any rate, any
    /// number of channels.
    ///
    /// # Errors
    /// When the file cannot be read, is no WAV file, is truncated, or has samples that are not
    /// finite.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        let file = File::open(path).map_err(|error| CorpusError::read(path, error))?;
        Self::parse(BufReader::new(file), &path.display().to_string())
    }

    /// Reads WAV data that came from `place`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(data: impl Read, place: &str) -> Result<Self, CorpusError> {
        let remedy = "export it again as 48 kHz WAV, 24-bit integers or 32-bit floats";
        let wrong = |field: &str, expected: &str, found: String| {
            CorpusError::malformed(place, field, expected, found, remedy)
        };
        let mut reader = WavReader::new(data)
            .map_err(|error| wrong("header", "that of a WAV file", error.to_string()))?;
        let spec = reader.spec();
        let channels = usize::from(spec.channels);
        if channels == 0 || spec.sample_rate == 0 {
            return Err(wrong(
                "header",
                "at least one channel and a sample rate",
                format!("{channels} channels at {} Hz", spec.sample_rate),
            ));
        }
        let expected_samples = reader.len();
        let decoded: Result<Vec<f32>, hound::Error> =
            match (spec.sample_format, spec.bits_per_sample) {
                (SampleFormat::Float, 32) => reader.samples::<f32>().collect(),
                (SampleFormat::Int, bits @ 8..=32) => {
                    let full_scale = 2_f64.powi(i32::from(bits) - 1);
                    let samples = reader.samples::<i32>();
                    samples
                        .map(|s| s.map(|s| (f64::from(s) / full_scale) as f32))
                        .collect()
                }
                (format, bits) => {
                    return Err(wrong(
                        "sample format",
                        "integers of 8 to 32 bits or 32-bit floats",
                        format!("{bits}-bit {format:?}"),
                    ));
                }
            };
        let interleaved = decoded.map_err(|error| {
            wrong(
                "samples",
                &format!("{expected_samples}, as the header says"),
                format!("fewer ({error}): the file is truncated"),
            )
        })?;
        if let Some(index) = interleaved.iter().position(|s| !s.is_finite()) {
            return Err(wrong(
                &format!("sample {index}"),
                "a finite number",
                interleaved[index].to_string(),
            ));
        }
        let samples = interleaved
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        Ok(Self {
            samples,
            sample_rate: spec.sample_rate,
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
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;
    use std::io::Cursor;

    fn wav(spec: WavSpec, write: impl FnOnce(&mut WavWriter<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut cursor = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut cursor, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        cursor.into_inner()
    }

    fn spec(channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec {
            channels,
            sample_rate: 44_100,
            bits_per_sample,
            sample_format,
        }
    }

    fn parse(bytes: &[u8]) -> Result<Recording, CorpusError> {
        Recording::parse(bytes, "x.wav")
    }

    #[test]
    fn integers_of_all_widths_have_the_same_full_scale() {
        for bits in [8, 16, 24, 32] {
            let half = 1_i32 << (bits - 2);
            let bytes = wav(spec(1, bits, SampleFormat::Int), |w| {
                for sample in [half, -half, 0] {
                    w.write_sample(sample).unwrap();
                }
            });
            let recording = parse(&bytes).unwrap();
            assert_eq!(recording.samples, [0.5, -0.5, 0.0], "{bits} bits");
            assert_eq!(recording.sample_rate, 44_100);
        }
    }

    #[test]
    fn floats_pass_and_channels_are_averaged() {
        let bytes = wav(spec(2, 32, SampleFormat::Float), |w| {
            for sample in [0.5_f32, 0.25, -1.5, -0.5] {
                w.write_sample(sample).unwrap();
            }
        });
        assert_eq!(parse(&bytes).unwrap().samples, [0.375, -1.0]);
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let bytes = wav(spec(1, 16, SampleFormat::Int), |w| {
            (0..1000_i16).for_each(|s| w.write_sample(s).unwrap());
        });
        let message = parse(&bytes[..1500]).unwrap_err().to_string();
        assert!(
            message.starts_with("x.wav: samples: expected 1000"),
            "{message}"
        );
        assert!(message.contains("truncated"), "{message}");
        assert!(parse(&bytes[..20]).is_err());
    }

    #[test]
    fn what_is_no_number_is_refused_with_its_place() {
        let bytes = wav(spec(1, 32, SampleFormat::Float), |w| {
            [0.0, f32::NAN]
                .into_iter()
                .for_each(|s: f32| w.write_sample(s).unwrap());
        });
        let message = parse(&bytes).unwrap_err().to_string();
        assert!(
            message.contains("sample 1: expected a finite number, found NaN"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_header_is_read_or_refused(at in 0_usize..44, byte in any::<u8>(), end in 0_usize..=244) {
            let mut bytes = wav(spec(1, 16, SampleFormat::Int), |w| {
                (0..100_i16).for_each(|s| w.write_sample(s).unwrap());
            });
            bytes[at] = byte;
            bytes.truncate(end);
            let _ = parse(&bytes);
        }
    }
}
