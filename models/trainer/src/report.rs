//! What an evaluation looks like.
//!
//! [`json`] is for programs, [`table`] for people, [`model_card`] the README of a package;
//! [`calibration`] has both forms of what a lesson gave, [`rejection`] of how foreign sounds are kept out.

pub mod calibration;
pub mod json;
pub mod model_card;
pub mod rejection;
pub mod table;
