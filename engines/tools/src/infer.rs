//! `infer`: a model file, or the network of a package, run over the rows of a CSV file.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::table::rows;
use anyhow::{Context, Result, bail};
use clap::Args;
use tocco_engines::bounded_read;
use tocco_engines::convert::{Format, convert};
use tocco_engines::native::NativeEngine;
use tocco_engines::native_fixed::NativeFixedEngine;
use tocco_engines::{Engine, EngineId, ModelPackage, foreign};

/// Options of `infer`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask infer --engine native --file model.json --input x.csv --output y.csv\n  \
    cargo xtask infer --engine onnx --file c.onnx < x.csv\n  \
    cargo xtask infer --engine native --file models/c < x.csv\n\n\
    A first line that is no row of numbers is a header and is skipped. The file is the pure\n\
    network: no scaler is applied.")]
pub struct InferArguments {
    /// native (RTNeural's .json), onnx, litert (.tflite) or torch (.pt)
    #[arg(long, value_name = "ID")]
    engine: EngineId,
    /// Model file, or a package's folder
    #[arg(long, value_name = "MODEL")]
    file: PathBuf,
    /// One step a row, one input a column [default: standard input]
    #[arg(long, value_name = "X.csv")]
    input: Option<PathBuf>,
    /// One step a row, one output a column [default: standard output]
    #[arg(long, value_name = "Y.csv")]
    output: Option<PathBuf>,
}

/// Runs the file.
///
/// # Errors
/// When the model does not load, a row does not fit it, or a file cannot be read or written.
pub fn run(arguments: &InferArguments) -> Result<()> {
    let (shown, source): (String, Box<dyn Read>) = match &arguments.input {
        Some(path) => {
            let shown = path.display().to_string();
            let file = std::fs::File::open(path)
                .with_context(|| format!("{shown}: cannot be read; check the path"))?;
            (shown, Box::new(file))
        }
        None => (
            "standard input".to_owned(),
            Box::new(std::io::stdin().lock()),
        ),
    };
    let rows = rows(source, &shown)?;
    let Some(first) = rows.first() else {
        bail!("{shown}: expected at least one row of numbers, found none");
    };
    let mut engine = load(arguments.engine, &arguments.file, first.len())?;
    let outputs = steps(engine.as_mut(), &rows, &shown)?;
    match &arguments.output {
        Some(path) => write_file(path, &outputs),
        None => write(std::io::stdout().lock(), &outputs).context("standard output"),
    }
}

/// The engine with the model file at `path`, or with the network of the package there.
fn load(id: EngineId, path: &Path, n_inputs: usize) -> Result<Box<dyn Engine>> {
    if !path.is_dir() {
        return Ok(foreign::load_file(id, path, n_inputs)?);
    }
    let package = ModelPackage::load(path)?;
    // Of a file of another format nothing can be told but by its engine.
    if let Some((file, format)) = package.model_file()?
        && format != Format::RtNeural
    {
        return Ok(foreign::load_file_of(id, &file, format, n_inputs)?);
    }
    let network = package.network()?;
    Ok(match id {
        EngineId::Native => Box::new(NativeEngine::new(&network)),
        EngineId::NativeFixed => Box::new(NativeFixedEngine::new(
            &network,
            &path.display().to_string(),
        )?),
        EngineId::Onnx | EngineId::LiteRt | EngineId::Torch => {
            let format = Format::ALL
                .into_iter()
                .find(|format| format.engine() == id)
                .context("an engine without a format")?;
            let model = convert(&network, format)?;
            foreign::load_bytes(id, &model, &path.display().to_string(), n_inputs)?
        }
    })
}

/// One step a row; what the network remembers stays from row to row.
fn steps(engine: &mut dyn Engine, rows: &[Vec<f32>], shown: &str) -> Result<Vec<Vec<f32>>> {
    rows.iter()
        .enumerate()
        .map(|(i, row)| {
            let mut output = vec![0.0; engine.n_classes()];
            engine
                .infer(row, &mut output)
                .with_context(|| format!("{shown}: row {}", i + 1))?;
            Ok(output)
        })
        .collect()
}

/// Makes the outputs the content of the file at `path`, whole or not at all: the one before is lost neither by
/// a full disk nor by an end in the middle. A pipe or a device gets them as they come.
fn write_file(path: &Path, outputs: &[Vec<f32>]) -> Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::File::create(path)
            .map_err(Into::into)
            .and_then(|file| write(file, outputs))
            .with_context(|| format!("{}: cannot be written", path.display()));
    }
    let mut text = Vec::new();
    write(&mut text, outputs)?;
    Ok(bounded_read::write_file(path, &text)?)
}

/// Each number with as many digits as tell it from its neighbours.
fn write(target: impl Write, outputs: &[Vec<f32>]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(target);
    for output in outputs {
        writer.write_record(output.iter().map(f32::to_string))?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_so_that_they_are_read_back() {
        let outputs = vec![vec![0.1, f32::MIN_POSITIVE], vec![1.0 / 3.0, -0.0]];
        let mut text = Vec::new();
        write(&mut text, &outputs).unwrap();
        assert_eq!(rows(text.as_slice(), "y.csv").unwrap(), outputs);
    }
}
