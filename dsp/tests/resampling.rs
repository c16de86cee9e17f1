//! What resampling does to a sound: loudness, images, aliases and time, at each common host rate.

use std::f64::consts::TAU;

use tocco_dsp::{HopStream, OnsetConfig, OnsetDetector, OnsetMethod, SAMPLE_RATE};

/// A sine after resampling.
struct Sine {
    /// Level of the sine itself, dB relative to the input.
    level_db: f64,
    /// Level of everything else in the output (images, aliases, rounding), dB likewise.
    rest_db: f64,
    /// Which point of the input the output's sample 0 shows, by the sine's phase, host samples.
    origin: f64,
}

/// Resamples a second of a sine and takes it apart again by least squares. The frequency is a
/// whole number of Hz, so that a second of output is a whole number of periods.
fn resample_sine(host_rate: f64, frequency: f64) -> Sine {
    let mut stream = HopStream::new(host_rate).unwrap();
    let input: Vec<f32> = (0..(1.2 * host_rate) as usize)
        .map(|i| (TAU * frequency * i as f64 / host_rate).cos() as f32)
        .collect();
    let mut output = Vec::new();
    stream.push(&[&input], |hop, _| output.extend_from_slice(hop));
    // From 0.1 s on, well after the filter's run-in.
    let start = SAMPLE_RATE as usize / 10;
    let second = &output[start..start + SAMPLE_RATE as usize];

    let (mut cosine, mut sine, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in second.iter().enumerate() {
        let angle = TAU * frequency * (start + n) as f64 / f64::from(SAMPLE_RATE);
        cosine += f64::from(*sample) * angle.cos();
        sine += f64::from(*sample) * angle.sin();
        power += f64::from(*sample).powi(2);
    }
    let length = second.len() as f64;
    let (cosine, sine, power) = (2.0 * cosine / length, 2.0 * sine / length, power / length);
    let amplitude = cosine.hypot(sine);
    let rest = (power - amplitude * amplitude / 2.0).max(1e-15) * 2.0;
    Sine {
        level_db: 20.0 * amplitude.log10(),
        rest_db: 10.0 * rest.log10(),
        origin: -sine.atan2(cosine) / (TAU * frequency) * host_rate,
    }
}

#[test]
fn resampling_keeps_the_band_and_the_time() {
    // Host rate; highest frequency that must keep its level; highest one that must leave nothing
    // else behind (below 48 kHz the images of what lies above it are wanted); highest alias of
    // what lies above 25 kHz; longest delay in ms.
    for (host_rate, passband, clean, alias_db, latency_ms) in [
        (8_000.0_f64, 3_600.0_f64, 2_700.0, None, 4.0),
        (44_100.0, 20_000.0, 15_000.0, None, 0.73),
        (88_200.0, 19_000.0, 19_000.0, Some(-70.0), 0.69),
        (96_000.0, 19_000.0, 19_000.0, Some(-70.0), 0.67),
        (192_000.0, 19_000.0, 19_000.0, Some(-40.0), 0.67),
    ] {
        let stream = HopStream::new(host_rate).unwrap();
        let latency = stream.latency() / host_rate * 1000.0;
        assert!(latency <= latency_ms, "{host_rate} Hz: {latency} ms late");

        // Sound positions: what the phase of a slow sine says.
        let slow = resample_sine(host_rate, (passband / 40.0).round());
        let step = host_rate / f64::from(SAMPLE_RATE);
        assert!(
            (-0.01..step + 0.02).contains(&slow.origin),
            "{}",
            slow.origin
        );
        for analysis in 1_000_000u64..1_001_000 {
            let shown = slow.origin + analysis as f64 * step;
            assert!((stream.clock().host_position(analysis) as f64 - shown).abs() < 0.51);
        }

        let (mut ripple, mut rest) = (0.0f64, f64::NEG_INFINITY);
        for step in 1..=12 {
            let part = f64::from(step) / 12.0;
            let sine = resample_sine(host_rate, (passband * part).round());
            ripple = ripple.max(sine.level_db.abs());
            let sine = resample_sine(host_rate, (clean * part).round());
            rest = rest.max(sine.rest_db);
        }
        assert!(ripple < 0.01, "{host_rate} Hz: ripple {ripple} dB");
        assert!(rest < -90.0, "{host_rate} Hz: everything else at {rest} dB");

        let alias = alias_db.map(|highest| {
            let found = [25_000.0, 26_000.0, 28_000.0, 36_000.0].map(|frequency| {
                let sine = resample_sine(host_rate, frequency);
                sine.level_db.max(sine.rest_db)
            });
            let found = found.into_iter().fold(f64::NEG_INFINITY, f64::max);
            assert!(found < highest, "{host_rate} Hz: alias at {found} dB");
            found
        });
        println!(
            "{host_rate} Hz: latency {} samples = {latency:.2} ms; up to {passband} Hz ripple \
             {ripple:.4} dB, up to {clean} Hz all else {rest:.0} dB; alias from above 25 kHz {alias:.0?} dB",
            stream.latency()
        );
    }
}

/// A stream that begins in the middle of a sound has nothing before it that could rise.
#[test]
fn a_stream_that_begins_in_sound_begins_with_no_rise() {
    for host_rate in [8_000.0, 22_050.0, 44_100.0, 48_048.0, 96_000.0, 192_000.0] {
        let mut stream = HopStream::new(host_rate).unwrap();
        for _ in 0..2 {
            let mut output = Vec::new();
            stream.push(&[&[0.1; 8_192]], |hop, _| output.extend_from_slice(hop));
            for sample in &output {
                assert!((sample - 0.1).abs() < 1e-3, "{host_rate} Hz: {sample}");
            }
            stream.reset();
        }
    }
}

/// At 48 kHz nothing is resampled.
#[test]
fn a_stream_that_begins_in_a_tone_begins_as_at_48_khz() {
    let found = |host_rate: f64, frequency: f64| {
        let mut stream = HopStream::new(host_rate).unwrap();
        let tone: Vec<f32> = (0..(0.3 * host_rate) as usize)
            .map(|i| 0.3 * (TAU * (frequency * i as f64 / host_rate + 0.1)).sin() as f32)
            .collect();
        let mut detector = OnsetDetector::new(OnsetMethod::Flux, &OnsetConfig::default()).unwrap();
        let mut found = Vec::new();
        stream.push(&[&tone], |hop, _| found.extend(detector.process(hop)));
        found
    };
    for frequency in [110.0, 230.0, 440.0, 1_000.0] {
        let expected = found(48_000.0, frequency);
        for host_rate in [8_000.0, 44_100.0, 88_200.0, 96_000.0, 192_000.0] {
            let found = found(host_rate, frequency);
            assert_eq!(
                found.len(),
                expected.len(),
                "{host_rate} Hz, {frequency} Hz: {found:?}"
            );
        }
    }
}

/// The first sample of the analysis shows the first one of the host.
#[test]
fn a_click_at_the_first_samples_is_where_it_was() {
    for host_rate in [8_000.0_f64, 44_100.0, 96_000.0, 192_000.0] {
        let mut stream = HopStream::new(host_rate).unwrap();
        let at = (host_rate / 2_000.0) as usize;
        let mut input = vec![0.0f32; 8_192];
        input[at] = 1.0;
        let mut output = Vec::new();
        stream.push(&[&input], |hop, _| output.extend_from_slice(hop));
        let loudest =
            (0..output.len()).max_by(|a, b| output[*a].abs().total_cmp(&output[*b].abs()));
        let found = stream.clock().host_position(loudest.unwrap() as u64);
        assert!(
            found.abs_diff(at as u64) <= 1 + (host_rate / 96_000.0) as u64,
            "{host_rate} Hz: {found}"
        );
    }
}

/// Networks that learned from 48 kHz recordings have never met an empty band.
#[test]
fn nothing_is_empty_above_the_nyquist_frequency_of_a_host_at_44100_hz() {
    // An image of 21 kHz lies at 23.1 kHz.
    let sine = resample_sine(44_100.0, 21_000.0);
    let image_db = sine.rest_db - sine.level_db;
    assert!((-12.0..0.0).contains(&image_db), "{image_db} dB");
    // Film runs at 48,048 Hz.
    let sine = resample_sine(48_048.0, 23_000.0);
    assert!(sine.level_db > -12.0, "{} dB", sine.level_db);
}
