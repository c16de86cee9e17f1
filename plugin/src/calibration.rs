//! Calibration to the player: notes become examples, examples another last layer of the model.
//!
//! ```text
//! editor, OSC     Shared::calibrate(Command) -> service thread
//! host            parameters -> Requests -> service thread
//! audio thread    note while teaching -> examples::Sender -> service thread
//!                 the same note 150 ms later -> the second network's example
//!                 its sound, where that is kept -> take::Sender -> service thread -> Recordings, files
//! service thread  CalibrationSession: examples -> calibrated package -> LoadedModel -> pipeline, between two notes
//! ```
//!
//! What was taught is part of the host's state, per model and pair of models ([`state`]). The arithmetic is
//! [`tocco_recognizer::adaptation`], which `cargo xtask calibrate` uses as well.

pub mod lesson;
pub mod requests;
pub mod state;

pub(crate) mod profile_name;

mod network;
mod recordings;
mod session;

use std::path::PathBuf;

use tocco_recognizer::adaptation::LeftOut;

pub(crate) use lesson::Lesson;
pub(crate) use recordings::Recordings;
pub use requests::Requests;
pub(crate) use session::CalibrationSession;
pub use state::{CalibrationState, Saved};

/// What a user wants of the calibration. Classes are indices into the model's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// From now on every note is an example of this class; `None`: of none.
    Teach(Option<usize>),
    /// Forget the last example.
    Undo,
    /// Forget the example of this number in the order of teaching, from 0.
    Forget(usize),
    /// Forget everything that this model was taught; what is masked stays so.
    Reset,
    /// Whether the player uses a class at all; a masked one is never answered. Sets the parameter.
    Mask {
        /// The class.
        class: usize,
        /// Whether it is masked.
        masked: bool,
    },
    /// Whether the calibration is in use, or only kept.
    Apply(bool),
    /// Write what was taught to a file; what the network was taught that amends the model's answers
    /// to another one beside it, for `me.json` to `me.second.json`.
    Save(PathBuf),
    /// Replace what was taught by what is in such files. Where the second one is missing, the second
    /// network is untaught.
    Load(PathBuf),
}

/// What the editor shows of the calibration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalibrationStatus {
    /// Whether the model can be taught; if not, `error` says why.
    pub possible: bool,
    /// Examples of each class, `[n_classes]`.
    pub examples: Vec<usize>,
    /// The same of the network that amends the model's answers, if one does.
    pub second_examples: Option<Vec<usize>>,
    /// How many examples there will be of the class that is taught when its lesson ends by itself.
    pub ends_at: Option<usize>,
    /// Whether each class is masked, `[n_classes]`.
    pub masked: Vec<bool>,
    /// Whether the calibration is in use.
    pub in_use: bool,
    /// How each example would be classified had it not been taught, in the order of teaching.
    pub report: Vec<LeftOut>,
    /// Why the last command or the saved profile was refused, or why there can be no calibration.
    pub error: Option<String>,
    /// What came of the last command, if it wrote or read a file.
    pub told: Option<String>,
}
