//! Controllers: how a note was played, as something that moves.
//!
//! Each decision sets what they go to: the probability of each class, the place on an axis between
//! two of them, the brightness and the level of the note. They go there in the time that the user
//! sets, in steps of 5 ms, and send what is another one of 128 values than before. Notes under the
//! gate move nothing. As delivered none is sent.

use nice_plug::prelude::NoteEvent;

use tocco_recognizer::classification::{Classification, MAX_CLASSES};

/// Time between two steps, seconds.
const STEP: f64 = 0.005;

/// How many controllers there are: a probability a class, axis, brightness, level.
pub const COUNT: usize = MAX_CLASSES + 3;

const AXIS: usize = MAX_CLASSES;
const BRIGHTNESS: usize = MAX_CLASSES + 1;
const LEVEL: usize = MAX_CLASSES + 2;

/// Highest number of a controller: those above are no controllers but modes.
pub const HIGHEST: u8 = 119;

/// Level at the lower end of its controller, dB full scale. Full scale is the upper one.
const SOFTEST_DB: f32 = -60.0;

/// Both classes of an axis together must be so probable for its place to be told.
const LEAST_ON_AXIS: f32 = 0.02;

/// What is set of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlSettings {
    /// Number of each controller, `[COUNT]`; 0 if it is not sent.
    pub numbers: [u8; COUNT],
    /// The classes at the ends of the axis.
    pub axis: Option<(usize, usize)>,
    /// Channel, 0 to 15.
    pub channel: u8,
    /// Time to go most of the way, seconds.
    pub smoothing: f64,
}

impl ControlSettings {
    /// `probabilities` is the number of the first of eight, 0 if they are not sent, and so are the
    /// others.
    #[must_use]
    pub fn numbers(probabilities: u8, axis: u8, brightness: u8, level: u8) -> [u8; COUNT] {
        std::array::from_fn(|index| match index {
            AXIS => axis,
            BRIGHTNESS => brightness,
            LEVEL => level,
            class if probabilities > 0 => probabilities + class as u8,
            _ => 0,
        })
    }

    /// Whether any is sent. Real-time safe.
    #[must_use]
    pub fn any(&self) -> bool {
        self.numbers.iter().any(|number| *number > 0)
    }

    /// Whether the brightness is. Real-time safe.
    #[must_use]
    pub fn brightness(&self) -> bool {
        self.numbers[BRIGHTNESS] > 0
    }
}

/// One controller.
#[derive(Debug, Clone, Copy, Default)]
struct Moving {
    value: f32,
    /// Nothing before the first note.
    target: Option<f32>,
    /// What was sent last, with its number and channel.
    sent: Option<(u8, u8, u8)>,
}

/// Moves them. For the audio thread; nothing in it allocates.
#[derive(Debug)]
pub struct Control {
    controllers: [Moving; COUNT],
    /// Host samples.
    step: u64,
    host_rate: f64,
    /// Host samples since the stream began, up to the current block.
    position: u64,
    /// The next step is not before this.
    cursor: u64,
    /// Whether it is then: what is not smoothed is there with its note.
    at_once: bool,
}

impl Control {
    /// For a host at `host_rate` Hz.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            controllers: Default::default(),
            step: ((STEP * host_rate) as u64).max(1),
            host_rate,
            position: 0,
            cursor: 0,
            at_once: false,
        }
    }

    /// A decision that becomes known at `offset`, and how bright the note is if that is known.
    /// Real-time safe.
    pub fn hear(
        &mut self,
        result: &Classification,
        offset: usize,
        brightness: Option<f32>,
        settings: &ControlSettings,
    ) {
        if result.gated {
            return;
        }
        // What was nowhere on its way begins no earlier.
        let now = self.position + offset as u64;
        self.at_once = settings.smoothing == 0.0;
        // What is not smoothed is there with its note, also with the second one of this sample.
        self.cursor = match self.at_once {
            true => now,
            false => self.cursor.max(now),
        };
        let mut set = |index: usize, target: f32| {
            if !target.is_nan() {
                self.controllers[index].target = Some(target.clamp(0.0, 1.0));
            }
        };
        for (class, probability) in result.probabilities[..result.n_classes].iter().enumerate() {
            set(class, *probability);
        }
        if let Some((from, to)) = settings.axis {
            let (from, to) = (result.probabilities[from], result.probabilities[to]);
            if from + to >= LEAST_ON_AXIS {
                set(AXIS, to / (from + to));
            }
        }
        // Of a second decision the first one said them.
        if !result.is_second() {
            set(LEVEL, 1.0 - result.note.peak_db / SOFTEST_DB);
            if let Some(brightness) = brightness {
                set(BRIGHTNESS, brightness);
            }
        }
    }

    /// The offset of the next step, if something is to be done at one up to and including `offset`.
    /// Real-time safe.
    #[must_use]
    pub fn next_step(&self, offset: usize, settings: &ControlSettings) -> Option<usize> {
        let moving = (self.controllers.iter().zip(settings.numbers))
            .any(|(controller, number)| controller.is_moving(number, settings.channel));
        let earliest = self.cursor.max(self.position);
        let at = match self.at_once {
            true => earliest,
            false => earliest.next_multiple_of(self.step),
        };
        let due = moving && at <= self.position + offset as u64;
        due.then(|| (at - self.position) as usize)
    }

    /// Makes the step at `offset`. `send` returns whether the host took the event. Real-time safe.
    pub fn step(
        &mut self,
        offset: usize,
        settings: &ControlSettings,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) {
        // A third of the time is the time constant: 95 % of the way.
        let steps = settings.smoothing * self.host_rate / self.step as f64;
        let share = if steps > 0.0 {
            1.0 - (-3.0 / steps).exp()
        } else {
            1.0
        };
        self.cursor = self.position + offset as u64 + 1;
        self.at_once = false;
        for (controller, number) in self.controllers.iter_mut().zip(settings.numbers) {
            controller.step(share as f32);
            if !controller.is_moving(number, settings.channel) {
                continue;
            }
            let Some(byte) = controller.unsent(number, settings.channel) else {
                continue;
            };
            let taken = send(NoteEvent::MidiCC {
                timing: offset as u32,
                channel: settings.channel,
                cc: number,
                value: f32::from(byte) / 127.0,
            });
            if taken {
                controller.sent = Some((number, settings.channel, byte));
            }
        }
    }

    /// Ends a block of `length` samples. Real-time safe.
    pub fn end_block(&mut self, length: usize) {
        self.position += length as u64;
    }

    /// Starts anew at position 0, as if nothing had been heard: what was on its way stays where the host
    /// has it, and the next note says all anew. So a take gives the same each time. Real-time safe.
    pub fn reset(&mut self) {
        self.controllers = Default::default();
        self.position = 0;
        self.cursor = 0;
        self.at_once = false;
    }
}

