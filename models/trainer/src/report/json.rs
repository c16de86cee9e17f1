//! The JSON document of an evaluation, for programs.

use serde::Serialize;
use tocco_corpus::Technique;

use crate::evaluation::learning_curve::Point;
use crate::evaluation::listening::ROUNDS;
use crate::evaluation::metrics::{Confusion, Tally};
use crate::evaluation::playing::{Figures, GAPS_MS, LATE_S, Performances};
use crate::evaluation::reliability::{Gated, expected_calibration_error, gated};
use crate::evaluation::{ConditionResult, Evaluation};

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

/// The module [`playing`](crate::evaluation::playing) says what is counted, and when notes are apart and rise.
#[derive(Serialize)]
struct PerformancesJson<'a> {
    minutes: f64,
    /// From the label to the first decision.
    decided_ms: DecidedJson,
    all: FiguresJson,
    apart: FiguresJson,
    /// Of those that are apart, each recording when it is played for the first time; beside what is played
    /// nothing counts.
    first_played: FiguresJson,
    rising: FiguresJson,
    rising_apart: FiguresJson,
    /// The figures below are of notes that are apart, but for those by gap.
    ghosts: NamedJson,
    /// By class.
    techniques: Vec<NamedJson>,
    players: Vec<PlayerJson<'a>>,
    /// The first note of each performance is in none.
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
    /// Of the heard notes: first decisions and, if there are any, second ones.
    accuracy_of_heard: Vec<f64>,
    /// Of all notes, without listening to the player: the same.
    accuracy_without_adaptation: Vec<f64>,
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
    /// First decisions and, if there are any, second ones; a missed note is a wrong one.
    accuracy: Vec<f64>,
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
            first_played: performances.first_played().into(),
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
    /// Players that each network has heard, of those that are tested.
    players: usize,
    /// Players that each network has heard beside them, who are only trained on.
    only_trained_on: usize,
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
    /// Of the softmax; not where the answers come of several networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
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
    /// The same without temperature; not where the answers come of several networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    ece_untempered: Option<f64>,
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
        let of = |figure: fn(&Tally) -> f64| Tally::interval(parts, figure);
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
            ece_untempered: evaluation
                .graded_untempered()
                .map(|graded| expected_calibration_error(&graded)),
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
        only_trained_on: point.only_trained_on,
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evaluation::answer::Answer;
    use crate::evaluation::playing::{HeardNote, Judged};
    use crate::evaluation::{Part, Protocol};
    use crate::notes::{Missed, Onsets};
    use crate::performance::Played;
    use tocco_dsp::OnsetMethod;

    pub fn evaluation() -> Evaluation {
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
                temperature: Some(1.0),
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
            only_trained_on: Vec::new(),
            folders: vec!["recordings".to_owned()],
            n_takes: 1,
            second: None,
            listening: Vec::new(),
            performances: None,
            fewer: Vec::new(),
        }
    }

    /// A kick that is named rightly and a tom that is not, a second apart, by a model that decides once.
    pub fn without_second_network() -> Performances {
        let note = |technique: Technique| Judged {
            player: 0,
            played: Played {
                position: 0,
                technique,
                note: technique.class(),
                ghost: false,
                rise_db: 20.0,
            },
            again: false,
            gaps_s: (1.0, 1.0),
            heard: Some(HeardNote {
                named: [Some(Technique::Kick.class()), None],
                plain: [Some(Technique::PalmMute.class()), None],
                ..HeardNote::default()
            }),
        };
        Performances {
            players: vec!["AnnAri".to_owned()],
            decisions: 1,
            duration_s: 60.0,
            notes: vec![note(Technique::Kick), note(Technique::Tom)],
            extras: Vec::new(),
        }
    }

    #[test]
    fn there_are_as_many_figures_as_decisions() {
        let mut evaluation = evaluation();
        evaluation.performances = Some(without_second_network());
        let value = serde_json::to_value(json(&evaluation)).unwrap();
        let performances = &value["performances"];
        assert_eq!(performances["all"]["accuracy"], serde_json::json!([0.5]));
        for key in ["accuracy_of_heard", "accuracy_without_adaptation"] {
            assert_eq!(performances["all"][key].as_array().unwrap().len(), 1);
        }
        for one in performances["techniques"].as_array().unwrap() {
            assert_eq!(one["accuracy"].as_array().unwrap().len(), 1);
        }
    }

    #[test]
    fn a_folder_without_labelled_notes_has_no_other_ones_figures() {
        let mut evaluation = evaluation();
        evaluation.folders = vec!["empty".to_owned(), "recordings".to_owned()];
        let answers = evaluation.parts.iter_mut().flat_map(|p| &mut p.answers);
        answers.for_each(|answer| answer.folder = 1);
        evaluation.missed.iter_mut().for_each(|m| m.folder = 1);
        let value = serde_json::to_value(json(&evaluation)).unwrap();
        for (place, name, labelled) in [(0, "empty", 0), (1, "recordings", 4)] {
            assert_eq!(value["folders"][place]["folder"], name);
            assert_eq!(value["folders"][place]["labelled"], labelled);
        }
    }

    #[test]
    fn amended_answers_have_no_temperature_to_leave_out() {
        let evaluation = evaluation();
        let plain = serde_json::to_value(json(&evaluation)).unwrap();
        assert!(plain["confidence"]["ece_untempered"].is_number());
        assert_eq!(plain["parts"][0]["temperature"], 1.0);
        let mut both = evaluation.clone();
        both.second = Some(Box::new(both.amended(&evaluation).unwrap()));
        let value = serde_json::to_value(json(&both)).unwrap();
        assert!(value["confidence"]["ece_untempered"].is_number());
        let amended = &value["second"];
        assert!(amended["confidence"]["ece"].is_number());
        assert!(amended["confidence"].get("ece_untempered").is_none());
        assert!(amended["parts"][0].get("temperature").is_none());
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
}
