//! The packages that come with the source.

use std::path::{Path, PathBuf};

/// Folder of the packages that come with the source.
pub fn shipped_packages() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    source.ancestors().nth(2).unwrap_or(source).join("models")
}

/// Names of the packages in `dir`, in order.
pub fn package_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().join("model.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
