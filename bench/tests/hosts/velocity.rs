//! The velocity of real players' hits, before and after the lesson "play soft, play hard".
//!
//! The recordings say how each take was meant: p, mf or f. Of every take the first hits are the
//! lesson, as far as the take is p or f, and the others are measured.

use std::collections::BTreeMap;
use std::iter::repeat;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tocco_bench::plugin_host::{Automated, MidiMessage, MidiOut, PluginStream, StreamFormat};
use tocco_bench::sound::Sound;
use tocco_recordings::{TAKES, shared_with};

use crate::playing::{Bundled, in_both_hosts, play_on};

in_both_hosts!(soft_and_hard_hits_are_told_apart_after_the_lesson);

/// Two players of whom there are takes of each percussive technique at each dynamic.
const PLAYERS: [&str; 2] = ["GiaFer", "LucFra"];

const TECHNIQUES: [&str; 4] = ["kick", "lowersidefingers", "thumb", "keybed"];

const DYNAMICS: [&str; 3] = ["p", "mf", "f"];

/// Hits of a take that are played in the lesson.
const LESSON_HITS: usize = 4;

/// What is played: sound of one dynamic.
#[derive(Default)]
struct Dynamic {
    lesson: Vec<f32>,
    measured: Vec<f32>,
}

/// The takes of `player`, by their dynamic.
fn dynamics(folder: &Path, player: &str) -> BTreeMap<&'static str, Dynamic> {
    let mut dynamics = BTreeMap::<_, Dynamic>::new();
    let mut paths: Vec<PathBuf> = TAKES
        .iter()
        .flat_map(|part| folder.join(part).read_dir().unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "wav"))
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let words: Vec<&str> = name.split('_').collect();
        let dynamic = DYNAMICS.into_iter().find(|dynamic| words.contains(dynamic));
        let wanted = words.contains(&player) && TECHNIQUES.iter().any(|t| words.contains(t));
        let (Some(dynamic), true) = (dynamic, wanted) else {
            continue;
        };
        let sound = Sound::read_wav(&path).unwrap();
        let samples = &sound.channels[0];
        let labels = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let onsets: Vec<usize> = labels
            .lines()
            .filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok())
            .map(|seconds| (seconds * 48_000.0) as usize)
            .collect();
        // Halfway between two hits.
        let cut = match onsets.get(LESSON_HITS - 1..=LESSON_HITS) {
            Some([last, next]) => (last + next) / 2,
            _ => 0,
        };
        let part = dynamics.entry(dynamic).or_default();
        part.lesson.extend_from_slice(&samples[..cut]);
        part.measured.extend_from_slice(&samples[cut..]);
    }
    for part in dynamics.values_mut() {
        for samples in [&mut part.lesson, &mut part.measured] {
            samples.resize((samples.len() + 12_000).next_multiple_of(64), 0.0);
        }
    }
    dynamics
}

fn sound(samples: &[f32]) -> Sound {
    Sound {
        source: "takes of one dynamic".to_owned(),
        sample_rate: 48_000,
        channels: vec![samples.to_vec()],
        played: Vec::new(),
        labels: Vec::new(),
    }
}

/// A block of silence.
fn pause<S: PluginStream>(stream: &mut S) {
    stream.input(0)[..64].fill(0.0);
    stream.process(64).unwrap();
}

/// Quartiles of the MIDI velocities, 0 to 127, and how many there are.
#[derive(Debug)]
struct Velocities {
    quartiles: [u8; 3],
    count: usize,
    /// Share at either end of the scale.
    clipped: f64,
}

fn velocities(midi: &[MidiOut]) -> Velocities {
    let mut all: Vec<u8> = midi
        .iter()
        .filter_map(|event| match event.message {
            MidiMessage::NoteOn { velocity, .. } => Some((velocity * 127.0).round() as u8),
            _ => None,
        })
        .collect();
    all.sort_unstable();
    let clipped = all.iter().filter(|v| **v <= 1 || **v == 127).count();
    Velocities {
        quartiles: [1, 2, 3].map(|quarter| all[quarter * (all.len() - 1) / 4]),
        count: all.len(),
        clipped: clipped as f64 / all.len() as f64,
    }
}

