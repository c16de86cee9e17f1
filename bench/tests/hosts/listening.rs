//! What is heard, at every block size, rate and channel count.

use std::iter::repeat;

use tocco_bench::plugin_host::{MidiMessage, MidiOut, StreamFormat};
use tocco_bench::sound::Sound;

use crate::playing::{
    AT_OTHER_RATES, Bundled, PERFORMANCE, beginning, format, in_both_hosts, notes, play,
    sent_within,
};

/// How much is played in blocks of one sample, seconds: some nine notes.
const SAMPLE_BY_SAMPLE_S: usize = 4;

in_both_hosts!(
    notes_are_named_and_the_sound_passes_untouched,
    block_sizes_make_no_difference,
    block_sizes_make_no_difference_offline_with_the_largest_network,
    every_rate_hears_the_same_playing,
    two_equal_channels_are_heard_as_one,
    the_plugin_can_be_activated_again_and_again,
);

fn notes_are_named_and_the_sound_passes_untouched<H: Bundled>() {
    let midi = play(
        &mut H::fresh(),
        &PERFORMANCE,
        StreamFormat::PAPER,
        repeat(64),
    );
    let heard = notes(&midi);
    let played = PERFORMANCE.played.len();
    assert!(
        heard.len() >= 24 && heard.len() <= played + 4,
        "{played} notes were played and {} heard",
        heard.len()
    );
    for (position, key) in &heard {
        assert!((36..44).contains(key), "key {key} at {position}");
    }
    check_messages_of_each_note::<H>(&midi);
}

/// A note on, the eight probabilities at the same sample, and the note off 100 ms later.
fn check_messages_of_each_note<H: Bundled>(midi: &[MidiOut]) {
    let mut last_id = -1;
    for (index, on) in midi.iter().enumerate() {
        let MidiMessage::NoteOn { velocity, note_id } = on.message else {
            continue;
        };
        assert!(velocity > 0.0 && velocity <= 1.0, "velocity {velocity}");
        if H::KNOWS_NOTE_IDS {
            assert!(note_id > last_id, "id {note_id} after {last_id}");
        }
        last_id = note_id;

        let mut sum = 0.0;
        let mut greatest = (0.0, 0);
        for (expected, event) in (36..44).zip(&midi[index + 1..]) {
            let MidiMessage::PolyPressure(pressure) = event.message else {
                panic!("{event:?} follows {on:?}");
            };
            assert_eq!((event.position, event.key), (on.position, expected));
            sum += pressure;
            if pressure > greatest.0 {
                greatest = (pressure, event.key);
            }
        }
        assert!((sum - 1.0).abs() < 1e-3, "the pressures add up to {sum}");
        assert_eq!(greatest.1, on.key, "the winner is another key");

        let off = midi[index..]
            .iter()
            .find(|event| event.key == on.key && event.message == MidiMessage::NoteOff)
            .expect("every note ends");
        let again = midi[index + 1..].iter().find(|event| {
            event.key == on.key && matches!(event.message, MidiMessage::NoteOn { .. })
        });
        let expected = again.map_or(u64::MAX, |event| event.position);
        assert_eq!(off.position, expected.min(on.position + 4800));
    }
}

fn block_sizes_make_no_difference<H: Bundled>() {
    compare_block_sizes::<H>("c", false);
}

fn block_sizes_make_no_difference_offline_with_the_largest_network<H: Bundled>() {
    compare_block_sizes::<H>("a", true);
}

fn compare_block_sizes<H: Bundled>(model: &str, offline: bool) {
    let mut host = H::fresh();
    host.set_text("Model", model).unwrap();
    let mut hear = |sound: &Sound, max_block: usize, blocks: &mut dyn Iterator<Item = usize>| {
        let format = format(sound, max_block, offline);
        without_ids(&play(&mut host, sound, format, blocks))
    };
    let reference = hear(&PERFORMANCE, 64, &mut repeat(64));
    let beginning = beginning(&PERFORMANCE, SAMPLE_BY_SAMPLE_S);
    let midi = hear(&beginning, 1, &mut repeat(1));
    let expected = sent_within(&reference, &beginning);
    check_same(&midi, &expected, "blocks of one sample");
    for size in [63, 65, 512, 8192] {
        let midi = hear(&PERFORMANCE, size, &mut repeat(size));
        check_same(&midi, &reference, &format!("blocks of {size} samples"));
    }
    let midi = hear(&PERFORMANCE, 8192, &mut changing_sizes());
    check_same(&midi, &reference, "blocks of changing size");
}

