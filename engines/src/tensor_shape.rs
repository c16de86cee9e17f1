//! The shapes that foreign model files declare, and the one in which a feature vector fits them.

/// The sizes of a tensor that holds `n` values, where the file declares `declared` and a size
/// below 1 stands for "any". An open first size of several is the batch and becomes 1; of the
/// others the last takes what the rest leave. `None` if no such shape holds `n` values.
pub(crate) fn fit(declared: &[i64], n: usize) -> Option<Vec<usize>> {
    let mut shape = Vec::with_capacity(declared.len());
    let mut open = None;
    for (axis, &size) in declared.iter().enumerate() {
        shape.push(if size > 0 {
            usize::try_from(size).ok()?
        } else {
            1
        });
        if size <= 0 && (axis > 0 || declared.len() == 1) {
            open = Some(axis);
        }
    }
    let known = shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))?;
    match open {
        Some(axis) if n > 0 && n.is_multiple_of(known) => shape[axis] = n / known,
        _ if n == known => {}
        _ => return None,
    }
    Some(shape)
}

/// Most values that a network may give: as many as may pass between two layers of our own.
pub(crate) const LARGEST_OUTPUT: usize = 1 << 20;

/// Number of values of an output of the sizes `shape`; `None` if there is none, or more than
/// [`LARGEST_OUTPUT`].
pub(crate) fn output_len(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
        .filter(|n| (1..=LARGEST_OUTPUT).contains(n))
}

/// A shape without open sizes as people write it: `[1, 173]`.
pub(crate) fn display_sizes(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// A shape as people write it, with `?` for an open size: `[?, 173]`.
pub(crate) fn display(declared: &[i64]) -> String {
    let sizes: Vec<String> = declared
        .iter()
        .map(|&size| {
            if size > 0 {
                size.to_string()
            } else {
                "?".to_owned()
            }
        })
        .collect();
    format!("[{}]", sizes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_sizes_are_filled() {
        assert_eq!(fit(&[1, 173], 173), Some(vec![1, 173]));
        assert_eq!(fit(&[-1, 173], 173), Some(vec![1, 173]));
        assert_eq!(fit(&[-1, -1], 5), Some(vec![1, 5]));
        assert_eq!(fit(&[-1, 4, 6, 1], 24), Some(vec![1, 4, 6, 1]));
        assert_eq!(fit(&[-1, 4, -1, 1], 24), Some(vec![1, 4, 6, 1]));
        assert_eq!(fit(&[173], 173), Some(vec![173]));
        assert_eq!(fit(&[-1], 173), Some(vec![173]));
        assert_eq!(fit(&[], 1), Some(vec![]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(fit(&[1, 173], 172), None);
        assert_eq!(fit(&[1, 173], 346), None);
        assert_eq!(fit(&[-1, 2], 4), None, "a batch is not features");
        assert_eq!(fit(&[-1, 4, -1], 6), None);
        assert_eq!(fit(&[], 2), None);
        assert_eq!(fit(&[-1, -1], 0), None);
        assert_eq!(fit(&[i64::MAX, i64::MAX, 3], 5), None);
    }

    #[test]
    fn an_output_has_some_values_and_not_too_many() {
        assert_eq!(output_len(&[1, 10, 8]), Some(80));
        assert_eq!(output_len(&[]), Some(1));
        assert_eq!(output_len(&[1, 0]), None);
        assert_eq!(output_len(&[LARGEST_OUTPUT, 2]), None);
        assert_eq!(output_len(&[usize::MAX, usize::MAX]), None);
    }

    #[test]
    fn open_sizes_are_shown_as_question_marks() {
        assert_eq!(display(&[-1, 173]), "[?, 173]");
    }
}
