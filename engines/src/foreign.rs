//! The engines that are not ours: the way from a package, or from a model file, to one of them.

use std::path::{Path, PathBuf};

use crate::bounded_read::{open_file, read_file};
use crate::convert::{Format, convert};
use crate::native::NativeEngine;
use crate::native_fixed::NativeFixedEngine;
use crate::{
    Engine, EngineId, LiteRtEngine, LoadError, ModelPackage, OnnxEngine, TorchEngine, file_kind,
    inspect, rtneural,
};

/// Largest model file that is read, bytes.
pub const LARGEST_FILE: u64 = 1 << 30;

/// The engine `id`, one of the foreign ones, with the network of `package`: the model file that
/// the package names, or its layers written in the engine's format, in memory.
pub(crate) fn load(package: &ModelPackage, id: EngineId) -> Result<Box<dyn Engine>, LoadError> {
    let n_features = package.manifest.input.features.len();
    if let Some((path, format)) = package.model_file()? {
        return load_file_of(id, &path, format, n_features);
    }
    let format = Format::ALL
        .into_iter()
        .find(|format| format.engine() == id)
        .unwrap_or(Format::RtNeural);
    let model = convert(&package.network()?, format).map_err(|error| LoadError::Engine {
        engine: id,
        reason: error.to_string(),
        remedy: "choose native".to_owned(),
    })?;
    let file = format!("{} as {format}", package.source);
    load_bytes(id, &model, &file, n_features)
}

/// The engine `id` with the model file at `path`, which is of the `format`.
///
/// # Errors
/// When that is the format of another engine, and as [`load_file`].
pub fn load_file_of(
    id: EngineId,
    path: &Path,
    format: Format,
    n_features: usize,
) -> Result<Box<dyn Engine>, LoadError> {
    if format.engine() != id {
        return Err(LoadError::Engine {
            engine: id,
            reason: format!(
                "{} is a file for engine {}",
                path.display(),
                format.engine()
            ),
            remedy: format!("choose engine {}", format.engine()),
        });
    }
    load_file(id, path, n_features)
}

/// The engine `id` with the model file at `path`, which must be of its format.
///
/// # Errors
/// When the file cannot be read, the engine's library is missing, or the file is no network that
/// it can run.
pub fn load_file(
    id: EngineId,
    path: &Path,
    n_features: usize,
) -> Result<Box<dyn Engine>, LoadError> {
    let file = path.display().to_string();
    let model = read_file(path, LARGEST_FILE)?;
    if id == EngineId::Onnx {
        file_kind::check(&model, Format::Onnx, &file)?;
        if !companions(&model, path)?.is_empty() {
            return Ok(Box::new(OnnxEngine::load_file(path, n_features)?));
        }
    }
    load_bytes(id, &model, &file, n_features)
}

/// The other files that the `.onnx` file at `path`, with the contents `model`, keeps weights in,
/// relative to its folder, in order. All of them are there.
///
/// # Errors
/// When the model is malformed, names a file outside its folder, or one that is not there.
pub fn companions(model: &[u8], path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let file = path.display().to_string();
    let names = inspect::companions(model, &file)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for name in &names {
        open_file(&folder.join(name)).map_err(|error| {
            LoadError::malformed(
                &file,
                "external_data",
                format_args!("its weights in {} beside it", name.display()),
                error,
                "copy all files of the model into one folder",
            )
        })?;
    }
    Ok(names)
}

/// The engine `id` with the model file `model` of its format, RTNeural's for our own engines; `file`
/// names it in errors. The network must have one input, in which `n_features` values fit.
///
/// # Errors
/// When the engine's library is missing, or the file is no network that it can run.
pub fn load_bytes(
    id: EngineId,
    model: &[u8],
    file: &str,
    n_features: usize,
) -> Result<Box<dyn Engine>, LoadError> {
    let format = Format::ALL.into_iter().find(|format| format.engine() == id);
    file_kind::check(model, format.unwrap_or(Format::RtNeural), file)?;
    Ok(match id {
        EngineId::Onnx => {
            if let Some(name) = inspect::companions(model, file)?.first() {
                return Err(LoadError::malformed(
                    file,
                    "external_data",
                    "all weights in the model",
                    format_args!("weights in {}", name.display()),
                    "load it as a file, with that one beside it",
                ));
            }
            Box::new(OnnxEngine::load(model, file, n_features)?)
        }
        EngineId::LiteRt => Box::new(LiteRtEngine::load(model, file, n_features)?),
        EngineId::Torch => Box::new(TorchEngine::load(model, file, n_features)?),
        EngineId::Native => Box::new(NativeEngine::new(&rtneural::parse(model, file)?)),
        EngineId::NativeFixed => Box::new(NativeFixedEngine::new(
            &rtneural::parse(model, file)?,
            file,
        )?),
    })
}
