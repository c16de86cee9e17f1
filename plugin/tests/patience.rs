//! No call of the host waits for the service longer than is said.

mod host;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use host::{Host, tones};
use nice_plug::params::persist::PersistentField;
use nice_plug::prelude::*;
use tocco::params::{EngineChoice, ModelChoice};
use tocco::service::{END_PATIENCE, HOST_PATIENCE, OFFLINE_PATIENCE, OFFLINE_WAITS};

#[cfg(unix)]
/// Makes a file that nobody ever writes to: to open it for reading is to wait.
fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn timed(what: &str, limit: Duration, f: impl FnOnce()) {
    let start = Instant::now();
    f();
    let taken = start.elapsed();
    if taken > Duration::from_millis(10) {
        println!("{what}: {taken:?}");
    }
    assert!(
        taken < limit + Duration::from_millis(500),
        "{what}: {taken:?}"
    );
}

fn listens(host: &mut Host) {
    let before = host.notes().len();
    host.play(&tones(48_000.0, 3, 0.15), &[64]);
    assert_eq!(host.notes().len() - before, 3);
}

#[test]
#[cfg(unix)]
fn a_manifest_that_is_a_fifo_holds_up_no_call_of_the_host() {
    for mode in [ProcessMode::Realtime, ProcessMode::Offline] {
        let folder = tempfile::tempdir().unwrap();
        fifo(&folder.path().join("model.toml"));
        let mut host = Host::new();
        let params = &host.plugin.shared().params;
        params.user_package.set(folder.path().display().to_string());
        host.choose(ModelChoice::User, EngineChoice::Native);
        timed("activate", HOST_PATIENCE, || {
            host.activate(48_000.0, 64, 1, mode)
        });
        let error = host.plugin.shared().status().model_error.clone();
        let error = error.expect("it says so");
        assert!(error.contains(&*folder.path().to_string_lossy()), "{error}");
        listens(&mut host);
        timed("deactivate", END_PATIENCE, || host.plugin.deactivate());
        // Chosen anew while it runs.
        host.activate(48_000.0, 64, 1, mode);
        host.plugin.shared().load_again();
        listens(&mut host);
        timed("deactivate while it loads", END_PATIENCE, || {
            host.plugin.deactivate()
        });
        timed("the end", END_PATIENCE, || drop(host));
    }
}

#[test]
#[cfg(unix)]
fn a_bounce_does_not_wait_again_and_again_for_what_does_not_come() {
    let folder = tempfile::tempdir().unwrap();
    fifo(&folder.path().join("model.toml"));
    let mut host = Host::new();
    host.activate(48_000.0, 64, 1, ProcessMode::Offline);
    let params = &host.plugin.shared().params;
    params.user_package.set(folder.path().display().to_string());
    host.choose(ModelChoice::User, EngineChoice::Native);
    let all = OFFLINE_PATIENCE * (OFFLINE_WAITS + 1);
    timed("400 blocks", all, || {
        for _ in 0..400 {
            timed("a block", OFFLINE_PATIENCE, || host.play(&[0.0; 64], &[64]));
        }
    });
    assert!(host.plugin.shared().status().model_error.is_some());
    listens(&mut host);
}

/// A folder with so much sound that it takes long to read.
fn large_kit() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 96_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let first = folder.path().join("kick 0.wav");
    let mut wav = hound::WavWriter::create(&first, spec).unwrap();
    for i in 0..96_000 * 29 {
        wav.write_sample((i % 1000) as i16).unwrap();
    }
    wav.finalize().unwrap();
    for i in 1..120 {
        let name = folder.path().join(format!("kick {i}.wav"));
        std::fs::hard_link(&first, name).unwrap();
    }
    folder
}

