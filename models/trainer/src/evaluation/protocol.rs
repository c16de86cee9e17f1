//! How a model is put to the test.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tocco_corpus::{Corpus, Listener, Technique};
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{Classifier, EngineId, ModelPackage};
use tocco_recognizer::adaptation::SelfTraining;

use crate::architecture::Architecture;
use crate::early_stopping::best_epochs;
use crate::evaluation::answer::Answer;
use crate::evaluation::conditions::Altered;
use crate::evaluation::decisions::AdaptiveNetwork;
use crate::evaluation::metrics::Confusion;
use crate::evaluation::{ConditionResult, Evaluation, Part, Protocol, best_temperature};
use crate::notes::{Note, Notes};
use crate::package::package;
use crate::parallel;
use crate::progress::Progress;
use crate::splits::{FOLDS, Split, at_random, by_player};
use crate::statistics::{what_is_missing, with_statistics_of_features};
use crate::training::{Trained, train};

/// Runs `package` as it is on `corpus`.
///
/// # Errors
/// When a recording is wrong, the package cannot be run, or its labels are not the techniques.
pub fn holdout(corpus: &Corpus, package: &ModelPackage, engine: EngineId) -> Result<Evaluation> {
    holdout_with(corpus, package, engine, &[], parallel::available())
}

/// As [`holdout`], and on the notes of the same corpus under conditions. Hears `threads` takes at the same
/// time.
///
/// # Errors
/// As [`holdout`].
pub fn holdout_with(
    corpus: &Corpus,
    package: &ModelPackage,
    engine: EngineId,
    altered: &[Altered],
    threads: NonZeroUsize,
) -> Result<Evaluation> {
    let listener = Listener::of(package)?;
    let notes = Notes::hear(corpus, &listener, None, 0, threads)?;
    let mut classifier = Classifier::new(package, engine)?;
    let training = SelfTraining::new(package)?;
    let shared = Arc::new(package.clone());
    let temperature = temperature_of(package);
    let mut tested = Vec::new();
    for (player, name) in notes.players.iter().enumerate() {
        let own = |note: &&Note| note.player == player;
        let test = |classifier: &mut Classifier, notes: &Notes| {
            let own = notes.notes.iter().filter(own);
            classify(name, classifier, training.as_ref(), own, temperature)
        };
        tested.push(Tested {
            part: Part {
                package: Some(shared.clone()),
                ..test(&mut classifier, &notes)?
            },
            altered: (altered.iter())
                .map(|altered| {
                    Ok([
                        test(&mut classifier, &altered.at_clean_onsets)?,
                        test(&mut classifier, &altered.detected)?,
                    ])
                })
                .collect::<Result<_>>()?,
        });
    }
    let id = &package.manifest.id;
    Ok(summary(id, Protocol::Holdout, &notes, tested, altered))
}

/// What cross-validation is run with beside the model and the notes.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What computes the probabilities.
    pub engine: EngineId,
    /// Begins all random numbers.
    pub seed: u64,
    /// Trainings at the same time.
    pub threads: NonZeroUsize,
    /// Where it is told how far it has come.
    pub progress: &'a Progress,
}

/// Trains `architecture` as `protocol` says and tests on what was left out, and by
/// leave-one-player-out also on the notes of the same player in `altered`.
///
/// The number of epochs is chosen by parting the training notes in the same way again, and the
/// temperature on the answers to the other parts, by the networks that those were left out of: nothing
/// is ever chosen on the notes that test.
///
/// # Errors
/// When there are too few notes or players to be tested, or the engine cannot run the networks.
pub fn cross_validate(
    architecture: &Architecture,
    notes: &Notes,
    protocol: Protocol,
    altered: &[Altered],
    run: Run<'_>,
) -> Result<Evaluation> {
    let all: Vec<&Note> = notes.notes.iter().collect();
    let splits = match protocol {
        Protocol::RandomFiveFold => at_random(&all, run.seed),
        Protocol::LeaveOnePlayerOut => by_player(&all, &notes.players),
        Protocol::Holdout => bail!("--protocol holdout trains nothing"),
    };
    // A single player can be tested by a network that has heard those who are only trained on. A temperature
    // is fitted on the others who are tested.
    let alone = protocol == Protocol::LeaveOnePlayerOut && !architecture.recipe.tempered;
    let fewest = if alone { 1 } else { 2 };
    if splits.len() < fewest {
        let tested = all.iter().filter(|note| !note.only_trains);
        let players: BTreeSet<usize> = tested.clone().map(|note| note.player).collect();
        bail!(
            "--protocol {}: expected recordings of at least {fewest} players and {FOLDS} notes to be tested, \
             found {} players and {} notes; add recordings, or use --protocol holdout",
            protocol.name(),
            players.len(),
            tested.count()
        );
    }
    train_and_test(architecture, notes, protocol, splits, altered, run)
}

