//! What a feature vector costs: `cargo bench --bench features`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tocco_dsp::features::{FeatureExtractor, Preset};

/// A decaying noise burst, so that no branch is perfectly predicted.
fn note(len: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    (0..len)
        .map(|i| {
            let onset = len / 2;
            let envelope = if i < onset {
                1e-3
            } else {
                (-((i - onset) as f64) / 200.0).exp()
            };
            (envelope * random()) as f32
        })
        .collect()
}

/// Whether a selection has a feature of this name.
type Selects = fn(&str) -> bool;

fn extract(criterion: &mut Criterion) {
    use Preset::{LogBark, LogBarkLate, Timbreid};
    let selections: [(&str, Preset, Selects); 6] = [
        ("all 496", Timbreid, |_| true),
        // Kinds and counts as in the paper's networks B and C (facts.md).
        ("173 as in models b and c", Timbreid, |name| {
            let (kind, number) = name.split_once('_').unwrap_or((name, "0"));
            let number = number.parse().unwrap_or(0);
            match kind {
                "cepstrum" => number <= 60,
                "barkSpec" | "bfcc" => number <= 40,
                "mfcc" => number <= 30,
                _ => name != "peakSample_index" && name != "zeroCrossing",
            }
        }),
        ("50 Bark bands", Timbreid, |name| {
            name.starts_with("barkSpec_")
        }),
        ("zero crossings", Timbreid, |name| name == "zeroCrossing"),
        ("the log-Bark patch of tocco", LogBark, |_| true),
        ("the two of tocco-late", LogBarkLate, |_| true),
    ];
    let mut group = criterion.benchmark_group("features");
    for (title, preset, selected) in selections {
        let mut names = preset.feature_names();
        names.retain(|name| selected(name));
        let mut extractor = FeatureExtractor::new(preset, &names).expect("known names");
        let history = note(extractor.history_len());
        let mut features = vec![0.0; names.len()];
        group.bench_function(title, |bencher| {
            bencher.iter(|| extractor.extract(black_box(&history), black_box(&mut features)));
        });
    }
    group.finish();
}

criterion_group!(benches, extract);
criterion_main!(benches);
