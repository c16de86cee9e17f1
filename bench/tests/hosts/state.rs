//! What a DAW saves with a project comes back, and what is not a state does no harm.

use std::iter::repeat;

use serde_json::{Value, json};
use tocco_bench::plugin_host::{PluginHost, StreamFormat};
use tocco_bench::state_document::{document, with_document};

use crate::playing::{Bundled, PERFORMANCE, in_both_hosts, notes, play};

in_both_hosts!(
    settings_come_back_in_a_new_instance,
    settings_take_effect,
    what_is_not_a_state_changes_nothing,
    a_state_with_more_in_it_is_read_as_far_as_it_is_known,
    a_bad_parameter_costs_itself_alone,
    a_broken_calibration_costs_itself_alone,
    what_is_no_state_at_all_is_refused,
    a_state_of_a_newer_version_is_refused,
);

/// Everything a user can set, by its text.
fn settings<H: PluginHost>(host: &mut H) -> Vec<(String, String)> {
    let parameters = host.parameters().unwrap();
    parameters
        .iter()
        .filter(|parameter| !parameter.output)
        .map(|parameter| {
            let value = host.value(parameter).unwrap();
            let text = host.value_to_text(parameter, value).unwrap();
            (parameter.name.clone(), text)
        })
        .collect()
}

/// What an instance saves, as JSON.
fn saved<H: PluginHost>(host: &mut H) -> Value {
    document(&host.save_state().unwrap()).unwrap()
}

/// Sets every parameter to something that it is not.
fn change_all<H: PluginHost>(host: &mut H) {
    let parameters = host.parameters().unwrap();
    for parameter in parameters.into_iter().filter(|p| !p.output) {
        let value = host.value(&parameter).unwrap();
        let next = value + 1.0;
        let other = if !parameter.stepped {
            parameter.minimum + 0.25 * (parameter.maximum - parameter.minimum)
        } else if next <= parameter.maximum {
            next
        } else {
            parameter.minimum
        };
        host.set_value(&parameter, other).unwrap();
    }
}

fn settings_come_back_in_a_new_instance<H: Bundled>() {
    let mut host = H::fresh();
    let delivered = settings(&mut host);
    assert!(delivered.len() >= 6, "only {delivered:?}");
    change_all(&mut host);
    let changed = settings(&mut host);
    for (before, after) in delivered.iter().zip(&changed) {
        assert_ne!(before, after, "this parameter was not changed");
    }
    let state = host.save_state().unwrap();

    let mut other = H::fresh();
    assert_eq!(settings(&mut other), delivered);
    other.restore_state(&state).unwrap();
    assert_eq!(settings(&mut other), changed);
}

fn settings_take_effect<H: Bundled>() {
    let mut host = H::steady();
    let hear = |host: &mut H| notes(&play(host, &PERFORMANCE, StreamFormat::PAPER, repeat(64)));
    let all = hear(&mut host);
    assert!(!all.is_empty());

    host.set_text("MIDI", "off").unwrap();
    assert_eq!(hear(&mut host), []);
    let silent = host.save_state().unwrap();
    host.set_text("MIDI", "on").unwrap();
    assert_eq!(hear(&mut host), all);
    host.restore_state(&silent).unwrap();
    assert_eq!(hear(&mut host), []);
    host.set_text("MIDI", "on").unwrap();

    host.set_text("Confidence gate", "1").unwrap();
    assert!(
        hear(&mut host).len() < all.len(),
        "the gate holds nothing back"
    );
    host.set_text("Confidence gate", "0").unwrap();

    host.set_text("Sensitivity", "0").unwrap();
    assert!(
        hear(&mut host).len() < all.len(),
        "soft notes are still heard"
    );
}

fn what_is_not_a_state_changes_nothing<H: Bundled>() {
    let mut host = H::fresh();
    change_all(&mut host);
    host.set_text("Bypass", "off").unwrap();
    host.set_text("Voices", "off").unwrap();
    host.set_text("Dry", "0").unwrap();
    host.set_text("Body", "off").unwrap();
    host.set_text("Measuring spike", "off").unwrap();
    host.set_text("Model", "c").unwrap();
    host.set_text("Engine", "native").unwrap();
    host.set_text("MIDI", "on").unwrap();
    let before = settings(&mut host);
    let good = host.save_state().unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let mut huge = vec![0xff; 8];
    huge.extend_from_slice(&good);
    for bad in [
        Vec::new(),
        b"not a state".to_vec(),
        vec![0; 64],
        vec![0xff; 4096],
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 1].to_vec(),
        huge,
        flipped,
    ] {
        // Not one of them is a document, not even the one with a single byte that is no text.
        let taken = host.restore_state(&bad);
        assert!(taken.is_err(), "{} bytes were taken", bad.len());
        assert_eq!(settings(&mut host), before, "refused, but settings changed");
        host.restore_state(&good).unwrap();
        assert_eq!(settings(&mut host), before);
    }
    let heard = play(&mut host, &PERFORMANCE, StreamFormat::PAPER, repeat(64));
    assert!(!heard.is_empty(), "nothing is heard any more");
}

