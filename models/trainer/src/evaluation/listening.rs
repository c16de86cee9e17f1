//! What it is worth to listen to a player: notes are classified one after another, and each
//! decision, right or wrong, teaches the networks ([`decision`](tocco_recognizer::decision)) before the next note.
//!
//! Nothing but sound is given: no label is looked at before all answers are there, and an answer
//! follows from the notes before it only. Each session of a player (one guitar, microphone and
//! room, see [`sessions`](crate::sessions::sessions)) begins with nothing learnt.
//!
//! The recordings hold one technique a take, so their own order is not that of music. The notes of
//! a session are heard in orders drawn at random ([`Order`]), [`ROUNDS`] times, and every round
//! counts: a figure is of all rounds together.

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::evaluation::answer::Answer;
use crate::evaluation::decisions::{AdaptiveNetwork, decide, learn};
use crate::evaluation::metrics::Confusion;
use crate::evaluation::{ConditionResult, Evaluation, Listening, Order, Part};
use crate::notes::Missed;
use crate::shuffle::shuffle;

/// How often each note is heard, in different orders.
pub const ROUNDS: usize = 5;

/// The answers of `evaluation` as they would have been had each player been listened to, in each
/// [`Order`]; with `later`, the same protocol for the model that amends the answers, each amended
/// decision teaches both networks. Nothing if the networks cannot learn so.
///
/// # Errors
/// When the two evaluations are not about the same notes.
pub fn listen(
    evaluation: &Evaluation,
    later: Option<&Evaluation>,
    sessions: &[String],
    seed: u64,
) -> Result<Vec<Listening>> {
    let evaluations: Vec<&Evaluation> = std::iter::once(evaluation).chain(later).collect();
    let mut players = Vec::new();
    for (i, part) in evaluation.parts.iter().enumerate() {
        let learners = evaluations.iter().map(|e| e.parts.get(i)?.learner.as_ref());
        let Some(learners) = learners.collect::<Option<Vec<&AdaptiveNetwork>>>() else {
            return Ok(Vec::new());
        };
        players.push(Player {
            index: part.answers.first().map(|answer| answer.player),
            learners,
        });
    }
    let orders = Order::ALL.into_iter().map(|order| {
        let hear = |answers: &[Vec<&Answer>]| hear(&players, answers, sessions, order, seed);
        let plain = evaluations.iter().map(|e| e.answers().collect());
        let plain: Vec<Vec<&Answer>> = plain.collect();
        let Heard {
            decisions,
            second_half,
        } = hear(&plain)?;
        let mut conditions: Vec<Vec<[Vec<Answer>; 2]>> = vec![Vec::new(); evaluations.len()];
        for i in 0..evaluation.conditions.len() {
            let under = |onsets: usize| -> Result<Vec<Vec<Answer>>> {
                let answers = evaluations.iter().map(|e| &e.conditions[i].answers[onsets]);
                let answers: Vec<Vec<&Answer>> = answers.map(|a| a.iter().collect()).collect();
                Ok(hear(&answers)?.decisions)
            };
            let (clean, detected) = (under(0)?, under(1)?);
            for ((conditions, clean), detected) in conditions.iter_mut().zip(clean).zip(detected) {
                conditions.push([clean, detected]);
            }
        }
        let mut heard = (decisions.into_iter().zip(conditions))
            .map(|(answers, conditions)| as_evaluation(evaluation, answers, conditions));
        let mut first = heard.next().context("listening: no network listens")?;
        first.second = heard.next().map(Box::new);
        Ok(Listening {
            order,
            evaluation: first,
            second_half,
        })
    });
    orders.collect()
}

/// A player and the networks that listen.
struct Player<'a> {
    /// Of the corpus; `None` if no note of the player was heard.
    index: Option<usize>,
    /// The first network, and the one that amends its answers.
    learners: Vec<&'a AdaptiveNetwork>,
}

/// What was decided, for the first network and the second.
struct Heard {
    decisions: Vec<Vec<Answer>>,
    second_half: Vec<Confusion>,
}

