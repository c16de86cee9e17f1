//! Real-time safety, section 4.1.

use serde::Deserialize;
use tocco_engines::EngineId;

use super::{Report, reasons};
use crate::document::Document;
use crate::footprint::MODELS;
use crate::paper;
use crate::part::Part;

/// What of the audit's document is shown.
#[derive(Deserialize)]
pub(super) struct Audit {
    pub(super) engines: Vec<Engine>,
    absent_engines: Vec<Absent>,
    callback: Callback,
    callback_vst3: Callback,
    callback_multi_output: Callback,
    callback_multi_output_vst3: Callback,
    control: Control,
}

#[derive(Deserialize)]
pub(super) struct Engine {
    pub(super) engine: String,
    pub(super) model: String,
    first: Counts,
    pub(super) later: Counts,
    pub(super) later_runs: u32,
}

#[derive(Deserialize)]
pub(super) struct Counts {
    heap_calls: u64,
    blocking_locks: u64,
    clock_calls: u64,
    system_calls: u64,
    page_faults: u64,
}

impl Counts {
    fn each(&self) -> [u64; 5] {
        [
            self.heap_calls,
            self.blocking_locks,
            self.clock_calls,
            self.system_calls,
            self.page_faults,
        ]
    }

    /// All calls, page faults apart: those depend on the machine.
    pub(super) fn sum(&self) -> u64 {
        self.each()[..4].iter().sum()
    }
}

#[derive(Deserialize)]
struct Absent {
    engine: String,
    model: String,
    reason: String,
}

#[derive(Deserialize)]
struct Callback {
    blocks: u64,
    notes: u64,
    heap_calls: u64,
    blocking_locks: u64,
    clock_calls: u64,
    system_calls: u64,
}

#[derive(Deserialize)]
struct Control {
    planted: u64,
    found: u64,
}

impl Report<'_> {
    pub(super) fn audited(&self) -> Option<Audit> {
        self.data(Part::Audit).ok()
    }

    pub(super) fn safety(&self, document: &mut Document) {
        document.heading(2, "Real-time safety (section 4.1)");
        document.text(format!(
            "The paper watched for switches out of the real-time kernel: {} ({}). Here each call is \
             counted that a real-time thread must not make: of the heap, of locks that could block, of \
             the clock and of the system, and page faults, in the first inference after loading and in \
             later ones.",
            paper::REAL_TIME_SAFETY,
            paper::MACHINE
        ));
        let audit = self.audited();
        let mut rows = Vec::new();
        for id in EngineId::ALL {
            for model in MODELS {
                let found = audit.as_ref().and_then(|audit| {
                    let mut engines = audit.engines.iter();
                    engines.find(|one| one.engine == id.name() && one.model == model)
                });
                let mut row = vec![id.name().to_owned(), model.to_uppercase()];
                match found {
                    Some(found) => {
                        let runs = f64::from(found.later_runs.max(1));
                        let pairs = found.first.each().into_iter().zip(found.later.each());
                        row.extend(pairs.map(|(first, later)| {
                            let later = later as f64 / runs;
                            let digits = usize::from(later.fract() != 0.0) * 3;
                            format!("{first} | {later:.digits$}")
                        }));
                    }
                    None => row.extend([(); 5].map(|()| self.absent(id).to_owned())),
                }
                rows.push(row);
            }
        }
        document.table(
            "Calls in the first inference | in each later one, on average",
            &[
                "engine",
                "model",
                "heap",
                "locks",
                "clock",
                "system",
                "page faults",
            ],
            rows,
        );
        let Some(audit) = audit else {
            document.text("The audit has failed: see the table of the parts.");
            return;
        };
        let absent = audit.absent_engines.iter();
        document.list(reasons(absent.map(|one| {
            (
                format!("{} with {}", one.engine, one.model.to_uppercase()),
                &*one.reason,
            )
        })));
        for (plugin, callback) in [
            ("CLAP", &audit.callback),
            ("VST3", &audit.callback_vst3),
            ("CLAP's plugin with 8 outputs", &audit.callback_multi_output),
            (
                "VST3's plugin with 8 outputs",
                &audit.callback_multi_output_vst3,
            ),
        ] {
            document.text(format!(
                "The callback of the {plugin} while states, models and engines are swapped: {} blocks, \
                 {} notes, {} heap calls, {} blocking locks, {} clock calls, {} system calls.",
                callback.blocks,
                callback.notes,
                callback.heap_calls,
                callback.blocking_locks,
                callback.clock_calls,
                callback.system_calls
            ));
        }
        document.text(format!(
            "Whether the audit finds anything at all: of {} violations planted on purpose it found {}.",
            audit.control.planted, audit.control.found
        ));
    }
}
