//! The recordings with labelled notes, where they are there.
//!
//! They are no part of the repository: `tocco-recordings` says where they are looked for. Without them the
//! tests are skipped.

// Each test program uses its part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use tocco_dsp::SAMPLE_RATE;
use tocco_recordings::shared_with;

/// One recording of one technique and player.
pub struct RecordedTake {
    /// The player's code; two sittings of one player have one.
    pub player: String,
    pub pitched: bool,
    pub samples: Vec<f32>,
    /// Where its notes begin, samples, ascending.
    pub labels: Vec<f64>,
}

/// All takes in the order of their names.
pub fn recorded_takes() -> Option<Vec<RecordedTake>> {
    let parts = ["recordings/takes", "recordings/crops"];
    let shared = shared_with(&parts)?;
    let mut files: Vec<PathBuf> = parts
        .iter()
        .flat_map(|part| std::fs::read_dir(shared.join(part)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wav"))
        .collect();
    files.sort();
    Some(files.iter().map(|path| read(path)).collect())
}

fn read(path: &Path) -> RecordedTake {
    let name = path.file_stem().unwrap().to_string_lossy();
    let player = ["DomSte", "GiaFer", "LucFra", "LucTur"]
        .into_iter()
        .find(|player| name.contains(player));
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!(wav.spec().sample_rate, SAMPLE_RATE);
    let scale = 1.0 / (1i32 << (wav.spec().bits_per_sample - 1)) as f32;
    let samples = wav.samples::<i32>().map(|s| s.unwrap() as f32 * scale);
    let samples = samples.collect();
    let labels = std::fs::read_to_string(path.with_extension("txt")).unwrap();
    let seconds = labels.lines().filter_map(|l| l.split_whitespace().next());
    let labels = seconds.map(|s| s.parse::<f64>().unwrap() * f64::from(SAMPLE_RATE));
    RecordedTake {
        player: player.expect("a known player").to_owned(),
        pitched: name.contains("_pitched_"),
        samples,
        labels: labels.collect(),
    }
}

/// Uniform numbers, the same on every run (xorshift, Marsaglia 2003).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to 1, 1 excluded.
    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    /// White noise of `db` dB full scale.
    pub fn noise(&mut self, length: usize, db: f32) -> Vec<f32> {
        let amplitude = 3_f32.sqrt() * 10_f32.powf(db / 20.0);
        let value = |random: &mut Self| amplitude * (2.0 * random.uniform() - 1.0) as f32;
        (0..length).map(|_| value(self)).collect()
    }
}

/// Mean power.
pub fn power(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|x| x * x).sum();
    sum / samples.len().max(1) as f32
}

/// Pairs each label with at most one of the `found`, one to one, within 20 ms, both ascending.
pub fn matches(labels: &[f64], found: &[f64]) -> Vec<Option<usize>> {
    let tolerance = 0.020 * f64::from(SAMPLE_RATE);
    let mut next = 0;
    let matched = labels.iter().map(|label| {
        while found.get(next).is_some_and(|at| *at < label - tolerance) {
            next += 1;
        }
        let fits = found.get(next).is_some_and(|at| *at <= label + tolerance);
        fits.then(|| {
            next += 1;
            next - 1
        })
    });
    matched.collect()
}
