//! Two sides to one: which of a stereo input's sides is listened to.

/// What is heard of an input with two sides. One side alone is always heard as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputChoice {
    /// The louder side; see `Downmix`.
    Automatic,
    /// The first side.
    Left,
    /// The second side.
    Right,
    /// The mean of all sides. What is on one side only is 6 dB softer, and what is on both in
    /// opposite polarity is gone.
    #[default]
    Sum,
}

impl InputChoice {
    /// With [`Automatic`](Self::Automatic) the other side takes over when it is louder by this factor in
    /// energy, 3 dB: between equal sides nothing changes, and nothing goes to and fro.
    pub const TAKE_OVER: f32 = 2.0;
}

/// Time in which a side's loudness falls by 20 dB once it is silent: longer than the gaps in any
/// playing, shorter than it takes to plug another cable in. Seconds.
const MEMORY: f64 = 10.0;

/// A hop of this many times the energy of those just before, 6 dB, is the beginning of a note: there
/// a change of sides makes no onset that is not one anyway.
const ATTACK: f32 = 4.0;

/// What is left of the energy of those just before after a hop: a low string's period is some hops
/// long, and its hops' energies go up and down.
const RECENT: f32 = 0.85;

/// Mean square under which a hop is silence, -60 dB full scale: under every onset detector's own
/// level of silence.
const SILENCE: f32 = 1e-6;

/// Time constant of the mean that is taken off a side before its loudness is measured: an input with an
/// offset and nothing plugged in is silent. Seconds: long against a low string's period.
const OFFSET_TIME: f64 = 0.5;

/// Time that a change of sides takes where no note begins. Seconds: no onset rises so slowly.
const FADE: f64 = 0.5;

/// Chooses between two sides, hop by hop, for [`InputChoice::Automatic`].
///
/// It listens to one side, to a mixture of both only while one fades into the other: so nothing cancels,
/// whatever the polarity of the sides is, and a guitar on one side is heard at its full level. The loudness of a side is
/// that of its loudest hop, forgotten by 20 dB in [`MEMORY`]. When the other side is 3 dB louder,
/// it takes over: at once in a hop in which a note begins on it, or in silence; otherwise it is
/// faded in slowly. Two equal sides are heard as one, to the bit.
///
/// A hop is decided with that hop already heard: the first note on a side that was silent is heard
/// there from its beginning. Real-time safe.
#[derive(Debug, Clone)]
pub(crate) struct Downmix {
    choice: InputChoice,
    /// What is left of the loudness after a hop.
    decay: f32,
    /// How far a fade gets in a hop.
    fade: f32,
    /// How far the means follow in a hop.
    following: f32,
    /// Mean of each side lately; `None` until the first hop.
    means: Option<[f32; 2]>,
    /// Loudness of each side, mean square.
    loudness: [f32; 2],
    /// Mean square of each side in the loudest of the last hops.
    recent: [f32; 2],
    /// The side that is listened to, 0 or 1.
    side: usize,
    /// Weight of the second side, 0 to 1: on its way to `side`.
    weight: f32,
}

impl Downmix {
    pub(crate) fn new(choice: InputChoice, hops_per_second: f64) -> Self {
        Self {
            choice,
            decay: 0.01f64.powf(1.0 / (MEMORY * hops_per_second)) as f32,
            fade: (1.0 / (FADE * hops_per_second)) as f32,
            following: (1.0 / (OFFSET_TIME * hops_per_second)) as f32,
            means: None,
            loudness: [0.0; 2],
            recent: [0.0; 2],
            side: 0,
            weight: 0.0,
        }
    }

    /// From the next hop on.
    pub(crate) fn choose(&mut self, choice: InputChoice) {
        self.choice = choice;
    }

    pub(crate) fn reset(&mut self) {
        self.means = None;
        self.loudness = [0.0; 2];
        self.recent = [0.0; 2];
        self.side = 0;
        self.weight = 0.0;
    }

