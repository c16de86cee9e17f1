//! What a measurement was made for: where it may be used again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
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
    /// As they are now; what lies in `out`, which a report is written into, is no change of the sources.
    ///
    /// # Errors
    /// When the engines cannot be listed.
    pub fn now(out: &Path) -> Result<Self> {
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
            revision: revision(out),
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

    /// What else than the revision differs from `old` and may change what is measured, in words.
    pub fn differences(&self, old: &Self) -> Vec<String> {
        let (then, now) = (&old.machine, &self.machine);
        let mut pairs = vec![
            ("processor", then.processor.clone(), now.processor.clone()),
            ("cores", then.cores.to_string(), now.cores.to_string()),
            ("kernel", then.kernel.clone(), now.kernel.clone()),
            (
                "governor of the frequency",
                then.governor.clone(),
                now.governor.clone(),
            ),
        ];
        let (then, now) = (old.versions(), self.versions());
        let engines: BTreeSet<&str> = then.keys().chain(now.keys()).copied().collect();
        for engine in engines {
            let version = |versions: &BTreeMap<&str, String>| {
                let version = versions.get(engine);
                version.map_or_else(|| "unknown".to_owned(), String::clone)
            };
            pairs.push((engine, version(&then), version(&now)));
        }
        let differ = pairs.into_iter().filter(|(_, then, now)| then != now);
        differ
            .map(|(what, then, now)| format!("{what}: {then} then, {now} now"))
            .collect()
    }
}

/// The git revision of this project.
fn revision(out: &Path) -> String {
    revision_of(Path::new(env!("CARGO_MANIFEST_DIR")), out)
}

/// The git revision of what `folder` is a part of; what was changed since, files that git does not know
/// included and files in `out` left out, by a number of its own.
fn revision_of(folder: &Path, out: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let (Some(commit), Some(top)) = (commit, git(&["rev-parse", "--show-toplevel"])) else {
        return format!("version {}", env!("CARGO_PKG_VERSION"));
    };
    // What a report is written into is no change of what it measures.
    let mut sources = vec!["--", ":/", ":(top,exclude)docs"];
    let inside = inside(Path::new(&top), out).map(|out| format!(":(top,exclude,literal){out}"));
    sources.extend(inside.as_deref());
    let among_sources =
        |command: &[&str]| git(&[command, &sources[..]].concat()).unwrap_or_default();
    let change = among_sources(&["diff", "HEAD"]);
    let new = among_sources(&[
        "ls-files",
        "--others",
        "--exclude-standard",
        "--full-name",
        "-z",
    ]);
    if change.is_empty() && new.is_empty() {
        return commit;
    }
    let mut hasher = DefaultHasher::new();
    change.hash(&mut hasher);
    for name in new.split_terminator('\0') {
        name.hash(&mut hasher);
        // What cannot be read has its name all the same.
        let content = fs::read(Path::new(&top).join(name));
        content.unwrap_or_default().hash(&mut hasher);
    }
    format!("{commit} with changes ({:08x})", hasher.finish() as u32)
}

/// Where `out` lies in the checkout at `top`, as git writes it; nothing if it is not there yet, lies elsewhere
/// or is all of it.
fn inside(top: &Path, out: &Path) -> Option<String> {
    let (top, out) = (fs::canonicalize(top).ok()?, fs::canonicalize(out).ok()?);
    let inside = out.strip_prefix(top).ok()?;
    let names = inside.components().map(|name| name.as_os_str().to_str());
    let names = names.collect::<Option<Vec<_>>>()?;
    (!names.is_empty()).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_git_does_not_know_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(folder);
            command.args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]);
            command.args(["-c", "commit.gpgsign=false"]);
            let done = command.args(arguments).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        for inner in ["bench", "docs"] {
            fs::create_dir(folder.join(inner)).unwrap();
        }
        write("bench/known", "1");
        git(&["init", "--quiet"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "first"]);
        let out = folder.join("my report");
        let revision = || revision_of(&folder.join("bench"), &out);
        let committed = revision();
        assert_eq!(committed.len(), 12, "{committed}");
        write("docs/report.md", "no source");
        assert_eq!(revision(), committed);
        fs::create_dir(&out).unwrap();
        write("my report/report.json", "no source either");
        assert_eq!(revision(), committed);
        write("new.rs", "one");
        let one = revision();
        let expected = format!("{committed} with changes (");
        assert!(one.starts_with(&expected), "{one}");
        write("new.rs", "two");
        assert_ne!(revision(), one);
        write("new.rs", "one");
        assert_eq!(revision(), one);
        write("bench/known", "2");
        assert_ne!(revision(), one);
    }

    #[test]
    fn what_differs_is_told_and_the_revision_is_not() {
        let engine = |version: &str| Installed {
            engine: "onnx".to_owned(),
            state: "present".to_owned(),
            version: Some(version.to_owned()),
            path: None,
            bytes: None,
            reason: None,
        };
        let old = Conditions {
            machine: Machine {
                processor: "one".to_owned(),
                cores: 2,
                kernel: "linux".to_owned(),
                governor: "performance".to_owned(),
            },
            revision: "before".to_owned(),
            engines: vec![engine("1.26.0")],
        };
        let mut new = old.clone();
        new.revision = "after".to_owned();
        assert_eq!(new.differences(&old), [""; 0]);
        new.machine.cores = 4;
        new.engines = vec![engine("1.27.0")];
        assert_eq!(
            new.differences(&old),
            ["cores: 2 then, 4 now", "onnx: 1.26.0 then, 1.27.0 now"]
        );
    }
}
