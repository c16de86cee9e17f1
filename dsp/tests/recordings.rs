//! The features of the real recordings against those of the paper authors' own extractor.
//!
//! The recordings are not part of this repository. They are looked for in `$TOCCO_SHARED`, or else
//! in `shared` beside the repository; without them the test says so and passes, except in
//! continuous integration (`CI=true`).

mod golden;

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};

use golden::{Mismatches, Table};
use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{HOP, SAMPLE_RATE};

#[test]
fn timbreid_is_exactly_the_papers_plugin() {
    compare(Preset::Timbreid, "timbreid_plugin_exact.csv");
}

#[test]
fn timbreid_48k_is_the_reference_with_filterbanks_for_48_khz() {
    compare(Preset::Timbreid48k, "timbreid_48k_filterbanks.csv");
}

fn compare(preset: Preset, file_name: &str) {
    let Some(shared) = shared() else { return };
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

/// The folder with the golden vectors and the recordings.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = env::var_os("TOCCO_SHARED").map_or_else(beside, PathBuf::from);
    if path.join("golden").is_dir() {
        return Some(path);
    }
    let missing = format!(
        "no golden vectors in {}; set TOCCO_SHARED to the folder that has golden/ and recordings/",
        path.display()
    );
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "{missing} (CI=true does not allow to skip this test)"
    );
    eprintln!("skipped: {missing}");
    None
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
