//! How sure a network may be of itself: the temperature of its softmax (Guo, Pleiss, Sun and
//! Weinberger 2017, "On calibration of modern neural networks").

/// Between which temperatures the best is looked for.
const RANGE: (f64, f64) = (0.2, 5.0);

/// Probabilities of a softmax with temperature 1, as they would be with `temperature`.
///
/// Dividing the logarithms of the probabilities is the same as dividing what was before the
/// softmax: they differ by a constant, which the softmax takes away again.
pub fn tempered(probabilities: &[f32], temperature: f64) -> Vec<f32> {
    let logits = probabilities.iter().map(|p| {
        // A probability that was too small for its type counts as the smallest one.
        f64::from(p.max(f32::MIN_POSITIVE)).ln() / temperature
    });
    let logits: Vec<f64> = logits.collect();
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| (share / sum) as f32).collect()
}

/// The temperature with which the right classes of `answers` are likeliest: probabilities with
/// temperature 1 and the index of the right class. 1 if there are no answers.
///
/// The likelihood has one maximum, which is closed in on by the golden section of the logarithm.
pub fn fit<'a>(answers: impl Iterator<Item = (&'a [f32], usize)> + Clone) -> f64 {
    if answers.clone().next().is_none() {
        return 1.0;
    }
    let loss = |log_temperature: f64| -> f64 {
        let surprises = answers.clone().map(|(probabilities, right)| {
            let p = tempered(probabilities, log_temperature.exp())[right];
            -f64::from(p.max(f32::MIN_POSITIVE)).ln()
        });
        surprises.sum()
    };
    let golden = (5_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (RANGE.0.ln(), RANGE.1.ln());
    while high - low > 1e-3 {
        let step = golden * (high - low);
        if loss(high - step) < loss(low + step) {
            high = low + step;
        } else {
            low = high - step;
        }
    }
    // Two digits: more would not be reproducible, and mean nothing.
    ((0.5 * (low + high)).exp() * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_is_undone_by_its_inverse() {
        let plain = [0.7, 0.2, 0.1];
        let cold = tempered(&plain, 0.5);
        // Squares of the odds.
        assert!((cold[0] / cold[1] - 12.25).abs() < 1e-4);
        for (found, expected) in tempered(&cold, 2.0).iter().zip(plain) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert!(tempered(&[1.0, 0.0], 1.0)[1] < 1e-30);
    }

    #[test]
    fn the_fit_finds_how_sure_one_may_be() {
        // Nine of ten are right, where it says 0.7 of two classes: it may be surer.
        let answer = [0.7, 0.3];
        let answers: Vec<(&[f32], usize)> = (0..100)
            .map(|i| (answer.as_slice(), usize::from(i % 10 == 0)))
            .collect();
        let temperature = fit(answers.iter().copied());
        let p = tempered(&answer, temperature)[0];
        assert!((p - 0.9).abs() < 0.01, "{p} at {temperature}");
        assert_eq!(fit(std::iter::empty()), 1.0);
    }
}
