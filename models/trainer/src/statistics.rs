//! Where the notes of the training lie: what a calibration to a player starts from.

mod projection;

use anyhow::Result;
use tocco_corpus::Technique;
use tocco_engines::{ModelPackage, Statistics};
use tocco_recognizer::adaptation::Calibration;

use crate::notes::Note;
use projection::projection;

/// Longest embedding, `[n_embedding]`, whose statistics are worth their bytes.
const LONGEST_EMBEDDING: usize = 256;

/// `package` with where its `training` notes and their copies lie, which a calibration starts from:
/// in a projection of their features where there is one and the network has room for it, or
/// else in their embeddings. Packages whose embeddings are longer than 256 values are left as they
/// are: the statistics would be larger than the network.
///
/// # Errors
/// When the network's last layers cannot be calibrated.
pub fn with_statistics(package: ModelPackage, training: &[&Note]) -> Result<ModelPackage> {
    let mut rows: Vec<(usize, &[f32])> = Vec::new();
    for note in training {
        let own = std::iter::once(&note.features).chain(&note.copies);
        rows.extend(own.map(|row| (note.technique.class(), row.as_slice())));
        let made = note.palm_mutes.iter();
        rows.extend(made.map(|row| (Technique::PalmMute.class(), row.as_slice())));
    }
    let input = &package.manifest.input;
    let projection = projection(&input.features).filter(|_| package.has_bypass());
    let n_classes = package.manifest.labels.len();
    let statistics = match projection {
        Some(projection) => {
            let scaler = package.scaler()?;
            let scaled = |(class, features): (usize, &[f32])| {
                let mut scaled = vec![0.0; features.len()];
                scaler.apply(features, &mut scaled);
                (class, scaled)
            };
            let rows: Vec<(usize, Vec<f32>)> = rows.into_iter().map(scaled).collect();
            Statistics::fit_projected(n_classes, &rows, projection)
        }
        None => {
            let mut calibration = Calibration::new(&package)?;
            if calibration.head().n_embedding() > LONGEST_EMBEDDING {
                return Ok(package);
            }
            let mut embeddings = Vec::new();
            for (class, features) in rows {
                embeddings.push((class, calibration.embed(features)?));
            }
            Statistics::fit(n_classes, &embeddings)
        }
    };
    // Without notes of some technique there is nothing to tell.
    let Some(statistics) = statistics else {
        return Ok(package);
    };
    let ModelPackage {
        manifest,
        mut tensors,
        source,
        ..
    } = package;
    tensors.extend(statistics.tensors());
    Ok(ModelPackage::new(manifest, tensors, source)?)
}

/// What a network misses that is trained on `training`, in words; nothing if there is a note of each
/// technique, or a palm mute that was made of one. Without one of them there are no statistics either.
pub fn what_is_missing(training: &[&Note]) -> Option<String> {
    let is_heard = |technique: Technique| {
        training.iter().any(|note| {
            let made = technique == Technique::PalmMute && !note.palm_mutes.is_empty();
            note.technique == technique || made
        })
    };
    let missing = Technique::ALL.into_iter().filter(|t| !is_heard(*t));
    let missing: Vec<&str> = missing.map(Technique::label).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "no note to train on of {}: it cannot name them, nor adapt while somebody plays; add recordings \
             of them, by --training-data if they are not to be tested",
            missing.join(", ")
        )
    })
}

/// As [`with_statistics`], but only for packages that get statistics of their features; others are
/// left as they are.
///
/// # Errors
/// As [`with_statistics`].
pub fn with_statistics_of_features(
    package: ModelPackage,
    training: &[&Note],
) -> Result<ModelPackage> {
    if package.has_bypass() && projection(&package.manifest.input.features).is_some() {
        with_statistics(package, training)
    } else {
        Ok(package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use crate::package::package;
    use crate::training::tests::easy_notes;
    use crate::training::train;

    #[test]
    fn what_no_note_was_heard_of_is_named() {
        let mut notes = easy_notes(2, 1);
        let missing = |notes: &[Note]| what_is_missing(&notes.iter().collect::<Vec<&Note>>());
        assert_eq!(missing(&notes), None);
        notes.retain(|note| {
            note.technique != Technique::Tom && note.technique != Technique::PalmMute
        });
        let both = missing(&notes).unwrap();
        assert!(
            both.starts_with("no note to train on of Tom, Palm mute:"),
            "{both}"
        );
        // A palm mute can be made of another note, a tom cannot.
        notes[0].palm_mutes = vec![vec![0.0; 2]];
        let one = missing(&notes).unwrap();
        assert!(one.starts_with("no note to train on of Tom:"), "{one}");
    }

    #[test]
    fn statistics_are_added_where_they_are_small() {
        let mut architecture = Architecture::find("c").unwrap();
        let notes = easy_notes(173, 4);
        let training: Vec<&Note> = notes.iter().collect();
        let trained = |architecture: &Architecture| {
            let trained = train(architecture, &training, &[], 1, 1);
            package(architecture, &trained, None, Vec::new()).unwrap()
        };
        let large = trained(&architecture);
        assert_eq!(with_statistics(large.clone(), &training).unwrap(), large);
        let sizes = architecture.layers.iter_mut();
        for layer in sizes {
            if let tocco_engines::package::manifest::LayerSpec::Dense {
                inputs, outputs, ..
            } = layer
            {
                for size in [inputs, outputs] {
                    if *size == 350 {
                        *size = 16;
                    }
                }
            }
        }
        let small = with_statistics(trained(&architecture), &training).unwrap();
        let statistics = small.statistics().unwrap().unwrap();
        assert_eq!(statistics.n_point(), 16);
    }
}
