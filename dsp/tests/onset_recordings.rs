//! The onset detector on real playing.
//!
//! Measured where the recordings are there: see `recorded_takes`.

mod recorded_takes;

use recorded_takes::{RecordedTake, matches, recorded_takes};
use tocco_dsp::{HOP, OnsetConfig, OnsetDetector, OnsetMethod, SAMPLE_RATE};

const MILLISECOND: f64 = SAMPLE_RATE as f64 / 1000.0;

/// Mean and standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance.sqrt())
}

/// What a method made of all takes.
struct Scores {
    precision: f64,
    recall: f64,
    /// Mean of the estimated position less the label, ms.
    position_error: f64,
    /// Mean of the end of the hop in which the onset was reported less the label, ms.
    delay: f64,
}

fn scores(method: OnsetMethod, takes: &[RecordedTake]) -> Scores {
    let (mut labelled, mut found, mut matched) = (0, 0, 0);
    let (mut delays, mut errors) = (Vec::new(), Vec::new());
    for RecordedTake {
        samples, labels, ..
    } in takes
    {
        let mut detector = OnsetDetector::new(method, &OnsetConfig::default()).unwrap();
        let mut onsets = Vec::new();
        for (index, hop) in samples.as_chunks::<HOP>().0.iter().enumerate() {
            if let Some(found) = detector.process(hop) {
                onsets.push((found.position as f64, ((index + 1) * HOP) as f64));
            }
        }
        labelled += labels.len();
        found += onsets.len();
        let positions: Vec<f64> = onsets.iter().map(|onset| onset.0).collect();
        for (label, index) in labels.iter().zip(matches(labels, &positions)) {
            let Some(index) = index else { continue };
            matched += 1;
            errors.push((onsets[index].0 - label) / MILLISECOND);
            delays.push((onsets[index].1 - label) / MILLISECOND);
        }
    }
    let precision = matched as f64 / found as f64;
    let recall = matched as f64 / labelled as f64;
    let (position_error, error_spread) = spread(&errors);
    let (delay, delay_spread) = spread(&delays);
    delays.sort_by(f64::total_cmp);
    println!(
        "{method}: {} takes, {labelled} notes: precision {precision:.4}, recall {recall:.4}; \
         position {position_error:+.2} ± {error_spread:.2} ms; detected after {delay:.2} ± \
         {delay_spread:.2} ms, p95 {:.2} ms",
        takes.len(),
        delays[delays.len() * 95 / 100]
    );
    Scores {
        precision,
        recall,
        position_error,
        delay,
    }
}

#[test]
fn nearly_every_note_is_found_once_and_in_time() {
    let Some(takes) = recorded_takes() else {
        return;
    };

    let mkl = scores(OnsetMethod::Mkl, &takes);
    let f1 = 2.0 * mkl.precision * mkl.recall / (mkl.precision + mkl.recall);
    assert!(f1 >= 0.975, "F1 {f1}");
    let error = mkl.position_error;
    assert!(error.abs() < 1.0, "position off by {error} ms on average");
    let delay = mkl.delay;
    assert!((5.0..=7.0).contains(&delay), "detected {delay} ms late");

    let flux = scores(OnsetMethod::Flux, &takes);
    assert!(flux.recall >= 0.99, "recall {}", flux.recall);
    assert!(flux.precision >= 0.97, "precision {}", flux.precision);
    let error = flux.position_error;
    assert!(error.abs() < 0.5, "position off by {error} ms on average");
    let delay = flux.delay;
    assert!((0.5..=2.0).contains(&delay), "detected {delay} ms late");
}
