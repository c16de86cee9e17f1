//! What each technique is set to by itself, and which notes are suppressed.

use std::collections::BTreeSet;
use std::iter::repeat;
use std::time::{Duration, Instant};

use tocco_bench::plugin_host::{Automated, MidiMessage, MidiOut, PluginStream, StreamFormat};
use tocco_bench::sound::Sound;
use tocco_bench::state_document::{document, with_document};

use crate::listening::{check_same, without_ids};
use crate::playing::{Bundled, PERFORMANCE, in_both_hosts, play, play_on};

in_both_hosts!(
    a_technique_that_is_not_sent_is_missing_and_nothing_else,
    channel_and_length_are_a_techniques_own,
    a_note_can_last_as_long_as_it_sounds,
    a_technique_has_its_own_gate,
    double_hits_are_suppressed_and_counted,
    cross_hits_are_suppressed_and_counted,
    a_state_from_before_plays_as_it_did,
);

/// Level of the softest velocity as delivered, dB full scale.
const SOFTEST_DB: f32 = -54.0;

/// An instance that hears the same twice.
fn steady<H: Bundled>() -> H {
    let mut host = H::steady();
    host.set_text("Second decision", "off").unwrap();
    host
}

fn hear<H: Bundled>(host: &mut H, sound: &Sound) -> Vec<MidiOut> {
    without_ids(&play(host, sound, StreamFormat::PAPER, repeat(64)))
}

fn velocity(event: &MidiOut) -> Option<f32> {
    match event.message {
        MidiMessage::NoteOn { velocity, .. } => Some(velocity),
        _ => None,
    }
}

fn ons(midi: &[MidiOut]) -> Vec<MidiOut> {
    let on = |event: &&MidiOut| velocity(event).is_some();
    midi.iter().filter(on).copied().collect()
}

/// The key that is played most, and the name of its technique.
fn favourite(midi: &[MidiOut]) -> (u8, &'static str) {
    let count = |key: u8| ons(midi).iter().filter(|on| on.key == key).count();
    let key = (36..44).max_by_key(|key| count(*key)).unwrap();
    assert!(count(key) > 2);
    (
        key,
        tocco_dsp::Technique::ALL[usize::from(key) - 36].label(),
    )
}

/// The performance at twice the speed: notes follow each other closely.
fn hurried() -> Sound {
    let mut sound = PERFORMANCE.clone();
    let notes: Vec<usize> = PERFORMANCE
        .played
        .iter()
        .map(|note| (note.time_s * 48_000.0) as usize)
        .collect();
    // Each note's first 45 ms, one after the other.
    let samples = &PERFORMANCE.channels[0];
    sound.channels[0] = vec![0.0; 4_800];
    for start in notes {
        let from = start.saturating_sub(240);
        sound.channels[0].extend_from_slice(&samples[from..from + 2_160]);
    }
    sound.append_silence(0.25);
    let rest = sound.len().next_multiple_of(64) - sound.len();
    sound.append_silence(rest as f64 / 48_000.0);
    sound
}

