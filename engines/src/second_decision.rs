//! One answer of two: that of a network that answers at once, and that of another one that has heard
//! more of the same note.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Calibration, LoadError};

/// How much the first network counts in the amended answer. The second one alone is right as often
/// where nothing else sounds (leave-one-player-out .784, with this share .789); where another note
/// rings on or the room answers, the first one, which has heard little of that, makes up for it (.704
/// and .730 with a note at -20 dB). Chosen from 0, 0.3 and 0.5, see `models/RESEARCH.md`.
const FIRST_SHARE: f32 = 0.3;

/// The amended probability of a class to which the two networks give the probabilities `first` and
/// `second`.
///
/// Real-time safe.
#[must_use]
pub fn amended(first: f32, second: f32) -> f32 {
    FIRST_SHARE * first + (1.0 - FIRST_SHARE) * second
}

/// Where the second network's profile lies if the first one's is `path`: `me.json` and
/// `me.second.json`. Allocates.
#[must_use]
pub fn second_profile(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".second");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Writes the profile of `first` to `path` and that of `second` beside it. Without a second one, a
/// profile beside it is removed: it is of another lesson.
///
/// # Errors
/// When a file cannot be written or removed.
pub fn save_profiles(
    path: &Path,
    first: &Calibration,
    second: Option<&Calibration>,
) -> Result<(), LoadError> {
    first.save(path)?;
    let beside = second_profile(path);
    if let Some(second) = second {
        return second.save(beside);
    }
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(LoadError::Write {
            file: beside.display().to_string(),
            error,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_profile_lies_beside_the_first() {
        for (first, second) in [
            ("a/me.json", "a/me.second.json"),
            ("a/my.own.json", "a/my.own.second.json"),
            ("me", "me.second"),
        ] {
            assert_eq!(second_profile(Path::new(first)), Path::new(second));
        }
    }

    #[test]
    fn amended_probabilities_are_probabilities() {
        let (first, second) = ([0.7, 0.2, 0.1], [0.0, 0.25, 0.75]);
        let both: Vec<f32> = (0..3).map(|c| amended(first[c], second[c])).collect();
        assert!((both.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{both:?}");
        // The second one has heard more.
        assert!(both[2] > both[0], "{both:?}");
        for class in 0..3 {
            let (low, high) = (
                first[class].min(second[class]),
                first[class].max(second[class]),
            );
            assert!((low..=high).contains(&both[class]));
        }
    }
}
