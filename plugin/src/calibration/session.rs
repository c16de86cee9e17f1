//! The service thread's part: the calibration of the model in use, both its networks.
//!
//! A note that is taught reaches the first network at once and the second one some 150 ms later;
//! commands may come in between. One rule keeps them together: **the second network learns a note
//! only if the first one knows it, under the number of its onset**. What was undone, forgotten or
//! replaced meanwhile is then forgotten by both. The second one's examples are therefore a part of
//! the first one's, in the same order, and what is forgotten goes from each that has it.

use std::path::Path;

use tocco_engines::{EngineId, LoadError, ModelPackage};
use tocco_recognizer::adaptation::examples::Example;
use tocco_recognizer::adaptation::{Calibration, save_profiles, second_profile};
use tocco_recognizer::classification::{MAX_CLASSES, ModelSerial};

use super::network::{Change, NetworkCalibration, mask, masks};
use super::profile_name::ProfileName;
use super::state::Saved;
use super::{CalibrationStatus, Command};
use crate::params::ToccoParams;

/// Numbers from here on are those of examples from a profile: no onset has one so high.
const FROM_PROFILE: u64 = 1 << 63;

/// Number of an example from a profile that the first network has no counterpart of.
const ALONE: u64 = u64::MAX;

/// The calibration of one model from its loading to the loading of another one.
pub(crate) struct CalibrationSession {
    first: NetworkCalibration,
    second: Option<NetworkCalibration>,
    pub(crate) engine: EngineId,
    /// Notes heard by earlier models are no examples for this one.
    since: ModelSerial,
    in_use: bool,
    /// Whether the model in use is not what the calibration gives.
    changed: bool,
    error: Option<String>,
    /// Which file was written or read, until something else is done.
    told: Option<String>,
    /// What was taught when it was saved last, or began.
    kept: Taught,
}

/// Numbers of the examples of both networks, and what is masked.
type Taught = (Vec<u64>, Vec<u64>, Vec<bool>);

impl CalibrationSession {
    /// For `base` and the package that amends it, which were selected with `engine` and are loaded
    /// as `since` or later, with what the host's state says and its number. A profile that does not fit
    /// leaves the model as it is. Classes are `masked`, or as the first network's profile has it.
    pub(crate) fn new(
        base: ModelPackage,
        second: Option<ModelPackage>,
        engine: EngineId,
        since: ModelSerial,
        (saved, state): (&Saved, u32),
        masked: Option<[bool; MAX_CLASSES]>,
    ) -> Self {
        let name = ProfileName::of_first(&base);
        let (first, mut error) = NetworkCalibration::new(base, name, saved, state);
        let second = second.map(|base| {
            let name = ProfileName::of_second(&first.name, &base);
            let is_earlier = name.is_earlier(&saved.profiles);
            let (mut network, second_error) = NetworkCalibration::new(base, name, saved, state);
            error = error.take().or(second_error);
            // Else, by the rule above, it is of another pair, or of the network as a model by itself.
            if is_earlier && !is_of_one_lesson(&first.classes(), &network.classes()) {
                network.calibration = Calibration::new(&network.base).ok();
            }
            network
        });
        let mut session = Self {
            first,
            second,
            engine,
            since,
            in_use: saved.in_use,
            changed: false,
            error,
            told: None,
            kept: Taught::default(),
        };
        session.number_examples();
        let of_first = || session.first.calibration.as_ref().map(masks);
        if let Some(masked) = masked.or_else(of_first) {
            let networks = std::iter::once(&mut session.first).chain(&mut session.second);
            let calibrations = networks.filter_map(|network| network.calibration.as_mut());
            for calibration in calibrations {
                if let Err(error) = mask(calibration, &masked) {
                    session.error = Some(error.to_string());
                }
            }
        }
        session.kept = session.taught();
        session
    }

    /// The model as it is to run now, and the one that amends it.
    ///
    /// # Errors
    /// When examples of absurd size make weights that are not finite.
    pub(crate) fn packages(&mut self) -> Result<(ModelPackage, Option<ModelPackage>), LoadError> {
        self.changed = false;
        let second = self.second.as_ref();
        let second = second.map(|second| second.package(self.in_use));
        Ok((self.first.package(self.in_use)?, second.transpose()?))
    }

    /// Whether the host has restored no state since this one was made of it.
    pub(crate) fn is_current(&self, params: &ToccoParams) -> bool {
        params.calibration.changes() == self.first.state
    }

    /// Whether what runs is no longer [`packages`](Self::packages).
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    /// Whether the model runs otherwise than it was made.
    pub(crate) fn is_calibrated(&self) -> bool {
        let mut networks = std::iter::once(&self.first).chain(&self.second);
        self.in_use && networks.any(NetworkCalibration::is_calibrated)
    }

