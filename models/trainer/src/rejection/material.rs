//! What the rejection is trained and tested with: notes and foreign sounds as the plugin hears them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tocco_corpus::matching::match_onsets;
use tocco_corpus::{Corpus, Listener, Recording, Take, Technique};
use tocco_dsp::features::FeatureExtractor;
use tocco_dsp::synth;
use tocco_dsp::{Analyzer, Extraction, HOP, SAMPLE_RATE};

use crate::architecture::Architecture;
use crate::augmentation::rehearsal::{Rehearsal, Studio};
use crate::evaluation::playing::DURATION_S;
use crate::foreign::{Kind, stream};
use crate::notes::fingerprint;
use crate::parallel;
use crate::performance::{Performance, Repertoire, Style};
use crate::rejection::tones::tones;

/// Who plays the synthesised guitar of `tocco_dsp::synth`, and who plays [`tones`]; nobody is tested on
/// them.
const SYNTHESISED: &str = "synthesised";
const TONES: &str = "tones";
/// How often each note is rehearsed.
const REHEARSED: usize = 6;
/// Rooms and microphones that each take is heard through as it was recorded, beside its own.
const STUDIOS: usize = 2;
/// Performances of the synthesised guitar.
const SYNTHESISED_PERFORMANCES: u64 = 16;
/// Streams of tones, and tones in each.
const TONE_STREAMS: u64 = 16;
const TONES_A_STREAM: usize = 30;
/// Streams of each kind of foreign sound to train on, and how long one is, seconds.
const FOREIGN_STREAMS: u64 = 16;
const FOREIGN_S: f32 = 15.0;
/// Speech is what is heard most, and differs most.
const SPEECH_STREAMS: u64 = 48;
/// How long each kind is tested, seconds.
const FOREIGN_TEST_S: f32 = 60.0;

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A player's notes.
    Player(String),
    /// A kind of foreign sound that was made.
    Foreign(Kind),
    /// Foreign sounds that were recorded: the file's name.
    Recorded(String),
}

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Training.
    Training,
    /// Testing: a take as it was recorded, or foreign sounds.
    AsItIs,
    /// Testing: a performance made of a player's notes.
    Performance,
}

/// An onset as the networks hear it.
#[derive(Debug, Clone)]
pub struct HeardOnset {
    /// When, seconds.
    pub at_s: f64,
    /// What was played there, if it is a labelled note.
    pub played: Option<Technique>,
    /// Raw features of each network, `[n_networks][n_features]`.
    pub features: Vec<Vec<f32>>,
}

/// A stream as it was heard.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Where it comes from.
    pub source: Source,
    /// What it is for.
    pub purpose: Purpose,
    /// How long it is, seconds.
    pub duration_s: f64,
    /// Its onsets in the order of time.
    pub onsets: Vec<HeardOnset>,
}

