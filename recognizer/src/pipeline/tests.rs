//! The pipeline without a plugin around it.

use super::*;

use crate::classification::ModelSerial;
use crate::level_feed::{COLUMN_HOPS, FLOOR_DB};
use crate::model::RunConfig;
use crate::model::tests::shipped;
use crate::runner::Wake;
use tocco_dsp::synth::add_tone;
use tocco_dsp::synth::noise::Noise;
use tocco_engines::EngineId;

/// Decaying tones of different pitch, one every 150 ms.
fn playing(host_rate: f64, notes: usize) -> Vec<f32> {
    let spacing = (0.15 * host_rate) as usize;
    let mut samples = vec![0.0; spacing * (notes + 1)];
    for note in 0..notes {
        let start = spacing / 2 + note * spacing;
        let pitch = 110.0 * (1.0 + (note % 7) as f64);
        for (i, sample) in samples[start..].iter_mut().take(spacing).enumerate() {
            let t = i as f64 / host_rate;
            let tone: f64 = (1..5)
                .map(|k| (std::f64::consts::TAU * pitch * f64::from(k) * t).sin())
                .sum();
            *sample += (0.15 * tone * (-t * 30.0).exp()) as f32;
        }
    }
    samples
}

fn pipeline(host_rate: f64, offline: bool) -> (Pipeline, ServiceEnd, Arc<Telemetry>) {
    pipeline_of("c", host_rate, offline)
}

fn pipeline_of(id: &str, host_rate: f64, offline: bool) -> (Pipeline, ServiceEnd, Arc<Telemetry>) {
    let config = RunConfig {
        offline,
        wake: Wake::Armed,
        block: Duration::from_millis(1),
    };
    let (model, _) =
        LoadedModel::new(&shipped(id), EngineId::Native, ModelSerial(0), config).unwrap();
    let telemetry = Arc::new(Telemetry::default());
    let (pipeline, end) = Pipeline::new(host_rate, model, Arc::clone(&telemetry)).unwrap();
    (pipeline, end, telemetry)
}

fn listen(pipeline: &mut Pipeline, samples: &[f32], blocks: &[usize]) -> Vec<Classification> {
    let mut results = Vec::new();
    let (mut start, mut sizes) = (0, blocks.iter().cycle());
    while start < samples.len() {
        let size = (*sizes.next().unwrap()).min(samples.len() - start);
        let block = &samples[start..start + size];
        pipeline.process(&[block], &Settings::default(), |result, offset| {
            assert!(offset < size);
            assert_eq!(result.seen, (start + offset + 1) as u64);
            results.push(*result);
        });
        start += size;
    }
    results
}

#[test]
fn every_note_is_answered_inline_whatever_the_block_size() {
    let samples = playing(48_000.0, 12);
    let strip = |results: &[Classification]| -> Vec<_> {
        let one = |r: &Classification| (r.note.onset_id, r.note.position, r.seen, r.probabilities);
        results.iter().map(one).collect()
    };
    let (mut first, _end, telemetry) = pipeline(48_000.0, false);
    let expected = listen(&mut first, &samples, &[64]);
    assert_eq!(expected.len(), 12);
    assert_eq!(telemetry.counters.onsets.load(Relaxed), 12);
    assert_eq!(telemetry.counters.first.results.load(Relaxed), 12);
    for blocks in [&[1][..], &[63], &[65], &[512], &[8192], &[1, 700, 64, 3000]] {
        let (mut pipeline, _end, _) = pipeline(48_000.0, false);
        let results = listen(&mut pipeline, &samples, blocks);
        assert_eq!(strip(&results), strip(&expected), "blocks of {blocks:?}");
    }
}

