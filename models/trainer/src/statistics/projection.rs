//! What of log-Bark patches a calibration compares a player's notes by.

/// The patches' names.
const PATCHES: [&str; 2] = ["logBark_", "logBarkLate_"];

/// The stretches of each patch that levels are averaged over.
const STRETCHES: usize = 4;

/// The matrix `[n_point, n_features]`, row-major, that averages the levels of each band of a
/// log-Bark patch over stretches of its time: that much of a note is alike from one time to the
/// next. With several patches, one after the other. `None` for other features.
pub fn projection(features: &[String]) -> Option<Vec<f32>> {
    let mut matrix = Vec::new();
    for prefix in PATCHES {
        matrix.extend(of_patch(features, prefix));
    }
    (!matrix.is_empty()).then_some(matrix)
}

/// The rows of the patch whose levels' names begin with `prefix`; none if there are no such names.
fn of_patch(features: &[String], prefix: &str) -> Vec<f32> {
    let places: Vec<_> = features.iter().map(|name| place(name, prefix)).collect();
    let levels = || places.iter().flatten();
    let n_frames = levels().map(|(frame, _)| frame + 1).max().unwrap_or(0);
    let n_bands = levels().map(|(_, band)| band + 1).max().unwrap_or(0);
    let stretch = |frame: usize| frame * STRETCHES / n_frames;
    let mut matrix = vec![0.0; STRETCHES * n_bands * features.len()];
    for (row, weights) in matrix.chunks_exact_mut(features.len()).enumerate() {
        let averaged = |place: &Option<(usize, usize)>| {
            place.is_some_and(|(frame, band)| stretch(frame) * n_bands + band == row)
        };
        let n = places.iter().filter(|place| averaged(place)).count();
        for (weight, place) in weights.iter_mut().zip(&places) {
            if averaged(place) {
                *weight = 1.0 / n as f32;
            }
        }
    }
    matrix
}

/// Frame and band, counted from 0, of the level named `name` of the patch named `prefix`.
fn place(name: &str, prefix: &str) -> Option<(usize, usize)> {
    let (frame, band) = name.strip_prefix(prefix)?.split_once('_')?;
    let index = |number: &str| number.parse::<usize>().ok()?.checked_sub(1);
    Some((index(frame)?, index(band)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_dsp::features::Preset;

    #[test]
    fn levels_are_averaged_over_stretches_and_motion_is_left_out() {
        for (preset, n_point) in [
            (Preset::LogBark, 4 * 24),
            (Preset::LogBarkSure, 4 * 24),
            (Preset::LogBarkLate, (4 + 4) * 24),
        ] {
            let features = preset.feature_names();
            let matrix = projection(&features).unwrap();
            let rows: Vec<&[f32]> = matrix.chunks_exact(features.len()).collect();
            assert_eq!(rows.len(), n_point);
            for row in &rows {
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            }
            for (i, name) in features.iter().enumerate() {
                let uses = rows.iter().filter(|row| row[i] > 0.0).count();
                assert_eq!(uses, usize::from(!name.contains("Motion")), "{name}");
            }
        }
        assert_eq!(projection(&["mfcc_1".to_owned()]), None);
    }
}
