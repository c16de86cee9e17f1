//! The files of what both networks of a model were taught.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tocco_engines::LoadError;
use tocco_engines::bounded_read::write_files;

use super::Calibration;

/// Where the second network's profile lies if the first one's is `path`: `me.json` and
/// `me.second.json`. Allocates.
#[must_use]
pub fn second_profile(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".second");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Writes the profile of `first` to `path` and that of `second` beside it, both or none. Without a second
/// one, a profile beside it is removed: it is of another lesson.
///
/// # Errors
/// When a file cannot be written or removed.
pub fn save_profiles(
    path: &Path,
    first: &Calibration,
    second: Option<&Calibration>,
) -> Result<(), LoadError> {
    let beside = second_profile(path);
    if let Some(second) = second {
        let texts = (first.text_for(path)?, second.text_for(&beside)?);
        return write_files(&[(path, texts.0.as_bytes()), (&beside, texts.1.as_bytes())]);
    }
    first.save(path)?;
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(LoadError::Write {
            file: beside.display().to_string(),
            error,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_profile_lies_beside_the_first() {
        for (first, second) in [
            ("a/me.json", "a/me.second.json"),
            ("a/my.own.json", "a/my.own.second.json"),
            ("me", "me.second"),
        ] {
            assert_eq!(second_profile(Path::new(first)), Path::new(second));
        }
    }
}
