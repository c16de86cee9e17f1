//! Models and engines swapped at random while notes stream. Engines whose library is missing are
//! left out and named; on the gate (`CI=true`) none may be missing.

mod host;
#[path = "host/weighing_allocator.rs"]
mod weighing_allocator;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use host::{activation, set, tones};
use nice_plug::prelude::Enum;
use tocco::params::{EngineChoice, ModelChoice, ToccoParams};
use tocco::service::{Service, Shared};
use tocco_engines::{EngineId, discovery};
use tocco_recognizer::classification::{Classification, MAX_CLASSES, ModelSerial};
use tocco_recognizer::pipeline::{Pipeline, Settings};
use tocco_recognizer::runner::queue::CAPACITY;
use weighing_allocator::bytes_in_use;

const MODELS: [ModelChoice; 3] = [ModelChoice::A, ModelChoice::B, ModelChoice::C];

/// How often model or engine change; and after how many changes memory is first weighed: each library
/// makes some things once.
const SWAPS: u64 = 300;
const WARM_UP: u64 = 50;

/// Bytes that may be in use more after each of the other changes.
const MORE_PER_SWAP: u64 = 100;

/// How long one change may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the engines' probabilities may be from each other: ours store the weights as f16.
const TOLERANCE: f32 = 2e-3;

fn engines() -> Vec<EngineChoice> {
    let mut engines = vec![EngineChoice::Native, EngineChoice::NativeFixed];
    for engine in [
        EngineChoice::Onnx,
        EngineChoice::LiteRt,
        EngineChoice::Torch,
    ] {
        match discovery::find(engine.into()) {
            Ok(_) => engines.push(engine),
            Err(missing) => {
                assert!(std::env::var_os("CI").is_none(), "{}", missing.reason());
                eprintln!("skipped: {engine:?}: {}", missing.reason());
            }
        }
    }
    engines
}

/// What a model says of each note of the loop, by the note's position in it.
fn reference(model: ModelChoice, samples: &[f32]) -> Vec<(u64, [f32; MAX_CLASSES])> {
    let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
    set(&shared.params.model, model);
    let service = Service::start(shared).unwrap();
    let mut pipeline = service.activate(activation(true), None).unwrap();
    let mut notes = Vec::new();
    // The second time round is what every later one is like.
    for round in 0..2 {
        for block in samples.chunks(64) {
            pipeline.process(&[block], &Settings::default(), |result, _| {
                if round == 1 {
                    let position = result.note.position - samples.len() as u64;
                    notes.push((position, result.probabilities));
                }
            });
        }
    }
    notes
}

