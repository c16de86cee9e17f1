//! The audit's outcome, as JSON and as a table like the paper's section 4.1.

use std::fmt;

use serde::Serialize;
use tocco_engines::EngineId;

use super::callback::CallbackFindings;
use super::control::Control;
use super::engines::{AbsentEngine, EngineFindings};
use super::watch::Findings;

/// Everything that was found.
pub struct Report {
    /// The CLAP's callback.
    pub clap: CallbackFindings,
    /// The VST3's callback.
    pub vst3: CallbackFindings,
    /// The callback of the CLAP's plugin with an output for each technique.
    pub multi_output: CallbackFindings,
    /// That of the VST3's.
    pub multi_output_vst3: CallbackFindings,
    /// The engines, one by one with each network.
    pub engines: Vec<EngineFindings>,
    /// Engines that could not be audited here.
    pub absent: Vec<AbsentEngine>,
    /// The engine that was asked for, if one was.
    pub asked: Option<EngineId>,
    /// Whether the audit finds what is planted.
    pub control: Control,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    callback: Callback<'a>,
    callback_vst3: Callback<'a>,
    callback_multi_output: Callback<'a>,
    callback_multi_output_vst3: Callback<'a>,
    engines: Vec<Engine<'a>>,
    absent_engines: &'a [AbsentEngine],
    control: ControlCounts<'a>,
    passed: bool,
}

#[derive(Serialize)]
struct Callback<'a> {
    blocks: u64,
    notes: u64,
    confirmed: u64,
    heap_calls: u64,
    blocking_locks: u64,
    clock_calls: u64,
    system_calls: u64,
    seconds: f64,
    state_loads: u64,
    parameter_reads: u64,
    osc_messages: u64,
    logged: u64,
    heard_apart: u64,
    by_name: &'a Findings,
}

#[derive(Serialize)]
struct Engine<'a> {
    engine: &'a str,
    model: &'a str,
    first: Counts<'a>,
    later: Counts<'a>,
    later_runs: u32,
}

#[derive(Serialize)]
struct Counts<'a> {
    heap_calls: u64,
    blocking_locks: u64,
    clock_calls: u64,
    system_calls: u64,
    page_faults: u64,
    by_name: &'a Findings,
}

#[derive(Serialize)]
struct ControlCounts<'a> {
    planted: usize,
    found: usize,
    missed: &'a [String],
}

impl Report {
    /// The callbacks and what they are called.
    pub fn callbacks(&self) -> [(&'static str, &CallbackFindings); 4] {
        [
            ("CLAP", &self.clap),
            ("VST3", &self.vst3),
            ("CLAP with 8 outputs", &self.multi_output),
            ("VST3 with 8 outputs", &self.multi_output_vst3),
        ]
    }

    /// What must not be: empty if the audit is passed.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for (name, callback) in self.callbacks() {
            if !callback.findings.is_clean() {
                failures.push(format!("the {name}'s callback is not clean"));
            }
            if callback.notes == 0 {
                failures.push(format!("the {name} heard no notes: nothing was audited"));
            }
            for (count, what) in [
                (callback.osc_messages, "message came by Open Sound Control"),
                (callback.logged, "line is in the event log"),
            ] {
                if count == 0 {
                    failures.push(format!("of the {name} no {what}: that was not audited"));
                }
            }
            if let Some(reason) = callback.plant_failed {
                failures.push(format!(
                    "what was planted in the {name}'s callback {reason}"
                ));
            }
        }
        for (name, callback) in &self.callbacks()[2..] {
            if callback.heard_apart == 0 {
                failures.push(format!(
                    "of the {name} no voice was heard in an output of its own: that was not audited"
                ));
            }
        }
        for engine in &self.engines {
            let clean = engine.first.is_clean() && engine.later.is_clean();
            // Ours may run on the audio thread.
            let must_be = engine.engine.parse().is_ok_and(EngineId::is_ours);
            if must_be && !clean {
                failures.push(format!(
                    "{} with {} is not clean",
                    engine.engine, engine.model
                ));
            }
        }
        for absent in &self.absent {
            // native-fixed has only some shapes, and the others need not be on this machine.
            let asked = self.asked.map(EngineId::name);
            if absent.engine == EngineId::Native.name() || asked == Some(absent.engine) {
                failures.push(format!(
                    "{} with {} was not audited: {}",
                    absent.engine, absent.model, absent.reason
                ));
            }
        }
        for missed in &self.control.missed {
            failures.push(format!("this planted violation was not found: {missed}"));
        }
        failures
    }

    /// The JSON document.
    ///
    /// # Errors
    /// Never in practice: nothing in it fails to be JSON.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Document {
            callback: Callback::from(&self.clap),
            callback_vst3: Callback::from(&self.vst3),
            callback_multi_output: Callback::from(&self.multi_output),
            callback_multi_output_vst3: Callback::from(&self.multi_output_vst3),
            engines: self.engines.iter().map(Engine::from).collect(),
            absent_engines: &self.absent,
            control: ControlCounts {
                planted: self.control.planted,
                found: self.control.planted - self.control.missed.len(),
                missed: &self.control.missed,
            },
            passed: self.failures().is_empty(),
        })
    }
}