    /// One hop of both sides, finite and of equal length, becomes one hop, in `left`.
    pub(crate) fn mix(&mut self, left: &mut [f32], right: &[f32]) {
        // Also while another choice is in force: a change to this one finds the sides known.
        let (from, to) = self.follow(left, right);
        let (from, to) = match self.choice {
            InputChoice::Automatic => (from, to),
            InputChoice::Left => (0.0, 0.0),
            InputChoice::Right => (1.0, 1.0),
            InputChoice::Sum => {
                for (left, right) in left.iter_mut().zip(right) {
                    *left = (*left + right) / 2.0;
                }
                return;
            }
        };
        if (from, to) == (1.0, 1.0) {
            left.copy_from_slice(right);
        } else if (from, to) != (0.0, 0.0) {
            let step = (to - from) / left.len() as f32;
            let mut weight = from;
            for (left, right) in left.iter_mut().zip(right) {
                weight += step;
                *left += weight * (right - *left);
            }
        }
    }

    /// Takes a hop into account; the weight of the second side at its beginning and its end.
    fn follow(&mut self, left: &[f32], right: &[f32]) -> (f32, f32) {
        let sides = [left, right];
        let hop_means = sides.map(mean);
        let before = self.means.unwrap_or(hop_means);
        let means = [0, 1].map(|i| before[i] + self.following * (hop_means[i] - before[i]));
        self.means = Some(means);
        let now = [0, 1].map(|i| mean_square(sides[i], means[i]));
        for (loudness, now) in self.loudness.iter_mut().zip(now) {
            *loudness = now.max(*loudness * self.decay);
        }
        let other = 1 - self.side;
        if self.loudness[other] > InputChoice::TAKE_OVER * self.loudness[self.side] {
            self.side = other;
        }
        let target = self.side as f32;
        let begins = now[self.side] > ATTACK * self.recent[self.side];
        let silent = now[0].max(now[1]) < SILENCE;
        for (recent, now) in self.recent.iter_mut().zip(now) {
            *recent = now.max(*recent * RECENT);
        }
        let from = if begins || silent {
            target
        } else {
            self.weight
        };
        self.weight = target.clamp(from - self.fade, from + self.fade);
        (from, self.weight)
    }
}

fn mean(samples: &[f32]) -> f32 {
    samples.iter().sum::<f32>() / samples.len().max(1) as f32
}

