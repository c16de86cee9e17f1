//! Where notes are said to begin, against their labels, as recorded and in other surroundings.
//!
//! Measured where the recordings are there: see `recorded_takes`.

mod recorded_takes;

use recorded_takes::{Random, RecordedTake, matches, power, recorded_takes};
use tocco_dsp::features::{FeatureExtractor, Preset};
use tocco_dsp::{Analyzer, Extraction, HOP, OnsetConfig, OnsetMethod};

/// Up to so long before a label all is made silent but for a room's noise, samples: 8 ms. A
/// millisecond later all is there.
const QUIET: usize = 384;

/// What is before each note.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    AsRecorded,
    Quiet,
    /// A string of the same player that was struck a quarter of a second earlier, 20 dB below.
    Ringing,
}

/// `take` with each note in other surroundings. A note sounds up to where the next is made quiet.
fn altered(before: Before, take: &RecordedTake, takes: &[RecordedTake], seed: u64) -> Vec<f32> {
    let mut samples = take.samples.clone();
    let mut random = Random::new(seed);
    match before {
        Before::AsRecorded => {}
        Before::Quiet => {
            let fade = 240;
            for label in &take.labels {
                let end = (*label as usize).saturating_sub(QUIET);
                let start = end.saturating_sub(4_800);
                for (i, sample) in samples[start..end].iter_mut().enumerate() {
                    *sample *= 1.0 - (i as f32 / fade as f32).min(1.0);
                }
                for (i, sample) in samples[end..][..48].iter_mut().enumerate() {
                    *sample *= i as f32 / 48.0;
                }
            }
            let room = random.noise(samples.len(), -76.0);
            samples.iter_mut().zip(room).for_each(|(s, n)| *s += n);
        }
        Before::Ringing => {
            let strings = takes.iter().filter(|other| {
                other.pitched && other.player == take.player && !std::ptr::eq(*other, take)
            });
            let strings: Vec<&RecordedTake> = strings.collect();
            for label in &take.labels {
                let label = *label as usize;
                let string = strings[random.below(strings.len())];
                let struck = string.labels[random.below(string.labels.len())] as usize;
                // From 100 ms after the string was struck, a quarter of a second before the note.
                let (from, start) = (struck + 4_800, label.saturating_sub(12_000));
                let ringing = &string.samples[from.min(string.samples.len())..];
                let next = string
                    .labels
                    .iter()
                    .find(|next| **next > struck as f64 + 1.0);
                let length = next.map_or(usize::MAX, |next| (*next as usize).saturating_sub(from));
                let length = length.min(ringing.len()).min(24_000);
                if length < 12_000 + 1_000 {
                    continue;
                }
                let under = power(&ringing[label - start..][..640]);
                let note = power(&take.samples[label..][..640]);
                let gain = 0.1 * (note / under).sqrt();
                for (i, value) in ringing[..length].iter().enumerate() {
                    let fade = i.min(length - 1 - i) as f32 / 960.0;
                    if let Some(sample) = samples.get_mut(start + i) {
                        *sample += gain * fade.min(1.0) * value;
                    }
                }
            }
        }
    }
    samples
}

/// A found note, relative to its label, samples.
#[derive(Clone, Copy)]
struct Placed {
    /// Where the detector put it.
    detected: f64,
    /// Where its features say it begins.
    place: f64,
    /// When its features were known.
    answered: f64,
}

