//! Model and engine change at random, each block, while notes wait: every onset is accounted for,
//! no block takes for ever, and at the end the newest choice is in use.

mod host;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use host::{Host, set, tones};
use nice_plug::prelude::*;
use tocco::params::{EngineChoice, ModelChoice};
use tocco::service::OFFLINE_PATIENCE;

/// Multiplies and adds: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

const MODELS: [ModelChoice; 7] = [
    ModelChoice::A,
    ModelChoice::B,
    ModelChoice::C,
    ModelChoice::Tocco,
    ModelChoice::ToccoSure,
    ModelChoice::ToccoLate,
    // No folder is set: it fails to load.
    ModelChoice::User,
];

const ENGINES: [EngineChoice; 2] = [EngineChoice::Native, EngineChoice::NativeFixed];

/// Blocks of random length in which the choice changes; notes come so fast that there is no gap.
fn storm(mode: ProcessMode, blocks: usize, seed: u64) {
    let mut random = Random(seed);
    let samples = tones(48_000.0, 40, 0.011);
    let mut host = Host::new();
    let params = &host.plugin.shared().params;
    set(&params.minimum_inter_onset, 10.0);
    set(&params.sensitivity, 80.0);
    host.choose(ModelChoice::A, EngineChoice::Native);
    host.activate(48_000.0, 1024, 1, mode);
    let (mut place, mut longest) = (0, Duration::ZERO);
    for _ in 0..blocks {
        let (model, engine) = (MODELS[random.below(MODELS.len())], ENGINES[random.below(2)]);
        host.choose(model, engine);
        let second = &host.plugin.shared().params.second;
        set(second, random.below(4) > 0);
        let length = [32, 64, 256, 1024][random.below(4)];
        place = if place + length > samples.len() {
            0
        } else {
            place
        };
        let start = Instant::now();
        host.play(&samples[place..place + length], &[length]);
        longest = longest.max(start.elapsed());
        place += length;
        // Now and then a reset, as transport jumps bring it.
        if random.below(200) == 0 {
            host.plugin.reset();
        }
    }
    // Calm again: the last choice comes into use.
    host.choose(ModelChoice::B, EngineChoice::Native);
    let calm = tones(48_000.0, 4, 0.15);
    let patience = Instant::now();
    while !host.plugin.shared().is_settled() && patience.elapsed().as_secs() < 60 {
        std::thread::sleep(Duration::from_millis(5));
        host.play(&[0.0; 64], &[64]);
    }
    host.play(&calm, &[64]);
    let shared = std::sync::Arc::clone(host.plugin.shared());
    let newest = shared
        .status()
        .models
        .back()
        .map(|info| info.id().to_owned());
    assert_eq!(newest.as_deref(), Some("b"), "{mode:?}");
    let last = shared
        .telemetry
        .meters
        .last_note()
        .expect("notes were played");
    let model = shared
        .status()
        .model(last.model)
        .map(|info| info.id().to_owned());
    assert_eq!(model.as_deref(), Some("b"), "the newest choice is in use");
    drop(host);
    let counters = &shared.telemetry.counters;
    let (onsets, results) = (
        counters.onsets.load(Relaxed),
        counters.first.results.load(Relaxed),
    );
    println!(
        "{mode:?}: {blocks} blocks, {onsets} onsets, {results} answered, {} abandoned, {} swaps, \
         longest block {longest:?}",
        counters.first.abandoned.load(Relaxed),
        counters.swaps.load(Relaxed)
    );
    assert!(onsets > 50 && results > 0);
    assert_eq!(onsets, results + counters.first.lost(), "{mode:?}");
    let second = &counters.second;
    assert_eq!(
        second.expected.load(Relaxed),
        second.decisions.results.load(Relaxed) + second.decisions.lost(),
        "{mode:?}"
    );
    assert!(counters.swaps.load(Relaxed) > 1);
    // What one callback waits at most, and as much again for a machine with other things to do.
    assert!(longest < 2 * OFFLINE_PATIENCE, "{longest:?}");
}

#[test]
fn two_thousand_changes_in_real_time_mode_lose_no_onset_and_hold_up_no_block() {
    storm(ProcessMode::Realtime, 2_000, 1);
}

#[test]
fn a_bounce_in_which_every_block_has_another_model_goes_on() {
    storm(ProcessMode::Offline, 300, 2);
}
