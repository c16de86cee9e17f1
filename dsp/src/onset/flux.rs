//! Our own onset detector: log-spectral flux and the rise of the level.

use super::Found;
use super::high_pass::HighPass;
use super::super_flux::{ShortFrame, SuperFlux};
use crate::bark_spectrum::{BANDS, BarkSpectrum, FRAME};
use crate::{HOP, OnsetConfig};

/// The sound is compared with what it was from this many hops ago, the length of what is compared,
const NEWEST: usize = 3;
/// to this many, 11 ms: what was just damped does not hide the next note,
const SHORT: usize = 8;
/// or to this many, 21 ms: longer than a period of the low E string, whose level moves by 5 dB
/// within one.
const LONG: usize = 16;
/// Hops over which the level is taken.
const LEVEL_HOPS: usize = 3;
/// The flux may have come this many hops earlier than the rise, the newest one included.
const FLUX_HOPS: usize = 4;
/// The first of the bands whose sum is the high part of the sound, from 3.3 kHz on.
const HIGH_BAND: usize = 14;

/// A hop rises when one of these holds. Flux: mean rise over the bands, dB. Level: rise of the
/// whole sound, dB. High: rise of its high part, dB.
///
/// Against the long span,
const LONG_FLUX_DB: f32 = 3.0;
const LONG_LEVEL_DB: f32 = 7.2;
/// against the short one,
const SHORT_FLUX_DB: f32 = 4.2;
const SHORT_LEVEL_DB: f32 = 3.4;
/// or against the short one where the pick's noise begins over strings that ring on.
const OVER_LEVEL_DB: f32 = 1.8;
const OVER_HIGH_DB: f32 = 4.6;

/// A soft sound must rise more than a loud one, since touches are soft. What is asked for is that
/// flux + [`LEVEL_WEIGHT`] * level + [`LOUDNESS_WEIGHT`] * (dB above the gate) reaches this, with
/// the rises against the short span.
const EVIDENCE_DB: f32 = 12.2;
const LEVEL_WEIGHT: f32 = 0.4;
const LOUDNESS_WEIGHT: f32 = 0.15;
/// The most that the level's rise counts for it, dB,
const MOST_RISE_DB: f32 = 20.0;
/// and the loudness, dB above the gate.
const MOST_LOUDNESS_DB: f32 = 40.0;

/// Mean power of the newest hop under which there is no onset, dB full scale: 17 dB below the
/// paper's.
const GATE_DB: f32 = -70.0;
/// The most that one band counts, dB.
const CEILING_DB: f32 = 20.0;
/// Power that silence is taken to have in a band, and as a whole.
const FLOOR: f32 = 1e-8;
/// How far back the steepest rise of the flux is looked for, hops: what begins under another note
/// is sure of itself this much later.
const LATEST: usize = 8;
/// A rise goes on until so many hops show none: what begins and swells is one onset.
const RISE_ENDS: usize = 4;
/// Hops that the rings hold; a power of two.
const MEMORY: usize = 32;

/// At the start of a stream nothing is known of what was before. A note is there if two energies
/// of the first frame both rise by so much above those of its first samples, dB: Teager's, which
/// is steady in a sine of whatever phase, and that of the first difference.
const START_RISE_DB: f32 = 10.0;
/// And if the sound is so much above the gate, dB.
const START_LOUDNESS_DB: f32 = 15.0;
/// How many those are.
const START_SAMPLES: usize = 4;

/// What both looks place within so many samples, 20 ms, is the same note.
const SAME_NOTE: u64 = 960;

/// By how much the end of the hop that rises most lags behind the note, samples: the mean over
/// the labelled notes of the recordings (`tests/onset_recordings.rs`).
const DELAY: u64 = 59;

