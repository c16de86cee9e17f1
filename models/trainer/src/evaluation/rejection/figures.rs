//! Lost notes and foreign onsets held back, counted by the product's rule in what networks have judged.

use tocco_corpus::Technique;
use tocco_recognizer::rejection::{DEFAULT_STRICTNESS, Surroundings, among, is_rejected};

use super::{Fold, Judged, JudgedOnset, quantile_from_top};
use crate::architecture::Architecture;
use crate::foreign::Kind;
use crate::rejection::material::{Purpose, Source};
use crate::report::rejection::{Foreign, Point, Report, Share};

/// Shares of lost notes at which the curve is reported.
const LOST: [f64; 6] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.10];

/// Strictnesses that are reported.
const STRICTNESSES: [f32; 5] = [DEFAULT_STRICTNESS, 0.3, 0.5, 0.7, 0.9];

/// In the test in which somebody plays and speaks in turn, seconds of each.
const TURN_S: f64 = 15.0;

/// Whether the first and the last decision about each onset of `stream` is to reject it.
fn decide(stream: &Judged, strictness: f32) -> Vec<[bool; 2]> {
    let mut surroundings = Surroundings::default();
    let decide = |onset: &JudgedOnset| {
        let (Some(first), Some(last)) = (onset.log_odds.first(), onset.log_odds.last()) else {
            return [false; 2];
        };
        let around = surroundings.hear(onset.at_s, *first);
        [first, last].map(|own| is_rejected(among(*own, around), strictness))
    };
    stream.onsets.iter().map(decide).collect()
}

/// How many of the notes of `streams` for which `which` holds are lost.
fn lost<'a>(
    streams: impl Iterator<Item = &'a Judged>,
    strictness: f32,
    which: impl Fn(Technique) -> bool,
) -> Share {
    let mut share = Share::default();
    for stream in streams {
        for (onset, rejected) in stream.onsets.iter().zip(decide(stream, strictness)) {
            if onset.played.is_some_and(&which) {
                share.count(rejected);
            }
        }
    }
    share
}

/// How many of all onsets of `streams` are held back.
fn held_back<'a>(streams: impl Iterator<Item = &'a Judged>, strictness: f32) -> Share {
    let mut share = Share::default();
    for stream in streams {
        for rejected in decide(stream, strictness) {
            share.count(rejected);
        }
    }
    share
}

/// What becomes of the foreign `streams` of one name.
fn foreign<'a>(
    name: &str,
    streams: impl Iterator<Item = &'a Judged> + Clone,
    strictness: f32,
) -> Foreign {
    Foreign {
        name: name.to_owned(),
        minutes: streams.clone().map(|s| s.duration_s).sum::<f64>() / 60.0,
        rejected: held_back(streams, strictness),
        known: None,
    }
}

/// `notes` and the `foreign` streams in turn, a while of each. The foreign ones follow each other, from
/// that of number `first` on, and begin again until the notes end.
fn in_turn(notes: &Judged, foreign: &[&Judged], first: usize) -> Judged {
    let place = |at_s: f64, odd: f64| {
        let turn = (at_s / TURN_S).floor();
        at_s + (turn + odd) * TURN_S
    };
    let at = |onset: &JudgedOnset, at_s: f64| JudgedOnset {
        at_s,
        ..onset.clone()
    };
    let own = notes.onsets.iter();
    let mut onsets: Vec<JudgedOnset> = own.map(|note| at(note, place(note.at_s, 0.0))).collect();
    let mut begin = 0.0;
    for stream in foreign.iter().cycle().skip(first) {
        // One without a length would never end.
        if begin >= notes.duration_s || stream.duration_s <= 0.0 {
            break;
        }
        let heard = stream
            .onsets
            .iter()
            .map(|onset| (onset, begin + onset.at_s));
        let heard = heard.filter(|(_, at_s)| *at_s < notes.duration_s);
        onsets.extend(heard.map(|(onset, at_s)| at(onset, place(at_s, 1.0))));
        begin += stream.duration_s;
    }
    onsets.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    Judged {
        onsets,
        ..notes.clone()
    }
}

