//! The real bundles in hosts of our own: what a DAW would see. `cargo xtask hosts` adds Ardour,
//! pedalboard and DawDreamer.
//!
//! `cargo xtask test` bundles the plugin first; without a bundle these tests fail and say how to
//! make one.

mod bundle;
mod bypass;
mod clap_calls;
mod configuration;
mod control;
mod demo;
mod elk;
mod feel;
mod guided;
mod headless;
mod hostile_input;
mod listening;
mod multi_output;
mod own_process;
mod playing;
mod process_mode;
mod raw_clap;
mod recordings;
mod second_decision;
mod self_training;
mod state;
mod sushi;
mod velocity;
mod voices;
mod vst3_calls;
mod window;
mod window_again_and_again;
