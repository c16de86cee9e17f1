//! Both onset methods in made performances: recorded notes laid close together, damped, struck over
//! strings that ring on, and soft.
//!
//! Tables for `docs/onset.md`: `cargo test --release -p tocco-dsp --test onset_playing --
//! --nocapture`, where the recordings are there (see `recorded_takes`).

mod recorded_takes;

use std::collections::BTreeMap;

use recorded_takes::{Random, RecordedTake, matches, power, recorded_takes};
use tocco_dsp::{HOP, OnsetConfig, OnsetDetector, OnsetMethod};

const INTERVALS_MS: [usize; 6] = [60, 80, 100, 150, 250, 400];
/// A note begins so many samples before its label, with a fade.
const BEFORE: usize = 96;
/// Notes of one performance.
const NOTES: usize = 150;

/// A note that was played.
struct Played {
    label: f64,
    /// To the note before, ms.
    interval_ms: usize,
    /// Level of its first 13 ms above that of the 12 ms before, dB.
    step_db: f32,
}

struct Performance {
    samples: Vec<f32>,
    notes: Vec<Played>,
}

/// Every note of the takes, from [`BEFORE`] samples before its label to shortly before the next.
fn cut<'a>(takes: impl Iterator<Item = &'a RecordedTake>) -> Vec<(bool, Vec<f32>)> {
    let mut notes = Vec::new();
    for take in takes {
        for (i, label) in take.labels.iter().enumerate() {
            let label = *label as usize;
            let next = take
                .labels
                .get(i + 1)
                .map_or(take.samples.len(), |n| *n as usize - 240);
            let end = next.min(label + 48_000);
            if label < BEFORE || end < label + 4_000 {
                continue;
            }
            let mut note = take.samples[label - BEFORE..end].to_vec();
            let length = note.len();
            for (i, sample) in note.iter_mut().take(48).enumerate() {
                *sample *= i as f32 / 48.0;
            }
            for i in 0..480 {
                note[length - 1 - i] *= i as f32 / 480.0;
            }
            notes.push((take.pitched, note));
        }
    }
    notes
}

/// Half of the notes are damped up to 40 ms before the next, the others ring on; one in eight is a
/// ghost note 18 dB softer.
fn perform(notes: &[(bool, Vec<f32>)], seed: u64) -> Performance {
    let mut random = Random::new(seed);
    let pitched: Vec<_> = notes.iter().filter(|(pitched, _)| *pitched).collect();
    let mut samples = vec![0.0_f32; (NOTES + 8) * 20_400];
    let (mut labels, mut at, mut interval_ms) = (Vec::new(), 24_000, 400);
    for index in 0..NOTES {
        // Strings more often than hits: they ring.
        let (_, note) = match random.below(4) {
            0 => pitched[random.below(pitched.len())],
            _ => &notes[random.below(notes.len())],
        };
        if index > 0 && random.uniform() < 0.5 {
            let (last, _): (usize, usize) = labels[index - 1];
            let stop = (at - random.below(1_920)).max(last + 960);
            for (i, sample) in samples[stop..].iter_mut().enumerate() {
                *sample *= 1.0 - (i as f32 / 96.0).min(1.0);
            }
        }
        let gain = if random.uniform() < 0.12 { 0.126 } else { 1.0 };
        for (sample, value) in samples[at - BEFORE..].iter_mut().zip(note) {
            *sample += gain * value;
        }
        labels.push((at, interval_ms));
        interval_ms = INTERVALS_MS[random.below(INTERVALS_MS.len())];
        at += (interval_ms as f64 * 48.0 * (0.97 + 0.06 * random.uniform())) as usize;
    }
    samples.truncate(at + 24_000);
    let room = random.noise(samples.len(), -80.0);
    samples.iter_mut().zip(room).for_each(|(s, n)| *s += n);
    let played = |(at, interval_ms): (usize, usize)| Played {
        label: at as f64,
        interval_ms,
        step_db: 10.0
            * (power(&samples[at..][..624]) / power(&samples[at - 624..at - 48]).max(1e-12))
                .log10(),
    };
    Performance {
        notes: labels.into_iter().map(played).collect(),
        samples,
    }
}

#[derive(Default, Clone, Copy)]
struct Count {
    played: usize,
    heard: usize,
}

impl Count {
    fn recall(self) -> f64 {
        self.heard as f64 / self.played.max(1) as f64
    }
}

#[derive(Default)]
struct Counts {
    all: Count,
    rising: Count,
    by_interval: BTreeMap<usize, Count>,
    by_step: BTreeMap<i32, Count>,
    /// Onsets that are no note: within 50 ms after one that was heard, and others.
    doubles: usize,
    invented: usize,
}

