//! The features of a synthetic signal against those of an independent slow implementation
//! (`golden/reference.py`, which made `golden/*.csv`): the check that needs no recordings.
//!
//! The signal has noise in it throughout, because the reference is in double precision: in the
//! cepstrum of a purer sound the rounding errors of single precision would show.

mod golden;

use std::path::Path;

use golden::{Mismatches, Table};
use tocco_dsp::features::{FeatureExtractor, Preset};

#[test]
fn the_timbreid_presets_are_those_of_the_reference() {
    let samples = synthetic_signal();
    for preset in [Preset::Timbreid, Preset::Timbreid48k] {
        let file_name = format!("{preset}.csv");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let table = Table::read(&folder.join(&file_name));
        assert_eq!(table.names, preset.feature_names(), "{file_name}: header");
        let mut extractor = FeatureExtractor::new(preset, &table.names).unwrap();
        let mut features = vec![0.0; extractor.n_features()];
        let mut mismatches = Mismatches::default();
        for row in &table.rows {
            let history = golden::history(&samples, row.block_index, extractor.history_len());
            extractor.extract(&history, &mut features);
            mismatches.compare(&table.names, row, &features);
        }
        mismatches.assert_none(&file_name);
    }
}

#[test]
fn a_selection_has_the_values_of_the_full_vector_in_its_own_order() {
    let samples = synthetic_signal();
    let preset = Preset::Timbreid;
    let all = preset.feature_names();
    let mut full = FeatureExtractor::new(preset, &all).unwrap();
    let history = golden::history(&samples, 14, full.history_len());
    let mut expected = vec![0.0; all.len()];
    full.extract(&history, &mut expected);

    // Each feature alone, so that nothing it needs is computed on another one's behalf.
    for (name, expected) in all.iter().zip(&expected) {
        let mut extractor = FeatureExtractor::new(preset, &[name]).unwrap();
        let mut found = [f32::NAN];
        extractor.extract(&history, &mut found);
        assert_eq!(found, [*expected], "{name} alone");
    }

    let backwards: Vec<_> = all.iter().rev().collect();
    let mut extractor = FeatureExtractor::new(preset, &backwards).unwrap();
    let mut found = vec![f32::NAN; all.len()];
    extractor.extract(&history, &mut found);
    expected.reverse();
    assert_eq!(found, expected);
}

/// The signal of `synthetic_signal` in `golden/reference.py`: whole numbers only, so that both
/// agree to the bit.
fn synthetic_signal() -> Vec<f32> {
    struct Segment {
        /// In samples.
        length: i64,
        amplitude: i64,
        /// As a right shift.
        decay: u32,
        /// Of the triangle wave, of 65536 a period.
        step: i64,
        /// The shares of the triangle wave and of the noise.
        tone: i64,
        noise: i64,
    }
    let segment = |length, amplitude, decay, step, tone, noise| Segment {
        length,
        amplitude,
        decay,
        step,
        tone,
        noise,
    };
    let segments = [
        segment(1_500, 9_000, 9, 1_700, 3, 1),
        segment(1_500, 0, 9, 0, 0, 0),
        segment(1_600, 20_000, 8, 137, 6, 1),
        segment(1_600, 12_000, 10, 5_003, 3, 2),
        segment(1_600, 14_000, 30, 911, 0, 5),
        segment(1_600, 30, 30, 911, 2, 3),
        segment(1_600, 3_000, 7, 410, 1, 6),
    ];
    let mut samples = Vec::new();
    let mut state = 1_u32;
    for mut segment in segments {
        for i in 0..segment.length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let triangle = 2 * (i * segment.step % 65_536 - 32_768).abs() - 32_768;
            let hiss = i64::from(state >> 16) - 32_768;
            let sum = segment.tone * triangle + segment.noise * hiss;
            samples.push(((sum * segment.amplitude) >> 10) as f32 / 8_388_608.0);
            segment.amplitude -= segment.amplitude >> segment.decay;
        }
    }
    samples
}
