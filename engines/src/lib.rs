//! Feature vectors to probabilities: model packages and interchangeable inference engines.
//!
//! A [`ModelPackage`] is what a trained model is on disk: a manifest and its weights, checked
//! completely when it is read. A [`Classifier`] is a package brought to life by one of the
//! engines of [`EngineId`]: it scales the features and lets an [`Engine`] compute the
//! probabilities.
//!
//! Loading allocates and may fail; [`Classifier::classify`] and [`Engine::infer`] of the engines
//! named `native` do neither and may be called on the audio thread.
//!
//! ```
//! use tocco_engines::{Classifier, EngineId, ModelPackage};
//!
//! let package = ModelPackage::load("../models/c")?;
//! let mut classifier = Classifier::new(&package, EngineId::Native)?;
//! let features = vec![0.0; classifier.n_features()];
//! let mut probabilities = vec![0.0; classifier.n_classes()];
//! classifier.classify(&features, &mut probabilities)?;
//! assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate knows nothing of sound: features come in as numbers.

pub mod bounded_read;
pub mod convert;
pub mod discovery;
pub mod file_kind;
pub mod foreign;
pub mod inspect;
pub mod native;
pub mod native_fixed;
pub mod network;
pub mod package;
pub mod reference;
pub mod rtneural;
pub mod shipped;

mod classifier;
mod engine;
mod interned;
mod library_file;
mod litert;
mod load_error;
mod onnx;
mod scaler;
mod settings;
mod shared_library;
mod tensor_shape;
mod torch;
mod weight_format;

pub use classifier::Classifier;
pub use engine::{Engine, EngineId, InferError, UnknownEngine};
pub use litert::{LiteRtEngine, release as litert_release};
pub use load_error::{LoadError, Malformed};
pub use onnx::OnnxEngine;
pub use package::{Manifest, ModelPackage, Statistics, Tensor};
pub use scaler::Scaler;
pub use settings::{Settings, VARIABLE as SETTINGS_VARIABLE};
pub use torch::TorchEngine;
pub use weight_format::{UnknownWeightFormat, WeightFormat};