/// Hears a note where the spectrum rises.
///
/// In every hop, the levels of 24 Bark bands over the newest 128 samples are compared with the
/// highest that each band had 3 to 8 and 3 to 16 hops ago. The mean over the bands of what they
/// rose by is the flux (after Böck and Widmer 2013, "Maximum filter vibrato suppression for onset
/// detection": here the maximum is taken over time, which a string's beating needs more than over
/// frequency). A note is where the flux is high *and* the level rises: a finger that touches or
/// leaves a ringing string makes flux, but the sound becomes softer.
///
/// A note that these levels hardly show, since strings ring on, is found by a second look at longer
/// frames, 9 ms after its beginning: see [`SuperFlux`].
///
/// A high-pass goes before all else, so that a constant or what a hand does to the table is not
/// heard. A note rises out of another that rings on as out of silence, only by less.
pub(super) struct Flux {
    high_pass: HighPass,
    spectrum: BarkSpectrum,
    /// The newest samples.
    frame: [f32; FRAME],
    /// Levels of the bands in the last hops, dB, a ring `[MEMORY][BANDS]`.
    bands: [[f32; BANDS]; MEMORY],
    /// Level of the last [`LEVEL_HOPS`] hops, dB, a ring.
    levels: [f32; MEMORY],
    /// Level of the high part, dB, a ring.
    highs: [f32; MEMORY],
    /// Mean power of each hop, a ring.
    powers: [f32; MEMORY],
    /// The flux against the short and the long span in the last hops, dB, rings.
    short_flux: [f32; MEMORY],
    long_flux: [f32; MEMORY],
    /// Hops since the start or reset.
    hops: u64,
    /// Hops since the last one that rose enough, at most [`RISE_ENDS`].
    since_rise: usize,
    second_look: SuperFlux,
    looks_twice: bool,
    /// Where the last note was, samples since the start or reset, and which look heard it.
    last: Option<(i64, Look)>,
    /// What was found last, reported or not.
    found: Option<(i64, Look)>,
    threshold_factor: f32,
    gate_db: f32,
}

/// The look at the short frames, which answers at once, or that at the long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Second,
}

/// By how much a hop rises above what was a span ago, dB.
struct Rise {
    flux: f32,
    level: f32,
    high: f32,
}

impl Flux {
    /// Hops after which nothing heard before matters: the flux, the oldest level it was taken
    /// against, the power that went into that one, and the hops without a rise. What the high-pass
    /// still holds of full scale is far below the gate then.
    pub(super) const MEMORY_HOPS: usize = LATEST + 1 + LONG + LEVEL_HOPS + RISE_ENDS + 8;

    /// A detector at the start of a stream. Allocates.
    pub(super) fn new(config: &OnsetConfig) -> Self {
        let mut detector = Self {
            high_pass: HighPass::new(),
            spectrum: BarkSpectrum::new(FRAME),
            frame: [0.0; FRAME],
            bands: [[0.0; BANDS]; MEMORY],
            levels: [0.0; MEMORY],
            highs: [0.0; MEMORY],
            powers: [0.0; MEMORY],
            short_flux: [0.0; MEMORY],
            long_flux: [0.0; MEMORY],
            hops: 0,
            since_rise: RISE_ENDS,
            second_look: SuperFlux::new(),
            looks_twice: config.second_look,
            last: None,
            found: None,
            threshold_factor: 1.0,
            gate_db: 0.0,
        };
        detector.set_threshold_factor(config.threshold_factor);
        detector.set_silence_offset_db(config.silence_offset_db);
        detector
    }

    /// Takes the next hop, which must be finite; the note that becomes known in it. Real-time safe.
    pub(super) fn process(&mut self, hop: &[f32; HOP]) -> Option<Found> {
        let (hop, powers) = self.listen(hop);
        let factor = self.threshold_factor;
        let now = self.now();
        let mut shown = ShortFrame {
            bark: powers.map(|power| power as f32),
            loudness: self.levels[now] - GATE_DB,
            ..ShortFrame::default()
        };
        if self.hops <= (FRAME / HOP) as u64 {
            self.second_look.process(&hop, shown, factor);
            return self.start();
        }
        let short = self.rise(SHORT, |flux| &flux.short_flux);
        let long = self.rise(LONG, |flux| &flux.long_flux);
        (shown.level_rise, shown.high_rise) = (long.level, short.high);
        let seen =
            self.second_look.process(&hop, shown, factor) && self.looks_twice && self.loud(0.0);
        let above_long = long.flux >= LONG_FLUX_DB * factor && long.level >= LONG_LEVEL_DB * factor;
        let above_short = short.flux >= SHORT_FLUX_DB * factor
            && (short.level >= SHORT_LEVEL_DB * factor
                || short.level >= OVER_LEVEL_DB * factor && short.high >= OVER_HIGH_DB * factor);
        let loudness = decibels(self.powers[now]) - GATE_DB;
        let evidence = short.flux
            + LEVEL_WEIGHT * short.level.min(MOST_RISE_DB)
            + LOUDNESS_WEIGHT * loudness.min(MOST_LOUDNESS_DB);
        let rises =
            (above_long || above_short) && evidence >= EVIDENCE_DB * factor && self.loud(0.0);
        let first = self.begins(rises).then(|| {
            let hops_ago = self.steepest(now);
            Found {
                delay: (hops_ago * HOP) as u64 + DELAY,
                hops_ago: hops_ago as u64,
            }
        });
        let second = seen.then_some(Found {
            delay: SuperFlux::DELAY,
            hops_ago: SuperFlux::HOPS_AGO,
        });
        self.once(first, Look::First)
            .or_else(|| self.once(second, Look::Second))
    }

