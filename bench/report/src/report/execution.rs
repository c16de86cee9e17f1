//! Execution time and computational resources, sections 4.2 and 4.3.

use anyhow::Result;
use serde::Deserialize;
use tocco_bench::deployment::run::RunFindings;
use tocco_bench::inference::report::{self as inference, Inference};
use tocco_engines::EngineId;

use super::{Report, reasons};
use crate::document::Document;
use crate::figures::{Bar, Series, colour, grouped, short};
use crate::footprint::MODELS;
use crate::paper;
use crate::part::Part;
use crate::quoted;

/// What of the deployment's document is shown.
#[derive(Deserialize)]
pub(super) struct Deployed {
    notes: usize,
    spacing_ms: f64,
    pub(super) runs: Vec<RunFindings>,
    absent: Vec<Absent>,
}

#[derive(Deserialize)]
struct Absent {
    engine: String,
    model: String,
    reason: String,
}

impl Report<'_> {
    pub(super) fn deployed(&self) -> Option<Deployed> {
        self.data(Part::Deployment).ok()
    }

    /// Whether the plugin runs this network in its callback.
    pub(super) fn is_inline(&self, id: EngineId, model: &str) -> Option<bool> {
        let deployed = self.deployed()?;
        let mut runs = deployed.runs.iter();
        let run = runs.find(|run| run.engine == id.name() && run.model == model)?;
        Some(run.is_inline)
    }

    pub(super) fn execution_times(&self, document: &mut Document) -> Result<()> {
        document.heading(2, "Execution time (section 4.2)");
        let tuned = self.data::<inference::Report>(Part::Execution).ok();
        let defaults = self.data::<inference::Report>(Part::Defaults).ok();
        let of = |found: &Option<inference::Report>, engine: &str, model: &str, weights: &str| {
            let one =
                found.as_ref()?.inference.iter().find(|one| {
                    one.engine == engine && one.model == model && one.weights == weights
                })?;
            Some(one.clone())
        };
        let standalone = self.figure_3(|id, model| {
            let warm = of(&tuned, id.name(), model, "f32")?.warm_us;
            Some(Bar {
                value: warm.mean,
                deviation: Some(warm.std),
            })
        });
        let groups = MODELS.map(|model| format!("Model {}", model.to_uppercase()));
        document.figure(
            "figure-3-standalone",
            "Figure 3, left: mean and standard deviation of an inference with f32 weights, standalone, \
             warm caches, µs",
            grouped("Execution time, standalone", "µs, logarithmic", &groups, &standalone)?,
        );
        let deployed = self.deployed();
        let run = |id: EngineId, model: &str| {
            let mut runs = deployed.as_ref()?.runs.iter();
            runs.find(|run| run.engine == id.name() && run.model == model)
        };
        let bars = self.figure_3(|id, model| {
            let execution = &run(id, model)?.execution_us;
            Some(Bar {
                value: execution.mean,
                deviation: Some(execution.std),
            })
        });
        document.figure(
            "figure-3-deployment",
            "Figure 3, right: mean and standard deviation from the features to the result in the plugin, \
             µs, as the audio thread sees it: whole blocks of 1,333 µs where the network runs on the \
             classifier thread, the inference itself where it runs in the callback",
            grouped("Execution time, deployment", "µs, logarithmic", &groups, &bars)?,
        );
        self.standalone_table(document, &tuned, &defaults);
        document.text(
            "Settings: the code that the authors published never sets the number of threads, so the \
             libraries ran with their defaults. \"Tuned\" is one thread and no spinning; \"defaults\" \
             leaves each library as it comes, in a process of its own with `native` as what both have \
             in common, where threads that a library starts go where it wants them. All engines of a \
             process take turns on one pinned core, begun by another one each time.",
        );
        self.deployment_table(document, deployed.as_ref());
        self.elsewhere(document);
        Ok(())
    }

    /// Bars of every engine.
    fn figure_3(&self, bar: impl Fn(EngineId, &str) -> Option<Bar>) -> Vec<Series> {
        let engines = EngineId::ALL.into_iter();
        let series = engines.map(|id| Series {
            name: id.name().to_owned(),
            colour: colour(id.name()),
            bars: MODELS
                .iter()
                .map(|model| bar(id, model).ok_or_else(|| self.absent(id)))
                .collect(),
        });
        series.collect()
    }

    fn standalone_table(
        &self,
        document: &mut Document,
        tuned: &Option<inference::Report>,
        defaults: &Option<inference::Report>,
    ) {
        let mut rows = Vec::new();
        for model in MODELS {
            for (name, found) in [("tuned", tuned), ("defaults", defaults)] {
                let all = found.iter().flat_map(|found| &found.inference);
                for one in all.filter(|one| one.model == model) {
                    let ours = one.engine.parse().is_ok_and(EngineId::is_ours);
                    let settings = match (ours, name) {
                        (true, "tuned") => "built in",
                        (true, _) => "beside the defaults",
                        (false, name) => name,
                    };
                    rows.push(timing(one, settings));
                }
                for id in [EngineId::Onnx, EngineId::LiteRt, EngineId::Torch] {
                    let mut measured = found.iter().flat_map(|found| &found.inference);
                    let is_there = |one: &Inference| one.model == model && one.engine == id.name();
                    if !measured.any(is_there) {
                        let mut row = vec![
                            model.to_uppercase(),
                            id.name().to_owned(),
                            "f32".to_owned(),
                            name.to_owned(),
                        ];
                        row.extend([(); 9].map(|()| self.absent(id).to_owned()));
                        rows.push(row);
                    }
                }
            }
        }
        document.table(
            "Standalone inferences, µs",
            &[
                "model",
                "engine",
                "weights",
                "settings",
                "runs",
                "mean ± std",
                "median",
                "p99",
                "p99.9",
                "max",
                "outliers",
                "cold median",
                "cold p99",
            ],
            rows,
        );
        let absent = [tuned, defaults].into_iter().flatten().flat_map(|found| {
            found.absent.iter().map(|one| {
                let who = format!("{} with {}", one.engine, one.model.to_uppercase());
                (who, &*one.reason)
            })
        });
        document.list(reasons(absent));
        let limits = tuned.iter().flat_map(|found| &found.limit);
        let rows = limits.map(|limit| {
            vec![
                limit.model.to_uppercase(),
                limit.weights.clone(),
                format!("{:.2}", super::mib(limit.bytes as f64)),
                short(limit.warm_us),
                short(limit.cold_us),
                short(limit.bytes as f64 / limit.cold_us / 1e3),
            ]
        });
        document.table(
            "For comparison: merely reading as many bytes as a network has weights, medians, µs",
            &["model", "weights", "MiB", "warm", "cold", "cold, GB/s"],
            rows.collect(),
        );
    }

    fn deployment_table(&self, document: &mut Document, deployed: Option<&Deployed>) {
        let mut rows = Vec::new();
        for model in MODELS {
            for id in EngineId::ALL {
                let mut row = vec![model.to_uppercase(), id.name().to_owned()];
                let mut runs = deployed.iter().flat_map(|found| &found.runs);
                let same = |run: &&RunFindings| run.engine == id.name() && run.model == model;
                match runs.find(same) {
                    Some(run) => {
                        let share = |n: usize| {
                            format!("{:.2} %", 100.0 * n as f64 / run.results.max(1) as f64)
                        };
                        row.extend([
                            if run.is_inline {
                                "callback"
                            } else {
                                "classifier thread"
                            }
                            .to_owned(),
                            run.results.to_string(),
                            format!("{} | {}", run.lost, run.mispaired),
                            spread(&run.execution_us),
                            spread(&run.inference_us),
                            format!(
                                "{} | {}",
                                short(run.inference_us.p99),
                                short(run.inference_us.max)
                            ),
                            format!("{} | {}", share(run.late[1]), share(run.late[2])),
                            format!(
                                "{} | {}",
                                share(run.late_for_next_block[1]),
                                share(run.late_for_next_block[2])
                            ),
                        ]);
                    }
                    None => row.extend([(); 8].map(|()| self.absent(id).to_owned())),
                }
                rows.push(row);
            }
        }
        let notes = deployed.map_or_else(String::new, |found| {
            format!(", {} notes every {:.1} ms", found.notes, found.spacing_ms)
        });
        document.table(
            format!("Deployment: notes in real time through the plugin{notes}; times in µs"),
            &[
                "model",
                "engine",
                "runs in",
                "results",
                "lost | mispaired",
                "execution",
                "inference",
                "p99 | max",
                "late by 1 | 2+ blocks",
                "late as the paper counts",
            ],
            rows,
        );
        document.text(format!(
            "The paper: {} ({}). It streams a note every 2 s, so its caches are colder; \
             `cargo xtask bench deployment --spacing-ms 2000` does that.",
            paper::LATE_RESULTS,
            paper::MACHINE
        ));
        let absent = deployed.iter().flat_map(|found| &found.absent);
        document.list(reasons(absent.map(|one| {
            (
                format!("{} with {}", one.engine, one.model.to_uppercase()),
                &*one.reason,
            )
        })));
    }

    /// Times that were not measured here.
    fn elsewhere(&self, document: &mut Document) {
        let range = |[least, most]: [f64; 2]| {
            if least == most {
                short(least)
            } else {
                format!("{} to {}", short(least), short(most))
            }
        };
        let rows = quoted::RTNEURAL_US
            .iter()
            .map(|(model, times)| ("RTNeural", *model, *times))
            .chain(quoted::BESIDE_US)
            .map(|(engine, model, times)| {
                vec![engine.to_owned(), model.to_uppercase(), range(times)]
            });
        document.table(
            "RTNeural's times, quoted, not measured here: warm medians, µs",
            &["engine", "model", "warm"],
            rows.collect(),
        );
        document.text(format!("Source: {}.", quoted::SOURCE));
        if self.rows.is_empty() {
            return;
        }
        let tuned = self.data::<inference::Report>(Part::Execution).ok();
        let native = |model: &str| {
            let mut all = tuned.iter().flat_map(|found| &found.inference);
            let one = all
                .find(|one| one.engine == "native" && one.model == model && one.weights == "f32")?;
            Some(one.warm_us.median)
        };
        let rows = self.rows.iter().map(|row| {
            let ratio = native(&row.model).map(|native| format!("{:.2}", row.warm / native));
            vec![
                row.engine.clone(),
                row.model.to_uppercase(),
                row.weights.clone(),
                short(row.warm),
                row.cold.map_or_else(|| "-".to_owned(), short),
                ratio.unwrap_or_else(|| "-".to_owned()),
            ]
        });
        document.table(
            "Measured elsewhere and merged with `--rows`: medians, µs",
            &[
                "engine",
                "model",
                "weights",
                "warm",
                "cold",
                "to `native` f32 here, warm",
            ],
            rows.collect(),
        );
    }

    pub(super) fn resources(&self, document: &mut Document) {
        document.heading(2, "Computational resources (section 4.3, table 2)");
        let deployed = self.deployed();
        let mut rows = Vec::new();
        for model in MODELS {
            for id in EngineId::ALL {
                let mut runs = deployed.iter().flat_map(|found| &found.runs);
                let same = |run: &&RunFindings| run.engine == id.name() && run.model == model;
                let mut row = vec![model.to_uppercase(), id.name().to_owned()];
                match runs.find(same) {
                    Some(run) => row.extend([
                        format!("{:.1} %", run.cpu_percent),
                        format!("{:.1}", run.memory_mib),
                        format!("{:.1}", run.memory_mib - run.memory_before_mib),
                    ]),
                    None => row.extend([(); 3].map(|()| self.absent(id).to_owned())),
                }
                let name = paper::name_of(id.name());
                let paper = paper::RESOURCES
                    .iter()
                    .find(|quoted| quoted.0 == model && quoted.1 == name);
                row.push(paper.map_or_else(
                    || "not compared".to_owned(),
                    |(_, name, cpu, real_time, ram)| {
                        format!("{name}: {cpu:.1} % + {real_time:.1} %, {ram:.1} %")
                    },
                ));
                rows.push(row);
            }
        }
        document.table(
            format!(
                "Table 2: processor and memory of the process while notes stream, and the paper's table \
                 2 ({}): CPU, CPU of the real-time kernel, RAM of 4 GB",
                paper::MACHINE
            ),
            &[
                "model", "engine", "CPU, of one core", "memory, MiB", "of it not the host's, MiB",
                "the paper",
            ],
            rows,
        );
        if let Some(found) = deployed {
            document.text(format!(
                "The process holds host, sound and plugin. Notes come {:.0} times as often as in the \
                 paper, and the classifier thread waits awake for each, which is most of the processor \
                 time.",
                paper::NOTE_SPACING_MS / found.spacing_ms
            ));
        }
    }
}

fn timing(one: &Inference, settings: &str) -> Vec<String> {
    let warm = &one.warm_us;
    vec![
        one.model.to_uppercase(),
        one.engine.clone(),
        one.weights.clone(),
        settings.to_owned(),
        warm.count.to_string(),
        spread(warm),
        short(warm.median),
        short(warm.p99),
        short(warm.p999),
        short(warm.max),
        warm.outliers.to_string(),
        short(one.cold_us.median),
        short(one.cold_us.p99),
    ]
}

fn spread(spread: &tocco_bench::statistics::Spread) -> String {
    format!("{} ± {}", short(spread.mean), short(spread.std))
}
