//! Whether the machine was quiet enough.

use tocco_bench::inference::report as inference;
use tocco_bench::statistics::ratio_change;

use super::Report;
use crate::document::Document;
use crate::part::Part;

/// Ratios between engines may differ by so much between two halves of a run.
const TOLERANCE: f64 = 0.1;

/// Times below are not judged, µs.
const FLOOR_US: f64 = 5.0;

/// By how much the halves of a series differ, as a share.
pub(super) fn of_halves([first, second]: [f64; 2]) -> f64 {
    if first > 0.0 && second > 0.0 {
        (first / second).max(second / first) - 1.0
    } else {
        0.0
    }
}

/// Two engines whose ratio is not the same in both halves of the run.
#[derive(serde::Serialize)]
pub(super) struct Noisy {
    part: &'static str,
    model: String,
    engines: [String; 2],
    change: f64,
}

impl Report<'_> {
    /// All pairs of engines with a network whose ratio, with warm caches, differs by more than
    /// [`TOLERANCE`] between the halves of the run; and how many pairs there are.
    pub(super) fn noisy(&self) -> (usize, Vec<Noisy>) {
        let (mut pairs, mut noisy) = (0, Vec::new());
        for part in [Part::Execution, Part::Defaults] {
            let Ok(found) = self.data::<inference::Report>(part) else {
                continue;
            };
            let judged = |one: &&inference::Inference| one.warm_us.median > FLOOR_US;
            let judged: Vec<_> = found.inference.iter().filter(judged).collect();
            for (i, a) in judged.iter().enumerate() {
                for b in judged[i + 1..].iter().filter(|b| b.model == a.model) {
                    pairs += 1;
                    let change = ratio_change(a.warm_us.halves, b.warm_us.halves);
                    if change > TOLERANCE {
                        noisy.push(Noisy {
                            part: part.name(),
                            model: a.model.clone(),
                            engines: [a, b].map(|one| format!("{} {}", one.engine, one.weights)),
                            change,
                        });
                    }
                }
            }
        }
        noisy.sort_by(|a, b| b.change.total_cmp(&a.change));
        (pairs, noisy)
    }

    /// The noise in a sentence.
    pub(super) fn verdict(&self) -> String {
        match self.noisy() {
            (0, _) => {
                "Nothing slower than 5 µs was measured: nothing tells how quiet the machine was."
                    .to_owned()
            }
            (pairs, noisy) if noisy.is_empty() => format!(
                "The machine was quiet enough: of the {pairs} pairs of engines slower than 5 µs, every \
                 ratio agrees within 10 % between the two halves of the run."
            ),
            (pairs, noisy) => format!(
                "The machine was too noisy: of the {pairs} pairs of engines slower than 5 µs, the ratio \
                 of {} differs by more than 10 % between the two halves of the run (at most {:.0} %). \
                 Measure again on an idle machine before you rely on these times.",
                noisy.len(),
                100.0 * noisy[0].change
            ),
        }
    }

    pub(super) fn noise(&self, document: &mut Document) {
        document.heading(2, "How quiet the machine was");
        document.text(self.verdict());
        let (_, noisy) = self.noisy();
        if noisy.is_empty() {
            return;
        }
        let rows = noisy.iter().take(20).map(|pair| {
            vec![
                pair.part.to_owned(),
                pair.model.to_uppercase(),
                pair.engines.join(" to "),
                format!("{:.0} %", 100.0 * pair.change),
            ]
        });
        document.table(
            "Ratios that differ most between the halves of the run, 20 at most",
            &["part", "model", "ratio of", "differs by"],
            rows.collect(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::of_halves;

    #[test]
    fn halves_differ_as_a_share_of_the_smaller_one() {
        assert_eq!(of_halves([10.0, 10.0]), 0.0);
        assert!((of_halves([10.0, 12.0]) - 0.2).abs() < 1e-12);
        assert!((of_halves([12.0, 10.0]) - 0.2).abs() < 1e-12);
        assert_eq!(of_halves([0.0, 0.0]), 0.0);
    }
}
