//! Follows the techniques, and glides from the sound of one to that of the next.
//!
//! What is set moves in steps of 16 samples; between two of them the coefficients go straight on, and they
//! are computed anew at most once a step and once a note. Steps are counted in samples of the
//! stream and begin where a note is decided, so that blocks make no difference. Where it is neutral no
//! sample is touched.

use tocco_recognizer::classification::MAX_CLASSES;

use super::compressor::Compressor;
use super::equaliser::{BANDS, Equaliser};

/// Samples of a step.
const STEP: u32 = 16;

/// Time in which the sound is that of another technique, seconds.
const GLIDE: f64 = 0.005;

/// The same where a second decision amends the first: the attack is over, and nothing is in a hurry.
const AMENDED_GLIDE: f64 = 0.02;

/// Decisions in one block; the longest block at the lowest rate and the highest rate of onsets has fewer.
const MOST_SWITCHES: usize = 256;

/// Louder samples are none.
const LOUDEST: f32 = 16.0;

/// How the guitar's own sound is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Gains of the equaliser, dB, `[BANDS]`: low, mid and high.
    pub gains_db: [f32; BANDS],
    /// Amount of the compressor, from 0, none, to 1.
    pub squeeze: f32,
}

impl Shape {
    /// As it is.
    pub const NEUTRAL: Self = Self {
        gains_db: [0.0; BANDS],
        squeeze: 0.0,
    };

    /// The next of `steps` equal steps to `target`; the last one is there.
    fn towards(&self, target: &Self, steps: u32) -> Self {
        if steps <= 1 {
            return *target;
        }
        let next = |from: f32, to: f32| from + (to - from) / steps as f32;
        let gain = |band: usize| next(self.gains_db[band], target.gains_db[band]);
        Self {
            gains_db: std::array::from_fn(gain),
            squeeze: next(self.squeeze, target.squeeze),
        }
    }
}

/// From `offset` of the block on the sound is that of another class.
#[derive(Debug, Clone, Copy, Default)]
struct Switch {
    offset: usize,
    class: usize,
    amends: bool,
}

/// For the audio thread; nothing in it allocates.
#[derive(Debug)]
pub struct Reshaping {
    equaliser: Equaliser,
    compressor: Compressor,
    switches: [Switch; MOST_SWITCHES],
    n_switches: usize,
    /// The class that was played last, and the number of its onset.
    class: Option<usize>,
    onset: Option<u64>,
    /// At the end of this step, and where it goes in so many steps.
    shape: Shape,
    target: Shape,
    steps_left: u32,
    /// Samples until the next step.
    until_step: u32,
    /// Steps of a glide, and of an amended one.
    glide: u32,
    amended_glide: u32,
    /// Whether it listens: when it is off and neutral it does not.
    listens: bool,
}

