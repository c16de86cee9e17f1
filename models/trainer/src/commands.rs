//! The commands, one a file.

pub mod calibrate;
pub mod evaluate;
pub mod reject;
pub mod train;

mod corpora;
mod options;
mod packages;
mod unheard;
