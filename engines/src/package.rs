//! Model packages: a folder with `model.toml`, `weights.safetensors` and a model card.

pub mod manifest;

mod architecture;
mod rejection;
mod statistics;
mod tensor;

use std::path::{Path, PathBuf};

pub use manifest::Manifest;
pub use rejection::PREFIX as REJECTION_PREFIX;
pub use statistics::{Statistics, project};
pub use tensor::{Tensor, Tensors};

use crate::bounded_read::{read_file, write_files};
use crate::convert::Format;
use crate::network::Network;
use crate::package::manifest::LayerSpec;
use crate::{LoadError, Scaler, rtneural};
use architecture::Parts;

/// Name of the manifest in the package's folder.
pub const MANIFEST_FILE: &str = "model.toml";

/// Largest manifest that is read, bytes: a hundred times what 1,000 features need.
pub const LARGEST_MANIFEST: u64 = 4 << 20;

/// Largest weight file that is read, bytes.
const LARGEST_WEIGHTS: u64 = 1 << 30;

/// A model as stored on disk: complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPackage {
    /// What `model.toml` says.
    pub manifest: Manifest,
    /// What the weight file holds, by name.
    pub tensors: Tensors,
    /// Where the package comes from: the path of its folder, or `built in`.
    pub source: String,
    /// The path of its folder, where that is no Unicode: `source` can only be shown then.
    folder: Option<PathBuf>,
}

impl ModelPackage {
    /// A package from its parts; `source` names it in errors. Trainers use this to write packages.
    ///
    /// # Errors
    /// When anything in it is malformed: see [`LoadError`].
    pub fn new(
        manifest: Manifest,
        tensors: Tensors,
        source: impl Into<String>,
    ) -> Result<Self, LoadError> {
        let package = Self {
            manifest,
            tensors,
            source: source.into(),
            folder: None,
        };
        package.check()?;
        Ok(package)
    }

    /// A package from the contents of its two files, as built into the plugin.
    ///
    /// # Errors
    /// When anything in it is malformed: see [`LoadError`].
    pub fn from_bytes(
        manifest: &str,
        weights: &[u8],
        source: impl Into<String>,
    ) -> Result<Self, LoadError> {
        let source = source.into();
        let manifest = Manifest::parse(manifest, &file_in(&source, MANIFEST_FILE))?;
        let tensors = match &manifest.network.weights {
            Some(name) => tensor::read(weights, &file_in(&source, name))?,
            None => Tensors::new(),
        };
        Self::new(manifest, tensors, source)
    }

