//! The hosts' own bypass: the sound as ever, no MIDI, and no note that hangs.

use std::iter::repeat;

use tocco_bench::plugin_host::{Automated, MidiMessage, MidiOut, StreamFormat};
use tocco_bench::sound::Sound;

use crate::listening::without_ids;
use crate::playing::{Bundled, PERFORMANCE, in_both_hosts, play, play_on};

in_both_hosts!(
    there_is_one_switch_for_it,
    a_bypassed_plugin_is_silent_and_back_at_once,
);

const BLOCK: usize = 64;

fn there_is_one_switch_for_it<H: Bundled>() {
    let mut host = H::fresh();
    let parameters = host.parameters().unwrap();
    let bypass: Vec<_> = parameters.iter().filter(|p| p.bypass).collect();
    assert_eq!(bypass.len(), 1);
    assert_eq!(bypass[0].name, "Bypass");
    assert!(bypass[0].stepped);
    assert_eq!(host.value(bypass[0]).unwrap(), 0.0);
}

fn part(from: usize, to: usize) -> Sound {
    let mut sound = PERFORMANCE.clone();
    sound.channels[0] = sound.channels[0][from..to].to_vec();
    sound
}

fn is_on(event: &MidiOut) -> bool {
    matches!(event.message, MidiMessage::NoteOn { .. })
}

fn a_bypassed_plugin_is_silent_and_back_at_once<H: Bundled>()
where
    H::Stream: Automated,
{
    let mut host = H::steady();
    host.set_text("Second decision", "off").unwrap();
    let format = StreamFormat::PAPER;
    let whole = without_ids(&play(&mut host, &PERFORMANCE, format, repeat(BLOCK)));
    let ons: Vec<MidiOut> = whole.iter().filter(|event| is_on(event)).copied().collect();
    // From some blocks after the third note until shortly before the tenth.
    let block_of = |event: &MidiOut| event.position as usize / BLOCK * BLOCK;
    let (begin, end) = (block_of(&ons[2]) + 5 * BLOCK, block_of(&ons[9]) - BLOCK);

    let bypass = host.parameter("Bypass").unwrap();
    let mut stream = host.activate(format).unwrap();
    let mut midi = Vec::new();
    let all = PERFORMANCE.len();
    for (from, to, bypassed) in [(0, begin, 0.0), (begin, end, 1.0), (end, all, 0.0)] {
        stream.automate(&bypass, bypassed);
        // Fails if a sample is not passed on as it is.
        midi.push(play_on(&mut stream, &part(from, to), repeat(BLOCK)));
    }
    host.deactivate(stream);
    let [before, during, after] = midi.try_into().unwrap();

    let of_whole = |from: usize, to: usize| -> Vec<MidiOut> {
        let range = from as u64..to as u64;
        let inside = whole.iter().filter(|event| range.contains(&event.position));
        inside.copied().collect()
    };
    assert_eq!(without_ids(&before), of_whole(0, begin));
    let off = MidiOut {
        position: begin as u64,
        channel: 0,
        key: ons[2].key,
        message: MidiMessage::NoteOff,
    };
    assert_eq!(
        during,
        [off],
        "the note that sounded ends, and nothing else"
    );
    // Of the notes that began while it was bypassed there is nothing to end.
    let first = ons[9].position as usize;
    let expected: Vec<MidiOut> = of_whole(first, all)
        .into_iter()
        .filter(|event| event.message != MidiMessage::NoteOff || after.contains(event))
        .collect();
    assert_eq!(without_ids(&after), expected);
    let count = |midi: &[MidiOut], wanted: fn(&MidiOut) -> bool| {
        midi.iter().filter(|event| wanted(event)).count()
    };
    assert_eq!(
        count(&after, is_on),
        count(&after, |event| event.message == MidiMessage::NoteOff),
        "a note hangs"
    );
}
