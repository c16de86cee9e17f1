//! Learning the player by listening through the real bundles: when it begins, when it ends.

use std::iter::repeat;

use tocco_bench::plugin_host::{MidiOut, StreamFormat};
use tocco_bench::sound::Sound;

use crate::listening::without_ids;
use crate::playing::{
    Bundled, PERFORMANCE, beginning, format, in_both_hosts, notes, play, sent_within,
};

in_both_hosts!(
    a_bounce_learns_and_is_the_same_every_time,
    what_was_learnt_outlives_a_stop_until_it_is_switched_off,
    the_switch_comes_back_with_the_state,
);

const SWITCH: &str = "Adapt while playing";

fn positions(midi: &[MidiOut]) -> Vec<u64> {
    notes(midi).into_iter().map(|note| note.0).collect()
}

fn a_bounce_learns_and_is_the_same_every_time<H: Bundled>() {
    let mut host = H::fresh();
    let hear = |host: &mut H, sound: &Sound, size: usize| {
        let format = format(sound, 8192, true);
        without_ids(&play(host, sound, format, repeat(size)))
    };
    let learning = hear(&mut host, &PERFORMANCE, 64);
    for size in [64, 8192] {
        let again = hear(&mut host, &PERFORMANCE, size);
        assert_eq!(again, learning, "blocks of {size} samples");
    }
    // Half of it, in which it learns from twenty notes.
    let beginning = beginning(&PERFORMANCE, 8);
    let midi = hear(&mut host, &beginning, 1);
    let expected = sent_within(&learning, &beginning);
    assert_eq!(midi, expected, "blocks of one sample");
    host.set_text(SWITCH, "off").unwrap();
    let steady = hear(&mut host, &PERFORMANCE, 64);
    assert_ne!(steady, learning);
    let steady_beginning = sent_within(&steady, &beginning);
    assert_ne!(steady_beginning, expected, "nothing was learnt so soon");
    assert_eq!(positions(&steady), positions(&learning));
}

fn what_was_learnt_outlives_a_stop_until_it_is_switched_off<H: Bundled>() {
    let mut host = H::fresh();
    // On the audio thread alone, or what is learnt when depends on how fast this streams.
    host.set_text("Second decision", "off").unwrap();
    let silence = Sound {
        channels: vec![vec![0.0; 64]],
        ..PERFORMANCE.clone()
    };
    let hear = |host: &mut H, sound: &Sound| {
        without_ids(&play(host, sound, StreamFormat::PAPER, repeat(64)))
    };
    let first = hear(&mut host, &PERFORMANCE);
    let second = hear(&mut host, &PERFORMANCE);
    assert_ne!(second, first, "the player is known by now");
    assert_eq!(positions(&second), positions(&first));
    host.set_text(SWITCH, "off").unwrap();
    assert_eq!(hear(&mut host, &silence), []);
    host.set_text(SWITCH, "on").unwrap();
    assert_eq!(hear(&mut host, &PERFORMANCE), first);
    assert_eq!(hear(&mut host, &PERFORMANCE), second);
    // What was learnt is part of no state.
    let state = host.save_state().unwrap();
    let mut other = H::fresh();
    other.restore_state(&state).unwrap();
    assert_eq!(hear(&mut other, &PERFORMANCE), first);
}

fn the_switch_comes_back_with_the_state<H: Bundled>() {
    let mut host = H::fresh();
    let text = |host: &mut H| host.text(SWITCH).unwrap().to_lowercase();
    assert_eq!(text(&mut host), "on");
    for value in ["off", "on"] {
        host.set_text(SWITCH, value).unwrap();
        let state = host.save_state().unwrap();
        let mut other = H::fresh();
        other.restore_state(&state).unwrap();
        assert_eq!(text(&mut other), value);
    }
}
