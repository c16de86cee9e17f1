//! Tables of numbers in CSV files. A first line that is no row of numbers is a header, lines that
//! begin with `#` are remarks.

use std::io::Read;

use anyhow::{Context, Result, bail};

/// The numbers of the CSV file `source`, named `shown` in errors, row by row, all of one length.
///
/// # Errors
/// When a field is no number, a row has another length than the first, or reading fails.
pub fn rows(source: impl Read, shown: &str) -> Result<Vec<Vec<f32>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(true)
        .from_reader(source);
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let record = record.with_context(|| shown.to_owned())?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Result<Vec<f32>, &str> = record
            .iter()
            .map(|field| field.parse().map_err(|_| field))
            .collect();
        match row {
            Ok(row) => {
                if let Some(first) = rows.first()
                    && first.len() != row.len()
                {
                    bail!(
                        "{shown}: line {line}: expected {} numbers like the first row, found {}",
                        first.len(),
                        row.len()
                    );
                }
                rows.push(row);
            }
            // Column names; with nothing but numbers wrong it would be a broken row.
            Err(_) if i == 0 && record.iter().all(|field| field.parse::<f32>().is_err()) => {}
            Err(field) => bail!("{shown}: line {line}: \"{field}\" is no number"),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_and_comments_are_skipped() {
        let text = "a, b\n# note\n1, 2e-3\n-3,inf\n";
        let expected = vec![vec![1.0, 0.002], vec![-3.0, f32::INFINITY]];
        assert_eq!(rows(text.as_bytes(), "x.csv").unwrap(), expected);
        assert_eq!(rows("1\n2\n".as_bytes(), "x.csv").unwrap(), [[1.0], [2.0]]);
    }

    #[test]
    fn broken_rows_are_named() {
        let error = rows("1,2\n1,x\n".as_bytes(), "x.csv")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "x.csv: line 2: \"x\" is no number");
        let error = rows("1,2\n1\n".as_bytes(), "x.csv")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "x.csv: line 2: expected 2 numbers like the first row, found 1"
        );
        let error = rows("1,x\n".as_bytes(), "x.csv").unwrap_err().to_string();
        assert_eq!(error, "x.csv: line 1: \"x\" is no number");
    }
}
