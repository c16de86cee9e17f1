//! How much is measured.

/// How long the measurements may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// The paper's numbers of runs and notes.
    Full,
    /// The paper's number of runs, fewer notes: minutes.
    Quick,
    /// A few of everything, to see that it works.
    Tiny,
}

impl Budget {
    /// The name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Quick => "quick",
            Self::Tiny => "tiny",
        }
    }

    /// The one of three that is this one's.
    pub fn choose<T>(self, full: T, quick: T, tiny: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
            Self::Tiny => tiny,
        }
    }
}
