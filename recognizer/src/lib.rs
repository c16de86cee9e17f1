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
//! ([`adaptation::SelfTraining`]). [`rejection`] says which onsets are no note at all.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use tocco_engines::{EngineId, ModelPackage};
//! use tocco_recognizer::classification::ModelSerial;
//! use tocco_recognizer::model::{LoadedModel, RunConfig};
//! use tocco_recognizer::pipeline::{Pipeline, Settings};
//! use tocco_recognizer::runner::Wake;
//!
//! let package = ModelPackage::load("../models/c")?;
//! let config = RunConfig {
//!     offline: true,
//!     wake: Wake::Armed,
//!     block: Duration::ZERO,
//! };
//! let (model, info) = LoadedModel::new(&package, EngineId::Native, ModelSerial(0), config)?;
//! let (mut pipeline, _service) = Pipeline::new(48_000.0, model, Arc::default())?;
//! // Four seconds of one decaying tone each.
//! let tone = |i: usize| (0.02 * i as f32).sin() * (-0.001 * i as f32).exp();
//! let sound: Vec<f32> = (0..4 * 48_000).map(|i| tone(i % 48_000)).collect();
//! let mut names = Vec::new();
//! for block in sound.chunks(64) {
//!     pipeline.process(&[block], &Settings::default(), |note, _| {
//!         names.push(info.labels[note.class].clone());
//!     });
//! }
//! assert!(names.len() >= 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate knows no plugin framework and no model by name: packages come in as
//! [`ModelPackage`](tocco_engines::ModelPackage)s.

pub mod adaptation;
pub mod classification;
pub mod counters;
pub mod decision;
pub mod decisions;
pub mod input;
pub mod level_feed;
pub mod mailbox;
pub mod meters;
pub mod model;
pub mod pace;
pub mod pending_decisions;
pub mod pipeline;
pub mod rejection;
pub mod runner;
pub mod ticks;

pub use decisions::Decisions;
