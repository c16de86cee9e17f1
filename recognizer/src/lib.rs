//! Sound to named notes: what [`tocco_dsp`] hears and [`tocco_engines`] computes, put together.
//!
//! ```text
//! block -> pipeline -> onset, features -> runner -> probabilities -> decision -> classification
//!                                                                       |  ^
//!                                                                 adaptation to the player
//! ```
//!
//! [`decision`] is the rule of the product: what is answered, what amends an answer, and what
//! teaches. [`pipeline`] applies it to a stream on the audio thread. [`runner`] is where a network
//! runs, there or on a thread of its own. [`adaptation`] is what a network learns of its player:
//! from examples ([`adaptation::Calibration`]) and from its own decisions
//! ([`adaptation::SelfTraining`]).
//!
//! The crate knows no plugin framework and no model by name: packages come in as
//! [`ModelPackage`](tocco_engines::ModelPackage)s.

pub mod adaptation;
pub mod classification;
pub mod counters;
pub mod decision;
pub mod decisions;
pub mod input;
pub mod mailbox;
pub mod meters;
pub mod model;
pub mod pace;
pub mod pending_decisions;
pub mod pipeline;
pub mod runner;
pub mod ticks;

pub use decisions::Decisions;
