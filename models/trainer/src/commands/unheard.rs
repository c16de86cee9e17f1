//! Leave-one-player-out of a model that is being trained.

use anyhow::Result;

use super::corpora::{Corpora, alter, hear};
use crate::architecture::Architecture;
use crate::evaluation::protocol::{Run, cross_validate};
use crate::evaluation::{Evaluation, Protocol};
use crate::notes::Notes;
use crate::progress::Progress;

/// A model's notes and leave-one-player-out. A model that amends another one's answers is measured
/// along with that one; when it is trained itself, it need not be measured again.
pub(super) struct Unheard {
    pub(super) notes: Notes,
    pub(super) evaluation: Evaluation,
}

impl Unheard {
    pub(super) fn measure(
        architecture: &Architecture,
        corpora: &Corpora,
        run: Run<'_>,
    ) -> Result<Self> {
        let Run {
            seed,
            threads,
            progress,
            ..
        } = run;
        let notes = hear(architecture, corpora, seed, threads, progress)?;
        let listener = architecture.listener();
        // The paper's networks were made for what they were recorded with.
        let altered = match architecture.recipe.augmentation.sound {
            Some(_) => alter(&corpora.tested, &listener, seed, threads, progress)?,
            None => Vec::new(),
        };
        let protocol = Protocol::LeaveOnePlayerOut;
        let evaluation = cross_validate(architecture, &notes, protocol, &altered, run)?;
        tell(&evaluation, progress);
        Ok(Self { notes, evaluation })
    }
}

/// Says how right it was.
pub(super) fn tell(evaluation: &Evaluation, progress: &Progress) {
    progress.line(format!(
        "{} {}: accuracy {:.3}, macro-F1 {:.3} of {} notes",
        evaluation.model,
        evaluation.protocol.name(),
        evaluation.confusion.accuracy(),
        evaluation.confusion.macro_f1(),
        evaluation.confusion.notes()
    ));
}