/// Trains a network for each of `splits` and tests it on what that leaves out, and by
/// leave-one-player-out also on the notes of the same player in `altered`.
///
/// # Errors
/// When the engine cannot run the networks.
pub(crate) fn train_and_test(
    architecture: &Architecture,
    notes: &Notes,
    protocol: Protocol,
    splits: Vec<Split<'_>>,
    altered: &[Altered],
    run: Run<'_>,
) -> Result<Evaluation> {
    // The networks are independent of each other: train them side by side.
    let networks = parallel::map(splits, run.threads, |split| -> Result<Untempered<'_>> {
        let inner = match protocol {
            Protocol::LeaveOnePlayerOut => by_player(&split.training, &notes.players),
            // One inner part is enough where all parts are alike.
            _ => at_random(&split.training, run.seed)
                .into_iter()
                .take(1)
                .collect(),
        };
        let epochs = best_epochs(architecture, inner, run.seed, NonZeroUsize::MIN);
        let trained = train(architecture, &split.training, &[], epochs, run.seed);
        let package = package(architecture, &trained, None, Vec::new())?;
        let mut classifier = Classifier::new(&package, run.engine)?;
        let left_out = split.left_out.iter().copied();
        let part = classify(&split.name, &mut classifier, None, left_out, 1.0)?;
        run.progress.line(format!(
            "{} {} without {}: {epochs} epochs, {:.3} of {} notes",
            architecture.id,
            protocol.name(),
            part.name,
            part.confusion.accuracy(),
            part.confusion.notes()
        ));
        if let Some(missing) = what_is_missing(&split.training) {
            let (model, without) = (architecture.id, &part.name);
            run.progress
                .line(format!("{model} without {without}: {missing}"));
        }
        Ok(Untempered {
            split,
            trained,
            part,
        })
    });
    let networks = networks.into_iter().collect::<Result<Vec<_>>>()?;
    let tempered = |i: usize| {
        let mut others: Vec<Part> = networks.iter().map(|n| n.part.clone()).collect();
        others.remove(i);
        best_temperature(&others)
    };
    let temperatures: Vec<f64> = (0..networks.len())
        .map(|i| {
            if architecture.recipe.tempered {
                tempered(i)
            } else {
                1.0
            }
        })
        .collect();
    let jobs = networks.into_iter().zip(temperatures).collect();
    let tested = parallel::map(
        jobs,
        run.threads,
        |(network, temperature)| -> Result<Tested> {
            let Untempered {
                split, mut trained, ..
            } = network;
            trained.temperature = temperature;
            let package = package(architecture, &trained, None, Vec::new())?;
            let mut classifier = Classifier::new(&package, run.engine)?;
            // A fold is nobody who could be learnt.
            let package = match protocol {
                Protocol::LeaveOnePlayerOut => {
                    Some(with_statistics_of_features(package, &split.training)?)
                }
                _ => None,
            };
            let training = package.as_ref().map(SelfTraining::new).transpose()?;
            let left_out = split.left_out.iter().copied();
            let training = training.as_ref().and_then(Option::as_ref);
            let mut part = classify(
                &split.name,
                &mut classifier,
                training,
                left_out,
                temperature,
            )?;
            part.package = package.map(Arc::new);
            let mut test = |notes: &Notes| -> Result<Part> {
                // The same players in the same order: it is the same corpus.
                let own = notes.notes.iter();
                let own = own.filter(|note| notes.players[note.player] == split.name);
                classify(&split.name, &mut classifier, training, own, temperature)
            };
            let altered = altered
                .iter()
                .map(|altered| Ok([test(&altered.at_clean_onsets)?, test(&altered.detected)?]));
            Ok(Tested {
                altered: altered.collect::<Result<_>>()?,
                part,
            })
        },
    );
    let tested = tested.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(summary(architecture.id, protocol, notes, tested, altered))
}

