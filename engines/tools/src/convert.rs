//! `convert`: a package to another format, checked; or the manifest for a foreign file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use tocco_engines::bounded_read::write_file;
use tocco_engines::convert::{Format, convert};
use tocco_engines::package::MANIFEST_FILE;
use tocco_engines::shipped::models_folder;
use tocco_engines::{LoadError, ModelPackage, foreign};

use crate::manifest_template;
use crate::package_names::package_names;
use crate::verify::{self, Difference};

/// Options of `convert`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask convert --model c --to onnx\n  \
    cargo xtask convert --model models/c --to onnx,tflite,torchscript,rtneural --out target/models\n  \
    cargo xtask convert --from mine.tflite --out models/mine\n\n\
    The files hold the pure network, without the scaler.")]
pub struct ConvertArguments {
    /// Package to convert: its id, or the path of its folder
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "from",
        required_unless_present = "from"
    )]
    model: Option<String>,
    /// Formats to write: onnx, tflite, torchscript, rtneural
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "FORMAT",
        required_unless_present = "from"
    )]
    to: Vec<Format>,
    /// Model file of your own to write a model.toml for: .onnx, .tflite, .pt, RTNeural's .json
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    from: Option<PathBuf>,
    /// Folder to write to [default: out/models, or the folder of the file of --from]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Feature vectors to check the files with besides random ones: CSV with the feature names in
    /// its first line, as `cargo xtask features` prints it
    #[arg(long, value_name = "X.csv")]
    features: Option<PathBuf>,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// Random feature vectors that each file is checked with.
const RANDOM_VECTORS: usize = 1000;

/// What became of a format.
#[derive(Debug, Default, Serialize)]
struct Written {
    format: &'static str,
    /// Path of the file, as it is shown; null where none was written.
    file: Option<String>,
    /// Size of the file; null where none was written.
    bytes: Option<usize>,
    /// The engine that ran it.
    engine: &'static str,
    /// Difference from double precision; null where the engine is missing.
    random: Option<Difference>,
    /// The same for the vectors of `--features`.
    real: Option<Difference>,
    /// Why the file was not checked.
    unchecked: Option<String>,
    /// The layer that the format lacks, why no file was written.
    refused: Option<String>,
}