    /// Learns a note with its raw `features`, and saves it in the host's state.
    pub(crate) fn learn(&mut self, example: Example, features: &[f32], params: &ToccoParams) {
        let onset = example.source.onset_id;
        let network = if example.source.second {
            if !self.first.onsets.contains(&onset) {
                return; // forgotten meanwhile, or told already that it was left out
            }
            match &mut self.second {
                Some(second) => second,
                None => return,
            }
        } else if example.source.model < self.since {
            self.error = Some(
                "an example was left out: it was heard by the model that was in use before; play \
                 it again"
                    .to_owned(),
            );
            return;
        } else {
            &mut self.first
        };
        let learned = network.change(params, |calibration, onsets| {
            calibration.teach(example.class, features)?;
            onsets.push(onset);
            Ok(true)
        });
        self.told = None;
        self.book(learned);
    }

    /// Does what `command` says, and saves it in the host's state.
    pub(crate) fn obey(&mut self, command: Command, params: &ToccoParams) {
        self.told = None;
        match command {
            // The audio thread was told already.
            Command::Teach(_) => self.error = None,
            Command::Undo => self.forget(self.first.onsets.len().wrapping_sub(1), params),
            Command::Forget(index) => self.forget(index, params),
            Command::Reset => self.both(params, |calibration, onsets| {
                let masked = masks(calibration);
                calibration.reset();
                onsets.clear();
                mask(calibration, &masked)?;
                Ok(true)
            }),
            Command::Mask { class, masked } => {
                self.both(params, |calibration, _| {
                    Ok(calibration.mask(class, masked).map(|()| true)?)
                });
                self.tell_masks(params);
            }
            Command::Apply(in_use) => {
                self.changed |= self.in_use != in_use;
                self.in_use = in_use;
                params.save_calibration(self.first.state, |saved| saved.in_use = in_use);
            }
            Command::Save(path) => {
                let saved = self.save(&path);
                if saved.is_ok() {
                    self.tell(format!("Saved as {}", path.display()));
                }
                self.book(saved.map(|()| false).map_err(Into::into));
            }
            Command::Load(path) => {
                let loaded = self.load(&path, params);
                if loaded.is_ok() {
                    self.tell(format!("Loaded from {}", path.display()));
                    // The numbers of these examples may be those of others that are kept.
                    self.kept = Taught::default();
                }
                self.book(loaded);
                self.tell_masks(params);
            }
        }
    }

    /// Masks the classes as the parameters have it, and saves that in the host's state.
    pub(crate) fn follow_masks(&mut self, params: &ToccoParams) {
        let masked = params.masked();
        let differs = |calibration: &Calibration| {
            let pairs = calibration.masked().iter().zip(masked);
            pairs.into_iter().any(|(is, wanted)| *is != wanted)
        };
        if self.first.calibration.as_ref().is_some_and(differs) {
            self.both(params, |calibration, _| mask(calibration, &masked));
        }
    }

    /// Sets the parameters to what is masked.
    pub(crate) fn tell_masks(&self, params: &ToccoParams) {
        if let Some(calibration) = &self.first.calibration {
            params.tell_masked(calibration.masked());
        }
    }

    /// Whether the note whose onset has this number is an example. Of what a profile was made from
    /// nobody knows the numbers.
    pub(crate) fn knows(&self, onset: u64) -> bool {
        self.first.onsets.contains(&onset)
    }

    /// The labels of the model, `[n_classes]`.
    pub(crate) fn labels(&self) -> &[String] {
        &self.first.base.manifest.labels
    }

    /// How many examples of each class, `[n_classes]`.
    pub(crate) fn examples(&self) -> Vec<usize> {
        self.first.examples()
    }

