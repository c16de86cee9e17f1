//! A model adapted to its player from a few examples of each technique.
//!
//! The network stays as it is up to its last dense layer. What that layer gets, the *embedding* of
//! a note, is collected for the notes that the player teaches; [`Calibration::package`] is the
//! same model with another last layer, which every engine runs at the same cost.
//!
//! ```text
//! features -> scaler -> layers -> embedding -> dense (replaced) -> softmax -> probabilities
//!                                     |
//!                                  examples
//! ```
//!
//! The new layer is a weighted sum of the old one and of what linear discriminant analysis says of
//! the class means, moved towards the examples; without examples it is the old one. Where the
//! classes lay in training is told by optional tensors of the package ([`Statistics`]), or else by
//! the old layer. If they are about the features and not about the embedding, the analysis is
//! carried past the hidden layers (`adaptation/bypass.rs`), and the network becomes wider by some values.
//! Everything here allocates and is quick, a millisecond or so: for the thread that loads models,
//! never for the audio thread.

use std::path::Path;

use thiserror::Error;

use tocco_engines::bounded_read;
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::{InferError, LoadError, ModelPackage, Statistics, Tensor};

use super::bypass;
use super::discriminant::{self, Example, adapt};
use super::embedding::{Embedder, Head};
use super::prior::Prior;
use super::profile::{FORMAT, LARGEST_PROFILE, Profile, ProfileExample};

/// Most examples of all classes together: ten times what helps.
pub const MOST_EXAMPLES: usize = 512;

/// Why something was not taught.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TeachError {
    /// The model has no such class.
    #[error("technique {found}: the model has only {n_classes}, counted from 0")]
    Class {
        /// The class asked for.
        found: usize,
        /// How many there are.
        n_classes: usize,
    },
    /// There are [`MOST_EXAMPLES`] already.
    #[error(
        "there are {MOST_EXAMPLES} examples already; forget some, three to five a technique do"
    )]
    Full,
    /// All classes would be masked.
    #[error("at least one technique must be in use")]
    AllMasked,
    /// The features are those of another model.
    #[error(transparent)]
    Features(#[from] InferError),
}

/// How an example is classified by a calibration that has not seen it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// The class it was taught as.
    pub class: usize,
    /// The class it would have been taken for.
    pub answer: usize,
    /// Probability of that answer, 0 to 1.
    pub probability: f32,
}

/// What a player taught a model, and the model that follows from it.
pub struct Calibration {
    base: ModelPackage,
    weights: String,
    embedder: Embedder,
    head: Head,
    prior: Prior,
    statistics: Option<Statistics>,
    examples: Vec<TaughtExample>,
    /// `[n_classes]`
    masked: Vec<bool>,
}

#[derive(Debug, Clone)]
struct TaughtExample {
    class: usize,
    /// `[n_embedding]`
    embedding: Vec<f32>,
    /// `[n_point]`, in the prior's coordinates.
    point: Vec<f64>,
    /// The probability that the model gives its class without calibration.
    known: f64,
}

impl Calibration {
    /// A calibration of `package` in which nothing was taught.
    ///
    /// # Errors
    /// When the package has a model file instead of layers, or a network whose end cannot be
    /// replaced.
    pub fn new(package: &ModelPackage) -> Result<Self, LoadError> {
        if let Some(file) = package.network_file() {
            return Err(LoadError::malformed(
                &package.source,
                "network.file",
                "layers and weights, of which a calibration replaces the last",
                file.display(),
                "use this model as it is, or describe its network by [[network.layers]]",
            ));
        }
        let statistics = package.statistics()?;
        let (embedder, head) = Embedder::new(package, statistics.as_ref())?;
        let prior = match &statistics {
            Some(statistics) => Prior::of_statistics(statistics, embedder.n_inputs()),
            None => Prior::of_head(&head),
        };
        Ok(Self {
            base: package.clone(),
            weights: package.fingerprint(),
            prior,
            masked: vec![false; head.n_classes()],
            embedder,
            head,
            statistics,
            examples: Vec::new(),
        })
    }

