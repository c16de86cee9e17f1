//! A minute of whatever a host may send does no lasting harm.

use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{
    Analyzer, Extraction, HopStream, OnsetConfig, OnsetMethod, SAMPLE_RATE, denormals,
};

/// Two seconds of silence, then a plucked tone.
fn note() -> Vec<f32> {
    let rate = SAMPLE_RATE as usize;
    let mut samples = vec![0.0; 3 * rate];
    for (i, sample) in samples[2 * rate..].iter_mut().enumerate() {
        let t = i as f32 / rate as f32;
        *sample = (1..8)
            .map(|k| (std::f32::consts::TAU * 196.0 * k as f32 * t).sin() / k as f32)
            .sum::<f32>()
            * 0.2
            * (-t * 6.0).exp();
    }
    samples
}

/// Feeds a minute of `signal`, then a note; returns the most notes that a method found in the
/// minute.
fn survive(host_rate: f64, signal: impl Fn(usize) -> f32) -> usize {
    let minute: Vec<f32> = (0..60 * host_rate as usize).map(signal).collect();
    let found = OnsetMethod::ALL.map(|method| survive_with(method, host_rate, &minute));
    found[0].max(found[1])
}

fn survive_with(method: OnsetMethod, host_rate: f64, minute: &[f32]) -> usize {
    let mut stream = HopStream::new(host_rate).unwrap();
    let names = Preset::Timbreid.feature_names();
    let extractor = FeatureExtractor::new(Preset::Timbreid, &names).unwrap();
    let mut extraction = Extraction::new(method, extractor, 5).unwrap();
    let mut analyzer = Analyzer::new(&OnsetConfig::default(), method).unwrap();
    let mut push = |samples: &[f32]| {
        let mut positions = Vec::new();
        for block in samples.chunks(512) {
            stream.push(&[block], |hop, end| {
                if let Some(note) = analyzer.push_hop(hop, &mut extraction, None).note {
                    assert!(note.features.iter().all(|f| f.is_finite()));
                    assert!(note.peak_db.is_finite());
                    assert!(note.onset.position < note.window_end);
                    assert!(note.window_end <= end.analysis);
                    let waited = end.analysis - note.onset.detected;
                    match method {
                        OnsetMethod::Mkl => assert_eq!(waited, 5 * 64),
                        // The place may lie 384 samples further on.
                        OnsetMethod::Flux => assert!(waited <= (5 + 7) * 64, "{waited}"),
                    }
                    positions.push(note.onset.position);
                }
            });
        }
        positions
    };
    denormals::flush(|| {
        let during = push(minute);
        let start = minute.len() as f64 / host_rate * f64::from(SAMPLE_RATE);
        let after = push(&note());
        let expected = start + 2.0 * f64::from(SAMPLE_RATE) * f64::from(SAMPLE_RATE) / host_rate;
        // The end of a loud sound may be heard as one more onset, right at that end.
        let found = after
            .iter()
            .filter(|position| (**position as f64 - expected).abs() < 0.01 * 48_000.0)
            .count();
        assert_eq!(found, 1, "{method}: {after:?}, expected {expected}");
        assert!(after.len() <= 2, "{method}: {after:?}");
        during.len()
    })
}

fn noise(i: usize) -> f32 {
    // A hash of the index: white, the same on every run.
    let mut x = i as u32;
    x = (x ^ (x >> 16)).wrapping_mul(0x45d9_f3b5);
    x = (x ^ (x >> 16)).wrapping_mul(0x45d9_f3b5);
    ((x ^ (x >> 16)) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

#[test]
fn not_a_number() {
    assert_eq!(survive(48_000.0, |_| f32::NAN), 0);
    assert_eq!(survive(44_100.0, |_| f32::NAN), 0);
}

#[test]
fn infinity() {
    let signal = |i: usize| {
        if i.is_multiple_of(2) {
            f32::INFINITY
        } else {
            f32::NEG_INFINITY
        }
    };
    assert_eq!(survive(48_000.0, signal), 0);
}

#[test]
fn the_largest_numbers() {
    survive(44_100.0, |i| if i % 3 == 0 { f32::MAX } else { f32::MIN });
}

#[test]
fn denormal_numbers() {
    assert_eq!(survive(44_100.0, |i| f32::from_bits(1 + i as u32 % 99)), 0);
}

#[test]
fn silence() {
    assert_eq!(survive(48_000.0, |_| 0.0), 0);
}

#[test]
fn direct_current() {
    assert!(survive(48_000.0, |_| 1.0) <= 1);
}

#[test]
fn full_scale_noise() {
    survive(48_000.0, noise);
    survive(192_000.0, noise);
}

#[test]
fn full_scale_square() {
    survive(48_000.0, |i| if i / 240 % 2 == 0 { 1.0 } else { -1.0 });
}
