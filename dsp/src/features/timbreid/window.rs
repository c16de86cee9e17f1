//! The window that all features but the attack time are computed from.

/// Its length in samples (paper, section 4; `golden/README.md`).
pub(in crate::features) const WINDOW: usize = 704;
