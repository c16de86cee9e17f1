//! An evaluation as text, for people: tables for the terminal, and in Markdown for documents.

use std::fmt::Write;
use std::path::Path;

use tocco_corpus::Technique;

use crate::evaluation::learning_curve::Point;
use crate::evaluation::listening::ROUNDS;
use crate::evaluation::metrics::{Confusion, Tally};
use crate::evaluation::playing::{Figures, GAPS_MS, LATE_S, Performances};
use crate::evaluation::reliability::{Gated, expected_calibration_error, gated};
use crate::evaluation::{ConditionResult, Evaluation, Fewer, Listening, Order, Protocol};

/// A learning curve as Markdown.
pub fn learning_curve(curve: &[Point]) -> String {
    let mut text = String::from(
        "| players heard | networks | first decision | second | listening, first | second |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for point in curve {
        let cell = |decisions: &[Confusion], i: usize| {
            let decision = decisions.get(i);
            decision.map_or_else(|| "-".to_owned(), |d| format!("{:.3}", d.accuracy()))
        };
        let _ = writeln!(
            text,
            "| {}{} | {} | {} | {} | {} | {} |",
            point.players,
            match point.only_trained_on {
                0 => String::new(),
                more => format!(" + {more} in each"),
            },
            point.networks,
            cell(&point.plain, 0),
            cell(&point.plain, 1),
            cell(&point.listening, 0),
            cell(&point.listening, 1),
        );
    }
    text
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
        "onsets ({}, ±20 ms): {} labelled, {} detected; precision {:.3}, recall {:.3}, F1 {:.3}; \
         reported {:.1} ms after the label (mean), 95 % below {:.1} ms\n\
         notes: {} classified; accuracy {:.3}, macro-F1 {:.3}; mean probability of the answers \
         {:.3}\n",
        onsets.method,
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
    text.push_str(&accuracy_lines(evaluation));
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
    let folders = folder_table(evaluation);
    if !folders.is_empty() {
        let _ = writeln!(text, "{folders}");
    }
    text.push_str(&confusion_table(&evaluation.confusion));
    let _ = writeln!(text, "\n{}", calibration_line(evaluation));
    text.push_str(&gate_table(evaluation));
    if !evaluation.conditions.is_empty() {
        text.push('\n');
        text.push_str(&condition_table(evaluation));
    }
    if let Some(performances) = &evaluation.performances {
        let _ = write!(
            text,
            "\nPerformances\n\n{}",
            self::performances(performances)
        );
    }
    if !evaluation.fewer.is_empty() {
        let fewer = fewer_techniques(&evaluation.fewer);
        let _ = write!(text, "\nFewer techniques\n\n{fewer}");
    }
    if let Some(second) = &evaluation.second {
        let _ = write!(
            text,
            "\nSecond decision\n\n{}",
            second_decision(evaluation, second)
        );
    }
    if !evaluation.listening.is_empty() {
        let _ = write!(text, "\nListening\n\n{}", listening(evaluation));
    }
    text
}

/// A figure of one of the decisions; a dash where there is no such decision.
fn of_decision(figures: &[f64], decision: usize) -> String {
    let figure = figures.get(decision);
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.3}"))
}

/// The figures of all decisions that there are.
fn of_decisions(figures: &[f64]) -> String {
    let figures = figures.iter().map(|figure| format!("{figure:.3}"));
    figures.collect::<Vec<_>>().join(", ")
}

