//! A calibration as a small file.

use serde::{Deserialize, Serialize};
use tocco_engines::LoadError;

use super::MOST_EXAMPLES;

/// Format of the profiles that this version reads and writes.
pub const FORMAT: u32 = 1;

/// Largest profile that is read, bytes: several times what [`MOST_EXAMPLES`] of the largest
/// shipped network need.
pub const LARGEST_PROFILE: u64 = 16 << 20;

/// What one player taught one model. JSON, see `docs/calibration.md`.
///
/// The embeddings are kept, not the weights that follow from them: so an example can be taken back
/// and the report be made again after a profile was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this format, [`FORMAT`].
    pub format: u32,
    /// Id of the model that was taught.
    pub model: String,
    /// Fingerprint of its weights, see [`ModelPackage::fingerprint`](tocco_engines::ModelPackage::fingerprint).
    pub weights: String,
    /// Names of its classes, `[n_classes]`.
    pub labels: Vec<String>,
    /// Names of the classes that the player does not use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<String>,
    /// What was taught, in the order of teaching.
    #[serde(default)]
    pub examples: Vec<ProfileExample>,
}

/// One note of the player.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileExample {
    /// Name of its class.
    pub label: String,
    /// Its embedding, `[n_embedding]`.
    pub embedding: Vec<f32>,
}

impl Profile {
    /// Parses `text`; `file` names it in errors. Takes memory in proportion to the text only.
    ///
    /// # Errors
    /// When the text is not JSON, a field is missing, unknown or of the wrong type, or a value
    /// cannot be. Whether the profile belongs to a model is checked when it is put to use.
    pub fn parse(text: &str, file: &str) -> Result<Self, LoadError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let profile: Self =
            serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
                let path = error.path().to_string();
                let field = if path == "." { "profile" } else { &path };
                LoadError::malformed(
                    file,
                    field,
                    "a calibration profile",
                    error.inner(),
                    "choose a file that a calibration was saved to",
                )
            })?;
        deserializer.end().map_err(|error| {
            LoadError::malformed(
                file,
                "profile",
                "nothing after it",
                error,
                "choose a file that a calibration was saved to",
            )
        })?;
        profile.check(file)?;
        Ok(profile)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When the profile does not pass the checks that [`Profile::parse`] makes.
    pub fn to_json(&self, file: &str) -> Result<String, LoadError> {
        self.check(file)?;
        serde_json::to_string(self).map_err(|error| {
            LoadError::malformed(
                file,
                "profile",
                "values that JSON can express",
                error,
                "teach again",
            )
        })
    }

    /// Index of the class `label`.
    pub(super) fn class(&self, label: &str) -> Option<usize> {
        self.labels.iter().position(|l| l == label)
    }

    fn check(&self, file: &str) -> Result<(), LoadError> {
        let refuse = |field: String, expected: String, found: String, remedy: &str| {
            Err(LoadError::malformed(file, field, expected, found, remedy))
        };
        let again = "the file was changed or damaged: teach again and save";
        if self.format != FORMAT {
            return refuse(
                "format".to_owned(),
                FORMAT.to_string(),
                self.format.to_string(),
                "use the version of Tocco that the profile was saved by, or teach again",
            );
        }
        if self.labels.is_empty() {
            return refuse(
                "labels".to_owned(),
                "at least one".to_owned(),
                "none".to_owned(),
                again,
            );
        }
        for (i, label) in self.labels.iter().enumerate() {
            if self.labels[..i].contains(label) {
                return refuse(
                    format!("labels[{i}]"),
                    "each name once".to_owned(),
                    format!("{label:?} again"),
                    again,
                );
            }
        }
        for (i, label) in self.masked.iter().enumerate() {
            if self.class(label).is_none() || self.masked[..i].contains(label) {
                return refuse(
                    format!("masked[{i}]"),
                    "one of the labels, each once".to_owned(),
                    format!("{label:?}"),
                    again,
                );
            }
        }
        if self.masked.len() >= self.labels.len() {
            return refuse(
                "masked".to_owned(),
                "at least one label that is not masked".to_owned(),
                "all of them".to_owned(),
                again,
            );
        }
        if self.examples.len() > MOST_EXAMPLES {
            return refuse(
                "examples".to_owned(),
                format!("at most {MOST_EXAMPLES}"),
                self.examples.len().to_string(),
                "teach three to five notes of each technique",
            );
        }
        for (i, example) in self.examples.iter().enumerate() {
            if self.class(&example.label).is_none() {
                return refuse(
                    format!("examples[{i}].label"),
                    "one of the labels".to_owned(),
                    format!("{:?}", example.label),
                    again,
                );
            }
            let length = self.examples[0].embedding.len();
            if example.embedding.len() != length || length == 0 {
                return refuse(
                    format!("examples[{i}].embedding"),
                    format!("{} values, as the first example has", length.max(1)),
                    example.embedding.len().to_string(),
                    again,
                );
            }
            if let Some(at) = example.embedding.iter().position(|v| !v.is_finite()) {
                return refuse(
                    format!("examples[{i}].embedding[{at}]"),
                    "a finite value".to_owned(),
                    example.embedding[at].to_string(),
                    again,
                );
            }
        }
        Ok(())
    }
}
