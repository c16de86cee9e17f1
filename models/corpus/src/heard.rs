//! Recordings through the plugin's own ears.

use std::path::Path;

use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{Analyzer, Extraction, HOP, HopStream, Onset, OnsetConfig, OnsetMethod};

use tocco_engines::ModelPackage;
use tocco_recognizer::input::{InputError, ModelInput};

use crate::{CorpusError, Recording};

/// Hears recordings as the plugin does, with one setting for all of them. Equal ones hear the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// How onsets are found.
    pub method: OnsetMethod,
    /// The onset detector's settings.
    pub onset: OnsetConfig,
    /// The family of features.
    pub preset: Preset,
    /// Which features, in which order, `[n_features]`.
    pub features: Vec<String>,
    /// When after the onset they are taken, hops.
    pub post_onset_hops: usize,
}

/// A recording at the analysis rate with the notes that were detected in it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The sound as the analysis got it, samples at [`tocco_dsp::SAMPLE_RATE`], a whole number of
    /// hops; silence is added at the end until the last note has its features.
    pub samples: Vec<f32>,
    /// The notes in the order of time.
    pub notes: Vec<HeardNote>,
}

/// A detected note.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardNote {
    /// Its onset, in analysis samples.
    pub onset: Onset,
    /// Estimated onset time, seconds from the recording's start.
    pub onset_s: f64,
    /// When the onset was reported (the hop that brought it was complete), seconds from the
    /// recording's start.
    pub detected_s: f64,
    /// Where the window of its features ends, in analysis samples.
    pub window_end: u64,
    /// Highest absolute sample from onset to features, dB full scale.
    pub peak_db: f32,
    /// Raw features, `[n_features]`.
    pub features: Vec<f32>,
}

impl Listener {
    /// Hears as `package` wants it.
    ///
    /// # Errors
    /// When its features, or its way to find onsets, are of an unknown kind, or the patches that it
    /// was trained on had another window.
    pub fn of(package: &ModelPackage) -> Result<Self, InputError> {
        let ModelInput {
            method,
            preset,
            features,
            post_onset_hops,
        } = ModelInput::of(package)?;
        Ok(Self {
            method,
            onset: OnsetConfig::default(),
            preset,
            features,
            post_onset_hops,
        })
    }

    /// Hears `recording`, which lies at `path`, in blocks of one hop as the paper's plugin does.
    ///
    /// # Errors
    /// When its sample rate is out of the plugin's range, or the settings are wrong.
    pub fn hear(&self, recording: &Recording, path: &Path) -> Result<Heard, CorpusError> {
        let extractor = FeatureExtractor::new(self.preset, &self.features)?;
        let wait = self.post_onset_hops;
        let mut extraction = Extraction::new(self.method, extractor, wait)?;
        let mut analyzer = Analyzer::new(&self.onset, self.method)?;
        let host_rate = f64::from(recording.sample_rate);
        let mut stream = HopStream::new(host_rate).map_err(|error| CorpusError::Rate {
            path: path.to_owned(),
            error,
        })?;

        let mut samples = Vec::new();
        let mut notes = Vec::new();
        // Enough silence for a note that begins with the last sample.
        let tail_hops = self.post_onset_hops + 8;
        let tail = vec![0.0; (tail_hops as f64 * HOP as f64 * host_rate / 48_000.0) as usize];
        let blocks = recording.samples.chunks(HOP).chain(tail.chunks(HOP));
        for block in blocks {
            stream.push(&[block], |hop, _| {
                samples.extend_from_slice(hop);
                if let Some(note) = analyzer.push_hop(hop, &mut extraction, None).note {
                    notes.push(HeardNote {
                        onset: note.onset,
                        onset_s: 0.0,
                        detected_s: 0.0,
                        window_end: note.window_end,
                        peak_db: note.peak_db,
                        features: note.features.to_vec(),
                    });
                }
            });
        }
        for note in &mut notes {
            note.onset_s = stream.clock().host_position(note.onset.position) as f64 / host_rate;
            let detected = stream.clock().host_position(note.onset.detected) as f64;
            note.detected_s = (detected + stream.latency()) / host_rate;
        }
        Ok(Heard { samples, notes })
    }
}