fn a_state_with_more_in_it_is_read_as_far_as_it_is_known<H: Bundled>() {
    let mut host = H::fresh();
    host.set_text("Model", "b").unwrap();
    let state = host.save_state().unwrap();
    let text = document(&state).unwrap().to_string();
    let later = text
        .replacen("\"params\":{", "\"params\":{\"reverb\":{\"f32\":0.5},", 1)
        .replacen(
            "\"engine\":{\"string\":\"native\"}",
            "\"engine\":{\"string\":\"quantum\"}",
            1,
        );
    assert_ne!(
        later, text,
        "the state has another form than this test knows: {text}"
    );
    let bytes = with_document(&state, &later).unwrap();

    let mut other = H::fresh();
    other.restore_state(&bytes).unwrap();
    assert_eq!(other.text("Model").unwrap(), host.text("Model").unwrap());
    assert_eq!(other.text("Engine").unwrap(), "native");
    let heard = play(&mut other, &PERFORMANCE, StreamFormat::PAPER, repeat(64));
    assert!(!heard.is_empty());
}

/// A state of which everything differs from what is delivered.
fn changed_state<H: Bundled>() -> (Vec<u8>, Value) {
    let mut host = H::fresh();
    change_all(&mut host);
    let state = host.save_state().unwrap();
    let mut document = document(&state).unwrap();
    let calibration = json!({
        "in_use": false,
        "masks_are_parameters": true,
        "profiles": { "x": "none that can be read" },
    });
    document["fields"]["calibration"] = json!(calibration.to_string());
    document["fields"]["user-package"] = json!(json!("/nowhere/mine").to_string());
    (
        with_document(&state, &document.to_string()).unwrap(),
        document,
    )
}

fn a_bad_parameter_costs_itself_alone<H: Bundled>() {
    let delivered = saved(&mut H::fresh());
    let (state, changed) = changed_state::<H>();
    let mut maximum = H::fresh();
    maximum.set_text("Sensitivity", "100").unwrap();
    let maximum = saved(&mut maximum);
    for (bad, stands_for) in [
        ("null", &delivered),
        (r#"{"f32":null}"#, &delivered),
        (r#"{"f32":1e400}"#, &delivered),
        (r#"{"f32":"loud"}"#, &delivered),
        (r#"{"bool":true}"#, &delivered),
        (r#"{"f64":7}"#, &delivered),
        ("[{}]", &delivered),
        (r#"{"f32":1e39}"#, &maximum),
    ] {
        let mut marked = changed.clone();
        marked["params"]["sensitivity"] = json!("HERE");
        marked["params"]["reverb"] = json!("HERE");
        marked["reverb"] = json!("HERE");
        let text = marked.to_string().replace("\"HERE\"", bad);
        let mut host = H::fresh();
        let taken = host.restore_state(&with_document(&state, &text).unwrap());
        assert!(taken.is_ok(), "{bad}: {taken:?}");
        let mut expected = changed.clone();
        expected["params"]["sensitivity"] = stands_for["params"]["sensitivity"].clone();
        assert_eq!(saved(&mut host), expected, "{bad}");
    }
}

fn a_broken_calibration_costs_itself_alone<H: Bundled>() {
    let delivered = saved(&mut H::fresh());
    let (state, changed) = changed_state::<H>();
    for bad in [
        json!(null),
        json!(7),
        json!({ "in_use": false }),
        json!(""),
        json!("{\"in_use\":fal"),
        json!("[1]"),
        json!("null"),
    ] {
        let mut broken = changed.clone();
        broken["fields"]["calibration"] = bad.clone();
        let mut host = H::fresh();
        let taken = host.restore_state(&with_document(&state, &broken.to_string()).unwrap());
        assert!(taken.is_ok(), "{bad}: {taken:?}");
        let mut expected = changed.clone();
        expected["fields"]["calibration"] = delivered["fields"]["calibration"].clone();
        assert_eq!(saved(&mut host), expected, "{bad}");
    }
    let mut host = H::fresh();
    host.restore_state(&state).unwrap();
    assert_eq!(saved(&mut host), changed);
    let mut broken = changed.clone();
    broken["params"] = json!(null);
    host.restore_state(&with_document(&state, &broken.to_string()).unwrap())
        .unwrap();
    assert_eq!(saved(&mut host), changed);
}

fn what_is_no_state_at_all_is_refused<H: Bundled>() {
    let (state, changed) = changed_state::<H>();
    let mut host = H::fresh();
    host.restore_state(&state).unwrap();
    for text in ["", "no state", "{}", "{\"hello\":1}", "null", "[1,2]", "7"] {
        let bytes = with_document(&state, text).unwrap();
        assert!(host.restore_state(&bytes).is_err(), "{text}");
        assert_eq!(saved(&mut host), changed, "{text}");
    }
}

fn a_state_of_a_newer_version_is_refused<H: Bundled>() {
    let (state, changed) = changed_state::<H>();
    let mut host = H::fresh();
    let delivered = saved(&mut host);
    let mut newer = changed.clone();
    newer["version"] = json!("999.0.0");
    let newer = with_document(&state, &newer.to_string()).unwrap();
    assert!(host.restore_state(&newer).is_err());
    assert_eq!(saved(&mut host), delivered);
    let mut older = changed.clone();
    older["version"] = json!("0.0.1");
    let older = with_document(&state, &older.to_string()).unwrap();
    host.restore_state(&older).unwrap();
    assert_eq!(saved(&mut host), changed);
}