/// Performances as Markdown.
pub fn performances(performances: &Performances) -> String {
    let mut text = format!(
        "{:.0} minutes of {} players. A missed note is a wrong one; apart: no other note within 100 ms; \
         rising: the sound gets louder by 3 dB or more.\n\n\
         | notes | played | missed | doubled | invented | precision | recall | F1 | named rightly, \
         first | second | the same without adaptation |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        performances.duration_s / 60.0,
        performances.players.len()
    );
    for (which, figures) in [
        ("all", performances.all()),
        ("apart", performances.apart()),
        ("rising", performances.rising()),
        ("apart and rising", performances.rising_apart()),
    ] {
        let accuracy = figures.accuracy();
        let _ = writeln!(
            text,
            "| {which} | {} | {} | {} | {} | {:.3} | {:.3} | {:.3} | {} | {} | {} |",
            figures.notes,
            figures.notes - figures.heard,
            figures.doubled,
            figures.invented,
            figures.precision(),
            figures.recall(),
            figures.f1(),
            of_decision(&accuracy, 0),
            of_decision(&accuracy, 1),
            of_decisions(&figures.accuracy_plain())
        );
    }
    let _ = write!(
        text,
        "\n| notes | played | heard | named rightly, first | second |\n| --- | --- | --- | --- | --- |\n"
    );
    let mut row = |which: &str, figures: Figures| {
        let accuracy = figures.accuracy();
        let _ = writeln!(
            text,
            "| {which} | {} | {:.3} | {} | {} |",
            figures.notes,
            figures.recall(),
            of_decision(&accuracy, 0),
            of_decision(&accuracy, 1)
        );
    };
    for technique in Technique::ALL {
        let name = format!("{}, apart", technique.label());
        row(&name, performances.technique(technique));
    }
    let first = performances.first_played();
    let name = format!(
        "recordings played for the first time, apart (without adaptation {})",
        of_decisions(&first.accuracy_plain())
    );
    row(&name, first);
    let ghosts = performances.only(|note| note.apart() && note.played.ghost);
    row("ghosts (-18 dB), apart", ghosts);
    for (i, player) in performances.players.iter().enumerate() {
        let own = performances.only(|note| note.apart() && note.player == i);
        row(&format!("{player}, apart"), own);
    }
    for ends in GAPS_MS.windows(2) {
        let name = match (ends[0], ends[1]) {
            (0.0, to) => format!("less than {to} ms after another"),
            (from, f64::INFINITY) => format!("{from} ms and more"),
            (from, to) => format!("{from} to {to} ms"),
        };
        row(&name, performances.gap(ends[0], ends[1]));
    }
    let [(mean, late), (_, too_late)] = LATE_S.map(|limit| performances.decided(limit));
    let _ = writeln!(
        text,
        "\nThe first decision is there {:.1} ms after the label on average, later than 11 ms in {:.1} \
         and than 20 ms in {:.1} of 100 heard notes.",
        1e3 * mean,
        100.0 * late,
        100.0 * too_late
    );
    text
}

/// What is right where fewer techniques are played, as Markdown.
pub fn fewer_techniques(fewer: &[Fewer]) -> String {
    let mut text = String::from(
        "| played, the others masked | notes | first | second |\n| --- | --- | --- | --- |\n",
    );
    for Fewer {
        name, notes, right, ..
    } in fewer
    {
        let cell = |decision: usize| {
            let right = right.get(decision);
            right.map_or_else(
                || "-".to_owned(),
                |right| format!("{:.3}", *right as f64 / (*notes).max(1) as f64),
            )
        };
        let _ = writeln!(text, "| {name} | {notes} | {} | {} |", cell(0), cell(1));
    }
    text
}

/// What listening to the player is worth, as Markdown.
pub fn listening(evaluation: &Evaluation) -> String {
    let mut text = String::from(
        "| listening | decision | accuracy | 95 % over takes | macro-F1 | second half | calibration \
         error |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut row = |order: &str, evaluation: &Evaluation, second_half: &[Confusion]| {
        let second = evaluation.second.as_deref();
        let decisions = [("first", Some(evaluation)), ("second", second)];
        for (i, (decision, evaluation)) in decisions.into_iter().enumerate() {
            let Some(evaluation) = evaluation else {
                continue;
            };
            let takes = evaluation.by_take();
            let [low, high] = Tally::interval(&takes, |tally| tally.confusion.accuracy());
            let half = second_half
                .get(i)
                .map(|half| format!("{:.3}", half.accuracy()));
            let _ = writeln!(
                text,
                "| {order} | {decision} | {:.3} | {low:.3} to {high:.3} | {:.3} | {} | {:.3} |",
                evaluation.confusion.accuracy(),
                evaluation.confusion.macro_f1(),
                half.as_deref().unwrap_or("-"),
                expected_calibration_error(&evaluation.graded()),
            );
        }
    };
    row("no", evaluation, &[]);
    for Listening {
        order,
        evaluation,
        second_half,
    } in &evaluation.listening
    {
        row(order.name(), evaluation, second_half);
    }
    let mixed = |listening: &&Listening| listening.order == Order::Mixed;
    if let Some(Listening { evaluation, .. }) = evaluation.listening.iter().find(mixed) {
        let decided = evaluation.second.as_deref().unwrap_or(evaluation);
        let _ = write!(
            text,
            "\nMixed, last decision, {ROUNDS} times each note:\n{}\n{}\n",
            figures(decided),
            calibration_line(decided)
        );
        if !decided.conditions.is_empty() {
            text.push('\n');
            text.push_str(&condition_table(decided));
        }
    }
    text
}

