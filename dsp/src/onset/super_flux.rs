//! A second look for onsets that the first one misses: the flux of single partials.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::bark_spectrum::BANDS as BARK_BANDS;
use crate::{HOP, SAMPLE_RATE};

/// Samples of a frame, 10.7 ms: a band is as wide as the distance of a low string's partials.
const FRAME: usize = 512;
/// Up to here a band is one bin wide, hertz,
const LINEAR_HZ: f64 = 1_500.0;
/// from there on a semitone,
const WIDER: f64 = 1.06;
/// up to here, hertz.
const HIGHEST_HZ: f64 = 16_000.0;
/// The newest frame is compared with those of so many hops ago, the first of which shares no
/// sample with it,
const NEWEST: usize = FRAME / HOP;
/// to so many.
const OLDEST: usize = NEWEST + 2;
/// What lies so far below the whole frame counts as silence, dB.
const RANGE_DB: f32 = 70.0;
/// The most that one band counts, dB.
const CEILING_DB: f32 = 20.0;
/// Bands of which the strongest rise is the mean.
const STRONGEST: usize = 5;
/// A band that rises by so much is counted, dB.
const COUNTED_DB: f32 = 6.0;
/// Where low, falling and high bands lie, hertz.
const LOW_HZ: [f64; 2] = [0.0, 500.0];
const FALLING_HZ: [f64; 2] = [1_500.0, 4_000.0];
const HIGH_HZ: [f64; 2] = [8_000.0, 16_000.0];
/// Power that silence is taken to have in a band, and as a whole.
const FLOOR: f32 = 1e-10;

/// Hops of the note and of those before it whose mean powers in Bark bands are compared, hops ago.
const AFTER: std::ops::Range<usize> = 0..6;
const BEFORE: std::ops::Range<usize> = 8..14;
/// Bark bands whose change counts, three each.
const CHANGES: [usize; 4] = [0, 9, 15, 18];
/// Power that silence is taken to have there.
const CHANGE_FLOOR: f32 = 1e-9;
/// The highest rise of the short frames in so many hops counts,
const RISE_HOPS: usize = 9;
/// and the highest level of them in so many.
const LEVEL_HOPS: usize = 6;
/// The most that the loudness counts, dB above the gate.
const MOST_LOUDNESS_DB: f32 = 40.0;
/// Hops that the rings hold; a power of two.
const MEMORY: usize = 32;

/// What the measures weigh, in the order of [`SuperFlux::measures`]: a logistic regression on
/// performances and takes of four players (`models/RESEARCH.md`).
const WEIGHTS: [f32; MEASURES] = [
    0.41, -3.33, 0.16, -0.27, 0.42, -0.12, 0.19, 0.10, 0.17, 0.20, -0.16, -0.05, 0.13,
];
/// What they must reach together.
const EVIDENCE: f32 = 14.25;
const MEASURES: usize = 13;
/// Which of them is the rise of the whole,
const WHOLE: usize = 5;
/// and how much that may be, dB: what rises more, a trace out of silence too, is for the first
/// look to place.
const MOST_RISE_DB: f32 = 4.0;
/// A rise goes on until so many hops show none.
const RISE_ENDS: usize = 4;

/// Hears, 9 ms after its beginning, a note that hardly makes the sound louder.
///
/// Where strings ring on, a note raises the sum of the sound by little, but what is new in it lies
/// between the partials of the old. So the frames are long enough to resolve partials, and each
/// band of the newest is compared with the highest that it and its neighbours had in those before
/// which share no sample with it: the maximum over frequency keeps vibrato from counting (Böck and
/// Widmer 2013, "Maximum filter vibrato suppression for onset detection"). What rose, what fell and
/// how the level changed are weighed together, for a hand that leaves the strings makes flux, too.
pub(super) struct SuperFlux {
    transform: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    windowed: Vec<f64>,
    bins: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    /// The newest samples.
    frame: [f32; FRAME],
    /// First bin of each band, and the one after the last band.
    edges: Vec<usize>,
    /// Bands between the bounds of [`LOW_HZ`], [`FALLING_HZ`] and [`HIGH_HZ`].
    low: std::ops::Range<usize>,
    falling: std::ops::Range<usize>,
    high: std::ops::Range<usize>,
    /// Levels of the bands in the last hops, dB, a ring `[MEMORY][n_bands]`.
    levels: Vec<Vec<f32>>,
    /// Level of the whole frame, dB, a ring.
    whole: [f32; MEMORY],
    /// By how much each band rose, dB, `[n_bands]`.
    rises: Vec<f32>,
    /// What the short frames show, rings.
    short: [ShortFrame; MEMORY],
    /// Hops since the start or reset.
    hops: u64,
    /// Hops since the last one with enough evidence, at most [`RISE_ENDS`].
    since_rise: usize,
}

