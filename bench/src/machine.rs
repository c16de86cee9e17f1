//! What a measurement ran on.

use serde::{Deserialize, Serialize};

/// The machine, as a report names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Kind of the processor.
    pub processor: String,
    /// Processor cores that this process may use.
    pub cores: usize,
    /// Name and version of the operating system's kernel.
    pub kernel: String,
    /// What sets the processor's frequency, or that the system does not tell, as in a virtual
    /// machine.
    pub governor: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        Self {
            processor: crate::processor::name(),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            kernel: line("/proc/sys/kernel/osrelease").map_or_else(unknown, |version| {
                format!("{} {version}", std::env::consts::OS)
            }),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
                .unwrap_or_else(unknown),
        }
    }
}

fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn unknown() -> String {
    "the system does not tell".to_owned()
}
