//! The label file beside a recording: one line a note.

use crate::CorpusError;
use crate::error::quoted;

/// Reads the onset times, in seconds and ascending, from the text of a label file named `file`.
///
/// Lines end as on any system, also with a carriage return alone. A line's first column is the time;
/// what follows after spaces, tabs, a comma or a semicolon is left to other tools. Empty lines, lines that begin with `#` and lines that begin with `\`
/// (Audacity: the range of frequencies of the label above) say nothing.
///
/// A comma between digits may be a decimal comma (`0,5`) or stand between columns. It is a decimal
/// comma where every line has just that one, and stands between columns where other lines have it
/// beside a decimal point (`0.5,0.7`). Else the line is refused.
///
/// # Errors
/// When a time is no number, negative, not finite, not clear, or not later than the one before; the
/// error names file and line.
pub fn parse_onset_labels(text: &str, file: &str) -> Result<Vec<f64>, CorpusError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n");
    let lines: Vec<(usize, FirstColumn)> = (1..)
        .zip(text.split(['\n', '\r']))
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', '\\']))
        .map(|(number, line)| (number, FirstColumn::of(line)))
        .collect();
    let decimal_comma = lines.iter().all(
        |(_, column)| matches!(column, FirstColumn::Either(text) if text.matches(',').count() == 1),
    );
    let separating_comma = lines
        .iter()
        .any(|(_, column)| matches!(column, FirstColumn::BesidePoint(_)));

    let mut times: Vec<f64> = Vec::new();
    for (number, column) in lines {
        let wrong = |expected: String, found: String, remedy: &str| {
            let place = format!("{file}:{number}");
            CorpusError::malformed(place, "onset time (column 1)", expected, found, remedy)
        };
        let text = match column {
            FirstColumn::Time(text) | FirstColumn::BesidePoint(text) => text.to_owned(),
            FirstColumn::Either(text) if decimal_comma => text.replacen(',', ".", 1),
            FirstColumn::Either(text) if separating_comma => before_comma(text).to_owned(),
            FirstColumn::Either(text) => {
                return Err(wrong(
                    "a decimal point as in 1.25, or a decimal comma in every line".to_owned(),
                    quoted(text),
                    "write a point instead of the comma, or a space after the time",
                ));
            }
        };
        let time = text.parse::<f64>().ok();
        let Some(time) = time.filter(|time| time.is_finite() && *time >= 0.0) else {
            return Err(wrong(
                "seconds from the start of the recording, 0 or more, as in 1.25".to_owned(),
                quoted(&text),
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

/// What a line begins with.
enum FirstColumn<'a> {
    /// The time alone; what follows it is clear.
    Time(&'a str),
    /// The time, before a comma that cannot be a decimal comma, for a decimal point is there too.
    BesidePoint(&'a str),
    /// Digits with commas between them.
    Either(&'a str),
}

impl<'a> FirstColumn<'a> {
    fn of(line: &'a str) -> Self {
        let column = line
            .split(|c: char| c.is_whitespace() || c == ';')
            .next()
            .unwrap_or_default();
        let Some((time, more)) = column.split_once(',') else {
            return Self::Time(column);
        };
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let second = before_comma(more);
        if number(time) && number(second) && (time.contains('.') || second.contains('.')) {
            Self::BesidePoint(time)
        } else if time.contains('.')
            || time.is_empty()
            || !more.starts_with(|c: char| c.is_ascii_digit())
        {
            Self::Time(time)
        } else {
            Self::Either(column)
        }
    }
}

fn before_comma(text: &str) -> &str {
    text.split(',').next().unwrap_or_default()
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
        let text = "\u{feff}# by hand\r\n0.5\t0.5\t1\r\n\r\n  1.25   1.25 two\n2.0,2,3\n3; x";
        assert_eq!(parse(text).unwrap(), [0.5, 1.25, 2.0, 3.0]);
        assert_eq!(parse("").unwrap(), [0.0; 0]);
        assert_eq!(parse("0.5\tkick\r1.0\r1.5\r").unwrap(), [0.5, 1.0, 1.5]);
        let error = parse("0.5\r\n1.0\rx\r").unwrap_err().to_string();
        assert!(error.starts_with("take.txt:3"), "{error}");
    }

    #[test]
    fn a_comma_is_read_where_it_is_clear() {
        for (text, times) in [
            ("0,5\n1,25\n", &[0.5, 1.25][..]),
            ("0,5\t0,6\tsoft\n# a remark\n\n1,25\t1,3\t\n", &[0.5, 1.25]),
            ("0,5; 0,6\n1,25 x", &[0.5, 1.25]),
            ("0.5,0.7\n2,3\n4,4,x\n", &[0.5, 2.0, 4.0]),
            ("0.5,kick\n2,kick\n3, 4\n4,\n", &[0.5, 2.0, 3.0, 4.0]),
            ("0,0.5\n1,2\n", &[0.0, 1.0]),
        ] {
            assert_eq!(parse(text).unwrap(), times, "{text:?}");
        }
    }

    #[test]
    fn a_comma_that_is_not_clear_is_refused_with_its_line() {
        for (text, place, found) in [
            ("0.25\n0,5\n", "take.txt:2", "\"0,5\""),
            ("0,5\n1\n", "take.txt:1", "\"0,5\""),
            ("0,5\n1,25,3\n", "take.txt:1", "\"0,5\""),
            ("2,3,kick\n", "take.txt:1", "\"2,3,kick\""),
            ("0,5\n1,kick\n", "take.txt:1", "\"0,5\""),
            ("0.5\tx\n2,2,3\n", "take.txt:2", "\"2,2,3\""),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(place), "{text:?}: {message}");
            assert!(
                message.contains(&format!("found {found};")),
                "{text:?}: {message}"
            );
            assert!(message.contains("a decimal point"), "{text:?}: {message}");
        }
    }

    #[test]
    fn the_frequencies_that_audacity_writes_are_skipped() {
        let text = "0.5\t0.6\tkick\n\\\t100.0\t2000.0\n1.5\t1.6\tkick\n\\\t-1\t-1\n";
        assert_eq!(parse(text).unwrap(), [0.5, 1.5]);
        let commas = "0,5\t0,6\tkick\n\\\t100,0\t2000,0\n1,5\t1,6\n";
        assert_eq!(parse(commas).unwrap(), [0.5, 1.5]);
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