/// Converts.
///
/// # Errors
/// When the package is malformed, a file cannot be written, or a file does not compute what the
/// package computes. When a format lacks a layer, after the other formats are written.
pub fn run(arguments: &ConvertArguments) -> Result<()> {
    if let Some(file) = &arguments.from {
        return manifest_template::run(file, arguments.out.as_deref());
    }
    let folder = folder(arguments.model.as_deref().unwrap_or_default())?;
    let package = ModelPackage::load(&folder)?;
    check_convertible(&package, &folder)?;
    let dir = arguments.out.clone().unwrap_or_else(|| "out/models".into());
    let target = |format: Format| {
        let name = format!("{}.{}", package.manifest.id, format.extension());
        dir.join(name)
    };
    for &format in &arguments.to {
        check_not_own(&package, &folder, &target(format))?;
    }
    std::fs::create_dir_all(&dir).with_context(|| {
        format!(
            "{}: cannot be made; say a folder that you may write to with --out DIR",
            dir.display()
        )
    })?;
    let network = package.network()?;
    let random = verify::random_vectors(RANDOM_VECTORS, network.n_inputs());
    let real = match &arguments.features {
        Some(path) => Some(scaled_features(path, &package)?),
        None => None,
    };

    let mut all = Vec::new();
    let mut wrong = Vec::new();
    let mut faults = Vec::new();
    for &format in &arguments.to {
        let path = target(format);
        let file = path.display().to_string();
        let mut written = Written {
            format: format.name(),
            engine: format.engine().name(),
            ..Written::default()
        };
        let model = match convert(&network, format) {
            Ok(model) => model,
            // Another format may have the layer.
            Err(refusal) => {
                eprintln!("{file}: NOT WRITTEN: {refusal}");
                faults.push(refusal.to_string());
                written.refused = Some(refusal.to_string());
                all.push(written);
                continue;
            }
        };
        write_file(&path, &model)?;
        written.file = Some(file.clone());
        written.bytes = Some(model.len());
        // What is checked is what lies on the disk.
        match foreign::load_file(format.engine(), &path, network.n_inputs()) {
            Ok(mut engine) => {
                let random = verify::compare(engine.as_mut(), &network, &random)?;
                let real = match &real {
                    Some(real) => Some(verify::compare(engine.as_mut(), &network, real)?),
                    None => None,
                };
                if !(random.is_small() && real.is_none_or(|real| real.is_small())) {
                    wrong.push(file.clone());
                }
                written.random = Some(random);
                written.real = real;
            }
            Err(error @ LoadError::Engine { .. }) => written.unchecked = Some(error.to_string()),
            Err(error) => return Err(error).context("the file that was written does not load"),
        }
        eprintln!("{file}: {} bytes{}", model.len(), checks(&written));
        all.push(written);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    if !wrong.is_empty() {
        faults.push(format!(
            "{}: not the same as the package: the largest difference may be {:e}, and the same \
             class must win",
            wrong.join(", "),
            verify::TOLERANCE
        ));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

/// How the file was checked, and what came out.
fn checks(written: &Written) -> String {
    let difference = |what: &str, difference: Option<Difference>| {
        difference.map_or_else(String::new, |difference| {
            format!(
                "; {} {what} vectors: largest difference {:.1e}, {} other winners",
                difference.vectors, difference.largest, difference.other_winners
            )
        })
    };
    let checked = match &written.unchecked {
        Some(reason) => format!("; NOT CHECKED: {reason}"),
        None => format!("; engine {}", written.engine),
    };
    format!(
        "{checked}{}{}",
        difference("random", written.random),
        difference("real", written.real),
    )
}

/// The folder `model`, or that of the shipped package with that id.
fn folder(model: &str) -> Result<PathBuf> {
    let dir = PathBuf::from(model);
    if dir.join(MANIFEST_FILE).is_file() {
        return Ok(dir);
    }
    let shipped = models_folder();
    let dir = shipped.join(model);
    if !dir.join(MANIFEST_FILE).is_file() {
        bail!(
            "{model}: neither a folder with a model.toml nor a package in {}, which has {}",
            shipped.display(),
            package_names(&shipped).join(", ")
        );
    }
    Ok(dir)
}

/// Refuses the package in the `folder` if its network can only be run.
fn check_convertible(package: &ModelPackage, folder: &Path) -> Result<()> {
    if let Some((_, format)) = package.model_file()? {
        ensure!(
            format == Format::RtNeural,
            "{}: network.file: expected layers and weights, or an RTNeural .json file, found a file \
             of {format}; convert from the program that it was exported from, or run it as it is in \
             engine {}",
            folder.join(MANIFEST_FILE).display(),
            format.engine()
        );
    }
    Ok(())
}

/// Refuses a `target` that is a file of the package in the `folder`: what is converted has lost its
/// notes, and may turn out to be wrong.
fn check_not_own(package: &ModelPackage, folder: &Path, target: &Path) -> Result<()> {
    // What is not there yet is nobody's.
    let Ok(found) = target.canonicalize() else {
        return Ok(());
    };
    let network = &package.manifest.network;
    for (field, name) in [
        ("network.file", &network.file),
        ("network.weights", &network.weights),
    ] {
        let Some(name) = name else { continue };
        let own = folder.join(name).canonicalize();
        ensure!(
            !own.is_ok_and(|own| own == found),
            "{}: expected a file that is none of the package's own, found its {field}; say another \
             folder with --out DIR",
            target.display()
        );
    }
    Ok(())
}

/// The feature vectors in the CSV file at `path`, in the order of the package's features, scaled.
fn scaled_features(path: &Path, package: &ModelPackage) -> Result<Vec<Vec<f32>>> {
    let file = path.display();
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("{file}"))?;
    let header = reader.headers().with_context(|| format!("{file}"))?.clone();
    let columns: Vec<usize> = package
        .manifest
        .input
        .features
        .iter()
        .map(|name| {
            header
                .iter()
                .position(|column| column.trim() == name)
                .with_context(|| format!("{file}: no column {name}, which the model needs"))
        })
        .collect::<Result<_>>()?;
    let scaler = package.scaler()?;
    let mut vectors = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{file}"))?;
        let raw: Vec<f32> = columns
            .iter()
            .map(|&column| {
                let field = record.get(column).unwrap_or_default().trim();
                field.parse().with_context(|| {
                    let line = record.position().map_or(0, csv::Position::line);
                    format!(
                        "{file}: line {line}, {}: \"{field}\" is no number",
                        &header[column]
                    )
                })
            })
            .collect::<Result<_>>()?;
        let mut scaled = vec![0.0; raw.len()];
        scaler.apply(&raw, &mut scaled);
        vectors.push(scaled);
    }
    if vectors.is_empty() {
        bail!(
            "{file}: expected at least one row of numbers below the names, found none; add rows, or \
             leave --features out"
        );
    }
    Ok(vectors)
}