    /// Names of the classes, `[n_classes]`.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.base.manifest.labels
    }

    /// The class of each example, in the order of teaching.
    pub fn taught(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.examples.iter().map(|example| example.class)
    }

    /// Whether each class is masked, `[n_classes]`.
    #[must_use]
    pub fn masked(&self) -> &[bool] {
        &self.masked
    }

    /// Whether the model is what it was before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty() && !self.masked.contains(&true)
    }

    /// The embedding `[n_embedding]` of a note with the raw `features` `[n_features]`.
    ///
    /// # Errors
    /// When the features are too many or too few.
    pub fn embed(&mut self, features: &[f32]) -> Result<Vec<f32>, InferError> {
        self.embedder.embed(features)
    }

    /// Takes a note with the raw `features` `[n_features]` as an example of `class`.
    ///
    /// # Errors
    /// When there is no such class, the features are too many or too few, or there are
    /// [`MOST_EXAMPLES`].
    pub fn teach(&mut self, class: usize, features: &[f32]) -> Result<(), TeachError> {
        self.check_class(class)?;
        if self.examples.len() == MOST_EXAMPLES {
            return Err(TeachError::Full);
        }
        let embedding = self.embed(features)?;
        self.add(class, embedding);
        Ok(())
    }

    /// Forgets the last example; whether there was one.
    pub fn undo(&mut self) -> bool {
        self.forget(self.examples.len().wrapping_sub(1))
    }

    /// Forgets the example numbered `index` in the order of teaching, from 0, as if it had never been
    /// taught; whether there was one.
    pub fn forget(&mut self, index: usize) -> bool {
        let there = index < self.examples.len();
        if there {
            self.examples.remove(index);
        }
        there
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.examples.clear();
        self.masked.fill(false);
    }

    /// Says whether the player uses `class` at all. A masked class gets the probability 0.
    ///
    /// # Errors
    /// When there is no such class, or it is the last one in use.
    pub fn mask(&mut self, class: usize, masked: bool) -> Result<(), TeachError> {
        self.check_class(class)?;
        let others = self.masked.iter().enumerate();
        if masked
            && !others
                .filter(|(c, _)| *c != class)
                .any(|(_, masked)| !masked)
        {
            return Err(TeachError::AllMasked);
        }
        self.masked[class] = masked;
        Ok(())
    }

    /// The last layer that follows from the examples.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head_without(None)
    }

    /// The calibrated model. If nothing was taught it is the model as it was.
    ///
    /// # Errors
    /// When examples of absurd size make weights that are not finite.
    pub fn package(&self) -> Result<ModelPackage, LoadError> {
        if self.is_empty() {
            return Ok(self.base.clone());
        }
        let head = self.head();
        let n_classes = head.n_classes();
        let (weight, of_features) = self.embedder.split(&head.weight, n_classes);
        let mut manifest = self.base.manifest.clone();
        let last = self.base.manifest.network.layers.iter().rev();
        let name = last.filter_map(|layer| match layer {
            LayerSpec::Dense { name, .. } => Some(name),
            _ => None,
        });
        let mut tensors = self.base.tensors.clone();
        if let Some(name) = name.into_iter().next() {
            let shape = vec![n_classes, self.embedder.n_inputs()];
            for (part, tensor) in [
                ("weight", Tensor::new(shape, weight)),
                ("bias", Tensor::new(vec![n_classes], head.bias)),
            ] {
                if let Some(tensor) = tensor {
                    tensors.insert(format!("{name}.{part}"), tensor);
                }
            }
        }
        if let (Some(of_features), Some(statistics)) = (of_features, &self.statistics) {
            let layers = &mut manifest.network.layers;
            bypass::add(layers, &mut tensors, &of_features, n_classes);
            tensors.extend(self.moved(statistics).tensors());
        }
        ModelPackage::new(manifest, tensors, self.base.source.clone())
    }

    /// How each example would have been classified had it not been taught, in the order of
    /// teaching: an answer other than the class tells a wrong example, or too few of the class.
    #[must_use]
    pub fn report(&self) -> Vec<LeftOut> {
        let left_out = |(i, example): (usize, &TaughtExample)| {
            let scores = self.head_without(Some(i)).scores(&example.embedding);
            let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let answer = best.map_or(0, |(class, _)| class);
            LeftOut {
                class: example.class,
                answer,
                probability: probability(&scores, answer) as f32,
            }
        };
        self.examples.iter().enumerate().map(left_out).collect()
    }

    /// What was taught, to be saved.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let labels = self.labels();
        let masked = labels
            .iter()
            .zip(&self.masked)
            .filter(|(_, masked)| **masked);
        let example = |example: &TaughtExample| ProfileExample {
            label: labels[example.class].clone(),
            embedding: example.embedding.clone(),
        };
        Profile {
            format: FORMAT,
            model: self.base.manifest.id.clone(),
            weights: self.weights.clone(),
            labels: labels.to_vec(),
            masked: masked.map(|(label, _)| label.clone()).collect(),
            examples: self.examples.iter().map(example).collect(),
        }
    }

    /// Takes what a saved profile says in place of what was taught; `file` names it in errors.
    ///
    /// # Errors
    /// When the profile is one of another model; nothing has changed then.
    pub fn restore(&mut self, profile: &Profile, file: &str) -> Result<(), LoadError> {
        let model = &self.base.manifest.id;
        let n_embedding = self.head.n_embedding();
        let first = profile.examples.first();
        let found = first.map_or(n_embedding, |example| example.embedding.len());
        for (field, expected, found) in [
            ("model", model.clone(), profile.model.clone()),
            ("weights", self.weights.clone(), profile.weights.clone()),
            (
                "labels",
                self.labels().join(", "),
                profile.labels.join(", "),
            ),
            (
                "examples[0].embedding",
                format!("{n_embedding} values"),
                format!("{found} values"),
            ),
        ] {
            if expected != found {
                return Err(LoadError::malformed(
                    file,
                    field,
                    format_args!("{expected}, as the model in use has"),
                    found,
                    format_args!(
                        "select the model that was taught (\"{}\"), or teach this one",
                        profile.model
                    ),
                ));
            }
        }
        self.reset();
        for label in &profile.masked {
            if let Some(class) = profile.class(label) {
                self.masked[class] = true;
            }
        }
        for example in &profile.examples {
            if let Some(class) = profile.class(&example.label) {
                self.add(class, example.embedding.clone());
            }
        }
        Ok(())
    }

    /// Writes the profile to `path`.
    ///
    /// # Errors
    /// When the path leads to anything but a regular file, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), LoadError> {
        let path = path.as_ref();
        bounded_read::write_file(path, self.text_for(path)?.as_bytes())
    }

    /// The profile as the text of the file at `path`.
    pub(super) fn text_for(&self, path: &Path) -> Result<String, LoadError> {
        self.profile().to_json(&path.display().to_string())
    }

    /// Takes what the profile at `path` says in place of what was taught.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or is one of another model; nothing has changed
    /// then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), LoadError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let bytes = bounded_read::read_file(path, LARGEST_PROFILE)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            LoadError::malformed(
                &file,
                "text",
                "UTF-8",
                error.utf8_error(),
                "choose a file that a calibration was saved to",
            )
        })?;
        self.restore(&Profile::parse(&text, &file)?, &file)
    }

    fn add(&mut self, class: usize, embedding: Vec<f32>) {
        let point = self.prior.point(&embedding);
        let known = probability(&self.head.scores(&embedding), class);
        self.examples.push(TaughtExample {
            class,
            embedding,
            point,
            known,
        });
    }

    fn points(&self, left_out: Option<usize>) -> Vec<Example<'_>> {
        let examples = self.examples.iter().enumerate();
        let examples = examples.filter(|(i, _)| Some(*i) != left_out);
        let points = examples.map(|(_, example)| Example {
            class: example.class,
            point: &example.point,
            known: example.known,
        });
        points.collect()
    }

    fn head_without(&self, left_out: Option<usize>) -> Head {
        adapt(
            &self.head,
            &self.prior,
            &self.points(left_out),
            &self.masked,
        )
    }

    /// `statistics` of the features with the means where the examples have moved them.
    fn moved(&self, statistics: &Statistics) -> Statistics {
        let n_point = statistics.n_point();
        let mut moved = statistics.clone();
        let reluctance = self.prior.weights.reluctance;
        for change in discriminant::moves(self.head.n_classes(), &self.points(None), reluctance) {
            let own = self.examples.iter().filter(|e| e.class == change.class);
            let points: Vec<Vec<f64>> = own
                .map(|e| e.embedding[self.embedder.n_inputs()..].iter())
                .map(|point| point.map(|value| f64::from(*value)).collect())
                .collect();
            let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
            let centre = discriminant::weighted_mean(&points, &change.weights);
            let mean = &mut moved.means[change.class * n_point..][..n_point];
            for (m, c) in mean.iter_mut().zip(&centre) {
                *m += (change.share * (c - f64::from(*m))) as f32;
            }
        }
        moved
    }

    fn check_class(&self, class: usize) -> Result<(), TeachError> {
        let n_classes = self.masked.len();
        if class < n_classes {
            Ok(())
        } else {
            Err(TeachError::Class {
                found: class,
                n_classes,
            })
        }
    }
}

/// The probability of `class` that `scores` `[n_classes]`, logarithms up to a constant, say.
fn probability(scores: &[f64], class: usize) -> f64 {
    let sum: f64 = scores
        .iter()
        .map(|score| (score - scores[class]).exp())
        .sum();
    1.0 / sum
}