/// What is decided of all notes, `answers` being what each network says without listening.
fn hear(
    players: &[Player<'_>],
    answers: &[Vec<&Answer>],
    sessions: &[String],
    order: Order,
    seed: u64,
) -> Result<Heard> {
    let (n, first) = (answers.len(), &answers[0]);
    for other in answers {
        let same = |(a, b): (&&Answer, &&Answer)| (a.take, a.played) == (b.take, b.played);
        if other.len() != first.len() || !first.iter().zip(other).all(same) {
            bail!("listening: the two models were tested on different notes");
        }
    }
    let mut decisions = vec![Vec::new(); n];
    let mut second_half = vec![Confusion::default(); n];
    for player in players {
        let own = |i: &usize| Some(first[*i].player) == player.index;
        let own: Vec<usize> = (0..first.len()).filter(own).collect();
        let mut names: Vec<&String> = own.iter().map(|i| &sessions[first[*i].take]).collect();
        names.sort();
        names.dedup();
        for name in names {
            let of_session = |i: &&usize| &sessions[first[**i].take] == name;
            let notes: Vec<usize> = own.iter().filter(of_session).copied().collect();
            let in_time: Vec<&Answer> = notes.iter().map(|i| first[*i]).collect();
            for round in 0..ROUNDS {
                // The same order whatever else is measured.
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream(round as u64);
                let mut learners: Vec<AdaptiveNetwork> =
                    player.learners.iter().copied().cloned().collect();
                for (place, i) in draw(order, &in_time, &mut random).into_iter().enumerate() {
                    let note = notes[i];
                    let plain: Vec<&Answer> = answers.iter().map(|a| a[note]).collect();
                    let decided = decide(&learners, &plain);
                    learn(&mut learners, &plain, &decided);
                    let all = decisions.iter_mut().zip(&mut second_half);
                    for ((all, second_half), answer) in all.zip(decided) {
                        if 2 * place >= notes.len() {
                            second_half.count(answer.played.class(), answer.class());
                        }
                        all.push(answer);
                    }
                }
            }
        }
    }
    Ok(Heard {
        decisions,
        second_half,
    })
}

/// The numbers of `answers`, which are of one session, in `order`.
fn draw(order: Order, answers: &[&Answer], random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if order == Order::TakeByTake && answers[group[0]].take == answer.take => {
                group.push(i);
            }
            _ => groups.push(vec![i]),
        }
    }
    shuffle(&mut groups, random);
    groups.concat()
}

/// The numbers below `n` in an order drawn at random.
pub(crate) fn mixed(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, &mut ChaCha8Rng::seed_from_u64(seed));
    order
}