    /// Saves what is taught to `folder`, if that is something else than before: as
    /// `<model's id>.json`, or by a namesake's name. While nothing amends the model, what was taught to
    /// the one that did stays, as in the host's state: it is of the same lesson.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn keep(&mut self, folder: &Path) -> Result<(), LoadError> {
        let taught = self.taught();
        if self.first.calibration.is_none() || self.kept == taught {
            return Ok(());
        }
        std::fs::create_dir_all(folder).map_err(|error| LoadError::Write {
            file: folder.display().to_string(),
            error,
        })?;
        let path = folder.join(format!("{}.json", self.first.name.file()));
        self.save(&path)?;
        // What failed is tried again.
        self.kept = taught;
        Ok(())
    }

    /// Numbers of the examples of both networks, and what is masked.
    fn taught(&self) -> Taught {
        let second = self.second.as_ref();
        let masked = self.first.calibration.as_ref();
        (
            self.first.onsets.clone(),
            second.map_or_else(Vec::new, |second| second.onsets.clone()),
            masked.map_or_else(Vec::new, |calibration| calibration.masked().to_vec()),
        )
    }

    /// What the editor shows.
    pub(crate) fn status(&self) -> CalibrationStatus {
        let calibration = self.first.calibration.as_ref();
        let untaught = vec![false; self.first.base.manifest.labels.len()];
        CalibrationStatus {
            possible: calibration.is_some(),
            in_use: self.in_use,
            error: self.error.clone(),
            told: self.told.clone(),
            examples: self.first.examples(),
            second_examples: self.second.as_ref().map(NetworkCalibration::examples),
            ends_at: None,
            masked: calibration.map_or(untaught, |calibration| calibration.masked().to_vec()),
            report: calibration.map_or_else(Vec::new, Calibration::report),
        }
    }

    /// Makes a change to both networks; if the first one refuses it, to none.
    fn both(
        &mut self,
        params: &ToccoParams,
        change: impl Fn(&mut Calibration, &mut Vec<u64>) -> Change,
    ) {
        let mut changed = self.first.change(params, &change);
        if let (Ok(changed), Some(second)) = (&mut changed, &mut self.second) {
            match second.change(params, &change) {
                Ok(second) => *changed |= second,
                Err(error) => {
                    self.changed |= *changed;
                    self.error = Some(error.to_string());
                    return;
                }
            }
        }
        self.book(changed);
    }

    /// Forgets the example of this number, if there is one.
    fn forget(&mut self, index: usize, params: &ToccoParams) {
        let Some(onset) = self.first.onsets.get(index).copied() else {
            return self.book(Ok(false));
        };
        self.both(params, |calibration, onsets| {
            // The second network may not have heard it yet: then it will not be taught it.
            let Some(index) = onsets.iter().position(|other| *other == onset) else {
                return Ok(false);
            };
            onsets.remove(index);
            Ok(calibration.forget(index))
        });
    }

    fn save(&self, path: &Path) -> Result<(), LoadError> {
        let Some(first) = &self.first.calibration else {
            return Ok(());
        };
        let second = self.second.as_ref();
        match second.and_then(|second| second.calibration.as_ref()) {
            Some(second) => save_profiles(path, first, Some(second)),
            // What lies beside it may be of the same lesson, as what the host's state has.
            None => first.save(path),
        }
    }

    /// Both files are read before anything is replaced.
    fn load(&mut self, path: &Path, params: &ToccoParams) -> Change {
        if self.first.calibration.is_none() {
            return Ok(false);
        }
        let mut first = Calibration::new(&self.first.base)?;
        first.load(path)?;
        let mut second = None;
        if let Some(network) = self
            .second
            .as_ref()
            .filter(|network| network.calibration.is_some())
        {
            let mut calibration = Calibration::new(&network.base)?;
            let beside = second_profile(path);
            // A profile of the first network alone leaves the second one untaught.
            if beside.exists() {
                calibration.load(beside)?;
            }
            second = Some(calibration);
        }
        let mut changed = self.first.replace(first, params)?;
        if let (Some(network), Some(calibration)) = (&mut self.second, second) {
            changed |= network.replace(calibration, params)?;
        }
        self.number_examples();
        Ok(changed)
    }

    /// Numbers the examples that came from profiles. Which of the second network's are of the same
    /// notes as the first one's the profiles do not say: they are paired by class from the last
    /// one backwards, which is right unless the second one missed some.
    fn number_examples(&mut self) {
        let classes = self.first.classes();
        self.first.onsets = (0..classes.len() as u64)
            .map(|i| FROM_PROFILE | i)
            .collect();
        let Some(second) = &mut self.second else {
            return;
        };
        let mut before = classes.len();
        let mut onsets: Vec<u64> = (second.classes().iter().rev())
            .map(|class| {
                let partner = classes[..before].iter().rposition(|other| other == class);
                partner.map_or(ALONE, |partner| {
                    before = partner;
                    FROM_PROFILE | partner as u64
                })
            })
            .collect();
        onsets.reverse();
        second.onsets = onsets;
    }

    /// Of a model that cannot be taught nothing was written or read.
    fn tell(&mut self, what: String) {
        self.told = self.first.calibration.is_some().then_some(what);
    }

    fn book(&mut self, changed: Change) {
        match changed {
            Ok(changed) => {
                self.changed |= changed;
                // Without a calibration the error says why since the model was loaded.
                if self.first.calibration.is_some() {
                    self.error = None;
                }
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}

/// Whether a second network's classes under the earlier name may come from the lesson of the `first`: they
/// are a part of its, or, since two pairs once shared that name, its are a part of them.
fn is_of_one_lesson(first: &[usize], second: &[usize]) -> bool {
    is_part(second, first) || (!first.is_empty() && is_part(first, second))
}

/// Whether `part` is what is left of `whole` where some of it is left out.
fn is_part(part: &[usize], whole: &[usize]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|class| whole.any(|other| other == class))
}

#[cfg(test)]
mod tests;