/// A network that has its weights and not yet its temperature.
struct Untempered<'a> {
    split: Split<'a>,
    trained: Trained,
    /// What was left out, at the temperature 1.
    part: Part,
}

/// A part with what became of it under each condition.
struct Tested {
    part: Part,
    /// At clean onsets, and with those detected under it.
    altered: Vec<[Part; 2]>,
}

/// The temperature of the softmax that a package ends with; 1 if it is not made of layers.
fn temperature_of(package: &ModelPackage) -> f64 {
    match package.manifest.network.layers.last() {
        Some(LayerSpec::Softmax { temperature }) => *temperature,
        _ => 1.0,
    }
}

/// What `classifier`, whose softmax has `temperature`, makes of `notes`; with `training` also where
/// they lie.
pub(crate) fn classify<'a>(
    name: &str,
    classifier: &mut Classifier,
    training: Option<&SelfTraining>,
    notes: impl Iterator<Item = &'a Note>,
    temperature: f64,
) -> Result<Part> {
    // A package may order its labels as it likes.
    let techniques: Vec<Technique> = classifier
        .labels()
        .iter()
        .map(|label| label.parse())
        .collect::<Result<_, _>>()
        .context("labels: the package classifies something else than these recordings hold")?;
    let mut outputs = vec![0.0; techniques.len()];
    let mut part = Part {
        name: name.to_owned(),
        confusion: Confusion::default(),
        answers: Vec::new(),
        temperature: Some(temperature),
        learner: training.map(|training| AdaptiveNetwork {
            training: training.clone(),
            techniques: techniques.clone(),
        }),
        package: None,
    };
    let mut recording = None;
    for note in notes {
        // Each recording is a stream of its own: a network with memory begins anew, as in the plugin.
        if recording.replace(note.piece) != Some(note.piece) {
            classifier.reset();
        }
        classifier.classify(&note.features, &mut outputs)?;
        let mut probabilities = vec![0.0; Technique::ALL.len()];
        for (technique, output) in techniques.iter().zip(&outputs) {
            probabilities[technique.class()] = *output;
        }
        let mut point = Vec::new();
        if let Some(AdaptiveNetwork { training, .. }) = &mut part.learner {
            point = vec![0.0; training.n_point()];
            training.point(&note.features, &mut point);
        }
        let answer = Answer {
            take: note.take,
            folder: note.folder,
            player: note.player,
            played: note.technique,
            probabilities,
            point,
        };
        part.confusion.count(note.technique.class(), answer.class());
        part.answers.push(answer);
    }
    Ok(part)
}

