//! The shipped packages keep foreign sounds from MIDI and let notes through, in the pipeline of the plugin
//! with the settings as delivered.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tocco_corpus::{Corpus, Recording};
use tocco_dsp::synth::Performance;
use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, Settings, Telemetry};
use tocco_recognizer::runner::Wake;
use tocco_recordings::shared_with;
use tocco_trainer::foreign::{Kind, stream};

/// Onsets that were decided about, how many of them make MIDI, and how many taught something.
struct Heard {
    onsets: usize,
    notes: usize,
    learned: u64,
}

fn hear(model: &str, samples: &[f32], strictness: f32) -> Heard {
    let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let load = |id: &str| ModelPackage::load(models.join(id)).unwrap();
    let (first, second) = (load(model), load("tocco-late"));
    let config = RunConfig {
        offline: true,
        wake: Wake::Armed,
        block: Duration::ZERO,
    };
    let (engine, serial) = (EngineId::Native, ModelSerial(0));
    let loaded = LoadedModel::with_second(&first, Some(&second), engine, serial, config);
    let telemetry = Arc::<Telemetry>::default();
    let model = loaded.unwrap().0;
    let (mut pipeline, _end) = Pipeline::new(48_000.0, model, Arc::clone(&telemetry)).unwrap();
    let settings = Settings {
        strictness,
        ..Settings::default()
    };
    let (mut onsets, mut notes) = (0, 0);
    let tail = vec![0.0; 16_000];
    for block in samples.chunks(64).chain(tail.chunks(64)) {
        pipeline.process(&[block], &settings, |result, _| {
            assert!(result.rejection.is_some_and(f32::is_finite));
            assert!(!result.rejected || result.gated);
            if !result.is_second() {
                onsets += 1;
                notes += usize::from(!result.gated);
            }
        });
    }
    let counters = &telemetry.counters;
    let rejected = counters.first.rejected.load(Relaxed) as usize;
    assert_eq!(
        (rejected, counters.first.gated.load(Relaxed)),
        (onsets - notes, 0)
    );
    Heard {
        onsets,
        notes,
        learned: counters.learned.load(Relaxed),
    }
}

fn delivered() -> f32 {
    Settings::default().strictness
}

/// The models to play by that can tell notes from what is none.
fn models() -> Vec<&'static str> {
    let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let can_tell = |id: &&str| {
        let package = ModelPackage::load(models.join(id)).unwrap();
        package.rejection().unwrap().is_some()
    };
    let models: Vec<&str> = ["tocco", "tocco-sure"]
        .into_iter()
        .filter(can_tell)
        .collect();
    assert!(models.contains(&"tocco"));
    models
}

#[test]
fn speech_is_held_back_and_teaches_less() {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let speech = stream(&[Kind::Speech], 30.0, &mut random);
    for model in models() {
        let open = hear(model, &speech, 0.0);
        assert!(open.onsets > 50, "{}", open.onsets);
        assert_eq!(open.notes, open.onsets);
        let delivered = hear(model, &speech, delivered());
        assert_eq!(delivered.onsets, open.onsets);
        assert!(
            10 * delivered.notes < delivered.onsets,
            "{model}: {} of {}",
            delivered.notes,
            delivered.onsets
        );
        assert!(delivered.learned <= open.learned);
    }
}

#[test]
fn the_synthesised_guitar_is_played() {
    let samples = Performance::demo(5).samples;
    for model in models() {
        let Heard { onsets, notes, .. } = hear(model, &samples, delivered());
        assert!(
            onsets >= 38 && notes + 1 >= onsets,
            "{model}: {notes} of {onsets}"
        );
    }
}

#[test]
fn no_note_of_a_real_take_is_lost() {
    let Some(shared) = shared_with(&["recordings"]) else {
        return;
    };
    let corpus = Corpus::scan(&shared.join("recordings")).unwrap();
    let take = &corpus.takes[0];
    let recording = Recording::read(&take.path).unwrap();
    for model in models() {
        let Heard { onsets, notes, .. } = hear(model, &recording.samples, delivered());
        assert!(
            onsets >= take.labels.len() && notes == onsets,
            "{notes} of {onsets}"
        );
    }
}
