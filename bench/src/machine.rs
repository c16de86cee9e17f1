//! What a measurement ran on.

use serde::Serialize;

/// The machine, as a report names it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Kind of the processor.
    pub processor: String,
    /// Processor cores that this process may use.
    pub cores: usize,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        Self {
            processor: crate::processor::name(),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
        }
    }
}
