//! On which thread an engine runs, and with denormal numbers flushed: it is primed where it will
//! classify, before the first note.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use tocco::shipped;
use tocco_engines::{Classifier, Engine, EngineId, InferError, ModelPackage};
use tocco_recognizer::classification::{ModelSerial, Note};
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, Settings, Telemetry};
use tocco_recognizer::runner::worker::{self, WorkerConfig};
use tocco_recognizer::runner::{InlineRunner, Runner, Wake};

/// One inference, as the engine saw it.
#[derive(Debug, Clone, Copy)]
struct Run {
    thread: ThreadId,
    flushes_denormals: bool,
}

/// An engine that writes down where it runs.
struct Witness {
    n_features: usize,
    n_classes: usize,
    runs: Arc<Mutex<Vec<Run>>>,
}

impl Engine for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }
    fn n_features(&self) -> usize {
        self.n_features
    }
    fn n_classes(&self) -> usize {
        self.n_classes
    }
    fn infer(&mut self, _features: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
        probabilities.fill(1.0 / self.n_classes as f32);
        self.runs.lock().unwrap().push(Run {
            thread: std::thread::current().id(),
            flushes_denormals: black_box(f32::MIN_POSITIVE) * black_box(0.5) == 0.0,
        });
        Ok(())
    }
}

fn witness(package: &ModelPackage) -> (Classifier, Arc<Mutex<Vec<Run>>>) {
    let runs = Arc::new(Mutex::new(Vec::new()));
    let engine = Witness {
        n_features: package.manifest.input.features.len(),
        n_classes: package.manifest.labels.len(),
        runs: Arc::clone(&runs),
    };
    let classifier = Classifier::with_engine(package, Box::new(engine)).unwrap();
    (classifier, runs)
}

#[test]
fn the_classifier_thread_primes_and_flushes_before_it_is_handed_out() {
    let package = shipped::C.package().unwrap();
    for wake in Wake::ALL {
        let (classifier, runs) = witness(&package);
        let n_features = classifier.n_features();
        let config = WorkerConfig {
            wake: *wake,
            patience: Duration::from_millis(10),
        };
        let (mut remote, _) = worker::start(classifier, config).unwrap();
        let primed = runs.lock().unwrap().len();
        assert!(primed > 1, "primed {primed} times when it is handed out");

        let note = Note {
            onset_id: 0,
            position: 0,
            detected: 0,
            features_ready: 0,
            peak_db: 0.0,
            callback: 0,
            epoch: 0,
        };
        remote.arm();
        remote.submit(note, &vec![0.5; n_features], 0).unwrap();
        let start = Instant::now();
        while remote.poll().is_none() {
            let patience = start.elapsed() < Duration::from_secs(60);
            assert!(patience, "{wake:?}: no answer");
            std::thread::yield_now();
        }
        let runs = runs.lock().unwrap();
        assert_eq!(runs.len(), primed + 1);
        assert!(runs.iter().all(|run| run.thread == runs[0].thread));
        assert_ne!(runs[0].thread, std::thread::current().id());
        assert!(runs.iter().all(|run| run.flushes_denormals), "{runs:?}");
    }
}

#[test]
fn an_inline_network_is_primed_by_the_first_callback_and_by_the_one_that_swaps_it_in() {
    let package = shipped::C.package().unwrap();
    let config = RunConfig {
        offline: false,
        wake: Wake::Armed,
        block: Duration::from_micros(1_333),
    };
    let model = |serial| {
        let serial = ModelSerial(serial);
        let (mut model, _) = LoadedModel::new(&package, EngineId::Native, serial, config).unwrap();
        let (classifier, runs) = witness(&package);
        model.stages.first.runner = Runner::Inline(Box::new(InlineRunner::new(classifier)));
        (model, runs)
    };
    let (first, first_runs) = model(0);
    let (second, second_runs) = model(1);
    let (mut pipeline, end) = Pipeline::new(48_000.0, first, Arc::<Telemetry>::default()).unwrap();
    assert_eq!(first_runs.lock().unwrap().len(), 0);
    let audio = std::thread::spawn(move || {
        let mut block = || pipeline.process(&[[0.0; 64]], &Settings::default(), |_, _| ());
        block();
        assert_eq!(first_runs.lock().unwrap().len(), 1, "in the first callback");
        block();
        assert_eq!(first_runs.lock().unwrap().len(), 1, "and not again");
        assert!(end.models.put(second).is_none());
        block();
        (first_runs, std::thread::current().id())
    });
    let (first_runs, thread) = audio.join().unwrap();
    for runs in [first_runs, second_runs] {
        let runs = runs.lock().unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].thread, thread);
        assert!(runs[0].flushes_denormals);
    }
    // The callback's own mode is the host's again.
    assert!(black_box(f32::MIN_POSITIVE) * black_box(0.5) > 0.0);
}

/// A tail of denormal numbers is silence: the pipeline
/// hears the next note as if nothing had been.
#[test]
fn sound_that_decays_into_denormals_leaves_no_trace() {
    let package = shipped::C.package().unwrap();
    let config = RunConfig {
        offline: false,
        wake: Wake::Armed,
        block: Duration::from_micros(1_333),
    };
    let hear = |tail: f32| {
        let serial = ModelSerial(0);
        let (model, _) = LoadedModel::new(&package, EngineId::Native, serial, config).unwrap();
        let (mut pipeline, _end) =
            Pipeline::new(48_000.0, model, Arc::<Telemetry>::default()).unwrap();
        let mut heard = Vec::new();
        let mut play = |samples: &[f32]| {
            for block in samples.chunks(64) {
                pipeline.process(&[block], &Settings::default(), |result, _| {
                    heard.push((result.note.position, result.probabilities));
                });
            }
        };
        play(&vec![tail; 96_000]);
        let note: Vec<f32> = (0..9_600)
            .map(|i| 0.3 * (0.1 * i as f32).sin() * 0.999_f32.powi(i))
            .collect();
        play(&note);
        heard
    };
    let silence = hear(0.0);
    assert!(!silence.is_empty());
    assert_eq!(hear(f32::from_bits(1)), silence);
    assert_eq!(hear(1e-39), silence);
}
