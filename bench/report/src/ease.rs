//! What can be counted of how easy an engine is to use.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tocco_bench::plugin_host::model_folder;
use tocco_engines::convert::{Format, convert};
use tocco_engines::{EngineId, LoadError, ModelPackage, foreign};

use crate::footprint::{Fetched, fetch};

/// Counted things.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ease {
    /// Lines of code.
    pub code: Vec<Code>,
    /// Broken files that were loaded.
    pub broken: Vec<Broken>,
    /// Engines that were fetched into an empty folder.
    pub fetched: Vec<Fetched>,
}

/// Lines that are neither empty nor comments nor tests.
#[derive(Debug, Serialize, Deserialize)]
pub struct Code {
    /// Name of the engine.
    pub engine: String,
    /// From a model file to the first inference.
    pub engine_lines: usize,
    /// From a trained network to a file that the engine reads.
    pub conversion_lines: usize,
}

/// A broken file in an engine.
#[derive(Debug, Serialize, Deserialize)]
pub struct Broken {
    /// Name of the engine.
    pub engine: String,
    /// What is wrong with the file.
    pub fault: String,
    /// What the engine's crate says; nothing if it took the file.
    pub error: Option<String>,
    /// Whether that names the cause.
    pub names_cause: bool,
}

/// Counts and tries.
///
/// # Errors
/// When sources are not there or a model cannot be written.
pub fn run(download: bool) -> Result<Ease> {
    let mut fetched = Vec::new();
    if download {
        for engine in [EngineId::Onnx, EngineId::LiteRt] {
            match fetch(engine, std::env::consts::ARCH) {
                Ok((one, _)) => fetched.push(one),
                Err(error) => eprintln!("{engine}: not fetched: {error:#}"),
            }
        }
    }
    let engines = EngineId::ALL.into_iter();
    Ok(Ease {
        code: engines.map(code).collect::<Result<_>>()?,
        broken: broken_files()?,
        fetched,
    })
}

fn code(engine: EngineId) -> Result<Code> {
    let (sources, writers): (&[&str], &[&str]) = match engine {
        EngineId::Native => (
            &["src/native.rs", "src/native", "src/rtneural"],
            &["src/convert/rtneural.rs"],
        ),
        EngineId::NativeFixed => (
            &["src/native_fixed.rs", "src/native_fixed"],
            &["src/convert/rtneural.rs"],
        ),
        EngineId::Onnx => (
            &["src/onnx.rs"],
            &[
                "src/convert/onnx.rs",
                "src/convert/onnx",
                "src/convert/protobuf.rs",
            ],
        ),
        EngineId::LiteRt => (
            &["src/litert.rs", "src/litert"],
            &["src/convert/tflite.rs", "src/convert/tflite"],
        ),
        EngineId::Torch => (
            &["src/torch.rs", "torch/src"],
            &[
                "src/convert/torchscript.rs",
                "src/convert/torchscript",
                "src/convert/pickle.rs",
            ],
        ),
    };
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../engines");
    let count = |paths: &[&str]| -> Result<usize> {
        let paths = paths
            .iter()
            .map(|path| lines_below(&crate_folder.join(path)));
        paths.sum()
    };
    Ok(Code {
        engine: engine.name().to_owned(),
        engine_lines: count(sources)?,
        conversion_lines: count(writers)?,
    })
}

fn lines_below(path: &Path) -> Result<usize> {
    if !path.is_dir() {
        let source = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return Ok(lines(&source));
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    entries.map(|entry| lines_below(&entry?.path())).sum()
}

/// Lines before the tests that are neither empty nor comments.
fn lines(source: &str) -> usize {
    let lines = source.lines().map(str::trim);
    let code = lines.take_while(|line| *line != "#[cfg(test)]");
    code.filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

/// A file that is wrong, and words one of which an error must have to name the cause.
struct Fault {
    name: &'static str,
    bytes: Vec<u8>,
    n_features: usize,
    words: &'static [&'static str],
}

fn broken_files() -> Result<Vec<Broken>> {
    let package = ModelPackage::load(model_folder("c"))?;
    let network = package.network()?;
    let n = network.n_inputs();
    let mut table = Vec::new();
    for format in Format::ALL {
        let good = convert(&network, format)?;
        let other = convert(&network, another(format))?;
        let fault = |name, bytes, n_features, words| Fault {
            name,
            bytes,
            n_features,
            words,
        };
        let mut damaged = good.clone();
        damaged[..16].fill(0xff);
        let no_model: &[&str] = &["is no ", "are no ", "not a ", "expected value"];
        let found: &[&str] = match another(format) {
            Format::Onnx => &["onnx"],
            _ => &["tflite", "tensorflow"],
        };
        let faults = [
            fault("empty", Vec::new(), n, &["empty"]),
            fault(
                "cut in the middle",
                good[..good.len() / 2].to_vec(),
                n,
                &[
                    "cut",
                    "short",
                    "stops",
                    "truncated",
                    "completely",
                    "central directory",
                    "eof",
                ],
            ),
            fault("of another engine", other, n, found),
            fault(
                "not a model",
                b"#!/bin/sh\necho hello\n".to_vec(),
                n,
                no_model,
            ),
            fault("damaged at its start", damaged, n, no_model),
            fault(
                "of a network with another number of inputs",
                good,
                n + 1,
                &["room for", "inputs", "mismatch"],
            ),
        ];
        for fault in faults {
            table.push(tried(format.engine(), fault));
        }
    }
    Ok(table)
}

fn another(format: Format) -> Format {
    if format == Format::Onnx {
        Format::TfLite
    } else {
        Format::Onnx
    }
}

fn tried(engine: EngineId, fault: Fault) -> Broken {
    let loaded = foreign::load_bytes(engine, &fault.bytes, "broken", fault.n_features);
    // The whole error, and what of it tells this fault from others: what was found.
    let (error, found) = match loaded {
        // Our own engine has the size of its file: the package compares.
        Ok(loaded) if loaded.n_features() != fault.n_features => {
            let (found, expected) = (loaded.n_features(), fault.n_features);
            let error = format!("{found} inputs, expected {expected}");
            (Some(error.clone()), error)
        }
        Ok(_) => (None, String::new()),
        Err(LoadError::Engine { .. }) => (Some("not installed".to_owned()), String::new()),
        Err(LoadError::Malformed(malformed)) => {
            (Some(malformed.to_string()), malformed.found.to_lowercase())
        }
        Err(error) => (Some(error.to_string()), error.to_string().to_lowercase()),
    };
    let names_cause = fault.words.iter().any(|word| found.contains(word));
    Broken {
        engine: engine.name().to_owned(),
        fault: fault.name.to_owned(),
        error,
        names_cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_without_comments_and_tests() {
        let source = "//! x\n\nfn a() {\n    // why\n    b();\n}\n\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(lines(source), 3);
    }

    #[test]
    fn every_engine_has_sources() {
        for engine in EngineId::ALL {
            let code = code(engine).unwrap();
            assert!(
                code.engine_lines > 50 && code.conversion_lines > 50,
                "{code:?}"
            );
        }
    }

    #[test]
    fn errors_of_the_built_in_engine_name_their_cause() {
        let native = |broken: &&Broken| broken.engine == "native";
        let table = broken_files().unwrap();
        assert_eq!(table.iter().filter(native).count(), 6);
        for broken in table.iter().filter(native) {
            // A file of another engine is told by its kind only where the file is loaded by path.
            let named = broken.fault != "of another engine";
            assert_eq!(broken.names_cause, named, "{broken:?}");
        }
    }
}
