//! Whether probabilities mean what they say, and what is gained by holding back unsure answers.

/// Bins of the expected calibration error, evenly from 0 to 1.
const BINS: usize = 10;

/// Gates of the curve of accuracy over the share of notes answered.
pub const GATES: [f32; 9] = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// An answer's probability and whether it was right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Graded {
    /// The probability that the answer was given with.
    pub confidence: f32,
    /// Whether it was right.
    pub right: bool,
}

/// The expected calibration error (Naeini, Cooper and Hauskrecht 2015): the difference between
/// mean probability and accuracy in ten bins of the probability, weighted by their answers.
pub fn expected_calibration_error(answers: &[Graded]) -> f64 {
    let mut differences = [0.0_f64; BINS];
    for answer in answers {
        let bin = (answer.confidence * BINS as f32) as usize;
        differences[bin.min(BINS - 1)] +=
            f64::from(answer.confidence) - f64::from(u8::from(answer.right));
    }
    let sum: f64 = differences.iter().map(|difference| difference.abs()).sum();
    sum / answers.len().max(1) as f64
}

/// What is left behind a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gated {
    /// Least probability of the answers that pass.
    pub gate: f32,
    /// Share of the answers that pass.
    pub share: f64,
    /// Share of those that are right; nothing if none pass.
    pub accuracy: Option<f64>,
}

/// What is left behind each of [`GATES`].
pub fn gated(answers: &[Graded]) -> Vec<Gated> {
    let behind = |gate: f32| {
        let passing = answers.iter().filter(|answer| answer.confidence >= gate);
        let n = passing.clone().count();
        let right = passing.filter(|answer| answer.right).count();
        Gated {
            gate,
            share: n as f64 / answers.len().max(1) as f64,
            accuracy: (n > 0).then(|| right as f64 / n as f64),
        }
    };
    GATES.map(behind).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(confidence: f32, right: usize, wrong: usize) -> Vec<Graded> {
        let graded = |right| Graded { confidence, right };
        let rights = std::iter::repeat_n(graded(true), right);
        rights
            .chain(std::iter::repeat_n(graded(false), wrong))
            .collect()
    }

    #[test]
    fn the_error_is_zero_only_if_probabilities_are_true() {
        let mut all = answers(0.75, 3, 1);
        assert!(expected_calibration_error(&all).abs() < 1e-6);
        // Four answers that say 1 and are never right.
        all.extend(answers(1.0, 0, 4));
        assert!((expected_calibration_error(&all) - 0.5).abs() < 1e-6);
        assert_eq!(expected_calibration_error(&[]), 0.0);
    }

    #[test]
    fn a_gate_lets_sure_answers_through() {
        let mut all = answers(0.55, 1, 1);
        all.extend(answers(0.95, 2, 0));
        let curve = gated(&all);
        assert_eq!((curve[0].share, curve[0].accuracy), (1.0, Some(0.75)));
        let half = curve.iter().find(|g| g.gate == 0.6).unwrap();
        assert_eq!((half.share, half.accuracy), (0.5, Some(1.0)));
        assert_eq!(gated(&answers(0.5, 1, 0))[8].accuracy, None);
    }
}
