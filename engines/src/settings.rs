//! How the foreign engines are set up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The environment variable that chooses: `library-defaults`, or anything else for ours.
pub const VARIABLE: &str = "TOCCO_ENGINE_SETTINGS";

/// Settings of ONNX Runtime, LiteRT and libtorch in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settings {
    /// One thread, no spinning, no compiling while it runs: for audio.
    Tuned,
    /// As the library comes, for comparison: it may start threads of its own.
    LibraryDefaults,
}

impl Settings {
    /// What [`VARIABLE`] asks for.
    #[must_use]
    pub fn chosen() -> Self {
        match std::env::var_os(VARIABLE) {
            Some(value) if value == Self::LibraryDefaults.name() => Self::LibraryDefaults,
            _ => Self::Tuned,
        }
    }

    /// The value of [`VARIABLE`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tuned => "tuned",
            Self::LibraryDefaults => "library-defaults",
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