impl Moving {
    fn step(&mut self, share: f32) {
        let Some(target) = self.target else {
            return;
        };
        // The first note is no way to go.
        if self.sent.is_none() {
            self.value = target;
        }
        self.value += (target - self.value) * share;
        if (target - self.value).abs() < 0.1 / 127.0 {
            self.value = target;
        }
    }

    /// What is to be sent under `number`, if it differs from what was.
    fn unsent(&self, number: u8, channel: u8) -> Option<u8> {
        let byte = (self.value * 127.0).round() as u8;
        let sent = self.sent == Some((number, channel, byte));
        (self.target.is_some() && !sent).then_some(byte)
    }

    fn is_moving(&self, number: u8, channel: u8) -> bool {
        let on_its_way = self.target.is_some_and(|target| target != self.value);
        number > 0 && (on_its_way || self.unsent(number, channel).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_recognizer::classification::{Decision, Note};

    fn note(probabilities: [f32; MAX_CLASSES], peak_db: f32) -> Classification {
        let numbered = Classification::numbered(0);
        Classification {
            note: Note {
                peak_db,
                ..numbered.note
            },
            probabilities,
            ..numbered
        }
    }

    fn settings(smoothing: f64) -> ControlSettings {
        ControlSettings {
            numbers: ControlSettings::numbers(20, 30, 31, 32),
            axis: Some((6, 7)),
            channel: 3,
            smoothing,
        }
    }

    /// Offset, number and value of all that is sent up to `offset`.
    fn sent(
        control: &mut Control,
        settings: &ControlSettings,
        offset: usize,
    ) -> Vec<(usize, u8, u8)> {
        let mut sent = Vec::new();
        while let Some(step) = control.next_step(offset, settings) {
            control.step(step, settings, &mut |event| {
                let NoteEvent::MidiCC {
                    timing,
                    channel,
                    cc,
                    value,
                } = event
                else {
                    panic!("{event:?}");
                };
                assert_eq!((timing as usize, channel), (step, settings.channel));
                sent.push((step, cc, (value * 127.0).round() as u8));
                true
            });
        }
        sent
    }

    const SURE: [f32; 8] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.75];

    #[test]
    fn of_two_notes_in_one_sample_both_have_their_controllers_before_them() {
        let settings = settings(0.0);
        let mut control = Control::new(48_000.0);
        control.hear(&note(SURE, -15.0), 0, Some(0.5), &settings);
        assert!(!sent(&mut control, &settings, 0).is_empty());
        control.hear(&note(SURE, -30.0), 0, Some(0.1), &settings);
        let second = sent(&mut control, &settings, 0);
        assert_eq!(second.len(), 2, "level and brightness: {second:?}");
    }

    #[test]
    fn before_the_first_note_nothing_is_sent_and_nothing_twice() {
        let settings = settings(0.0);
        let mut control = Control::new(1_000.0); // a step in 5 samples
        assert_eq!(sent(&mut control, &settings, 999), []);
        control.end_block(1_000);
        control.hear(&note(SURE, -15.0), 0, Some(0.5), &settings);
        let first = sent(&mut control, &settings, 999);
        let expected: Vec<(usize, u8, u8)> = [0, 0, 0, 0, 0, 0, 32, 95, 95, 64, 95]
            .into_iter()
            .zip([20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32])
            .map(|(value, number)| (0, number, value))
            .collect();
        assert_eq!(first, expected);
        control.end_block(1_000);
        control.hear(&note(SURE, -15.0), 0, Some(0.5), &settings);
        assert_eq!(sent(&mut control, &settings, 999), []);
        // Elsewhere it is said again.
        let mut moved = settings;
        moved.numbers = ControlSettings::numbers(0, 40, 0, 0);
        assert_eq!(sent(&mut control, &moved, 999), [(0, 40, 95)]);
    }

    #[test]
    fn what_is_smoothed_arrives_in_time_and_in_order() {
        let mut only = settings(0.1);
        only.numbers = ControlSettings::numbers(0, 30, 0, 0);
        let mut control = Control::new(1_000.0);
        control.hear(&note([0.125; 8], 0.0), 0, None, &only);
        assert_eq!(sent(&mut control, &only, 4), [(0, 30, 64)]);
        control.end_block(5);
        control.hear(
            &note([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 0.0),
            0,
            None,
            &only,
        );
        let way = sent(&mut control, &only, 499);
        assert!(way.len() > 5, "{way:?}");
        assert!(way.is_sorted_by_key(|(offset, _, value)| (*offset, *value)));
        let at = |offset| way.iter().rfind(|(at, ..)| *at <= offset).unwrap().2;
        assert!((122..127).contains(&at(100)), "{way:?}");
        assert_eq!(at(499), 127);
        assert!(at(20) < 110);
        control.end_block(500);
        assert_eq!(control.next_step(10_000, &only), None);
    }

    #[test]
    fn blocks_make_no_difference() {
        let settings = settings(0.05);
        let run = |block: usize| {
            let mut control = Control::new(1_000.0);
            let mut all = Vec::new();
            for start in (0..600).step_by(block) {
                for (at, level) in [(3, -30.0), (303, -10.0)] {
                    if (start..start + block).contains(&at) {
                        let offset = at - start;
                        let before = sent(&mut control, &settings, offset);
                        all.extend(before.into_iter().map(|s| (start + s.0, s.1, s.2)));
                        control.hear(&note(SURE, level), offset, None, &settings);
                    }
                }
                let rest = sent(&mut control, &settings, block - 1);
                all.extend(rest.into_iter().map(|s| (start + s.0, s.1, s.2)));
                control.end_block(block);
            }
            all
        };
        let whole = run(600);
        assert!(whole.len() > 15);
        for block in [1, 4, 5, 100] {
            assert_eq!(run(block), whole, "{block}");
        }
    }

    #[test]
    fn a_reset_leaves_nothing_on_its_way_and_nothing_known() {
        let settings = settings(0.05);
        let mut control = Control::new(1_000.0);
        let mut run = || {
            let mut all = Vec::new();
            for level in [-30.0, -10.0] {
                control.hear(&note(SURE, level), 3, Some(0.5), &settings);
                // The second one has not arrived when it ends.
                all.push(sent(&mut control, &settings, 19));
                control.end_block(20);
            }
            assert!(control.next_step(1_000, &settings).is_some());
            control.reset();
            assert_eq!(control.next_step(100_000, &settings), None);
            all
        };
        let first = run();
        assert!(first[0].len() >= COUNT, "{first:?}");
        assert_eq!(run(), first);
    }

    #[test]
    fn what_tells_nothing_moves_nothing() {
        let settings = settings(0.0);
        let mut control = Control::new(1_000.0);
        control.hear(&note(SURE, -15.0), 0, Some(0.5), &settings);
        sent(&mut control, &settings, 4);
        control.end_block(5);
        let mut gated = note([1.0; 8], 0.0);
        gated.gated = true;
        control.hear(&gated, 0, Some(1.0), &settings);
        assert_eq!(control.next_step(10, &settings), None);
        // Neither end of the axis, and no number.
        let mut elsewhere = note([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], f32::NAN);
        elsewhere.probabilities[3] = f32::NAN;
        control.hear(&elsewhere, 0, None, &settings);
        let changed: Vec<u8> = sent(&mut control, &settings, 4)
            .iter()
            .map(|s| s.1)
            .collect();
        assert_eq!(changed, [20, 26, 27]);
        // A second decision has its probabilities, and the first one's level.
        let mut second = note(SURE, -1.0);
        second.decision = Decision::Second {
            was: 0,
            was_gated: false,
        };
        control.end_block(5);
        control.hear(&second, 0, Some(1.0), &settings);
        let changed: Vec<u8> = sent(&mut control, &settings, 4)
            .iter()
            .map(|s| s.1)
            .collect();
        assert_eq!(changed, [20, 26, 27]);
    }

    #[test]
    fn what_the_host_does_not_take_is_sent_again() {
        let settings = settings(0.0);
        let mut control = Control::new(1_000.0);
        control.hear(&note(SURE, -15.0), 0, Some(0.5), &settings);
        control.step(0, &settings, &mut |_| false);
        assert_eq!(sent(&mut control, &settings, 9).len(), COUNT);
    }
}
