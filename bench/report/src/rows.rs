//! Times that were measured elsewhere, merged into the report and marked as such.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::footprint::MODELS;

/// A row of the file of `--rows`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Name of the engine.
    pub engine: String,
    /// Id of the model: a, b or c.
    pub model: String,
    /// What the weights are stored as.
    pub weights: String,
    /// Median with warm caches, µs.
    pub warm: f64,
    /// Median with cold caches, µs; may be empty.
    pub cold: Option<f64>,
}

/// Reads the file.
///
/// # Errors
/// When it cannot be read, or a row is not as it must be; the error names the line.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .with_context(|| path.display().to_string())?;
    let mut rows = Vec::new();
    for (i, row) in reader.deserialize().enumerate() {
        let place = || {
            format!(
                "{}, row {}: expected engine,model,weights,warm,cold, times in µs",
                path.display(),
                i + 1
            )
        };
        let row: Row = row.with_context(place)?;
        let positive = |time: f64| time > 0.0 && time.is_finite();
        ensure!(
            positive(row.warm) && row.cold.is_none_or(positive),
            "{}: a time that is not above 0",
            place()
        );
        ensure!(
            MODELS.contains(&row.model.as_str()),
            "{}: found model {}, there are a, b and c",
            place(),
            row.model
        );
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Row>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn rows_are_read_and_faults_are_named() {
        let read = rows("engine,model,weights,warm,cold\nRTNeural, a, f32, 114.8,\n").unwrap();
        assert_eq!((read[0].warm, read[0].cold), (114.8, None));
        let error = rows("engine,model,weights,warm,cold\nx,a,f32,1,2\nx,d,f32,1,2\n").unwrap_err();
        assert!(
            error.contains("row 2") && error.contains("found model d"),
            "{error}"
        );
        let error = rows("engine,model,weights,warm,cold\nx,a,f32,-1,2\n").unwrap_err();
        assert!(error.contains("not above 0"), "{error}");
        let error = rows("engine,model,warm\nx,a,1\n").unwrap_err();
        assert!(error.contains("weights"), "{error}");
    }
}
