//! What a measurement was made for: where it may be used again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tocco_bench::machine::Machine;
use tocco_engines::EngineId;

use crate::part::sibling;

/// An engine as `cargo xtask engines list --json` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// Name of the engine.
    pub engine: String,
    /// `present`, `missing` or `broken`.
    pub state: String,
    /// Version of the library.
    pub version: Option<String>,
    /// The library.
    pub path: Option<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Why the engine is not present.
    pub reason: Option<String>,
}

/// Machine, revision and engines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// The machine.
    pub machine: Machine,
    /// The revision of the sources, and whether they differ from it.
    pub revision: String,
    /// The engines and their libraries.
    pub engines: Vec<Installed>,
}

impl Conditions {
    /// As they are now.
    ///
    /// # Errors
    /// When the engines cannot be listed.
    pub fn now() -> Result<Self> {
        let output = Command::new(sibling("tocco-engine-tools")?)
            .args(["engines", "list", "--json"])
            .output()
            .context("the engines cannot be listed")?;
        let engines = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "the list of engines is not as expected: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        Ok(Self {
            machine: Machine::this(),
            revision: revision(),
            engines,
        })
    }

    /// What is known of an engine.
    pub fn engine(&self, id: EngineId) -> Option<&Installed> {
        self.engines.iter().find(|one| one.engine == id.name())
    }

    /// Whether the engine's library is there.
    pub fn has(&self, id: EngineId) -> bool {
        self.engine(id).is_some_and(|one| one.state == "present")
    }

    /// How many engines are there.
    pub fn n_engines(&self) -> usize {
        EngineId::ALL.into_iter().filter(|&id| self.has(id)).count()
    }

    /// Versions of the engines, by their names.
    pub fn versions(&self) -> BTreeMap<&str, String> {
        let version = |one: &Installed| match one.state.as_str() {
            "present" => one.version.clone().unwrap_or_else(|| "unknown".to_owned()),
            "missing" => "not installed".to_owned(),
            state => state.to_owned(),
        };
        let engines = self.engines.iter();
        engines.map(|one| (&*one.engine, version(one))).collect()
    }
}

/// The git revision; what was changed since by a number of its own.
fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return format!("version {}", env!("CARGO_PKG_VERSION"));
    };
    // What a report is written into is no change of what it measures.
    let change = git(&["diff", "HEAD", "--", ":/", ":(top,exclude)docs"]).unwrap_or_default();
    if change.is_empty() {
        return commit;
    }
    let mut hasher = DefaultHasher::new();
    change.hash(&mut hasher);
    format!("{commit} with changes ({:08x})", hasher.finish() as u32)
}