impl<'a> From<&'a CallbackFindings> for Callback<'a> {
    fn from(callback: &'a CallbackFindings) -> Self {
        Self {
            blocks: callback.blocks,
            notes: callback.notes,
            confirmed: callback.confirmed,
            heap_calls: callback.findings.heap_calls(),
            blocking_locks: callback.findings.blocking_locks(),
            clock_calls: callback.findings.clock_calls(),
            system_calls: callback.findings.calls_of_the_system(),
            seconds: callback.seconds,
            state_loads: callback.state_loads,
            parameter_reads: callback.parameter_reads,
            osc_messages: callback.osc_messages,
            logged: callback.logged,
            heard_apart: callback.heard_apart,
            by_name: &callback.findings,
        }
    }
}

impl<'a> From<&'a EngineFindings> for Engine<'a> {
    fn from(findings: &'a EngineFindings) -> Self {
        Self {
            engine: findings.engine,
            model: &findings.model,
            first: Counts::from(&findings.first),
            later: Counts::from(&findings.later),
            later_runs: findings.later_runs,
        }
    }
}

impl<'a> From<&'a Findings> for Counts<'a> {
    fn from(findings: &'a Findings) -> Self {
        Self {
            heap_calls: findings.heap_calls(),
            blocking_locks: findings.blocking_locks(),
            clock_calls: findings.clock_calls(),
            system_calls: findings.calls_of_the_system(),
            page_faults: findings.page_faults,
            by_name: findings,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14}{:<7}{:>12}{:>8}{:>8}{:>14}{:>13}",
            "engine", "model", "heap calls", "locks", "clocks", "system calls", "page faults"
        )?;
        for engine in &self.engines {
            let later = format!("later {}", engine.later_runs);
            for (which, findings) in [("first", &engine.first), (&*later, &engine.later)] {
                writeln!(
                    f,
                    "{:<14}{:<7}{:>12}{:>8}{:>8}{:>14}{:>13}   {which}{}",
                    engine.engine,
                    engine.model,
                    findings.heap_calls(),
                    findings.blocking_locks(),
                    findings.clock_calls(),
                    findings.calls_of_the_system(),
                    findings.page_faults,
                    Names(findings)
                )?;
            }
        }
        for absent in &self.absent {
            writeln!(
                f,
                "{:<14}{:<7}  not audited: {}",
                absent.engine, absent.model, absent.reason
            )?;
        }
        writeln!(f)?;
        for (name, callback) in self.callbacks() {
            writeln!(
                f,
                "{name} callback: {} blocks, {:.0} s, {} notes, {} confirmed, {} state loads, {} parameter \
                 reads, {} OSC messages, {} lines logged: \
                 {} heap calls, {} blocking locks, {} clock calls, {} system calls{}",
                callback.blocks,
                callback.seconds,
                callback.notes,
                callback.confirmed,
                callback.state_loads,
                callback.parameter_reads,
                callback.osc_messages,
                callback.logged,
                callback.findings.heap_calls(),
                callback.findings.blocking_locks(),
                callback.findings.clock_calls(),
                callback.findings.calls_of_the_system(),
                Names(&callback.findings)
            )?;
        }
        writeln!(
            f,
            "control: {} of {} planted violations found",
            self.control.planted - self.control.missed.len(),
            self.control.planted
        )
    }
}

