//! What the paper left for future work: other networks, coarser weights, slower processors.

use anyhow::Result;
use tocco_bench::inference::agreement::Agreement;
use tocco_bench::inference::report as inference;
use tocco_bench::recurrent::published;
use tocco_engines::EngineId;

use super::{Report, reasons};
use crate::document::Document;
use crate::figures::{Bar, Series, colour, grouped, short};
use crate::networks::Networks;
use crate::part::Part;
use crate::quoted;

impl Report<'_> {
    pub(super) fn beyond(&self, document: &mut Document) -> Result<()> {
        document.heading(2, "Beyond the paper: recurrent and convolutional networks");
        self.other_networks(document)?;
        document.heading(2, "Beyond the paper: coarser weights");
        self.coarser_weights(document);
        document.heading(2, "Beyond the paper: slower processors");
        self.slower_processors(document);
        Ok(())
    }

    fn other_networks(&self, document: &mut Document) -> Result<()> {
        let Ok(found) = self.data::<Networks>(Part::Networks) else {
            document.text("The part \"networks\" has failed: see the table of the parts.");
            return Ok(());
        };
        let mut names: Vec<&str> = Vec::new();
        for row in &found.rows {
            if !names.contains(&&*row.network) {
                names.push(&row.network);
            }
        }
        let of = |engine: &str, network: &str, weights: &str| {
            let mut rows = found.rows.iter();
            rows.find(|row| {
                row.engine == engine && row.network == network && row.weights == weights
            })
        };
        let series = EngineId::ALL.map(|id| Series {
            name: id.name().to_owned(),
            colour: colour(id.name()),
            bars: names
                .iter()
                .map(|network| match of(id.name(), network, "f32") {
                    Some(row) => Ok(Bar {
                        value: row.step_ns.median,
                        deviation: None,
                    }),
                    None if self.conditions.has(id) => Err("not possible"),
                    None => Err(self.absent(id)),
                })
                .collect(),
        });
        let groups: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        document.figure(
            "networks",
            format!(
                "Recurrent and convolutional networks: one sample of a block of {} samples, median, ns; a \
                 sample at 48 kHz lasts 20,833 ns",
                found.block
            ),
            grouped("One sample at audio rate", "ns, logarithmic", &groups, &series)?,
        );
        let rows = names.iter().map(|network| {
            let mut row = vec![(*network).to_owned()];
            for id in EngineId::ALL {
                row.push(match of(id.name(), network, "f32") {
                    Some(one) => {
                        let spread = &one.step_ns;
                        format!("{} | {}", short(spread.median), short(spread.p99))
                    }
                    None if self.conditions.has(id) => "not possible".to_owned(),
                    None => self.absent(id).to_owned(),
                });
            }
            let f16 = of("native", network, "f16");
            row.push(f16.map_or_else(|| "as f32".to_owned(), |one| short(one.step_ns.median)));
            let quoted = published::RTNEURAL
                .iter()
                .find(|one| one.network == *network);
            row.push(quoted.map_or_else(
                || "not measured".to_owned(),
                |one| {
                    let run_time = one.run_time_ns.map(|ns| format!(" ({})", short(ns)));
                    format!(
                        "{}{}",
                        short(one.compile_time_ns),
                        run_time.unwrap_or_default()
                    )
                },
            ));
            row
        });
        document.table(
            "ns a sample in blocks, median | p99, f32 weights",
            &[
                "network",
                "native",
                "native-fixed",
                "onnx",
                "litert",
                "torch",
                "native, f16",
                "RTNeural, quoted: compile-time (run-time)",
            ],
            rows.collect(),
        );
        let absent = found.absent.iter().filter(|one| {
            let id = one.engine.parse::<EngineId>();
            id.is_ok_and(|id| self.conditions.has(id))
        });
        document.list(reasons(absent.map(|one| {
            (format!("{} with {}", one.engine, one.network), &*one.reason)
        })));
        document.text(format!(
            "`lstm-40`: one LSTM layer of 40 units and a dense output; `conv1d-8x3`: three convolutions of 8 \
             channels and 3 taps; `wavenet-8x8`: eight of them with dilations of 1 to 128, as in WaveNet, \
             without its gates and skips. `native` and `native-fixed` keep their state from block to block; \
             the others have none between inferences, take the block as one input and begin each from zero. \
             RTNeural: {}.",
            published::SOURCE
        ));
        Ok(())
    }

    fn coarser_weights(&self, document: &mut Document) {
        let inference = self.data::<inference::Report>(Part::Execution).ok();
        let agreement = self
            .data::<Vec<Agreement>>(Part::Accuracy)
            .unwrap_or_default();
        let all = inference.iter().flat_map(|found| &found.inference);
        let ours = all.filter(|one| one.engine == "native");
        let rows = ours.map(|one| {
            let exact = inference
                .iter()
                .flat_map(|found| &found.inference)
                .find(|exact| {
                    exact.engine == one.engine && exact.model == one.model && exact.weights == "f32"
                });
            let ratio = exact.map(|exact| one.warm_us.median / exact.warm_us.median);
            let agreement = agreement
                .iter()
                .find(|row| row.model == one.model && row.weights.name() == one.weights);
            let mut row = vec![
                one.model.to_uppercase(),
                one.weights.clone(),
                short(super::mib(one.weight_bytes as f64)),
                short(one.warm_us.median),
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                short(one.cold_us.median),
            ];
            match agreement {
                Some(found) => row.extend([
                    format!("{:.1e}", found.largest_error),
                    format!("{} of {}", found.changed_winners, found.notes),
                ]),
                None => row.extend([(); 2].map(|()| "not compared".to_owned())),
            }
            row
        });
        document.table(
            "Weight formats of `native`: size, time, and difference of the probabilities from double \
             precision over the notes that the inferences work on",
            &[
                "model", "weights", "MiB", "warm median, µs", "to f32", "cold median, µs",
                "largest difference", "other winners",
            ],
            rows.collect(),
        );
    }

    fn slower_processors(&self, document: &mut Document) {
        let inference = self.data::<inference::Report>(Part::Execution).ok();
        let limits = inference.iter().flat_map(|found| &found.limit);
        let rows = limits.map(|limit| {
            let [slow, fast] = quoted::PI_BANDWIDTH_GB.map(|gb| limit.bytes as f64 / gb / 1e3);
            vec![
                limit.model.to_uppercase(),
                limit.weights.clone(),
                short(limit.bytes as f64 / limit.cold_us / 1e3),
                format!("{} to {}", short(fast), short(slow)),
            ]
        });
        document.table(
            format!(
                "Not measured: the time that a Cortex-A72 takes to read all weights once from memory, at \
                 {} to {} GB/s, an assumption. A block of 64 samples has 1,333 µs; arithmetic comes on \
                 top, and what zeros leave out comes off",
                quoted::PI_BANDWIDTH_GB[0],
                quoted::PI_BANDWIDTH_GB[1]
            ),
            &[
                "model", "weights", "GB/s read here, cold", "on a Raspberry Pi 4, µs",
            ],
            rows.collect(),
        );
        document.text(format!(
            "This report was made on {}. Run it on the slower machine to have times instead; \
             instructions of a step are counted by `cargo xtask bench recurrent` where Valgrind is \
             installed.",
            std::env::consts::ARCH
        ));
    }
}
