//! Reading reference vectors, and comparing with them.

use std::path::Path;

use tocco_dsp::HOP;

/// Reference vectors as `golden/README.md` describes them: a source, a block index, the features.
pub struct Table {
    pub names: Vec<String>,
    pub rows: Vec<Row>,
}

pub struct Row {
    /// What was analysed.
    pub source: String,
    /// The block of [`HOP`] samples after which it was analysed, from 0.
    pub block_index: usize,
    pub features: Vec<f32>,
}

impl Table {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = text.lines();
        let header = lines.next().expect("a header");
        let names: Vec<_> = header.split(',').skip(2).map(str::to_owned).collect();
        let row = |line: &str| {
            let mut cells = line.split(',');
            Row {
                source: cells.next().expect("a source").to_owned(),
                block_index: cells.next().expect("a block").parse().expect("a number"),
                features: cells.map(|cell| cell.parse().expect("a number")).collect(),
            }
        };
        let rows: Vec<_> = lines.map(row).collect();
        assert!(rows.iter().all(|row| row.features.len() == names.len()));
        Self { names, rows }
    }
}

/// The newest `len` samples right after block `block_index`, with silence before the beginning.
pub fn history(samples: &[f32], block_index: usize, len: usize) -> Vec<f32> {
    let mut history = vec![0.0; len];
    for block in samples.chunks_exact(HOP).take(block_index + 1) {
        history.rotate_left(HOP);
        history[len - HOP..].copy_from_slice(block);
    }
    history
}

/// Deviations from the reference that are larger than allowed.
#[derive(Default)]
pub struct Mismatches {
    compared: usize,
    worst: f32,
    messages: Vec<String>,
}

impl Mismatches {
    /// 1e-4 of the reference value, or 1e-6 near zero; -1, which says that there is no value, and
    /// indices exactly.
    pub fn compare(&mut self, names: &[String], row: &Row, features: &[f32]) {
        for ((name, &expected), &found) in names.iter().zip(&row.features).zip(features) {
            let exact = expected == -1.0 || name == "peakSample_index" || name == "zeroCrossing";
            let allowed = if exact {
                0.0
            } else {
                (1e-4 * expected.abs()).max(1e-6)
            };
            let difference = (found - expected).abs();
            self.compared += 1;
            if !exact {
                self.worst = self.worst.max(difference / allowed);
            }
            let matches = difference <= allowed;
            if !matches {
                self.messages.push(format!(
                    "{} block {} {name}: expected {expected}, found {found}",
                    row.source, row.block_index
                ));
            }
        }
    }

    pub fn assert_none(&self, title: &str) {
        eprintln!(
            "{title}: {} values compared, the worst is at {:.1} % of the tolerance",
            self.compared,
            100.0 * self.worst
        );
        assert!(self.compared > 0, "{title}: nothing was compared");
        assert!(
            self.messages.is_empty(),
            "{title}: {} of {} values differ:\n{}",
            self.messages.len(),
            self.compared,
            self.messages[..self.messages.len().min(20)].join("\n")
        );
    }
}
