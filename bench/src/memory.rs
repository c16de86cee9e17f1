//! How much memory this process has.

use anyhow::{Context, Result};

/// Resident memory of this process, in MiB.
///
/// # Errors
/// If the system does not tell.
pub fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<f64>().ok())
        .context("/proc/self/status has no VmRSS")?;
    Ok(kib / 1024.0)
}
