//! Nested lists of numbers.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// Most dimensions of a weight: those of a two-dimensional convolution's kernel.
const MOST_DIMENSIONS: usize = 4;

/// A nested list without gaps: row-major values and their shape.
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Array {
    /// The same values with the last axis moved to the front, `[..., n]` to `[n, ...]`: Keras
    /// keeps a kernel's outputs last, we keep them first.
    pub(super) fn last_axis_first(&self) -> Vec<f32> {
        let n = self.shape.last().copied().unwrap_or(1);
        let mut turned = Vec::with_capacity(self.values.len());
        for output in 0..n {
            turned.extend(self.values.iter().skip(output).step_by(n));
        }
        turned
    }
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut nest = Nest::default();
        Level {
            nest: &mut nest,
            depth: 0,
        }
        .deserialize(deserializer)?;
        let shape: Vec<usize> = nest
            .sizes
            .into_iter()
            .map(|size| size.unwrap_or(0))
            .collect();
        // Numbers beside empty lists stand where the shape has none.
        let n = shape
            .iter()
            .try_fold(1_usize, |n, &size| n.checked_mul(size));
        if n != Some(nest.values.len()) {
            return Err(D::Error::custom("numbers and lists side by side"));
        }
        Ok(Self {
            shape,
            values: nest.values,
        })
    }
}

/// What has been read so far.
#[derive(Default)]
struct Nest {
    /// Length of the lists of each depth, as soon as one of them has ended.
    sizes: Vec<Option<usize>>,
    /// Depth of the numbers, as soon as one has been read.
    numbers_at: Option<usize>,
    values: Vec<f32>,
}

/// Reads what is at one depth.
struct Level<'a> {
    nest: &'a mut Nest,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers in nested lists")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        let narrow = number as f32;
        if !narrow.is_finite() {
            return Err(E::custom("a number beyond the range of f32"));
        }
        if *self.nest.numbers_at.get_or_insert(self.depth) != self.depth {
            return Err(E::custom("numbers at different depths of nested lists"));
        }
        self.nest.values.push(narrow);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { nest, depth } = self;
        if depth == MOST_DIMENSIONS {
            return Err(A::Error::custom("lists nested more than four deep"));
        }
        if nest.sizes.len() == depth {
            nest.sizes.push(None);
        }
        let mut n = 0_usize;
        while list
            .next_element_seed(Level {
                nest: &mut *nest,
                depth: depth + 1,
            })?
            .is_some()
        {
            n += 1;
        }
        let size = *nest.sizes[depth].get_or_insert(n);
        if size != n {
            return Err(A::Error::custom(format_args!(
                "lists of {size} and of {n} entries side by side"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Array, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn shape_and_order_are_kept() {
        let array = parse("[[1, 2, 3], [4, 5.5, -6e0]]").unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.values, [1.0, 2.0, 3.0, 4.0, 5.5, -6.0]);
        assert_eq!(array.last_axis_first(), [1.0, 4.0, 2.0, 5.5, 3.0, -6.0]);
    }

    #[test]
    fn gaps_are_refused() {
        for json in [
            "[[1, 2], [3]]",
            "[1, [2]]",
            "[[1], 2]",
            "[[], [1]]",
            "[1, []]",
            "[[], 1]",
            "[[[[[1]]]]]",
            "[1e39]",
            "[null]",
            "[\"1\"]",
        ] {
            assert!(parse(json).is_err(), "{json} was accepted");
        }
    }
}
