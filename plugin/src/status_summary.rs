//! The status in one word, for who has no window.

/// From better to worse, but for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusSummary {
    /// The host has not started it yet.
    NotStarted,
    /// It listens, as it was told to.
    Listening,
    /// It listens, but something beside it was refused: a setting, a profile, a log, a target. The
    /// log says what.
    Refused,
    /// It listens with another model or engine than was selected. The log says why.
    AnotherModel,
    /// It does not listen. The log says why.
    NotListening,
}

impl StatusSummary {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::NotStarted,
        Self::Listening,
        Self::Refused,
        Self::AnotherModel,
        Self::NotListening,
    ];

    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Listening => "listening",
            Self::Refused => "listening, see log",
            Self::AnotherModel => "another model, see log",
            Self::NotListening => "not listening, see log",
        }
    }
}