/// The names behind the counts.
struct Names<'a>(&'a Findings);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings {
            heap,
            locks,
            clocks,
            system_calls,
            ..
        } = self.0;
        for (name, count) in heap.iter().chain(locks).chain(clocks).chain(system_calls) {
            write!(f, "  {name} {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback() -> CallbackFindings {
        CallbackFindings {
            blocks: 1,
            notes: 1,
            osc_messages: 1,
            logged: 1,
            seconds: 1.0,
            ..CallbackFindings::default()
        }
    }

    fn multi_output() -> CallbackFindings {
        CallbackFindings {
            heard_apart: 1,
            ..callback()
        }
    }

    fn report() -> Report {
        Report {
            clap: callback(),
            vst3: callback(),
            multi_output: multi_output(),
            multi_output_vst3: multi_output(),
            engines: Vec::new(),
            absent: vec![AbsentEngine {
                engine: EngineId::Onnx.name(),
                model: "c".to_owned(),
                reason: "not here".to_owned(),
            }],
            asked: None,
            control: Control {
                planted: 1,
                missed: Vec::new(),
            },
        }
    }

    #[test]
    fn only_an_engine_that_was_asked_for_must_be_there() {
        assert_eq!(report().failures(), [""; 0]);
        let asked = |engine| Report {
            asked: Some(engine),
            ..report()
        };
        assert_eq!(asked(EngineId::Native).failures(), [""; 0]);
        let failures = asked(EngineId::Onnx).failures();
        assert_eq!(failures, ["onnx with c was not audited: not here"]);
    }

    #[test]
    fn what_sent_nothing_was_not_audited() {
        let mut report = report();
        report.clap.osc_messages = 0;
        let failures = report.failures();
        assert_eq!(
            failures,
            ["of the CLAP no message came by Open Sound Control: that was not audited"]
        );
    }

    #[test]
    fn outputs_in_which_nothing_was_heard_were_not_audited() {
        let mut report = report();
        report.multi_output.heard_apart = 0;
        let failures = report.failures();
        assert_eq!(
            failures,
            [
                "of the CLAP with 8 outputs no voice was heard in an output of its own: that was not audited"
            ]
        );
    }

    #[test]
    fn each_callback_must_be_clean() {
        let dirty = || CallbackFindings {
            findings: Findings {
                locks: [("futex wait".to_owned(), 1)].into(),
                ..Findings::default()
            },
            ..multi_output()
        };
        let reports = [
            Report {
                clap: dirty(),
                ..report()
            },
            Report {
                vst3: dirty(),
                ..report()
            },
            Report {
                multi_output: dirty(),
                ..report()
            },
            Report {
                multi_output_vst3: dirty(),
                ..report()
            },
        ];
        let names = report().callbacks().map(|(name, _)| name);
        for (report, name) in reports.iter().zip(names) {
            let expected = format!("the {name}'s callback is not clean");
            assert_eq!(report.failures(), [expected]);
        }
    }

    #[test]
    fn what_was_planted_and_shows_nothing_fails() {
        let mut report = report();
        report.vst3.plant_failed = Some("was not found");
        assert_eq!(
            report.failures(),
            ["what was planted in the VST3's callback was not found"]
        );
    }
}
