//! The user's own sounds: a folder of recordings named after the techniques, or an SFZ file.
//!
//! In a folder a file belongs to the technique that its name begins with, `kick.wav`, `Snare 1.flac`,
//! `palm-mute-2.wav`. Several of one technique take turns. `v` and a number is the highest velocity
//! that a file answers: `kick v60.wav` and `kick v127.wav` are two layers. In an SFZ file the keys
//! are the techniques' MIDI notes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::*};

use nice_plug::prelude::Enum;
use tocco_engines::bounded_read::read_file;

use super::bank::{Bank, MOST_ZONES, Target, Turn, Zone};
use super::{sfz, sound_file};
use crate::params::TeachChoice;

/// Bytes of the largest SFZ file.
const LARGEST_SFZ: u64 = 4 << 20;

/// Samples of all recordings together at the host's rate.
const MOST_SAMPLES: usize = 64 << 20;

/// Files of a folder that are looked at.
const MOST_FILES: usize = 4096;

/// Endings of the names of recordings.
const ENDINGS: [&str; 3] = ["wav", "wave", "flac"];

/// Why sounds are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A file or folder cannot be read.
    #[error("{0}")]
    Read(String),
    /// What a file or folder holds is of no use.
    #[error("{}: expected {expected}, found {found}; {remedy}", file.display())]
    Sound {
        /// It.
        file: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The path has not answered for so many seconds.
    #[error("the sounds have not answered for {0} s; choose a folder on another drive")]
    NoAnswer(u64),
}

/// A recording that is to be read, and what it is for.
struct Wanted {
    file: PathBuf,
    zone: Zone,
}

/// The bank of what is at `path` at `rate` Hz, and why something of it is left out. A class without
/// a recording has our sound. Reads files: not for the audio thread. Ends soon when `stop` is set: what it
/// returns then is of no use.
///
/// # Errors
/// When nothing of it can be used.
pub fn load(
    path: &Path,
    rate: f64,
    stop: &AtomicBool,
) -> Result<(Bank, Option<KitError>), KitError> {
    let is_sfz = ending(path).is_some_and(|ending| ending == "sfz");
    let (wanted, mut left_out) = match is_sfz {
        true => (regions(path)?, None),
        false => named(path)?,
    };
    if wanted.len() > MOST_ZONES {
        return Err(KitError::Sound {
            file: path.to_owned(),
            expected: format!("at most {MOST_ZONES} recordings"),
            found: wanted.len().to_string(),
            remedy: "leave out what no technique plays",
        });
    }
    let mut bank = Bank::synthesised(rate);
    let mut numbers: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut samples = 0;
    let mut lost = Vec::new();
    for Wanted { file, mut zone } in wanted {
        if stop.load(Relaxed) {
            break;
        }
        zone.shot = match numbers.get(&file) {
            Some(number) => *number,
            None => {
                let shot = match sound_file::read(&file, rate, stop) {
                    Ok(shot) => shot,
                    Err(error) => {
                        left_out.get_or_insert(error);
                        lost.push(zone);
                        continue;
                    }
                };
                samples += shot.len();
                if samples > MOST_SAMPLES {
                    return Err(KitError::Sound {
                        file: path.to_owned(),
                        expected: format!("at most {:.0} s of sound", MOST_SAMPLES as f64 / rate),
                        found: "more".to_owned(),
                        remedy: "leave out what no technique plays",
                    });
                }
                bank.shots.push(shot);
                numbers.insert(file, bank.shots.len() - 1);
                bank.shots.len() - 1
            }
        };
        bank.zones.push(zone);
    }
    match is_sfz {
        true => close_gaps(&mut bank.zones, &lost),
        false => arrange(&mut bank.zones),
    }
    match (bank.zones.is_empty(), left_out) {
        (false, left_out) => Ok((bank, left_out)),
        (true, Some(error)) => Err(error),
        (true, None) => Err(KitError::Sound {
            file: path.to_owned(),
            expected: format!("recordings named {}", names().join(", ")),
            found: "none".to_owned(),
            remedy: "name each file after its technique: kick.wav",
        }),
    }
}

