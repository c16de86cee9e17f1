//! `labels.csv`: labels for recordings whose names say nothing.

use crate::composed::composed;
use crate::error::quoted;
use crate::technique_name::{file_tokens, from_name};
use crate::{CorpusError, Technique};

/// The name of the file, in the folder of the recordings that it describes.
pub const LABELS_CSV: &str = "labels.csv";

/// One note of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRow {
    /// File name of the recording, in the folder of the CSV file.
    pub file: String,
    /// Onset time, seconds from the recording's start.
    pub time_s: f64,
    /// What is played.
    pub technique: Technique,
    /// Who plays; `unknown` where the file does not say.
    pub player: String,
}

/// Reads `text`, a CSV file named `file` with a header and the columns `file`, `time_s`,
/// `technique` (a label or a file-name token) and, not always, `player`, in any order, one row a
/// note. Other columns are left to other tools. Columns are separated by commas, or by semicolons or
/// tabs where the header is; times may have a decimal comma where none has a point.
///
/// `file` and `player` come in composed Unicode, whatever the table has.
///
/// # Errors
/// When a column is missing or a value is wrong; the error names file and line.
pub fn parse_labels_csv(text: &str, file: &str) -> Result<Vec<LabelRow>, CorpusError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        CorpusError::malformed(
            format_args!("{file}:{line}"),
            "row",
            "as many values as the header has columns",
            error,
            "save the table as CSV with commas again",
        )
    };
    let header = reader.headers().map_err(unreadable)?.clone();
    let optional = |name: &str| header.iter().position(|column| column == name);
    let column = |name: &str| {
        optional(name).ok_or_else(|| {
            CorpusError::malformed(
                format_args!("{file}:1"),
                "header",
                format_args!("a column \"{name}\" (all: file,time_s,technique,player)"),
                quoted(&header.iter().collect::<Vec<_>>().join(",")),
                "add the column",
            )
        })
    };
    let (name, time, technique) = (column("file")?, column("time_s")?, column("technique")?);
    let player = optional("player");

    let records: Vec<csv::StringRecord> = reader
        .records()
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    let has_point = records.iter().any(|record| record[time].contains('.'));
    let mut rows = Vec::new();
    for record in records {
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |field: &str, expected: &str, found: &str| {
            CorpusError::malformed(
                format_args!("{file}:{line}"),
                field,
                expected,
                quoted(found),
                "correct the row",
            )
        };
        let text = |index: usize| record.get(index).unwrap_or_default();
        if text(name).is_empty() || text(name).contains(['/', '\\']) {
            return Err(wrong(
                "file",
                "the name of a recording in this folder",
                text(name),
            ));
        }
        let seconds = match text(time).split_once(',') {
            Some((whole, part)) if !has_point => format!("{whole}.{part}"),
            _ => text(time).to_owned(),
        };
        let time_s = seconds.parse::<f64>().ok();
        let time_s = time_s.filter(|t| t.is_finite() && *t >= 0.0);
        rows.push(LabelRow {
            file: composed(text(name)),
            time_s: time_s.ok_or_else(|| wrong("time_s", "seconds, 0 or more", text(time)))?,
            technique: from_name(text(technique)).ok_or_else(|| {
                let expected = format!("one of {}", file_tokens());
                wrong("technique", &expected, text(technique))
            })?,
            player: player
                .map(text)
                .filter(|p| !p.is_empty())
                .map_or_else(|| "unknown".to_owned(), composed),
        });
    }
    Ok(rows)
}

/// What separates the columns of the header, the first line that says something.
fn delimiter(text: &str) -> u8 {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = lines
        .find(|line| !line.starts_with('#'))
        .unwrap_or_default();
    let found = b";\t".iter().find(|byte| header.as_bytes().contains(byte));
    match found {
        Some(delimiter) if !header.contains(',') => *delimiter,
        _ => b',',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Vec<LabelRow>, CorpusError> {
        parse_labels_csv(text, "labels.csv")
    }

    #[test]
    fn columns_come_in_any_order_and_the_player_may_be_missing() {
        let rows =
            parse("technique, file ,time_s,remark\nPalm mute,a b.wav, 0.5,soft\nthumb,c.wav,1,\n");
        let rows = rows.unwrap();
        assert_eq!(rows[0].technique, Technique::PalmMute);
        assert_eq!(rows[0].file, "a b.wav");
        assert_eq!(rows[1].time_s, 1.0);
        assert_eq!(rows[1].player, "unknown");
    }

    #[test]
    fn spreadsheets_separate_by_semicolons_and_write_decimal_commas() {
        let text = "\u{feff}file;time_s;technique;player\na.wav;0,5;kick;Ann\na.wav;2;thumb;Ann\n";
        let times = |text: &str| -> Vec<f64> {
            parse(text)
                .unwrap()
                .iter()
                .map(|row| row.time_s)
                .collect::<Vec<_>>()
        };
        assert_eq!(times(text), [0.5, 2.0]);
        assert_eq!(times(&text.replace(';', "\t")), [0.5, 2.0]);
        assert_eq!(
            times("# by hand\n\nfile,time_s,technique\na.wav,\"0,5\",kick\n"),
            [0.5]
        );
        // Beside a point the comma is not clear.
        let message = parse(&text.replace(";2;", ";2.5;"))
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("labels.csv:2: time_s"), "{message}");
        assert!(message.contains("found \"0,5\""), "{message}");
        let message = parse("file,time_s,technique,player\na.wav,0,5,kick,Ann\n")
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("labels.csv:2"), "{message}");
    }

    #[test]
    fn names_are_composed() {
        let rows = parse("file,time_s,technique,player\nu\u{308}.wav,0,kick,A\u{30a}\n").unwrap();
        assert_eq!(
            (rows[0].file.as_str(), rows[0].player.as_str()),
            ("\u{fc}.wav", "\u{c5}")
        );
    }

    #[test]
    fn wrong_values_are_refused_with_their_line() {
        let header = "file,time_s,technique,player\n";
        for (text, place, word) in [
            ("file,technique\n", "labels.csv:1", "\"time_s\""),
            ("", "labels.csv:1", "\"file\""),
            (
                &format!("{header}a.wav,0,kick,X\na.wav,-1,kick,X\n"),
                "labels.csv:3",
                "time_s",
            ),
            (
                &format!("{header}a.wav,0,slap,X\n"),
                "labels.csv:2",
                "soundholepick",
            ),
            (
                &format!("{header}../a.wav,0,kick,X\n"),
                "labels.csv:2",
                "file",
            ),
            (
                &format!("{header}a.wav,0\n"),
                "labels.csv:2",
                "header has columns",
            ),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(place), "{text:?}: {message}");
            assert!(message.contains(word), "{text:?}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(file,time_s,technique\n)?(?s).{0,120}") {
            let _ = parse(&text);
        }

        #[test]
        fn written_rows_are_read_back(
            rows in proptest::collection::vec(
                ("[A-Za-z ,\"]{0,8}[a-z]\\.wav", 0_u32..1_000_000, 0_usize..8, "[A-Z][a-z]{2}"),
                0..20,
            ),
        ) {
            let rows: Vec<LabelRow> = rows.into_iter().map(|(file, time, class, player)| LabelRow {
                file: file.trim().to_owned(),
                time_s: f64::from(time) / 1e3,
                technique: Technique::ALL[class],
                player,
            }).collect();
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["file", "time_s", "technique", "player"]).unwrap();
            for row in &rows {
                let time = row.time_s.to_string();
                writer.write_record([&row.file, &time, row.technique.label(), &row.player]).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(parse(&text).unwrap(), rows);
        }
    }
}
