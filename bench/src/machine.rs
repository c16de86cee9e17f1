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
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = information
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, name)| name);
        Self {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
        }
    }
}