/// What the user's files may be named after: as in `tocco.toml`.
fn names() -> Vec<&'static str> {
    // First comes "off".
    TeachChoice::ids().unwrap_or_default()[1..].to_vec()
}

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// The recordings of an SFZ file.
fn regions(path: &Path) -> Result<Vec<Wanted>, KitError> {
    let unreadable = |error: &dyn std::fmt::Display| KitError::Read(error.to_string());
    let bytes = read_file(path, LARGEST_SFZ).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    let regions = sfz::parse(&text)
        .map_err(|error| KitError::Read(format!("{}, {error}", path.display())))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let wanted = regions.into_iter().map(|region| Wanted {
        file: folder.join(region.sample),
        zone: Zone {
            target: Target::Keys(region.keys.0, region.keys.1),
            velocities: region.velocities,
            turn: region.turn,
            gain: region.gain,
            velocity_tracking: region.velocity_tracking,
            shot: 0,
        },
    });
    Ok(wanted.collect())
}

/// The recordings of a folder by technique, highest velocity and name, of which [`arrange`] makes layers
/// and turns, and the first that no technique's name begins.
fn named(folder: &Path) -> Result<(Vec<Wanted>, Option<KitError>), KitError> {
    let entries = folder.read_dir().map_err(|error| {
        KitError::Read(format!(
            "{}: expected a folder of recordings or an SFZ file: {error}; check the path",
            folder.display()
        ))
    })?;
    let mut files: Vec<PathBuf> = entries
        .take(MOST_FILES)
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str())))
        // What macOS leaves beside the files of other systems.
        .filter(|path| {
            !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    files.sort();
    let mut left_out = None;
    let mut layers: BTreeMap<(usize, u8), Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        match class(&stem) {
            Some(class) => layers
                .entry((class, highest(&stem)))
                .or_default()
                .push(file),
            None => {
                left_out.get_or_insert(KitError::Sound {
                    expected: format!("a name that begins with {}", names().join(", ")),
                    found: stem.into_owned(),
                    remedy: "rename it; it is left out",
                    file,
                });
            }
        }
    }
    let mut wanted = Vec::new();
    for ((class, top), files) in layers {
        wanted.extend(files.into_iter().map(|file| Wanted {
            file,
            zone: Zone {
                target: Target::Class(class),
                velocities: (1, top),
                turn: None,
                gain: 1.0,
                velocity_tracking: 1.0,
                shot: 0,
            },
        }));
    }
    Ok((wanted, left_out))
}

/// Makes layers and turns of a folder's zones, which come by class and highest velocity: the softest
/// layer begins at 1, the loudest ends at 127, and those of one layer take turns. Only of recordings that
/// were read: a broken one would leave a velocity or a turn without a sound.
fn arrange(zones: &mut [Zone]) {
    for class in zones.chunk_by_mut(|a, b| a.target == b.target) {
        let loudest = class.last().map(|zone| zone.velocities.1);
        let mut lowest = 1;
        for layer in class.chunk_by_mut(|a, b| a.velocities.1 == b.velocities.1) {
            let (length, top) = (layer.len() as u32, layer[0].velocities.1);
            let velocities = (lowest, if loudest == Some(top) { 127 } else { top });
            for (position, zone) in (0..).zip(layer) {
                zone.velocities = velocities;
                zone.turn = (length > 1).then_some(Turn { position, length });
            }
            lowest = top + 1;
        }
    }
}

