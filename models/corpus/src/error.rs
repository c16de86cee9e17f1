//! What can be wrong with recordings and labels.

use std::fmt;
use std::path::{Path, PathBuf};

use tocco_dsp::features::FeatureError;
use tocco_dsp::{AnalyzerError, HopStream, HopStreamError, SAMPLE_RATE};

/// Why recordings or labels could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file or folder could not be read at all.
    #[error("{}: cannot be read: {error}; check the path and its permissions", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said. Not called source, since the message has it already.
        error: std::io::Error,
    },
    /// A file was read, but something in it is wrong.
    #[error("{place}: {field}: expected {expected}, found {found}; {remedy}")]
    Malformed {
        /// The file, with the line where it has lines.
        place: String,
        /// Which part of the file.
        field: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do about it.
        remedy: String,
    },
    /// The recording's sample rate cannot be analysed.
    #[error(
        "{}: sample rate: {}; convert it: ffmpeg -i \"{}\" -ar {} NEW.wav",
        path.display(),
        unfit(error),
        path.display(),
        SAMPLE_RATE
    )]
    Rate {
        /// The recording.
        path: PathBuf,
        /// Why not. The message says it in other words: there is no host.
        error: HopStreamError,
    },
    /// The analysis cannot be set up.
    #[error(transparent)]
    Analyzer(#[from] AnalyzerError),
    /// The features cannot be set up.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

impl CorpusError {
    pub(crate) fn read(path: &Path, error: std::io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            error,
        }
    }

    pub(crate) fn malformed(
        place: impl fmt::Display,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self::Malformed {
            place: place.to_string(),
            field: field.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            remedy: remedy.to_string(),
        }
    }
}

/// Why a recording's rate cannot be analysed.
fn unfit(error: &HopStreamError) -> String {
    match error {
        HopStreamError::HostRate { found } => format!(
            "expected {} to {} Hz, found {found}",
            HopStream::MINIMUM_HOST_RATE,
            HopStream::MAXIMUM_HOST_RATE
        ),
        HopStreamError::Resampler { host_rate, reason } => {
            format!("expected one that can be made {SAMPLE_RATE} Hz, found {host_rate} ({reason})")
        }
    }
}

/// A value from a file as an error message quotes it: in quotation marks, not longer than a line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().count() <= LONGEST {
        format!("{text:?}")
    } else {
        let start: String = text.chars().take(LONGEST).collect();
        format!("{start:?}...")
    }
}
