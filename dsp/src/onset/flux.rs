//! Our own onset detector: log-spectral flux and the rise of the level.

use super::Found;
use crate::bark_spectrum::{BANDS, BarkSpectrum, FRAME};
use crate::{HOP, OnsetConfig};

/// Mean rise over the bands from which a hop can be an onset, dB.
const FLUX_DB: f32 = 3.5;
/// Rise of the level of the whole sound from which it can be one, dB.
const RISE_DB: f32 = 5.0;
/// Mean power of the newest hop under which there is no onset, dB full scale: 17 dB below the
/// paper's. Noise is kept out by the two rises, so the gate need not.
const GATE_DB: f32 = -70.0;
/// The most that one band counts, dB.
const CEILING_DB: f32 = 20.0;
/// Power that silence is taken to have in a band, and as a whole.
const FLOOR: f32 = 1e-8;
/// The sound is compared with what it was from this many hops ago, the length of what is compared,
const NEWEST: usize = 3;
/// to this many: 32 ms, two and a half periods of the low E string, whose level moves by 5 dB
/// within one.
const OLDEST: usize = 24;
/// Hops over which the level is taken.
const LEVEL_HOPS: usize = 3;
/// The flux may have come this many hops earlier than the rise, the newest one included.
const FLUX_HOPS: usize = 4;
/// How far back the steepest rise of the flux is looked for, hops: what begins under another note
/// is sure of itself this much later.
const LATEST: usize = 8;
/// A rise goes on until so many hops show none: what begins and swells is one onset.
const RISE_ENDS: usize = 4;
/// Hops that the rings hold; a power of two.
const MEMORY: usize = 32;

/// By how much the end of the hop that rises most lags behind the note, samples: the mean over
/// the labelled notes of the recordings (`tests/onset_recordings.rs`).
const DELAY: u64 = 59;

/// Hears a note where the spectrum rises.
///
/// In every hop, the levels of 24 Bark bands over the newest 128 samples are compared with the
/// highest that each band had 3 to 24 hops ago. The mean over the bands of what they rose by is the
/// flux (after Böck and Widmer 2013, "Maximum filter vibrato suppression for onset detection": here
/// the maximum is taken over time, which a string's beating needs more than over frequency). A
/// note is where the flux is high *and* the level of the whole sound rises: a finger that touches
/// or leaves a ringing string makes flux, but the sound becomes softer.
///
/// Nothing depends on the level of the sound but a gate far below it, and a note rises out of
/// another that rings on as out of silence, only by less.
pub(super) struct Flux {
    spectrum: BarkSpectrum,
    /// The newest samples.
    frame: [f32; FRAME],
    /// Levels of the bands in the last hops, dB, a ring `[MEMORY][BANDS]`.
    bands: [[f32; BANDS]; MEMORY],
    /// Level of the last [`LEVEL_HOPS`] hops, dB, a ring.
    levels: [f32; MEMORY],
    /// Mean power of each hop, a ring.
    powers: [f32; MEMORY],
    /// The flux of the last hops, dB, a ring.
    flux: [f32; MEMORY],
    /// Hops since the start or reset.
    hops: u64,
    /// Hops since the last one that rose enough, at most [`RISE_ENDS`].
    since_rise: usize,
    threshold_factor: f32,
    gate_db: f32,
}

impl Flux {
    /// Hops after which nothing heard before matters: the flux, the oldest level it was taken
    /// against, the power that went into that one, and the hops without a rise.
    pub(super) const MEMORY_HOPS: usize = LATEST + 1 + OLDEST + LEVEL_HOPS + RISE_ENDS;

