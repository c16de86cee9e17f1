//! Renderings that the host does not announce: it activates in real time and then calls as fast as
//! it can. What comes of them is the same every time.

mod host;

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use host::{Host, Sent, set, tones};
use nice_plug::prelude::*;
use tocco::params::{EngineChoice, ModelChoice};
use tocco_dsp::synth::Performance;
use tocco_recognizer::ticks::Ticks;

/// Keeps a processor core busy until dropped.
struct Load(std::sync::Arc<AtomicBool>);

impl Load {
    fn on(threads: usize) -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        for _ in 0..threads {
            let stop = std::sync::Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Whether a rendering can be told from real time here.
fn can_tell() -> bool {
    let can = Ticks::calibrated().is_some();
    if !can {
        eprintln!("skipped: this processor has no counter that runs at one speed");
    }
    can
}

/// All that the plugin sends when `samples` are rendered in blocks of `block`, with a host that now
/// and then is held up; and what the plugin's counters say.
fn rendered(
    model: ModelChoice,
    mode: ProcessMode,
    samples: &[f32],
    block: usize,
    held_up: u32,
) -> (Vec<Sent>, [u64; 6]) {
    let mut host = Host::new();
    host.choose(model, EngineChoice::Native);
    set(&host.plugin.shared().params.correct, true);
    host.activate(48_000.0, block as u32, 1, mode);
    let mut random = held_up;
    for part in samples.chunks(block * 16) {
        host.play(part, &[block]);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if held_up > 0 && random >> 28 == 0 {
            std::thread::sleep(Duration::from_millis(u64::from(random >> 8 & 31)));
        }
    }
    let counters = &host.plugin.shared().telemetry.counters;
    let counts = [
        &counters.onsets,
        &counters.first.results,
        &counters.second.decisions.results,
        &counters.second.decisions.abandoned,
        &counters.over_deadline,
        &counters.learned,
    ];
    let counts = counts.map(|count| count.load(Relaxed));
    (host.sent().to_vec(), counts)
}

#[test]
fn a_rendering_in_real_time_mode_is_the_same_every_time() {
    if !can_tell() {
        return;
    }
    // It begins in the middle of the playing: the very first notes count.
    let samples = Performance::demo(3).samples[..10 * 48_000].to_vec();
    for model in [
        ModelChoice::A,
        ModelChoice::Tocco,
        ModelChoice::ToccoSure,
        ModelChoice::ToccoLate,
    ] {
        for block in [64, 256, 1024, 4096] {
            let render = |held_up| rendered(model, ProcessMode::Realtime, &samples, block, held_up);
            let (sent, counts) = render(0);
            assert!(counts[1] >= 8, "{counts:?}");
            assert_eq!(counts[0], counts[1], "every onset is answered");
            for held_up in 1..4 {
                let _load = (held_up == 3).then(|| Load::on(2));
                let (again, counts_again) = render(held_up);
                assert_eq!(counts_again, counts, "{model:?} in blocks of {block}");
                assert_eq!(again, sent, "{model:?} in blocks of {block}");
            }
        }
    }
}

#[test]
fn after_its_beginning_it_is_what_an_announced_rendering_is() {
    if !can_tell() {
        return;
    }
    // Nothing is played in the first 0.3 s, where the pace is not known yet.
    let mut samples = vec![0.0; 14_400];
    samples.extend(tones(48_000.0, 12, 0.15));
    for model in [ModelChoice::A, ModelChoice::Tocco, ModelChoice::ToccoSure] {
        for block in [64, 512, 4096] {
            let render = |mode| rendered(model, mode, &samples, block, 0);
            let offline = render(ProcessMode::Offline);
            assert_eq!(offline.1[0], 12);
            assert_eq!(render(ProcessMode::Realtime), offline, "{model:?}, {block}");
        }
    }
}

#[test]
fn in_real_time_nothing_waits() {
    let samples = tones(48_000.0, 6, 0.15);
    let mut host = Host::new();
    host.choose(ModelChoice::A, EngineChoice::Native);
    host.activate(48_000.0, 256, 1, ProcessMode::Realtime);
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    for (number, block) in samples.chunks(256).enumerate() {
        let due = Duration::from_secs_f64(256.0 * number as f64 / 48_000.0);
        if let Some(early) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(early);
        }
        // A model that takes its time to load is no reason to wait either.
        if number == 60 {
            host.choose(ModelChoice::B, EngineChoice::Native);
        }
        let began = Instant::now();
        host.play(block, &[256]);
        // The first callbacks touch everything for the first time.
        if number > 38 {
            longest = longest.max(began.elapsed());
        }
    }
    let counters = &host.plugin.shared().telemetry.counters;
    println!("longest callback {longest:?}");
    assert_eq!(counters.onsets.load(Relaxed), 6);
    assert_eq!(counters.first.results.load(Relaxed), 6);
    assert_eq!(counters.swaps.load(Relaxed), 1);
    // Generous: the machine does other things as well, and a wait for a model takes longer.
    assert!(longest < Duration::from_millis(30), "{longest:?}");
}

#[test]
fn a_model_that_is_chosen_at_the_first_block_is_there_before_the_first_notes() {
    if !can_tell() {
        return;
    }
    // As Sushi does it: the parameters of its initial state come with the first block.
    let mut samples = vec![0.0; 48_000];
    samples.extend(tones(48_000.0, 10, 0.15));
    let heard_by = |chosen: ModelChoice| {
        let mut host = Host::new();
        host.activate(48_000.0, 64, 1, ProcessMode::Realtime);
        host.choose(chosen, EngineChoice::Native);
        host.play(&samples, &[64]);
        let counters = &host.plugin.shared().telemetry.counters;
        assert_eq!(counters.swaps.load(Relaxed), 1);
        host.sent().to_vec()
    };
    for chosen in [ModelChoice::A, ModelChoice::B, ModelChoice::ToccoLate] {
        let expected = {
            let mut host = Host::new();
            host.choose(chosen, EngineChoice::Native);
            host.activate(48_000.0, 64, 1, ProcessMode::Offline);
            host.play(&samples, &[64]);
            assert!(host.notes().len() >= 9);
            host.sent().to_vec()
        };
        assert_eq!(heard_by(chosen), expected, "{chosen:?}");
    }
}
