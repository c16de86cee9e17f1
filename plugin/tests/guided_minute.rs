//! The guided minute, driven by clicks while a real player plays: it ends with a model that was
//! taught, a velocity that fits and a preset.
//!
//! `tocco-recordings` says where the recordings are looked for. Without them the test is skipped.

mod host;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::Host;
use nice_plug::prelude::ProcessMode;
use tocco::Tocco;
use tocco::calibration::lesson::ENOUGH;
use tocco::configuration::Configuration;
use tocco::editor::Offscreen;
use tocco::presets::Preset;
use tocco::service::Shared;
use tocco_bench::sound::Sound;
use tocco_recordings::{TAKES, shared_with};

const PLAYER: &str = "LucFra";

const RATE: f32 = 48_000.0;
const BLOCK: usize = 100;

/// Blocks of a frame, a sixtieth of a second.
const BLOCKS_PER_FRAME: usize = 8;

/// Time that a frame takes here: several times faster than life, and slow enough for the service
/// thread, which looks every 10 ms.
const FRAME: Duration = Duration::from_millis(4);

/// What is played of each technique, in the order of the classes; of the one that is not used nothing.
const TECHNIQUES: [(&str, &str); 8] = [
    ("Kick", "_kick_"),
    ("Snare 1", "_lowersidefingers_"),
    ("Tom", "_thumb_"),
    ("Snare 2", "_keybed_"),
    ("Natural harmonics", "_naturalharmonics_"),
    ("Palm mute", "_palmmute_"),
    ("Pick near bridge", ""),
    ("Pick over the sound hole", "_soundholepick_"),
];

/// The player's takes with all of `words` in their names, one after the other.
fn takes(folder: &Path, words: &[&str]) -> Vec<f32> {
    let entries = TAKES
        .iter()
        .flat_map(|part| folder.join(part).read_dir().unwrap());
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".wav")
            && name.contains(PLAYER)
            && words.iter().all(|word| name.contains(word))
    });
    paths.sort();
    assert!(!paths.is_empty(), "{words:?}");
    let mut samples = Vec::new();
    for path in paths {
        samples.extend_from_slice(&Sound::read_wav(&path).unwrap().channels[0]);
        samples.resize(samples.len() + 12_000, 0.0);
    }
    samples
}

/// A host, its window and what was played in it.
struct Played {
    host: Host,
    window: Offscreen,
    shared: Arc<Shared>,
    /// Seconds of sound.
    seconds: f32,
}

impl Played {
    /// Plays `samples` over and over until the window says `until`, which takes no more than `most`
    /// seconds of them.
    fn play(&mut self, samples: &[f32], until: &str, most: f32) {
        let frames = (most * 60.0) as usize;
        let mut samples = samples.iter().copied().cycle();
        for _ in 0..frames {
            let begin = Instant::now();
            for _ in 0..BLOCKS_PER_FRAME {
                let mut block: Vec<f32> = samples.by_ref().take(BLOCK).collect();
                self.host.block(&mut block);
            }
            self.seconds += 1.0 / 60.0;
            if self.window.frame().contains(until) {
                return;
            }
            std::thread::sleep(FRAME.saturating_sub(begin.elapsed()));
        }
        panic!("{until:?} is not said: {}", self.window.frame());
    }

    fn click(&mut self, text: &str) {
        self.window.click(text, 0).unwrap();
    }

    fn says(&mut self, text: &str) {
        let frame = self.window.frame();
        assert!(frame.contains(text), "{text:?} in {frame}");
    }
}

#[test]
fn a_minute_of_clicks_and_notes_ends_with_a_lesson_a_velocity_and_a_preset() {
    let Some(folder) = shared_with(&TAKES) else {
        return;
    };
    let presets = tempfile::tempdir().unwrap();
    let mut host = Host::new();
    host.plugin = Tocco::configured(Configuration::default());
    let shared = Arc::clone(host.plugin.shared());
    let mut window = Offscreen::new(Arc::clone(&shared));
    window.keep_presets_in(presets.path().to_owned());
    host.activate(RATE, BLOCK as u32, 1, ProcessMode::Realtime);
    let mut played = Played {
        host,
        window,
        shared: Arc::clone(&shared),
        seconds: 0.0,
    };
    let params = &shared.params;
    let before = [params.soft_end.value(), params.hard_end.value()];

    played.click("Set up");
    played.click("Guide me");
    played.says("Choose the input");
    played.click("Next");
    played.says("Choose the input"); // nothing was heard yet
    played.play(&takes(&folder, &["_mf_"]), "3 notes were heard", 10.0);
    played.click("Next");

    played.says("Play softly, then hard");
    played.click("Start");
    let [soft, hard] = ["_p_", "_f_"].map(|word| takes(&folder, &["percussive", word]));
    played.play(&soft, "Now hard", 20.0);
    played.play(&hard, "Learnt", 20.0);
    played.click("Next");

    played.says("Teach the techniques");
    played.click("Pick near bridge");
    played.click("Start");
    for (class, (label, word)) in TECHNIQUES.into_iter().enumerate() {
        if word.is_empty() {
            continue;
        }
        played.play(&[0.0], &format!("Play: {label}"), 5.0);
        let next = match class {
            7 => "That was the last one",
            _ => "Next: ",
        };
        played.play(&takes(&folder, &[word]), next, 30.0);
        let examples = played.shared.status().calibration.examples.clone();
        assert_eq!(examples[class], ENOUGH, "{label}: {examples:?}");
    }
    played.click("Next");

    played.says("35 examples; ");
    played.click("Hear it");
    played.play(&hard, "Sounds are on", 1.0);
    assert!(params.voices.are_on());
    played.click("Next");

    played.click("name of a new one");
    played.window.write("mine");
    played.click("Save");
    played.says("Saved as");
    played.click("Finish");
    played.says("95 % within");

    let status = shared.status().clone();
    let model = status.models.back().unwrap();
    assert!(model.calibrated, "{model}");
    assert_eq!(status.calibration.examples, [5, 5, 5, 5, 5, 5, 0, 5]);
    assert!(params.masked()[6]);
    let after = [params.soft_end.value(), params.hard_end.value()];
    assert!(before != after && after[0] + 10.0 < after[1], "{after:?}");
    let preset = presets.path().join("mine.toml");
    let targets = Preset::read(&preset).unwrap().targets(params);
    for (param, value) in targets {
        // SAFETY: the parameters live as long as `shared`.
        let (found, name) = unsafe { (param.unmodulated_normalized_value(), param.name()) };
        assert!((found - value).abs() < 1e-3, "{name}");
    }
    println!(
        "{:.0} s of playing; velocity from {before:?} to {after:?} dB; {} of 35 examples would be \
         named rightly had they not been taught",
        played.seconds,
        status
            .calibration
            .report
            .iter()
            .filter(|example| example.class == example.answer)
            .count()
    );
}