    /// A detector at the start of a stream. Allocates.
    pub(super) fn new(config: &OnsetConfig) -> Self {
        let mut detector = Self {
            spectrum: BarkSpectrum::new(FRAME),
            frame: [0.0; FRAME],
            bands: [[0.0; BANDS]; MEMORY],
            levels: [0.0; MEMORY],
            powers: [0.0; MEMORY],
            flux: [0.0; MEMORY],
            hops: 0,
            since_rise: RISE_ENDS,
            threshold_factor: 1.0,
            gate_db: 0.0,
        };
        detector.set_threshold_factor(config.threshold_factor);
        detector.set_silence_offset_db(config.silence_offset_db);
        detector
    }

    /// Takes the next hop, which must be finite; the note that becomes known in it. Real-time safe.
    pub(super) fn process(&mut self, hop: &[f32; HOP]) -> Option<Found> {
        self.frame.copy_within(HOP.., 0);
        self.frame[FRAME - HOP..].copy_from_slice(hop);
        let now = self.hops as usize % MEMORY;
        let powers = self.spectrum.powers(&self.frame, 1.0);
        self.bands[now] = powers.map(|power| decibels(power as f32));
        self.powers[now] = hop.iter().map(|x| x * x).sum::<f32>() / HOP as f32;
        let newest = (0..LEVEL_HOPS).map(|ago| self.powers[(now + MEMORY - ago) % MEMORY]);
        self.levels[now] = decibels(newest.sum::<f32>() / LEVEL_HOPS as f32);
        self.hops += 1;
        if self.hops <= LEVEL_HOPS as u64 {
            // What came before the start is unknown: as if it had sounded the same.
            self.bands = [self.bands[now]; MEMORY];
            self.levels = [self.levels[now]; MEMORY];
            self.flux = [0.0; MEMORY];
            return None;
        }

        let mut highest_level = f32::MIN;
        let mut highest = [f32::MIN; BANDS];
        for ago in NEWEST..=OLDEST {
            let then = (now + MEMORY - ago) % MEMORY;
            highest_level = highest_level.max(self.levels[then]);
            for (highest, level) in highest.iter_mut().zip(&self.bands[then]) {
                *highest = highest.max(*level);
            }
        }
        let rises = self.bands[now].iter().zip(&highest);
        let rises = rises.map(|(level, highest)| (level - highest).clamp(0.0, CEILING_DB));
        self.flux[now] = rises.sum::<f32>() / BANDS as f32;

        let newest = (0..FLUX_HOPS).map(|ago| self.flux_of(now, ago));
        let flux = newest.fold(0.0_f32, f32::max);
        let rise = self.levels[now] - highest_level;
        let rises = flux >= FLUX_DB * self.threshold_factor
            && rise >= RISE_DB * self.threshold_factor
            && decibels(self.powers[now]) > self.gate_db;
        let begins = rises && self.since_rise == RISE_ENDS;
        self.since_rise = if rises {
            0
        } else {
            RISE_ENDS.min(self.since_rise + 1)
        };
        begins.then(|| {
            let hops_ago = self.steepest(now);
            Found {
                delay: (hops_ago * HOP) as u64 + DELAY,
                hops_ago: hops_ago as u64,
            }
        })
    }

    fn flux_of(&self, now: usize, ago: usize) -> f32 {
        self.flux[(now + MEMORY - ago) % MEMORY]
    }

    /// How many hops ago the flux grew most.
    fn steepest(&self, now: usize) -> usize {
        let growth = |ago: usize| self.flux_of(now, ago) - self.flux_of(now, ago + 1);
        let steeper = |best: usize, ago: usize| {
            if growth(ago) > growth(best) {
                ago
            } else {
                best
            }
        };
        (1..LATEST).fold(0, steeper)
    }

    /// See [`OnsetConfig::threshold_factor`]: it scales both rises. Real-time safe.
    pub(super) fn set_threshold_factor(&mut self, factor: f32) {
        self.threshold_factor = factor;
    }

    /// See [`OnsetConfig::silence_offset_db`]. Real-time safe.
    pub(super) fn set_silence_offset_db(&mut self, offset_db: f32) {
        self.gate_db = GATE_DB + offset_db;
    }