#[test]
fn a_kit_that_takes_long_to_read_holds_up_no_call_of_the_host() {
    let folder = large_kit();
    for mode in [ProcessMode::Realtime, ProcessMode::Offline] {
        let mut host = Host::new();
        let shared = host.plugin.shared().clone();
        host::set(&shared.params.voices.voices, -6.0);
        let path = folder.path().display().to_string();
        shared.params.choose_sounds(path.clone());
        timed("activate", HOST_PATIENCE, || {
            host.activate(48_000.0, 64, 1, mode)
        });
        assert!(!shared.is_settled(), "it was read at once: it is too small");
        if mode == ProcessMode::Realtime {
            // Models are swapped meanwhile.
            host.choose(ModelChoice::B, EngineChoice::Native);
            let start = Instant::now();
            while shared.status().models.back().unwrap().stages.first.id != "b" {
                assert!(start.elapsed() < Duration::from_secs(10));
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!shared.is_settled());
            // What nobody wants any more stops.
            shared.params.choose_sounds(String::new());
            let start = Instant::now();
            while !shared.is_settled() {
                assert!(start.elapsed() < END_PATIENCE);
                std::thread::sleep(Duration::from_millis(5));
            }
            shared.params.choose_sounds(path);
        }
        // The sounds that it is delivered with are heard meanwhile.
        for block in tones(48_000.0, 3, 0.15).chunks_mut(64) {
            host.block(block);
        }
        assert_eq!(host.notes().len(), 3);
        assert!(!shared.is_settled());
        timed("deactivate while it reads", END_PATIENCE, || {
            host.plugin.deactivate()
        });
        drop(shared);
        timed("the end", END_PATIENCE, || drop(host));
        #[cfg(target_os = "linux")]
        for thread in std::fs::read_dir("/proc/self/task").unwrap() {
            let name = std::fs::read_to_string(thread.unwrap().path().join("comm"));
            assert_ne!(name.unwrap_or_default().trim(), "tocco-sounds");
        }
    }
}

#[test]
fn an_instance_whose_service_was_lost_starts_again() {
    let mut host = Host::new();
    host.choose(ModelChoice::C, EngineChoice::Native);
    let layout = AudioIOLayout {
        main_input_channels: NonZeroU32::new(1),
        main_output_channels: NonZeroU32::new(1),
        ..AudioIOLayout::const_default()
    };
    for rate in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-30] {
        let config = BufferConfig {
            sample_rate: rate,
            min_buffer_size: None,
            max_buffer_size: 64,
            process_mode: ProcessMode::Realtime,
        };
        // Whatever it says, it comes back.
        let _ = host
            .plugin
            .activate(&layout, &config, &mut host::Activating);
    }
    host.activate(48_000.0, 64, 1, ProcessMode::Realtime);
    listens(&mut host);
}

#[test]
fn why_a_users_model_is_not_in_use_is_still_said_after_an_example() {
    let mut host = Host::new();
    host.choose(ModelChoice::User, EngineChoice::Native);
    host.activate(48_000.0, 64, 1, ProcessMode::Offline);
    let said = host.plugin.shared().status().model_error.clone();
    assert!(said.is_some());
    let teach = tocco::calibration::Command::Teach(Some(1));
    host.plugin.shared().calibrate(teach);
    listens(&mut host);
    let patience = Instant::now();
    while host
        .plugin
        .shared()
        .telemetry
        .counters
        .swaps
        .load(std::sync::atomic::Ordering::Relaxed)
        == 0
    {
        assert!(
            patience.elapsed().as_secs() < 30,
            "the example makes another model"
        );
        std::thread::sleep(Duration::from_millis(10));
        host.play(&[0.0; 64], &[64]);
    }
    assert!(host.plugin.shared().status().calibration.examples[1] > 0);
    assert_eq!(host.plugin.shared().status().model_error, said);
    // It goes when something is chosen that runs.
    host.choose(ModelChoice::C, EngineChoice::Native);
    listens(&mut host);
    assert_eq!(host.plugin.shared().status().model_error, None);
}
