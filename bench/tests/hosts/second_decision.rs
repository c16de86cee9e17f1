//! Second decisions through the real bundles: in the event log, in MIDI, and in the host's state.

use std::iter::repeat;
use std::process::Command;

use serde_json::Value;
use tocco_recognizer::decision::LEAST_PROBABILITY;

use crate::listening::without_ids;
use crate::playing::{Bundled, PERFORMANCE, format, in_both_hosts, notes, play};

in_both_hosts!(
    midi_is_untouched_unless_it_is_to_be_corrected,
    both_switches_come_back_with_the_state,
);

fn demo(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--json"])
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let told = error.matches('\u{2192}').count();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let changed = document["summary"]["second"]["changed"].as_u64();
    assert_eq!(told as u64, changed.unwrap_or(0), "{error}");
    document
}

/// The notes but for the time that the inference took.
fn timeless(document: &Value, with_second: bool) -> Vec<Value> {
    let mut notes = document["notes"].as_array().unwrap().clone();
    for note in &mut notes {
        let note = note.as_object_mut().unwrap();
        note.remove("inference_us");
        if !with_second {
            note.remove("second");
        }
    }
    notes
}

/// The demo fails if a note is amended twice, or one that is not there.
#[test]
fn a_bounce_amends_every_note_and_is_the_same_every_time() {
    let document = demo(&["--offline"]);
    let notes = document["notes"].as_array().unwrap();
    assert!(notes.len() >= 35, "{} notes", notes.len());
    let mut changed = 0;
    for note in notes {
        let second = &note["second"];
        let latency = second["latency_ms"].as_f64().unwrap();
        assert!((140.0..175.0).contains(&latency), "{latency} ms");
        let is_changed = second["technique"] != note["technique"];
        assert_eq!(second["changed"], is_changed);
        changed += u64::from(is_changed);
        let probabilities = second["probabilities"].as_array().unwrap();
        assert_eq!(probabilities.len(), 8);
        assert!(probabilities.contains(&second["probability"]));
    }
    let summary = &document["summary"]["second"];
    assert_eq!(summary["amended"], notes.len());
    assert_eq!(summary["changed"], changed);
    assert!(changed > 0);
    let again = demo(&["--offline"]);
    assert_eq!(timeless(&again, true), timeless(&document, true));

    let sure = |note: &&Value| {
        let probability = note["second"]["probability"].as_f64().unwrap();
        probability >= f64::from(LEAST_PROBABILITY)
    };
    assert_eq!(
        document["summary"]["learned"],
        notes.iter().filter(sure).count()
    );

    // The first decisions learn from the second.
    let steady = demo(&["--offline", "--no-adapt"]);
    assert_ne!(timeless(&steady, false), timeless(&document, false));
    let without = demo(&["--offline", "--no-second", "--no-adapt"]);
    assert_eq!(timeless(&without, true), timeless(&steady, false));
    assert_eq!(without["summary"]["second"], Value::Null);
    assert_eq!(without["summary"]["learned"], 0);
}

fn midi_is_untouched_unless_it_is_to_be_corrected<H: Bundled>() {
    // The first decisions would learn from the second.
    let mut host = H::steady();
    let mut hear = |second: &str, correct: &str| {
        host.set_text("Second decision", second).unwrap();
        host.set_text("Correct MIDI notes", correct).unwrap();
        let format = format(&PERFORMANCE, 64, true);
        play(&mut host, &PERFORMANCE, format, repeat(64))
    };
    let with = hear("on", "off");
    assert_eq!(without_ids(&hear("off", "off")), without_ids(&with));
    let corrected = hear("on", "on");
    assert!(notes(&corrected).len() > notes(&with).len());
    for note in notes(&with) {
        assert!(notes(&corrected).contains(&note), "{note:?} is missing");
    }
    assert_eq!(without_ids(&hear("off", "on")), without_ids(&with));
}

fn both_switches_come_back_with_the_state<H: Bundled>() {
    let mut host = H::fresh();
    let both = |host: &mut H| {
        ["Second decision", "Correct MIDI notes"].map(|name| host.text(name).unwrap())
    };
    let delivered = both(&mut host);
    assert_eq!(
        delivered.each_ref().map(|text| text.to_lowercase()),
        ["on", "off"]
    );
    for (second, correct) in [("off", "on"), ("off", "off"), ("on", "on")] {
        host.set_text("Second decision", second).unwrap();
        host.set_text("Correct MIDI notes", correct).unwrap();
        let state = host.save_state().unwrap();
        let mut other = H::fresh();
        assert_eq!(both(&mut other), delivered);
        other.restore_state(&state).unwrap();
        assert_eq!(both(&mut other), both(&mut host));
    }
}
