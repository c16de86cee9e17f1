//! Sizes: model files in each format, and the engines' libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol};
use serde::{Deserialize, Serialize};
use tocco_bench::plugin_host::model_folder;
use tocco_engines::convert::{Format, convert};
use tocco_engines::{EngineId, ModelPackage, discovery};

use crate::part::sibling;

/// The processor of the paper's Raspberry Pi 4, as Rust names it.
const PI: &str = "aarch64";

/// The paper's networks.
pub const MODELS: [&str; 3] = ["a", "b", "c"];

/// Sizes in bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Footprint {
    /// Model files.
    pub models: Vec<ModelFile>,
    /// Libraries.
    pub libraries: Vec<Library>,
    /// What was fetched to see how long that takes.
    pub fetched: Vec<Fetched>,
}

/// A network in a format.
#[derive(Debug, Serialize, Deserialize)]
pub struct ModelFile {
    /// Id of the model package.
    pub model: String,
    /// Name of the engine that reads it.
    pub engine: String,
    /// Name of the format.
    pub format: String,
    /// Size of the file.
    pub bytes: usize,
}

/// What an engine needs beside the program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Library {
    /// Name of the engine.
    pub engine: String,
    /// As Rust names it.
    pub architecture: String,
    /// Files and their sizes; empty if it is not there.
    pub files: Vec<(String, u64)>,
    /// Why it is not there, or what the numbers are.
    pub remark: Option<String>,
}

impl Library {
    /// Bytes of all files together; nothing where there are none.
    pub fn bytes(&self) -> Option<u64> {
        let total = self.files.iter().map(|file| file.1).sum();
        (!self.files.is_empty()).then_some(total)
    }
}

/// An engine that was fetched into an empty folder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fetched {
    /// Name of the engine.
    pub engine: String,
    /// Architecture of the library.
    pub architecture: String,
    /// How long it took, seconds.
    pub seconds: f64,
    /// What came, bytes.
    pub bytes: u64,
}

/// Measures; libraries for aarch64 are fetched only with `download`.
///
/// # Errors
/// When a package cannot be read or written in a format.
pub fn run(download: bool) -> Result<Footprint> {
    let mut footprint = Footprint::default();
    for model in MODELS {
        let folder = model_folder(model);
        let package = ModelPackage::load(&folder)?;
        let weights = folder.join("weights.safetensors");
        let bytes = fs::metadata(&weights)
            .with_context(|| weights.display().to_string())?
            .len();
        let mut add = |engine: EngineId, format: &str, bytes: usize| {
            footprint.models.push(ModelFile {
                model: model.to_owned(),
                engine: engine.name().to_owned(),
                format: format.to_owned(),
                bytes,
            });
        };
        add(EngineId::Native, "safetensors", bytes as usize);
        for format in Format::ALL {
            let bytes = convert(&package.network()?, format)?.len();
            add(format.engine(), format.name(), bytes);
        }
    }
    for engine in EngineId::ALL {
        footprint.libraries.push(here(engine));
    }
    if std::env::consts::ARCH != PI {
        for engine in [EngineId::Native, EngineId::NativeFixed] {
            footprint.libraries.push(ours(engine, PI));
        }
        for engine in [EngineId::Onnx, EngineId::LiteRt] {
            footprint.elsewhere(engine, download);
        }
    }
    Ok(footprint)
}

impl Footprint {
    /// The library of `engine` for the Raspberry Pi.
    fn elsewhere(&mut self, engine: EngineId, download: bool) {
        let architecture = PI.to_owned();
        let mut library = Library {
            engine: engine.name().to_owned(),
            architecture: architecture.clone(),
            files: Vec::new(),
            remark: None,
        };
        if download {
            match fetch(engine, &architecture) {
                Ok((fetched, files)) => {
                    self.fetched.push(fetched);
                    library.files = files;
                }
                Err(error) => library.remark = Some(format!("not fetched: {error:#}")),
            }
        } else {
            library.remark = Some("not fetched: --no-download".to_owned());
        }
        self.libraries.push(library);
    }
}

