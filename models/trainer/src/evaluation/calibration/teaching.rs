//! What a player teaches: which notes are drawn as examples, and how a model is taught them.

use anyhow::Result;
use clap::ValueEnum;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::Technique;
use tocco_recognizer::adaptation::Calibration;

use super::subject::Subject;
use crate::notes::Note;
use crate::shuffle::shuffle;

/// Which takes the examples of a technique come from, none of them the one that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HitsFrom {
    /// One take: one dynamic and, if pitched, one string.
    OneTake,
    /// All takes in turn: what a player gives who is asked to play in different ways, as far as
    /// there are takes.
    Spread,
}

impl HitsFrom {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneTake => "one-take",
            Self::Spread => "spread",
        }
    }
}

/// How the examples are chosen.
#[derive(Debug, Clone)]
pub struct Teaching {
    /// Examples of each technique at most: all that there are where the player's other takes have fewer. One
    /// measurement each.
    pub hits: Vec<usize>,
    /// How often the examples are drawn anew.
    pub draws: usize,
    /// Begins all random numbers.
    pub seed: u64,
    /// The takes that the examples of a technique come from.
    pub hits_from: HitsFrom,
    /// Whether examples may come from the player's other sessions, too.
    pub any_session: bool,
    /// Whether the techniques of which the player has no note are masked.
    pub mask_unused: bool,
    /// Whether in each lesson one example is wrong: a note of another technique.
    pub one_wrong: bool,
}

/// Draws `hits` notes of each technique, none of them from the take `tested`: the class that each is
/// taught as, and its place among the subject's notes.
pub(super) fn draw(
    classes: &[Technique],
    subject: &Subject<'_>,
    tested: usize,
    draw: usize,
    hits: usize,
    lesson: &Teaching,
) -> Vec<(usize, usize)> {
    // The same takes and, as far as they go, the same notes for every number of examples.
    let seed = lesson.seed ^ (draw as u64) << 32 ^ (tested as u64) << 16;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut examples = Vec::new();
    for (class, technique) in classes.iter().enumerate() {
        let others = notes_to_teach(subject, tested, *technique, lesson);
        let take_of = |note: usize| subject.notes[note].take;
        let mut takes: Vec<usize> = others.iter().map(|note| take_of(*note)).collect();
        takes.dedup();
        if takes.is_empty() {
            continue;
        }
        match lesson.hits_from {
            HitsFrom::OneTake => takes = vec![takes[random.random_range(0..takes.len())]],
            HitsFrom::Spread => shuffle(&mut takes, &mut random),
        }
        let takes: Vec<Vec<usize>> = takes
            .iter()
            .map(|take| {
                let own = others.iter().copied();
                let mut own: Vec<usize> = own.filter(|note| take_of(*note) == *take).collect();
                shuffle(&mut own, &mut random);
                own
            })
            .collect();
        // The first note of each take, then the second of each.
        let longest = takes.iter().map(Vec::len).max().unwrap_or(0);
        let dealt = (0..longest).flat_map(|i| takes.iter().filter_map(move |own| own.get(i)));
        examples.extend(dealt.take(hits).map(|note| (class, *note)));
    }
    if lesson.one_wrong && !examples.is_empty() {
        let wrong = random.random_range(0..examples.len());
        let class = examples[wrong].0;
        let others: Vec<usize> = examples
            .iter()
            .filter(|(other, _)| *other != class)
            .map(|(_, note)| *note)
            .collect();
        if !others.is_empty() {
            examples[wrong].1 = others[random.random_range(0..others.len())];
        }
    }
    examples
}

/// Teaches `examples`, which [`draw`] has drawn.
pub(super) fn teach(
    calibration: &mut Calibration,
    classes: &[Technique],
    subject: &Subject<'_>,
    examples: &[(usize, usize)],
    lesson: &Teaching,
) -> Result<()> {
    for (class, technique) in classes.iter().enumerate() {
        let played = |note: &&Note| note.technique == *technique;
        if lesson.mask_unused && !subject.notes.iter().any(played) {
            calibration.mask(class, true)?;
        }
    }
    for (class, note) in examples {
        calibration.teach(*class, &subject.notes[*note].features)?;
    }
    Ok(())
}

/// The notes of `technique`, by their places, that may be examples when the take `tested` is tested,
/// by take.
pub(super) fn notes_to_teach(
    subject: &Subject<'_>,
    tested: usize,
    technique: Technique,
    lesson: &Teaching,
) -> Vec<usize> {
    let session = subject.sessions.get(tested);
    let may_teach = |note: &usize| {
        let note = subject.notes[*note];
        note.technique == technique
            && note.take != tested
            && (lesson.any_session
                || session.is_none_or(|session| subject.sessions[note.take] == *session))
    };
    (0..subject.notes.len()).filter(may_teach).collect()
}
