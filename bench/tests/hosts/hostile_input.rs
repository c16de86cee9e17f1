//! Input that nobody plays: it must neither stop the plugin nor linger in it.

use std::iter::repeat;

use tocco_bench::plugin_host::{MidiMessage, MidiOut, PluginStream, StreamFormat};
use tocco_bench::sound::Sound;

use crate::playing::{Bundled, PERFORMANCE, format, in_both_hosts, notes, play, play_on};

in_both_hosts!(
    not_a_number,
    infinity,
    both_infinities_and_huge_values,
    silence,
    a_constant,
    full_scale_noise,
    denormal_numbers,
);

const RATE: usize = 48_000;

/// How long each lasts, seconds: twice as long as anything here remembers. Detectors and features reach back
/// some tenths of a second, the surroundings that tell foreign sounds from notes 6 s
/// (`recognizer/src/rejection.rs`); what is learnt by listening goes by notes, not by time.
const HOSTILE_S: usize = 12;

/// The notes of `midi`, which begins at `start`, by their places from there.
fn notes_since(start: u64, midi: &[MidiOut]) -> Vec<(u64, u8)> {
    let notes = notes(midi).into_iter();
    notes
        .map(|(position, key)| (position - start, key))
        .collect()
}

/// Plays [`HOSTILE_S`] of `sample(index)`, a second of silence, and the performance, which must then
/// be heard as by a fresh instance.
fn survives<H: Bundled>(sample: impl Fn(usize) -> f32) {
    teaches_no_nonsense::<H>(&sample);
    let mut host = H::steady();
    let fresh = notes(&play(
        &mut host,
        &PERFORMANCE,
        StreamFormat::PAPER,
        repeat(64),
    ));

    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    play_on(
        &mut stream,
        &sound((0..HOSTILE_S * RATE).map(sample).collect()),
        repeat(64),
    );
    play_on(&mut stream, &sound(vec![0.0; RATE]), repeat(64));
    let start = stream.position();
    let midi = play_on(&mut stream, &PERFORMANCE, repeat(64));
    host.deactivate(stream);
    let heard = notes_since(start, &midi);
    assert_eq!(heard, fresh);
}

/// The same with an instance that learns while it plays: it still hears every note, and is as sure
/// of itself as can be. If nothing of all that was taken for a note, it hears them as ever.
fn teaches_no_nonsense<H: Bundled>(sample: impl Fn(usize) -> f32) {
    let mut host = H::fresh();
    let format = format(&PERFORMANCE, 64, true);
    let fresh = notes(&play(&mut host, &PERFORMANCE, format, repeat(64)));

    let mut stream = host.activate(format).unwrap();
    let mut hostile: Vec<f32> = (0..HOSTILE_S * RATE).map(sample).collect();
    hostile.extend(vec![0.0; RATE]);
    let before = notes(&play_on(&mut stream, &sound(hostile), repeat(64)));
    let start = stream.position();
    let midi = play_on(&mut stream, &PERFORMANCE, repeat(64));
    host.deactivate(stream);
    let heard = notes_since(start, &midi);
    let positions = |notes: &[(u64, u8)]| notes.iter().map(|note| note.0).collect::<Vec<_>>();
    assert_eq!(positions(&heard), positions(&fresh));
    if before.is_empty() {
        assert_eq!(heard, fresh);
    }
    let pressures = midi.iter().filter_map(|event| match event.message {
        MidiMessage::PolyPressure(pressure) => Some(pressure),
        _ => None,
    });
    let pressures: Vec<f32> = pressures.collect();
    assert_eq!(pressures.len(), 8 * heard.len());
    for note in pressures.chunks(8) {
        let sum: f32 = note.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3, "{note:?}");
    }
}

fn sound(samples: Vec<f32>) -> Sound {
    Sound {
        source: "hostile input".to_owned(),
        sample_rate: RATE as u32,
        channels: vec![samples],
        played: Vec::new(),
        labels: Vec::new(),
    }
}

fn not_a_number<H: Bundled>() {
    survives::<H>(|_| f32::NAN);
}

fn infinity<H: Bundled>() {
    survives::<H>(|_| f32::INFINITY);
}

fn both_infinities_and_huge_values<H: Bundled>() {
    let values = [f32::INFINITY, 1e38, f32::NEG_INFINITY, f32::NAN, -1e38, 0.5];
    survives::<H>(|index| values[index % values.len()]);
}

fn silence<H: Bundled>() {
    survives::<H>(|_| 0.0);
}

fn a_constant<H: Bundled>() {
    survives::<H>(|_| 0.7);
}

fn full_scale_noise<H: Bundled>() {
    // A multiplicative hash of the index is noise enough, and the same in each run.
    survives::<H>(|index| {
        let hash = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 23) as f32
            - 1.0
    });
}

fn denormal_numbers<H: Bundled>() {
    survives::<H>(|index| f32::from_bits(1 + index as u32 % 1000));
}
