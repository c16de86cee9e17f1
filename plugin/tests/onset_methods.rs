//! Models that find their notes by different methods, swapped while notes stream.

mod host;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use host::{Host, tones, with_onset};
use nice_plug::prelude::*;
use tocco::shipped;
use tocco_engines::EngineId;
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, Settings, Telemetry};
use tocco_recognizer::runner::Wake;

const RATE: f64 = 48_000.0;
const BLOCK: usize = 64;
/// Between two notes, seconds.
const SPACING_S: f64 = 0.15;
const NOTES: usize = 6;

fn model(method: &str, serial: u32) -> Box<LoadedModel> {
    let config = RunConfig {
        offline: false,
        wake: Wake::Armed,
        block: Duration::from_millis(1),
    };
    let package = with_onset(&shipped::C, method);
    let serial = ModelSerial(serial);
    let (model, _) = LoadedModel::new(&package, EngineId::Native, serial, config).unwrap();
    model
}

#[test]
fn a_swap_to_another_method_loses_no_note_and_makes_none() {
    let samples = tones(RATE, NOTES, SPACING_S);
    let begins: Vec<u64> = (0..NOTES)
        .map(|note| (RATE * SPACING_S * (note as f64 + 0.5)) as u64)
        .collect();
    for (from, to) in [("mkl", "flux"), ("flux", "mkl")] {
        // A step that is prime to the spacing: the swap comes everywhere in and between notes.
        for swap in (100..600).step_by(7) {
            let telemetry = Arc::new(Telemetry::default());
            let (mut pipeline, mut service) =
                Pipeline::new(RATE, model(from, 0), Arc::clone(&telemetry)).unwrap();
            let mut results = Vec::new();
            for (index, block) in samples.chunks(BLOCK).enumerate() {
                if index == swap {
                    assert!(service.models.put(model(to, 1)).is_none());
                }
                pipeline.process(&[block], &Settings::default(), |result, _| {
                    results.push((result.note.onset_id, result.note.position, result.model));
                });
            }
            let counters = &telemetry.counters;
            assert_eq!(counters.onsets.load(Relaxed), results.len() as u64);
            assert_eq!(counters.first.lost(), 0);
            assert_eq!(counters.swaps.load(Relaxed), 1);
            assert!(service.retired.pop().is_ok());
            let ids = results.iter().map(|result| result.0);
            assert!(ids.eq(0..results.len() as u64), "{results:?}");
            assert_eq!(results.last().map(|result| result.2), Some(ModelSerial(1)));
            assert_eq!(results.len(), NOTES, "{from} to {to} in block {swap}");
            for ((_, position, _), begin) in results.iter().zip(&begins) {
                let apart = begin.abs_diff(*position);
                assert!(apart < 240, "{from} to {to} in block {swap}: {position}");
            }
        }
    }
}

#[test]
fn the_method_of_the_model_is_the_one_that_listens() {
    let samples = tones(RATE, NOTES, SPACING_S);
    let notes = |method: &str| {
        let mut host = Host::new();
        let _folder = host.choose_c_with_onset(method);
        host.activate(48_000.0, 64, 1, ProcessMode::Offline);
        host.play(&samples, &[64]);
        host.notes()
    };
    let (mkl, flux) = (notes("mkl"), notes("flux"));
    assert_eq!((mkl.len(), flux.len()), (NOTES, NOTES));
    // It detects earlier, but waits for the attack to find the place in.
    for (slow, fast) in mkl.iter().zip(&flux) {
        assert!(fast.0 <= slow.0, "{fast:?} {slow:?}");
    }
    assert_ne!(mkl, flux);
}

#[test]
fn an_unknown_method_is_refused_by_name() {
    let mut host = Host::new();
    let _folder = host.choose_c_with_onset("hfc");
    host.activate(48_000.0, 512, 1, ProcessMode::Offline);
    let error = host.plugin.shared().status().model_error.clone();
    let error = error.expect("an error");
    for part in ["model.toml: input.onset", "\"mkl\"", "\"flux\"", "\"hfc\""] {
        assert!(error.contains(part), "{error}");
    }
}
