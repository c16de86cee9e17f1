//! The file that keeps what was taught and set from one time to the next. It is what a host would save.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tocco_engines::bounded_read::{read_file, write_file};

use super::StandaloneError;
use super::arguments::Arguments;
use crate::params::ToccoParams;
use crate::state;

/// Where it is; nowhere if nothing is kept.
#[derive(Debug, Clone)]
pub struct StateFile(Option<PathBuf>);

impl StateFile {
    /// The one that was named, or the user's.
    ///
    /// # Errors
    /// When none was named and the user has no folder for it.
    pub fn open(arguments: &Arguments) -> Result<Self, StandaloneError> {
        if arguments.forget {
            return Ok(Self(None));
        }
        let own = || dirs::data_dir().map(|data| data.join("tocco").join("standalone.json"));
        let path = arguments.state.clone().or_else(own).ok_or_else(|| {
            let text = "there is no folder for the data of programs; name a file by --state, or use \
                        --forget";
            StandaloneError::File(text.to_owned())
        })?;
        Ok(Self(Some(path)))
    }

    /// Sets `params` to what was saved; nothing if there is no file yet.
    ///
    /// # Errors
    /// When there is a file that is of no use.
    pub fn load(&self, params: &ToccoParams) -> Result<(), StandaloneError> {
        let Some(path) = self.0.as_deref().filter(|path| exists(path)) else {
            return Ok(());
        };
        let bytes = read_file(path, state::LARGEST);
        let bytes = bytes.map_err(|error| StandaloneError::File(error.to_string()))?;
        state::load(params, &bytes).map_err(|refused| {
            StandaloneError::File(format!(
                "{}: {refused}; name another file by --state, or take it away",
                path.display()
            ))
        })
    }

    /// Saves `params`. A file is there whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, params: &ToccoParams) -> Result<(), StandaloneError> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        folder
            .map_or(Ok(()), std::fs::create_dir_all)
            .map_err(|error| {
                StandaloneError::File(format!("{}: it cannot be made: {error}", path.display()))
            })?;
        write_file(path, &state::of(params)).map_err(|e| StandaloneError::File(e.to_string()))
    }
}

/// Whether there is something, of whatever kind.
fn exists(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::set;

    #[test]
    fn what_is_saved_is_there_the_next_time_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("mine.json");
        let file = StateFile(Some(path.clone()));
        let params = ToccoParams::default();
        file.load(&params).unwrap();
        set(&params.gate, 0.25);
        file.save(&params).unwrap();
        let other = ToccoParams::default();
        file.load(&other).unwrap();
        assert_eq!(other.gate.value(), 0.25);
        std::fs::write(&path, "no state").unwrap();
        let refused = file.load(&other).unwrap_err().to_string();
        assert!(refused.contains("mine.json: expected a state"), "{refused}");
        assert_eq!(other.gate.value(), 0.25);
        StateFile(None).save(&params).unwrap();
    }
}