    /// `found`, unless the other look has heard the same note.
    fn once(&mut self, found: Option<Found>, look: Look) -> Option<Found> {
        let found = found?;
        let position = self.hops as i64 * HOP as i64 - found.delay as i64;
        let same = |(last, by): (i64, Look)| by != look && position <= last + SAME_NOTE as i64;
        if self.last.is_some_and(same) {
            return None;
        }
        self.found = Some((position, look));
        Some(found)
    }

    /// The onset that was found in this hop is reported: only then the other look has nothing to add.
    /// Real-time safe.
    pub(super) fn reported(&mut self) {
        self.last = self.found;
    }

    /// Takes the measures of the next hop; the hop high-passed, and its powers in Bark bands.
    fn listen(&mut self, hop: &[f32; HOP]) -> ([f32; HOP], [f64; BANDS]) {
        let hop = self.high_pass.process(hop);
        self.frame.copy_within(HOP.., 0);
        self.frame[FRAME - HOP..].copy_from_slice(&hop);
        self.hops += 1;
        let now = self.now();
        let powers = self.spectrum.powers(&self.frame, 1.0);
        self.bands[now] = powers.map(|power| decibels(power as f32));
        self.highs[now] = decibels(powers[HIGH_BAND..].iter().sum::<f64>() as f32);
        self.powers[now] = hop.iter().map(|x| x * x).sum::<f32>() / HOP as f32;
        let newest = (0..LEVEL_HOPS).map(|ago| self.powers[(now + MEMORY - ago) % MEMORY]);
        self.levels[now] = decibels(newest.sum::<f32>() / LEVEL_HOPS as f32);
        for (flux, span) in [(&mut self.short_flux, SHORT), (&mut self.long_flux, LONG)] {
            let mut highest = [f32::MIN; BANDS];
            for ago in NEWEST..=span {
                let then = &self.bands[(now + MEMORY - ago) % MEMORY];
                for (highest, level) in highest.iter_mut().zip(then) {
                    *highest = highest.max(*level);
                }
            }
            let rises = self.bands[now].iter().zip(&highest);
            let rises = rises.map(|(level, highest)| (level - highest).clamp(0.0, CEILING_DB));
            flux[now] = rises.sum::<f32>() / BANDS as f32;
        }
        (hop, powers)
    }

    /// Until the first frame is full what came before is unknown: as if it had sounded the same.
    /// Only a note that begins within that frame shows in it.
    fn start(&mut self) -> Option<Found> {
        let now = self.now();
        self.bands = [self.bands[now]; MEMORY];
        self.highs = [self.highs[now]; MEMORY];
        self.powers = [self.powers[now]; MEMORY];
        self.levels = [decibels(self.powers[now]); MEMORY];
        self.short_flux = [0.0; MEMORY];
        self.long_flux = [0.0; MEMORY];
        if self.hops < (FRAME / HOP) as u64 {
            return None;
        }
        // Kaiser 1990, "On a simple algorithm to calculate the energy of a signal".
        let teager = |samples: &[f32]| {
            let energies = samples
                .windows(3)
                .map(|x| (x[1] * x[1] - x[0] * x[2]).abs());
            energies.sum::<f32>() / (samples.len() - 2) as f32
        };
        let difference = |samples: &[f32]| {
            let energies = samples.windows(2).map(|x| (x[1] - x[0]).powi(2));
            energies.sum::<f32>() / (samples.len() - 1) as f32
        };
        let first = &self.frame[..START_SAMPLES];
        let rest = &self.frame[START_SAMPLES - 1..];
        let factor = 10_f32.powf(START_RISE_DB * self.threshold_factor / 10.0);
        let rises = teager(rest) > factor * teager(first)
            && difference(rest) > factor * difference(first)
            && self.loud(START_LOUDNESS_DB);
        self.begins(rises).then_some(Found {
            delay: FRAME as u64,
            hops_ago: 0,
        })
    }