#[test]
fn hundreds_of_swaps_lose_no_note_and_confuse_none() {
    // Whole hops, so that every round of the loop is the same.
    let mut samples = tones(48_000.0, 5, 0.15);
    samples.truncate(samples.len() / 64 * 64);
    let references: HashMap<char, _> = ['a', 'b', 'c']
        .into_iter()
        .zip(MODELS.map(|model| reference(model, &samples)))
        .collect();
    let per_round = references[&'a'].len();
    assert!(per_round >= 5, "{per_round} notes");

    let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
    set(&shared.params.model, ModelChoice::C);
    let service = Service::start(Arc::clone(&shared)).unwrap();
    let mut pipeline = service.activate(activation(false), None).unwrap();
    let counters = &shared.telemetry.counters;
    let mut results: Vec<Classification> = Vec::with_capacity(1 << 16);
    // Room for all, so that it does not grow while memory is weighed.
    let mut names = HashMap::with_capacity(4096);
    let engines = engines();
    let mut random = 1u32;
    let (mut live, mut rounds) = (0, 0);
    let play = |pipeline: &mut Pipeline, results: &mut Vec<Classification>, blocks: &[f32]| {
        for block in blocks.chunks(64) {
            // This streams a hundred times faster than life. On a machine with other things to do
            // the classifier thread falls behind; before its queue is full, it may catch up.
            if counters.onsets.load(Relaxed) - results.len() as u64 >= CAPACITY as u64 / 2 {
                std::thread::sleep(Duration::from_millis(5));
            }
            pipeline.process(&[block], &Settings::default(), |result, _| {
                results.push(*result);
            });
        }
    };
    let (mut swaps, mut last) = (0, Instant::now());
    while swaps < SWAPS {
        for quarter in samples.chunks(samples.len() / 64 / 4 * 64 + 64) {
            if shared.is_settled() {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let index =
                    (shared.params.model.value().to_index() + 1 + (random >> 30) as usize % 2) % 3;
                set(&shared.params.model, MODELS[index]);
                let engine = (random >> 16) as usize % engines.len();
                set(&shared.params.engine, engines[engine]);
            }
            play(&mut pipeline, &mut results, quarter);
            std::thread::sleep(Duration::from_millis(1));
            learn_names(&shared, &mut names);
        }
        rounds += 1;
        let now = counters.swaps.load(Relaxed);
        if now > swaps {
            (swaps, last) = (now, Instant::now());
        }
        assert!(last.elapsed() < PATIENCE, "no swap after the {swaps}th");
        if live == 0 && swaps > WARM_UP {
            live = settle_on_c(&shared, &mut pipeline, &play, &mut results, &samples);
            learn_names(&shared, &mut names);
        }
    }
    let live_after = settle_on_c(&shared, &mut pipeline, &play, &mut results, &samples);
    learn_names(&shared, &mut names);
    println!(
        "{rounds} rounds; {live} bytes in use after {WARM_UP} swaps, {live_after} after {SWAPS}"
    );
    assert!(
        live_after.abs_diff(live) as u64 <= (SWAPS - WARM_UP) * MORE_PER_SWAP,
        "{live} bytes became {live_after}"
    );

    let onsets = counters.onsets.load(Relaxed);
    assert_eq!(counters.first.lost(), 0);
    assert_eq!(onsets, results.len() as u64);
    let ids: Vec<u64> = results.iter().map(|result| result.note.onset_id).collect();
    assert!(
        ids.iter().copied().eq(0..onsets),
        "each note once, in order"
    );
    let (mut by_model, mut by_engine) = (HashMap::new(), HashMap::new());
    let mut compared = 0;
    for result in &results {
        let position = result.note.position % samples.len() as u64;
        let (model, engine) = &names[&result.model];
        *by_model.entry(model).or_insert(0) += 1;
        *by_engine.entry(engine).or_insert(0) += 1;
        let known = references[model].iter().find(|note| note.0 == position);
        // The very first notes have silence before them, not the end of the loop.
        if let Some((_, probabilities)) = known
            && result.note.position > samples.len() as u64
        {
            let pairs = result.probabilities.iter().zip(probabilities);
            let difference = pairs
                .map(|(a, b)| (a - b).abs())
                // A probability that is no number is as far off as can be.
                .map(|error| if error.is_nan() { f32::INFINITY } else { error })
                .fold(0.0, f32::max);
            compared += 1;
            assert!(
                difference < TOLERANCE,
                "{difference} from what model {model} says of the note at {position}, \
                 {probabilities:?}; {engine} said {result:?}"
            );
        }
    }
    println!("{compared} compared; by model: {by_model:?}, by engine: {by_engine:?}");
    assert!(
        10 * compared >= 9 * results.len(),
        "only {compared} of {} results were compared",
        results.len()
    );
    assert_eq!((by_model.len(), by_engine.len()), (3, engines.len()));
}

fn learn_names(shared: &Shared, names: &mut HashMap<ModelSerial, (char, EngineId)>) {
    for info in &shared.status().models {
        let id = info.id().chars().next().expect("an id");
        names.insert(info.serial, (id, info.engine));
    }
}

/// Bytes in use with model C in `native` alone.
fn settle_on_c(
    shared: &Shared,
    pipeline: &mut Pipeline,
    play: &impl Fn(&mut Pipeline, &mut Vec<Classification>, &[f32]),
    results: &mut Vec<Classification>,
    samples: &[f32],
) -> isize {
    set(&shared.params.model, ModelChoice::C);
    set(&shared.params.engine, EngineChoice::Native);
    let start = Instant::now();
    let (mut last, mut alike) = (0, 0);
    // What was swapped out is freed some time after.
    while alike < 10 {
        assert!(start.elapsed() < PATIENCE, "it does not settle");
        play(pipeline, results, samples);
        std::thread::sleep(Duration::from_millis(20));
        let now = bytes_in_use();
        let is_quiet = shared.is_settled() && (now - last).abs() < 1_000;
        alike = if is_quiet { alike + 1 } else { 0 };
        last = now;
    }
    last
}
