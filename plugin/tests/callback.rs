//! The plugin's callback, driven as by a host.

mod host;

use std::sync::atomic::Ordering::Relaxed;

use host::{Host, STORMS, set, tones};
use nice_plug::prelude::*;
use tocco::params::{EngineChoice, InputSide, ModelChoice};

fn listening(model: ModelChoice, rate: f32, max_block: u32, mode: ProcessMode) -> Host {
    let mut host = Host::new();
    host.choose(model, EngineChoice::Native);
    host.activate(rate, max_block, 1, mode);
    host
}

#[test]
fn the_same_playing_gives_the_same_midi_at_every_block_size() {
    const NOTES: usize = 21;
    for (model, mode) in [
        (ModelChoice::C, ProcessMode::Realtime),
        (ModelChoice::A, ProcessMode::Offline),
        (ModelChoice::Tocco, ProcessMode::Offline),
    ] {
        let listening = |max_block| {
            let host = listening(model, 48_000.0, max_block, mode);
            set(&host.plugin.shared().params.correct, true);
            host
        };
        let samples = tones(48_000.0, NOTES, 0.15);
        let mut expected = listening(64);
        expected.play(&samples, &[64]);
        let counters = &expected.plugin.shared().telemetry.counters;
        assert_eq!(counters.first.results.load(Relaxed), NOTES as u64);
        let corrected = counters.second.changed.load(Relaxed) as usize;
        assert!(corrected == 0 || model == ModelChoice::Tocco);
        assert_eq!(expected.notes().len(), NOTES + corrected);
        for blocks in [
            &[1][..],
            &[63],
            &[65],
            &[512],
            &[8192],
            &[3, 64, 1000, 5000],
        ] {
            let mut other = listening(8192);
            other.play(&samples, blocks);
            assert_eq!(
                other.sent(),
                expected.sent(),
                "{model:?} in blocks of {blocks:?}"
            );
        }
    }
}

#[test]
fn every_rate_and_layout_hears_every_note_at_its_time() {
    for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        let samples = tones(rate, 8, 0.15);
        let mut seconds: Vec<Vec<f64>> = Vec::new();
        for (channels, blocks) in [(1, [64]), (2, [500])] {
            let mut host = Host::new();
            host.activate(rate as f32, 8192, channels, ProcessMode::Realtime);
            host.play(&samples, &blocks);
            seconds.push(host.notes().iter().map(|n| n.0 as f64 / rate).collect());
        }
        assert_eq!(seconds[0], seconds[1]);
        assert_eq!(seconds[0].len(), 8, "at {rate} Hz");
        for (note, time) in seconds[0].iter().enumerate() {
            let onset = 0.075 + 0.15 * note as f64;
            let latency = time - onset;
            assert!(
                (0.005..0.020).contains(&latency),
                "{latency} s at {rate} Hz"
            );
        }
    }
}

#[test]
fn stereo_passes_each_channel_untouched() {
    let mut host = Host::new();
    host.activate(48_000.0, 8192, 2, ProcessMode::Realtime);
    let mut left = tones(48_000.0, 1, 0.05);
    let mut right: Vec<f32> = left.iter().map(|s| -0.3 * s).collect();
    left[100] = f32::NAN;
    right[200] = f32::NEG_INFINITY;
    let before = (left.clone(), right.clone());
    host.stereo(&mut left, &mut right);
    let bits = |samples: &[f32]| samples.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&left), bits(&before.0));
    assert_eq!(bits(&right), bits(&before.1));
}

#[test]
fn a_note_is_an_on_eight_pressures_and_an_off() {
    let mut host = listening(ModelChoice::C, 48_000.0, 64, ProcessMode::Realtime);
    host.play(&tones(48_000.0, 1, 0.3), &[64]);
    let sent = host.sent();
    let (
        begin,
        NoteEvent::NoteOn {
            voice_id,
            key,
            velocity,
            ..
        },
    ) = sent[0]
    else {
        panic!("{:?}", sent[0])
    };
    assert!((0.1..1.0).contains(&velocity));
    let mut sum = 0.0;
    for (class, (position, event)) in sent[1..9].iter().enumerate() {
        let NoteEvent::PolyPressure {
            voice_id: id,
            key,
            pressure,
            ..
        } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((*position, *id), (begin, voice_id));
        assert_eq!(key.number(), Some(36 + class as u8));
        sum += pressure;
    }
    assert!((sum - 1.0).abs() < 1e-5);
    let (
        end,
        NoteEvent::NoteOff {
            voice_id: id,
            key: off,
            ..
        },
    ) = sent[9]
    else {
        panic!("{:?}", sent[9])
    };
    assert_eq!((end - begin, id, off), (4_800, voice_id, key));
    assert_eq!(sent.len(), 10);
}

