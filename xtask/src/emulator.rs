//! What runs another machine's programs.

/// What runs the target's programs.
pub struct Emulator {
    /// The program and its options.
    pub words: Vec<String>,
    /// What it reads of the environment.
    pub environment: Vec<(&'static str, String)>,
}
