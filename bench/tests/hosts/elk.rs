//! Sushi's configurations in the archive for Elk Audio OS: they have the fields that Sushi's
//! documentation has ("Sushi configuration file reference", and the schemas in its sources), the
//! bundle is where the archive puts it, and every name in them is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use serde::Deserialize;
use tocco_bench::plugin_host::{MidiMessage, PluginHost};
use tocco_bench::streaming::{self, Speed};
use tocco_bench::vst3_host::{SUSHI_UID, SushiHost};

use crate::playing::{Bundled, PERFORMANCE, format};
use crate::sushi::in_channels;

/// Where `install.sh` puts the bundle.
const BUNDLE: &str = "/udata/tocco/plugins/Tocco.vst3";

/// Channels of the sound cards that Elk knows on a Raspberry Pi.
const ENGINE_CHANNELS: usize = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    host_config: HostConfig,
    tracks: Vec<Track>,
    midi: Option<Midi>,
    osc: Option<Osc>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostConfig {
    samplerate: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Track {
    name: String,
    /// Before Sushi 1.0.
    mode: String,
    /// Since then.
    channels: usize,
    inputs: Vec<Connection>,
    outputs: Vec<Connection>,
    plugins: Vec<Plugin>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Connection {
    Channel {
        engine_channel: usize,
        track_channel: usize,
    },
    Bus {
        engine_bus: usize,
        track_bus: usize,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Plugin {
    Vst3x {
        path: String,
        uid: String,
        name: String,
    },
    Internal {
        uid: String,
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Midi {
    #[serde(default)]
    track_out_connections: Vec<TrackOut>,
    #[serde(default)]
    cc_mappings: Vec<CcMapping>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrackOut {
    port: u32,
    channel: u8,
    track: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CcMapping {
    port: u32,
    channel: u8,
    cc_number: u8,
    plugin_name: String,
    parameter_name: String,
    mode: CcMode,
    min_range: f64,
    max_range: f64,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum CcMode {
    Absolute,
    Relative,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Osc {
    enabled_processor_outputs: Vec<Processor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Processor {
    processor: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
enum EventData {
    ParameterChange {
        plugin_name: String,
        parameter_name: String,
        value: f64,
    },
    PropertyChange {
        plugin_name: String,
        property_name: String,
        value: String,
    },
}

#[derive(Deserialize)]
struct Event {
    time: f64,
    #[serde(flatten)]
    data: EventData,
}

impl Plugin {
    fn name(&self) -> &str {
        match self {
            Self::Vst3x { name, .. } | Self::Internal { name, .. } => name,
        }
    }
}

fn archive() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/elk")
}

fn configurations() -> Vec<(String, Configuration)> {
    let mut found: Vec<_> = fs::read_dir(archive().join("config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let parsed = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, parsed)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(found.len() >= 4, "the configurations of the archive");
    found
}

fn check_connections(track: &Track, connections: &[Connection]) {
    for connection in connections {
        let (engine, own) = match *connection {
            Connection::Channel {
                engine_channel,
                track_channel,
            } => (engine_channel, track_channel),
            // A bus is a pair of channels.
            Connection::Bus {
                engine_bus,
                track_bus,
            } => (2 * engine_bus + 1, 2 * track_bus + 1),
        };
        assert!(engine < ENGINE_CHANNELS, "{}: no such channel", track.name);
        assert!(own < track.channels, "{}: no such channel", track.name);
    }
}

#[test]
fn every_name_in_the_configurations_is_there() {
    let parameters: BTreeSet<String> = SushiHost::fresh()
        .parameters()
        .unwrap()
        .into_iter()
        .map(|parameter| parameter.name)
        .collect();
    for (name, configuration) in configurations() {
        assert_eq!(configuration.host_config.samplerate, 48_000, "{name}");
        let plugins: Vec<&Plugin> = configuration
            .tracks
            .iter()
            .flat_map(|track| &track.plugins)
            .collect();
        let names: BTreeSet<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
        assert_eq!(names.len(), plugins.len(), "{name}: names must be unique");
        for plugin in &plugins {
            match plugin {
                Plugin::Vst3x { path, uid, name } => {
                    assert_eq!((path.as_str(), uid.as_str()), (BUNDLE, SUSHI_UID));
                    assert_eq!(name, "tocco");
                }
                Plugin::Internal { uid, .. } => assert_eq!(uid, "sushi.testing.sampleplayer"),
            }
        }
        for track in &configuration.tracks {
            let mode = ["", "mono", "stereo"][track.channels];
            assert_eq!(track.mode, mode, "{name}: {}", track.name);
            check_connections(track, &track.inputs);
            check_connections(track, &track.outputs);
        }
        let is_track = |wanted: &str| configuration.tracks.iter().any(|t| t.name == wanted);
        let check_parameter = |plugin: &str, parameter: &str, values: &[f64]| {
            assert_eq!(plugin, "tocco", "{name}");
            assert!(parameters.contains(parameter), "{name}: no {parameter}");
            let normalised = values.iter().all(|value| (0.0..=1.0).contains(value));
            assert!(normalised, "{name}: {parameter}: {values:?}");
        };
        if let Some(midi) = &configuration.midi {
            for out in &midi.track_out_connections {
                assert!(
                    is_track(&out.track) && out.port == 0 && out.channel < 16,
                    "{name}"
                );
            }
            for cc in &midi.cc_mappings {
                let range = [cc.min_range, cc.max_range];
                check_parameter(&cc.plugin_name, &cc.parameter_name, &range);
                assert!(
                    cc.port == 0
                        && cc.channel < 16
                        && cc.cc_number < 128
                        && cc.mode == CcMode::Absolute,
                    "{name}"
                );
            }
        }
        for output in configuration
            .osc
            .iter()
            .flat_map(|osc| &osc.enabled_processor_outputs)
        {
            assert!(names.contains(output.processor.as_str()), "{name}");
        }
        for event in &configuration.events {
            assert!(event.time >= 0.0);
            match &event.data {
                EventData::ParameterChange {
                    plugin_name,
                    parameter_name,
                    value,
                } => check_parameter(plugin_name, parameter_name, &[*value]),
                EventData::PropertyChange {
                    plugin_name,
                    property_name,
                    value,
                } => {
                    assert!(names.contains(plugin_name.as_str()), "{name}");
                    assert_eq!(property_name, "sample_file");
                    assert_eq!(value, "/udata/tocco/samples/drum.wav");
                }
            }
        }
    }
}

/// What is played depends on nothing of a track but how many channels it has.
#[test]
fn every_track_of_the_configurations_hears_notes() {
    let configurations = configurations();
    let tracks = configurations.iter().flat_map(|(_, c)| &c.tracks);
    let numbers: BTreeSet<usize> = tracks.map(|track| track.channels).collect();
    assert_eq!(numbers, BTreeSet::from([1, 2]));
    for channels in numbers {
        let sound = in_channels(&PERFORMANCE, channels);
        let mut host = SushiHost::fresh();
        let mut stream = host.activate(format(&sound, 64, false)).unwrap();
        let played =
            streaming::play(&mut stream, &sound, iter::repeat(64), Speed::Times(8.0)).unwrap();
        host.deactivate(stream);
        let is_on = |message| matches!(message, MidiMessage::NoteOn { .. });
        let notes = played.midi.iter().filter(|midi| is_on(midi.message));
        assert!(notes.count() > 0, "{channels} channels: nothing was heard");
    }
}

/// The installer on a made-up board: it installs, keeps what was edited, and refuses what is damaged.
#[cfg(target_os = "linux")]
#[test]
fn the_installer_keeps_what_was_edited_and_refuses_what_is_damaged() {
    use std::process::Command;

    let folder = tempfile::tempdir().unwrap();
    let (unpacked, data) = (folder.path().join("unpacked"), folder.path().join("udata"));
    fs::create_dir_all(&data).unwrap();
    let parts = [
        "plugins/Tocco.vst3",
        "models/c",
        "samples",
        "licences",
        "config",
    ];
    for part in parts {
        fs::create_dir_all(unpacked.join(part)).unwrap();
    }
    let files = [
        "README.md",
        "ENGINES.md",
        "LICENSE",
        "licences/crates.txt",
        "models/c/model.toml",
    ];
    for file in files {
        fs::write(unpacked.join(file), file).unwrap();
    }
    for script in ["install.sh", "start.sh", "autostart.sh", "config/mono.json"] {
        fs::copy(archive().join(script), unpacked.join(script)).unwrap();
    }
    let run = |line: &str| {
        let script = format!("cd {} && {line}", unpacked.display());
        // The board's answer, on whatever machine this is.
        let machine = "uname() { echo aarch64; }";
        let output = Command::new("sh")
            .arg("-c")
            .arg(script.replace(
                "INSTALL",
                &format!("sh -c '{machine}; set --; . ./install.sh'"),
            ))
            .env("UDATA", &data)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let sums = "find . -type f ! -name SHA256SUMS | xargs sha256sum > SHA256SUMS";
    let (installed, text) = run(&format!("{sums} && INSTALL"));
    assert!(installed, "{text}");
    let config = data.join("tocco/config/mono.json");
    assert!(config.is_file() && data.join("tocco/models/c/model.toml").is_file());
    assert!(data.join("tocco/licences/crates.txt").is_file());

    fs::write(&config, "mine").unwrap();
    let (installed, text) = run("INSTALL");
    assert!(installed && text.contains("kept your"), "{text}");
    assert_eq!(fs::read_to_string(&config).unwrap(), "mine");

    fs::write(unpacked.join("models/c/model.toml"), "damaged").unwrap();
    let (installed, text) = run("INSTALL");
    assert!(!installed && text.contains("damaged"), "{text}");
}