impl Counts {
    fn add(&mut self, performance: &Performance, found: &[f64]) {
        let labels: Vec<f64> = performance.notes.iter().map(|note| note.label).collect();
        let matched = matches(&labels, found);
        for (note, index) in performance.notes.iter().zip(&matched) {
            // Up to 0, 3, 6, 12, 20 dB and above.
            let mut step = [0, 3, 6, 12, 20]
                .iter()
                .filter(|step| note.step_db >= **step as f32);
            let step = step.next_back().copied().unwrap_or(-1);
            let mut counts = vec![
                &mut self.all,
                self.by_interval.entry(note.interval_ms).or_default(),
                self.by_step.entry(step).or_default(),
            ];
            if note.step_db >= 3.0 {
                counts.push(&mut self.rising);
            }
            for count in counts {
                count.played += 1;
                count.heard += usize::from(index.is_some());
            }
        }
        for (index, at) in found.iter().enumerate() {
            if !matched.contains(&Some(index)) {
                let heard = labels.iter().zip(&matched).filter(|(_, m)| m.is_some());
                let double = heard
                    .map(|(l, _)| at - l)
                    .any(|after| (0.0..2_400.0).contains(&after));
                self.doubles += usize::from(double);
                self.invented += usize::from(!double);
            }
        }
    }

    fn precision(&self) -> f64 {
        let found = self.all.heard + self.doubles + self.invented;
        self.all.heard as f64 / found.max(1) as f64
    }

    fn f1(&self, recall: f64) -> f64 {
        2.0 * recall * self.precision() / (recall + self.precision())
    }
}

fn heard(method: OnsetMethod, samples: &[f32]) -> Vec<f64> {
    let mut detector = OnsetDetector::new(method, &OnsetConfig::default()).unwrap();
    let hops = samples.as_chunks::<HOP>().0.iter();
    hops.filter_map(|hop| detector.process(hop))
        .map(|found| found.position as f64)
        .collect()
}

#[test]
fn flux_hears_what_is_played_close_together() {
    let Some(takes) = recorded_takes() else {
        return;
    };
    let players = ["DomSte", "GiaFer", "LucFra", "LucTur"];
    let performances: Vec<Performance> = (players.iter().enumerate())
        .flat_map(|(index, player)| {
            let notes = cut(takes.iter().filter(|take| take.player == *player));
            [0, 1, 2].map(|take| perform(&notes, 10 * index as u64 + take + 1))
        })
        .collect();
    let [mkl, flux] = OnsetMethod::ALL.map(|method| {
        let mut counts = Counts::default();
        for performance in &performances {
            counts.add(performance, &heard(method, &performance.samples));
        }
        counts
    });
    println!("| | `mkl` | `flux` |\n| --- | --- | --- |");
    let row = |name: &str, value: &dyn Fn(&Counts) -> String| {
        println!("| {name} | {} | {} |", value(&mkl), value(&flux));
    };
    row("notes", &|c| c.all.played.to_string());
    row("recall", &|c| format!("{:.3}", c.all.recall()));
    row("precision", &|c| format!("{:.3}", c.precision()));
    row("F1", &|c| format!("{:.3}", c.f1(c.all.recall())));
    row("F1 of those that rise 3 dB or more", &|c| {
        format!("{:.3}", c.f1(c.rising.recall()))
    });
    row("doubled", &|c| c.doubles.to_string());
    row("invented", &|c| c.invented.to_string());
    for interval in flux.by_interval.keys() {
        row(
            &format!("recall {interval} ms after the one before"),
            &|c| format!("{:.2}", c.by_interval[interval].recall()),
        );
    }
    for step in flux.by_step.keys() {
        row(
            &format!("recall at a step from {step} dB on (-1: softer than before)"),
            &|c| {
                format!(
                    "{:.2} of {}",
                    c.by_step[step].recall(),
                    c.by_step[step].played
                )
            },
        );
    }
    assert!(flux.all.recall() >= 0.8, "{}", flux.all.recall());
    assert!(flux.precision() >= 0.96, "{}", flux.precision());
    assert!(flux.rising.recall() >= 0.94, "{}", flux.rising.recall());
}

/// The positions of the onsets in a made recording of `shared/cases`, in milliseconds.
fn heard_in_case(name: &str) -> Option<Vec<f64>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/cases").join(name))
        .find(|path| path.is_file());
    let Some(path) = path else {
        eprintln!("skipped: no shared/cases/{name} here");
        return None;
    };
    let mut wav = hound::WavReader::open(path).unwrap();
    let samples = wav
        .samples::<i16>()
        .map(|s| f32::from(s.unwrap()) / 32_768.0);
    let found = heard(OnsetMethod::Flux, &samples.collect::<Vec<_>>());
    Some(found.iter().map(|at| at / 48.0).collect())
}

#[test]
fn the_cases_of_fast_notes_and_of_a_constant_are_heard() {
    let mut cases = Vec::new();
    for (interval, damped) in [
        (100, 20),
        (100, 30),
        (150, 20),
        (150, 30),
        (250, 0),
        (250, 20),
    ] {
        let name = format!("03-fast-repeated-notes/every{interval}_damped{damped}.wav");
        let at = |i| 500.0 + f64::from(i * interval);
        cases.push((name, (0..16).map(at).collect::<Vec<_>>()));
    }
    for constant in ["000", "050", "070", "100", "200"] {
        let at = |i| 500.0 + 700.0 * f64::from(i);
        cases.push((
            format!("04-dc-offset/dc{constant}.wav"),
            (0..8).map(at).collect(),
        ));
    }
    for (name, expected) in cases {
        let Some(found) = heard_in_case(&name) else {
            return;
        };
        println!("{name}: {} of {}", found.len(), expected.len());
        assert_eq!(found.len(), expected.len(), "{name}: {found:.0?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 10.0,
                "{name}: {found} for {expected}"
            );
        }
    }
}
