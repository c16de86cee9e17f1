//! The callback neither allocates nor frees, whatever happens around it.

mod host;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use host::{Host, heap_call, heap_calls, tones};
use nice_plug::prelude::*;
use tocco::Tocco;
use tocco::calibration::Command;
use tocco::configuration::Configuration;
use tocco::params::{EngineChoice, ModelChoice};
use tocco::velocity_lesson::Step;
use tocco_dsp::synth::Performance;
use tocco_recognizer::pipeline::Settings;

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        heap_call();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        heap_call();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The notes of a guitar, made once for all tests.
static GUITAR: LazyLock<Vec<f32>> = LazyLock::new(|| Performance::demo(1).samples);

/// How long the service thread has for a model.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays `samples` until all that the host was told is done.
fn play_until_settled(host: &mut Host, samples: &[f32]) {
    let start = Instant::now();
    while !host.plugin.shared().is_settled() {
        assert!(start.elapsed() < PATIENCE, "no model came");
        host.play(samples, &[64]);
        let _ = host.plugin.shared().telemetry.meters.last_note();
        drop(host.plugin.shared().status().clone());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn callbacks_make_no_heap_call_from_the_first_one_on() {
    for (rate, block) in [(48_000.0, 64), (44_100.0, 512), (96_000.0, 37)] {
        // At its own rate, notes that are plausible enough to be learnt.
        let samples = match rate {
            48_000.0 => GUITAR[..4 * 48_000].to_vec(),
            _ => tones(f64::from(rate), 12, 0.08),
        };
        for model in [
            ModelChoice::C,
            ModelChoice::B,
            ModelChoice::A,
            ModelChoice::Tocco,
            ModelChoice::ToccoSure,
        ] {
            for mode in [ProcessMode::Realtime, ProcessMode::Offline] {
                let mut host = Host::new();
                host.choose(model, EngineChoice::Native);
                host::set(&host.plugin.shared().params.correct, true);
                // As delivered.
                let delivered = Settings::default().strictness;
                host::set(&host.plugin.shared().params.strictness, delivered);
                // As with an open window: what it does not fetch in time is dropped.
                let feed = host.plugin.shared().clone();
                let feed = &feed.telemetry.levels;
                feed.open(true);
                host.activate(rate, 512, 2, mode);
                host.play(&samples, &[block]);
                assert!(feed.next_column().is_some() && feed.next_mark().is_some());
                host.plugin.reset();
                host.play(&samples, &[block]);
                // Time for the classifier thread, and a callback that takes what it says.
                std::thread::sleep(Duration::from_millis(20));
                host.play(&samples, &[block]);
                // Forgets what was learnt by listening, and learns anew.
                for adapt in [false, true] {
                    host::set(&host.plugin.shared().params.adapt, adapt);
                    host.play(&samples, &[block]);
                }
                assert_eq!(heap_calls(), 0, "{model:?}, {mode:?}, {rate} Hz");
                let counters = &host.plugin.shared().telemetry.counters;
                let amended = counters.second.decisions.results.load(Relaxed) > 0;
                assert_eq!(amended, model.may_have_second());
                let learned = counters.learned.load(Relaxed) > 0;
                assert!(learned == amended || rate != 48_000.0);
            }
        }
    }
}

#[test]
fn swaps_and_readers_make_no_heap_call_in_callbacks() {
    let mut host = Host::new();
    host.activate(48_000.0, 64, 1, ProcessMode::Realtime);
    let samples = tones(48_000.0, 3, 0.08);
    for model in [
        ModelChoice::A,
        ModelChoice::User,
        ModelChoice::B,
        ModelChoice::Tocco,
        ModelChoice::ToccoSure,
        ModelChoice::C,
    ] {
        host.choose(model, EngineChoice::Native);
        play_until_settled(&mut host, &samples);
        host.play(&samples, &[64]);
    }
    assert_eq!(heap_calls(), 0);
}

#[test]
fn swaps_of_the_onset_method_make_no_heap_call_in_callbacks() {
    let mut host = Host::new();
    host.activate(48_000.0, 64, 1, ProcessMode::Realtime);
    let samples = tones(48_000.0, 3, 0.08);
    for method in ["flux", "mkl", "flux"] {
        let _folder = host.choose_c_with_onset(method);
        play_until_settled(&mut host, &samples);
        host.play(&samples, &[64]);
        let settings = &host.plugin.shared().params;
        host::set(
            &settings.sensitivity,
            60.0 - settings.sensitivity.value() / 5.0,
        );
        host.play(&samples, &[64]);
        let error = host.plugin.shared().status().model_error.clone();
        assert_eq!(error, None);
    }
    let swaps = &host.plugin.shared().telemetry.counters.swaps;
    assert_eq!(swaps.load(Relaxed), 3);
    assert_eq!(heap_calls(), 0);
}

#[test]
fn teaching_makes_no_heap_call_in_callbacks() {
    let samples = tones(48_000.0, 3, 0.08);
    for model in [ModelChoice::C, ModelChoice::B, ModelChoice::Tocco] {
        let mut host = Host::new();
        host.choose(model, EngineChoice::Native);
        host.activate(48_000.0, 64, 1, ProcessMode::Realtime);
        for command in [
            Command::Teach(Some(2)),
            Command::Teach(None),
            Command::Mask {
                class: 0,
                masked: true,
            },
            Command::Undo,
            Command::Reset,
        ] {
            host.plugin.shared().calibrate(command);
            host.play(&samples, &[64]);
            play_until_settled(&mut host, &samples);
            host.play(&samples, &[64]);
        }
        let swaps = &host.plugin.shared().telemetry.counters.swaps;
        assert!(swaps.load(Relaxed) > 2);
        assert_eq!(heap_calls(), 0, "{model:?}");
    }
}

#[test]
fn voices_controllers_and_lessons_make_no_heap_call_in_callbacks() {
    let samples = &GUITAR[..4 * 48_000];
    for mode in [ProcessMode::Realtime, ProcessMode::Offline] {
        let mut host = Host::new();
        let shared = host.plugin.shared().clone();
        let params = &shared.params;
        host::set(&params.voices.voices, -6.0);
        host::set(&params.voices.body, true);
        host::set(&params.cross_fire, 30);
        let control = &params.control;
        for (param, number) in [
            (&control.probability, 20),
            (&control.axis, 30),
            (&control.brightness, 31),
            (&control.level, 32),
        ] {
            host::set(param, number);
        }
        for technique in &params.techniques.of_class {
            host::set(&technique.length, 0);
            host::set(&technique.hold, 40);
        }
        host.activate(48_000.0, 512, 2, mode);
        let mut altered = 0;
        for step in [Step::Soft, Step::Hard, Step::Done, Step::Off] {
            host::set(&params.velocity_lesson, step);
            for smoothing in [0, 80] {
                host::set(&control.smoothing, smoothing);
                for block in samples.chunks(512) {
                    let mut sound = block.to_vec();
                    host.block(&mut sound);
                    altered += usize::from(sound != block);
                }
            }
            host.plugin.reset();
        }
        // Another rate, another bank.
        host.activate(44_100.0, 512, 2, mode);
        for block in samples.chunks(512) {
            host.block(&mut block.to_vec());
        }
        assert_eq!(heap_calls(), 0, "{mode:?}");
        assert!(altered > 100, "no voice sounded");
        let controller = |(_, event): &&host::Sent| matches!(event, NoteEvent::MidiCC { .. });
        assert!(host.sent().iter().filter(controller).count() > 100);
    }
}

#[test]
fn sounds_of_the_users_come_and_go_without_a_heap_call_in_callbacks() {
    let folder = tempfile::tempdir().unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    for name in ["kick 1.wav", "kick 2.wav", "tom.wav", "palm-mute v60.wav"] {
        let mut wav = hound::WavWriter::create(folder.path().join(name), spec).unwrap();
        for _ in 0..44_100 {
            wav.write_sample(8_192i16).unwrap();
        }
        wav.finalize().unwrap();
    }
    let samples = &GUITAR[..4 * 48_000];
    let mut host = Host::new();
    let shared = host.plugin.shared().clone();
    let params = &shared.params;
    host::set(&params.voices.voices, -6.0);
    host.activate(48_000.0, 512, 2, ProcessMode::Realtime);
    for path in [folder.path().to_str().unwrap(), "", "/nowhere"] {
        params.choose_sounds(path.to_owned());
        for block in samples.chunks(512) {
            host.block(&mut block.to_vec());
        }
        let start = Instant::now();
        while !shared.is_settled() {
            assert!(start.elapsed() < Duration::from_secs(10), "{path}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let error = shared.status().sounds_error.clone();
        assert_eq!(error.is_some(), path == "/nowhere", "{error:?}");
        for block in samples.chunks(512) {
            host.block(&mut block.to_vec());
        }
    }
    assert_eq!(heap_calls(), 0);
}

#[test]
fn a_lesson_whose_sound_is_kept_makes_no_heap_call_in_callbacks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tocco.toml");
    let text = "[lesson]\nrecord = { folder = \"takes\", player = \"AnnAri\" }\n";
    let mut host = Host::new();
    host.plugin = Tocco::configured(Configuration::parse(text, &file));
    let shared = host.plugin.shared().clone();
    host.activate(48_000.0, 512, 1, ProcessMode::Realtime);
    shared.calibrate(Command::Teach(Some(2)));
    let mut samples = GUITAR[..6 * 48_000].to_vec();
    for block in samples.chunks_mut(512) {
        host.block(block);
        // As fast as somebody plays: the queue is emptied meanwhile.
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(heap_calls(), 0);
    drop(host);
    let written = folder.path().join("takes").read_dir().unwrap().count();
    assert!(written >= 2, "a recording and its labels: {written}");
}

#[test]
fn the_counter_counts() {
    // A planted allocation, through the same path.
    let before = heap_calls();
    host::counted(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!(heap_calls() - before, 2);
}