/// What the first look, at short frames, measured in a hop.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShortFrame {
    /// Powers in Bark bands.
    pub(super) bark: [f32; BARK_BANDS],
    /// By how much the level and that of the high part rose, dB.
    pub(super) level_rise: f32,
    pub(super) high_rise: f32,
    /// Level above the gate, dB.
    pub(super) loudness: f32,
}

impl SuperFlux {
    /// How long before the end of the hop that shows it a note began, samples.
    pub(super) const DELAY: u64 = 432;
    /// The same in hops, as far as the first look would have shown it.
    pub(super) const HOPS_AGO: u64 = 5;
    /// Hops after which nothing heard before matters.
    pub(super) const MEMORY_HOPS: usize = OLDEST + FRAME / HOP + RISE_ENDS;

    /// At the start of a stream. Allocates.
    pub(super) fn new() -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(FRAME);
        let hann = (0..FRAME).map(|i| 0.5 - 0.5 * (TAU * i as f64 / FRAME as f64).cos());
        let hann: Vec<f64> = hann.collect();
        let sum: f64 = hann.iter().sum();
        let edges = edges();
        let bands = edges.len() - 1;
        let hertz = |band: usize| edges[band] as f64 * f64::from(SAMPLE_RATE) / FRAME as f64;
        let between = |[from, to]: [f64; 2]| {
            let first = (0..bands).take_while(|band| hertz(*band) < from).count();
            let last = (0..bands).take_while(|band| hertz(*band) < to).count();
            first..last
        };
        Self {
            window: hann.iter().map(|weight| weight * 2.0 / sum).collect(),
            windowed: transform.make_input_vec(),
            bins: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            transform,
            frame: [0.0; FRAME],
            low: between(LOW_HZ),
            falling: between(FALLING_HZ),
            high: between(HIGH_HZ),
            edges,
            levels: vec![vec![0.0; bands]; MEMORY],
            whole: [0.0; MEMORY],
            rises: vec![0.0; bands],
            short: [ShortFrame::default(); MEMORY],
            hops: 0,
            since_rise: RISE_ENDS,
        }
    }

    /// Takes the next hop, high-passed, and what the first look measured in it; whether a note
    /// began [`DELAY`](Self::DELAY) samples ago. `threshold_factor` scales the evidence that is
    /// asked for. Real-time safe.
    pub(super) fn process(
        &mut self,
        hop: &[f32; HOP],
        short: ShortFrame,
        threshold_factor: f32,
    ) -> bool {
        self.listen(hop, short);
        // What came before the start is unknown.
        let heard = self.hops >= Self::MEMORY_HOPS as u64;
        let measures = self.measures();
        let weighed = measures.into_iter().zip(WEIGHTS);
        let evidence: f32 = weighed.map(|(measure, weight)| measure * weight).sum();
        let hidden = measures[WHOLE] < MOST_RISE_DB;
        let rises = heard && hidden && evidence >= EVIDENCE * threshold_factor;
        let begins = rises && self.since_rise == RISE_ENDS;
        self.since_rise = if rises {
            0
        } else {
            RISE_ENDS.min(self.since_rise + 1)
        };
        begins
    }

    /// Forgets what was heard. Real-time safe.
    pub(super) fn reset(&mut self) {
        self.frame = [0.0; FRAME];
        self.hops = 0;
        self.since_rise = RISE_ENDS;
    }

    fn listen(&mut self, hop: &[f32; HOP], short: ShortFrame) {
        self.frame.copy_within(HOP.., 0);
        self.frame[FRAME - HOP..].copy_from_slice(hop);
        self.hops += 1;
        let now = self.ago(0);
        self.short[now] = short;
        let weighted = self.frame.iter().zip(&self.window);
        for (value, (sample, weight)) in self.windowed.iter_mut().zip(weighted) {
            *value = f64::from(*sample) * weight;
        }
        self.transform
            .process_with_scratch(&mut self.windowed, &mut self.bins, &mut self.scratch)
            .expect("the plan made these buffers");
        let levels = &mut self.levels[now];
        let mut whole = 0.0;
        for (level, edges) in levels.iter_mut().zip(self.edges.windows(2)) {
            let bins = &self.bins[edges[0]..edges[1]];
            let power = bins.iter().map(|bin| bin.norm_sqr()).sum::<f64>() as f32;
            whole += power;
            *level = decibels(power);
        }
        self.whole[now] = decibels(whole);
        let silence = self.whole[now] - RANGE_DB;
        levels
            .iter_mut()
            .for_each(|level| *level = level.max(silence));
    }

    /// What speaks for a note, dB unless said otherwise.
    ///
    /// Of the rises of the bands: the mean of the strongest, the share of those above
    /// [`COUNTED_DB`] (not dB), the means of low and of high bands. By how much bands of the middle
    /// fell, mean. The rise of the whole. By how much four groups of Bark bands changed. The
    /// highest rises of high part and level in the short frames, and their loudness.
    fn measures(&mut self) -> [f32; MEASURES] {
        let now = self.ago(0);
        let mut fall = 0.0;
        let n = self.rises.len();
        let mut whole = f32::MIN;
        for ago in NEWEST..=OLDEST {
            whole = whole.max(self.whole[self.ago(ago)]);
        }
        let mut counted = 0;
        for band in 0..n {
            let neighbours = band.saturating_sub(1)..=(band + 1).min(n - 1);
            let (mut highest, mut lowest) = (f32::MIN, f32::MAX);
            for ago in NEWEST..=OLDEST {
                let levels = &self.levels[self.ago(ago)];
                highest = neighbours
                    .clone()
                    .fold(highest, |h, near| h.max(levels[near]));
                lowest = lowest.min(levels[band]);
            }
            let level = self.levels[now][band];
            self.rises[band] = (level - highest).clamp(0.0, CEILING_DB);
            counted += usize::from(self.rises[band] > COUNTED_DB);
            if self.falling.contains(&band) {
                fall += (lowest - level).clamp(0.0, CEILING_DB);
            }
        }
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let low = mean(&self.rises[self.low.clone()]);
        let high = mean(&self.rises[self.high.clone()]);
        self.rises.sort_unstable_by(f32::total_cmp);
        let strongest = mean(&self.rises[n - STRONGEST..]);
        let power = |hops: std::ops::Range<usize>, band: usize| {
            let n = hops.len() as f32;
            let powers = hops.map(|ago| self.short[self.ago(ago)].bark[band]);
            powers.sum::<f32>() / n + CHANGE_FLOOR
        };
        let change = |band| 10.0 * (power(AFTER, band) / power(BEFORE, band)).log10();
        let changes = CHANGES.map(|first| (first..first + 3).map(change).sum::<f32>() / 3.0);
        let highest = |hops: usize, of: fn(&ShortFrame) -> f32| {
            let newest = (0..hops).map(|ago| of(&self.short[self.ago(ago)]));
            newest.fold(f32::MIN, f32::max)
        };
        let loudness = highest(LEVEL_HOPS, |short| short.loudness);
        [
            strongest,
            counted as f32 / n as f32,
            low,
            high,
            fall / self.falling.len() as f32,
            self.whole[now] - whole,
            changes[0],
            changes[1],
            changes[2],
            changes[3],
            highest(RISE_HOPS, |short| short.high_rise),
            highest(RISE_HOPS, |short| short.level_rise),
            loudness.clamp(0.0, MOST_LOUDNESS_DB),
        ]
    }

    /// Where the hop of so many hops ago lies in the rings.
    fn ago(&self, hops: usize) -> usize {
        (self.hops as usize + MEMORY - hops) % MEMORY
    }
}