/// For each label, what was found of it.
fn places(samples: &[f32], labels: &[f64]) -> Vec<Option<Placed>> {
    let extractor = FeatureExtractor::new(Preset::Timbreid, &["zeroCrossing"]).unwrap();
    let config = OnsetConfig::default();
    let mut extraction = Extraction::new(OnsetMethod::Flux, extractor, 7).unwrap();
    let mut analyzer = Analyzer::new(&config, extraction.method()).unwrap();
    let (mut detected, mut notes) = (Vec::new(), Vec::new());
    for (index, hop) in samples.as_chunks::<HOP>().0.iter().enumerate() {
        let analysis = analyzer.push_hop(hop, &mut extraction, None);
        detected.extend(analysis.onset.map(|onset| onset.position as f64));
        let answered = ((index + 1) * HOP) as f64;
        notes.extend(
            analysis
                .note
                .map(|note| (note.onset.position as f64, answered)),
        );
    }
    let found = matches(labels, &notes.iter().map(|note| note.0).collect::<Vec<_>>());
    let placed = labels.iter().zip(found).map(|(label, found)| {
        let index = found?;
        Some(Placed {
            detected: detected[index] - label,
            place: notes[index].0 - label,
            answered: notes[index].1 - label,
        })
    });
    placed.collect()
}

/// Median and mean absolute deviation from it.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    let deviation = values.iter().map(|v| (v - median).abs()).sum::<f64>() / values.len() as f64;
    (median, deviation)
}

/// Share of those that differ by more than 32 samples when only what was before them does.
fn moved(
    as_recorded: &[Option<Placed>],
    altered: &[Option<Placed>],
    of: fn(&Placed) -> f64,
) -> f64 {
    let both = as_recorded.iter().zip(altered);
    let both: Vec<_> = both
        .filter_map(|(a, b)| Some((of(a.as_ref()?) - of(b.as_ref()?)).abs()))
        .collect();
    both.iter().filter(|distance| **distance > 32.0).count() as f64 / both.len() as f64
}

#[test]
fn the_place_does_not_depend_on_what_was_before_the_note() {
    let Some(takes) = recorded_takes() else {
        return;
    };
    println!(
        "| notes | before | detector: median/deviation | moved | place: median/deviation | moved \
         | answer, ms: mean | over 11 ms |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for pitched in [false, true] {
        let those = || takes.iter().filter(|take| take.pitched == pitched);
        let heard = |before| -> Vec<Option<Placed>> {
            let heard = those().enumerate().flat_map(|(seed, take)| {
                places(&altered(before, take, &takes, seed as u64), &take.labels)
            });
            heard.collect()
        };
        let as_recorded = heard(Before::AsRecorded);
        for (name, before) in [
            ("as recorded", Before::AsRecorded),
            ("quiet", Before::Quiet),
            ("ringing at -20 dB", Before::Ringing),
        ] {
            let heard = heard(before);
            let found = || heard.iter().flatten();
            let detector = spread(found().map(|note| note.detected));
            let place = spread(found().map(|note| note.place));
            let [detector_moved, place_moved]: [fn(&Placed) -> f64; 2] =
                [|note| note.detected, |note| note.place];
            let detector_moved = moved(&as_recorded, &heard, detector_moved);
            let place_moved = moved(&as_recorded, &heard, place_moved);
            // The label is the measure here, whose own spread is under 1 ms.
            let n = found().count() as f64;
            let answer = found().map(|note| note.answered).sum::<f64>() / n / 48.0;
            let late = found()
                .filter(|note| note.answered - note.place > 528.0)
                .count() as f64
                / n;
            println!(
                "| {} | {name} | {:.0}/{:.0} | {:.1} % | {:.0}/{:.0} | {:.1} % | {answer:.2} | \
                 {:.1} % |",
                if pitched { "pitched" } else { "percussive" },
                detector.0,
                detector.1,
                100.0 * detector_moved,
                place.0,
                place.1,
                100.0 * place_moved,
                100.0 * late
            );
            assert!(
                place.0.abs() <= 48.0,
                "{name}: placed {} samples off",
                place.0
            );
            assert!(
                place_moved <= 0.12,
                "{name}: {place_moved} of the notes moved"
            );
            assert!(answer <= 11.1, "{name}: answered after {answer} ms");
            assert!(late <= 0.05, "{name}: {late} of the answers came late");
        }
    }
}
