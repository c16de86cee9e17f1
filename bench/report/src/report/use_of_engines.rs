//! Supported operations, ease of use and documentation, sections 4.5.2 to 4.5.4.

use anyhow::Result;
use tocco_engines::EngineId;

use super::{Report, reasons};
use crate::document::Document;
use crate::ease::Ease;
use crate::figures::{Spokes, short, spokes};
use crate::operations::{OPERATIONS, Trial};
use crate::paper;
use crate::part::Part;

impl Report<'_> {
    pub(super) fn operations(&self, document: &mut Document) -> Result<()> {
        document.heading(2, "Supported operations (section 4.5.2, table 3)");
        let trials = self
            .data::<Vec<Trial>>(Part::Operations)
            .unwrap_or_default();
        let of = |operation: &str, id: EngineId| {
            let mut trials = trials.iter();
            trials.find(|trial| trial.operation == operation && trial.engine == id.name())
        };
        let cell = |operation: &str, id: EngineId| match of(operation, id) {
            Some(Trial {
                works: Some(true),
                difference,
                ..
            }) => match difference.unwrap_or_default() {
                0.0 => "yes (exact)".to_owned(),
                difference => format!("yes ({difference:.0e})"),
            },
            Some(Trial {
                works: Some(false), ..
            }) => "no".to_owned(),
            Some(_) if self.conditions.has(id) => "not tried".to_owned(),
            _ => self.absent(id).to_owned(),
        };
        let mut rows: Vec<Vec<String>> = OPERATIONS
            .iter()
            .map(|operation| {
                let mut row = vec![(*operation).to_owned()];
                row.extend(EngineId::ALL.map(|id| cell(operation, id)));
                row
            })
            .collect();
        let share = |id: EngineId| {
            let mut tried = 0;
            let mut working = 0;
            for trial in trials.iter().filter(|trial| trial.engine == id.name()) {
                tried += usize::from(trial.works.is_some());
                working += usize::from(trial.works == Some(true));
            }
            (tried > 0).then(|| {
                (
                    working,
                    tried,
                    10.0 * working as f64 / OPERATIONS.len() as f64,
                )
            })
        };
        let mut total = vec!["score of ten".to_owned()];
        total.extend(EngineId::ALL.map(|id| match share(id) {
            Some((working, tried, score)) => format!("{} ({working} of {tried})", short(score)),
            None => self.absent(id).to_owned(),
        }));
        rows.push(total);
        document.table(
            "Table 3, supported operations: the paper's list, a model file for each operation and engine, \
             run on a signal and compared with double precision (largest difference)",
            &["operation", "native", "native-fixed", "onnx", "litert", "torch"],
            rows,
        );
        let failed = trials.iter().filter_map(|trial| {
            let reason = trial.reason.as_deref()?;
            let installed = trial.engine.parse().is_ok_and(|id| self.conditions.has(id));
            installed.then(|| (format!("{} in {}", trial.operation, trial.engine), reason))
        });
        document.list(reasons(failed));
        document.text(
            "How the files are made: for `native` RTNeural's JSON; for the others by our converter, with \
             the format's own operator where it has one. In TensorFlow Lite batch normalisation is a \
             product and a sum, as TensorFlow's converter writes it, and GRU and LSTM are unrolled into \
             basic operators, a step behind the other. `native-fixed` has the paper's networks and single \
             recurrent layers compiled in and no others: that is what it is for.",
        );

        let largest = EngineId::ALL
            .into_iter()
            .filter_map(|id| self.library_mib(id))
            .fold(0.0, f64::max);
        let size_score = |id: EngineId| Some(10.0 * (1.0 - self.library_mib(id)? / largest));
        let engines = [
            (EngineId::LiteRt, "TFlite"),
            (EngineId::Torch, "TorchScript"),
            (EngineId::Onnx, "ONNX Runtime"),
            (EngineId::Native, "RTNeural"),
        ];
        let figure: Vec<Spokes> = engines
            .iter()
            .filter_map(|(id, name)| {
                let (_, paper) = paper::SCORES.iter().find(|scores| scores.0 == *name)?;
                Some(Spokes {
                    name: format!("{name} | {id}"),
                    engine: id.name(),
                    paper: *paper,
                    today: [size_score(*id), share(*id).map(|share| share.2), None, None],
                })
            })
            .collect();
        document.heading(2, "Scores (table 3, figure 5)");
        let rows = figure.iter().map(|spokes| {
            let mut row = vec![spokes.name.clone()];
            for (quoted, today) in spokes.paper.iter().zip(spokes.today) {
                let today = today.map_or_else(|| "not scored".to_owned(), short);
                row.push(format!("{quoted} | {today}"));
            }
            row
        });
        document.table(
            format!(
                "Table 3: scores of ten, the paper's ({}) | measured here; library size: 0 for the largest, \
                 as in the paper. Ease of use and documentation are opinions of the paper's authors and are \
                 quoted alone",
                paper::MACHINE
            ),
            &["engine", "library size", "operations", "ease of use", "documentation"],
            rows.collect(),
        );
        document.figure(
            "figure-5",
            "Figure 5: the paper's scores (grey, 2022) and what can be measured here (colour); `native` \
             stands for RTNeural",
            spokes(
                "Model-independent scores",
                ["library size", "operations", "ease of use", "documentation"],
                &figure,
            )?,
        );
        Ok(())
    }

    pub(super) fn ease(&self, document: &mut Document) {
        document.heading(2, "Ease of use and documentation (sections 4.5.3, 4.5.4)");
        document.text(
            "What can be counted, instead of scores: lines of Rust in our crate between a model file and \
             its first inference, and between a trained network and the file; a package to fetch; and \
             whether errors over a set of broken files name the cause. Documentation is not measured: the \
             paper's scores stand in table 3.",
        );
        let Ok(found) = self.data::<Ease>(Part::Ease) else {
            document.text("The part \"ease\" has failed: see the table of the parts.");
            return;
        };
        let rows = EngineId::ALL.map(|id| {
            let code = found.code.iter().find(|code| code.engine == id.name());
            let lines = |count: Option<usize>| count.map_or_else(String::new, |n| n.to_string());
            let fetched = found.fetched.iter().find(|one| one.engine == id.name());
            let (steps, fetching) = match id {
                EngineId::Native | EngineId::NativeFixed => ("0: built in", "-".to_owned()),
                EngineId::Torch => (
                    "1 command; builds a bridge to the system's libtorch",
                    "not fetched: it is built".to_owned(),
                ),
                _ => (
                    "1 command",
                    fetched.map_or_else(
                        || "not fetched".to_owned(),
                        |one| {
                            let size = super::mib(one.bytes as f64);
                            format!("{:.0} s, {} MiB", one.seconds, short(size))
                        },
                    ),
                ),
            };
            let broken: Vec<_> = found
                .broken
                .iter()
                .filter(|broken| broken.engine == id.name())
                .collect();
            let named = broken.iter().filter(|broken| broken.names_cause).count();
            let errors = match (id, broken.len()) {
                (EngineId::NativeFixed, _) => "as `native`".to_owned(),
                _ if !self.conditions.has(id) => self.absent(id).to_owned(),
                (_, n) => format!("{named} of {n}"),
            };
            vec![
                id.name().to_owned(),
                lines(code.map(|code| code.engine_lines)),
                lines(code.map(|code| code.conversion_lines)),
                steps.to_owned(),
                fetching,
                errors,
            ]
        });
        document.table(
            "Ease of use, counted: `cargo xtask engines install` is the one command, \
             `cargo xtask convert` the one step of a conversion",
            &[
                "engine",
                "lines, file to inference",
                "lines, network to file",
                "steps to install",
                "fetching",
                "errors that name the cause",
            ],
            rows.to_vec(),
        );
        let wrong = found.broken.iter().filter(|broken| {
            let installed = broken
                .engine
                .parse()
                .is_ok_and(|id| self.conditions.has(id));
            installed && !broken.names_cause
        });
        let lines = wrong.map(|broken| {
            let error = broken
                .error
                .as_deref()
                .unwrap_or("taken as if it were right");
            format!("{}, file {}: {error}", broken.engine, broken.fault)
        });
        document.list(lines.collect());
    }
}
