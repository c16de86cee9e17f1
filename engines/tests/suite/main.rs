//! Tests of the crate from outside, in one binary because linking takes longer than running.

mod counting_allocator;
mod golden;
mod native;
mod package;
mod random_package;
mod real_time;
mod recurrent;
mod rtneural;
mod wavenet;
