//! What an evaluation looks like.
//!
//! [`json`] is for programs, [`table`] for people, [`model_card`] the README of a package;
//! [`calibration`] has both forms of what a lesson gave.

pub mod calibration;
pub mod json;
pub mod model_card;
pub mod table;
