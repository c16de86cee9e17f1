//! The real-time audit: what the engines and the plugin's callback do that they must not.

pub mod control;
pub mod interposer;
pub mod system_calls;
pub mod watch;