#[test]
fn a_reader_sees_the_input_and_its_notes_and_changes_nothing() {
    let samples = playing(48_000.0, 5);
    let ids = |results: &[Classification]| -> Vec<_> {
        results
            .iter()
            .map(|r| (r.note.onset_id, r.class, r.note.position))
            .collect()
    };
    let (mut unread, _end, _) = pipeline(48_000.0, false);
    let expected = listen(&mut unread, &samples, &[64]);
    let (mut pipeline, _end, telemetry) = pipeline(48_000.0, false);
    let feed = &telemetry.levels;
    feed.open(true);
    let results = listen(&mut pipeline, &samples, &[64]);
    assert_eq!(ids(&results), ids(&expected));
    let columns: Vec<_> = std::iter::from_fn(|| feed.next_column()).collect();
    assert_eq!(columns.len(), samples.len() / (HOP * COLUMN_HOPS));
    let marks: Vec<_> = std::iter::from_fn(|| feed.next_mark()).collect();
    assert_eq!(marks.len(), results.len());
    let gate = feed.gate_db();
    assert_eq!(gate, -53.0);
    for (mark, result) in marks.iter().zip(&results) {
        assert_eq!(u64::from(mark.position), result.note.position);
        assert_eq!(usize::from(mark.class), result.class);
        let place = columns.iter().position(|column| column.end > mark.position);
        let loudest = columns[place.unwrap()..].iter().take(4);
        let loudest = loudest.map(|column| column.level_db).fold(gate, f32::max);
        assert!(loudest > gate + 10.0, "{mark:?}: {loudest} dB");
    }
    assert_eq!((feed.clipped(), feed.dropped()), (0, 0));
}

#[test]
fn a_reader_sees_nothing_from_before_a_reset() {
    let (mut pipeline, _end, telemetry) = pipeline(48_000.0, false);
    telemetry.levels.open(true);
    listen(&mut pipeline, &[1.0; HOP], &[HOP]);
    pipeline.reset();
    listen(&mut pipeline, &[0.0; HOP * COLUMN_HOPS], &[HOP]);
    let column = telemetry.levels.next_column().unwrap();
    assert_eq!(column.peak_db, FLOOR_DB);
    assert_eq!(column.end as usize, HOP * COLUMN_HOPS);
}

/// A note and, 100 ms later, one 8 dB softer that it rings over: only the second look hears it.
fn note_under_a_ringing_one() -> Vec<f32> {
    let mut noise = Noise::new(1);
    let mut samples: Vec<f32> = (0..48_000).map(|_| 1e-4 * noise.sample() as f32).collect();
    add_tone(&mut samples, 9_600, 110.0, 0.3);
    add_tone(&mut samples, 14_400, 294.0, 0.3 * 10_f32.powf(-8.0 / 20.0));
    samples
}

#[test]
fn the_second_look_can_be_switched_off_and_on() {
    let samples = note_under_a_ringing_one();
    let (mut pipeline, _end, telemetry) = pipeline_of("tocco", 48_000.0, true);
    let onsets = &telemetry.counters.onsets;
    for (second_look, expected) in [(false, 1), (true, 2), (false, 1)] {
        let mut settings = Settings::default();
        settings.onset.second_look = second_look;
        let before = onsets.load(Relaxed);
        pipeline.reset();
        for block in samples.chunks(HOP) {
            pipeline.process(&[block], &settings, |_, _| {});
        }
        assert_eq!(onsets.load(Relaxed) - before, expected, "{second_look}");
    }
}

#[test]
fn what_a_thread_answered_is_seen_at_the_end_of_a_hop() {
    for (host_rate, hop, size) in [
        (48_000.0, HOP, 32),
        (48_000.0, HOP, 512),
        (8_000.0, 11, 256),
        (192_000.0, 256, 2_048),
    ] {
        let samples = playing(host_rate, 4);
        let (mut pipeline, _end, _) = pipeline_of("a", host_rate, false);
        let (mut start, mut results) = (0, 0);
        for block in samples.chunks(size) {
            pipeline.process(&[block], &Settings::default(), |result, offset| {
                assert!(!result.inline);
                let seen = result.seen as usize;
                let of_first_hop = offset == 0 && seen == start + block.len().min(hop);
                // A stream that is known to be ahead waits where it asks.
                let where_asked = seen == start + offset + 1;
                assert!(of_first_hop || where_asked, "{start} {offset} {seen}");
                results += 1;
            });
            start += block.len();
        }
        assert!(results > 0);
    }
}
