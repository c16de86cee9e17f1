//! What is to sound: recordings at the host's rate, and which note plays which.

use tocco_dsp::Technique;
use tocco_recognizer::classification::MAX_CLASSES;

use super::synthesis;

/// Most zones of a bank: looking through them takes the audio thread some microseconds.
pub const MOST_ZONES: usize = 512;

/// A note that is to sound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NoteOn {
    /// Its class.
    pub class: usize,
    /// Its MIDI note, 0 to 127.
    pub key: u8,
    /// Its velocity, 0 to 1.
    pub velocity: f32,
}

/// Which notes a zone is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Those of one class.
    Class(usize),
    /// Those whose MIDI notes lie between the two, both included.
    Keys(u8, u8),
}

/// One of several that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Which of them, from 0.
    pub position: u32,
    /// How many there are, at least 1.
    pub length: u32,
}

/// A recording, and the notes that play it.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// The notes.
    pub target: Target,
    /// Lowest and highest velocity, 1 to 127.
    pub velocities: (u8, u8),
    /// Which of the notes, if not each.
    pub turn: Option<Turn>,
    /// Factor of the recording.
    pub gain: f32,
    /// How far its loudness follows the velocity, 0 to 1.
    pub velocity_tracking: f32,
    /// Number of the recording among [`Bank::shots`].
    pub shot: usize,
}

impl Target {
    fn is_for(self, note: &NoteOn) -> bool {
        match self {
            Self::Class(class) => class == note.class,
            Self::Keys(lowest, highest) => (lowest..=highest).contains(&note.key),
        }
    }
}

/// The sounds of all classes, mono.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// The host's rate, Hz.
    pub rate: f64,
    /// Recordings at the host's rate, full scale 1: first one of our own for each class, then the
    /// user's.
    pub shots: Vec<Vec<f32>>,
    /// The user's, at most [`MOST_ZONES`]. A class that none of them is for sounds as ours does.
    pub zones: Vec<Zone>,
}

impl Bank {
    /// The set of our own at `rate` Hz. Allocates.
    #[must_use]
    pub fn synthesised(rate: f64) -> Self {
        Self {
            rate,
            shots: Technique::ALL.map(|t| synthesis::render(t, rate)).into(),
            zones: Vec::new(),
        }
    }

    /// The recordings, by number, that `note` plays, and their factors. `counts` says of each of the
    /// [`zones`](Self::zones) how many notes of each class it was for: in turn are those of a layer.
    /// Real-time safe.
    pub fn sounds<'a>(
        &'a self,
        note: NoteOn,
        counts: &'a mut [[u32; MAX_CLASSES]],
    ) -> impl Iterator<Item = (usize, f32)> + 'a {
        let velocity = (note.velocity * 127.0).round().clamp(1.0, 127.0) as u8;
        let ours = !self.zones.iter().any(|zone| zone.target.is_for(&note));
        let zones = self.zones.iter().zip(counts).filter(move |(zone, _)| {
            zone.target.is_for(&note) && (zone.velocities.0..=zone.velocities.1).contains(&velocity)
        });
        let zones = zones.filter_map(move |(zone, counts)| {
            let count = counts.get_mut(note.class)?;
            let before = *count;
            *count = count.wrapping_add(1);
            let is_next = |turn: Turn| before % turn.length.max(1) == turn.position;
            zone.turn.is_none_or(is_next).then_some(zone)
        });
        // As loud as the notes of most samplers: by the square of the velocity.
        let power = note.velocity * note.velocity;
        let zones = zones.map(move |zone| {
            let followed = 1.0 - zone.velocity_tracking * (1.0 - power);
            (zone.shot, zone.gain * followed)
        });
        zones.chain(ours.then_some((note.class, power)))
    }
}

const _: () = assert!(Technique::ALL.len() == MAX_CLASSES);

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(target: Target, velocities: (u8, u8), turn: Option<(u32, u32)>, shot: usize) -> Zone {
        Zone {
            target,
            velocities,
            turn: turn.map(|(position, length)| Turn { position, length }),
            gain: 0.5,
            velocity_tracking: 1.0,
            shot,
        }
    }

    /// What is played after `count` notes for each zone.
    fn played(bank: &Bank, class: usize, key: u8, velocity: u8, count: u32) -> Vec<usize> {
        let mut counts = vec![[count; MAX_CLASSES]; bank.zones.len()];
        let note = NoteOn {
            class,
            key,
            velocity: f32::from(velocity) / 127.0,
        };
        let sounds = bank.sounds(note, &mut counts);
        sounds.map(|(shot, _)| shot).collect()
    }

    #[test]
    fn a_note_plays_what_is_for_it_and_ours_where_nothing_is() {
        let bank = Bank {
            rate: 48_000.0,
            shots: Vec::new(),
            zones: vec![
                zone(Target::Class(0), (1, 60), None, 8),
                zone(Target::Class(0), (61, 127), Some((0, 2)), 9),
                zone(Target::Class(0), (61, 127), Some((1, 2)), 10),
                zone(Target::Keys(38, 40), (1, 127), None, 11),
                zone(Target::Keys(40, 40), (1, 127), None, 12),
            ],
        };
        assert_eq!(played(&bank, 0, 36, 60, 7), [8]);
        assert_eq!(played(&bank, 0, 36, 61, 0), [9]);
        assert_eq!(played(&bank, 0, 36, 127, 1), [10]);
        assert_eq!(played(&bank, 0, 36, 127, 2), [9]);
        assert_eq!(played(&bank, 1, 38, 1, 0), [11]);
        assert_eq!(
            played(&bank, 1, 40, 1, 0),
            [11, 12],
            "layers sound together"
        );
        assert_eq!(played(&bank, 1, 41, 1, 0), [1], "ours");
        let note = NoteOn {
            class: 1,
            key: 38,
            velocity: 0.5,
        };
        assert_eq!(
            bank.sounds(note, &mut [[0; MAX_CLASSES]; 5]).next(),
            Some((11, 0.125))
        );
        assert_eq!(played(&Bank::synthesised(8_000.0), 7, 0, 0, 0), [7]);
    }

    #[test]
    fn each_layer_has_its_own_turns() {
        let turns = |velocities, shots: [usize; 2]| {
            [0, 1].map(|i| zone(Target::Class(0), velocities, Some((i as u32, 2)), shots[i]))
        };
        let bank = Bank {
            rate: 48_000.0,
            shots: Vec::new(),
            zones: [turns((1, 64), [8, 9]), turns((65, 127), [10, 11])].concat(),
        };
        let mut counts = [[0; MAX_CLASSES]; 4];
        let mut played = Vec::new();
        for velocity in [40.0, 120.0, 40.0, 120.0] {
            let note = NoteOn {
                class: 0,
                key: 36,
                velocity: velocity / 127.0,
            };
            played.extend(bank.sounds(note, &mut counts).map(|(shot, _)| shot));
        }
        assert_eq!(played, [8, 10, 9, 11]);
    }
}
