//! A recording on disk: WAV or FLAC, mono at the host's rate once it is read.

use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::*};

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::default::codecs::FlacDecoder;
use symphonia::default::formats::FlacReader;
use tocco_corpus::{CorpusError, WavReader};
use tocco_engines::bounded_read::read_file;

use super::kit::KitError;

/// Longest recording, seconds: what is meant is one hit.
pub const LONGEST: f64 = 30.0;

/// How a FLAC file begins.
const FLAC: &[u8] = b"fLaC";

/// Highest rate of a file, Hz.
const HIGHEST_RATE: f64 = 192_000.0;

/// Bytes of the largest file.
const LARGEST: u64 = 64 << 20;

/// Samples that the resampler takes at once.
const CHUNK: usize = 1024;

/// Samples of the resampler's filter, at the lower rate.
const FILTER_LENGTH: usize = 128;

/// The recording in the file at `path`, all channels in one, at `rate` Hz; full scale 1. Allocates. Ends
/// soon when `stop` is set: what it returns then is of no use.
///
/// # Errors
/// When the file cannot be read, holds no sound, or a longer one than [`LONGEST`].
pub fn read(path: &Path, rate: f64, stop: &AtomicBool) -> Result<Vec<f32>, KitError> {
    let bytes = read_file(path, LARGEST).map_err(|error| KitError::Read(error.to_string()))?;
    from_bytes(bytes, path, rate, stop)
}

/// The same of the bytes of a file; `path` names it. Allocates.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(
    bytes: Vec<u8>,
    path: &Path,
    rate: f64,
    stop: &AtomicBool,
) -> Result<Vec<f32>, KitError> {
    let refused = |found: String| KitError::Sound {
        file: path.to_owned(),
        expected: "WAV or FLAC".to_owned(),
        found,
        remedy: "save it as WAV with 16 or 24 bits",
    };
    let (samples, from) = match bytes.starts_with(FLAC) {
        true => decode_flac(bytes).map_err(|error| refused(error.to_string()))?,
        false => decode_wav(&bytes, &path.display().to_string())?,
    };
    if !(1.0..=HIGHEST_RATE).contains(&from) {
        return Err(refused(format!("a rate of {from} Hz")));
    }
    let seconds = samples.len() as f64 / from;
    if samples.is_empty() || seconds > LONGEST {
        return Err(KitError::Sound {
            file: path.to_owned(),
            expected: format!("a sound of at most {LONGEST} s"),
            found: match samples.is_empty() {
                true => "none".to_owned(),
                false => "a longer one".to_owned(),
            },
            remedy: "cut it to one hit",
        });
    }
    resampled(samples, from, rate, stop).map_err(|error| refused(error.to_string()))
}

/// All samples of a WAV file, channels averaged, and their rate in Hz; `place` names it.
fn decode_wav(bytes: &[u8], place: &str) -> Result<(Vec<f32>, f64), KitError> {
    let refused = |error: CorpusError| KitError::Read(error.to_string());
    let wav = WavReader::new(bytes, place).map_err(refused)?;
    let rate = f64::from(wav.sample_rate());
    let (mut mono, most) = (Vec::new(), most(rate));
    let take = |frame: &[f32]| {
        if mono.len() < most {
            mono.push(mean(frame));
        }
    };
    wav.read(take).map_err(refused)?;
    Ok((mono, rate))
}

/// The same of a FLAC file.
fn decode_flac(bytes: Vec<u8>) -> Result<(Vec<f32>, f64), Error> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut format = FlacReader::try_new(stream, FormatOptions::default())?;
    let no_sound = Error::DecodeError("it holds no sound");
    let track = format.default_track(TrackType::Audio);
    let parameters =
        track.and_then(|track| Some((track.id, track.codec_params.as_ref()?.audio()?)));
    let Some((id, parameters)) = parameters else {
        return Err(no_sound);
    };
    let Some(rate) = parameters.sample_rate.map(f64::from) else {
        return Err(no_sound);
    };
    let mut decoder = FlacDecoder::try_new(parameters, &AudioDecoderOptions::default())?;
    let (mut mono, most) = (Vec::new(), most(rate));
    let mut packed = Vec::new();
    while let Some(packet) = format.next_packet()? {
        if packet.track_id != id {
            continue;
        }
        let decoded = decoder.decode(&packet)?;
        let channels = decoded.spec().channels().count().max(1);
        packed.resize(decoded.samples_interleaved(), 0.0f32);
        decoded.copy_to_slice_interleaved(&mut packed);
        mono.extend(packed.chunks_exact(channels).map(mean));
        // It is refused, and need not be read to its end.
        if mono.len() >= most {
            break;
        }
    }
    Ok((mono, rate))
}

/// Samples of a sound at `rate` Hz that is longer than it may be.
fn most(rate: f64) -> usize {
    (LONGEST * rate.min(HIGHEST_RATE)) as usize + 1
}

/// The mean of a frame's channels, from -16 to 16: floating-point files may hold anything.
fn mean(frame: &[f32]) -> f32 {
    (frame.iter().sum::<f32>() / frame.len() as f32).clamp(-16.0, 16.0)
}