/// What the second decisions are worth, beside the first ones, as Markdown.
pub fn second_decision(first: &Evaluation, second: &Evaluation) -> String {
    let mut text = String::from("| decision | accuracy | macro-F1 |\n| --- | --- | --- |\n");
    for (decision, evaluation) in [("first", first), ("second", second)] {
        let _ = writeln!(
            text,
            "| {decision}: {} | {:.3} | {:.3} |",
            evaluation.model,
            evaluation.confusion.accuracy(),
            evaluation.confusion.macro_f1()
        );
    }
    let folders = folder_table(second);
    if !folders.is_empty() {
        let _ = write!(text, "\n{folders}");
    }
    text.push_str(&figures(second));
    let _ = writeln!(text, "\n{}", calibration_line(second));
    if !second.conditions.is_empty() {
        text.push('\n');
        text.push_str(&condition_table(second));
    }
    text
}

/// [`accuracy_lines`] and [`confusion_table`] as Markdown.
pub fn figures(evaluation: &Evaluation) -> String {
    format!(
        "\n{}\n```text\n{}```\n",
        accuracy_lines(evaluation).replace('\n', "  \n"),
        confusion_table(&evaluation.confusion)
    )
}

/// Accuracy and macro-F1 with missed notes counted as wrong, and their intervals.
pub fn accuracy_lines(evaluation: &Evaluation) -> String {
    let (takes, players) = (evaluation.by_take(), evaluation.by_player());
    let all = Tally::sum(&takes);
    let mut text = format!(
        "with missed notes counted as wrong: accuracy {:.3}, macro-F1 {:.3} of {} labelled notes\n",
        all.accuracy(),
        all.macro_f1(),
        all.labelled()
    );
    for (what, parts) in [("takes", takes), ("players", players)] {
        let accuracy = Tally::interval(&parts, |tally| tally.confusion.accuracy());
        let macro_f1 = Tally::interval(&parts, |tally| tally.confusion.macro_f1());
        let accuracy_with_missed = Tally::interval(&parts, Tally::accuracy);
        let _ = writeln!(
            text,
            "95 % interval over {} {what}: accuracy {:.3} to {:.3} ({:.3} to {:.3} with missed \
             notes), macro-F1 {:.3} to {:.3}",
            parts.len(),
            accuracy[0],
            accuracy[1],
            accuracy_with_missed[0],
            accuracy_with_missed[1],
            macro_f1[0],
            macro_f1[1]
        );
    }
    text
}

/// How true the probabilities are, in a line.
pub fn calibration_line(evaluation: &Evaluation) -> String {
    let untempered = evaluation.graded_untempered().map(|graded| {
        let error = expected_calibration_error(&graded);
        format!(", without temperature {error:.3}")
    });
    format!(
        "expected calibration error {:.3}{}; mean probability {:.3}, accuracy {:.3}",
        expected_calibration_error(&evaluation.graded()),
        untempered.unwrap_or_default(),
        evaluation.mean_confidence(),
        evaluation.confusion.accuracy()
    )
}

