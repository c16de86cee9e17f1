//! The parts of the engine tools that others use as well: what they read.

pub mod table;
