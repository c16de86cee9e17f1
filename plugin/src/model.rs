//! Which model is to run: where its package comes from, and in which engine.

use std::fmt;
use std::path::{Path, PathBuf};

use tocco_engines::package::MANIFEST_FILE;
use tocco_engines::{EngineId, LoadError, ModelPackage};
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, ModelInfo, RunConfig};
use tocco_recognizer::runner::worker::WorkerError;

use crate::shipped;

/// Where a model's package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// Model A of the paper, built in.
    A,
    /// Model B of the paper, built in.
    B,
    /// Model C of the paper, built in.
    C,
    /// Our own model, built in.
    Tocco,
    /// The same with a little more time, built in.
    ToccoSure,
    /// The same with much more time, built in.
    ToccoLate,
    /// The package in this folder.
    Folder(PathBuf),
}

impl ModelSource {
    /// Reads the package. Allocates.
    ///
    /// # Errors
    /// When no folder is named, or the package is missing or malformed.
    pub fn package(&self) -> Result<ModelPackage, ModelError> {
        Ok(match self {
            Self::A => shipped::A.package()?,
            Self::B => shipped::B.package()?,
            Self::C => shipped::C.package()?,
            Self::Tocco => shipped::TOCCO.package()?,
            Self::ToccoSure => shipped::TOCCO_SURE.package()?,
            Self::ToccoLate => shipped::TOCCO_LATE.package()?,
            Self::Folder(folder) if folder.as_os_str().is_empty() => {
                return Err(ModelError::NoFolder);
            }
            Self::Folder(folder) => ModelPackage::load(folder)?,
        })
    }

    /// Reads the package that amends the answers of `package`, if it names one: of a shipped
    /// package another shipped one, of a folder the folder of that name beside it. Allocates.
    ///
    /// # Errors
    /// When it is not there, malformed, or does not fit.
    pub fn second(&self, package: &ModelPackage) -> Result<Option<ModelPackage>, ModelError> {
        let Some(id) = &package.manifest.second else {
            return Ok(None);
        };
        let missing = |expected: String, remedy: &str| {
            let file = format!("{}/{MANIFEST_FILE}", package.source);
            LoadError::malformed(file, "second", expected, format_args!("\"{id}\""), remedy)
        };
        let second = match self {
            Self::Folder(folder) => {
                let beside = sibling(folder, id);
                if !beside.join(MANIFEST_FILE).is_file() {
                    let expected = format!("a package in {}", beside.display());
                    let remedy = "put it there, or switch the second decision off";
                    return Err(missing(expected, remedy).into());
                }
                ModelPackage::load(beside)?
            }
            _ => match shipped::find(id) {
                Some(shipped) => shipped.package()?,
                None => {
                    let ids = shipped::ALL.map(|shipped| shipped.id).join(", ");
                    let expected = format!("one of {ids}");
                    return Err(missing(expected, "name a package that is built in").into());
                }
            },
        };
        package.check_second(&second)?;
        Ok(Some(second))
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            built_in => write!(f, "built-in model {built_in:?}"),
        }
    }
}

/// The folder `name` beside `folder`, also beside `.` or one that ends in `..`.
fn sibling(folder: &Path, name: &str) -> PathBuf {
    match folder.file_name() {
        Some(_) => folder.with_file_name(name),
        None => folder.join("..").join(name),
    }
}

/// A model and the engine that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The model.
    pub model: ModelSource,
    /// The engine.
    pub engine: EngineId,
    /// Whether the package that the model names as its second amends its answers.
    pub second: bool,
}

impl Selection {
    /// Loads the selected model, and the one that amends it, into the selected engine and primes
    /// them, on threads of their own where they get one. Allocates, reads files, starts threads:
    /// for the service thread.
    ///
    /// # Errors
    /// When anything is missing or wrong.
    pub fn load(
        &self,
        serial: ModelSerial,
        config: RunConfig,
    ) -> Result<(Box<LoadedModel>, ModelInfo), ModelError> {
        let package = self.model.package()?;
        let second = match self.second {
            true => self.model.second(&package)?,
            false => None,
        };
        let loaded =
            LoadedModel::with_second(&package, second.as_ref(), self.engine, serial, config);
        Ok(loaded?)
    }
}

/// Why a model cannot be used. The message is for the user, who sees it in the editor.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The user's own model was chosen without naming its folder.
    #[error("user model: no folder is set; enter the folder that holds its model.toml")]
    NoFolder,
    /// The package is missing or faulty.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The package cannot be run.
    #[error(transparent)]
    Run(#[from] tocco_recognizer::model::ModelError),
    /// The files, or the engine, take too long.
    #[error(
        "{what}: expected to be read within {seconds} s, and it was not; put its files on a disk \
         that answers, check that they are ordinary files, and try again"
    )]
    NoAnswer {
        /// What was to be read.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// There is no thread to load it on.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(package: &ModelPackage, folder: PathBuf) -> ModelSource {
        package.save(&folder).unwrap();
        ModelSource::Folder(folder)
    }

    #[test]
    fn a_second_package_is_looked_for_where_the_first_one_is() {
        let tocco = ModelSource::Tocco.package().unwrap();
        let second = ModelSource::Tocco.second(&tocco).unwrap().unwrap();
        assert_eq!(second.manifest.id, "tocco-late");
        let c = ModelSource::C.package().unwrap();
        assert_eq!(ModelSource::C.second(&c).unwrap(), None);

        let folder = tempfile::tempdir().unwrap();
        let source = saved(&tocco, folder.path().join("mine"));
        let package = source.package().unwrap();
        let error = source.second(&package).unwrap_err().to_string();
        let place = folder.path().join("tocco-late");
        for part in [
            "mine/model.toml: second",
            place.to_str().unwrap(),
            "found \"tocco-late\"",
        ] {
            assert!(error.contains(part), "{error}");
        }
        second.save(&place).unwrap();
        let found = source.second(&package).unwrap().unwrap();
        assert_eq!(found.source, place.display().to_string());
        // The same by a path that does not end in a name.
        let inside = ModelSource::Folder(folder.path().join("mine/model/.."));
        std::fs::create_dir(folder.path().join("mine/model")).unwrap();
        assert!(inside.second(&package).unwrap().is_some());

        let mut other = second;
        other.manifest.input.onset = "mkl".to_owned();
        other.save(&place).unwrap();
        let error = source.second(&package).unwrap_err().to_string();
        for part in [
            "tocco-late/model.toml: input.onset",
            "\"flux\"",
            "found \"mkl\"",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
