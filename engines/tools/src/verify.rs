//! Whether a converted file computes what the package computes.

use anyhow::{Result, ensure};
use serde::Serialize;
use tocco_engines::network::Network;
use tocco_engines::{Engine, reference};

/// Largest difference that counts as the same, in an output or relative to one beyond 1.
pub const TOLERANCE: f64 = 1e-5;

/// How an engine's results differ from double precision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Feature vectors compared.
    pub vectors: usize,
    /// Largest difference of an output, relative where the output is beyond 1.
    pub largest: f64,
    /// Vectors for which another class wins.
    pub other_winners: usize,
}

impl Difference {
    /// Whether the engine computes the same. A comparison of nothing proves nothing.
    pub fn is_small(&self) -> bool {
        self.vectors > 0 && self.largest <= TOLERANCE && self.other_winners == 0
    }
}

/// Runs `engine` on scaled feature vectors and compares it with `network` in double precision.
///
/// # Errors
/// When the engine fails or has other numbers of inputs or outputs.
pub fn compare(
    engine: &mut dyn Engine,
    network: &Network,
    vectors: &[Vec<f32>],
) -> Result<Difference> {
    ensure!(
        engine.n_features() == network.n_inputs() && engine.n_classes() == network.n_outputs(),
        "the file maps {} features to {} probabilities, the package {} to {}",
        engine.n_features(),
        engine.n_classes(),
        network.n_inputs(),
        network.n_outputs(),
    );
    let mut probabilities = vec![0.0; network.n_outputs()];
    let mut difference = Difference {
        vectors: vectors.len(),
        largest: 0.0,
        other_winners: 0,
    };
    for features in vectors {
        engine.infer(features, &mut probabilities)?;
        let expected = reference::infer(network, features);
        for (&found, expected) in probabilities.iter().zip(&expected) {
            let distance = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
            // A probability that is not a number is as far off as can be.
            difference.largest = difference.largest.max(if distance.is_nan() {
                f64::INFINITY
            } else {
                distance
            });
        }
        difference.other_winners += usize::from(winner(&probabilities) != winner(&expected));
    }
    Ok(difference)
}

/// Index of the largest value.
fn winner<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// `n` vectors `[size]` of roughly normal numbers with deviation 1, as scaled features are. The
/// same ones every time.
pub fn random_vectors(n: usize, size: usize) -> Vec<Vec<f32>> {
    // xorshift64*, Vigna 2016.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        bits as f32 / (1_u32 << 23) as f32 - 1.0
    };
    // The sum of three uniform numbers from -1 to 1 has variance 1.
    (0..n)
        .map(|_| (0..size).map(|_| (0..3).map(|_| uniform()).sum()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use tocco_engines::InferError;

    use super::*;

    /// Gives the same answer whatever it is asked.
    struct Stubborn([f32; 2]);

    impl Engine for Stubborn {
        fn name(&self) -> &'static str {
            "stubborn"
        }

        fn n_features(&self) -> usize {
            2
        }

        fn n_classes(&self) -> usize {
            2
        }

        fn infer(&mut self, _: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
            probabilities.copy_from_slice(&self.0);
            Ok(())
        }
    }

    fn difference(answer: [f32; 2]) -> Difference {
        let package = crate::probe::package().unwrap();
        let network = package.network().unwrap();
        // softmax(1, 1)
        compare(&mut Stubborn(answer), &network, &[vec![1.0, 0.0]]).unwrap()
    }

    #[test]
    fn wrong_answers_are_noticed() {
        assert!(difference([0.5, 0.5]).is_small());
        assert!(!difference([0.500_02, 0.499_98]).is_small());
        assert!(
            !difference([0.499_999, 0.500_001]).is_small(),
            "another class wins"
        );
        assert!(!difference([f32::NAN, 0.5]).is_small());
    }

    #[test]
    fn large_outputs_are_compared_by_their_size() {
        let json = r#"{"in_shape": [null, null, 2], "out_gain": 60, "layers": [{"type": "dense",
            "activation": "", "shape": [null, null, 2], "weights": [[[1, 2], [3, 4]], [0.5, 0]]}]}"#;
        let network = tocco_engines::rtneural::parse(json.as_bytes(), "loud.json").unwrap();
        let mut engine = tocco_engines::native::NativeEngine::new(&network);
        let found = compare(&mut engine, &network, &random_vectors(50, 2)).unwrap();
        assert!(found.is_small(), "{found:?}");
    }

    #[test]
    fn random_vectors_have_deviation_one() {
        let vectors = random_vectors(100, 50);
        let squares: f32 = vectors.iter().flatten().map(|x| x * x).sum();
        let variance = squares / 5000.0;
        assert!((0.9..1.1).contains(&variance), "{variance}");
    }
}
