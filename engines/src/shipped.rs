//! Where the model packages lie that come with Tocco, for programs: the plugin has them in itself.

use std::path::{Path, PathBuf};

/// Environment variable with the folder of the packages, for who has no checkout.
pub const MODELS: &str = "TOCCO_MODELS";

/// The folder of the packages, one folder each: [`MODELS`] if it is set, else that of the source. Reads
/// the environment.
#[must_use]
pub fn models_folder() -> PathBuf {
    match std::env::var_os(MODELS) {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => {
            let engines = Path::new(env!("CARGO_MANIFEST_DIR"));
            engines.parent().unwrap_or(engines).join("models")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_has_packages() {
        assert!(models_folder().join("c/model.toml").is_file());
    }
}