    /// Forgets what was heard; keeps the settings. Real-time safe.
    pub(super) fn reset(&mut self) {
        self.frame = [0.0; FRAME];
        self.powers = [0.0; MEMORY];
        self.hops = 0;
        self.since_rise = RISE_ENDS;
    }
}

fn decibels(power: f32) -> f32 {
    10.0 * (power + FLOOR).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pink enough: white noise, the same on every run.
    fn noise(length: usize, amplitude: f32) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| amplitude * next()).collect()
    }

    /// A decaying tone of 12 partials that begins with a pick's click.
    fn add_note(samples: &mut [f32], start: usize, hertz: f32, amplitude: f32) {
        for (i, sample) in samples[start..].iter_mut().enumerate() {
            let t = i as f32 / 48_000.0;
            let tone: f32 = (1..13)
                .map(|k| {
                    let k = k as f32;
                    (std::f32::consts::TAU * hertz * k * t + k).sin() * (-3.0 * k * t).exp() / k
                })
                .sum();
            *sample += amplitude * tone;
        }
    }

    /// End of each hop in which a note shows.
    fn heard(flux: &mut Flux, samples: &[f32]) -> Vec<usize> {
        let hops = samples.as_chunks::<HOP>().0.iter().enumerate();
        let shows = |(index, hop)| Some((index + 1) * HOP).filter(|_| flux.process(hop).is_some());
        hops.filter_map(shows).collect()
    }

    fn flux() -> Flux {
        Flux::new(&OnsetConfig::default())
    }

    #[test]
    fn a_rise_of_many_hops_is_one_onset() {
        // A swell of 60 dB in 30 ms, which is 10 dB in the span between the compared levels.
        let mut samples = noise(24_000, 1.0);
        for (i, sample) in samples.iter_mut().enumerate() {
            let db = -60.0 * (1.0 - ((i as f32 - 9_600.0) / 1_440.0).clamp(0.0, 1.0));
            *sample *= 10_f32.powf(db / 20.0);
        }
        assert_eq!(heard(&mut flux(), &samples).len(), 1);
    }

    #[test]
    fn a_note_over_a_ringing_one_is_heard_within_three_milliseconds() {
        for ringing_db in [-20.0, -14.0, -8.0] {
            let mut samples = noise(48_000, 1e-4);
            let amplitude = 0.3 * 10_f32.powf(ringing_db / 20.0);
            add_note(&mut samples, 9_600, 110.0, amplitude);
            add_note(&mut samples, 14_400, 294.0, 0.3);
            let found = heard(&mut flux(), &samples);
            let [first, second] = found[..] else {
                panic!("{ringing_db} dB: {found:?}")
            };
            assert!((9_600..9_744).contains(&first), "{first}");
            let soon = 14_400..14_544;
            assert!(soon.contains(&second), "{ringing_db} dB: {second}");
        }
    }

    #[test]
    fn a_touch_that_makes_the_sound_softer_is_no_note() {
        let mut samples = noise(48_000, 1e-4);
        add_note(&mut samples, 9_600, 110.0, 0.3);
        // The finger's noise is broad, but the string falls silent under it.
        let touch = noise(480, 0.004);
        for (i, sample) in samples[24_000..].iter_mut().enumerate() {
            *sample *= (-(i as f32) / 100.0).exp();
            *sample += touch.get(i).copied().unwrap_or(0.0);
        }
        assert_eq!(heard(&mut flux(), &samples).len(), 1);
    }

    #[test]
    fn level_does_not_matter_above_the_gate() {
        let mut samples = vec![0.0; 48_000];
        add_note(&mut samples, 9_600, 196.0, 0.5);
        for db in [0.0, -20.0, -40.0] {
            let softer: Vec<f32> = samples.iter().map(|x| x * 10_f32.powf(db / 20.0)).collect();
            assert_eq!(heard(&mut flux(), &softer).len(), 1, "{db} dB");
        }
        let silent: Vec<f32> = samples.iter().map(|x| x * 1e-4).collect();
        assert_eq!(heard(&mut flux(), &silent), []);
        let mut raised = flux();
        raised.set_silence_offset_db(70.0);
        assert_eq!(heard(&mut raised, &samples), []);
    }

    #[test]
    fn steady_sound_from_the_first_hop_on_is_no_note() {
        let sine = |i: usize| 0.5 * (i as f32 * 0.03).sin();
        let sine: Vec<f32> = (0..48_000).map(sine).collect();
        for samples in [
            sine,
            noise(48_000, 1.0),
            noise(48_000, 0.01),
            vec![1.0; 48_000],
        ] {
            assert_eq!(heard(&mut flux(), &samples), []);
        }
    }

    #[test]
    fn a_note_under_another_is_known_later_but_placed_alike() {
        let placed = |ringing: f32| {
            let mut samples = noise(19_200, 1e-4);
            for (i, sample) in samples.iter_mut().enumerate() {
                *sample += ringing * (i as f32 * 0.02).sin();
            }
            add_note(&mut samples, 9_600, 147.0, 0.3);
            let mut flux = flux();
            let hops = samples.as_chunks::<HOP>().0.iter().enumerate().skip(1);
            let shows = |(index, hop): (usize, &[f32; HOP])| {
                flux.process(hop)
                    .map(|found| ((index + 1) * HOP, found.delay))
            };
            hops.filter_map(shows)
                .find(|(end, _)| *end > 9_600)
                .unwrap()
        };
        let (quiet_end, quiet_delay) = placed(0.0);
        let (ringing_end, ringing_delay) = placed(0.08);
        assert!(ringing_end >= quiet_end, "{ringing_end} {quiet_end}");
        let quiet = quiet_end as i64 - quiet_delay as i64;
        let ringing = ringing_end as i64 - ringing_delay as i64;
        assert!((quiet - 9_600).abs() <= 96, "{quiet}");
        assert!((ringing - quiet).abs() <= 64, "{quiet} {ringing}");
    }

    #[test]
    fn nothing_heard_before_matters_after_the_memory() {
        // Overflowing powers are the worst there can be: they make infinite levels.
        let storms: [&dyn Fn(usize) -> f32; 3] = [
            &|i| if i % 3 == 0 { f32::MAX } else { f32::MIN },
            &|i| f32::from_bits(1 + i as u32 % 99),
            &|i| (i as f32 * 0.7).sin(),
        ];
        let mut samples = noise(9_600 + Flux::MEMORY_HOPS * HOP, 1e-3);
        add_note(&mut samples, 4_800, 147.0, 0.3);
        for storm in storms {
            let mut stormy = flux();
            let storm: Vec<f32> = (0..6_400).map(storm).collect();
            heard(&mut stormy, &storm);
            let mut calm = flux();
            let (memory, rest) = samples.split_at(Flux::MEMORY_HOPS * HOP);
            heard(&mut stormy, memory);
            heard(&mut calm, memory);
            for hop in rest.as_chunks::<HOP>().0 {
                assert_eq!(stormy.process(hop), calm.process(hop));
                let newest = |flux: &Flux| {
                    let now = (flux.hops - 1) as usize % MEMORY;
                    (
                        flux.levels[now].to_bits(),
                        flux.bands[now].map(f32::to_bits),
                        flux.since_rise,
                    )
                };
                assert_eq!(newest(&stormy), newest(&calm));
                let kept = |flux: &Flux| {
                    let now = (flux.hops - 1) as usize % MEMORY;
                    std::array::from_fn::<u32, { LATEST + 1 }, _>(|ago| {
                        flux.flux_of(now, ago).to_bits()
                    })
                };
                assert_eq!(kept(&stormy), kept(&calm));
            }
        }
    }
}
