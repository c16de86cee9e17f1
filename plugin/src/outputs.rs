//! What the plugin gives out besides the untouched audio.

pub mod event_log;
pub mod midi;
pub mod parameters;
