//! One network that is taught: the model as it was made, and what came of the lesson.

use std::error::Error;

use tocco_engines::{LoadError, ModelPackage};
use tocco_recognizer::adaptation::{Calibration, Profile, TeachError};
use tocco_recognizer::classification::MAX_CLASSES;

use super::profile_name::ProfileName;
use super::state::Saved;
use crate::params::ToccoParams;

/// One network that is taught.
pub(super) struct NetworkCalibration {
    /// The model before calibration.
    pub(super) base: ModelPackage,
    /// What its profile is called in the host's state.
    pub(super) name: ProfileName,
    pub(super) calibration: Option<Calibration>,
    /// How often the host had restored a state when this one was made of it.
    pub(super) state: u32,
    /// Number of the onset of each example, in the order of teaching.
    pub(super) onsets: Vec<u64>,
}

/// Whether something was changed, or why it was not.
pub(super) type Change = Result<bool, Box<dyn Error>>;

impl NetworkCalibration {
    /// With what the host's state says of this model under `name`, and what is wrong with that.
    pub(super) fn new(
        base: ModelPackage,
        name: ProfileName,
        saved: &Saved,
        state: u32,
    ) -> (Self, Option<String>) {
        let (mut calibration, mut error) = match Calibration::new(&base) {
            Ok(calibration) => (Some(calibration), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let (Some(calibration), Some(text)) = (&mut calibration, name.find(&saved.profiles)) {
            let file = "calibration in the host's state";
            let restored =
                Profile::parse(text, file).and_then(|profile| calibration.restore(&profile, file));
            error = restored.err().map(|error| error.to_string());
        }
        let network = Self {
            base,
            name,
            calibration,
            state,
            onsets: Vec::new(),
        };
        (network, error)
    }

    pub(super) fn package(&self, in_use: bool) -> Result<ModelPackage, LoadError> {
        match &self.calibration {
            Some(calibration) if in_use => calibration.package(),
            _ => Ok(self.base.clone()),
        }
    }

    pub(super) fn is_calibrated(&self) -> bool {
        let calibration = self.calibration.as_ref();
        calibration.is_some_and(|calibration| !calibration.is_empty())
    }

    /// The class of each example.
    pub(super) fn classes(&self) -> Vec<usize> {
        let calibration = self.calibration.as_ref();
        calibration.map_or_else(Vec::new, |calibration| calibration.taught().collect())
    }

    /// How many examples of each class, `[n_classes]`.
    pub(super) fn examples(&self) -> Vec<usize> {
        let mut examples = vec![0; self.base.manifest.labels.len()];
        for class in self.classes() {
            examples[class] += 1;
        }
        examples
    }

    /// Makes a change, which says whether it was one, and saves it in the host's state. Of a model
    /// without a calibration nothing is changed.
    pub(super) fn change(
        &mut self,
        params: &ToccoParams,
        change: impl FnOnce(&mut Calibration, &mut Vec<u64>) -> Change,
    ) -> Change {
        let Some(calibration) = &mut self.calibration else {
            return Ok(false);
        };
        let changed = change(calibration, &mut self.onsets)?;
        let text = calibration.profile().to_json("calibration")?;
        let name = &self.name;
        params.save_calibration(self.state, |saved| {
            name.put(&mut saved.profiles, text, calibration.is_empty());
        });
        Ok(changed)
    }

    pub(super) fn replace(&mut self, by: Calibration, params: &ToccoParams) -> Change {
        self.change(params, |calibration, _| {
            *calibration = by;
            Ok(true)
        })
    }
}

/// Which classes are masked.
pub(super) fn masks(calibration: &Calibration) -> [bool; MAX_CLASSES] {
    let mut masks = [false; MAX_CLASSES];
    for (mask, masked) in masks.iter_mut().zip(calibration.masked()) {
        *mask = *masked;
    }
    masks
}

/// Masks those classes that the model has, and says whether that is a change.
///
/// # Errors
/// When that would be all; then nothing is changed.
pub(super) fn mask(calibration: &mut Calibration, masked: &[bool; MAX_CLASSES]) -> Change {
    let before = calibration.masked().to_vec();
    let classes = before.len().min(MAX_CLASSES);
    // Those that are used again first: in between there must be one, too.
    let (masks, uses): (Vec<usize>, Vec<usize>) = (0..classes).partition(|class| masked[*class]);
    if uses.is_empty() {
        return Err(TeachError::AllMasked.into());
    }
    for class in uses.into_iter().chain(masks) {
        calibration.mask(class, masked[class])?;
    }
    Ok(calibration.masked() != before)
}