/// The text of a parameter, after the service thread had time.
fn counted<H: Bundled>(host: &mut H, name: &str, expected: usize) {
    let start = Instant::now();
    while host.text(name).unwrap() != expected.to_string() {
        let found = host.text(name).unwrap();
        let patience = start.elapsed() < Duration::from_secs(5);
        assert!(patience, "{name}: {found} instead of {expected}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_technique_that_is_not_sent_is_missing_and_nothing_else<H: Bundled>() {
    let mut host = steady::<H>();
    let all = hear(&mut host, &PERFORMANCE);
    let (key, name) = favourite(&all);
    host.set_text(&format!("Send {name}"), "off").unwrap();
    let heard = hear(&mut host, &PERFORMANCE);
    assert!(heard.iter().all(|event| event.key != key));
    let others = |midi: &[MidiOut]| -> Vec<MidiOut> {
        let other = |on: &MidiOut| on.key != key;
        ons(midi).into_iter().filter(other).collect()
    };
    assert_eq!(ons(&heard), others(&all));
    // Seven pressures for each that is left.
    let pressure = |event: &&MidiOut| matches!(event.message, MidiMessage::PolyPressure(_));
    assert_eq!(heard.iter().filter(pressure).count(), 7 * ons(&heard).len());
}

fn channel_and_length_are_a_techniques_own<H: Bundled>() {
    let mut host = steady::<H>();
    let all = hear(&mut host, &PERFORMANCE);
    let (key, name) = favourite(&all);
    host.set_text(&format!("Channel {name}"), "10").unwrap();
    host.set_text(&format!("Length {name}"), "30 ms").unwrap();
    let heard = hear(&mut host, &PERFORMANCE);
    assert_eq!(heard.len(), all.len());
    for event in &heard {
        assert_eq!(event.channel, if event.key == key { 9 } else { 0 });
    }
    for on in ons(&heard) {
        let off = |event: &&MidiOut| {
            event.position >= on.position
                && (event.key, event.message) == (on.key, MidiMessage::NoteOff)
        };
        let off = heard.iter().find(off).unwrap().position;
        let length = if on.key == key { 1_440 } else { 4_800 };
        assert!(off <= on.position + length);
        if on.key == key {
            assert_eq!(off, on.position + length);
        }
    }
}

fn a_note_can_last_as_long_as_it_sounds<H: Bundled>() {
    let mut host = steady::<H>();
    let all = hear(&mut host, &PERFORMANCE);
    for technique in tocco_dsp::Technique::ALL {
        let name = format!("Length {technique}");
        host.set_text(&name, "while it sounds").unwrap();
        assert_eq!(host.text(&name).unwrap(), "while it sounds");
    }
    let heard = hear(&mut host, &PERFORMANCE);
    assert_eq!(ons(&heard), ons(&all));
    let offs: Vec<MidiOut> = heard
        .iter()
        .filter(|event| event.message == MidiMessage::NoteOff)
        .copied()
        .collect();
    assert_eq!(offs.len(), ons(&heard).len(), "a note hangs");
    let samples = &PERFORMANCE.channels[0];
    let mut quiet = 0;
    for on in ons(&heard) {
        let off = offs
            .iter()
            .find(|off| off.key == on.key && off.position > on.position)
            .unwrap()
            .position as usize;
        // At the end it is 24 dB softer than its peak, unless another note of it ended it.
        let peak_db = SOFTEST_DB * (1.0 - velocity(&on).unwrap());
        let loudest = samples[off..(off + 200).min(samples.len())]
            .iter()
            .fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
        quiet += usize::from(20.0 * loudest.log10() < peak_db - 20.0);
    }
    assert!(2 * quiet > offs.len(), "{quiet} of {}", offs.len());
    let other_blocks = without_ids(&play(
        &mut host,
        &PERFORMANCE,
        StreamFormat {
            max_block: 512,
            ..StreamFormat::PAPER
        },
        repeat(512),
    ));
    check_same(&other_blocks, &heard, "blocks of 512");
}

fn a_technique_has_its_own_gate<H: Bundled>() {
    let mut host = steady::<H>();
    let all = hear(&mut host, &PERFORMANCE);
    let (key, name) = favourite(&all);
    host.set_text(&format!("Gate {name}"), "1").unwrap();
    let sure: Vec<MidiOut> = ons(&all)
        .into_iter()
        .filter(|on| {
            on.key != key
                || all.iter().any(|event| {
                    (event.position, event.key) == (on.position, key)
                        && event.message == MidiMessage::PolyPressure(1.0)
                })
        })
        .collect();
    assert!(sure.len() < ons(&all).len());
    assert_eq!(ons(&hear(&mut host, &PERFORMANCE)), sure);
    counted(&mut host, "Double hits", 0);
}

/// What is left of `notes` by the rules, from the answers' places: the wait from onset to answer is
/// the same for all.
fn predicted(notes: &[MidiOut], hold: u64, cross: u64) -> Vec<MidiOut> {
    let mut played: Vec<MidiOut> = Vec::new();
    for note in notes {
        let level = |note: &MidiOut| SOFTEST_DB * (1.0 - velocity(note).unwrap());
        let since = |other: &MidiOut| note.position - other.position;
        let last = |key: u8| played.iter().rev().find(|other| other.key == key);
        let double = last(note.key).is_some_and(|other| since(other) < hold);
        let crossed = (36..44).filter(|key| *key != note.key).any(|key| {
            last(key).is_some_and(|other| since(other) < cross && level(note) <= level(other) + 6.0)
        });
        if !double && !crossed {
            played.push(*note);
        }
    }
    played
}

/// How far `times` are at least from each time between two of `notes`, so that no rounding matters.
fn is_clear(notes: &[MidiOut], time: u64) -> bool {
    notes.iter().enumerate().all(|(index, note)| {
        notes[..index]
            .iter()
            .all(|other| (note.position - other.position).abs_diff(time) > 192)
    })
}

fn double_hits_are_suppressed_and_counted<H: Bundled>() {
    let mut host = steady::<H>();
    let sound = hurried();
    let all = ons(&hear(&mut host, &sound));
    assert!(all.len() > 10, "{}", all.len());
    let ms = (200..500)
        .find(|ms| is_clear(&all, ms * 48))
        .expect("a hold that no two notes are apart");
    for technique in tocco_dsp::Technique::ALL {
        host.set_text(&format!("Hold {technique}"), &format!("{ms} ms"))
            .unwrap();
    }
    let expected = predicted(&all, ms * 48, 0);
    assert!(expected.len() < all.len());
    assert_eq!(ons(&hear(&mut host, &sound)), expected);
    counted(&mut host, "Double hits", all.len() - expected.len());
    counted(&mut host, "Cross hits", 0);
}

fn cross_hits_are_suppressed_and_counted<H: Bundled>() {
    let mut host = steady::<H>();
    let sound = hurried();
    let all = ons(&hear(&mut host, &sound));
    assert!(all.len() > 10, "{}", all.len());
    let ms = (50..100)
        .find(|ms| is_clear(&all, ms * 48))
        .expect("a window that no two notes are apart");
    host.set_text("Cross fire window", &format!("{ms} ms"))
        .unwrap();
    let expected = predicted(&all, 0, ms * 48);
    assert!(expected.len() < all.len());
    assert_eq!(ons(&hear(&mut host, &sound)), expected);
    counted(&mut host, "Cross hits", all.len() - expected.len());
    counted(&mut host, "Double hits", 0);
}

/// The parameters that there were when there was no feel.
const BEFORE: [&str; 16] = [
    "bypass",
    "engine",
    "model",
    "input",
    "sensitivity",
    "interonset",
    "gate",
    "midi",
    "second",
    "correct",
    "adapt",
    "teach",
    "undo",
    "forget",
    "note",
    "use",
];

fn a_state_from_before_plays_as_it_did<H: Bundled>()
where
    H::Stream: Automated,
{
    let mut host = steady::<H>();
    let delivered = hear(&mut host, &PERFORMANCE);
    let state = host.save_state().unwrap();
    let mut saved = document(&state).unwrap();
    let params = saved["params"].as_object_mut().unwrap();
    let now: BTreeSet<String> = params.keys().cloned().collect();
    params.retain(|id, _| {
        let name = id.trim_end_matches(|c: char| c.is_ascii_digit());
        BEFORE.contains(&name.trim_end_matches('_'))
    });
    assert_eq!(params.len(), 14 + 16);
    assert!(now.len() > params.len() + 50);
    let before = with_document(&state, &saved.to_string()).unwrap();

    let mut other = H::fresh();
    other.restore_state(&before).unwrap();
    // Of that it knows nothing, and rejects as delivered.
    other.set_text("Reject foreign sounds", "off").unwrap();
    let mut stream = other.activate(StreamFormat::PAPER).unwrap();
    let midi = without_ids(&play_on(&mut stream, &PERFORMANCE, repeat(64)));
    assert!(stream.position() > 0);
    other.deactivate(stream);
    check_same(&midi, &delivered, "an older state");
    // What those versions sent: velocities from -54 dB on, 100 ms, the first channel.
    for on in ons(&midi) {
        let off = midi.iter().find(|event| {
            event.position > on.position
                && (event.key, event.message) == (on.key, MidiMessage::NoteOff)
        });
        assert!(off.unwrap().position <= on.position + 4_800);
        assert_eq!(on.channel, 0);
    }
}
