//! Finite samples give finite features, whatever they are.

use tocco_dsp::features::{FeatureExtractor, Preset};

fn extract(preset: Preset, sample: impl FnMut(usize) -> f32) -> (Vec<String>, Vec<f32>) {
    let names = preset.feature_names();
    let mut extractor = FeatureExtractor::new(preset, &names).unwrap();
    let history: Vec<f32> = (0..extractor.history_len()).map(sample).collect();
    let mut features = vec![f32::NAN; names.len()];
    extractor.extract(&history, &mut features);
    (names, features)
}

/// A sample by its place in the history.
type Sample = fn(usize) -> f32;

/// Windows at the edges of what samples can be.
fn degenerate() -> Vec<(&'static str, Sample)> {
    vec![
        ("silence", |_| 0.0),
        ("negative zero", |_| -0.0),
        ("DC", |_| 0.5),
        ("the smallest DC", |_| f32::from_bits(1)),
        ("the largest DC", |_| f32::MAX),
        ("the largest square wave", |i| {
            if i / 20 % 2 == 0 { f32::MAX } else { f32::MIN }
        }),
        ("the largest next to the smallest", |i| {
            if i % 2 == 0 {
                f32::MAX
            } else {
                f32::MIN_POSITIVE
            }
        }),
        ("the fastest alternation", |i| {
            if i % 2 == 0 { 1.0 } else { -1.0 }
        }),
        ("one sample, the newest", |i| {
            f32::from(i == 945 || i == 703)
        }),
        ("one sample, the window's first", |i| f32::from(i == 242)),
        ("full-scale noise", |i| {
            ((i as u32).wrapping_mul(2_654_435_761) as i32) as f32 / 2_147_483_648.0
        }),
    ]
}

#[test]
fn finite_samples_give_finite_features() {
    for &preset in Preset::ALL {
        for (title, sample) in degenerate() {
            let (names, features) = extract(preset, sample);
            for (name, feature) in names.iter().zip(features) {
                assert!(
                    feature.is_finite(),
                    "{preset}, {title}: {name} is {feature}"
                );
            }
        }
    }
}

#[test]
fn silence_has_the_values_of_the_reference() {
    for preset in [Preset::Timbreid, Preset::Timbreid48k] {
        let (names, features) = extract(preset, |_| 0.0);
        for (name, feature) in names.iter().zip(features) {
            let expected = match name.as_str() {
                "barkSpecBrightness" => -1.0,
                // Quiet at once: ten samples at 48 kHz.
                "attackTime_value" => (10.0_f64 / 48_000.0) as f32 * 1_000.0,
                _ => 0.0,
            };
            assert_eq!(feature, expected, "{preset}: {name}");
        }
    }
}

#[test]
fn a_sound_without_a_quiet_start_has_no_attack_time() {
    let (names, features) = extract(Preset::Timbreid, |i| if i % 2 == 0 { 0.3 } else { -0.3 });
    assert_eq!((names[0].as_str(), features[0]), ("attackTime_value", -1.0));
}

#[test]
fn bad_samples_leave_nothing_behind() {
    let names = Preset::Timbreid.feature_names();
    let mut extractor = FeatureExtractor::new(Preset::Timbreid, &names).unwrap();
    let good: Vec<f32> = (0..extractor.history_len())
        .map(|i| (0.1 * i as f32).sin())
        .collect();
    let mut before = vec![0.0; names.len()];
    extractor.extract(&good, &mut before);

    let mut features = vec![0.0; names.len()];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        extractor.extract(&vec![bad; good.len()], &mut features);
        extractor.extract(&good, &mut features);
        assert_eq!(features, before, "after {bad}");
    }
}
