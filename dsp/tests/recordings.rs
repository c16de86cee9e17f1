//! The features of the real recordings against those of the paper authors' own extractor.
//!
//! The recordings are not part of this repository: `tocco-recordings` says where they are looked for. Without
//! them the test is skipped.

mod golden;

use std::collections::HashMap;
use std::path::Path;

use golden::{Mismatches, Table};
use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{HOP, SAMPLE_RATE};
use tocco_recordings::shared_with;

#[test]
fn timbreid_is_exactly_the_papers_plugin() {
    compare(Preset::Timbreid, "timbreid_plugin_exact.csv");
}

#[test]
fn timbreid_48k_is_the_reference_with_filterbanks_for_48_khz() {
    compare(Preset::Timbreid48k, "timbreid_48k_filterbanks.csv");
}

fn compare(preset: Preset, file_name: &str) {
    let Some(shared) = shared_with(&["golden", "recordings/crops"]) else {
        return;
    };
    let table = Table::read(&shared.join("golden").join(file_name));
    assert_eq!(table.names, preset.feature_names(), "{file_name}: header");
    let mut extractor = FeatureExtractor::new(preset, &table.names).unwrap();
    let mut features = vec![0.0; extractor.n_features()];
    let mut recordings = HashMap::new();
    let mut mismatches = Mismatches::default();
    for row in &table.rows {
        let samples = recordings
            .entry(row.source.clone())
            .or_insert_with(|| read_wav(&shared.join("recordings/crops").join(&row.source)));
        let history = golden::history(samples, row.block_index, extractor.history_len());
        extractor.extract(&history, &mut features);
        mismatches.compare(&table.names, row, &features);
    }
    assert_eq!(table.rows.len(), 72, "{file_name}: rows");
    mismatches.assert_none(file_name);
}

fn read_wav(path: &Path) -> Vec<f32> {
    let mut wav =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = wav.spec();
    assert_eq!((spec.channels, spec.sample_rate), (1, SAMPLE_RATE));
    let full_scale = f32::powi(2.0, i32::from(spec.bits_per_sample) - 1);
    wav.samples::<i32>()
        .map(|sample| sample.unwrap() as f32 / full_scale)
        .collect()
}

#[test]
fn the_history_ends_with_the_block_and_begins_with_silence() {
    let samples: Vec<f32> = (1..=300).map(|i| i as f32).collect();
    let history = golden::history(&samples, 1, 3 * HOP);
    assert_eq!(history[..HOP], [0.0; HOP]);
    assert_eq!(history[HOP..], samples[..2 * HOP]);
}
