//! What calibration gave: JSON for programs, a table for people.

use std::fmt::Write;

use serde::Serialize;
use tocco_corpus::Technique;

use crate::evaluation::Protocol;
use crate::evaluation::calibration::{HitsFrom, Measured, Part, Teaching};
use crate::evaluation::metrics::Confusion;

/// The JSON document of a measurement.
#[derive(Serialize)]
pub struct Json<'a> {
    model: &'a str,
    protocol: &'static str,
    labels: [&'static str; 8],
    draws: usize,
    seed: u64,
    hits_from: &'static str,
    any_session: bool,
    mask_unused: bool,
    one_wrong: bool,
    /// One entry for each number of examples.
    calibration: Vec<PointJson<'a>>,
}

#[derive(Serialize)]
struct PointJson<'a> {
    /// Examples of each technique that were asked for: where a player's other takes have fewer, all of those.
    hits: usize,
    /// Notes tested, each once a draw.
    notes: usize,
    accuracy: f64,
    /// 95 %, over takes drawn again.
    accuracy_interval: [f64; 2],
    macro_f1: f64,
    /// Mean probability that the answers were given with.
    confidence: f64,
    /// The notes whose technique could be taught, and those whose technique could not.
    taught: PartJson,
    untaught: PartJson,
    players: Vec<PlayerJson<'a>>,
    /// Rows: what was played; columns: the answer; summed over the draws.
    confusion: &'a [Vec<usize>],
    /// The second decisions, in the same form; only if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<Box<PointJson<'a>>>,
    /// When the player is listened to after the lesson, in the same form; only for models that learn
    /// so.
    #[serde(skip_serializing_if = "Option::is_none")]
    listening: Option<Box<PointJson<'a>>>,
}

#[derive(Serialize)]
struct PartJson {
    /// Notes tested, each once a draw.
    notes: usize,
    accuracy: f64,
    accuracy_interval: [f64; 2],
}

impl From<Part> for PartJson {
    fn from(part: Part) -> Self {
        Self {
            notes: part.notes,
            accuracy: part.accuracy,
            accuracy_interval: part.interval,
        }
    }
}

#[derive(Serialize)]
struct PlayerJson<'a> {
    player: &'a str,
    accuracy: f64,
    macro_f1: f64,
}

/// A measurement as a JSON document.
pub fn json<'a>(
    model: &'a str,
    protocol: Protocol,
    lesson: &Teaching,
    measured: &'a [Measured],
) -> Json<'a> {
    Json {
        model,
        protocol: protocol.name(),
        labels: Technique::ALL.map(Technique::label),
        draws: lesson.draws,
        seed: lesson.seed,
        hits_from: lesson.hits_from.name(),
        any_session: lesson.any_session,
        mask_unused: lesson.mask_unused,
        one_wrong: lesson.one_wrong,
        calibration: measured.iter().map(PointJson::new).collect(),
    }
}

impl<'a> PointJson<'a> {
    fn new(measured: &'a Measured) -> Self {
        let player = |(player, confusion): &'a (String, Confusion)| PlayerJson {
            player,
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
        };
        Self {
            hits: measured.hits,
            notes: measured.confusion.notes(),
            accuracy: measured.confusion.accuracy(),
            accuracy_interval: measured.interval(),
            macro_f1: measured.confusion.macro_f1(),
            confidence: measured.mean_confidence(),
            taught: measured.part(true).into(),
            untaught: measured.part(false).into(),
            players: measured.players.iter().map(player).collect(),
            confusion: &measured.confusion.counts,
            second: measured.second.as_deref().map(|s| Box::new(Self::new(s))),
            listening: (measured.listening.as_deref()).map(|l| Box::new(Self::new(l))),
        }
    }
}

/// What else there may be of a measurement.
type Further = fn(&Measured) -> Option<&Measured>;

const FURTHER: [(&str, Further); 3] = [
    ("second decisions", |m| m.second.as_deref()),
    ("first decisions, listening after the lesson", |m| {
        m.listening.as_deref()
    }),
    ("second decisions, listening after the lesson", |m| {
        m.listening.as_deref()?.second.as_deref()
    }),
];

/// A measurement as a text for the terminal.
pub fn table(model: &str, protocol: Protocol, lesson: &Teaching, measured: &[Measured]) -> String {
    let mut text = format!(
        "model {model}, protocol {}, examples {} of {} than those tested, {} draws\n\
         {}\n\n\
         examples  accuracy  95 % over takes  macro-F1  confidence",
        protocol.name(),
        match lesson.hits_from {
            HitsFrom::OneTake => "of a technique from one other take",
            HitsFrom::Spread => "spread over all other takes",
        },
        if lesson.any_session {
            "the player"
        } else {
            "the session"
        },
        lesson.draws,
        protocol.meaning()
    );
    for (player, _) in measured.first().map_or(&[][..], |m| &m.players) {
        let _ = write!(text, "  {player:>8}");
    }
    text.push('\n');
    for measured in measured {
        let [low, high] = measured.interval();
        let _ = write!(
            text,
            "{:>8}  {:>8.3}     {low:.3} - {high:.3}  {:>8.3}  {:>10.3}",
            measured.hits,
            measured.confusion.accuracy(),
            measured.confusion.macro_f1(),
            measured.mean_confidence()
        );
        for (_, confusion) in &measured.players {
            let _ = write!(text, "  {:>8.3}", confusion.accuracy());
        }
        text.push('\n');
    }
    for (title, choose) in FURTHER {
        let chosen: Vec<&Measured> = measured.iter().filter_map(choose).collect();
        if !chosen.is_empty() {
            let _ = writeln!(text, "\n{title}, and those whose technique could be taught");
        }
        for chosen in chosen {
            let ([low, high], taught) = (chosen.interval(), chosen.part(true));
            let _ = writeln!(
                text,
                "{:>8}  {:>8.3}     {low:.3} - {high:.3}  {:>8.3}  {:>10.3}  {:>8.3}",
                chosen.hits,
                chosen.confusion.accuracy(),
                chosen.confusion.macro_f1(),
                chosen.mean_confidence(),
                taught.accuracy
            );
        }
    }
    for (teachable, name) in [(true, "could be taught"), (false, "could not")] {
        let parts: Vec<Part> = measured.iter().map(|m| m.part(teachable)).collect();
        let all = measured.first().map_or(0, |m| m.confusion.notes());
        let notes = parts.first().map_or(0, |part| part.notes);
        let _ = write!(
            text,
            "\nnotes whose technique {name}: {:.1} % of all\n",
            100.0 * notes as f64 / all.max(1) as f64
        );
        if notes == 0 {
            continue;
        }
        for (measured, part) in measured.iter().zip(parts) {
            let [low, high] = part.interval;
            let _ = writeln!(
                text,
                "{:>8}  {:>8.3}     {low:.3} - {high:.3}",
                measured.hits, part.accuracy
            );
        }
    }
    text.push_str("\nrecall\n");
    for technique in Technique::ALL {
        let _ = write!(text, "{:>26}", technique.label());
        for measured in measured {
            match measured.confusion.recall(technique.class()) {
                Some(recall) => write!(text, "  {recall:.3}"),
                None => write!(text, "      -"),
            }
            .ok();
        }
        text.push('\n');
    }
    text
}
