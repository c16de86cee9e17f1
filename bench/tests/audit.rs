//! The audit's own gate: it passes as things are, and fails when something is planted.
//!
//! `cargo xtask test` builds the bundles and the counting library first.

use std::process::{Command, Output};

use serde_json::Value;

fn audit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_audit"))
        .args(["--json", "--engine", "native", "--model", "c"])
        .args(arguments)
        .output()
        .unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The callbacks in the document.
const CALLBACKS: [&str; 4] = [
    "callback",
    "callback_vst3",
    "callback_multi_output",
    "callback_multi_output_vst3",
];

/// 200 s through the CLAP and 200 through the VST3, 60 and 30 through their plugins with 8 outputs, a third of
/// what the command plays: the gate that every change must pass. At this speed they take 31 s together, and
/// the classifier thread still keeps up. Each state of the first two is loaded several times.
#[test]
fn callbacks_and_the_default_engine_are_clean() {
    let output = audit(&["--seconds", "200", "--speed", "16"]);
    let found = document(&output);
    assert!(output.status.success(), "{found:#}");
    for (name, blocks, least) in [
        (CALLBACKS[0], 150_000, [167, 4, 34]),
        (CALLBACKS[1], 150_000, [167, 4, 34]),
        // Long enough for one of the states with all that an instrument does beside it.
        (CALLBACKS[2], 45_000, [50, 0, 8]),
        (CALLBACKS[3], 22_500, [25, 0, 4]),
    ] {
        let callback = &found[name];
        let count = |what: &str| callback[what].as_u64().unwrap();
        let [notes, confirmed, state_loads] = least;
        assert_eq!(count("blocks"), blocks);
        assert!(count("notes") >= notes, "{name}: {callback}");
        assert!(count("confirmed") >= confirmed, "{name}: {callback}");
        assert!(count("state_loads") >= state_loads, "{name}: {callback}");
        assert!(count("osc_messages") >= notes, "{name}: {callback}");
        assert!(count("logged") >= notes, "{name}: {callback}");
        // The other plugin has no outputs apart.
        let apart = count("heard_apart");
        let has_outputs = name.contains("multi_output");
        assert_eq!(apart > 250, has_outputs, "{name}: {callback}");
        for count in [
            "heap_calls",
            "blocking_locks",
            "clock_calls",
            "system_calls",
        ] {
            assert_eq!(callback[count], 0, "{callback}");
        }
    }
    for run in ["first", "later"] {
        let engine = &found["engines"][0][run];
        for count in [
            "heap_calls",
            "blocking_locks",
            "clock_calls",
            "system_calls",
        ] {
            assert_eq!(engine[count], 0, "{engine}");
        }
    }
    assert!(found["control"]["planted"].as_u64().unwrap() >= 34);
    assert_eq!(found["control"]["planted"], found["control"]["found"]);
}

#[test]
fn a_planted_violation_fails_the_gate() {
    for (planted, count) in [
        ("C: malloc", "heap_calls"),
        ("lock: pthread_mutex_lock", "blocking_locks"),
        ("clock: Instant::now", "clock_calls"),
        ("system call: getppid", "system_calls"),
    ] {
        let output = audit(&["--seconds", "4", "--speed", "16", "--plant", planted]);
        let found = document(&output);
        assert!(
            !output.status.success(),
            "{planted} went unnoticed: {found:#}"
        );
        for callback in CALLBACKS {
            assert!(
                found[callback][count].as_u64().unwrap() > 0,
                "{planted}: {found:#}"
            );
        }
    }
}

#[test]
fn a_backtrace_is_told_of_the_callback_that_left_it() {
    for (planted, call) in [("C: malloc", "malloc"), ("system call: getppid", "getppid")] {
        let plant = ["--seconds", "4", "--speed", "16", "--plant", planted];
        let output = audit(&[&plant[..], &["--backtrace"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        for plugin in ["CLAP", "VST3", "CLAP with 8 outputs", "VST3 with 8 outputs"] {
            let line = format!("{plugin} callback: {call}");
            let times = told.lines().filter(|told| *told == line).count();
            assert_eq!(times, 1, "{line}: {told}");
        }
    }
}