/// The figures of `folds`, whose log odds count from their thresholds, of the models `architectures`.
pub(super) fn report(architectures: &[&Architecture], folds: &[Fold], strictness: f32) -> Report {
    let tested = || folds.iter().filter(|fold| fold.tested);
    let known = || tested().filter(|fold| fold.group.is_none());
    let left_out = folds.iter().any(|fold| fold.group.is_some());
    let unknown = || tested().filter(move |fold| fold.group.is_some() == left_out);
    let every = |_: Technique| true;
    let notes = |purpose, strictness, which: &dyn Fn(Technique) -> bool| {
        lost(known().flat_map(|f| f.streams(purpose)), strictness, which)
    };
    let curve = |network: usize| -> Vec<Point> {
        let mut notes: Vec<f32> = Vec::new();
        let mut foreign: Vec<f32> = Vec::new();
        for fold in unknown() {
            for stream in &fold.streams {
                for onset in &stream.onsets {
                    let Some(log_odds) = onset.log_odds.get(network) else {
                        continue;
                    };
                    match (&stream.source, onset.played) {
                        (Source::Player(_), Some(_)) => notes.push(*log_odds),
                        (Source::Player(_), None) | (Source::Recorded(_), _) => {}
                        (Source::Foreign(_), _) => foreign.push(*log_odds),
                    }
                }
            }
        }
        LOST.iter()
            .map(|lost| {
                let threshold = quantile_from_top(&mut notes, *lost);
                let above = foreign.iter().filter(|log_odds| **log_odds > threshold);
                Point {
                    lost: *lost,
                    held_back: above.count() as f64 / foreign.len().max(1) as f64,
                }
            })
            .collect()
    };
    let of_kind = |kind: Kind| {
        let own = move |stream: &&Judged| stream.source == Source::Foreign(kind);
        let streams = unknown().flat_map(|f| f.foreign()).filter(own);
        let known = known().flat_map(|f| f.foreign()).filter(own);
        Foreign {
            known: Some(held_back(known, strictness)),
            ..foreign(
                kind.name(),
                streams.collect::<Vec<_>>().into_iter(),
                strictness,
            )
        }
    };
    let mut names: Vec<&str> = (known().flat_map(|fold| fold.foreign()))
        .filter_map(|stream| match &stream.source {
            Source::Recorded(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let recorded = |name: &str, strictness: f32| {
        let own = |stream: &&Judged| stream.source == Source::Recorded(name.to_owned());
        let streams: Vec<&Judged> = known().flat_map(|f| f.foreign()).filter(own).collect();
        foreign(name, streams.into_iter(), strictness)
    };
    let mut turns = (Share::default(), Share::default());
    let mut performances = 0;
    for fold in known() {
        let speech: Vec<&Judged> = fold
            .foreign()
            .filter(|stream| match &stream.source {
                Source::Recorded(_) => true,
                Source::Foreign(kind) => names.is_empty() && *kind == Kind::Speech,
                Source::Player(_) => false,
            })
            .collect();
        for notes in fold.streams(Purpose::Performance) {
            if speech.is_empty() {
                continue;
            }
            let stream = in_turn(notes, &speech, performances);
            performances += 1;
            for (onset, rejected) in stream.onsets.iter().zip(decide(&stream, strictness)) {
                if onset.played.is_some() {
                    turns.0.count(rejected);
                } else {
                    // The few onsets in a performance that are no note count as foreign here.
                    turns.1.count(rejected);
                }
            }
        }
    }
    // Those who are only trained on come last.
    let mut players: Vec<&Fold> = folds.iter().filter(|fold| fold.group.is_none()).collect();
    players.sort_by_key(|fold| !fold.tested);
    let midi_a_minute = |streams: Vec<&Judged>, strictness: f32| {
        foreign("", streams.into_iter(), strictness).a_minute()[1]
    };
    Report {
        models: architectures.iter().map(|a| a.id.to_owned()).collect(),
        protocol: "leave-one-player-out",
        kinds_left_out: left_out,
        strictness,
        curve: (0..architectures.len()).map(curve).collect(),
        as_recorded: notes(Purpose::AsItIs, strictness, &every),
        performances: notes(Purpose::Performance, strictness, &every),
        players: (players.into_iter())
            .map(|fold| {
                let of = |purpose| lost(fold.streams(purpose), strictness, every);
                (
                    fold.player.clone(),
                    of(Purpose::AsItIs),
                    of(Purpose::Performance),
                    fold.tested,
                )
            })
            .collect(),
        techniques: (Technique::ALL.into_iter())
            .map(|technique| {
                let of = |purpose| notes(purpose, strictness, &|played| played == technique);
                (
                    technique.label(),
                    of(Purpose::AsItIs),
                    of(Purpose::Performance),
                )
            })
            .collect(),
        kinds: Kind::ALL.into_iter().map(of_kind).collect(),
        recorded: names
            .iter()
            .map(|name| recorded(name, strictness))
            .collect(),
        in_turn: turns,
        strictnesses: (STRICTNESSES.into_iter())
            .map(|strictness| {
                let made = unknown().flat_map(|fold| fold.made()).collect();
                let recorded = known().flat_map(|fold| fold.foreign());
                let recorded = recorded.filter(|s| matches!(s.source, Source::Recorded(_)));
                (
                    strictness,
                    notes(Purpose::AsItIs, strictness, &every).first(),
                    notes(Purpose::Performance, strictness, &every).first(),
                    midi_a_minute(made, strictness),
                    midi_a_minute(recorded.collect(), strictness),
                )
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(log_odds: &[[f32; 2]]) -> Judged {
        let onsets = log_odds.iter().enumerate();
        Judged {
            source: Source::Foreign(Kind::Speech),
            purpose: Purpose::AsItIs,
            duration_s: 60.0,
            onsets: onsets
                .map(|(i, log_odds)| JudgedOnset {
                    at_s: i as f64,
                    played: Some(Technique::Kick),
                    log_odds: log_odds.to_vec(),
                })
                .collect(),
        }
    }

    #[test]
    fn doubtful_onsets_fall_with_their_company() {
        let alone = stream(&[[-0.5, -0.5]]);
        assert_eq!(decide(&alone, 0.5), [[false, false]]);
        let speech = stream(&[[-0.5, 3.0], [3.0, 3.0], [-0.5, 3.0]]);
        assert_eq!(
            decide(&speech, 0.5),
            [[false, true], [true, true], [true, true]]
        );
        assert_eq!(decide(&speech, 0.0), [[false; 2]; 3]);
        let found = foreign("speech", [&speech].into_iter(), 0.5);
        assert_eq!(found.a_minute(), [3.0, 1.0]);
    }

    #[test]
    fn recorded_sounds_are_not_among_the_made_ones() {
        let note = Judged {
            source: Source::Player("Ann".to_owned()),
            ..stream(&[[0.0, 0.0]])
        };
        let foreign = |source: Source, log_odds: f32| {
            let mut foreign = stream(&[[log_odds, log_odds]]);
            foreign.source = source;
            foreign.onsets[0].played = None;
            foreign
        };
        // One that is held back and one that is not.
        let made = foreign(Source::Foreign(Kind::Speech), 3.0);
        let recorded = foreign(Source::Recorded("speech".to_owned()), -3.0);
        let fold = Fold {
            player: "Ann".to_owned(),
            tested: true,
            group: None,
            streams: vec![note, made, recorded],
        };
        let architecture = Architecture::find("c").unwrap();
        let only_trained_on = Fold {
            player: "Aaron".to_owned(),
            tested: false,
            group: None,
            streams: Vec::new(),
        };
        let folds = [only_trained_on, fold];
        let of = |strictness| report(&[&architecture], &folds, strictness);
        // What is asked for is what the figures by kind are of: at nothing, nothing is held back.
        for (strictness, held_back) in [(0.0, 0), (0.5, 1)] {
            let report = of(strictness);
            assert_eq!(report.strictness, strictness);
            assert_eq!(report.kinds[0].rejected.first, held_back);
        }
        let report = of(DEFAULT_STRICTNESS);
        assert!(!report.kinds_left_out);
        let players = report.players.iter().map(|p| (p.0.as_str(), p.3));
        let players: Vec<(&str, bool)> = players.collect();
        assert_eq!(players, [("Ann", true), ("Aaron", false)]);
        assert!(report.curve[0].iter().all(|point| point.held_back == 1.0));
        let (strictness, _, _, made, recorded) = report.strictnesses[2];
        assert_eq!((strictness, made, recorded), (0.5, 0.0, 1.0));
    }

    #[test]
    fn playing_and_speaking_take_turns() {
        let long: Vec<[f32; 2]> = vec![[0.0, 0.0]; 31];
        let turns = in_turn(&stream(&long), &[&stream(&long)], 0);
        let at: Vec<f64> = turns.onsets.iter().map(|onset| onset.at_s).collect();
        let all: Vec<f64> = (0..61).map(f64::from).chain([75.0]).collect();
        assert_eq!(at, all);
        // Speech that is shorter than the playing follows itself, and other speech.
        let short = |seconds: usize| Judged {
            duration_s: seconds as f64,
            ..stream(&vec![[0.0, 0.0]; seconds])
        };
        let (one, other) = (short(20), short(5));
        let turns = in_turn(&stream(&long), &[&one, &other], 1);
        assert_eq!(turns.onsets.len(), 31 + 60);
        let at: Vec<f64> = turns.onsets.iter().map(|onset| onset.at_s).collect();
        assert!(at.is_sorted());
        let speech = at.iter().filter(|at| (**at / TURN_S) as usize % 2 == 1);
        assert_eq!(speech.count(), 60);
    }
}