    /// Loads the package in folder `dir`.
    ///
    /// # Errors
    /// When a file is missing, too large or malformed: see [`LoadError`].
    pub fn load(dir: impl AsRef<Path>) -> Result<Self, LoadError> {
        let dir = dir.as_ref();
        let source = dir.display().to_string();
        let manifest_file = file_in(&source, MANIFEST_FILE);
        let bytes = read_file(&dir.join(MANIFEST_FILE), LARGEST_MANIFEST)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            LoadError::malformed(
                &manifest_file,
                "text",
                "UTF-8",
                error.utf8_error(),
                "save the manifest as UTF-8",
            )
        })?;
        let manifest = Manifest::parse(&text, &manifest_file)?;
        let tensors = match &manifest.network.weights {
            Some(name) => {
                let bytes = read_file(&dir.join(name), LARGEST_WEIGHTS)?;
                tensor::read(&bytes, &file_in(&source, name))?
            }
            None => Tensors::new(),
        };
        Ok(Self {
            folder: dir.to_str().is_none().then(|| dir.to_path_buf()),
            ..Self::new(manifest, tensors, source)?
        })
    }

    /// Whether `second`, which the manifest names as [`second`](Manifest::second), can amend this
    /// package's answers: it has that id, speaks of the same classes and the same onsets, and
    /// listens longer.
    ///
    /// # Errors
    /// When it cannot: names the file and the field of the package that does not fit.
    pub fn check_second(&self, second: &Self) -> Result<(), LoadError> {
        let (own, other) = (&self.manifest, &second.manifest);
        let named = own.second.as_deref().unwrap_or_default();
        let expect = |holds: bool, field: &str, expected: String, found: String| {
            let remedy = format_args!(
                "name a fitting package as second in {}, or leave that out",
                self.file(MANIFEST_FILE)
            );
            let file = second.file(MANIFEST_FILE);
            if holds {
                Ok(())
            } else {
                Err(LoadError::malformed(file, field, expected, found, remedy))
            }
        };
        let id = &own.id;
        expect(
            named == other.id,
            "id",
            format!("\"{named}\", as the package amends {id}"),
            format!("\"{}\"", other.id),
        )?;
        expect(
            own.labels == other.labels,
            "labels",
            format!("{}, as {id} has", own.labels.join(", ")),
            other.labels.join(", "),
        )?;
        expect(
            own.input.onset == other.input.onset,
            "input.onset",
            format!("\"{}\", as {id} has", own.input.onset),
            format!("\"{}\"", other.input.onset),
        )?;
        expect(
            own.input.post_onset_hops < other.input.post_onset_hops,
            "input.post_onset_hops",
            format!("more than the {} of {id}", own.input.post_onset_hops),
            other.input.post_onset_hops.to_string(),
        )
    }

    /// Writes `model.toml` and the weight file into folder `dir`, which is made if need be. The
    /// same package gives the same bytes. Of a package that lies there, neither file is replaced before
    /// both new ones are on the disk.
    ///
    /// # Errors
    /// When the package is malformed or a file cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), LoadError> {
        self.check()?;
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|error| LoadError::Write {
            file: dir.display().to_string(),
            error,
        })?;
        let weights = match &self.manifest.network.weights {
            Some(name) => {
                let path = dir.join(name);
                let bytes = tensor::write(&self.tensors, &path.display().to_string())?;
                Some((path, bytes))
            }
            None => None,
        };
        let path = dir.join(MANIFEST_FILE);
        let text = self.manifest.to_toml(&path.display().to_string())?;
        let mut files: Vec<(&Path, &[u8])> = Vec::new();
        if let Some((path, bytes)) = &weights {
            files.push((path, bytes));
        }
        files.push((&path, text.as_bytes()));
        write_files(&files)
    }

    /// The network, with its parameters as trained: that of the layers, or that of an RTNeural
    /// file, which is read now.
    ///
    /// # Errors
    /// When the RTNeural file is malformed, or the package names a model file of another format
    /// instead of layers: its engine reads that file itself, see [`ModelPackage::network_file`].
    pub fn network(&self) -> Result<Network, LoadError> {
        let manifest_file = self.file(MANIFEST_FILE);
        if let Some((path, format)) = self.model_file()? {
            if format == Format::RtNeural {
                return rtneural::load(path);
            }
            return Err(LoadError::malformed(
                manifest_file,
                "network.file",
                "layers and weights, or an RTNeural .json file",
                path.display(),
                format_args!("choose engine {}, which reads it itself", format.engine()),
            ));
        }
        let weights_file = self.weights_file();
        Parts::new(&self.manifest, &manifest_file, &self.tensors, &weights_file).network()
    }

    /// The scaler.
    ///
    /// # Errors
    /// When the scaler's tensors were changed since the package was checked.
    pub fn scaler(&self) -> Result<Scaler, LoadError> {
        let manifest_file = self.file(MANIFEST_FILE);
        let weights_file = self.weights_file();
        Parts::new(&self.manifest, &manifest_file, &self.tensors, &weights_file).scaler()
    }

    /// Path of the model file of another format, if the package has one instead of layers.
    #[must_use]
    pub fn network_file(&self) -> Option<PathBuf> {
        let name = self.manifest.network.file.as_ref()?;
        let folder = self.folder.as_deref();
        Some(folder.unwrap_or(Path::new(&self.source)).join(name))
    }

    /// The [`network_file`](Self::network_file) and its format, told by its name.
    ///
    /// # Errors
    /// When the name is that of no format.
    pub fn model_file(&self) -> Result<Option<(PathBuf, Format)>, LoadError> {
        let Some((name, path)) = (self.manifest.network.file.as_ref()).zip(self.network_file())
        else {
            return Ok(None);
        };
        let format = Format::of_file_name(name).map_err(|_| {
            LoadError::malformed(
                self.file(MANIFEST_FILE),
                "network.file",
                "a file that ends in .onnx, .tflite, .pt or .json",
                format_args!("\"{name}\""),
                "no engine runs such a file: export the network in one of these formats",
            )
        })?;
        Ok(Some((path, format)))
    }

    /// Number of parameters of the network.
    ///
    /// # Errors
    /// As [`ModelPackage::network`].
    pub fn parameter_count(&self) -> Result<usize, LoadError> {
        Ok(self.network()?.parameter_count())
    }

    /// Where the embeddings of the training notes lie, if the package tells.
    ///
    /// # Errors
    /// When the tensors were changed since the package was checked.
    pub fn statistics(&self) -> Result<Option<Statistics>, LoadError> {
        let manifest_file = self.file(MANIFEST_FILE);
        let weights_file = self.weights_file();
        Parts::new(&self.manifest, &manifest_file, &self.tensors, &weights_file).statistics()
    }

    /// The network that tells notes from what is none, if the package has one: from the scaled features
    /// `[n_features]` the log odds `[1]` that they are of no note.
    ///
    /// # Errors
    /// When the tensors were changed since the package was checked.
    pub fn rejection(&self) -> Result<Option<Network>, LoadError> {
        let manifest_file = self.file(MANIFEST_FILE);
        let weights_file = self.weights_file();
        Parts::new(&self.manifest, &manifest_file, &self.tensors, &weights_file).rejection()
    }

    /// Whether a calibration can carry a function of the features past the hidden layers: they are
    /// dense layers with relu.
    #[must_use]
    pub fn has_bypass(&self) -> bool {
        let layers = &self.manifest.network.layers[..];
        matches!(layers, [hidden @ .., LayerSpec::Dense { .. }, LayerSpec::Softmax { .. }]
            if is_relu_perceptron(hidden))
    }

    /// 16 hexadecimal digits that tell these weights from others: FNV-1a, 64 bits, over the names,
    /// shapes and values of all tensors but those of [`statistics`](Self::statistics) and
    /// [`rejection`](Self::rejection), which name no class. No protection against forgery.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        let names_no_class = [statistics::PREFIX, rejection::PREFIX];
        let tensors = self.tensors.iter();
        for (name, tensor) in
            tensors.filter(|(name, _)| !names_no_class.iter().any(|p| name.starts_with(p)))
        {
            add(name.as_bytes());
            add(&[0]);
            for size in tensor.shape() {
                add(&(*size as u64).to_le_bytes());
            }
            for value in tensor.values() {
                add(&value.to_le_bytes());
            }
        }
        format!("{hash:016x}")
    }

    /// Checks everything: the manifest, the tensors and that they fit each other.
    fn check(&self) -> Result<(), LoadError> {
        let manifest_file = self.file(MANIFEST_FILE);
        let weights_file = self.weights_file();
        self.manifest.check(&manifest_file)?;
        let mut parts = Parts::new(&self.manifest, &manifest_file, &self.tensors, &weights_file);
        parts.scaler()?;
        if self.manifest.network.file.is_none() {
            parts.network()?;
        }
        parts.statistics()?;
        parts.rejection()?;
        parts.check_nothing_left()
    }

    /// The path of a file of this package, for errors.
    fn file(&self, name: &str) -> String {
        file_in(&self.source, name)
    }

    fn weights_file(&self) -> String {
        self.file(
            self.manifest
                .network
                .weights
                .as_deref()
                .unwrap_or("weights"),
        )
    }
}

/// Whether these layers before the last dense one let a function of the features pass: dense layers,
/// each with relu behind it.
fn is_relu_perceptron(hidden: &[LayerSpec]) -> bool {
    let mut pairs = hidden.chunks(2);
    pairs.all(|pair| matches!(pair, [LayerSpec::Dense { .. }, LayerSpec::Relu {}]))
}

fn file_in(source: &str, name: &str) -> String {
    format!("{source}/{name}")
}
