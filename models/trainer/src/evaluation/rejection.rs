//! How well foreign sounds are kept out, and how many notes that costs.
//!
//! Leave-one-player-out: the notes of each player, and foreign sounds, are judged by networks that have not
//! heard that player. Of the foreign sounds that were made, whole groups of kinds are left out as well, so
//! that each kind is judged by networks that know no such sound; what was recorded no network knows. The
//! threshold of each network is that at which the networks without the other players, on those players'
//! notes, lose a share of them ([`AIMED_LOSS`]): no threshold is chosen on the notes that test.
//!
//! One thing the tested player has a part in: the features are scaled as the package scales them, whose means
//! and deviations were fitted on the notes of all players. They know nothing of what is a note.
//!
//! *Lost* is the share of the detected, labelled notes that are held back, *held back* that of the onsets
//! in foreign sounds. The curve takes each onset alone; all else is the product's rule
//! ([`tocco_recognizer::rejection`]), first and second network together, as strictly as asked for. Each
//! stream begins with nothing heard.

use std::collections::BTreeMap;

use anyhow::Result;
use tocco_corpus::Technique;
use tocco_engines::{Classifier, EngineId, ModelPackage};
use tocco_recognizer::rejection::{DEFAULT_STRICTNESS, Surroundings, among, is_rejected};

use crate::architecture::Architecture;
use crate::evaluation::protocol::Run;
use crate::foreign::Kind;
use crate::parallel;
use crate::rejection::material::{Purpose, Source, Stream};
use crate::rejection::{Groups, train, with_rejection};
use crate::report::rejection::{Foreign, Point, Report, Share};

/// Share of the notes of players who were left out that a network alone loses at its threshold. The
/// surroundings bring some of them back.
pub const AIMED_LOSS: f64 = 0.03;

/// Kinds that are left out together, because they resemble each other.
const GROUPS: [&[Kind]; 3] = [
    &[Kind::Speech, Kind::Breath, Kind::Wind, Kind::Rub],
    &[Kind::Thump, Kind::Knock, Kind::Clap, Kind::Rustle],
    &[Kind::Creak, Kind::Squeak, Kind::Click, Kind::Jingle],
];

/// Shares of lost notes at which the curve is reported.
const LOST: [f64; 6] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.10];

/// Strictnesses that are reported.
const STRICTNESSES: [f32; 5] = [DEFAULT_STRICTNESS, 0.3, 0.5, 0.7, 0.9];

/// In the test in which somebody plays and speaks in turn, seconds of each.
const TURN_S: f64 = 15.0;

/// A stream as networks judge it.
#[derive(Debug, Clone)]
struct Judged {
    source: Source,
    purpose: Purpose,
    duration_s: f64,
    onsets: Vec<JudgedOnset>,
}

#[derive(Debug, Clone, PartialEq)]
struct JudgedOnset {
    at_s: f64,
    played: Option<Technique>,
    /// Log odds by network, `[n_networks]`.
    log_odds: Vec<f32>,
}

impl Judged {
    /// Of a stream that no network has judged yet.
    fn before(stream: &Stream) -> Self {
        let onsets = stream.onsets.iter().map(|onset| JudgedOnset {
            at_s: onset.at_s,
            played: onset.played,
            log_odds: Vec::new(),
        });
        Self {
            source: stream.source.clone(),
            purpose: stream.purpose,
            duration_s: stream.duration_s,
            onsets: onsets.collect(),
        }
    }
}

/// Networks without a player and perhaps without some kinds.
struct Fold {
    player: String,
    /// Whether the player counts, or is only trained on.
    tested: bool,
    group: Option<usize>,
    streams: Vec<Judged>,
}

/// What `measure` gives beside the report: a threshold for each network that has heard all players.
pub type Thresholds = Vec<f32>;

