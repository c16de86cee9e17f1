//! What an evaluation looks like: JSON for programs, a table for people.

use std::fmt::Write;

use serde::Serialize;
use tocco_corpus::Technique;

use crate::bootstrap::interval;
use crate::fewer_techniques::Fewer;
use crate::learning_curve::Point;
use crate::listening::{Listening, Order, ROUNDS};
use crate::metrics::{Confusion, Tally};
use crate::playing::{Figures, GAPS_MS, Performances};
use crate::protocol::{ConditionResult, Evaluation, Protocol};
use crate::reliability::{Gated, expected_calibration_error, gated};

/// Later than this after the label a first decision is late, and too late, seconds: what *Fast* and
/// *Sure* may take (the issue "Right in real playing").
const LATE_S: [f64; 2] = [0.011, 0.020];

/// The JSON document of an evaluation.
#[derive(Serialize)]
pub struct Json<'a> {
    model: &'a str,
    protocol: &'static str,
    /// Detected and labelled notes, which were classified.
    notes: usize,
    /// Labelled notes, detected or not.
    labelled: usize,
    onset: OnsetJson,
    /// Of the detected notes.
    accuracy: f64,
    /// Of the detected notes.
    macro_f1: f64,
    /// Of all labelled notes: one that was not detected is a wrong one.
    accuracy_with_missed: f64,
    /// The same.
    macro_f1_with_missed: f64,
    /// 95 % intervals when whole takes, or whole players, are drawn again.
    intervals: IntervalsJson,
    parts: Vec<PartJson<'a>>,
    /// By folder of recordings; only if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    folders: Vec<FolderJson<'a>>,
    confidence: ConfidenceJson,
    labels: [&'static str; 8],
    /// Rows: what was played; columns: the answer.
    confusion: &'a [Vec<usize>],
    /// The same notes altered; only where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<ConditionJson>,
    /// The second decisions of the same notes, in the same form; only if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<Box<Json<'a>>>,
    /// The same notes of players who are listened to; only for models that learn so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listening: Vec<ListeningJson<'a>>,
    /// The same answers where fewer techniques are played and the others masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fewer_techniques: Vec<FewerJson>,
    /// The same players playing; only where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    performances: Option<PerformancesJson<'a>>,
    /// What networks give that have heard fewer players; only where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    learning_curve: Vec<PointJson>,
}

/// The module [`playing`](crate::playing) says what is counted, and when notes are apart and rise.
#[derive(Serialize)]
struct PerformancesJson<'a> {
    minutes: f64,
    /// From the label to the first decision.
    decided_ms: DecidedJson,
    all: FiguresJson,
    apart: FiguresJson,
    rising: FiguresJson,
    rising_apart: FiguresJson,
    /// The figures below are of notes that are apart, but for those by gap.
    ghosts: NamedJson,
    /// By class.
    techniques: Vec<NamedJson>,
    players: Vec<PlayerJson<'a>>,
    gaps: Vec<GapJson>,
}

#[derive(Serialize)]
struct FewerJson {
    techniques: &'static str,
    /// Labelled notes.
    labelled: usize,
    /// Those that were detected.
    notes: usize,
    /// Of the detected notes: first decisions and, if there are any, second ones.
    accuracy: Vec<f64>,
}

#[derive(Serialize)]
struct DecidedJson {
    mean: f64,
    /// Share of the heard notes.
    later_than_11: f64,
    /// Share of the heard notes.
    later_than_20: f64,
}

#[derive(Serialize)]
struct FiguresJson {
    onset: HeardJson,
    #[serde(flatten)]
    named: NamedJson,
    /// Of the heard notes: first and second decision.
    accuracy_of_heard: [f64; 2],
    /// Of all notes, without listening to the player: first and second decision.
    accuracy_without_adaptation: [f64; 2],
}

#[derive(Serialize)]
struct HeardJson {
    precision: f64,
    recall: f64,
    f1: f64,
    missed: usize,
    doubled: usize,
    invented: usize,
}

