//! The callback while the plugin's own window is drawn beside it: no heap call, no lock that could
//! block, no system call.
//!
//! In a bundle the window needs a screen. Here the pipeline runs in this process and the window is
//! drawn without one: every frame reads the meters, the levels, the counters and the status as
//! an open window does, and models are swapped meanwhile as the service thread swaps them.
//!
//! A program of its own, not a list of tests: it starts itself anew with the counting library of
//! `cargo xtask audit` preloaded, which `cargo xtask test` builds first.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Duration;

use tocco::editor::Offscreen;
use tocco::model::{ModelSource, Selection};
use tocco::params::ToccoParams;
use tocco::service::Shared;
use tocco_bench::audit::callback::{SetAtEnd, long_performance};
use tocco_bench::audit::control;
use tocco_bench::audit::interposer;
use tocco_bench::audit::watch::{Findings, Watch};
use tocco_bench::real_time::Pace;
use tocco_engines::EngineId;
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, ServiceEnd, Settings};
use tocco_recognizer::runner::Wake;

/// Seconds of audio.
const SECONDS: f64 = 60.0;

/// How many times faster than real time it is played: the classifier thread still keeps up.
const SPEED: f64 = 16.0;

/// Samples in a block, and Hz.
const BLOCK: usize = 64;
const RATE: f64 = 48_000.0;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(4);

/// Frames of one page.
const FRAMES_PER_PAGE: u64 = 16;

/// Frames between two swaps.
const FRAMES_PER_SWAP: u64 = 8;

/// Callbacks after which adapting is switched off for one callback.
const FORGETS_EVERY: u64 = 1500;

/// The callback in which the control plants a violation.
const PLANTED_AT: u64 = 1000;

/// What happened.
struct Audited {
    blocks: u64,
    results: u64,
    frames: u64,
    swaps: u64,
    amended: u64,
    learned: u64,
    findings: Findings,
}

fn main() -> ExitCode {
    interposer::preload().expect("cargo xtask test builds the counting library first");
    // The control first: what must be found is found.
    let planted = audit(3.0, Some("C: malloc"));
    assert_eq!(planted.findings.heap_calls(), 2, "{:?}", planted.findings);
    let planted = audit(3.0, Some("lock: pthread_mutex_lock"));
    assert_eq!(planted.findings.blocking_locks(), 1);
    let planted = audit(3.0, Some("system call: getppid"));
    assert_eq!(planted.findings.calls_of_the_system(), 1);

    let Audited {
        blocks,
        results,
        frames,
        swaps,
        amended,
        learned,
        findings,
    } = audit(SECONDS, None);
    println!(
        "{blocks} blocks, {results} results, {amended} of them second decisions, {learned} notes \
         learnt, {frames} frames, {swaps} swaps: {findings:?}"
    );
    assert_eq!(blocks, (SECONDS * RATE) as u64 / BLOCK as u64);
    assert!(results > 50 && frames > 100 && swaps > 10 && amended > 0 && learned > 0);
    assert!(findings.is_clean());
    // What `cargo xtask test` adds up.
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

fn audit(seconds: f64, plant: Option<&str>) -> Audited {
    let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
    let (pipeline, mut service) =
        Pipeline::new(RATE, model(0), Arc::clone(&shared.telemetry)).unwrap();
    let mut window = Offscreen::new(Arc::clone(&shared));
    let ended = AtomicBool::new(false);
    let mut frames = 0;
    let found = std::thread::scope(|scope| {
        let audio = scope.spawn(|| {
            // Also when it panics, or the loop below would never end.
            let _ended = SetAtEnd(&ended);
            stream(pipeline, &shared, seconds, plant)
        });
        while !ended.load(Acquire) {
            // Both pages, in turn.
            let (page, text) = match frames / FRAMES_PER_PAGE % 2 {
                0 => ("Play", "95 % within"),
                _ => ("Set up", "Cross fire window"),
            };
            if frames % FRAMES_PER_PAGE == 0 {
                window.click(page, 0).unwrap();
            }
            assert!(window.frame().contains(text));
            frames += 1;
            if frames % FRAMES_PER_SWAP == 0 {
                swap(&mut service, frames / FRAMES_PER_SWAP);
            }
            std::thread::sleep(FRAME);
        }
        audio.join().unwrap()
    });
    Audited {
        frames,
        swaps: shared.telemetry.counters.swaps.load(Relaxed),
        amended: shared
            .telemetry
            .counters
            .second
            .decisions
            .results
            .load(Relaxed),
        learned: shared.telemetry.counters.learned.load(Relaxed),
        ..found
    }
}

/// The audio thread.
fn stream(mut pipeline: Pipeline, shared: &Shared, seconds: f64, plant: Option<&str>) -> Audited {
    let sound = long_performance(seconds);
    let mut planted = plant.map(|name| control::violation(name).unwrap());
    let mut pace = Pace::new(RATE * SPEED);
    let mut watch = Watch::this_thread(false).unwrap();
    let (mut blocks, mut results, mut position) = (0, 0, 0);
    for block in sound.channels[0].chunks(BLOCK) {
        position += block.len() as u64;
        pace.wait_for(position, block.len());
        let planted = planted.as_mut().filter(|_| blocks == PLANTED_AT);
        let settings = Settings {
            adapt: blocks % FORGETS_EVERY != 0,
            ..shared.params.settings()
        };
        watch.during(|| {
            if let Some(violation) = planted {
                (violation.commit)();
            }
            pipeline.process(&[block], &settings, |_, _| results += 1);
        });
        blocks += 1;
    }
    Audited {
        blocks,
        results,
        frames: 0,
        swaps: 0,
        amended: 0,
        learned: 0,
        findings: watch.take(),
    }
}

/// Does the service thread's part: frees what came back and sends the next model.
fn swap(service: &mut ServiceEnd, number: u64) {
    while service.retired.pop().is_ok() {}
    while service.results.pop().is_ok() {}
    if service.models.take_back().is_none() {
        assert!(service.models.put(model(number)).is_none(), "there is room");
    }
}

/// All models in turn, in those of our engines that run them.
fn model(number: u64) -> Box<LoadedModel> {
    let all = [
        (ModelSource::A, EngineId::Native),
        (ModelSource::Tocco, EngineId::Native),
        (ModelSource::ToccoSure, EngineId::Native),
        (ModelSource::B, EngineId::Native),
        (ModelSource::C, EngineId::Native),
        (ModelSource::A, EngineId::NativeFixed),
        (ModelSource::B, EngineId::NativeFixed),
        (ModelSource::C, EngineId::NativeFixed),
    ];
    let (model, engine) = all[number as usize % all.len()].clone();
    // Tocco and Tocco-sure name a second one.
    let second = true;
    let selection = Selection {
        model,
        engine,
        second,
    };
    let config = RunConfig {
        offline: false,
        wake: Wake::Armed,
        block: Duration::from_secs_f64(BLOCK as f64 / RATE),
    };
    let serial = ModelSerial(number as u32);
    selection.load(serial, config).unwrap().0
}
