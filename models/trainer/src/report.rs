//! What an evaluation looks like: JSON for programs, a table for people.

use std::fmt::Write;

use serde::Serialize;
use tocco_corpus::Technique;

use crate::metrics::Confusion;
use crate::protocol::{Evaluation, Protocol};

/// The JSON document of an evaluation.
#[derive(Serialize)]
pub struct Json<'a> {
    model: &'a str,
    protocol: &'static str,
    /// Detected and labelled notes, which were classified.
    notes: usize,
    onset: OnsetJson,
    accuracy: f64,
    macro_f1: f64,
    labels: [&'static str; 8],
    /// Rows: what was played; columns: the answer.
    confusion: &'a [Vec<usize>],
}

#[derive(Serialize)]
struct OnsetJson {
    precision: f64,
    recall: f64,
    f1: f64,
    /// From the label to the report of the onset.
    delay_ms: DelayJson,
}

#[derive(Serialize)]
struct DelayJson {
    mean: f64,
    p95: f64,
}

/// An evaluation as a JSON document.
pub fn json(evaluation: &Evaluation) -> Json<'_> {
    let onsets = &evaluation.onsets;
    Json {
        model: &evaluation.model,
        protocol: evaluation.protocol.name(),
        notes: evaluation.confusion.notes(),
        onset: OnsetJson {
            precision: onsets.precision(),
            recall: onsets.recall(),
            f1: onsets.f1(),
            delay_ms: DelayJson {
                mean: onsets.mean_delay_ms(),
                p95: onsets.p95_delay_ms(),
            },
        },
        accuracy: evaluation.confusion.accuracy(),
        macro_f1: evaluation.confusion.macro_f1(),
        labels: Technique::ALL.map(Technique::label),
        confusion: &evaluation.confusion.counts,
    }
}

/// An evaluation as a text for the terminal.
pub fn table(evaluation: &Evaluation) -> String {
    let onsets = &evaluation.onsets;
    let mut text = format!(
        "model {}, protocol {}\n{}\n\n",
        evaluation.model,
        evaluation.protocol.name(),
        evaluation.protocol.meaning()
    );
    let _ = write!(
        text,
        "onsets (±20 ms): {} labelled, {} detected; precision {:.3}, recall {:.3}, F1 {:.3}; \
         reported {:.1} ms after the label (mean), 95 % below {:.1} ms\n\
         notes: {} classified; accuracy {:.3}, macro-F1 {:.3}; mean probability of the answers \
         {:.3}\n",
        onsets.labelled,
        onsets.detected,
        onsets.precision(),
        onsets.recall(),
        onsets.f1(),
        onsets.mean_delay_ms(),
        onsets.p95_delay_ms(),
        evaluation.confusion.notes(),
        evaluation.confusion.accuracy(),
        evaluation.confusion.macro_f1(),
        evaluation.mean_confidence()
    );
    let _ = writeln!(
        text,
        "\n{:>26}  accuracy  notes",
        part_title(evaluation.protocol)
    );
    for part in &evaluation.parts {
        let _ = writeln!(
            text,
            "{:>26}  {:8.3}  {:5}",
            part.name,
            part.confusion.accuracy(),
            part.confusion.notes()
        );
    }
    text.push('\n');
    text.push_str(&confusion_table(&evaluation.confusion));
    text
}

/// What the parts of a protocol are.
pub fn part_title(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Holdout => "player",
        Protocol::RandomFiveFold => "left out",
        Protocol::LeaveOnePlayerOut => "player left out",
    }
}

/// The confusion matrix with the recall of each class.
pub fn confusion_table(confusion: &Confusion) -> String {
    let mut text = format!("{:>26}", "played \\ answer");
    for class in 0..Technique::ALL.len() {
        let _ = write!(text, " {class:>5}");
    }
    text.push_str("  recall\n");
    for technique in Technique::ALL {
        let _ = write!(text, "{:>24} {}", technique.label(), technique.class());
        for count in &confusion.counts[technique.class()] {
            let _ = write!(text, " {count:>5}");
        }
        let recall = confusion.recall(technique.class());
        let recall = recall.map_or_else(|| "-".to_owned(), |recall| format!("{recall:.3}"));
        let _ = writeln!(text, "  {recall:>6}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::Onsets;
    use crate::protocol::Part;

    fn evaluation() -> Evaluation {
        let mut confusion = Confusion::default();
        confusion.count(0, 0);
        confusion.count(5, 6);
        Evaluation {
            model: "c".to_owned(),
            protocol: Protocol::LeaveOnePlayerOut,
            onsets: Onsets {
                labelled: 4,
                detected: 2,
                delays_s: vec![0.005, 0.007],
            },
            parts: vec![Part {
                name: "AnnAri".to_owned(),
                confusion: confusion.clone(),
                confidence: 1.5,
            }],
            confusion,
            players: vec!["AnnAri".to_owned()],
            n_takes: 1,
        }
    }

    #[test]
    fn the_document_has_the_agreed_keys() {
        let value = serde_json::to_value(json(&evaluation())).unwrap();
        let keys: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut expected = [
            "model",
            "protocol",
            "notes",
            "onset",
            "accuracy",
            "macro_f1",
            "labels",
            "confusion",
        ];
        expected.sort_unstable();
        let mut found = keys.clone();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(value["protocol"], "leave-one-player-out");
        assert_eq!(value["accuracy"], 0.5);
        assert_eq!(value["onset"]["recall"], 0.5);
        assert!((value["onset"]["delay_ms"]["p95"].as_f64().unwrap() - 7.0).abs() < 1e-9);
        assert_eq!(value["labels"][5], "Palm mute");
        assert_eq!(value["confusion"][5][6], 1);
    }

    #[test]
    fn the_table_tells_recall_and_parts() {
        let table = table(&evaluation());
        assert!(table.contains("accuracy 0.500"), "{table}");
        assert!(table.contains("answers 0.750"), "{table}");
        assert!(table.contains("AnnAri"), "{table}");
        let palm_mute = table
            .lines()
            .find(|line| line.contains("Palm mute"))
            .unwrap();
        assert!(palm_mute.ends_with("0.000"), "{palm_mute}");
        let tom = table.lines().find(|line| line.contains("Tom")).unwrap();
        assert!(tom.ends_with('-'), "{tom}");
    }
}
