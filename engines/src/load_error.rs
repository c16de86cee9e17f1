//! Why a model cannot be loaded, in words for the person who has to repair it.

use std::fmt::Display;
use std::io;

use thiserror::Error;

use crate::EngineId;

/// Why a model cannot be loaded or written.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{file}: cannot be read: {error}; check the path and its permissions")]
    Read {
        /// Path of the file.
        file: String,
        /// What the system says; no `source`, since the message has it already.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{file}: cannot be written: {error}; check the folder, its permissions and free space")]
    Write {
        /// Path of the file.
        file: String,
        /// What the system says; no `source`, since the message has it already.
        error: io::Error,
    },
    /// A file is there but says something that cannot be.
    #[error(transparent)]
    Malformed(#[from] Box<Malformed>),
    /// The engine cannot run here, or not with this model.
    #[error("engine {engine}: {reason}; {remedy}")]
    Engine {
        /// The engine asked for.
        engine: EngineId,
        /// Why it cannot be had.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
}

/// A field of a file that does not hold what it must.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{file}: {field}: expected {expected}, found {found}; {remedy}")]
pub struct Malformed {
    /// The file, or `built in`.
    pub file: String,
    /// The field, tensor or layer in it.
    pub field: String,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// What to do about it.
    pub remedy: String,
}

impl LoadError {
    /// A [`Malformed`] error.
    pub fn malformed(
        file: impl Display,
        field: impl Display,
        expected: impl Display,
        found: impl Display,
        remedy: impl Display,
    ) -> Self {
        Self::Malformed(Box::new(Malformed {
            file: file.to_string(),
            field: field.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            remedy: remedy.to_string(),
        }))
    }
}
