//! Runs the bundled plugin outside of a DAW: the in-process CLAP and VST3 hosts behind the demo,
//! the integration tests, the real-time audit and the deployment benchmark.
//!
//! What asks Linux about itself, the audit and what measures memory, is on Linux only.

#[cfg(target_os = "linux")]
pub mod audit;
pub mod clap_host;
pub mod demo;
#[cfg(target_os = "linux")]
pub mod deployment;
pub mod event_log;
pub mod inference;
pub mod instances;
pub mod machine;
#[cfg(target_os = "linux")]
pub mod memory;
pub mod plugin_host;
pub mod processor;
pub mod program;
pub mod real_time;
pub mod recurrent;
#[cfg(target_os = "linux")]
pub mod soak;
pub mod sound;
pub mod state_document;
pub mod statistics;
pub mod streaming;
pub mod taught_state;
pub mod vst3_host;
