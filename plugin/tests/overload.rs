//! More notes than the classifier thread can take: what cannot be answered is counted, and no
//! answer goes to the wrong note.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tocco::shipped;
use tocco_engines::WeightFormat;
use tocco_engines::native::{NativeEngine, NativeOptions};
use tocco_engines::{Classifier, Engine, EngineId, InferError};
use tocco_recognizer::classification::{Classification, MAX_CLASSES, ModelSerial};
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, ServiceEnd, Settings, Telemetry};
use tocco_recognizer::runner::worker::{self, WorkerConfig};
use tocco_recognizer::runner::{Runner, Wake};

/// Clicks of changing level and colour, one every 25 ms.
fn clicks(notes: usize) -> Vec<f32> {
    let spacing = 1_207;
    // A floor of noise: out of digital silence everything is an onset.
    let mut noise = 1u32;
    let mut floor = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((noise >> 8) as f32 / (1 << 23) as f32 - 1.0) * 1e-3
    };
    let mut samples: Vec<f32> = (0..(notes + 4) * spacing).map(|_| floor()).collect();
    for note in 0..notes {
        let start = 2 * spacing + note * spacing;
        let colour = 0.3 * (1.0 + (note % 3) as f32);
        let level = 0.9 / (1.0 + (note % 5) as f32);
        for (i, sample) in samples[start..start + spacing].iter_mut().enumerate() {
            *sample += level * (colour * i as f32).sin() * 0.98f32.powi(i as i32);
        }
    }
    samples
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.onset.minimum_inter_onset_ms = 10.0;
    settings.onset.threshold_factor = 0.25;
    settings
}

/// How long an answer takes: more than the 25 ms from one click to the next.
const HELD_UP: Duration = Duration::from_millis(60);

/// Our own engine with a thread that is always held up: longer than from one note to the next, so that
/// it falls behind even when the stream, as far as it is ahead of real time, waits for it.
struct Slow(NativeEngine);

impl Engine for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn n_features(&self) -> usize {
        self.0.n_features()
    }
    fn n_classes(&self) -> usize {
        self.0.n_classes()
    }
    fn infer(&mut self, features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        std::thread::sleep(HELD_UP);
        self.0.infer(features, probabilities)
    }
}

/// A pipeline with model C, on the audio thread or slowly on a classifier thread.
fn pipeline(slow: bool) -> (Pipeline, ServiceEnd, Arc<Telemetry>) {
    let package = shipped::C.package().unwrap();
    let config = RunConfig {
        offline: false,
        wake: Wake::Armed,
        block: Duration::from_micros(1_333),
    };
    let serial = ModelSerial(0);
    let (mut model, _) = LoadedModel::new(&package, EngineId::Native, serial, config).unwrap();
    if slow {
        // The same weights as the plugin's, so that the probabilities are the same to the bit.
        let options = NativeOptions {
            weights: WeightFormat::DEFAULT,
            ..NativeOptions::default()
        };
        let network = package.network().unwrap();
        let engine = Slow(NativeEngine::with_options(&network, options));
        let classifier = Classifier::with_engine(&package, Box::new(engine)).unwrap();
        let config = WorkerConfig {
            wake: Wake::Armed,
            patience: Duration::from_millis(10),
        };
        model.stages.first.runner = Runner::Thread(worker::start(classifier, config).unwrap().0);
    }
    let telemetry = Arc::new(Telemetry::default());
    let (pipeline, end) = Pipeline::new(48_000.0, model, Arc::clone(&telemetry)).unwrap();
    (pipeline, end, telemetry)
}

fn stream(pipeline: &mut Pipeline, samples: &[f32], results: &mut Vec<Classification>) {
    for block in samples.chunks(64) {
        pipeline.process(&[block], &settings(), |result, _| results.push(*result));
    }
}

#[test]
fn too_many_notes_are_counted_and_none_is_mistaken() {
    let samples = clicks(240);
    let (mut reference, _end, _) = pipeline(false);
    let mut expected = Vec::new();
    stream(&mut reference, &samples, &mut expected);
    let expected: HashMap<u64, [f32; MAX_CLASSES]> = expected
        .iter()
        .map(|result| (result.note.position, result.probabilities))
        .collect();
    assert!(expected.len() > 200, "{} notes", expected.len());

    let (mut pipeline, _end, telemetry) = pipeline(true);
    let mut results = Vec::new();
    stream(&mut pipeline, &samples, &mut results);
    // The last answers, unhurried.
    let start = Instant::now();
    while pipeline.is_busy() {
        let patience = start.elapsed() < Duration::from_secs(60);
        assert!(patience, "{} answers, then none", results.len());
        stream(&mut pipeline, &[0.0; 64], &mut results);
        std::thread::sleep(Duration::from_millis(1));
    }
    let counters = &telemetry.counters;
    assert_eq!(counters.onsets.load(Relaxed), expected.len() as u64);
    assert_eq!(counters.first.results.load(Relaxed), results.len() as u64);
    let dropped = counters.first.dropped_full.load(Relaxed);
    println!("{} answered, {dropped} dropped", results.len());
    assert!(dropped > 0, "the queue was to be full");
    assert_eq!(
        results.len() as u64 + counters.first.lost(),
        expected.len() as u64
    );
    assert!(results.is_sorted_by(|a, b| a.note.onset_id < b.note.onset_id));
    for result in &results {
        assert_eq!(result.probabilities, expected[&result.note.position]);
    }
}

#[test]
fn a_reset_or_an_end_amid_notes_keeps_the_books_straight() {
    let samples = clicks(40);
    let (mut pipeline, _end, telemetry) = pipeline(true);
    let mut results = Vec::new();
    for round in 0..8 {
        // Cut off at a different place each time, mostly amid a note.
        stream(
            &mut pipeline,
            &samples[..samples.len() / 2 + 97 * round],
            &mut results,
        );
        pipeline.reset();
    }
    drop(pipeline);
    let counters = &telemetry.counters;
    assert!(counters.first.abandoned.load(Relaxed) > 0);
    assert_eq!(
        counters.onsets.load(Relaxed),
        counters.first.results.load(Relaxed) + counters.first.lost()
    );
    assert!(results.is_sorted_by(|a, b| a.note.onset_id < b.note.onset_id));
    for result in &results {
        // The place is found after the detection, and may lie after it.
        assert!(result.note.position <= result.note.features_ready);
        assert!(result.note.detected < result.note.features_ready);
        assert!(result.note.features_ready <= result.seen);
    }
}
