//! The real-time audit: what the engines and the plugin's callback do that they must not.
//!
//! The paper judges by Xenomai's mode switches (section 4.1), which tell of system calls. Here
//! heap calls and locks are counted too, by [`interposer`], and system calls by name, by
//! [`system_calls`]; [`control`] plants violations to show that they are found.

pub mod callback;
pub mod control;
pub mod engines;
pub mod interposer;
pub mod outlets;
pub mod report;
pub mod system_calls;
pub mod watch;
