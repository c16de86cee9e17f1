//! Whether weights are still themselves once 16 bits hold them.
//!
//! What is too large for a format becomes infinite. What is small loses digits in `f16` from 2^-14
//! down, and is 0 from 2^-25 down. Where a batch normalisation has been folded into a layer, whole rows
//! or columns of it may be as large or as small as that.

use half::{bf16, f16};

use super::WeightFormat;

/// A matrix `[rows, columns]`, row-major, and its number of columns.
pub(super) type Matrix<'a> = (&'a [f32], usize);

/// Whether `format` can hold the `matrices` of a layer, which have the same rows: no row of all and no
/// column loses more than twice what rounding to the format's digits can take. Columns are looked at,
/// too: the input of one whose weights are small may be large. Formats of other sizes can hold any.
pub(super) fn holds(format: WeightFormat, matrices: &[Matrix]) -> bool {
    match format {
        // 11 significant bits.
        WeightFormat::F16 => {
            let stored = |w| f16::from_f32(w).to_f32();
            loses_little(matrices, stored, 2.0_f64.powi(-10))
        }
        // 8 significant bits.
        WeightFormat::Bf16 => {
            let stored = |w| bf16::from_f32(w).to_f32();
            loses_little(matrices, stored, 2.0_f64.powi(-7))
        }
        WeightFormat::F32 | WeightFormat::Int8 => true,
    }
}

/// Whether no row and no column loses more than `most` of the sum of its absolute values when each
/// weight becomes what `stored` makes of it.
fn loses_little(matrices: &[Matrix], stored: impl Fn(f32) -> f32, most: f64) -> bool {
    let rows = matrices
        .first()
        .map_or(0, |(weight, columns)| weight.len() / columns);
    let mut of_rows = vec![Loss::default(); rows];
    for (weight, columns) in matrices {
        let mut of_columns = vec![Loss::default(); *columns];
        for (row, of_row) in weight.chunks_exact(*columns).zip(&mut of_rows) {
            for (weight, of_column) in row.iter().zip(&mut of_columns) {
                let (weight, stored) = (f64::from(*weight), f64::from(stored(*weight)));
                of_row.add(weight, stored);
                of_column.add(weight, stored);
            }
        }
        if !of_columns.iter().all(|loss| loss.is_at_most(most)) {
            return false;
        }
    }
    of_rows.iter().all(|loss| loss.is_at_most(most))
}

/// What some weights lose, and the sum of their absolute values.
#[derive(Debug, Clone, Copy, Default)]
struct Loss {
    lost: f64,
    all: f64,
}

impl Loss {
    fn add(&mut self, weight: f64, stored: f64) {
        self.lost += (weight - stored).abs();
        self.all += weight.abs();
    }

    /// Not so if a weight became infinite.
    fn is_at_most(&self, most: f64) -> bool {
        self.lost <= most * self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALVES: [WeightFormat; 2] = [WeightFormat::F16, WeightFormat::Bf16];

    /// `[20, 30]`, absolute values of 0.01 to 1.
    fn usual() -> Vec<f32> {
        let value = |i: u16| 0.01 + 0.99 * (f32::from(i) * 0.71).sin().abs();
        (0..600)
            .map(|i| value(i) * if i % 3 == 0 { -1.0 } else { 1.0 })
            .collect()
    }

    fn is_held(format: WeightFormat, weight: &[f32]) -> bool {
        holds(format, &[(weight, 30)])
    }

    #[test]
    fn usual_weights_are_held_zeros_and_a_few_small_ones_among_them() {
        let mut weight = usual();
        weight[70..95].fill(0.0);
        weight[95..110].fill(1e-9);
        // A column of zeros.
        weight.iter_mut().step_by(30).for_each(|w| *w = 0.0);
        for format in WeightFormat::ALL {
            assert!(is_held(format, &weight), "{format}");
        }
    }

    #[test]
    fn what_becomes_infinite_is_not_held() {
        let mut weight = usual();
        weight[31] = -70_000.0;
        assert!(!is_held(WeightFormat::F16, &weight));
        assert!(is_held(WeightFormat::Bf16, &weight));
        weight[31] = f32::MAX;
        for format in HALVES {
            assert!(!is_held(format, &weight), "{format}");
        }
    }

    #[test]
    fn rows_and_columns_that_lose_their_digits_are_not_held() {
        for scale in [1e-5, 1e-9] {
            let (mut row, mut column) = (usual(), usual());
            row[60..90].iter_mut().for_each(|w| *w *= scale);
            column
                .iter_mut()
                .skip(7)
                .step_by(30)
                .for_each(|w| *w *= scale);
            for weight in [row, column] {
                assert!(!is_held(WeightFormat::F16, &weight), "{scale:e}");
                // Its exponents are those of f32.
                assert!(is_held(WeightFormat::Bf16, &weight), "{scale:e}");
            }
        }
    }

    /// Of one input, each row of whose weights is one weight.
    #[test]
    fn rows_go_through_all_matrices_of_a_layer() {
        let recurrent = usual();
        let alone = |kernel: &[f32]| holds(WeightFormat::F16, &[(kernel, 1)]);
        let beside =
            |kernel: &[f32]| holds(WeightFormat::F16, &[(kernel, 1), (&recurrent[..], 30)]);
        let mut kernel = recurrent[..20].to_vec();
        kernel[3] = 1e-8;
        assert!(!alone(&kernel) && beside(&kernel));
        kernel.fill(1e-8);
        assert!(!beside(&kernel));
    }
}