#[derive(Serialize)]
struct NamedJson {
    notes: usize,
    heard: usize,
    /// First and second decision; a missed note is a wrong one.
    accuracy: [f64; 2],
}

#[derive(Serialize)]
struct PlayerJson<'a> {
    player: &'a str,
    #[serde(flatten)]
    named: NamedJson,
}

#[derive(Serialize)]
struct GapJson {
    /// Since the note before.
    from_ms: f64,
    /// Null: without end.
    to_ms: f64,
    #[serde(flatten)]
    named: NamedJson,
}

impl From<Figures> for NamedJson {
    fn from(figures: Figures) -> Self {
        Self {
            notes: figures.notes,
            heard: figures.heard,
            accuracy: figures.accuracy(),
        }
    }
}

impl From<Figures> for FiguresJson {
    fn from(figures: Figures) -> Self {
        Self {
            onset: HeardJson {
                precision: figures.precision(),
                recall: figures.recall(),
                f1: figures.f1(),
                missed: figures.notes - figures.heard,
                doubled: figures.doubled,
                invented: figures.invented,
            },
            named: figures.into(),
            accuracy_of_heard: figures.accuracy_of_heard(),
            accuracy_without_adaptation: figures.accuracy_plain(),
        }
    }
}

impl<'a> PerformancesJson<'a> {
    fn new(performances: &'a Performances) -> Self {
        let [(mean, late), (_, too_late)] = LATE_S.map(|limit| performances.decided(limit));
        let players = performances.players.iter().enumerate();
        Self {
            minutes: performances.duration_s / 60.0,
            decided_ms: DecidedJson {
                mean: 1e3 * mean,
                later_than_11: late,
                later_than_20: too_late,
            },
            all: performances.all().into(),
            apart: performances.apart().into(),
            rising: performances.rising().into(),
            rising_apart: performances.rising_apart().into(),
            ghosts: performances.only(|n| n.apart() && n.played.ghost).into(),
            techniques: Technique::ALL
                .map(|t| performances.technique(t).into())
                .into(),
            players: players
                .map(|(i, player)| PlayerJson {
                    player,
                    named: performances.only(|n| n.apart() && n.player == i).into(),
                })
                .collect(),
            gaps: (GAPS_MS.windows(2))
                .map(|ends| GapJson {
                    from_ms: ends[0],
                    to_ms: ends[1],
                    named: performances.gap(ends[0], ends[1]).into(),
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct PointJson {
    /// Players that each network has heard.
    players: usize,
    /// Networks for the first decisions, and again for the second ones.
    networks: usize,
    /// Accuracy of the detected notes: of the first decisions, then of the second ones if there are any.
    accuracy: Vec<f64>,
    /// The same.
    macro_f1: Vec<f64>,
    /// Accuracy with players who are listened to, techniques mixed.
    listening: Vec<f64>,
}

#[derive(Serialize)]
struct ListeningJson<'a> {
    /// In which order a session's notes are heard.
    order: &'static str,
    /// How often, each time in another such order; the counts are of all rounds together.
    rounds: usize,
    /// Accuracy of the second half of each session, when the first had been heard: of the first
    /// decisions, then of the second ones if there are any.
    second_half: Vec<f64>,
    /// In the same form.
    #[serde(flatten)]
    evaluation: Json<'a>,
}

#[derive(Serialize)]
struct OnsetJson {
    method: &'static str,
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

#[derive(Serialize)]
struct IntervalsJson {
    takes: IntervalJson,
    players: IntervalJson,
}

/// Each `[low, high]`.
#[derive(Serialize)]
struct IntervalJson {
    accuracy: [f64; 2],
    macro_f1: [f64; 2],
    accuracy_with_missed: [f64; 2],
    macro_f1_with_missed: [f64; 2],
}

#[derive(Serialize)]
struct PartJson<'a> {
    name: &'a str,
    notes: usize,
    accuracy: f64,
    temperature: f64,
}

#[derive(Serialize)]
struct FolderJson<'a> {
    folder: &'a str,
    labelled: usize,
    /// Of the detected notes.
    accuracy: f64,
    /// The same.
    macro_f1: f64,
    accuracy_with_missed: f64,
}

#[derive(Serialize)]
struct ConfidenceJson {
    /// Mean probability of the answers.
    mean: f64,
    /// Expected calibration error in ten bins, as the answers were given.
    ece: f64,
    /// The same without temperature.
    ece_untempered: f64,
    /// What is left behind a gate on the probability.
    gates: Vec<GateJson>,
}

#[derive(Serialize)]
struct GateJson {
    gate: f32,
    /// Share of the detected notes that is answered.
    answered: f64,
    /// Share of those that is right.
    accuracy: Option<f64>,
}

#[derive(Serialize)]
struct ConditionJson {
    name: &'static str,
    /// Of all notes that are detected without the condition, at those onsets.
    accuracy_at_clean_onsets: f64,
    /// The same.
    macro_f1_at_clean_onsets: f64,
    /// Notes detected under the condition; the figures below are of those.
    notes: usize,
    accuracy: f64,
    macro_f1: f64,
    accuracy_with_missed: f64,
    macro_f1_with_missed: f64,
    /// Share of the labelled notes of each technique, by class, that is named rightly: missed ones
    /// are wrong; null for what was not played.
    recall: Vec<Option<f64>>,
}

impl IntervalJson {
    fn new(parts: &[Tally]) -> Self {
        let of = |figure: fn(&Tally) -> f64| {
            let (low, high) = interval(parts, |drawn| figure(&Tally::sum(drawn.iter().copied())));
            [low, high]
        };
        Self {
            accuracy: of(|tally| tally.confusion.accuracy()),
            macro_f1: of(|tally| tally.confusion.macro_f1()),
            accuracy_with_missed: of(Tally::accuracy),
            macro_f1_with_missed: of(Tally::macro_f1),
        }
    }
}

impl ConditionJson {
    fn new(result: &ConditionResult) -> Self {
        let tally = result.tally();
        Self {
            name: result.name,
            accuracy_at_clean_onsets: result.at_clean_onsets.accuracy(),
            macro_f1_at_clean_onsets: result.at_clean_onsets.macro_f1(),
            notes: result.confusion.notes(),
            accuracy: result.confusion.accuracy(),
            macro_f1: result.confusion.macro_f1(),
            accuracy_with_missed: tally.accuracy(),
            macro_f1_with_missed: tally.macro_f1(),
            recall: (0..Technique::ALL.len()).map(|c| tally.recall(c)).collect(),
        }
    }
}

fn folders(evaluation: &Evaluation) -> Vec<FolderJson<'_>> {
    if evaluation.folders.len() < 2 {
        return Vec::new();
    }
    let folder = |(folder, tally): (_, Tally)| FolderJson {
        folder,
        labelled: tally.labelled(),
        accuracy: tally.confusion.accuracy(),
        macro_f1: tally.confusion.macro_f1(),
        accuracy_with_missed: tally.accuracy(),
    };
    evaluation.by_folder().into_iter().map(folder).collect()
}

/// By folder of recordings, as Markdown; nothing if there is one alone.
pub fn folder_table(evaluation: &Evaluation) -> String {
    let folders = folders(evaluation);
    if folders.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| recordings | labelled notes | accuracy | macro-F1 | accuracy, missed notes wrong |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for folder in folders {
        let path = std::path::Path::new(folder.folder);
        let name = path.file_name().map(|name| name.to_string_lossy());
        let _ = writeln!(
            text,
            "| {} | {} | {:.3} | {:.3} | {:.3} |",
            name.as_deref().unwrap_or(folder.folder),
            folder.labelled,
            folder.accuracy,
            folder.macro_f1,
            folder.accuracy_with_missed
        );
    }
    text
}

/// An evaluation as a JSON document.
pub fn json(evaluation: &Evaluation) -> Json<'_> {
    let onsets = &evaluation.onsets;
    let takes = evaluation.by_take();
    let all = Tally::sum(&takes);
    let gates = |gated: Gated| GateJson {
        gate: gated.gate,
        answered: gated.share,
        accuracy: gated.accuracy,
    };
    let graded = evaluation.graded();
    Json {
        model: &evaluation.model,
        protocol: evaluation.protocol.name(),
        notes: evaluation.confusion.notes(),
        labelled: all.labelled(),
        onset: OnsetJson {
            method: onsets.method.name(),
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
        accuracy_with_missed: all.accuracy(),
        macro_f1_with_missed: all.macro_f1(),
        intervals: IntervalsJson {
            takes: IntervalJson::new(&takes),
            players: IntervalJson::new(&evaluation.by_player()),
        },
        parts: (evaluation.parts.iter())
            .map(|part| PartJson {
                name: &part.name,
                notes: part.confusion.notes(),
                accuracy: part.confusion.accuracy(),
                temperature: part.temperature,
            })
            .collect(),
        folders: folders(evaluation),
        confidence: ConfidenceJson {
            mean: evaluation.mean_confidence(),
            ece: expected_calibration_error(&graded),
            ece_untempered: expected_calibration_error(&evaluation.graded_untempered()),
            gates: gated(&graded).into_iter().map(gates).collect(),
        },
        labels: Technique::ALL.map(Technique::label),
        confusion: &evaluation.confusion.counts,
        conditions: evaluation
            .conditions
            .iter()
            .map(ConditionJson::new)
            .collect(),
        second: evaluation.second.as_deref().map(|s| Box::new(json(s))),
        listening: (evaluation.listening.iter())
            .map(|listening| ListeningJson {
                order: listening.order.name(),
                rounds: ROUNDS,
                second_half: (listening.second_half.iter())
                    .map(Confusion::accuracy)
                    .collect(),
                evaluation: json(&listening.evaluation),
            })
            .collect(),
        fewer_techniques: (evaluation.fewer.iter())
            .map(|fewer| FewerJson {
                techniques: fewer.name,
                labelled: fewer.labelled,
                notes: fewer.notes,
                accuracy: (fewer.right.iter())
                    .map(|right| *right as f64 / fewer.notes.max(1) as f64)
                    .collect(),
            })
            .collect(),
        performances: evaluation.performances.as_ref().map(PerformancesJson::new),
        learning_curve: Vec::new(),
    }
}

/// The same with a learning curve, which may be empty.
pub fn json_with_curve<'a>(evaluation: &'a Evaluation, curve: &[Point]) -> Json<'a> {
    let accuracies = |decisions: &[Confusion]| decisions.iter().map(Confusion::accuracy).collect();
    let point = |point: &Point| PointJson {
        players: point.players,
        networks: point.networks,
        accuracy: accuracies(&point.plain),
        macro_f1: point.plain.iter().map(Confusion::macro_f1).collect(),
        listening: accuracies(&point.listening),
    };
    Json {
        learning_curve: curve.iter().map(point).collect(),
        ..json(evaluation)
    }
}

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
            "| {} | {} | {} | {} | {} | {} |",
            point.players,
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
        let ([first, second], plain) = (figures.accuracy(), figures.accuracy_plain());
        let _ = writeln!(
            text,
            "| {which} | {} | {} | {} | {} | {:.3} | {:.3} | {:.3} | {first:.3} | {second:.3} | \
             {:.3}, {:.3} |",
            figures.notes,
            figures.notes - figures.heard,
            figures.doubled,
            figures.invented,
            figures.precision(),
            figures.recall(),
            figures.f1(),
            plain[0],
            plain[1]
        );
    }
    let _ = write!(
        text,
        "\n| notes | played | heard | named rightly, first | second |\n| --- | --- | --- | --- | --- |\n"
    );
    let mut row = |which: &str, figures: Figures| {
        let [first, second] = figures.accuracy();
        let (notes, heard) = (figures.notes, figures.recall());
        let _ = writeln!(
            text,
            "| {which} | {notes} | {heard:.3} | {first:.3} | {second:.3} |"
        );
    };
    for technique in Technique::ALL {
        let name = format!("{}, apart", technique.label());
        row(&name, performances.technique(technique));
    }
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
            let [low, high] = IntervalJson::new(&evaluation.by_take()).accuracy;
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
        let IntervalJson {
            accuracy,
            macro_f1,
            accuracy_with_missed,
            ..
        } = IntervalJson::new(&parts);
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
    format!(
        "expected calibration error {:.3}, without temperature {:.3}; mean probability {:.3}, \
         accuracy {:.3}",
        expected_calibration_error(&evaluation.graded()),
        expected_calibration_error(&evaluation.graded_untempered()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::{Missed, Onsets};
    use crate::protocol::{Answer, Part};
    use tocco_dsp::OnsetMethod;

    fn evaluation() -> Evaluation {
        let answer = |played: Technique, class: usize, confidence: f32| {
            let mut probabilities = vec![(1.0 - confidence) / 7.0; 8];
            probabilities[class] = confidence;
            Answer {
                take: 0,
                folder: 0,
                player: 0,
                played,
                probabilities,
                point: Vec::new(),
            }
        };
        let answers = vec![
            answer(Technique::Kick, 0, 0.9),
            answer(Technique::PalmMute, 6, 0.6),
        ];
        let mut confusion = Confusion::default();
        for answer in &answers {
            confusion.count(answer.played.class(), answer.class());
        }
        let missed = vec![
            Missed {
                take: 0,
                folder: 0,
                player: 0,
                technique: Technique::Kick,
            };
            2
        ];
        Evaluation {
            model: "c".to_owned(),
            protocol: Protocol::LeaveOnePlayerOut,
            onsets: Onsets {
                method: OnsetMethod::Mkl,
                labelled: 4,
                detected: 2,
                delays_s: vec![0.005, 0.007],
            },
            parts: vec![Part {
                name: "AnnAri".to_owned(),
                confusion: confusion.clone(),
                answers,
                temperature: 1.0,
                learner: None,
                package: None,
            }],
            conditions: vec![ConditionResult {
                name: "on the moon",
                at_clean_onsets: confusion.clone(),
                confusion: confusion.clone(),
                missed: missed.clone(),
                answers: [Vec::new(), Vec::new()],
            }],
            missed,
            confusion,
            players: vec!["AnnAri".to_owned()],
            folders: vec!["recordings".to_owned()],
            n_takes: 1,
            second: None,
            listening: Vec::new(),
            performances: None,
            fewer: Vec::new(),
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
            "labelled",
            "accuracy_with_missed",
            "macro_f1_with_missed",
            "intervals",
            "parts",
            "confidence",
            "conditions",
        ];
        expected.sort_unstable();
        let mut found = keys.clone();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(value["protocol"], "leave-one-player-out");
        assert_eq!(value["accuracy"], 0.5);
        assert_eq!(value["onset"]["method"], "mkl");
        assert_eq!(value["onset"]["recall"], 0.5);
        assert!((value["onset"]["delay_ms"]["p95"].as_f64().unwrap() - 7.0).abs() < 1e-9);
        assert_eq!(value["labels"][5], "Palm mute");
        assert_eq!(value["confusion"][5][6], 1);
        assert_eq!(value["labelled"], 4);
        assert_eq!(value["accuracy_with_missed"], 0.25);
        // One take: drawn again, it is the same.
        assert_eq!(value["intervals"]["takes"]["accuracy"][0], 0.5);
        assert_eq!(value["confidence"]["gates"][6]["answered"], 0.5);
        assert_eq!(value["confidence"]["gates"][6]["accuracy"], 1.0);
        assert_eq!(value["conditions"][0]["accuracy_with_missed"], 0.25);
    }

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
}
