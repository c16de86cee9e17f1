//! Plays the sounds, and mixes them with the guitar.
//!
//! A fixed number of voices; for a note that finds none free the one that has sounded longest fades out. With
//! *Voices* down and *Dry* at 0 dB, and once that has been reached, no sample is touched.

use tocco_recognizer::classification::MAX_CLASSES;

use super::bank::{Bank, MOST_ZONES, NoteOn};

/// Sounds at once.
pub const VOICES: usize = 24;

/// Notes that may begin in one block; the longest block at the highest rate of onsets has fewer.
const MOST_STARTS: usize = 128;

/// Time in which a level goes where it should, seconds: no click.
const RAMP: f64 = 0.01;

/// Voices beside these that may fade out. A note that finds none of them free either cuts one off.
const FADING: usize = 8;

/// Time in which a voice fades out, seconds.
const FADE: f64 = 0.003;

/// A note that is to begin.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    offset: usize,
    note: NoteOn,
}

/// A sound that is under way.
#[derive(Debug, Clone, Copy)]
struct Voice {
    /// The class of the note that it is for.
    class: usize,
    /// Number of the recording in the bank.
    shot: usize,
    /// The next sample of it.
    position: usize,
    gain: f32,
    /// What the gain loses with each sample.
    fall: f32,
}

impl Voice {
    /// Fades out, unless it does already; by `fade` of its gain with each sample.
    fn fade_out(&mut self, fade: f32) {
        if self.fall == 0.0 {
            self.fall = fade * self.gain;
        }
    }
}

/// A level on its way.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    value: f32,
    target: f32,
    step: f32,
}

impl Ramp {
    fn new(value: f32, host_rate: f64) -> Self {
        Self {
            value,
            target: value,
            step: (1.0 / (RAMP * host_rate)) as f32,
        }
    }

    fn next(&mut self) -> f32 {
        let way = self.target - self.value;
        if way.abs() <= self.step {
            self.value = self.target;
        } else {
            self.value += self.step.copysign(way);
        }
        self.value
    }

    fn is_at(&self, level: f32) -> bool {
        self.value == level && self.target == level
    }
}

/// For the audio thread; nothing in it allocates.
pub struct Player {
    /// Two of each note's channels would sound alike: one voice feeds all channels.
    voices: [Option<Voice>; VOICES + FADING],
    starts: [Start; MOST_STARTS],
    n_starts: usize,
    /// Whether these wait for the next block.
    makes_way: bool,
    /// Notes of each class that each of the bank's zones was for since the stream began or the bank came:
    /// some take turns, `[MOST_ZONES]`.
    counts: Vec<[u32; MAX_CLASSES]>,
    wet: Ramp,
    dry: Ramp,
    /// What a fading voice loses with each sample, of full gain.
    fade: f32,
}