impl Heard {
    /// The newest `len` samples before position `end` (analysis samples); silence where the
    /// recording has not begun or has ended.
    pub fn window(&self, end: i64, len: usize) -> Vec<f32> {
        let start = end - len as i64;
        (start..end)
            .map(|at| {
                let index = usize::try_from(at).ok();
                index
                    .and_then(|i| self.samples.get(i))
                    .copied()
                    .unwrap_or(0.0)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(method: OnsetMethod) -> Listener {
        Listener {
            method,
            onset: OnsetConfig::default(),
            preset: Preset::Timbreid,
            features: Preset::Timbreid.feature_names(),
            post_onset_hops: 5,
        }
    }

    /// Decaying sine bursts at the given times.
    fn bursts(sample_rate: u32, times_s: &[f64], duration_s: f64) -> Recording {
        let rate = f64::from(sample_rate);
        let sound = |t: f64| -> f64 {
            let since = times_s.iter().map(|start| t - start).filter(|s| *s >= 0.0);
            since
                .map(|s| 0.5 * (-20.0 * s).exp() * (std::f64::consts::TAU * 220.0 * s).sin())
                .sum()
        };
        let n = (duration_s * rate) as usize;
        Recording {
            samples: (0..n).map(|i| sound(i as f64 / rate) as f32).collect(),
            sample_rate,
        }
    }

    #[test]
    fn notes_are_found_at_every_rate() {
        let times = [0.2, 0.6, 0.98];
        let [mkl, flux] = OnsetMethod::ALL;
        let at = |method| [44_100, 48_000, 96_000].map(|rate| (method, rate));
        for (method, rate) in at(mkl).into_iter().chain(at(flux)) {
            // The last note ends with the recording.
            let heard = listener(method)
                .hear(&bursts(rate, &times, 1.0), Path::new("x.wav"))
                .unwrap();
            assert_eq!(heard.notes.len(), 3, "{method}, {rate} Hz");
            for (note, time) in heard.notes.iter().zip(times) {
                assert!(
                    (note.onset_s - time).abs() < 0.02,
                    "{method}, {rate} Hz: {}",
                    note.onset_s
                );
                assert!(note.detected_s >= note.onset_s);
            }
        }
    }

    #[test]
    fn an_onset_is_reported_when_its_hop_is_complete() {
        for rate in [8_000, 44_100, 48_000, 96_000] {
            let recording = bursts(rate, &[0.2], 0.5);
            let heard = listener(OnsetMethod::Flux)
                .hear(&recording, Path::new("x.wav"))
                .unwrap();
            let mut complete = None;
            let mut stream = HopStream::new(f64::from(rate)).unwrap();
            stream.push(&[&recording.samples], |_, end| {
                if end.analysis == heard.notes[0].onset.detected {
                    complete = Some(end.host as f64);
                }
            });
            let reported = heard.notes[0].detected_s * f64::from(rate);
            let apart = (reported - complete.unwrap()).abs();
            // The host's samples are whole.
            assert!(
                apart <= 2.0 + f64::from(rate) / 48_000.0,
                "{rate} Hz: {apart}"
            );
        }
    }

    /// Two networks of one model decide about the same notes, also about those that the recording
    /// breaks off in, however long each listens.
    #[test]
    fn who_listens_longer_hears_the_same_notes() {
        for rate in [8_000, 44_100, 48_000] {
            for cut_ms in 0..40 {
                let mut recording = bursts(rate, &[0.2, 0.5], 0.7);
                recording
                    .samples
                    .truncate((rate * (500 + cut_ms) / 1000) as usize);
                // The sound breaks off at its loudest.
                if let Some(last) = recording.samples.last_mut() {
                    *last = 1.0;
                }
                let [short, long] = [7, 112].map(|post_onset_hops| {
                    let listener = Listener {
                        post_onset_hops,
                        ..listener(OnsetMethod::Flux)
                    };
                    let heard = listener.hear(&recording, Path::new("x.wav")).unwrap();
                    let onsets = heard.notes.iter().map(|note| note.onset);
                    onsets.collect::<Vec<_>>()
                });
                assert_eq!(short, long, "{rate} Hz, {cut_ms} ms after an onset");
            }
        }
    }

    #[test]
    fn features_are_those_of_the_stated_window() {
        let heard = listener(OnsetMethod::Mkl)
            .hear(&bursts(48_000, &[0.3], 0.6), Path::new("x.wav"))
            .unwrap();
        let mut extractor =
            FeatureExtractor::new(Preset::Timbreid, &Preset::Timbreid.feature_names()).unwrap();
        let note = &heard.notes[0];
        let history = heard.window(note.window_end as i64, extractor.history_len());
        let mut features = vec![0.0; extractor.n_features()];
        extractor.extract(&history, &mut features);
        assert_eq!(features, note.features);
    }

    #[test]
    fn outside_of_the_recording_there_is_silence() {
        let heard = Heard {
            samples: vec![1.0, 2.0],
            notes: Vec::new(),
        };
        assert_eq!(heard.window(1, 3), [0.0, 0.0, 1.0]);
        assert_eq!(heard.window(4, 3), [2.0, 0.0, 0.0]);
    }

    #[test]
    fn a_rate_out_of_range_is_refused_with_the_file() {
        let error =
            listener(OnsetMethod::Mkl).hear(&bursts(4_000, &[], 0.1), Path::new("slow.wav"));
        assert_eq!(
            error.unwrap_err().to_string(),
            "slow.wav: sample rate: expected 8000 to 192000 Hz, found 4000; convert it: ffmpeg -i \
             \"slow.wav\" -ar 48000 NEW.wav"
        );
    }
}