/// Something to be heard.
enum Job<'a> {
    /// With whether it is tested on, too.
    Take(&'a Take, bool),
    Rehearsals(&'a Repertoire),
    Performance(&'a Repertoire, f64),
    Synthesised(u64),
    Tones(u64),
    Foreign(Kind, u64),
    ForeignTest(Kind),
    Recorded(&'a Path),
}

/// Everything there is of `tested` players, of those `only_trained_on`, of foreign sounds, and of those
/// in the files `recorded`, heard as the networks of `architectures` hear it: one, or the first and
/// the second one. What is only trained on is there to test with, too, if its player is none of the tested
/// ones.
///
/// # Errors
/// When a recording is wrong.
pub fn hear(
    architectures: &[&Architecture],
    tested: &Corpus,
    only_trained_on: Option<&Corpus>,
    recorded: &[PathBuf],
    seed: u64,
    threads: NonZeroUsize,
) -> Result<Vec<Stream>> {
    let listeners: Vec<Listener> = architectures.iter().map(|a| a.listener()).collect();
    let mut augmentation = architectures[0].recipe.augmentation;
    let Some(sound) = &mut augmentation.sound else {
        bail!(
            "--model: expected one that is trained to be played by others, found {}",
            architectures[0].id
        );
    };
    (sound.played, sound.played_palm_mutes) = (REHEARSED, REHEARSED);
    let sound = *sound;
    let corpora: Vec<&Corpus> = std::iter::once(tested).chain(only_trained_on).collect();
    let mut repertoires = Vec::new();
    for corpus in &corpora {
        repertoires.push(Repertoire::of(corpus)?);
    }
    let mut jobs = of_players(&corpora, &repertoires);
    jobs.extend((0..SYNTHESISED_PERFORMANCES).map(Job::Synthesised));
    jobs.extend((0..TONE_STREAMS).map(Job::Tones));
    for kind in Kind::ALL {
        let n = match kind {
            Kind::Speech => SPEECH_STREAMS,
            _ => FOREIGN_STREAMS,
        };
        jobs.extend((0..n).map(|i| Job::Foreign(kind, i)));
        jobs.push(Job::ForeignTest(kind));
    }
    jobs.extend(recorded.iter().map(|path| Job::Recorded(path)));

    let in_a_studio = |samples: &[f32], random: &mut ChaCha8Rng| {
        let mut samples = samples.to_vec();
        Studio::new(&[]).record(&mut samples, &augmentation, &sound, random);
        samples
    };
    let work = |job: Job<'_>| -> Result<Vec<Stream>> {
        let mut streams = Vec::new();
        let mut add = |source: &Source, purpose, samples: &[f32], labels: &[Label]| {
            streams.push(Stream {
                source: source.clone(),
                purpose,
                duration_s: samples.len() as f64 / f64::from(SAMPLE_RATE),
                onsets: onsets(samples, labels, &listeners)?,
            });
            anyhow::Ok(())
        };
        let random_of = |name: &str| ChaCha8Rng::seed_from_u64(seed ^ fingerprint(name));
        match job {
            Job::Take(take, tests) => {
                let samples = samples_of(&take.path)?;
                let labels = take.labels.iter().map(|note| (note.time_s, note.technique));
                let labels: Vec<Label> = labels.collect();
                let source = Source::Player(take.player.clone());
                if tests {
                    add(&source, Purpose::AsItIs, &samples, &labels)?;
                }
                add(&source, Purpose::Training, &samples, &labels)?;
                let mut random = random_of(&take.name);
                for _ in 0..STUDIOS {
                    let samples = in_a_studio(&samples, &mut random);
                    add(&source, Purpose::Training, &samples, &labels)?;
                }
            }
            Job::Rehearsals(repertoire) => {
                let source = Source::Player(repertoire.player.clone());
                let seed = seed ^ fingerprint(&repertoire.session);
                for rehearsal in Rehearsal::all(repertoire, &augmentation, seed) {
                    let Performance { samples, notes } = rehearsal.performance;
                    let labels = notes.iter().map(|n| (seconds(n.position), n.technique));
                    let labels: Vec<Label> = labels.collect();
                    add(&source, Purpose::Training, &samples, &labels)?;
                }
            }
            Job::Performance(repertoire, duration_s) => {
                // The same as `evaluation::playing` hears.
                let mut random = random_of(&repertoire.session);
                let performance =
                    Performance::of(repertoire, &Style::MUSICAL, duration_s, &mut random);
                let notes = performance.notes.iter();
                let labels = notes.map(|n| (seconds(n.position), n.technique));
                let labels: Vec<Label> = labels.collect();
                let source = Source::Player(repertoire.player.clone());
                add(&source, Purpose::Performance, &performance.samples, &labels)?;
            }
            Job::Synthesised(i) => {
                let performance = synth::Performance::demo(seed ^ i);
                let notes = performance.notes.iter();
                let labels: Vec<Label> = notes.map(|n| (n.time_s, n.technique)).collect();
                let source = Source::Player(SYNTHESISED.to_owned());
                add(&source, Purpose::Training, &performance.samples, &labels)?;
                let samples = in_a_studio(&performance.samples, &mut random_of(&i.to_string()));
                add(&source, Purpose::Training, &samples, &labels)?;
            }
            Job::Tones(i) => {
                let mut random = random_of(&format!("{TONES} {i}"));
                let (mut samples, places) = tones(TONES_A_STREAM, &mut random);
                let places = places.into_iter().map(seconds);
                // Which technique does not matter here.
                let labels: Vec<Label> = places
                    .map(|at| (at, Technique::PickOverSoundHole))
                    .collect();
                if random.random_bool(0.5) {
                    samples = in_a_studio(&samples, &mut random);
                }
                let source = Source::Player(TONES.to_owned());
                add(&source, Purpose::Training, &samples, &labels)?;
            }
            Job::Foreign(kind, i) => {
                let mut random = random_of(&format!("{} {i}", kind.name()));
                let mut samples = stream(&[kind], FOREIGN_S, &mut random);
                if random.random_bool(0.8) {
                    samples = in_a_studio(&samples, &mut random);
                }
                add(&Source::Foreign(kind), Purpose::Training, &samples, &[])?;
            }
            Job::ForeignTest(kind) => {
                let mut random = random_of(&format!("{} to test", kind.name()));
                let samples = stream(&[kind], FOREIGN_TEST_S, &mut random);
                let samples = in_a_studio(&samples, &mut random);
                add(&Source::Foreign(kind), Purpose::AsItIs, &samples, &[])?;
            }
            Job::Recorded(path) => {
                let samples = samples_of(path)?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                let source = Source::Recorded(name.into_owned());
                add(&source, Purpose::AsItIs, &samples, &[])?;
            }
        }
        Ok(streams)
    };
    let streams = parallel::map(jobs, threads, work);
    let streams = streams.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(streams.into_iter().flatten().collect())
}

/// What is heard of the players of `corpora`, to each of which belong `repertoires`. On those of the first one
/// everything is trained and tested; of the others nothing tests whose player is one of the first.
fn of_players<'a>(corpora: &[&'a Corpus], repertoires: &'a [Vec<Repertoire>]) -> Vec<Job<'a>> {
    let tested = corpora.first().map(|corpus| corpus.players());
    let tested = tested.unwrap_or_default();
    let mut jobs = Vec::new();
    for (place, (corpus, repertoires)) in corpora.iter().zip(repertoires).enumerate() {
        let tests = |player: &String| place == 0 || !tested.contains(player);
        let takes = corpus.takes.iter();
        jobs.extend(takes.map(|take| Job::Take(take, tests(&take.player))));
        for repertoire in repertoires {
            jobs.push(Job::Rehearsals(repertoire));
            let own = |other: &&Repertoire| other.player == repertoire.player;
            let sessions = repertoires.iter().filter(own).count();
            if tests(&repertoire.player) {
                jobs.push(Job::Performance(repertoire, DURATION_S / sessions as f64));
            }
        }
    }
    jobs
}

/// The WAV files in `folder`, in alphabetical order.
///
/// # Errors
/// When the folder cannot be read, or has none.
pub fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.with_context(|| format!("{}: cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        // Other programs' business, such as macOS's ._NAME.wav.
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let extension = path.extension();
        !hidden && extension.is_some_and(|e| e.eq_ignore_ascii_case("wav"))
    });
    paths.sort();
    if paths.is_empty() {
        bail!(
            "--foreign {}: expected WAV files of sounds that are no guitar, found none",
            folder.display()
        );
    }
    Ok(paths)
}