impl Player {
    /// For a host at `host_rate` Hz. Allocates.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            voices: [None; VOICES + FADING],
            starts: [Start::default(); MOST_STARTS],
            n_starts: 0,
            makes_way: false,
            counts: vec![[0; MAX_CLASSES]; MOST_ZONES],
            wet: Ramp::new(0.0, host_rate),
            dry: Ramp::new(1.0, host_rate),
            fade: (1.0 / (FADE * host_rate)) as f32,
        }
    }

    /// The levels that the voices and the guitar should have, as factors. Real-time safe.
    pub fn set_levels(&mut self, wet: f32, dry: f32) {
        self.wet.target = wet;
        self.dry.target = dry;
    }

    /// The levels at once, and no voice: where a stream begins. Real-time safe.
    pub fn reset(&mut self) {
        self.change_bank();
        self.n_starts = 0;
        self.makes_way = false;
        self.wet.value = self.wet.target;
        self.dry.value = self.dry.target;
    }

    /// A note begins at `offset` of the block, not before the one before it. Real-time safe.
    pub fn start(&mut self, offset: usize, note: NoteOn) {
        if let Some(start) = self.starts.get_mut(self.n_starts) {
            *start = Start { offset, note };
            self.n_starts += 1;
        }
    }

    /// Forgets all that sounds and whose turn it is: there is another bank, with other zones under the
    /// same numbers. Real-time safe.
    pub fn change_bank(&mut self) {
        self.silence();
        self.counts.fill([0; MAX_CLASSES]);
    }

    /// Forgets all that sounds.
    fn silence(&mut self) {
        self.voices = [None; VOICES + FADING];
    }

    /// Lets all that sounds fade out. Real-time safe.
    pub fn fade_out(&mut self) {
        self.n_starts = 0;
        for voice in self.voices.iter_mut().flatten() {
            voice.fade_out(self.fade);
        }
    }

    /// Lets all that sounds fade out to make way for another bank, and the notes that begin in this block wait
    /// for the next one; nothing of that if nothing sounds. Whether something does. Real-time safe.
    pub fn make_way(&mut self) -> bool {
        self.makes_way = self.voices.iter().any(Option::is_some);
        for voice in self.voices.iter_mut().flatten() {
            voice.fade_out(self.fade);
        }
        self.makes_way
    }

    /// Whether [`mix`](Self::mix) would leave the block as it is. Real-time safe.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.dry.is_at(1.0) && self.wet.is_at(0.0)
    }

    /// Mixes the block in place with what is to sound of `bank`. Real-time safe.
    pub fn mix<C: AsMut<[f32]>>(&mut self, bank: Option<&Bank>, channels: &mut [C]) {
        self.render(bank, channels, |_, [sound]: [f32; 1]| sound);
    }

    /// The same with the voices of each class in a bus of its own, `[MAX_CLASSES]` of any number of
    /// channels, which must be silent: the block has the guitar alone. What a bus has no room for is
    /// lost. Real-time safe.
    pub fn mix_apart<C: AsMut<[f32]>, D: AsMut<[f32]>>(
        &mut self,
        bank: Option<&Bank>,
        channels: &mut [C],
        buses: &mut [&mut [D]; MAX_CLASSES],
    ) {
        self.render(bank, channels, |index, sounds: [f32; MAX_CLASSES]| {
            for (bus, sound) in buses.iter_mut().zip(sounds) {
                for channel in bus.iter_mut() {
                    if let Some(sample) = channel.as_mut().get_mut(index) {
                        *sample = sound;
                    }
                }
            }
            0.0
        });
    }

    /// Takes the block to the guitar's level, and adds what `place` leaves of each sample's voices, which
    /// are in `BUSES` sums: see [`sound`](Self::sound).
    fn render<const BUSES: usize, C: AsMut<[f32]>>(
        &mut self,
        bank: Option<&Bank>,
        channels: &mut [C],
        mut place: impl FnMut(usize, [f32; BUSES]) -> f32,
    ) {
        let mut starts = std::mem::take(&mut self.n_starts);
        if std::mem::take(&mut self.makes_way) && !self.is_idle() {
            self.n_starts = std::mem::take(&mut starts);
            // They begin with the next block, before what begins in it.
            self.starts.iter_mut().for_each(|start| start.offset = 0);
        }
        if self.is_idle() {
            self.silence();
            return;
        }
        let lengths = channels.iter_mut().map(|channel| channel.as_mut().len());
        let length = lengths.min().unwrap_or(0);
        let mut next = 0;
        for index in 0..length {
            while next < starts && self.starts[next].offset <= index {
                if let Some(bank) = bank {
                    self.begin(bank, self.starts[next].note);
                }
                next += 1;
            }
            let (wet, dry) = (self.wet.next(), self.dry.next());
            let sounds = bank.map_or([0.0; BUSES], |bank| self.sound(bank));
            let sound = place(index, sounds.map(|sound| sound * wet));
            for channel in channels.iter_mut() {
                let sample = &mut channel.as_mut()[index];
                *sample = match dry {
                    0.0 => sound,
                    dry => *sample * dry + sound,
                };
            }
        }
    }

    fn begin(&mut self, bank: &Bank, note: NoteOn) {
        // While they are read, voices are added.
        let mut counts = std::mem::take(&mut self.counts);
        for (shot, gain) in bank.sounds(note, &mut counts).take(VOICES) {
            self.add(note.class, shot, gain);
        }
        self.counts = counts;
    }

    fn add(&mut self, class: usize, shot: usize, gain: f32) {
        let sounding = self.voices.iter_mut().flatten();
        let sounding = sounding.filter(|voice| voice.fall == 0.0);
        let (count, longest) = sounding.fold((0, None), |(count, longest), voice| {
            let is_longer = |other: &&mut Voice| voice.position <= other.position;
            let longest = longest.filter(is_longer);
            (count + 1, longest.or(Some(voice)))
        });
        if let Some(voice) = longest.filter(|_| count >= VOICES) {
            voice.fade_out(self.fade);
        }
        // Where none is free, the one that is nearest to the end of its fading.
        let left = |voice: &Option<Voice>| match voice {
            None => 0.0,
            Some(voice) if voice.fall > 0.0 => voice.gain,
            Some(_) => f32::INFINITY,
        };
        let slots = self.voices.iter_mut();
        if let Some(slot) = slots.min_by(|a, b| left(a).total_cmp(&left(b))) {
            *slot = Some(Voice {
                class,
                shot,
                position: 0,
                gain,
                fall: 0.0,
            });
        }
    }

    /// The next sample of all voices: a sum for each class, the last one for all classes from there on.
    fn sound<const BUSES: usize>(&mut self, bank: &Bank) -> [f32; BUSES] {
        let mut sums = [0.0; BUSES];
        for slot in &mut self.voices {
            let Some(voice) = slot else { continue };
            let shot = bank.shots.get(voice.shot);
            let Some(sample) = shot.and_then(|shot| shot.get(voice.position)) else {
                *slot = None;
                continue;
            };
            if let Some(sum) = sums.get_mut(voice.class.min(BUSES - 1)) {
                *sum += sample * voice.gain;
            }
            voice.position += 1;
            voice.gain -= voice.fall;
            if voice.gain <= 0.0 {
                *slot = None;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sounds that tell by their value what sounds: class and one at its start, falling.
    fn bank() -> Bank {
        Bank {
            rate: 1_000.0,
            shots: (1..=MAX_CLASSES).map(|n| vec![n as f32; 100]).collect(),
            zones: Vec::new(),
        }
    }

    /// A note of `class` as loud as `gain` says.
    fn note_on(class: usize, gain: f32) -> NoteOn {
        NoteOn {
            class,
            key: 0,
            velocity: gain.sqrt(),
        }
    }

    fn player(wet: f32, dry: f32) -> Player {
        let mut player = Player::new(1_000.0);
        player.set_levels(wet, dry);
        player.reset();
        player
    }

    #[test]
    fn a_sound_begins_at_its_sample_in_all_channels() {
        let mut player = player(0.5, 1.0);
        player.start(7, note_on(2, 1.0));
        player.start(20, note_on(0, 0.25));
        let mut block = [vec![0.25; 200], vec![-0.25; 200]];
        player.mix(Some(&bank()), &mut block);
        let [left, right] = block;
        for (index, (left, right)) in left.into_iter().zip(right).enumerate() {
            let tom = if (7..107).contains(&index) { 1.5 } else { 0.0 };
            let kick = if (20..120).contains(&index) {
                0.125
            } else {
                0.0
            };
            assert_eq!(left, 0.25 + tom + kick, "{index}");
            assert_eq!(right, -0.25 + tom + kick, "{index}");
        }
    }

    #[test]
    fn apart_each_class_has_its_bus_and_the_buses_are_the_mix() {
        let notes = |player: &mut Player| {
            for class in 0..MAX_CLASSES {
                player.start(3 + 10 * class, note_on(class, 1.0));
            }
            // Twice at once, and while it sounds.
            player.start(90, note_on(5, 0.25));
        };
        let (mut player, mut apart) = (player(0.5, 0.25), player(0.5, 0.25));
        notes(&mut player);
        notes(&mut apart);
        let guitar = [vec![0.5; 250], vec![-0.5; 250]];
        let mut mixed = guitar.clone();
        player.mix(Some(&bank()), &mut mixed);
        let mut main = guitar.clone();
        let mut memory: [[Vec<f32>; 2]; MAX_CLASSES] =
            std::array::from_fn(|_| [vec![0.0; 250], vec![0.0; 250]]);
        let mut buses = memory.each_mut().map(|bus| &mut bus[..]);
        apart.mix_apart(Some(&bank()), &mut main, &mut buses);
        for (class, [left, right]) in memory.iter().enumerate() {
            assert_eq!(left, right);
            let own = (class + 1) as f32 * 0.5;
            for (index, sound) in left.iter().enumerate() {
                let first = (3 + 10 * class..103 + 10 * class).contains(&index);
                let second = class == 5 && (90..190).contains(&index);
                let expected = f32::from(u8::from(first)) + 0.25 * f32::from(u8::from(second));
                assert_eq!(*sound, own * expected, "class {class} at {index}");
            }
        }
        for (channel, (main, mixed)) in main.iter().zip(&mixed).enumerate() {
            for (index, (main, mixed)) in main.iter().zip(mixed).enumerate() {
                assert_eq!(*main, 0.25 * guitar[channel][index]);
                let voices = memory.iter().map(|bus| bus[channel][index]);
                assert_eq!(main + voices.sum::<f32>(), *mixed, "{index}");
            }
        }
    }

    #[test]
    fn apart_a_bus_that_is_not_there_is_lost_and_with_voices_down_nothing_is_touched() {
        let mut player = player(1.0, 1.0);
        player.start(0, note_on(0, 1.0));
        player.start(0, note_on(1, 1.0));
        let mut short = [vec![0.0; 4]];
        let mut buses: [&mut [Vec<f32>]; MAX_CLASSES] = std::array::from_fn(|_| Default::default());
        buses[1] = &mut short;
        let mut main = [vec![-0.0; 10]];
        player.mix_apart(Some(&bank()), &mut main, &mut buses);
        assert_eq!(short[0], [2.0; 4]);
        assert!(main[0].iter().all(|sample| *sample == 0.0));

        let mut player = self::player(0.0, 1.0);
        player.start(0, note_on(0, 1.0));
        let mut bus = [vec![7.0; 4]];
        let mut buses: [&mut [Vec<f32>]; MAX_CLASSES] = std::array::from_fn(|_| Default::default());
        buses[0] = &mut bus;
        let mut main = [vec![f32::NAN; 4]];
        player.mix_apart(Some(&bank()), &mut main, &mut buses);
        assert_eq!(bus[0], [7.0; 4]);
        assert!(main[0].iter().all(|sample| sample.is_nan()));
    }

    #[test]
    fn blocks_make_no_difference() {
        let starts = [(3, 1), (64, 2), (65, 3), (130, 0)];
        let run = |size: usize| {
            let mut player = player(1.0, 0.5);
            let mut all = Vec::new();
            for from in (0..300).step_by(size) {
                for (at, class) in starts {
                    if (from..from + size).contains(&at) {
                        player.start(at - from, note_on(class, 0.7));
                    }
                }
                let mut block = [vec![0.1; size]];
                player.mix(Some(&bank()), &mut block);
                all.extend_from_slice(&block[0]);
            }
            all.truncate(300);
            all
        };
        let whole = run(300);
        for size in [1, 50, 60] {
            assert_eq!(run(size), whole);
        }
    }

    #[test]
    fn down_it_touches_nothing_whatever_it_is() {
        let mut player = player(0.0, 1.0);
        player.start(0, note_on(0, 1.0));
        assert!(player.is_idle());
        let odd = [-0.0, f32::NAN, f32::INFINITY, f32::from_bits(1), 0.1];
        let mut block = [odd.to_vec()];
        player.mix(Some(&bank()), &mut block);
        for (found, expected) in block[0].iter().zip(odd) {
            assert_eq!(found.to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn levels_go_without_a_step_and_arrive() {
        let mut player = player(0.0, 1.0);
        player.set_levels(0.0, 0.0);
        let mut block = [vec![1.0; 30]];
        player.mix(None, &mut block);
        let steps = block[0].windows(2).map(|pair| (pair[0] - pair[1]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.11, "{block:?}");
        assert_eq!(block[0][29], 0.0);
        player.set_levels(0.0, 1.0);
        player.mix(None, &mut [vec![1.0; 30]]);
        assert!(player.is_idle());
    }

    #[test]
    fn of_too_many_the_oldest_goes_and_all_can_fade() {
        let mut player = player(1.0, 1.0);
        for offset in 0..VOICES + 1 {
            player.start(offset, note_on(0, 1.0));
        }
        let mut block = [vec![0.0; VOICES + 6]];
        player.mix(Some(&bank()), &mut block);
        assert_eq!(block[0][VOICES - 1], VOICES as f32);
        // One more than there are: the oldest fades out.
        let after = &block[0][VOICES..];
        assert_eq!(after[0], VOICES as f32 + 1.0);
        assert!(
            after
                .windows(2)
                .all(|pair| (0.0..0.4).contains(&(pair[0] - pair[1])))
        );
        assert_eq!(after[5], VOICES as f32);
        player.fade_out();
        let mut block = [vec![0.0; 10]];
        player.mix(Some(&bank()), &mut block);
        assert!(block[0].is_sorted_by(|a, b| a >= b));
        assert_eq!(block[0][9], 0.0);
        for _ in 0..2 * MOST_STARTS {
            player.start(0, note_on(0, 1.0));
        }
        player.mix(Some(&bank()), &mut [vec![0.0; 10]]);
    }

    #[test]
    fn sounds_that_take_turns_begin_anew_with_each_stream_and_layers_sound_together() {
        use crate::voices::bank::{Target, Turn, Zone};
        let zone = |shot, turn| Zone {
            target: Target::Class(0),
            velocities: (1, 127),
            turn,
            gain: 1.0,
            velocity_tracking: 1.0,
            shot,
        };
        let turn = |position| {
            Some(Turn {
                position,
                length: 2,
            })
        };
        let bank = Bank {
            zones: vec![zone(3, turn(0)), zone(4, turn(1)), zone(0, None)],
            ..bank()
        };
        let mut player = player(1.0, 0.0);
        let first_two = |player: &mut Player| {
            player.start(0, note_on(0, 1.0));
            player.start(150, note_on(0, 1.0));
            let mut block = [vec![0.0; 300]];
            player.mix(Some(&bank), &mut block);
            (block[0][0], block[0][150])
        };
        assert_eq!(first_two(&mut player), (4.0 + 1.0, 5.0 + 1.0));
        player.start(0, note_on(0, 1.0));
        player.mix(Some(&bank), &mut [vec![0.0; 300]]);
        player.reset();
        assert_eq!(first_two(&mut player), (5.0, 6.0));
        // A bank that has not what sounds.
        player.start(0, note_on(0, 1.0));
        player.mix(Some(&bank), &mut [vec![0.0; 10]]);
        let empty = Bank {
            shots: Vec::new(),
            ..bank.clone()
        };
        player.mix(Some(&empty), &mut [vec![0.0; 10]]);
        player.silence();
        let mut block = [vec![0.0; 10]];
        player.mix(Some(&bank), &mut block);
        assert_eq!(block[0], [0.0; 10]);
    }
}