impl Reshaping {
    /// For a host at `host_rate` Hz, neutral.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        let steps = |seconds: f64| (seconds * host_rate / f64::from(STEP)).round().max(1.0) as u32;
        Self {
            equaliser: Equaliser::new(host_rate),
            compressor: Compressor::new(host_rate),
            switches: [Switch::default(); MOST_SWITCHES],
            n_switches: 0,
            class: None,
            onset: None,
            shape: Shape::NEUTRAL,
            target: Shape::NEUTRAL,
            steps_left: 0,
            until_step: 0,
            glide: steps(GLIDE),
            amended_glide: steps(AMENDED_GLIDE),
            listens: false,
        }
    }

    /// A note of `class` is played, decided at `offset` of the block, not before the one before it.
    /// Real-time safe.
    pub fn follow(&mut self, offset: usize, onset_id: u64, class: usize) {
        self.onset = Some(onset_id);
        self.switch(Switch {
            offset,
            class,
            amends: false,
        });
    }

    /// The note `onset_id` was one of `class`, decided as in [`follow`](Self::follow). Where it was not
    /// played, or another one was after it, nothing follows. Real-time safe.
    pub fn amend(&mut self, offset: usize, onset_id: u64, class: usize) {
        if self.onset == Some(onset_id) {
            self.switch(Switch {
                offset,
                class,
                amends: true,
            });
        }
    }

    fn switch(&mut self, switch: Switch) {
        if let Some(place) = self.switches.get_mut(self.n_switches) {
            *place = switch;
            self.n_switches += 1;
        }
    }

    /// Forgets what was played: until the next note it is neutral. Real-time safe.
    pub fn forget(&mut self) {
        self.n_switches = 0;
        (self.class, self.onset) = (None, None);
    }

    /// Neutral at once, and nothing is known: where a stream begins. Real-time safe.
    pub fn reset(&mut self) {
        self.forget();
        (self.shape, self.target) = (Shape::NEUTRAL, Shape::NEUTRAL);
        self.steps_left = 0;
        self.equaliser.glide(Shape::NEUTRAL.gains_db, 1);
        self.equaliser.advance();
        self.rest();
    }

    /// Reshapes the block in place, each class as `of_class` has it; `None`: not at all, once the way there
    /// is over. Real-time safe.
    pub fn reshape<C: AsMut<[f32]>>(
        &mut self,
        of_class: Option<&[Shape; MAX_CLASSES]>,
        channels: &mut [C],
    ) {
        let n_switches = std::mem::take(&mut self.n_switches);
        let last = n_switches.checked_sub(1);
        let last = last.and_then(|last| self.switches.get(last));
        let last = last.map(|switch| switch.class).or(self.class);
        if of_class.is_none() && !self.listens {
            self.class = last;
            return;
        }
        self.listens = true;
        self.aim(of_class, self.glide);
        let lengths = channels.iter_mut().map(|channel| channel.as_mut().len());
        let length = lengths.min().unwrap_or(0);
        let mut next = 0;
        for index in 0..length {
            while next < n_switches && self.switches[next].offset <= index {
                let switch = self.switches[next];
                next += 1;
                self.class = Some(switch.class);
                let steps = match switch.amends {
                    true => self.amended_glide,
                    false => self.glide,
                };
                // It begins here, not with the next step.
                if self.aim(of_class, steps) {
                    self.until_step = 0;
                }
            }
            if self.until_step == 0 {
                if of_class.is_none() && self.is_neutral() {
                    self.rest();
                    break;
                }
                self.step();
            }
            self.until_step -= 1;
            self.sample(index, channels);
        }
        self.class = last;
    }

    /// Has the shape of what was played last as its target; whether that is another one, to which it then
    /// goes in so many `steps`.
    fn aim(&mut self, of_class: Option<&[Shape; MAX_CLASSES]>, steps: u32) -> bool {
        let shape = of_class.zip(self.class);
        let shape = shape.and_then(|(of_class, class)| of_class.get(class));
        let target = shape.copied().unwrap_or(Shape::NEUTRAL);
        let differs = target != self.target;
        if differs {
            self.target = target;
            self.steps_left = steps;
        }
        differs
    }

    /// Begins a step.
    fn step(&mut self) {
        self.until_step = STEP;
        if self.steps_left > 0 {
            self.shape = self.shape.towards(&self.target, self.steps_left);
            self.steps_left -= 1;
            self.equaliser.glide(self.shape.gains_db, STEP);
        }
        self.compressor.glide(self.shape.squeeze, STEP);
    }

    /// Whether it changes nothing, at this sample and until the target is another one.
    fn is_neutral(&self) -> bool {
        self.shape == Shape::NEUTRAL
            && self.target == Shape::NEUTRAL
            && !self.equaliser.is_gliding()
            && self.compressor.is_idle()
    }

    /// Reshapes sample `index` of all channels.
    fn sample<C: AsMut<[f32]>>(&mut self, index: usize, channels: &mut [C]) {
        self.equaliser.advance();
        let gain = self.compressor.advance();
        // It hears on, so that it begins without a jolt.
        let is_neutral = self.is_neutral();
        let mut peak = 0.0f64;
        for (number, channel) in channels.iter_mut().enumerate() {
            let Some(sample) = channel.as_mut().get_mut(index) else {
                continue;
            };
            // What is no sample passes as it is, and is heard as silence.
            let is_sample = sample.abs() <= LOUDEST;
            let heard = if is_sample { f64::from(*sample) } else { 0.0 };
            let shaped = self.equaliser.filter(number, heard);
            peak = peak.max(shaped.abs());
            if is_sample && !is_neutral {
                *sample = (shaped * gain) as f32;
            }
        }
        self.compressor.hear(peak);
    }

    /// Forgets the sound and hears nothing until there is something to do.
    fn rest(&mut self) {
        self.listens = false;
        self.until_step = 0;
        self.equaliser.clear();
        self.compressor.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const FULL: Shape = Shape {
        gains_db: [15.0; BANDS],
        squeeze: 0.0,
    };
    const SQUEEZED: Shape = Shape {
        gains_db: [6.0, -3.0, -6.0],
        squeeze: 1.0,
    };

    /// Neutral, but for the first two classes.
    const SHAPES: [Shape; MAX_CLASSES] = {
        let mut shapes = [Shape::NEUTRAL; MAX_CLASSES];
        shapes[0] = FULL;
        shapes[1] = SQUEEZED;
        shapes
    };

    const RATE: f64 = 48_000.0;

    /// A period has 240 samples.
    fn sine(length: usize) -> Vec<f32> {
        let sample = |index: usize| (TAU * 200.0 * index as f64 / RATE).sin() * 0.5;
        (0..length).map(|index| sample(index) as f32).collect()
    }

    /// What happens at a sample of the stream.
    #[derive(Clone, Copy)]
    enum Event {
        Note(u64, usize),
        Amended(u64, usize),
    }
    use Event::{Amended, Note};

    /// `sound` in blocks of `size` and what became of it, with `events` on their way.
    fn run(
        reshaping: &mut Reshaping,
        of_class: Option<&[Shape; MAX_CLASSES]>,
        sound: &[f32],
        size: usize,
        events: &[(usize, Event)],
    ) -> Vec<f32> {
        let mut sound = sound.to_vec();
        for (number, block) in sound.chunks_mut(size).enumerate() {
            let from = number * size;
            for (at, event) in events {
                if let Some(offset) = at.checked_sub(from).filter(|at| *at < block.len()) {
                    match *event {
                        Note(onset, class) => reshaping.follow(offset, onset, class),
                        Amended(onset, class) => reshaping.amend(offset, onset, class),
                    }
                }
            }
            reshaping.reshape(of_class, &mut [block]);
        }
        sound
    }

    fn bits(samples: &[f32]) -> Vec<u32> {
        samples.iter().map(|sample| sample.to_bits()).collect()
    }

    fn first_difference(a: &[f32], b: &[f32]) -> Option<usize> {
        let mut pairs = a.iter().zip(b);
        pairs.position(|(a, b)| a.to_bits() != b.to_bits())
    }

    #[test]
    fn off_and_neutral_it_touches_nothing_whatever_it_is() {
        let odd = [-0.0, f32::NAN, f32::INFINITY, f32::MAX, f32::from_bits(1)];
        let sound: Vec<f32> = odd.into_iter().cycle().take(200).chain(sine(400)).collect();
        for of_class in [None, Some(&SHAPES)] {
            // Before the first note, and with one whose shape is neutral.
            let none: &[(usize, Event)] = &[];
            for events in [none, &[(300, Note(1, 7))]] {
                let mut reshaping = Reshaping::new(RATE);
                let found = run(&mut reshaping, of_class, &sound, 64, events);
                assert_eq!(bits(&found), bits(&sound));
            }
        }
        let mut reshaping = Reshaping::new(RATE);
        let found = run(&mut reshaping, None, &sound, 64, &[(300, Note(1, 0))]);
        assert_eq!(bits(&found), bits(&sound));
    }

    #[test]
    fn it_begins_at_the_very_sample_and_glides_for_its_time() {
        for (at, class) in [(4_001, 0), (4_016, 1), (4_095, 0)] {
            let sound = vec![0.25; 12_000];
            let mut reshaping = Reshaping::new(RATE);
            let events = [(at, Note(1, class))];
            let found = run(&mut reshaping, Some(&SHAPES), &sound, 512, &events);
            assert_eq!(first_difference(&found, &sound), Some(at));
            assert_eq!(reshaping.shape, SHAPES[class]);
        }
        let steps = |amends: bool| {
            let mut reshaping = Reshaping::new(RATE);
            let events = [(0, Note(1, 2))];
            run(&mut reshaping, Some(&SHAPES), &sine(64), 64, &events);
            match amends {
                true => reshaping.amend(0, 1, 0),
                false => reshaping.follow(0, 2, 0),
            }
            let mut samples = 0;
            while reshaping.shape != FULL || reshaping.equaliser.is_gliding() {
                reshaping.reshape(Some(&SHAPES), &mut [[0.1f32]]);
                samples += 1;
            }
            samples
        };
        assert_eq!((steps(false), steps(true)), (240, 960));
    }

    #[test]
    fn blocks_make_no_difference() {
        let sound = sine(9_000);
        let events = [
            (5, Note(1, 0)),
            (700, Note(2, 1)),
            (709, Note(3, 4)),
            (1_000, Note(4, 1)),
            (4_100, Amended(4, 0)),
            (8_191, Note(5, 1)),
        ];
        let run = |size: usize| {
            let mut reshaping = Reshaping::new(RATE);
            let on = run(&mut reshaping, Some(&SHAPES), &sound, size, &events);
            // Where it comes to rest it makes none either.
            let off = run(&mut reshaping, None, &sound, size, &[]);
            assert!(!reshaping.listens);
            (bits(&on), bits(&off))
        };
        let whole = run(9_000);
        for size in [1, 16, 37, 512, 8_192] {
            assert!(run(size) == whole, "blocks of {size}");
        }
    }

    #[test]
    fn nothing_clicks_and_off_it_comes_to_rest() {
        let sound = sine(24_000);
        for class in [0, 1] {
            let mut reshaping = Reshaping::new(RATE);
            let events = [(6_037, Note(1, class)), (12_011, Note(2, 4))];
            let mut found = run(&mut reshaping, Some(&SHAPES), &sound, 64, &events);
            let again = [(6_000, Note(3, class))];
            found.extend(run(&mut reshaping, Some(&SHAPES), &sound, 64, &again));
            let off = run(&mut reshaping, None, &sound, 64, &[]);
            found.extend(&off);
            // At its loudest the tone has jumps of 0.03; switched at once there is one of 1.4.
            let jumps = found.windows(2).map(|pair| (pair[0] - pair[1]).abs());
            let jump = jumps.fold(0.0, f32::max);
            assert!(jump < 0.05, "{jump}");
            // 5 ms, and what is left of a step.
            let rest = 240 + 2 * STEP as usize;
            assert_ne!(bits(&off[..rest]), bits(&sound[..rest]));
            assert_eq!(bits(&off[rest..]), bits(&sound[rest..]));
        }
    }

    #[test]
    fn what_is_no_sample_passes_and_leaves_nothing_behind() {
        for strange in [f32::NAN, f32::INFINITY, f32::MAX, -f32::MAX] {
            let mut sound = sine(6_000);
            sound[3_000..3_010].fill(strange);
            let mut silent = sound.clone();
            silent[3_000..3_010].fill(0.0);
            let run = |sound: &[f32]| {
                let events = [(100, Note(1, 1))];
                let mut reshaping = Reshaping::new(RATE);
                run(&mut reshaping, Some(&SHAPES), sound, 64, &events)
            };
            let (found, expected) = (run(&sound), run(&silent));
            assert_eq!(bits(&found[3_000..3_010]), bits(&[strange; 10]));
            assert_eq!(bits(&found[3_010..]), bits(&expected[3_010..]));
        }
    }

    #[test]
    fn it_amends_the_note_that_it_follows_and_no_other() {
        let end = |events: &[(usize, Event)]| {
            let mut reshaping = Reshaping::new(RATE);
            run(&mut reshaping, Some(&SHAPES), &sine(4_000), 64, events);
            reshaping.shape
        };
        assert_eq!(end(&[(0, Note(1, 4)), (9, Amended(1, 0))]), FULL);
        // Another note came in between, or it was not played.
        let later = [(0, Note(1, 4)), (9, Note(2, 1)), (70, Amended(1, 0))];
        assert_eq!(end(&later), SQUEEZED);
        assert_eq!(end(&[(9, Amended(1, 0))]), Shape::NEUTRAL);
    }

    #[test]
    fn what_is_set_meanwhile_is_glided_to_and_a_reset_is_neutral_at_once() {
        let mut reshaping = Reshaping::new(RATE);
        let sound = sine(2_400);
        run(
            &mut reshaping,
            Some(&SHAPES),
            &sound,
            64,
            &[(0, Note(1, 0))],
        );
        let mut others = SHAPES;
        others[0] = SQUEEZED;
        let glided = run(&mut reshaping, Some(&others), &sound, 64, &[]);
        assert_eq!(reshaping.shape, SQUEEZED);
        let jumps = glided.windows(2).map(|pair| (pair[0] - pair[1]).abs());
        assert!(jumps.fold(0.0, f32::max) < 0.05);
        reshaping.reset();
        let after = run(&mut reshaping, Some(&SHAPES), &sound, 64, &[]);
        assert_eq!(bits(&after), bits(&sound));
        // As the first time.
        let events = [(50, Note(1, 1))];
        let after = run(&mut reshaping, Some(&SHAPES), &sound, 64, &events);
        reshaping.reset();
        run(&mut reshaping, Some(&SHAPES), &sound, 64, &[]);
        assert_eq!(
            bits(&run(&mut reshaping, Some(&SHAPES), &sound, 64, &events)),
            bits(&after)
        );
    }

    #[test]
    fn at_every_rate_with_any_channels_and_decisions_the_sound_is_finite() {
        for rate in [8_000.0, 44_100.0, 192_000.0] {
            for channels in 0..4 {
                let mut reshaping = Reshaping::new(rate);
                let mut block = vec![sine(8_192); channels];
                for onset in 0..2 * MOST_SWITCHES {
                    reshaping.follow(onset * 16, onset as u64, onset % MAX_CLASSES);
                }
                reshaping.reshape(Some(&SHAPES), &mut block[..]);
                let mut all = block.iter().flatten();
                assert!(all.all(|sample| sample.abs() < 10.0));
            }
        }
    }
}