/// When a note is played, seconds, and which.
type Label = (f64, Technique);

fn seconds(position: usize) -> f64 {
    position as f64 / f64::from(SAMPLE_RATE)
}

/// The recording at `path`, at the analysis rate.
fn samples_of(path: &Path) -> Result<Vec<f32>> {
    let recording = Recording::read(path)?.at_analysis_rate(path)?;
    Ok(recording.samples)
}

/// The onsets that are heard in `samples`, with what `labels` say of them.
fn onsets(samples: &[f32], labels: &[Label], listeners: &[Listener]) -> Result<Vec<HeardOnset>> {
    let extraction = |listener: &Listener| {
        let extractor = FeatureExtractor::new(listener.preset, &listener.features)?;
        let wait = listener.post_onset_hops;
        anyhow::Ok(Extraction::new(listener.method, extractor, wait)?)
    };
    let mut first = extraction(&listeners[0])?;
    let mut second = listeners.get(1).map(extraction).transpose()?;
    let mut analyzer = Analyzer::new(&listeners[0].onset, listeners[0].method)?;
    let mut heard: Vec<(u64, HeardOnset)> = Vec::new();
    // Until the last onset has been described.
    let tail = [0.0; (Analyzer::MAXIMUM_POST_ONSET_HOPS + 8) * HOP];
    let hops = samples.as_chunks::<HOP>().0.iter();
    for hop in hops.chain(tail.as_chunks::<HOP>().0) {
        let analysis = analyzer.push_hop(hop, &mut first, second.as_mut());
        if let Some(note) = analysis.note {
            let onset = HeardOnset {
                at_s: note.onset.position as f64 / f64::from(SAMPLE_RATE),
                played: None,
                features: vec![note.features.to_vec()],
            };
            heard.push((note.onset.id, onset));
        }
        if let Some(note) = analysis.second {
            let own = heard.iter_mut().rev().find(|(id, _)| *id == note.onset.id);
            if let Some((_, onset)) = own {
                onset.features.push(note.features.to_vec());
            }
        }
    }
    let mut onsets: Vec<HeardOnset> = heard.into_iter().map(|(_, onset)| onset).collect();
    onsets.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let labels_s: Vec<f64> = labels.iter().map(|(at_s, _)| *at_s).collect();
    let onsets_s: Vec<f64> = onsets.iter().map(|onset| onset.at_s).collect();
    let matches = match_onsets(&labels_s, &onsets_s);
    for ((_, technique), matched) in labels.iter().zip(matches) {
        if let Some(matched) = matched {
            onsets[matched].played = Some(*technique);
        }
    }
    Ok(onsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_are_wav_files_and_none_that_another_program_hid() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.WAV", "._b.WAV", "a.wav", "a.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let expected = ["a.wav", "b.WAV"].map(|name| folder.path().join(name));
        assert_eq!(recordings(folder.path()).unwrap(), expected);
    }

    #[test]
    fn what_is_only_trained_on_tests_for_none_of_the_tested_players() {
        let corpus = |players: &[&str]| Corpus {
            takes: (players.iter())
                .map(|player| Take {
                    path: PathBuf::default(),
                    name: String::new(),
                    whole: String::new(),
                    folder: 0,
                    player: (*player).to_owned(),
                    session: (*player).to_owned(),
                    labels: Vec::new(),
                })
                .collect(),
            folders: Vec::new(),
        };
        let repertoires = |players: &[&str]| -> Vec<Repertoire> {
            let players = players.iter().map(|player| Repertoire {
                player: (*player).to_owned(),
                session: (*player).to_owned(),
                notes: Vec::new(),
            });
            players.collect()
        };
        let corpora = [corpus(&["Ann", "Bea"]), corpus(&["Bea", "Cleo"])];
        let repertoires = [repertoires(&["Ann", "Bea"]), repertoires(&["Bea", "Cleo"])];
        let jobs = of_players(&[&corpora[0], &corpora[1]], &repertoires);
        let takes = jobs.iter().filter_map(|job| match job {
            Job::Take(take, tests) => Some((take.player.as_str(), *tests)),
            _ => None,
        });
        let expected = [("Ann", true), ("Bea", true), ("Bea", false), ("Cleo", true)];
        assert_eq!(takes.collect::<Vec<_>>(), expected);
        let played = jobs.iter().filter_map(|job| match job {
            Job::Performance(repertoire, _) => Some(repertoire.player.as_str()),
            _ => None,
        });
        assert_eq!(played.collect::<Vec<_>>(), ["Ann", "Bea", "Cleo"]);
        let rehearsed = |job: &&Job<'_>| matches!(job, Job::Rehearsals(_));
        assert_eq!(jobs.iter().filter(rehearsed).count(), 4);
    }
}
