//! The packages that a command was given.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use tocco_engines::ModelPackage;
use tocco_engines::package::MANIFEST_FILE;

/// The package `id` in the folder `models`.
pub(super) fn load(models: &Path, id: &str) -> Result<ModelPackage> {
    let there = packages(models);
    if !there.iter().any(|package| package == id) {
        bail!(
            "--model: expected one of {} in {}, found {id:?}; train it with cargo xtask train, or \
             name another folder with --models",
            if there.is_empty() {
                "none".to_owned()
            } else {
                there.join(", ")
            },
            models.display()
        );
    }
    Ok(ModelPackage::load(models.join(id))?)
}

/// The folders in `models` that have a manifest, in alphabetical order.
fn packages(models: &Path) -> Vec<String> {
    let mut packages: Vec<String> = fs::read_dir(models)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join(MANIFEST_FILE).is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    packages.sort();
    packages
}