#[test]
fn a_second_decision_makes_no_midi_unless_it_is_to_correct() {
    let samples = tones(48_000.0, 10, 0.15);
    let sent = |second: bool, correct: bool, gate: f32| {
        let mut host = Host::new();
        let params = &host.plugin.shared().params;
        set(&params.second, second);
        set(&params.correct, correct);
        set(&params.gate, gate);
        // The first decision would learn from the second.
        set(&params.adapt, false);
        host.activate(48_000.0, 64, 1, ProcessMode::Offline);
        host.play(&samples, &[64]);
        let amended = host
            .plugin
            .shared()
            .telemetry
            .counters
            .second
            .decisions
            .results
            .load(Relaxed);
        assert!(second == (amended >= 8), "{amended} amended");
        host.sent().to_vec()
    };
    for gate in [0.0, 0.5] {
        let before = sent(false, false, gate);
        assert_eq!(sent(true, false, gate), before);
        assert_eq!(sent(false, true, gate), before);
        let corrected = sent(true, true, gate);
        assert!(corrected.len() > before.len());
        // Nothing is missing of what was sent, but for ends that come early.
        let first = before
            .iter()
            .filter(|(_, event)| !matches!(event, NoteEvent::NoteOff { .. }));
        for event in first {
            assert!(corrected.contains(event), "{event:?}");
        }
    }
}

/// Model C in real time or offline with onsets found by `method`.
fn finding(method: &str, mode: ProcessMode) -> Host {
    let mut host = Host::new();
    let _folder = host.choose_c_with_onset(method);
    host.activate(48_000.0, 512, 1, mode);
    assert_eq!(host.plugin.shared().status().model_error, None);
    host
}

#[test]
fn the_settings_act() {
    for method in ["mkl", "flux"] {
        the_settings_act_on(method);
    }
}

fn the_settings_act_on(method: &str) {
    let samples = tones(48_000.0, 6, 0.15);
    let notes = |prepare: &dyn Fn(&mut Host)| {
        let mut host = finding(method, ProcessMode::Realtime);
        prepare(&mut host);
        host.play(&samples, &[512]);
        host.notes()
    };
    let all = notes(&|_| {});
    assert_eq!(all.len(), 6);
    assert_eq!(
        notes(&|host| set(&host.plugin.shared().params.midi, false)),
        []
    );
    assert_eq!(
        notes(&|host| set(&host.plugin.shared().params.gate, 1.0)),
        []
    );
    let slow = notes(&|host| set(&host.plugin.shared().params.minimum_inter_onset, 200.0));
    assert_eq!(slow.len(), 3);
    let deaf = notes(&|host| set(&host.plugin.shared().params.sensitivity, 0.0));
    assert!(deaf.len() < 6);
    let moved = notes(&|host| {
        for note in &host.plugin.shared().params.techniques.of_class {
            set(&note.note, note.note.value() + 24);
        }
    });
    let up: Vec<_> = all.iter().map(|(at, key)| (*at, key + 24)).collect();
    assert_eq!(moved, up);
}

/// Lets every note last so many milliseconds; 0: as long as its string sounds.
fn set_lengths(host: &Host, ms: i32) {
    for technique in &host.plugin.shared().params.techniques.of_class {
        set(&technique.length, ms);
    }
}

fn note_offs(host: &Host) -> usize {
    let off = |event: &NoteEvent<()>| matches!(event, NoteEvent::NoteOff { .. });
    host.sent().iter().filter(|(_, event)| off(event)).count()
}

/// One in which a note sounds that has no end so far.
fn sounding() -> Host {
    let mut host = listening(ModelChoice::C, 48_000.0, 64, ProcessMode::Realtime);
    set_lengths(&host, 0);
    host.play(&tones(48_000.0, 1, 0.3)[..10_000], &[64]);
    assert_eq!((host.notes().len(), note_offs(&host)), (1, 0));
    host
}

#[test]
fn what_is_on_the_other_side_neither_keeps_a_note_alive_nor_brightens_it() {
    let mut tone = tones(48_000.0, 1, 0.3);
    tone.resize(72_000, 0.0);
    let sent = |input: InputSide, level: f32| {
        let mut host = Host::new();
        host.choose(ModelChoice::C, EngineChoice::Native);
        host.activate(48_000.0, 64, 2, ProcessMode::Offline);
        set_lengths(&host, 0);
        let params = &host.plugin.shared().params;
        set(&params.input, input);
        set(&params.control.brightness, 20);
        for samples in tone.chunks(64) {
            let (mut guitar, mut other) = (samples.to_vec(), vec![level; samples.len()]);
            match input {
                InputSide::Right => host.stereo(&mut other, &mut guitar),
                _ => host.stereo(&mut guitar, &mut other),
            }
        }
        assert_eq!((host.notes().len(), note_offs(&host)), (1, 1), "{input:?}");
        let ends = |event: &NoteEvent<()>| matches!(event, NoteEvent::NoteOff { .. });
        let end = host.sent().iter().find(|(_, event)| ends(event)).unwrap().0;
        assert!(end - host.notes()[0].0 < 48_000, "{end}");
        host.sent().to_vec()
    };
    for input in [InputSide::Left, InputSide::Right] {
        assert_eq!(sent(input, 0.3), sent(input, 0.0), "{input:?}");
    }
}

