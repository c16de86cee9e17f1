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

mod figures;

use std::collections::BTreeMap;

use anyhow::Result;
use tocco_corpus::Technique;
use tocco_engines::{Classifier, EngineId, ModelPackage};

use crate::architecture::Architecture;
use crate::evaluation::protocol::Run;
use crate::foreign::Kind;
use crate::parallel;
use crate::rejection::material::{Purpose, Source, Stream};
use crate::rejection::{Groups, train, with_rejection};
use crate::report::rejection::Report;
use figures::report;

/// Share of the notes of players who were left out that a network alone loses at its threshold. The
/// surroundings bring some of them back.
pub const AIMED_LOSS: f64 = 0.03;

/// Kinds that are left out together, because they resemble each other.
const GROUPS: [&[Kind]; 3] = [
    &[Kind::Speech, Kind::Breath, Kind::Wind, Kind::Rub],
    &[Kind::Thump, Kind::Knock, Kind::Clap, Kind::Rustle],
    &[Kind::Creak, Kind::Squeak, Kind::Click, Kind::Jingle],
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_where_the_share_is_lost() {
        let mut values: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let threshold = quantile_from_top(&mut values, 0.03);
        assert_eq!(values.iter().filter(|value| **value > threshold).count(), 3);
        assert_eq!(quantile_from_top(&mut [], 0.5), 0.0);
    }
}
