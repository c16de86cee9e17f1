//! The onset detector on real playing, measured where the recordings are there.
//!
//! They lie beside the repository (`shared/recordings`, or `TOCCO_RECORDINGS`) and are no part of
//! it; without them the test says so and passes.

use std::path::{Path, PathBuf};

use tocco_dsp::{HOP, OnsetConfig, OnsetDetector, OnsetMethod, SAMPLE_RATE};

const MILLISECOND: f64 = SAMPLE_RATE as f64 / 1000.0;

fn recordings() -> Option<PathBuf> {
    let folder = std::env::var_os("TOCCO_RECORDINGS").map_or_else(
        || {
            // The repository may be a worktree a folder deeper than the clone.
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .map(|folder| folder.join("shared/recordings"))
                .find(|folder| folder.is_dir())
        },
        |folder| Some(folder.into()),
    );
    if folder.is_none() {
        eprintln!("skipped: no shared/recordings here, and TOCCO_RECORDINGS is not set");
    }
    folder
}

/// The samples and the labelled onsets, in samples, of every take.
fn takes(folder: &Path) -> Vec<(Vec<f32>, Vec<f64>)> {
    let mut files: Vec<PathBuf> = ["takes", "crops"]
        .iter()
        .flat_map(|kind| std::fs::read_dir(folder.join(kind)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wav"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let mut wav = hound::WavReader::open(path).unwrap();
        let scale = 1.0 / (1i32 << (wav.spec().bits_per_sample - 1)) as f32;
        let samples = wav.samples::<i32>().map(|s| s.unwrap() as f32 * scale);
        let samples = samples.collect();
        let labels = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let seconds = labels.lines().filter_map(|l| l.split_whitespace().next());
        let labels = seconds.map(|s| s.parse::<f64>().unwrap() * SAMPLE_RATE as f64);
        (samples, labels.collect())
    };
    files.iter().map(read).collect()
}

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

fn scores(method: OnsetMethod, takes: &[(Vec<f32>, Vec<f64>)]) -> Scores {
    let (mut labelled, mut found, mut matched) = (0, 0, 0);
    let (mut delays, mut errors) = (Vec::new(), Vec::new());
    for (samples, labels) in takes {
        let mut detector = OnsetDetector::new(method, &OnsetConfig::default()).unwrap();
        let mut onsets = Vec::new();
        for (index, hop) in samples.as_chunks::<HOP>().0.iter().enumerate() {
            if let Some(found) = detector.process(hop) {
                onsets.push((found.position as f64, ((index + 1) * HOP) as f64));
            }
        }
        labelled += labels.len();
        found += onsets.len();
        // One to one, in order of time, within 20 ms.
        let mut onsets = onsets.into_iter().peekable();
        for label in labels {
            while onsets
                .next_if(|o| o.0 < label - 20.0 * MILLISECOND)
                .is_some()
            {}
            if let Some((position, detected)) =
                onsets.next_if(|o| o.0 <= label + 20.0 * MILLISECOND)
            {
                matched += 1;
                errors.push((position - label) / MILLISECOND);
                delays.push((detected - label) / MILLISECOND);
            }
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
    let Some(folder) = recordings() else { return };
    let takes = takes(&folder);

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
