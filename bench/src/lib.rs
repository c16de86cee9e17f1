//! Runs the bundled plugin outside of a DAW: the in-process CLAP and VST3 hosts behind the demo,
//! the integration tests, the real-time audit and the deployment benchmark.

pub mod clap_host;
pub mod plugin_host;
pub mod vst3_host;