/// Takes the turns of `lost`, which could not be read, out of those of `zones`: every so many notes would be
/// silent. A turn that another recording has as well stays, and so does one that the file itself leaves out.
fn close_gaps(zones: &mut [Zone], lost: &[Zone]) {
    // Which layer takes turns, and at which it is.
    let place = |zone: &Zone| {
        let Turn { position, length } = zone.turn?;
        Some(((zone.target, zone.velocities, length), position))
    };
    let mut gaps = Vec::new();
    for gap in lost.iter().filter_map(place) {
        let is_taken = zones.iter().any(|zone| place(zone) == Some(gap));
        if !is_taken && !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }
    for zone in zones {
        let Some((layer, position)) = place(zone) else {
            continue;
        };
        let of_layer = gaps.iter().filter(|gap| gap.0 == layer);
        let before = of_layer.clone().filter(|gap| gap.1 < position).count() as u32;
        zone.turn = Some(Turn {
            position: position - before,
            length: layer.2 - of_layer.count() as u32,
        });
    }
}

/// The class that a file's name begins with, however its words are parted.
fn class(stem: &str) -> Option<usize> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let stem = plain(stem);
    names()
        .iter()
        .position(|name| stem.starts_with(&plain(name)))
}

/// The highest velocity that a file's name tells, or 127.
fn highest(stem: &str) -> u8 {
    let words = stem.split(|c: char| !c.is_alphanumeric());
    let velocity = |word: &str| {
        let number: u8 = word.strip_prefix(['v', 'V'])?.parse().ok()?;
        (1..=127).contains(&number).then_some(number)
    };
    words.rev().find_map(velocity).unwrap_or(127)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voices::bank::NoteOn;
    use tocco_recognizer::classification::MAX_CLASSES;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn write(path: &Path, value: f32) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut wav = hound::WavWriter::create(path, spec).unwrap();
        for _ in 0..100 {
            wav.write_sample(value).unwrap();
        }
        wav.finalize().unwrap();
    }

    /// The first samples of what a note plays, each by its own factor.
    fn played(bank: &Bank, class: usize, key: u8, velocity: u8, count: u32) -> Vec<f32> {
        let note = NoteOn {
            class,
            key,
            velocity: f32::from(velocity) / 127.0,
        };
        let mut counts = vec![[count; MAX_CLASSES]; bank.zones.len()];
        let sounds = bank.sounds(note, &mut counts);
        sounds.map(|(shot, _)| bank.shots[shot][0]).collect()
    }

    #[test]
    fn a_folder_gives_each_technique_its_layers_and_turns() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for (name, value) in [
            ("Kick v60.wav", 0.1),
            ("kick-v100-1.wav", 0.2),
            ("kick-v100-2.WAV", 0.3),
            ("Snare 1.wav", 0.4),
            ("snare-2_a.wav", 0.5),
            ("PalmMute.wav", 0.6),
            ("._kick.wav", 0.7),
            ("hat.wav", 0.8),
        ] {
            write(&file(name), value);
        }
        std::fs::write(file("notes.txt"), "not a sound").unwrap();
        let (bank, left_out) = load(folder.path(), 48_000.0, &GO_ON).unwrap();
        assert_eq!(played(&bank, 0, 0, 60, 0), [0.1]);
        assert_eq!(played(&bank, 0, 0, 61, 0), [0.2]);
        assert_eq!(played(&bank, 0, 0, 127, 1), [0.3]);
        assert_eq!(played(&bank, 1, 0, 1, 5), [0.4]);
        assert_eq!(played(&bank, 3, 0, 127, 5), [0.5]);
        assert_eq!(played(&bank, 5, 0, 127, 0), [0.6]);
        assert_eq!(played(&bank, 2, 0, 127, 0), [bank.shots[2][0]], "ours");
        let left_out = left_out.unwrap().to_string();
        assert!(left_out.contains("hat.wav: expected a name that begins with kick, snare-1"));
        // One broken file costs itself.
        std::fs::write(file("tom.wav"), "no sound").unwrap();
        std::fs::remove_file(file("hat.wav")).unwrap();
        let (bank, left_out) = load(folder.path(), 48_000.0, &GO_ON).unwrap();
        assert_eq!(played(&bank, 1, 0, 1, 5), [0.4]);
        assert!(left_out.unwrap().to_string().contains("tom.wav"));
        // What is left of its layers and turns plays all notes.
        for broken in ["kick-v100-2.WAV", "Kick v60.wav"] {
            std::fs::write(file(broken), "no sound").unwrap();
        }
        let (bank, left_out) = load(folder.path(), 48_000.0, &GO_ON).unwrap();
        for (velocity, count) in (1..=127).flat_map(|v| (0..3).map(move |count| (v, count))) {
            let played = played(&bank, 0, 0, velocity, count);
            assert_eq!(played, [0.2], "velocity {velocity}, note {count}");
        }
        assert!(left_out.unwrap().to_string().contains("Kick v60.wav"));
    }

    #[test]
    fn an_sfz_file_answers_the_notes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("drums")).unwrap();
        write(&folder.path().join("drums/a kick.wav"), 0.1);
        let path = folder.path().join("kit.sfz");
        let text = "<control> default_path=drums/\n<region> key=36 sample=a kick.wav\n\
            <region> key=37 sample=a kick.wav volume=6\n<region> key=38 sample=gone.wav";
        std::fs::write(&path, text).unwrap();
        let (bank, left_out) = load(&path, 48_000.0, &GO_ON).unwrap();
        assert_eq!(bank.shots.len(), 8 + 1, "one file is read once");
        assert_eq!(played(&bank, 4, 36, 100, 0), [0.1]);
        assert_eq!(played(&bank, 4, 40, 100, 0), [bank.shots[4][0]], "ours");
        assert!(left_out.unwrap().to_string().contains("gone.wav"));
        std::fs::write(&path, "<region> key=36 sample=gone.wav").unwrap();
        assert!(
            load(&path, 48_000.0, &GO_ON)
                .unwrap_err()
                .to_string()
                .contains("gone.wav")
        );
        std::fs::write(&path, "<region> key=x").unwrap();
        let text = load(&path, 48_000.0, &GO_ON);
        assert!(text.is_err(), "nothing sounds");
    }

    #[test]
    fn the_turn_of_a_recording_that_cannot_be_read_is_the_next_ones() {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 0.4)] {
            write(&folder.path().join(name).with_extension("wav"), value);
        }
        let path = folder.path().join("kit.sfz");
        // In the upper layer there are two recordings at the second turn and none at the third.
        let text = "<group> key=36 seq_length=4 hivel=63\n\
            <region> seq_position=1 sample=a.wav\n<region> seq_position=2 sample=gone.wav\n\
            <region> seq_position=3 sample=b.wav\n<region> seq_position=4 sample=c.wav\n\
            <group> key=36 seq_length=3 lovel=64\n\
            <region> seq_position=1 sample=a.wav\n<region> seq_position=2 sample=gone.wav\n\
            <region> seq_position=2 sample=d.wav\n";
        std::fs::write(&path, text).unwrap();
        let (bank, left_out) = load(&path, 48_000.0, &GO_ON).unwrap();
        let first = |velocity| {
            let notes = (0..6).map(|count| played(&bank, 0, 36, velocity, count));
            notes
                .map(|sounds| sounds.first().copied())
                .collect::<Vec<_>>()
        };
        assert_eq!(first(60), [0.1, 0.2, 0.3, 0.1, 0.2, 0.3].map(Some));
        let upper = [Some(0.1), Some(0.4), None];
        assert_eq!(first(127), [upper, upper].concat());
        assert!(left_out.unwrap().to_string().contains("gone.wav"));
    }

    #[test]
    fn what_is_no_kit_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let text = |path: &Path| load(path, 48_000.0, &GO_ON).unwrap_err().to_string();
        assert!(text(folder.path()).contains("expected recordings named kick, snare-1"));
        assert!(text(&folder.path().join("gone")).contains("expected a folder of recordings"));
        assert!(text(&folder.path().join("gone.sfz")).contains("gone.sfz"));
        let turns = folder.path().join("many.sfz");
        std::fs::write(&turns, "<region> sample=a.wav\n".repeat(MOST_ZONES + 1)).unwrap();
        assert!(text(&turns).contains("at most 512 recordings"));
    }
}