/// Measures the rejection of `architectures`, first and second, whose `packages` scale the features. Of the
/// players in `streams` those `tested` count, two at least, because each one's threshold is chosen on the
/// others; who else is there is told beside. Without `leave_kinds_out` each kind of sound is known to all
/// networks. `strictness` is that of the figures by player, technique and kind of sound, and in turn.
///
/// # Errors
/// When a package is malformed.
pub fn measure(
    architectures: &[&Architecture],
    packages: &[ModelPackage],
    streams: &[Stream],
    tested: &[String],
    leave_kinds_out: bool,
    strictness: f32,
    run: Run<'_>,
) -> Result<(Report, Thresholds)> {
    let mut players: BTreeMap<&str, bool> = BTreeMap::new();
    for stream in streams.iter().filter(|s| s.purpose != Purpose::Training) {
        if let Source::Player(player) = &stream.source {
            players.insert(player, tested.contains(player));
        }
    }
    let mut jobs = Vec::new();
    let groups_left_out = if leave_kinds_out { GROUPS.len() } else { 0 };
    for (player, tested) in &players {
        for group in std::iter::once(None).chain((0..groups_left_out).map(Some)) {
            if *tested || group.is_none() {
                jobs.push((*player, *tested, group));
            }
        }
    }
    let folds = parallel::map(
        jobs,
        run.threads,
        |(player, tested, group)| -> Result<Fold> {
            let tests = streams.iter();
            let tests = tests.filter(|stream| is_test_of(stream, player, group));
            let mut judged: Vec<Judged> = tests.clone().map(Judged::before).collect();
            for (network, architecture) in architectures.iter().enumerate() {
                let package = &packages[network];
                let (notes, foreign) = groups(streams, network, Some(player), group);
                let tensors = train(architecture, package, &notes, &foreign, run.seed)?;
                let package = with_rejection(package, &tensors, 0.0)?;
                let mut classifier = Classifier::new(&package, EngineId::Native)?;
                for (stream, judged) in tests.clone().zip(&mut judged) {
                    for (onset, judged) in stream.onsets.iter().zip(&mut judged.onsets) {
                        let Some(features) = onset.features.get(network) else {
                            continue;
                        };
                        judged.log_odds.push(log_odds(&mut classifier, features)?);
                    }
                }
            }
            run.progress.line(format!(
                "rejection without {player}{}",
                group.map_or(String::new(), |group| {
                    let names: Vec<&str> = GROUPS[group].iter().map(|kind| kind.name()).collect();
                    format!(" and {}", names.join(", "))
                })
            ));
            Ok(Fold {
                player: player.to_owned(),
                tested,
                group,
                streams: judged,
            })
        },
    );
    let folds = folds.into_iter().collect::<Result<Vec<_>>>()?;
    let centred: Vec<Fold> = (folds.iter())
        .map(|fold| {
            let thresholds = thresholds(&folds, architectures.len(), |other| {
                other.group == fold.group.filter(|_| fold.tested) && other.player != fold.player
            });
            fold.less(&thresholds)
        })
        .collect();
    let all = thresholds(&folds, architectures.len(), |other| other.group.is_none());
    Ok((report(architectures, &centred, strictness), all))
}

/// Trains on everything: the packages with their rejection.
///
/// # Errors
/// When a package is malformed.
pub fn train_on_all(
    architectures: &[&Architecture],
    packages: &[ModelPackage],
    streams: &[Stream],
    thresholds: &[f32],
    seed: u64,
) -> Result<Vec<ModelPackage>> {
    let packages = packages.iter().zip(thresholds).enumerate();
    packages
        .map(|(network, (package, threshold))| {
            let (notes, foreign) = groups(streams, network, None, None);
            let tensors = train(architectures[network], package, &notes, &foreign, seed)?;
            with_rejection(package, &tensors, *threshold)
        })
        .collect()
}

/// Whether the networks without `player` and `group` are tested on `stream`.
fn is_test_of(stream: &Stream, player: &str, group: Option<usize>) -> bool {
    match &stream.source {
        _ if stream.purpose == Purpose::Training => false,
        Source::Player(other) => other == player,
        Source::Foreign(kind) => group.is_none_or(|group| GROUPS[group].contains(kind)),
        Source::Recorded(_) => group.is_none(),
    }
}

