//! Controllers that follow the playing.

use std::collections::BTreeMap;
use std::iter::repeat;

use tocco_bench::plugin_host::{MidiMessage, MidiOut, StreamFormat};
use tocco_bench::sound::Sound;

use crate::listening::{check_same, without_ids};
use crate::playing::{Bundled, PERFORMANCE, beginning, in_both_hosts, play, sent_within};

in_both_hosts!(
    as_delivered_there_is_none,
    each_note_has_its_values_before_it_begins,
    what_is_smoothed_goes_there_and_blocks_make_no_difference,
);

/// Number of the first probability's controller.
const PROBABILITY: u8 = 20;
const AXIS: u8 = 30;
const BRIGHTNESS: u8 = 31;
const LEVEL: u8 = 32;

fn controlled<H: Bundled>(smoothing: &str) -> H {
    let mut host = H::steady();
    for (name, text) in [
        ("Second decision", "off"),
        ("CC probability", "CC 20"),
        ("CC axis", "CC 30"),
        ("Axis from", "Kick"),
        ("Axis to", "Tom"),
        ("CC brightness", "CC 31"),
        ("CC level", "CC 32"),
        ("CC channel", "5"),
        ("CC smoothing", smoothing),
    ] {
        host.set_text(name, text).unwrap();
    }
    host
}

fn hear<H: Bundled>(host: &mut H, block: usize) -> Vec<MidiOut> {
    hear_sound(host, &PERFORMANCE, block)
}

fn hear_sound<H: Bundled>(host: &mut H, sound: &Sound, block: usize) -> Vec<MidiOut> {
    let format = StreamFormat {
        max_block: block,
        ..StreamFormat::PAPER
    };
    without_ids(&play(host, sound, format, repeat(block)))
}

fn controller(event: &MidiOut) -> Option<u8> {
    match event.message {
        MidiMessage::Controller(value) => Some(value),
        _ => None,
    }
}

fn notes_alone(midi: &[MidiOut]) -> Vec<MidiOut> {
    let note = |event: &&MidiOut| controller(event).is_none();
    midi.iter().filter(note).copied().collect()
}

fn as_delivered_there_is_none<H: Bundled>() {
    let midi = hear(&mut H::steady(), 64);
    assert!(!midi.is_empty());
    assert_eq!(notes_alone(&midi), midi);
}

fn each_note_has_its_values_before_it_begins<H: Bundled>() {
    let mut plain = H::steady();
    plain.set_text("Second decision", "off").unwrap();
    let delivered = hear(&mut plain, 64);
    let midi = hear(&mut controlled::<H>("0 ms"), 64);
    check_same(&notes_alone(&midi), &delivered, "notes");
    let mut values = BTreeMap::new();
    let (mut notes, mut on_axis, mut brightness) = (0, 0, Vec::new());
    for (index, event) in midi.iter().enumerate() {
        if let Some(value) = controller(event) {
            assert_eq!(event.channel, 4);
            let before = values.insert(event.key, value);
            assert_ne!(before, Some(value), "nothing is sent twice");
        }
        let MidiMessage::NoteOn { velocity, .. } = event.message else {
            continue;
        };
        notes += 1;
        let pressures: Vec<f32> = midi[index + 1..]
            .iter()
            .filter_map(|event| match event.message {
                MidiMessage::PolyPressure(pressure) => Some(pressure),
                _ => None,
            })
            .take(8)
            .collect();
        for (class, pressure) in pressures.iter().enumerate() {
            let expected = (pressure * 127.0).round() as u8;
            assert_eq!(values[&(PROBABILITY + class as u8)], expected);
        }
        let (from, to) = (pressures[0], pressures[2]);
        if from + to > 0.021 {
            let expected = (to / (from + to) * 127.0).round();
            assert!((f32::from(values[&AXIS]) - expected).abs() <= 1.0);
            on_axis += 1;
        }
        let peak_db = 54.0 * (velocity - 1.0);
        let level = ((1.0 + peak_db / 60.0) * 127.0).round();
        assert!((f32::from(values[&LEVEL]) - level).abs() <= 1.0);
        brightness.push(values[&BRIGHTNESS]);
    }
    assert!(
        notes > 20 && on_axis > 3,
        "{notes} notes, {on_axis} on the axis"
    );
    let (darkest, brightest) = (brightness.iter().min(), brightness.iter().max());
    assert!(brightest.unwrap() - darkest.unwrap() > 30, "{brightness:?}");
}

fn what_is_smoothed_goes_there_and_blocks_make_no_difference<H: Bundled>() {
    let at_once = hear(&mut controlled::<H>("0 ms"), 64);
    let mut host = controlled::<H>("80 ms");
    let smoothed = hear(&mut host, 64);
    assert_eq!(notes_alone(&smoothed), notes_alone(&at_once));
    // More on the way, and in the end the same.
    assert!(smoothed.len() > 2 * at_once.len());
    let last = |midi: &[MidiOut]| -> BTreeMap<u8, u8> {
        let values = midi
            .iter()
            .filter_map(|event| Some((event.key, controller(event)?)));
        values.collect()
    };
    assert_eq!(last(&smoothed), last(&at_once));
    assert_eq!(last(&smoothed).len(), 11);
    let beginning = beginning(&PERFORMANCE, 4);
    check_same(
        &hear_sound(&mut host, &beginning, 1),
        &sent_within(&smoothed, &beginning),
        "blocks of one sample",
    );
    for block in [512, 8192] {
        check_same(
            &hear(&mut host, block),
            &smoothed,
            &format!("blocks of {block}"),
        );
    }
}
