//! The label file beside a recording: one line a note.

use crate::CorpusError;
use crate::error::quoted;

/// Reads the onset times, in seconds and ascending, from the text of a label file named `file`.
///
/// A line's first column is the time; what follows after spaces, tabs, a comma or a semicolon is
/// left to other tools. Empty lines and lines that begin with `#` say nothing.
///
/// # Errors
/// When a time is no number, negative, not finite, or not later than the one before; the error
/// names file and line.
pub fn parse_onset_labels(text: &str, file: &str) -> Result<Vec<f64>, CorpusError> {
    let mut times: Vec<f64> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let column = line
            .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
            .next()
            .unwrap_or_default();
        let wrong = |expected: String, found: String, remedy: &str| {
            let place = format!("{file}:{}", index + 1);
            CorpusError::malformed(place, "onset time (column 1)", expected, found, remedy)
        };
        let time = column.parse::<f64>().ok();
        let Some(time) = time.filter(|time| time.is_finite() && *time >= 0.0) else {
            return Err(wrong(
                "seconds from the start of the recording, 0 or more, as in 1.25".to_owned(),
                quoted(column),
                "correct the line, or put # before it if it is a remark",
            ));
        };
        if let Some(last) = times.last().filter(|last| time <= **last) {
            return Err(wrong(
                format!("a time after the one before, {last} s"),
                format!("{time} s"),
                "put the lines into the order of time, each note once",
            ));
        }
        times.push(time);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Vec<f64>, CorpusError> {
        parse_onset_labels(text, "take.txt")
    }

    #[test]
    fn white_space_further_columns_and_remarks_do_not_matter() {
        let text = "\u{feff}# by hand\r\n0.5\t0.5\t1\r\n\r\n  1.25   1.25 two\n2,2,3\n3; x";
        assert_eq!(parse(text).unwrap(), [0.5, 1.25, 2.0, 3.0]);
        assert_eq!(parse("").unwrap(), [0.0; 0]);
    }

    #[test]
    fn a_wrong_time_is_refused_with_its_line() {
        for (text, place, found) in [
            ("0.5\nabc\n", "take.txt:2", "\"abc\""),
            ("0.5\n\n-1\n", "take.txt:3", "\"-1\""),
            ("nan", "take.txt:1", "\"nan\""),
            ("inf 1", "take.txt:1", "\"inf\""),
            ("1\n0.5", "take.txt:2", "0.5 s"),
            ("1\n1", "take.txt:2", "1 s"),
            (",1", "take.txt:1", "\"\""),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(place), "{text:?}: {message}");
            assert!(
                message.contains(&format!("found {found};")),
                "{text:?}: {message}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            if let Ok(times) = parse(&text) {
                prop_assert!(times.iter().all(|t| t.is_finite() && *t >= 0.0));
                prop_assert!(times.is_sorted());
            }
        }

        #[test]
        fn written_times_are_read_back(
            times in proptest::collection::btree_set(0_u32..10_000_000, 0..40),
            between in "[ \t]{1,4}",
            end in "\r?\n",
        ) {
            let times: Vec<f64> = times.into_iter().map(|t| f64::from(t) / 1e6).collect();
            let lines = times.iter().enumerate().map(|(i, t)| format!("{between}{t:.6}{between}{i}{end}"));
            prop_assert_eq!(parse(&lines.collect::<String>()).unwrap(), times);
        }
    }
}
