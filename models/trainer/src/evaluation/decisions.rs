//! The product's rule, [`tocco_recognizer::decision`], on answers by technique: a package may order
//! its labels as it likes, and the rule speaks of its classes.

use tocco_corpus::Technique;
use tocco_recognizer::adaptation::SelfTraining;
use tocco_recognizer::decision::{self, Learnt, Observation};

use crate::evaluation::answer::Answer;

/// A network that has not heard its player yet, but can learn.
#[derive(Debug, Clone)]
pub struct AdaptiveNetwork {
    /// What learns.
    pub training: SelfTraining,
    /// The technique of each of its classes, `[n_classes]`.
    pub techniques: Vec<Technique>,
}

impl AdaptiveNetwork {
    fn learnt<'a>(&'a self, plain: &'a Answer) -> Learnt<'a> {
        (&self.training, &plain.point)
    }
}

/// The first answer about a note of which the network says `plain`, after what the `learner`, if
/// there is one, has learnt.
pub(crate) fn answer(learner: Option<&AdaptiveNetwork>, plain: &Answer) -> Answer {
    let classes = classes(learner);
    let mut probabilities = by_class(plain, classes);
    decision::answer(learner.map(|l| l.learnt(plain)), &mut probabilities);
    by_technique(plain, &probabilities, classes)
}

/// The amended answer about a note of which `first` was the first one and the second network says
/// `plain`, after what the `learner`, if there is one, has learnt.
pub(crate) fn amend(first: &Answer, learner: Option<&AdaptiveNetwork>, plain: &Answer) -> Answer {
    let classes = classes(learner);
    let mut probabilities = by_class(plain, classes);
    let first = by_class(first, classes);
    decision::amend(&first, learner.map(|l| l.learnt(plain)), &mut probabilities);
    by_technique(plain, &probabilities, classes)
}

/// The answers about a note of which the networks say `plain`: the first one and, if there is a
/// second network, the amended one.
pub(crate) fn decide(learners: &[AdaptiveNetwork], plain: &[&Answer]) -> Vec<Answer> {
    let mut decided: Vec<Answer> = Vec::new();
    for (i, plain) in plain.iter().enumerate() {
        let learner = learners.get(i);
        decided.push(match decided.first() {
            Some(first) => amend(first, learner, plain),
            None => answer(learner, plain),
        });
    }
    decided
}

/// Lets the last of what was `decided` about a note teach all `learners`, or none: their networks say
/// `plain` of it.
pub(crate) fn learn(learners: &mut [AdaptiveNetwork], plain: &[&Answer], decided: &[Answer]) {
    let (Some(last), Some(first)) = (decided.last(), learners.first()) else {
        return;
    };
    let last = by_class(last, &first.techniques);
    let networks = learners.iter_mut().zip(plain);
    let observation = |(learner, plain)| {
        let (learner, plain): (&mut AdaptiveNetwork, &&Answer) = (learner, plain);
        Observation {
            training: &mut learner.training,
            point: &plain.point,
        }
    };
    let mut networks: Vec<Observation<'_>> = networks.map(observation).collect();
    decision::teach(&last, &mut networks);
}

/// The techniques of the classes that the rule is to see.
fn classes(learner: Option<&AdaptiveNetwork>) -> &[Technique] {
    learner.map_or(&Technique::ALL, |learner| &learner.techniques)
}

fn by_class(answer: &Answer, techniques: &[Technique]) -> Vec<f32> {
    let classes = techniques.iter();
    classes.map(|t| answer.probabilities[t.class()]).collect()
}

fn by_technique(plain: &Answer, by_class: &[f32], techniques: &[Technique]) -> Answer {
    let mut probabilities = vec![0.0; plain.probabilities.len()];
    for (technique, p) in techniques.iter().zip(by_class) {
        probabilities[technique.class()] = *p;
    }
    Answer {
        probabilities,
        point: Vec::new(),
        ..plain.clone()
    }
}