/// Fails with the first difference: the lists are long.
pub fn check_same(midi: &[MidiOut], reference: &[MidiOut], what: &str) {
    let difference = midi.iter().zip(reference).position(|(a, b)| a != b);
    if let Some(index) = difference {
        let (found, expected) = (midi[index], reference[index]);
        panic!("{what}: message {index} is {found:?} instead of {expected:?}");
    }
    assert_eq!(midi.len(), reference.len(), "{what}: number of messages");
}

/// Ids go on counting when the stream starts anew.
pub fn without_ids(midi: &[MidiOut]) -> Vec<MidiOut> {
    let mut midi = midi.to_vec();
    for event in &mut midi {
        if let MidiMessage::NoteOn { note_id, .. } = &mut event.message {
            *note_id = -1;
        }
    }
    midi
}

/// Block lengths that jump between 1 and 8192, the same ones in each run.
fn changing_sizes() -> impl Iterator<Item = usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::from_fn(move || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Small lengths as often as large ones.
        let bits = state % 14;
        Some(((state >> 32) as usize % (1 << bits)).clamp(1, 8192))
    })
}

fn every_rate_hears_the_same_playing<H: Bundled>() {
    let mut host = H::steady();
    let reference = play(&mut host, &PERFORMANCE, StreamFormat::PAPER, repeat(64));
    let mut hear = |sound: &Sound, max_block: usize, blocks: &mut dyn Iterator<Item = usize>| {
        let format = format(sound, max_block, false);
        without_ids(&play(&mut host, sound, format, blocks))
    };
    for sound in AT_OTHER_RATES.iter() {
        let rate = sound.sample_rate;
        let heard = hear(sound, 64, &mut repeat(64));
        let beginning = beginning(sound, SAMPLE_BY_SAMPLE_S);
        let midi = hear(&beginning, 1, &mut repeat(1));
        let expected = sent_within(&heard, &beginning);
        check_same(&midi, &expected, &format!("{rate} Hz, blocks of one"));
        for size in [63, 512, 8192] {
            let midi = hear(sound, size, &mut repeat(size));
            check_same(&midi, &heard, &format!("{rate} Hz, blocks of {size}"));
        }
        let midi = hear(sound, 8192, &mut changing_sizes());
        check_same(&midi, &heard, &format!("{rate} Hz, changing blocks"));
        compare_rates(&reference, &heard, rate);
    }
}

/// The same notes must be there, and most of them with the same name. More cannot be asked of
/// synthesised notes, of which the paper's networks are less sure than of recorded ones: what
/// resampling changes near the upper end of the spectrum tips the scales.
fn compare_rates(reference: &[MidiOut], heard: &[MidiOut], rate: u32) {
    let (reference, heard) = (notes(reference), notes(heard));
    let seconds = |position: u64, rate: u32| position as f64 / f64::from(rate);
    let (mut there, mut same) = (0, 0);
    for (position, key) in &reference {
        // What is within 5 ms of each other is the same note.
        let partner = heard
            .iter()
            .find(|(other, _)| (seconds(*position, 48_000) - seconds(*other, rate)).abs() < 0.005);
        there += usize::from(partner.is_some());
        same += usize::from(partner.is_some_and(|(_, other_key)| other_key == key));
    }
    let summary = format!(
        "{rate} Hz: {} notes; {there} of the {} at 48 kHz are there, and {same} have the same name",
        heard.len(),
        reference.len(),
    );
    let almost_all = |part: usize, whole: usize| 10 * part >= 9 * whole;
    assert!(almost_all(there, reference.len()), "{summary}");
    assert!(almost_all(heard.len(), reference.len()), "{summary}");
    assert!(almost_all(reference.len(), heard.len()), "{summary}");
    assert!(2 * same > there, "{summary}");
}

fn two_equal_channels_are_heard_as_one<H: Bundled>() {
    let mut host = H::steady();
    let mono = play(&mut host, &PERFORMANCE, StreamFormat::PAPER, repeat(64));
    let mut sound = PERFORMANCE.clone();
    sound.channels = vec![PERFORMANCE.channels[0].clone(); 2];
    let stereo = play(&mut host, &sound, format(&sound, 64, false), repeat(64));
    check_same(&without_ids(&stereo), &without_ids(&mono), "stereo");
}

fn the_plugin_can_be_activated_again_and_again<H: Bundled>() {
    let mut host = H::steady();
    let hear = |host: &mut H, size: usize| {
        let format = format(&PERFORMANCE, size, false);
        without_ids(&play(host, &PERFORMANCE, format, repeat(size)))
    };
    let first = hear(&mut host, 64);
    for size in [512, 64, 64] {
        let again = hear(&mut host, size);
        check_same(&again, &first, &format!("blocks of {size} samples"));
    }
}