/// Mean square of what is above or below `offset`.
fn mean_square(samples: &[f32], offset: f32) -> f32 {
    let squares = samples.iter().map(|sample| (sample - offset).powi(2));
    squares.sum::<f32>() / samples.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOPS_PER_SECOND: f64 = 750.0;

    /// One hop of noise at `level`, the same for the same `seed`.
    fn hop(seed: u32, level: f32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..64).map(|_| next()).collect()
    }

    fn mixed(downmix: &mut Downmix, left: &[f32], right: &[f32]) -> Vec<f32> {
        let mut mixed = left.to_vec();
        downmix.mix(&mut mixed, right);
        mixed
    }

    fn automatic() -> Downmix {
        Downmix::new(InputChoice::Automatic, HOPS_PER_SECOND)
    }

    #[test]
    fn equal_sides_are_one_side_to_the_bit() {
        for choice in [InputChoice::Automatic, InputChoice::Sum] {
            let mut downmix = Downmix::new(choice, HOPS_PER_SECOND);
            for seed in 0..2_000 {
                let hop = hop(seed, if seed % 100 < 20 { 0.5 } else { 0.01 });
                assert_eq!(mixed(&mut downmix, &hop, &hop), hop);
            }
        }
    }

    #[test]
    fn a_guitar_on_one_side_is_heard_there_from_its_first_hop() {
        let mut downmix = automatic();
        for seed in 0..100 {
            let (left, right) = (hop(seed, 2e-4), hop(seed + 5_000, 2e-4));
            mixed(&mut downmix, &left, &right);
        }
        for seed in 100..200 {
            // It rings on, softer and softer.
            let note = hop(seed, 0.3 / (seed - 99) as f32);
            let room = hop(seed + 5_000, 2e-4);
            assert_eq!(mixed(&mut downmix, &room, &note), note);
        }
        // Softer than the other side's noise in the end: it is still the guitar's side.
        for seed in 200..1_000 {
            let (left, right) = (hop(seed, 1e-3), hop(seed, 1e-4));
            assert_eq!(mixed(&mut downmix, &left, &right), right);
        }
        // Played on the other side, it is heard there.
        let (left, right) = (hop(1, 0.5), hop(2, 1e-3));
        assert_eq!(mixed(&mut downmix, &left, &right), left);
    }

    #[test]
    fn opposite_polarity_does_not_cancel() {
        let mut downmix = automatic();
        for seed in 0..500 {
            let left = hop(seed, 0.2);
            let right: Vec<f32> = left.iter().map(|sample| -sample).collect();
            assert_eq!(mixed(&mut downmix, &left, &right), left);
        }
    }

    #[test]
    fn sides_that_are_about_equal_do_not_go_to_and_fro() {
        let mut downmix = automatic();
        let mut changes = 0;
        for seed in 0..20_000 {
            let swing = (seed as f32 * 0.01).sin() * 0.15;
            let (left, right) = (
                hop(seed, 0.2 + 0.2 * swing),
                hop(seed + 7, 0.2 - 0.2 * swing),
            );
            let before = downmix.side;
            mixed(&mut downmix, &left, &right);
            changes += usize::from(before != downmix.side);
        }
        assert_eq!(changes, 0);
    }

    #[test]
    fn a_constant_on_the_other_side_is_no_sound() {
        let mut downmix = automatic();
        // From silence, and with a note every 200 hops.
        for number in 0..4_000u32 {
            let level = 0.05 * 0.98f32.powi((number % 200) as i32);
            let (left, right) = (hop(number, level), vec![0.1; 64]);
            assert_eq!(mixed(&mut downmix, &left, &right), left, "hop {number}");
        }
    }

    #[test]
    fn where_no_note_begins_sides_change_slowly() {
        let mut downmix = automatic();
        let mut seconds = 0.0;
        let mut weight = 0.0;
        for hop in 0..3_000 {
            // A tone that swells on the other side.
            let swell = 0.5 * (hop as f32 / 3_000.0);
            let tone = |level: f32| -> Vec<f32> {
                let phase = |i: usize| ((hop * 64 + i) as f32 * 0.05).sin();
                (0..64).map(|i| level * phase(i)).collect()
            };
            mixed(&mut downmix, &tone(0.05), &tone(swell));
            assert!((downmix.weight - weight).abs() < 0.01);
            weight = downmix.weight;
            seconds += f64::from(u8::from(weight > 0.0 && weight < 1.0)) / HOPS_PER_SECOND;
        }
        assert_eq!(weight, 1.0);
        assert!((0.4..0.6).contains(&seconds), "{seconds} s");
    }

    #[test]
    fn a_choice_is_a_choice() {
        let (left, right) = (hop(1, 0.1), hop(2, 0.4));
        let mean: Vec<f32> = left
            .iter()
            .zip(&right)
            .map(|(l, r)| (l + r) / 2.0)
            .collect();
        for (choice, expected) in [
            (InputChoice::Left, &left),
            (InputChoice::Right, &right),
            (InputChoice::Sum, &mean),
            (InputChoice::Automatic, &right),
        ] {
            let mut downmix = Downmix::new(InputChoice::Sum, HOPS_PER_SECOND);
            downmix.choose(choice);
            assert_eq!(&mixed(&mut downmix, &left, &right), expected, "{choice:?}");
        }
    }
}