/// What `network` is trained on without `player` and the kinds of `group`: notes by player and
/// technique, foreign sounds by kind.
fn groups<'a>(
    streams: &'a [Stream],
    network: usize,
    player: Option<&str>,
    group: Option<usize>,
) -> (Groups<'a>, Groups<'a>) {
    /// How often speech comes where another kind comes once.
    const SPEECH: usize = 3;
    let mut notes: BTreeMap<(&str, usize), Vec<&[f32]>> = BTreeMap::new();
    let mut foreign: BTreeMap<Kind, Vec<&[f32]>> = BTreeMap::new();
    for stream in streams.iter().filter(|s| s.purpose == Purpose::Training) {
        for onset in &stream.onsets {
            let Some(features) = onset.features.get(network) else {
                continue;
            };
            match (&stream.source, onset.played) {
                (Source::Player(other), Some(technique)) if Some(&**other) != player => {
                    let group = notes.entry((other, technique.class())).or_default();
                    group.push(features);
                }
                (Source::Foreign(kind), _)
                    if group.is_none_or(|group| !GROUPS[group].contains(kind)) =>
                {
                    foreign.entry(*kind).or_default().push(features);
                }
                _ => {}
            }
        }
    }
    let often = |(kind, rows): (Kind, Vec<&'a [f32]>)| {
        let n = if kind == Kind::Speech { SPEECH } else { 1 };
        std::iter::repeat_n(rows, n)
    };
    (
        notes.into_values().collect(),
        foreign.into_iter().flat_map(often).collect(),
    )
}

fn log_odds(classifier: &mut Classifier, features: &[f32]) -> Result<f32> {
    let mut probabilities = vec![0.0; classifier.n_classes()];
    classifier.classify(features, &mut probabilities)?;
    Ok(classifier.rejection().unwrap_or(f32::NEG_INFINITY))
}

impl Fold {
    /// The same with log odds that count from `thresholds`, by network.
    fn less(&self, thresholds: &[f32]) -> Self {
        let mut streams = self.streams.clone();
        for onset in streams.iter_mut().flat_map(|stream| &mut stream.onsets) {
            for (log_odds, threshold) in onset.log_odds.iter_mut().zip(thresholds) {
                *log_odds -= threshold;
            }
        }
        Self {
            player: self.player.clone(),
            streams,
            ..*self
        }
    }

    fn streams(&self, purpose: Purpose) -> impl Iterator<Item = &Judged> {
        let own = move |stream: &&Judged| {
            stream.purpose == purpose && matches!(stream.source, Source::Player(_))
        };
        self.streams.iter().filter(own)
    }

    fn foreign(&self) -> impl Iterator<Item = &Judged> {
        let foreign = |stream: &&Judged| !matches!(stream.source, Source::Player(_));
        self.streams.iter().filter(foreign)
    }

    /// Those that were made.
    fn made(&self) -> impl Iterator<Item = &Judged> {
        let made = |stream: &&Judged| matches!(stream.source, Source::Foreign(_));
        self.streams.iter().filter(made)
    }
}

/// Where each network loses [`AIMED_LOSS`] of the notes of the players of those tested folds for which
/// `which` holds.
fn thresholds(folds: &[Fold], n_networks: usize, which: impl Fn(&Fold) -> bool) -> Thresholds {
    let network = |network: usize| {
        let folds = folds.iter().filter(|fold| fold.tested && which(fold));
        let mut notes: Vec<f32> = folds
            .flat_map(|fold| &fold.streams)
            .flat_map(|stream| &stream.onsets)
            .filter(|onset| onset.played.is_some())
            .filter_map(|onset| onset.log_odds.get(network).copied())
            .collect();
        quantile_from_top(&mut notes, AIMED_LOSS)
    };
    (0..n_networks).map(network).collect()
}

/// The value that `share` of `values` lie above.
fn quantile_from_top(values: &mut [f32], share: f64) -> f32 {
    values.sort_by(|a, b| b.total_cmp(a));
    let place = (share * values.len() as f64) as usize;
    values.get(place).copied().unwrap_or(0.0)
}

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

fn report(architectures: &[&Architecture], folds: &[Fold], strictness: f32) -> Report {
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
    fn the_threshold_is_where_the_share_is_lost() {
        let mut values: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let threshold = quantile_from_top(&mut values, 0.03);
        assert_eq!(values.iter().filter(|value| **value > threshold).count(), 3);
        assert_eq!(quantile_from_top(&mut [], 0.5), 0.0);
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
