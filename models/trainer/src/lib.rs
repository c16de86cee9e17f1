//! Trains, exports and evaluates the model packages.
//!
//! The way of the data: [`notes`] hears the recordings with the plugin's own detector and features
//! and adds copies ([`augmentation`]); [`training`] fits a network ([`network`]) of an [`architecture`] to
//! some of the notes ([`splits`]), for as many epochs as [`early_stopping`] finds good; [`package`] makes a
//! model package of it, with the [`statistics`] that a calibration starts from. It is then measured through
//! `tocco_engines` as the plugin runs it ([`evaluation`]), also in [`performance`]s, told how sure it may be
//! of itself ([`temperature`]), and written about ([`report`]). What tells notes from [`foreign`] sounds is trained
//! beside that ([`rejection`]).
//!
//! # Another architecture
//! An entry in [`architecture`] is all that a network of the known layers needs: its features,
//! layers and recipe. A new kind of layer is a variant of the `LayerSpec` of `tocco_engines` (so
//! that packages can say it) and of the layers in [`network`] (so that it can be trained).
//!
//! # Why burn
//! Training takes a maintained crate; both that there are were tried on network A and on a
//! convolutional one (three 3x3 layers, two of them with stride 2, then dense 96). Batches of
//! 128, one thread, within a minute of each other on a machine with other work, the better of two
//! runs:
//!
//! | | burn 0.22.1, `flex` | candle 0.11.1 |
//! | --- | --- | --- |
//! | a training step of network A | 47 ms | 101 ms |
//! | a training step of the convolutional one | 41 ms | the gradient fails: shape mismatch at stride 2 |
//! | seed on the CPU | the same bytes in two runs | not tried |
//! | first release build, processor time | 7 min 14 s | 5 min 14 s |
//!
//! `flex` is burn's maintained CPU backend (`ndarray` is deprecated). It is built without `rayon`:
//! sums then have one order, and a second core is used by training another network at the same
//! time ([`parallel`]). burn's random numbers come from one state for the whole process, which two
//! trainings would share; weights and dropout masks are therefore drawn here, from a generator of
//! each training's own.
//!
//! The same seed gives the same bytes on the same kind of processor; one with other vector
//! instructions adds in another order.

pub mod architecture;
pub mod augmentation;
pub mod commands;
pub mod early_stopping;
pub mod evaluation;
pub mod foreign;
pub mod network;
pub mod notes;
pub mod package;
pub mod parallel;
pub mod performance;
pub mod progress;
pub mod rejection;
pub mod report;
pub mod sessions;
pub mod shuffle;
pub mod splits;
pub mod statistics;
pub mod temperature;
pub mod training;