#[test]
fn a_note_that_lasts_as_long_as_its_string_does_so_when_that_is_set_no_more() {
    let mut host = sounding();
    set_lengths(&host, 100);
    host.play(&[0.0; 48_000], &[64]);
    assert_eq!(note_offs(&host), 1);
}

#[test]
fn what_sounds_ends_where_the_sound_passes_through_unheard_from_then_on() {
    let mut host = sounding();
    host.activate(384_000.0, 64, 1, ProcessMode::Realtime);
    host.block(&mut [0.25; 64]);
    assert_eq!((host.sent().len(), note_offs(&host)), (1, 1));
    host.block(&mut [0.25; 64]);
    assert_eq!(host.sent().len(), 1, "once");
}

#[test]
fn a_host_that_takes_no_events_is_counted_and_no_note_hangs() {
    let mut host = listening(ModelChoice::C, 48_000.0, 64, ProcessMode::Realtime);
    let samples = tones(48_000.0, 3, 0.3);
    let third = samples.len() / 3;
    host.play(&samples[..third + 4_000], &[64]);
    let begun = host.notes().len();
    assert!(begun > 0);
    host.refuse_events(true);
    host.play(&samples[third + 4_000..2 * third], &[64]);
    host.refuse_events(false);
    host.play(&samples[2 * third..], &[64]);
    assert_eq!(note_offs(&host), host.notes().len());
    let counters = &host.plugin.shared().telemetry.counters;
    let results = counters.first.results.load(Relaxed) as usize;
    assert_eq!(results, 3);
    assert_eq!(
        counters.midi_refused.load(Relaxed) as usize,
        results - host.notes().len()
    );
}

#[test]
fn storms_leave_no_trace() {
    for method in ["mkl", "flux"] {
        storms_leave_no_trace_with(method);
    }
}

fn storms_leave_no_trace_with(method: &str) {
    let samples = tones(48_000.0, 5, 0.15);
    let mut calm = finding(method, ProcessMode::Offline);
    calm.play(&samples, &[512]);
    let expected: Vec<u8> = calm.notes().iter().map(|note| note.1).collect();
    assert_eq!(expected.len(), 5);

    for storm in STORMS {
        let mut host = finding(method, ProcessMode::Offline);
        let sound: Vec<f32> = (0..48_000).map(storm).collect();
        host.play(&sound, &[512]);
        // Time for the storm to leave the detectors' and our history.
        host.play(&[0.0; 9_600], &[512]);
        let before = host.notes().len();
        host.play(&samples, &[512]);
        let heard: Vec<u8> = host.notes()[before..].iter().map(|note| note.1).collect();
        assert_eq!(heard, expected);
        let counters = &host.plugin.shared().telemetry.counters;
        assert_eq!(
            counters.onsets.load(Relaxed),
            counters.first.results.load(Relaxed),
            "nothing is stuck"
        );
    }
}

#[test]
fn nan_and_storms_do_not_reach_second_decisions() {
    let mut host = Host::new();
    host.activate(48_000.0, 512, 1, ProcessMode::Offline);
    let params = &host.plugin.shared().params;
    set(&params.correct, true);
    let sound = |i: usize| match i / 4_800 % 3 {
        0 => f32::NAN,
        1 => f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9)),
        _ => f32::INFINITY,
    };
    let mut samples = tones(48_000.0, 4, 0.1);
    let storm: Vec<f32> = (0..24_000).map(sound).collect();
    samples.extend(&storm);
    samples.extend(tones(48_000.0, 4, 0.1));
    samples.extend([0.0; 12_000]);
    host.play(&samples, &[512]);
    for (_, event) in host.sent() {
        if let NoteEvent::PolyPressure { pressure, .. } = event {
            assert!((0.0..=1.0).contains(pressure), "{event:?}");
        }
    }
    let counters = &host.plugin.shared().telemetry.counters;
    let onsets = counters.onsets.load(Relaxed);
    assert!(onsets >= 8);
    assert_eq!(counters.first.results.load(Relaxed), onsets);
    assert_eq!(counters.second.decisions.results.load(Relaxed), onsets);
}

#[test]
fn a_missing_engine_is_said_and_the_model_goes_on() {
    let mut host = Host::new();
    host.choose(ModelChoice::User, EngineChoice::Native);
    host.activate(48_000.0, 512, 1, ProcessMode::Offline);
    let error = host.plugin.shared().status().model_error.clone();
    assert!(error.is_some_and(|error| error.contains("no folder is set")));
    host.play(&tones(48_000.0, 2, 0.15), &[512]);
    assert_eq!(host.notes().len(), 2);
    // Offline a new choice counts from the next block on.
    host.choose(ModelChoice::B, EngineChoice::Native);
    host.play(&tones(48_000.0, 2, 0.15), &[512]);
    assert_eq!(host.notes().len(), 4);
    let status = host.plugin.shared().status();
    assert_eq!(status.model_error, None);
    assert_eq!(status.models.back().map(|info| info.id()), Some("b"));
}