    /// Whether the newest hop is more than `above_db` above the gate.
    fn loud(&self, above_db: f32) -> bool {
        decibels(self.powers[self.now()]) > self.gate_db + above_db
    }

    /// Whether a note begins in the newest hop, which `rises` or not.
    fn begins(&mut self, rises: bool) -> bool {
        let begins = rises && self.since_rise == RISE_ENDS;
        self.since_rise = if rises {
            0
        } else {
            RISE_ENDS.min(self.since_rise + 1)
        };
        begins
    }

    /// Where the newest hop lies in the rings.
    fn now(&self) -> usize {
        self.hops as usize % MEMORY
    }

    fn rise(&self, span: usize, flux: fn(&Self) -> &[f32; MEMORY]) -> Rise {
        let now = self.now();
        let above = |levels: &[f32; MEMORY]| {
            let then = (NEWEST..=span).map(|ago| levels[(now + MEMORY - ago) % MEMORY]);
            levels[now] - then.fold(f32::MIN, f32::max)
        };
        let newest = (0..FLUX_HOPS).map(|ago| flux(self)[(now + MEMORY - ago) % MEMORY]);
        Rise {
            flux: newest.fold(0.0, f32::max),
            level: above(&self.levels),
            high: above(&self.highs),
        }
    }

    /// How many hops ago the flux grew most.
    fn steepest(&self, now: usize) -> usize {
        let flux = |ago: usize| self.long_flux[(now + MEMORY - ago) % MEMORY];
        let growth = |ago: usize| flux(ago) - flux(ago + 1);
        let steeper = |best: usize, ago: usize| {
            if growth(ago) > growth(best) {
                ago
            } else {
                best
            }
        };
        (1..LATEST).fold(0, steeper)
    }

    /// See [`OnsetConfig::threshold_factor`]: it scales all rises. Real-time safe.
    pub(super) fn set_threshold_factor(&mut self, factor: f32) {
        self.threshold_factor = factor;
    }

    /// See [`OnsetConfig::silence_offset_db`]. Real-time safe.
    pub(super) fn set_silence_offset_db(&mut self, offset_db: f32) {
        self.gate_db = GATE_DB + offset_db;
    }

    /// See [`OnsetConfig::second_look`]. It always looks, so that it knows what it looks at when it is
    /// asked for. Real-time safe.
    pub(super) fn set_second_look(&mut self, looks_twice: bool) {
        self.looks_twice = looks_twice;
    }

    /// See [`OnsetDetector::silence_db`](super::OnsetDetector::silence_db). Real-time safe.
    pub(super) fn silence_db(&self) -> f32 {
        self.gate_db
    }

    /// Forgets what was heard; keeps the settings. Real-time safe.
    pub(super) fn reset(&mut self) {
        self.high_pass = HighPass::new();
        self.frame = [0.0; FRAME];
        self.hops = 0;
        self.since_rise = RISE_ENDS;
        self.second_look.reset();
        self.last = None;
        self.found = None;
    }
}

