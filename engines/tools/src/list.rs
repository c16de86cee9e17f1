//! `engines list`: each engine with its library, version and state.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tocco_engines::{EngineId, TorchEngine, discovery};

use crate::pins::Pin;
use crate::probe;

/// Options of `engines list`.
#[derive(Args)]
pub struct ListArguments {
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// What is known of an engine.
#[derive(Debug, Serialize)]
struct Entry {
    engine: &'static str,
    state: State,
    /// Version of the library, of Tocco for our own engines.
    version: Option<String>,
    /// The library, as it is shown; null for our own engines and where it is missing.
    path: Option<String>,
    /// Size of the library in bytes.
    bytes: Option<u64>,
    /// Whether the library is the one that is pinned; null where none is.
    pinned: Option<bool>,
    /// Why the engine is not present.
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It was loaded and has run a small network.
    Present,
    /// Its library was not found.
    Missing,
    /// Its library is there, but the engine does not run.
    Broken,
}

/// Prints the list.
///
/// # Errors
/// When it cannot be printed. An engine that is missing is no error.
pub fn run(arguments: &ListArguments) -> Result<()> {
    let entries: Vec<Entry> = EngineId::ALL.into_iter().map(entry).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&entries)?);
        return Ok(());
    }
    for entry in &entries {
        println!("{}", line(entry));
    }
    Ok(())
}

fn entry(engine: EngineId) -> Entry {
    let mut entry = Entry {
        engine: engine.name(),
        state: State::Present,
        version: None,
        path: None,
        bytes: None,
        pinned: None,
        reason: None,
    };
    if discovery::file_names(engine).is_empty() {
        entry.version = Some(env!("CARGO_PKG_VERSION").to_owned());
        return entry;
    }
    let path = match discovery::find(engine) {
        Ok(path) => path,
        Err(missing) => {
            entry.state = State::Missing;
            entry.reason = Some(format!("{}; {}", missing.reason(), missing.remedy()));
            return entry;
        }
    };
    entry.bytes = std::fs::metadata(&path).ok().map(|metadata| metadata.len());
    if let Ok(pin) = Pin::find(engine, std::env::consts::OS, std::env::consts::ARCH) {
        let pinned = pin.matches(&path);
        entry.pinned = Some(pinned);
        entry.version = pinned.then(|| pin.version.to_owned());
    }
    entry.path = Some(path.display().to_string());
    if let Err(error) = probe::run(engine) {
        entry.state = State::Broken;
        entry.reason = Some(format!("{error:#}"));
    } else if engine == EngineId::Torch {
        entry.version = TorchEngine::library_version()
            .ok()
            .map(|version| format!("libtorch {version}"));
    }
    entry
}

fn line(entry: &Entry) -> String {
    let version = match (&entry.version, entry.pinned) {
        (Some(version), _) => version.as_str(),
        (None, Some(false)) => "not the pinned one",
        (None, _) => "-",
    };
    let state = match entry.state {
        State::Present => "present",
        State::Missing => "missing",
        State::Broken => "broken",
    };
    let size = entry.bytes.map_or_else(
        || "-".to_owned(),
        |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    );
    let place = match (&entry.path, &entry.reason) {
        (_, Some(reason)) => reason.clone(),
        (Some(path), None) => path.clone(),
        (None, None) => "built in".to_owned(),
    };
    format!(
        "{:<13} {state:<8} {version:<14} {size:>9}  {place}",
        entry.engine
    )
}
