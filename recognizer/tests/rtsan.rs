//! A second witness beside our own audit: LLVM's RealtimeSanitizer watches the pipeline's callback.
//!
//! The sanitizer is linked in when this test is built with `RTSAN_ENABLE`, as `cargo xtask test` does;
//! without it the tests skip, and on the gate they fail. It ends the process at the first call that may
//! block, so what is planted runs in processes of their own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rtsan_standalone::nonblocking;
use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, Settings};
use tocco_recognizer::runner::{Placement, Wake};

const RATE: f64 = 48_000.0;
const BLOCK: usize = 64;
const PLANT: &str = "TOCCO_RTSAN_PLANT";

/// Whether the sanitizer is in this program. Says so if not.
fn is_watched() -> bool {
    let watched = option_env!("RTSAN_ENABLE").is_some();
    if !watched {
        let gate = std::env::var_os("CI").is_some();
        assert!(!gate, "built without RTSAN_ENABLE: run cargo xtask test");
        eprintln!("skipped: built without RTSAN_ENABLE; cargo xtask test sets it");
    }
    watched
}

/// What a host calls. Returns how many answers there were.
#[nonblocking]
fn callback(pipeline: &mut Pipeline, channels: &[&[f32]], settings: &Settings) -> usize {
    let mut answers = 0;
    pipeline.process(channels, settings, |_, _| answers += 1);
    answers
}

/// Bursts of noise that die away, four in a second, on both channels.
fn performance(seconds: f64) -> Vec<f32> {
    let mut state = 1_u32;
    let mut samples = Vec::new();
    for i in 0..(seconds * RATE) as usize {
        // xorshift32, Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let noise = state as f32 / u32::MAX as f32 - 0.5;
        let age = (i % (RATE as usize / 4)) as f32 / RATE as f32;
        samples.push(noise * (-age * 40.0).exp());
    }
    samples
}

/// Answers to so many seconds of it, and where the first network ran.
fn play(model: &str, second: Option<&str>, offline: bool, seconds: f64) -> (usize, Placement) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let package = |id: &str| ModelPackage::load(models.join(id)).unwrap();
    let (first, second) = (package(model), second.map(package));
    let config = RunConfig {
        offline,
        wake: Wake::Armed,
        block: Duration::from_secs_f64(BLOCK as f64 / RATE),
    };
    let (engine, serial) = (EngineId::Native, ModelSerial(0));
    let (model, info) =
        LoadedModel::with_second(&first, second.as_ref(), engine, serial, config).unwrap();
    let (mut pipeline, _service) = Pipeline::new(RATE, model, Arc::default()).unwrap();
    let settings = Settings::default();
    let mut answers = 0;
    for block in performance(seconds).chunks_exact(BLOCK) {
        answers += callback(&mut pipeline, &[block, block], &settings);
        if !offline {
            std::thread::sleep(config.block);
        }
    }
    (answers, info.stages.first.placement)
}

#[test]
fn the_callback_makes_no_call_that_may_block() {
    if !is_watched() {
        return;
    }
    let inline = |(answers, placement): (usize, Placement)| {
        (placement == Placement::Inline).then_some(answers)
    };
    // The network in the callback; on the classifier thread, live; both decisions, offline and live.
    assert!(inline(play("c", None, true, 4.0)) > Some(4));
    let (answers, placement) = play("b", None, false, 2.0);
    assert!(answers > 2 && placement == Placement::Thread);
    assert!(inline(play("tocco", Some("tocco-late"), true, 4.0)) > Some(8));
    assert!(play("tocco-sure", Some("tocco-late"), false, 2.0).0 > 2);
}

/// One call that must not be in a callback.
#[nonblocking]
fn forbidden(plant: &str) {
    match plant {
        "heap" => drop(std::hint::black_box(Vec::<u8>::with_capacity(100))),
        "file" => drop(std::fs::File::open("/proc/self/stat")),
        "yield" => std::thread::yield_now(),
        _ => {}
    }
}

/// Not a test of its own: what the next one runs in another process.
#[test]
fn planted() {
    if let Ok(plant) = std::env::var(PLANT) {
        forbidden(&plant);
    }
}

#[test]
fn what_is_planted_is_found() {
    if !is_watched() {
        return;
    }
    let run = |plant: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["planted", "--exact", "--nocapture", "--test-threads=1"])
            .env(PLANT, plant)
            .output()
            .unwrap()
    };
    for plant in ["heap", "file", "yield"] {
        let output = run(plant);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{plant} was not found: {said}");
        assert!(said.contains("RealtimeSanitizer"), "{plant}: {said}");
    }
    assert!(run("nothing").status.success());
}