/// What is answered how well behind a gate on the probability, as a Markdown table.
pub fn gate_table(evaluation: &Evaluation) -> String {
    let mut text = String::from("| gate | answered | right of those |\n| --- | --- | --- |\n");
    for Gated {
        gate,
        share,
        accuracy,
    } in gated(&evaluation.graded())
    {
        let accuracy = accuracy.map_or_else(|| "-".to_owned(), |a| format!("{a:.3}"));
        let _ = writeln!(text, "| {gate:.1} | {share:.3} | {accuracy} |");
    }
    text
}

/// The same notes altered, as a Markdown table.
pub fn condition_table(evaluation: &Evaluation) -> String {
    let mut text = String::from(
        "| condition | accuracy | macro-F1 | not detected | accuracy, those counted as wrong |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    let clean = ConditionResult {
        name: "as recorded",
        at_clean_onsets: evaluation.confusion.clone(),
        confusion: evaluation.confusion.clone(),
        missed: evaluation.missed.clone(),
        answers: [Vec::new(), Vec::new()],
    };
    for result in std::iter::once(&clean).chain(&evaluation.conditions) {
        let _ = writeln!(
            text,
            "| {} | {:.3} | {:.3} | {} | {:.3} |",
            result.name,
            result.at_clean_onsets.accuracy(),
            result.at_clean_onsets.macro_f1(),
            result.missed.len(),
            result.tally().accuracy()
        );
    }
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

/// By folder of recordings, as Markdown; nothing if there is one alone.
pub fn folder_table(evaluation: &Evaluation) -> String {
    if evaluation.folders.len() < 2 {
        return String::new();
    }
    let mut text = String::from(
        "| recordings | labelled notes | accuracy | macro-F1 | accuracy, missed notes wrong |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for (folder, tally) in evaluation.by_folder() {
        let name = Path::new(folder).file_name();
        let name = name.map(|name| name.to_string_lossy());
        let _ = writeln!(
            text,
            "| {} | {} | {:.3} | {:.3} | {:.3} |",
            name.as_deref().unwrap_or(folder),
            tally.labelled(),
            tally.confusion.accuracy(),
            tally.confusion.macro_f1(),
            tally.accuracy()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::tests::{evaluation, without_second_network};

    #[test]
    fn the_table_tells_recall_and_parts() {
        let table = table(&evaluation());
        assert!(table.contains("accuracy 0.500"), "{table}");
        assert!(table.contains("answers 0.750"), "{table}");
        assert!(table.contains("AnnAri"), "{table}");
        assert!(table.contains("accuracy 0.250"), "{table}");
        assert!(table.contains("on the moon | 0.500"), "{table}");
        let palm_mute = table
            .lines()
            .find(|line| line.contains("Palm mute"))
            .unwrap();
        assert!(palm_mute.ends_with("0.000"), "{palm_mute}");
        let tom = table.lines().find(|line| line.contains("Tom")).unwrap();
        assert!(tom.ends_with('-'), "{tom}");
    }

    #[test]
    fn what_was_not_decided_has_no_figure() {
        let text = performances(&without_second_network());
        let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(row("| all |").ends_with("| 0.500 | - | 0.000 |"), "{text}");
        assert!(row("| Kick, apart |").ends_with("| 1.000 | - |"), "{text}");
        assert!(text.contains("(without adaptation 0.000) |"), "{text}");
    }

    #[test]
    fn answers_of_several_networks_have_no_temperature() {
        let mut evaluation = evaluation();
        assert!(calibration_line(&evaluation).contains(", without temperature 0."));
        evaluation.parts[0].temperature = None;
        assert!(!calibration_line(&evaluation).contains("temperature"));
    }

    #[test]
    fn players_who_are_only_trained_on_are_told_beside_those_heard() {
        let mut point = Point {
            players: 2,
            only_trained_on: 4,
            networks: 12,
            ..Point::default()
        };
        let text = learning_curve(std::slice::from_ref(&point));
        assert!(text.contains("| 2 + 4 in each | 12 |"), "{text}");
        point.only_trained_on = 0;
        let text = learning_curve(&[point]);
        assert!(text.contains("| 2 | 12 |"), "{text}");
    }
}
