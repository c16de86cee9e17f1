//! A sound for each technique, from the first minute on.
//!
//! [`synthesis`] renders a set of our own, [`kit`] reads the user's recordings, [`bank`] holds what is to
//! sound, the user's in place of ours where there are some, and [`player`] plays it in the audio callback. Banks are made
//! and freed by the service thread ([`bank_exchange`]), and only when the parameter *Voices* is up: as
//! delivered there is none, and the sound of the guitar passes through bit by bit.

pub mod bank;
pub mod bank_exchange;
pub mod kit;
pub mod loading;
pub mod player;
pub mod sfz;
pub mod sound_file;
pub mod synthesis;
