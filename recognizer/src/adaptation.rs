//! A model adapted to its player: from examples that are taught, and from its own decisions.
//!
//! ```text
//! taught    note of a known class -> examples -> Calibration -> another last layer of the network
//! untaught  decision -> SelfTraining -> what it answers of the next note
//! ```

mod bypass;
mod calibration;
mod discriminant;
mod embedding;
pub mod examples;
mod learner;
mod prior;
mod profile;
mod profile_files;
mod self_training;
pub mod take;

pub use calibration::{Calibration, LeftOut, MOST_EXAMPLES, TeachError};
pub use embedding::Head;
pub use learner::Learner;
pub use profile::{FORMAT, LARGEST_PROFILE, Profile, ProfileExample};
pub use profile_files::{save_profiles, second_profile};
pub use self_training::SelfTraining;