fn soft_and_hard_hits_are_told_apart_after_the_lesson<H: Bundled>()
where
    H::Stream: Automated,
{
    let Some(folder) = shared_with(&TAKES) else {
        return;
    };
    for player in PLAYERS {
        let dynamics = dynamics(&folder, player);
        assert_eq!(dynamics.len(), 3);
        let mut host = H::steady();
        host.set_text("Second decision", "off").unwrap();
        let lesson = host.parameter("Velocity lesson").unwrap();
        let by_technique = host.parameter("Velocity by technique").unwrap();
        let mut stream = host.activate(StreamFormat::PAPER).unwrap();
        let measure = |stream: &mut H::Stream| {
            DYNAMICS.map(|dynamic| {
                velocities(&play_on(
                    stream,
                    &sound(&dynamics[dynamic].measured),
                    repeat(64),
                ))
            })
        };
        let before = measure(&mut stream);
        for (step, dynamic) in [(1.0, "p"), (2.0, "f")] {
            stream.automate(&lesson, step);
            play_on(&mut stream, &sound(&dynamics[dynamic].lesson), repeat(64));
        }
        let mut until = |stream: &mut H::Stream, status: &str| {
            let start = Instant::now();
            while host.text("Velocity status").unwrap() != status {
                let found = host.text("Velocity status").unwrap();
                assert!(start.elapsed() < Duration::from_secs(10), "{found}");
                pause(stream);
                host.idle();
                std::thread::sleep(Duration::from_millis(1));
            }
            ["Soft end", "Hard end", "Soft Kick", "Hard Kick"].map(|name| host.text(name).unwrap())
        };
        stream.automate(&lesson, 3.0);
        let ends = until(&mut stream, "learnt");
        assert_eq!(ends[2..], ["as all", "as all"]);
        let after = measure(&mut stream);
        // The same hits once more, for each technique by itself.
        stream.automate(&lesson, 0.0);
        stream.automate(&by_technique, 1.0);
        until(&mut stream, "as set");
        stream.automate(&lesson, 3.0);
        let own_ends = until(&mut stream, "learnt");
        assert_eq!(own_ends[..2], ends[..2]);
        let own = measure(&mut stream);
        host.deactivate(stream);

        println!("{player}: ends {ends:?}, by technique {own_ends:?}");
        for (index, dynamic) in DYNAMICS.into_iter().enumerate() {
            let all = [&before[index], &after[index], &own[index]];
            print!("  {dynamic:>2}: {} hits", all[0].count);
            for (name, found) in ["before", "after", "by technique"].into_iter().zip(all) {
                let clipped = 100.0 * found.clipped;
                print!("; {name} {:?}, {clipped:.0} % at an end", found.quartiles);
                assert!(found.count >= 20 && found.count == all[0].count);
                assert!(found.clipped < 0.3);
            }
            println!();
        }
        let medians = |of: &[Velocities; 3]| of.each_ref().map(|v| i16::from(v.quartiles[1]));
        let ([p, mf, f], [was_p, _, was_f]) = (medians(&after), medians(&before));
        assert!(p + 10 <= mf && mf + 10 <= f, "{p}, {mf}, {f}");
        assert!(f - p > was_f - was_p, "no wider than before");
        let [p, mf, f] = medians(&own);
        assert!(p + 20 <= mf && mf + 20 <= f, "by technique: {p}, {mf}, {f}");
        // Told apart: the quarters that are nearest do not touch.
        for pair in own.windows(2) {
            assert!(pair[0].quartiles[2] <= pair[1].quartiles[1], "{own:?}");
        }
        assert!(own[0].quartiles[2] < own[2].quartiles[0], "{own:?}");
        // What it found is saved, and is there in a new instance.
        let state = host.save_state().unwrap();
        let mut other = H::fresh();
        other.restore_state(&state).unwrap();
        assert_eq!(
            ["Soft end", "Hard end", "Soft Kick", "Hard Kick"]
                .map(|name| other.text(name).unwrap()),
            own_ends
        );
        assert_eq!(other.text("Velocity status").unwrap(), "as set");
    }
}