/// First bin of each band, and the one after the last.
fn edges() -> Vec<usize> {
    let bin = |hertz: f64| hertz * FRAME as f64 / f64::from(SAMPLE_RATE);
    let mut edges: Vec<usize> = (1..=bin(LINEAR_HZ) as usize).collect();
    let mut next = edges.len() as f64 + 1.0;
    while next < bin(HIGHEST_HZ) {
        edges.push(next.round() as usize);
        next = (next + 1.0).max(next * WIDER);
    }
    edges.dedup();
    edges
}

fn decibels(power: f32) -> f32 {
    10.0 * (power + FLOOR).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::white_noise::white_noise;

    fn add_sine(samples: &mut [f32], start: usize, hertz: f32, amplitude: f32) {
        for (i, sample) in samples.iter_mut().enumerate().skip(start) {
            *sample += amplitude * (std::f32::consts::TAU * hertz * i as f32 / 48_000.0).sin();
        }
    }

    /// The measures at the end of `samples`, and whether a note was heard in any hop.
    fn measured(look: &mut SuperFlux, samples: &[f32]) -> ([f32; MEASURES], bool) {
        let mut heard = false;
        for hop in samples.as_chunks::<HOP>().0 {
            heard |= look.process(hop, ShortFrame::default(), 1.0);
        }
        (look.measures(), heard)
    }

    #[test]
    fn bands_are_a_bin_wide_below_and_a_semitone_above() {
        let edges = edges();
        assert_eq!(edges[..16], (1..17).collect::<Vec<_>>());
        assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{edges:?}");
        let last = *edges.last().unwrap() as f64 * f64::from(SAMPLE_RATE) / FRAME as f64;
        assert!((14_500.0..=HIGHEST_HZ).contains(&last), "{last}");
        let look = SuperFlux::new();
        for bands in [&look.low, &look.falling, &look.high] {
            assert!(bands.len() >= 3 && bands.end < edges.len(), "{bands:?}");
        }
        assert!(look.rises.len() > STRONGEST);
    }

    #[test]
    fn a_soft_partial_beside_a_loud_one_shows_though_the_sum_does_not() {
        let length = 9_600;
        let mut samples = white_noise(length, 1e-5);
        add_sine(&mut samples, 0, 440.0, 0.3);
        add_sine(&mut samples, length - 432, 3_000.0, 0.03);
        let (measures, _) = measured(&mut SuperFlux::new(), &samples);
        let [strongest, _, _, _, _, whole, ..] = measures;
        assert!(strongest > 8.0, "{measures:?}");
        assert!(whole < 0.5, "{measures:?}");
    }

    #[test]
    fn steady_sound_and_vibrato_are_no_note() {
        let mut vibrato = white_noise(48_000, 1e-5);
        let mut phases = [0.0_f32; 12];
        for (i, sample) in vibrato.iter_mut().enumerate() {
            // Five and a half times a second, a third of a semitone up and down.
            let turn = (std::f32::consts::TAU * 5.5 * i as f32 / 48_000.0).sin();
            let hertz = 220.0 * (turn * 0.33 / 12.0).exp2();
            for (k, phase) in phases.iter_mut().enumerate() {
                let partial = (k + 1) as f32;
                *phase = (*phase + hertz * partial / 48_000.0).fract();
                *sample += 0.1 / partial * (std::f32::consts::TAU * *phase).sin();
            }
        }
        for samples in [
            vibrato,
            white_noise(48_000, 0.3),
            white_noise(48_000, 1e-4),
            vec![0.0; 48_000],
        ] {
            let (measures, heard) = measured(&mut SuperFlux::new(), &samples);
            assert!(!heard, "{measures:?}");
        }
    }

    #[test]
    fn nothing_heard_before_matters_after_the_memory() {
        let storm = |i: usize| {
            if i.is_multiple_of(3) {
                f32::MAX
            } else {
                f32::MIN
            }
        };
        let storm: Vec<f32> = (0..6_400).map(storm).collect();
        let samples = white_noise(SuperFlux::MEMORY_HOPS * HOP, 0.01);
        let (mut stormy, mut calm) = (SuperFlux::new(), SuperFlux::new());
        measured(&mut stormy, &storm);
        let (after_storm, _) = measured(&mut stormy, &samples);
        assert_eq!(after_storm, measured(&mut calm, &samples).0);
        stormy.reset();
        calm.reset();
        let (again, heard) = measured(&mut stormy, &samples);
        assert_eq!((again, heard), measured(&mut calm, &samples));
    }
}