/// `answers` as an evaluation like `plain`, in which every note was heard [`ROUNDS`] times.
fn as_evaluation(
    plain: &Evaluation,
    answers: Vec<Answer>,
    conditions: Vec<[Vec<Answer>; 2]>,
) -> Evaluation {
    let each_round = |missed: &[Missed]| missed.repeat(ROUNDS);
    let parts = plain.parts.iter().map(|part| {
        let player = part.answers.first().map(|answer| answer.player);
        let own = answers.iter().filter(|a| Some(a.player) == player);
        let answers: Vec<Answer> = own.cloned().collect();
        Part {
            name: part.name.clone(),
            confusion: Confusion::of(&answers),
            answers,
            // What is learnt is added behind it.
            temperature: None,
            learner: None,
            package: None,
        }
    });
    let conditions = plain.conditions.iter().zip(conditions);
    let conditions = conditions.map(|(plain, answers)| ConditionResult {
        name: plain.name,
        at_clean_onsets: Confusion::of(&answers[0]),
        confusion: Confusion::of(&answers[1]),
        missed: each_round(&plain.missed),
        answers,
    });
    Evaluation {
        confusion: Confusion::of(&answers),
        parts: parts.collect(),
        missed: each_round(&plain.missed),
        conditions: conditions.collect(),
        second: None,
        listening: Vec::new(),
        performances: None,
        fewer: Vec::new(),
        ..plain.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Protocol;
    use crate::notes::Onsets;
    use tocco_corpus::Technique;
    use tocco_dsp::OnsetMethod;
    use tocco_engines::Scaler;
    use tocco_engines::Statistics;
    use tocco_recognizer::adaptation::SelfTraining;

    const NOTES: usize = 20;

    /// Notes of a technique lie around four times its class.
    fn learner() -> AdaptiveNetwork {
        let notes: Vec<(usize, Vec<f32>)> = (0..16)
            .map(|i| (i / 2, vec![4.0 * (i / 2) as f32 + [-1.0, 1.0][i % 2]]))
            .collect();
        let statistics = Statistics::fit_projected(8, &notes, vec![1.0]).unwrap();
        AdaptiveNetwork {
            training: SelfTraining::from_statistics(Scaler::identity(1), &statistics).unwrap(),
            techniques: Technique::ALL.into(),
        }
    }

    /// A player whose notes lie beside those of the training, in two sessions of two takes of each
    /// technique. The network is right in three of four notes and never quite sure.
    fn evaluation() -> (Evaluation, Vec<String>) {
        let mut answers = Vec::new();
        for take in 0..32 {
            let class = take % 8;
            for note in 0..NOTES {
                let mut probabilities = vec![0.05; 8];
                let taken_for = if note % 4 == 1 {
                    (class + 1) % 8
                } else {
                    class
                };
                probabilities[class] = 0.3;
                probabilities[taken_for] = 0.5;
                answers.push(Answer {
                    take,
                    folder: 0,
                    player: 0,
                    played: Technique::ALL[class],
                    probabilities,
                    point: vec![4.0 * class as f32 + 0.6 + 0.1 * (note % 3) as f32],
                });
            }
        }
        let sessions = (0..32).map(|take| format!("session {}", take / 16));
        let evaluation = Evaluation {
            model: "test".to_owned(),
            protocol: Protocol::LeaveOnePlayerOut,
            onsets: Onsets {
                method: OnsetMethod::Flux,
                labelled: answers.len() + 1,
                detected: answers.len(),
                delays_s: vec![0.0; answers.len()],
            },
            confusion: Confusion::of(&answers),
            parts: vec![Part {
                name: "AnnAri".to_owned(),
                confusion: Confusion::of(&answers),
                answers,
                temperature: Some(1.0),
                learner: Some(learner()),
                package: None,
            }],
            missed: vec![Missed {
                take: 0,
                folder: 0,
                player: 0,
                technique: Technique::Kick,
            }],
            players: vec!["AnnAri".to_owned()],
            only_trained_on: Vec::new(),
            folders: vec!["recordings".to_owned()],
            n_takes: 32,
            conditions: Vec::new(),
            second: None,
            listening: Vec::new(),
            performances: None,
            fewer: Vec::new(),
        };
        (evaluation, sessions.collect())
    }

    #[test]
    fn a_network_that_is_mostly_right_learns_its_player() {
        let (evaluation, sessions) = evaluation();
        assert_eq!(evaluation.confusion.accuracy(), 0.75);
        let heard = listen(&evaluation, None, &sessions, 1).unwrap();
        assert_eq!(heard.len(), Order::ALL.len());
        for Listening {
            order,
            evaluation,
            second_half,
        } in &heard
        {
            assert_eq!(second_half.len(), 1);
            assert_eq!(2 * second_half[0].notes(), ROUNDS * 32 * NOTES);
            assert!(second_half[0].accuracy() >= evaluation.confusion.accuracy());
            assert_eq!(evaluation.confusion.notes(), ROUNDS * 32 * NOTES);
            assert_eq!(evaluation.missed.len(), ROUNDS);
            let accuracy = evaluation.confusion.accuracy();
            assert!(accuracy > 0.95, "{order:?}: {accuracy}");
            assert!(evaluation.second.is_none());
            assert!(evaluation.graded_untempered().is_none());
        }
        // A later network that says the same of every note amends nothing.
        let both = listen(&evaluation, Some(&evaluation), &sessions, 1).unwrap();
        for (both, alone) in both.iter().zip(&heard) {
            let second = both.evaluation.second.as_ref().unwrap();
            assert_eq!(second.confusion, alone.evaluation.confusion);
            assert_eq!(both.evaluation.confusion, alone.evaluation.confusion);
        }
    }

    #[test]
    fn no_label_is_looked_at() {
        let (mut evaluation, sessions) = evaluation();
        let probabilities = |evaluation: &Evaluation| -> Vec<Vec<f32>> {
            let heard = listen(evaluation, None, &sessions, 1).unwrap();
            let answers = heard[0].evaluation.answers();
            answers.map(|answer| answer.probabilities.clone()).collect()
        };
        let before = probabilities(&evaluation);
        for answer in &mut evaluation.parts[0].answers {
            answer.played = Technique::Kick;
        }
        assert_eq!(probabilities(&evaluation), before);
    }

    #[test]
    fn every_session_begins_with_nothing_learnt_and_orders_are_what_they_say() {
        let (evaluation, sessions) = evaluation();
        let plain: Vec<&Answer> = evaluation.answers().collect();
        for Listening {
            order, evaluation, ..
        } in listen(&evaluation, None, &sessions, 1).unwrap()
        {
            let answers: Vec<&Answer> = evaluation.answers().collect();
            let per_session = 16 * NOTES;
            for round in answers.chunks_exact(per_session) {
                let known = plain
                    .iter()
                    .any(|p| p.probabilities == round[0].probabilities);
                assert!(known, "{order:?}: the first answer is the network's own");
                let session = &sessions[round[0].take];
                assert!(round.iter().all(|a| sessions[a.take] == *session));
                let changes = round.windows(2).filter(|w| w[0].take != w[1].take).count();
                match order {
                    Order::TakeByTake => assert_eq!(changes, 15),
                    Order::Mixed => assert!(changes > per_session / 2),
                }
            }
        }
    }

    #[test]
    fn networks_that_cannot_learn_so_are_left_alone() {
        let (mut evaluation, sessions) = evaluation();
        evaluation.parts[0].learner = None;
        assert!(listen(&evaluation, None, &sessions, 1).unwrap().is_empty());
    }
}
