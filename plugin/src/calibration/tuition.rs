//! The service thread's part: the calibration of the model in use.

use tocco_engines::calibration::{Calibration, Profile};
use tocco_engines::{EngineId, LoadError, ModelPackage};

use super::examples::Example;
use super::state::Saved;
use super::{CalibrationStatus, Command};
use crate::classification::ModelSerial;
use crate::params::ToccoParams;

/// The calibration of one model from its loading to the loading of another one.
pub(crate) struct Tuition {
    /// The model before calibration.
    base: ModelPackage,
    pub(crate) engine: EngineId,
    /// Notes heard by earlier models are no examples for this one.
    since: ModelSerial,
    calibration: Option<Calibration>,
    in_use: bool,
    /// Whether the model in use is not what the calibration gives.
    changed: bool,
    error: Option<String>,
}

impl Tuition {
    /// For `package`, which was selected with `engine` and is loaded as `since` or later, with what
    /// the host's state says. A profile that does not fit leaves the model as it is.
    pub(crate) fn new(
        base: ModelPackage,
        engine: EngineId,
        since: ModelSerial,
        saved: &Saved,
    ) -> Self {
        let (mut calibration, mut error) = match Calibration::new(&base) {
            Ok(calibration) => (Some(calibration), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let (Some(calibration), Some(text)) =
            (&mut calibration, saved.profiles.get(&base.manifest.id))
        {
            let file = "calibration in the host's state";
            let restored =
                Profile::parse(text, file).and_then(|profile| calibration.restore(&profile, file));
            error = restored.err().map(|error| error.to_string());
        }
        Self {
            base,
            engine,
            since,
            calibration,
            in_use: saved.in_use,
            changed: false,
            error,
        }
    }

    /// The model as it is to run now.
    ///
    /// # Errors
    /// When examples of absurd size make weights that are not finite.
    pub(crate) fn package(&mut self) -> Result<ModelPackage, LoadError> {
        self.changed = false;
        match &self.calibration {
            Some(calibration) if self.in_use => calibration.package(),
            _ => Ok(self.base.clone()),
        }
    }

    /// Whether the model that runs is no longer [`package`](Self::package).
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    /// Whether the model runs otherwise than it was made.
    pub(crate) fn is_calibrated(&self) -> bool {
        let calibration = self.calibration.as_ref();
        self.in_use && calibration.is_some_and(|calibration| !calibration.is_empty())
    }

    /// Learns a note with its raw `features`, and saves it in the host's state.
    pub(crate) fn learn(&mut self, example: Example, features: &[f32], params: &ToccoParams) {
        if example.model < self.since {
            self.error = Some(
                "an example was left out: it was heard by the model that was in use before; play \
                 it again"
                    .to_owned(),
            );
            return;
        }
        self.change(params, |calibration| {
            Ok(calibration.teach(example.class, features).map(|()| true)?)
        });
    }

    /// Does what `command` says, and saves it in the host's state.
    pub(crate) fn obey(&mut self, command: Command, params: &ToccoParams) {
        match command {
            // The audio thread was told already.
            Command::Teach(_) => self.error = None,
            Command::Undo => self.change(params, |calibration| Ok(calibration.undo())),
            Command::Reset => self.change(params, |calibration| {
                calibration.reset();
                Ok(true)
            }),
            Command::Mask { class, masked } => self.change(params, |calibration| {
                Ok(calibration.mask(class, masked).map(|()| true)?)
            }),
            Command::Apply(in_use) => {
                self.changed |= self.in_use != in_use;
                self.in_use = in_use;
                params.calibration.update(|saved| saved.in_use = in_use);
            }
            Command::Save(path) => {
                if let Some(calibration) = &self.calibration {
                    self.error = calibration.save(path).err().map(|e| e.to_string());
                }
            }
            Command::Load(path) => self.change(params, |calibration| {
                Ok(calibration.load(path).map(|()| true)?)
            }),
        }
    }

    /// What the editor shows.
    pub(crate) fn status(&self) -> CalibrationStatus {
        let mut status = CalibrationStatus {
            in_use: self.in_use,
            error: self.error.clone(),
            examples: vec![0; self.base.manifest.labels.len()],
            masked: vec![false; self.base.manifest.labels.len()],
            report: Vec::new(),
        };
        if let Some(calibration) = &self.calibration {
            for class in calibration.taught() {
                status.examples[class] += 1;
            }
            status.masked = calibration.masked().to_vec();
            status.report = calibration.report();
        }
        status
    }

    /// Makes a change, which says whether it was one.
    fn change(
        &mut self,
        params: &ToccoParams,
        change: impl FnOnce(&mut Calibration) -> Result<bool, Box<dyn std::error::Error>>,
    ) {
        // Without a calibration the error says why since the model was loaded.
        let Some(calibration) = &mut self.calibration else {
            return;
        };
        let id = self.base.manifest.id.clone();
        let changed = change(calibration).and_then(|changed| {
            let text = calibration.profile().to_json("calibration")?;
            params.calibration.update(|saved| {
                if calibration.is_empty() {
                    saved.profiles.remove(&id);
                } else {
                    saved.profiles.insert(id, text);
                }
            });
            Ok(changed)
        });
        match changed {
            Ok(changed) => {
                self.changed |= changed;
                self.error = None;
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}