/// Fetches an engine as a user does, into an empty folder.
///
/// # Errors
/// When it does not come.
pub fn fetch(engine: EngineId, architecture: &str) -> Result<(Fetched, Vec<(String, u64)>)> {
    let folder = tempfile::tempdir()?;
    eprintln!("fetching {engine} for {architecture}");
    let start = Instant::now();
    let output = Command::new(sibling("tocco-engine-tools")?)
        .args(["engines", "install", "--engine", engine.name()])
        .args(["--architecture", architecture, "--dir"])
        .arg(folder.path())
        .output()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(
        output.status.success(),
        "{}",
        last_line(&String::from_utf8_lossy(&output.stderr))
    );
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The licence lies beside it.
        if !name.ends_with(".txt") {
            files.push((name, entry.metadata()?.len()));
        }
    }
    let fetched = Fetched {
        engine: engine.name().to_owned(),
        architecture: architecture.to_owned(),
        seconds,
        bytes: files.iter().map(|file| file.1).sum(),
    };
    Ok((fetched, files))
}

fn last_line(text: &str) -> &str {
    text.trim().lines().next_back().unwrap_or_default()
}

/// What the engine needs on this machine.
fn here(engine: EngineId) -> Library {
    let architecture = std::env::consts::ARCH;
    if matches!(engine, EngineId::Native | EngineId::NativeFixed) {
        return ours(engine, architecture);
    }
    let mut library = Library {
        engine: engine.name().to_owned(),
        architecture: architecture.to_owned(),
        files: Vec::new(),
        remark: None,
    };
    match discovery::find(engine) {
        Ok(path) => {
            let mut paths = vec![path];
            if engine == EngineId::Torch {
                paths.extend(libtorch(&paths[0]));
            }
            let files = paths
                .iter()
                .filter_map(|path| Some((name(path), size(path)?)));
            library.files = files.collect();
        }
        Err(_) => library.remark = Some("not installed".to_owned()),
    }
    library
}

/// The code of one of our engines in the plugin that was built for `architecture`.
fn ours(engine: EngineId, architecture: &str) -> Library {
    let mut library = Library {
        engine: engine.name().to_owned(),
        architecture: architecture.to_owned(),
        files: Vec::new(),
        remark: None,
    };
    match plugin(architecture).and_then(|plugin| own_code(&plugin)) {
        Ok(bytes) => library
            .files
            .push(("the code of tocco-engines in the plugin".to_owned(), bytes)),
        Err(error) => library.remark = Some(format!("not known: {error:#}")),
    }
    library
}

/// The plugin with its symbols: beside this program, or where the one for another machine is built.
fn plugin(architecture: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("this program cannot find itself")?;
    if architecture == std::env::consts::ARCH {
        return Ok(this.with_file_name("libtocco.so"));
    }
    let target = this.ancestors().nth(2).unwrap_or(Path::new("."));
    let triple = format!("{architecture}-unknown-linux-gnu");
    let plugin = target.join(format!("cross/build/{triple}/release/libtocco.so"));
    ensure!(
        plugin.is_file(),
        "not built: cargo xtask bundle tocco --release --target {triple}"
    );
    Ok(plugin)
}

/// Bytes of all functions and tables of our engines in a library, by its symbols.
fn own_code(library: &Path) -> Result<u64> {
    let bytes = fs::read(library).with_context(|| library.display().to_string())?;
    let object = object::File::parse(&*bytes)?;
    let ours = object.symbols().filter(|symbol| {
        let name = symbol.name().unwrap_or_default();
        name.contains("tocco_engines")
    });
    let bytes = ours.map(|symbol| symbol.size()).sum();
    ensure!(bytes > 0, "{} has no symbols", library.display());
    Ok(bytes)
}

/// The two libraries that the paper counts (table 4), as the loader finds them.
fn libtorch(bridge: &Path) -> Vec<PathBuf> {
    let Ok(output) = Command::new("ldd").arg(bridge).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let place = |line: &str| {
        let (name, path) = line.split_once(" => ")?;
        let counted = ["libtorch_cpu.so", "libc10.so"];
        let path = path.split_whitespace().next()?;
        counted
            .iter()
            .any(|counted| name.trim().starts_with(counted))
            .then(|| PathBuf::from(path))
    };
    text.lines().filter_map(place).collect()
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn size(path: &Path) -> Option<u64> {
    Some(fs::metadata(path).ok()?.len())
}
