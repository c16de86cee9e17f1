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

/// 200 s through the CLAP and 200 through the VST3, a third of what the command plays: the gate that every
/// change must pass. At this speed they take 25 s together, and the classifier thread still keeps up. Each
/// state is loaded several times.
#[test]
fn callbacks_and_the_default_engine_are_clean() {
    let output = audit(&["--seconds", "200", "--speed", "16"]);
    let found = document(&output);
    assert!(output.status.success(), "{found:#}");
    for callback in ["callback", "callback_vst3"] {
        let callback = &found[callback];
        assert_eq!(callback["blocks"], 150_000);
        assert!(callback["notes"].as_u64().unwrap() > 166, "{callback}");
        assert!(callback["confirmed"].as_u64().unwrap() > 3, "{callback}");
        assert!(callback["state_loads"].as_u64().unwrap() > 33, "{callback}");
        assert!(
            callback["osc_messages"].as_u64().unwrap() > 166,
            "{callback}"
        );
        assert!(callback["logged"].as_u64().unwrap() > 166, "{callback}");
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
    assert!(found["control"]["planted"].as_u64().unwrap() >= 33);
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
        let output = audit(&["--seconds", "4", "--speed", "8", "--plant", planted]);
        let found = document(&output);
        assert!(
            !output.status.success(),
            "{planted} went unnoticed: {found:#}"
        );
        for callback in ["callback", "callback_vst3"] {
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
        let plant = ["--seconds", "4", "--speed", "8", "--plant", planted];
        let output = audit(&[&plant[..], &["--backtrace"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        for format in ["CLAP", "VST3"] {
            let line = format!("{format} callback: {call}");
            let times = told.lines().filter(|told| *told == line).count();
            assert_eq!(times, 1, "{line}: {told}");
        }
    }
}
