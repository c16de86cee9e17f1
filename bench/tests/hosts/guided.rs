//! The guided minute by host parameters alone, as a foot switch or a screen reader has it: soft and hard,
//! a technique after the other, a preset.
//!
//! Each run is a process of its own, whose user has a folder of its own.

use std::iter::repeat;
use std::path::Path;
use std::time::{Duration, Instant};

use tocco_bench::clap_host::ClapHost;
use tocco_bench::plugin_host::{Automated, PluginStream, StreamFormat};
use tocco_bench::sound::Sound;
use tocco_bench::vst3_host::Vst3Host;
use tocco_recordings::{TAKES, shared_with};

use crate::own_process;
use crate::playing::{Bundled, play_on};

const PLAYER: &str = "LucFra";

/// What is taught: the place in *Teach*, and what the takes are called.
const TAUGHT: [(f64, &str); 3] = [
    (1.0, "_kick_"),
    (2.0, "_lowersidefingers_"),
    (4.0, "_keybed_"),
];

#[test]
fn parameters_alone_lead_from_soft_and_hard_to_a_preset() {
    if shared_with(&TAKES).is_none() {
        return;
    }
    for name in ["guided::in_clap", "guided::in_vst3"] {
        let user = tempfile::tempdir().unwrap();
        own_process::run(
            name,
            [
                ("XDG_DATA_HOME", user.path().join("data")),
                ("HOME", user.path().to_owned()),
            ],
        );
        let preset = user.path().join("data/tocco/presets/From the host 1.toml");
        let text = std::fs::read_to_string(preset).unwrap();
        assert!(text.contains("\nnote_1 = 60\n"), "{text}");
        let minute = user.path().join("Tocco/Tocco 1.mid");
        let bytes = std::fs::read(minute).unwrap();
        assert!(bytes.starts_with(b"MThd") && bytes.len() > 100);
    }
}

#[test]
#[ignore = "run by the other, in a process of its own"]
fn in_clap() {
    by_parameters::<ClapHost>();
}

#[test]
#[ignore = "run by the other, in a process of its own"]
fn in_vst3() {
    by_parameters::<Vst3Host>();
}

/// The player's takes with all of `words` in their names.
fn takes(words: &[&str]) -> Sound {
    let folder = shared_with(&TAKES).unwrap();
    let entries = TAKES
        .iter()
        .flat_map(|part| folder.join(part).read_dir().unwrap());
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.retain(|path| {
        let name = name(path);
        let all = words.iter().all(|word| name.contains(word));
        name.ends_with(".wav") && name.contains(PLAYER) && all
    });
    paths.sort();
    let mut samples = Vec::new();
    for path in &paths {
        samples.extend_from_slice(&Sound::read_wav(path).unwrap().channels[0]);
        samples.resize((samples.len() + 12_000).next_multiple_of(64), 0.0);
    }
    Sound {
        source: format!("{words:?}"),
        sample_rate: 48_000,
        channels: vec![samples],
        played: Vec::new(),
        labels: Vec::new(),
    }
}

fn by_parameters<H: Bundled>()
where
    H::Stream: Automated,
{
    let mut host = H::fresh();
    let names = [
        "Velocity lesson",
        "Teach",
        "Save preset",
        "Save last minute",
        "Note Kick",
    ];
    let [lesson, teach, preset, minute, note] = names.map(|name| host.parameter(name).unwrap());
    host.set_value(&note, 60.0).unwrap();
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    let mut until = |stream: &mut H::Stream, name: &str, expected: &str| {
        let start = Instant::now();
        while host.text(name).unwrap() != expected {
            let found = host.text(name).unwrap();
            assert!(start.elapsed() < Duration::from_secs(10), "{name}: {found}");
            stream.input(0)[..64].fill(0.0);
            stream.process(64).unwrap();
            host.idle();
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for (step, dynamic) in [(1.0, "_p_"), (2.0, "_f_")] {
        stream.automate(&lesson, step);
        play_on(&mut stream, &takes(&["percussive", dynamic]), repeat(64));
    }
    stream.automate(&lesson, 3.0);
    until(&mut stream, "Velocity status", "learnt");
    for (taught, (place, word)) in TAUGHT.into_iter().enumerate() {
        stream.automate(&teach, place);
        play_on(&mut stream, &takes(&[word]), repeat(64));
        // It ends by itself.
        until(&mut stream, "Teaching", "none");
        until(&mut stream, "Examples", &(5 * (taught + 1)).to_string());
    }
    stream.automate(&preset, 1.0);
    stream.automate(&minute, 1.0);
    stream.process(64).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    until(&mut stream, "Status", "listening");
    let ends = ["Soft end", "Hard end"].map(|name| host.text(name).unwrap());
    println!("{ends:?}");
    assert_ne!(ends, ["-54.0 dB", "0.0 dB"]);
    host.deactivate(stream);
    // It is there when the project is opened again, and nothing is saved once more.
    let state = host.save_state().unwrap();
    let mut other = H::fresh();
    other.restore_state(&state).unwrap();
    let stream = other.activate(StreamFormat::PAPER).unwrap();
    assert_eq!(
        ["Soft end", "Hard end"].map(|name| other.text(name).unwrap()),
        ends
    );
    std::thread::sleep(Duration::from_millis(100));
    other.deactivate(stream);
    let home = std::env::var_os("HOME").unwrap();
    assert!(!Path::new(&home).join("Tocco/Tocco 2.mid").exists());
}