/// The samples at the rate `to` instead of `from`, Hz. Ends early when `stop` is set.
fn resampled(
    samples: Vec<f32>,
    from: f64,
    to: f64,
    stop: &AtomicBool,
) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    if from == to {
        return Ok(samples);
    }
    let ratio = to / from;
    // Going down, the filter lies at the lower rate and is so much longer.
    let length = ((FILTER_LENGTH as f64 / ratio.min(1.0)) as usize).next_multiple_of(8);
    let parameters = SincInterpolationParameters::new(length, WindowFunction::Blackman)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Cubic);
    let mut resampler = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Output)?;
    let (length, delay) = (
        (samples.len() as f64 * ratio).ceil() as usize,
        resampler.output_delay(),
    );
    let mut output = Vec::with_capacity(delay + length + CHUNK);
    let mut input = vec![0.0; resampler.input_frames_max()];
    let mut rest = samples.as_slice();
    while output.len() < delay + length && !stop.load(Relaxed) {
        let needed = resampler.input_frames_next();
        let (next, later) = rest.split_at(needed.min(rest.len()));
        rest = later;
        input[..next.len()].copy_from_slice(next);
        // Behind the end comes silence, until the filter has passed it.
        input[next.len()..needed].fill(0.0);
        let mut chunk = [0.0; CHUNK];
        let source = InterleavedSlice::new(&input[..needed], 1, needed)?;
        let mut sink = InterleavedSlice::new_mut(&mut chunk, 1, CHUNK)?;
        resampler.process_into_buffer(&source, &mut sink, None)?;
        output.extend_from_slice(&chunk);
    }
    output.drain(..delay.min(output.len()));
    output.truncate(length);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn tone(rate: u32, seconds: f64) -> Vec<f32> {
        let n = (f64::from(rate) * seconds) as usize;
        (0..n)
            .map(|i| (0.5 * (TAU * 440.0 * i as f64 / f64::from(rate)).sin()) as f32)
            .collect()
    }

    fn write(path: &Path, rate: u32, channels: u16, bits: u16, samples: &[f32]) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: match bits {
                32 => hound::SampleFormat::Float,
                _ => hound::SampleFormat::Int,
            },
        };
        let mut wav = hound::WavWriter::create(path, spec).unwrap();
        for sample in samples {
            for channel in 0..channels {
                // The second channel is silent: the average is half of the first.
                let sample = if channel == 0 { *sample } else { 0.0 };
                match bits {
                    32 => wav.write_sample(sample).unwrap(),
                    _ => wav
                        .write_sample((sample * ((1u32 << (bits - 1)) as f32)) as i32)
                        .unwrap(),
                }
            }
        }
        wav.finalize().unwrap();
    }

    #[test]
    fn a_tone_is_the_same_tone_at_any_rate_and_in_any_width() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kick.wav");
        // 44.1 kHz, the second channel silent.
        let flac = include_bytes!("../../tests/sounds/tone.flac");
        let forms = [
            (44_100, 16, 1),
            (48_000, 24, 2),
            (96_000, 32, 1),
            (44_100, 0, 2),
        ];
        for (rate, bits, channels) in forms {
            match bits {
                0 => std::fs::write(&path, flac).unwrap(),
                _ => write(&path, rate, channels, bits, &tone(rate, 0.5)),
            }
            let read = read(&path, 48_000.0, &GO_ON).unwrap();
            assert!(read.len().abs_diff(24_000) <= 2, "{rate}: {}", read.len());
            // As loud, and a sample off at most: what the resampler takes for its delay is rounded.
            let (mut sine, mut cosine) = (0.0, 0.0);
            let cycles = 2_400..21_600;
            for at in cycles.clone() {
                let phase = TAU * 440.0 * at as f64 / 48_000.0;
                sine += f64::from(read[at]) * phase.sin() * 2.0 / cycles.len() as f64;
                cosine += f64::from(read[at]) * phase.cos() * 2.0 / cycles.len() as f64;
            }
            let expected = 0.5 / f64::from(channels);
            let (level, samples) = (
                sine.hypot(cosine),
                cosine.atan2(sine) * 48_000.0 / (TAU * 440.0),
            );
            assert!((level - expected).abs() < 1e-3, "{rate} Hz: {level}");
            assert!(samples.abs() < 1.1, "{rate} Hz: {samples}");
        }
    }

    #[test]
    fn what_is_no_hit_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kick.wav");
        let text = |path: &Path| read(path, 48_000.0, &GO_ON).unwrap_err().to_string();
        assert!(text(&path).contains("kick.wav"));
        for (bytes, expected) in [
            ("no sound at all", "expected a WAV file"),
            ("fLaC and no more", "expected WAV or FLAC"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert!(text(&path).contains(expected), "{}", text(&path));
        }
        write(&path, 8_000, 1, 16, &vec![0.1; 8_000 * 31]);
        assert!(text(&path).contains("at most 30 s"), "{}", text(&path));
        write(&path, 8_000, 1, 16, &[]);
        assert!(text(&path).contains("kick.wav"), "{}", text(&path));
        write(&path, 48_000, 1, 32, &[f32::NAN, 0.5]);
        assert!(text(&path).contains("a finite number"), "{}", text(&path));
        write(&path, 48_000, 1, 32, &[1e9, 0.5]);
        assert_eq!(read(&path, 48_000.0, &GO_ON).unwrap(), [16.0, 0.5]);
        assert!(
            text(folder.path()).contains("expected"),
            "{}",
            text(folder.path())
        );
    }
}
