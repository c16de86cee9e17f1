//! Detected onsets against labelled ones.

/// How far a detected onset may lie from a label, seconds (the measure of the onset studies that
/// the recordings come from, and of `shared/facts.md`).
pub const TOLERANCE_S: f64 = 0.020;

/// Matches each label to at most one detected onset within [`TOLERANCE_S`] and each onset to at
/// most one label: as many pairs as there can be.
///
/// Both lists ascend. The result has an entry for each label, `[n_labels]`: the index of its
/// onset.
pub fn match_onsets(labels_s: &[f64], detected_s: &[f64]) -> Vec<Option<usize>> {
    // All labels allow the same distance, so pairing the earliest label with the earliest onset
    // that fits never costs a pair.
    let mut next = 0;
    labels_s
        .iter()
        .map(|label| {
            while detected_s
                .get(next)
                .is_some_and(|d| *d < label - TOLERANCE_S)
            {
                next += 1;
            }
            let fits = detected_s
                .get(next)
                .is_some_and(|d| *d <= label + TOLERANCE_S);
            fits.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_are_one_to_one() {
        let detected = [0.101, 0.115, 0.5, 0.99];
        assert_eq!(
            match_onsets(&[0.1, 0.3, 1.0], &detected),
            [Some(0), None, Some(3)]
        );
        assert_eq!(match_onsets(&[0.1, 0.105], &[0.1]), [Some(0), None]);
        assert_eq!(match_onsets(&[0.1], &[0.1205]), [None]);
        assert_eq!(match_onsets(&[0.1], &[0.0805, 0.1195]), [Some(0)]);
    }

    /// The size of the largest matching, by trying everything.
    fn most(labels: &[f64], detected: &[f64]) -> usize {
        let Some((label, rest)) = labels.split_first() else {
            return 0;
        };
        let mut best = most(rest, detected);
        for (i, d) in detected.iter().enumerate() {
            if (d - label).abs() <= TOLERANCE_S {
                let mut others = detected.to_vec();
                others.remove(i);
                best = best.max(1 + most(rest, &others));
            }
        }
        best
    }

    proptest! {
        #[test]
        fn as_many_pairs_as_there_can_be(
            mut labels in proptest::collection::vec(0.0_f64..0.15, 0..6),
            mut detected in proptest::collection::vec(0.0_f64..0.15, 0..6),
        ) {
            labels.sort_by(f64::total_cmp);
            detected.sort_by(f64::total_cmp);
            let matches = match_onsets(&labels, &detected);
            let used: Vec<usize> = matches.iter().flatten().copied().collect();
            prop_assert!(used.windows(2).all(|pair| pair[0] < pair[1]));
            for (label, i) in labels.iter().zip(&matches) {
                if let Some(i) = i {
                    prop_assert!((label - detected[*i]).abs() <= TOLERANCE_S + 1e-12);
                }
            }
            prop_assert_eq!(used.len(), most(&labels, &detected));
        }
    }
}