fn summary(
    model: &str,
    protocol: Protocol,
    notes: &Notes,
    tested: Vec<Tested>,
    altered: &[Altered],
) -> Evaluation {
    let conditions = altered.iter().enumerate().map(|(i, altered)| {
        let answers = [0, 1].map(|onsets| {
            let answers = tested.iter().map(|t| &t.altered[i][onsets].answers);
            answers.flatten().cloned().collect::<Vec<_>>()
        });
        ConditionResult {
            name: altered.name,
            at_clean_onsets: Confusion::of(&answers[0]),
            confusion: Confusion::of(&answers[1]),
            missed: altered.detected.missed.clone(),
            answers,
        }
    });
    let conditions = conditions.collect();
    let mut confusion = Confusion::default();
    tested.iter().for_each(|t| confusion.add(&t.part.confusion));
    let is_heard = |player: usize| notes.notes.iter().any(|note| note.player == player);
    let is_tested = |player: usize| {
        let tested = |note: &Note| note.player == player && !note.only_trains;
        let missed = notes.missed.iter().any(|note| note.player == player);
        missed || notes.notes.iter().any(tested)
    };
    let players = |which: &dyn Fn(usize) -> bool| -> Vec<String> {
        let players = notes.players.iter().enumerate();
        let players = players.filter(|(player, _)| which(*player));
        players.map(|(_, name)| name.clone()).collect()
    };
    Evaluation {
        model: model.to_owned(),
        protocol,
        onsets: notes.onsets.clone(),
        confusion,
        parts: tested.into_iter().map(|t| t.part).collect(),
        missed: notes.missed.clone(),
        players: players(&is_tested),
        only_trained_on: players(&|player| is_heard(player) && !is_tested(player)),
        folders: notes.folders.clone(),
        n_takes: notes.n_takes,
        conditions,
        second: None,
        listening: Vec::new(),
        performances: None,
        fewer: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::tests::easy_corpus;

    #[test]
    fn easy_notes_of_unheard_players_are_told_apart() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 20;
        let notes = easy_corpus(architecture.features.len(), 12);
        for protocol in [Protocol::RandomFiveFold, Protocol::LeaveOnePlayerOut] {
            let evaluation = cross_validate(
                &architecture,
                &notes,
                protocol,
                &[],
                Run {
                    engine: EngineId::Native,
                    seed: 1,
                    threads: NonZeroUsize::new(2).unwrap(),
                    progress: &Progress::on_screen(),
                },
            )
            .unwrap();
            assert_eq!(evaluation.confusion.notes(), 96);
            assert!(evaluation.confusion.accuracy() > 0.95, "{evaluation:?}");
        }
    }

    #[test]
    fn a_single_player_is_tested_where_nothing_is_fitted_on_others_who_are() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 2;
        let mut notes = easy_corpus(architecture.features.len(), 12);
        for note in &mut notes.notes {
            note.only_trains = note.player != 0;
        }
        let mut evaluate = |tempered: bool| {
            architecture.recipe.tempered = tempered;
            let run = Run {
                engine: EngineId::Native,
                seed: 1,
                threads: NonZeroUsize::MIN,
                progress: &Progress::on_screen(),
            };
            cross_validate(&architecture, &notes, Protocol::LeaveOnePlayerOut, &[], run)
        };
        let alone = evaluate(false).unwrap();
        assert_eq!((alone.parts.len(), alone.players.len()), (1, 1));
        let message = evaluate(true).unwrap_err().to_string();
        assert!(
            message.contains("to be tested, found 1 players"),
            "{message}"
        );
    }

    #[test]
    fn players_who_are_only_trained_on_are_told_apart() {
        let mut notes = easy_corpus(2, 12);
        for note in &mut notes.notes {
            note.only_trains = note.player == 3 || (note.player == 2 && note.take % 2 == 0);
        }
        // Of E nothing was heard.
        notes.players.push("E".to_owned());
        let evaluation = summary("c", Protocol::LeaveOnePlayerOut, &notes, Vec::new(), &[]);
        assert_eq!(evaluation.players, ["A", "B", "C"]);
        assert_eq!(evaluation.only_trained_on, ["D"]);
    }

    #[test]
    fn a_temperature_changes_probabilities_but_no_answer() {
        let mut architecture = Architecture::find("c").unwrap();
        architecture.recipe.epochs = 5;
        architecture.recipe.early_stopping = false;
        let notes = easy_corpus(architecture.features.len(), 12);
        let evaluate = |tempered: bool| {
            let mut architecture = architecture.clone();
            architecture.recipe.tempered = tempered;
            let altered = [Altered {
                name: "unchanged",
                at_clean_onsets: notes.clone(),
                detected: notes.clone(),
            }];
            let run = Run {
                engine: EngineId::Native,
                seed: 1,
                threads: NonZeroUsize::new(2).unwrap(),
                progress: &Progress::on_screen(),
            };
            let protocol = Protocol::LeaveOnePlayerOut;
            cross_validate(&architecture, &notes, protocol, &altered, run).unwrap()
        };
        let (plain, cold) = (evaluate(false), evaluate(true));
        assert_eq!(plain.confusion, cold.confusion);
        assert_eq!(cold.conditions[0].confusion, cold.confusion);
        assert_eq!(cold.conditions[0].at_clean_onsets, cold.confusion);
        let is_cold = |part: &Part| part.temperature.is_some_and(|t| t < 1.0);
        assert!(cold.parts.iter().all(is_cold));
        assert!(cold.mean_confidence() > plain.mean_confidence() + 0.01);
        for (a, b) in plain.graded().iter().zip(cold.graded_untempered().unwrap()) {
            assert!((a.confidence - b.confidence).abs() < 1e-3, "{a:?} {b:?}");
        }
    }
}