fn decibels(power: f32) -> f32 {
    10.0 * (power + FLOOR).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::add_tone;
    use crate::white_noise::white_noise;

    /// End of each hop in which a note shows.
    fn heard(flux: &mut Flux, samples: &[f32]) -> Vec<usize> {
        let hops = samples.as_chunks::<HOP>().0.iter().enumerate();
        let shows = |(index, hop)| {
            flux.process(hop)?;
            flux.reported();
            Some((index + 1) * HOP)
        };
        hops.filter_map(shows).collect()
    }

    fn flux() -> Flux {
        Flux::new(&OnsetConfig::default())
    }

    #[test]
    fn a_rise_of_many_hops_is_one_onset() {
        // A swell of 60 dB in 30 ms, which is 10 dB in the span between the compared levels.
        let mut samples = white_noise(24_000, 1.0);
        for (i, sample) in samples.iter_mut().enumerate() {
            let db = -60.0 * (1.0 - ((i as f32 - 9_600.0) / 1_440.0).clamp(0.0, 1.0));
            *sample *= 10_f32.powf(db / 20.0);
        }
        assert_eq!(heard(&mut flux(), &samples).len(), 1);
    }

    #[test]
    fn a_note_over_a_ringing_one_is_heard_within_three_milliseconds() {
        for ringing_db in [-20.0, -14.0, -8.0] {
            let mut samples = white_noise(48_000, 1e-4);
            let amplitude = 0.3 * 10_f32.powf(ringing_db / 20.0);
            add_tone(&mut samples, 9_600, 110.0, amplitude);
            add_tone(&mut samples, 14_400, 294.0, 0.3);
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
    fn a_note_under_a_ringing_one_is_heard_by_the_second_look_alone() {
        let once = OnsetConfig {
            second_look: false,
            ..OnsetConfig::default()
        };
        for db in [-4.0, -8.0, -12.0, -15.0] {
            let mut samples = white_noise(48_000, 1e-4);
            add_tone(&mut samples, 9_600, 110.0, 0.3);
            add_tone(&mut samples, 14_400, 294.0, 0.3 * 10_f32.powf(db / 20.0));
            let found = heard(&mut flux(), &samples);
            assert_eq!(found.len(), 2, "{db} dB: {found:?}");
            assert!((14_400..14_544).contains(&found[1]), "{db} dB: {found:?}");
            let found = heard(&mut Flux::new(&once), &samples);
            assert_eq!(found.len(), 1, "{db} dB: {found:?}");
            // Changed in the middle of the first note.
            for (config, second_look) in [(OnsetConfig::default(), false), (once, true)] {
                let mut flux = Flux::new(&config);
                let (before, after) = samples.split_at(12_800);
                assert_eq!(heard(&mut flux, before).len(), 1);
                flux.set_second_look(second_look);
                let found = heard(&mut flux, after);
                assert_eq!(found.len(), usize::from(second_look), "{db} dB: {found:?}");
            }
        }
    }

    #[test]
    fn a_touch_that_makes_the_sound_softer_is_no_note() {
        let mut samples = white_noise(48_000, 1e-4);
        add_tone(&mut samples, 9_600, 110.0, 0.3);
        // The finger's noise is broad, but the string falls silent under it.
        let touch = white_noise(480, 0.004);
        for (i, sample) in samples[24_000..].iter_mut().enumerate() {
            *sample *= (-(i as f32) / 100.0).exp();
            *sample += touch.get(i).copied().unwrap_or(0.0);
        }
        assert_eq!(heard(&mut flux(), &samples).len(), 1);
    }

    #[test]
    fn level_does_not_matter_above_the_gate() {
        let mut samples = vec![0.0; 48_000];
        add_tone(&mut samples, 9_600, 196.0, 0.5);
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
            white_noise(48_000, 1.0),
            white_noise(48_000, 0.01),
            vec![1.0; 48_000],
        ] {
            assert_eq!(heard(&mut flux(), &samples), []);
        }
    }

    #[test]
    fn a_note_under_another_is_known_later_but_placed_alike() {
        let placed = |ringing: f32| {
            let mut samples = white_noise(19_200, 1e-4);
            for (i, sample) in samples.iter_mut().enumerate() {
                *sample += ringing * (i as f32 * 0.02).sin();
            }
            add_tone(&mut samples, 9_600, 147.0, 0.3);
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
        // As loud as can be at the end of a hop stream, as soft, and in between.
        let storms: [&dyn Fn(usize) -> f32; 4] = [
            &|i| if i % 3 == 0 { 16.0 } else { -16.0 },
            &|i| if i / 400 % 2 == 0 { 16.0 } else { -16.0 },
            &|i| f32::from_bits(1 + i as u32 % 99),
            &|i| (i as f32 * 0.7).sin(),
        ];
        let mut samples = white_noise(9_600 + Flux::MEMORY_HOPS * HOP, 1e-3);
        add_tone(&mut samples, 4_800, 147.0, 0.3);
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
                assert_eq!(stormy.since_rise, calm.since_rise);
                // The high-pass forgets slowly, but what is left lies far below the gate.
                let (a, b) = (stormy.now(), calm.now());
                assert!((stormy.levels[a] - calm.levels[b]).abs() < 0.01);
                assert!((stormy.long_flux[a] - calm.long_flux[b]).abs() < 0.1);
            }
        }
    }

    #[test]
    fn what_was_once_beyond_all_numbers_is_forgotten() {
        let mut flux = flux();
        let storm = |i: usize| {
            if i.is_multiple_of(3) {
                f32::MAX
            } else {
                f32::MIN
            }
        };
        let mut samples: Vec<f32> = (0..6_400).map(storm).collect();
        samples.extend(white_noise(48_000, 1e-3));
        add_tone(&mut samples, 40_000, 147.0, 0.3);
        let found = heard(&mut flux, &samples);
        assert!(
            found.last().is_some_and(|end| end.abs_diff(40_000) < 200),
            "{found:?}"
        );
    }

    #[test]
    fn a_note_right_at_the_start_is_heard_once() {
        for start in (0..1_000).step_by(7) {
            let mut samples = white_noise(24_000, 1e-4);
            // A pick takes half a millisecond.
            let mut note = vec![0.0; 24_000];
            add_tone(&mut note, start, 147.0, 0.3);
            for (i, sample) in note[start..].iter_mut().take(24).enumerate() {
                *sample *= i as f32 / 24.0;
            }
            samples.iter_mut().zip(note).for_each(|(s, n)| *s += n);
            let mut detector =
                crate::OnsetDetector::new(crate::OnsetMethod::Flux, &OnsetConfig::default())
                    .unwrap();
            let hops = samples.as_chunks::<HOP>().0.iter().enumerate();
            let shows =
                |(index, hop)| Some((index + 1) * HOP).filter(|_| detector.process(hop).is_some());
            let found: Vec<usize> = hops.filter_map(shows).collect();
            let [end] = found[..] else {
                panic!("note at {start}: {found:?}")
            };
            // Later where there is hardly anything before it to compare with.
            assert!(
                (start..start + 385).contains(&end),
                "note at {start}: {end}"
            );
        }
    }

    #[test]
    fn what_one_look_found_and_nobody_reported_does_not_silence_the_other() {
        let found = || {
            Some(Found {
                delay: 0,
                hops_ago: 0,
            })
        };
        for reported in [false, true] {
            let mut flux = flux();
            flux.hops = 100;
            assert!(flux.once(found(), Look::Second).is_some());
            if reported {
                flux.reported();
            }
            flux.hops += SAME_NOTE / HOP as u64 / 2;
            assert_eq!(flux.once(found(), Look::First).is_none(), reported);
        }
    }

    #[test]
    fn a_constant_and_a_hum_hide_no_note() {
        for (constant, hum_db) in [(0.1, -200.0), (0.9, -200.0), (-0.3, -14.0), (0.0, -14.0)] {
            let mut samples = white_noise(48_000, 1e-4);
            let amplitude = 0.3 * 10_f32.powf(hum_db / 20.0);
            for (i, sample) in samples.iter_mut().enumerate() {
                let phase = std::f32::consts::TAU * 50.0 * i as f32 / 48_000.0;
                *sample += constant + amplitude * phase.sin();
            }
            add_tone(&mut samples, 9_600, 110.0, 0.3);
            add_tone(&mut samples, 28_800, 294.0, 0.3);
            let found = heard(&mut flux(), &samples);
            let [first, second] = found[..] else {
                panic!("{constant}, {hum_db} dB: {found:?}")
            };
            assert!((9_600..9_792).contains(&first), "{first}");
            assert!((28_800..28_992).contains(&second), "{second}");
        }
    }

    #[test]
    fn a_note_struck_again_right_after_it_was_damped_is_heard() {
        for damped_ms in [10, 20, 40] {
            let mut samples = white_noise(96_000, 1e-4);
            for note in 0..16 {
                let (start, length) = (4_800 + note * 4_800, 4_800 - damped_ms * 48);
                let mut one = vec![0.0; 96_000];
                add_tone(&mut one, start, 147.0, 0.3);
                let end = start + length;
                for (i, sample) in one[end..].iter_mut().enumerate() {
                    *sample *= 1.0 - (i as f32 / 96.0).min(1.0);
                }
                samples.iter_mut().zip(one).for_each(|(s, n)| *s += n);
            }
            let found = heard(&mut flux(), &samples);
            assert_eq!(found.len(), 16, "damped {damped_ms} ms before: {found:?}");
        }
    }
}
