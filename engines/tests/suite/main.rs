//! Tests of the crate from outside, in one binary because linking takes longer than running.

mod calibration;
mod golden;
mod native;
mod package;
mod random_package;
mod real_time;
mod recurrent;
mod rtneural;
