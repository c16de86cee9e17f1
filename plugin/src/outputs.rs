//! What the plugin gives out besides the untouched audio.

pub mod brightness;
pub mod control;
pub mod event_log;
pub mod midi;
pub mod parameters;
pub mod performance;
pub mod retrigger;
pub mod sounding;
pub mod spike;
pub mod velocity;
