//! Feature vectors of real notes, for networks to work on.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tocco_corpus::{Corpus, Listener, Recording};
use tocco_engines::ModelPackage;

use crate::sound::Sound;

/// Classes of all networks that are measured.
pub const CLASSES: usize = 8;

/// Where notes come from.
pub struct FeatureVectors {
    /// Their names and samples.
    recordings: Vec<(PathBuf, Recording)>,
    /// For the reader of a report.
    pub source: String,
    /// Who has heard them, and what, `[notes][n_features]`: packages that hear alike do it once.
    heard: RefCell<Vec<(Listener, Vec<Vec<f32>>)>>,
}

impl FeatureVectors {
    /// From recordings with their paths, of which `source` tells the reader of a report.
    pub fn new(recordings: Vec<(PathBuf, Recording)>, source: String) -> Self {
        Self {
            recordings,
            source,
            heard: RefCell::default(),
        }
    }

    /// From all recordings of the folder `data`.
    ///
    /// # Errors
    /// If there are none, or one cannot be read.
    pub fn from_recordings(data: &Path) -> Result<Self> {
        let corpus = Corpus::scan(data)?;
        let recordings = corpus.takes.into_iter().map(|take| {
            let recording = Recording::read(&take.path)?;
            Ok((take.path, recording))
        });
        let source = format!("the recordings in {}", data.display());
        Ok(Self::new(recordings.collect::<Result<_>>()?, source))
    }

    /// From our synthesised performance.
    pub fn synthesised() -> Self {
        let mut sound = Sound::synthesised();
        let recording = Recording {
            samples: sound.channels.swap_remove(0),
            sample_rate: sound.sample_rate,
        };
        let recordings = vec![(PathBuf::from("synthesised"), recording)];
        Self::new(recordings, sound.source)
    }

    /// The raw features of all notes that are detected, `[notes][n_features]`, as `package` wants
    /// them.
    ///
    /// # Errors
    /// If the package's features do not exist, or no note is detected.
    pub fn raw(&self, package: &ModelPackage) -> Result<Vec<Vec<f32>>> {
        let listener = Listener::of(package)?;
        let mut heard = self.heard.borrow_mut();
        if let Some((_, vectors)) = heard.iter().find(|(other, _)| *other == listener) {
            return Ok(vectors.clone());
        }
        let mut vectors = Vec::new();
        for (path, recording) in &self.recordings {
            let notes = listener.hear(recording, path)?.notes;
            vectors.extend(notes.into_iter().map(|note| note.features));
        }
        vectors
            .first()
            .with_context(|| format!("no notes in {}", self.source))?;
        heard.push((listener, vectors.clone()));
        Ok(vectors)
    }

    /// The same after the package's scaler: what its network gets.
    ///
    /// # Errors
    /// As [`FeatureVectors::raw`].
    pub fn scaled(&self, package: &ModelPackage) -> Result<Vec<Vec<f32>>> {
        let scaler = package.scaler()?;
        let mut vectors = self.raw(package)?;
        for vector in &mut vectors {
            let raw = vector.clone();
            scaler.apply(&raw, vector);
        }
        Ok(vectors)
    }
}
