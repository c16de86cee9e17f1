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
