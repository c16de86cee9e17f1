//! Sushi's calls, and what comes of them: the notes, names and probabilities of a bounce in another
//! host.

use std::collections::BTreeSet;
use std::iter::repeat;

use tocco_bench::clap_host::ClapHost;
use tocco_bench::plugin_host::{MidiOut, PluginHost, PluginStream, StreamFormat};
use tocco_bench::sound::Sound;
use tocco_bench::streaming::{self, Speed};
use tocco_bench::vst3_host::{SushiHost, SushiStream};

use crate::listening::{check_same, without_ids};
use crate::playing::{Bundled, PERFORMANCE, format, play, play_on};
use crate::recordings::recordings;

/// Sushi's only block size on Elk's images.
const BLOCK: usize = 64;

impl Bundled for SushiHost {
    const FILE: &'static str = "Tocco.vst3";
    const KNOWS_NOTE_IDS: bool = false;
}

/// Settings with which both hosts are told the same, none of which is the delivered one.
const SETTINGS: [(&str, &str); 4] = [
    // It answers on another thread, and Sushi has no offline mode.
    ("Second decision", "off"),
    ("Confidence gate", "0.25"),
    ("Sensitivity", "60"),
    ("Note Kick", "C4"),
];

fn set<H: PluginHost>(host: &mut H, adapt: bool) {
    let adapt = ("Adapt while playing", if adapt { "on" } else { "off" });
    for (name, text) in SETTINGS.iter().chain([&adapt]) {
        host.set_text(name, text).unwrap();
    }
}

/// In so many channels, and as long as a whole number of blocks.
pub fn in_channels(sound: &Sound, channels: usize) -> Sound {
    let mut sound = sound.clone();
    let rest = sound.len().next_multiple_of(BLOCK) - sound.len();
    sound.append_silence(rest as f64 / f64::from(sound.sample_rate));
    sound.channels = vec![sound.channels[0].clone(); channels];
    sound
}

/// What a bounce sends, which `demo --offline` reports.
fn bounced(sound: &Sound, adapt: bool) -> Vec<MidiOut> {
    let mut host = ClapHost::fresh();
    set(&mut host, adapt);
    let midi = play(&mut host, sound, format(sound, BLOCK, true), repeat(BLOCK));
    without_ids(&midi)
}

/// A stream on which what [`set`] chose is loaded: in real time that comes some milliseconds after
/// the parameters, but not in the next activation.
fn settled(host: &mut SushiHost, format: StreamFormat) -> SushiStream {
    let mut stream = host.activate(format).unwrap();
    stream.process(BLOCK).unwrap();
    host.deactivate(stream);
    host.activate(format).unwrap()
}

fn heard_in_sushi(sound: &Sound, adapt: bool, speed: Speed) -> Vec<MidiOut> {
    let mut host = SushiHost::fresh();
    set(&mut host, adapt);
    let format = format(sound, BLOCK, false);
    // What is learnt hangs on the second decisions, the first ones do not.
    let mut stream = match adapt {
        true => settled(&mut host, format),
        false => host.activate(format).unwrap(),
    };
    let played = streaming::play(&mut stream, sound, repeat(BLOCK), speed).unwrap();
    host.deactivate(stream);
    assert_eq!(played.altered, 0, "samples were altered");
    without_ids(&played.midi)
}

#[test]
fn every_track_hears_what_a_bounce_hears() {
    for channels in [1, 2] {
        let sound = in_channels(&PERFORMANCE, channels);
        for adapt in [false, true] {
            let expected = bounced(&sound, adapt);
            assert!(expected.len() > 200, "{} messages", expected.len());
            let heard = heard_in_sushi(&sound, adapt, Speed::Unpaced);
            let what = format!("{channels} channels, adapting: {adapt}");
            check_same(&heard, &expected, &what);
        }
    }
}

#[test]
fn at_the_pace_of_a_sound_card_too() {
    let sound = in_channels(&PERFORMANCE, 1);
    let expected = bounced(&sound, true);
    let heard = heard_in_sushi(&sound, true, Speed::REAL_TIME);
    check_same(&heard, &expected, "in real time");
}

#[test]
fn recordings_are_named_as_in_a_bounce() {
    let Some(paths) = recordings() else { return };
    for path in paths {
        let mut sound = Sound::read_wav(&path).unwrap();
        sound.append_silence(0.25);
        let sound = in_channels(&sound, 1);
        for adapt in [false, true] {
            let heard = heard_in_sushi(&sound, adapt, Speed::Unpaced);
            let what = format!("{}, adapting: {adapt}", path.display());
            check_same(&heard, &bounced(&sound, adapt), &what);
        }
    }
}

#[test]
fn a_state_that_is_set_while_it_runs_takes_effect() {
    let mut saved = ClapHost::fresh();
    set(&mut saved, false);
    // The framework writes the state's length in eight bytes before it in a CLAP.
    let state = saved.save_state().unwrap()[8..].to_vec();
    let sound = in_channels(&PERFORMANCE, 1);
    let mut host = SushiHost::fresh();
    let mut stream = host.activate(format(&sound, BLOCK, false)).unwrap();
    host.restore_state(&state).unwrap();
    let midi = play_on(&mut stream, &sound, repeat(BLOCK));
    host.deactivate(stream);
    assert_eq!(without_ids(&midi), bounced(&sound, false));
    for (name, text) in SETTINGS {
        let told = host.text(name).unwrap().to_lowercase();
        assert!(told.starts_with(&text.to_lowercase()), "{name} is {told}");
    }
}

#[test]
fn sushi_runs_it_again_after_a_change_of_the_rate() {
    let mut host = SushiHost::fresh();
    set(&mut host, false);
    let sound = in_channels(&PERFORMANCE, 1);
    let expected = bounced(&sound, false);
    for rate in [48_000.0, 44_100.0, 48_000.0] {
        let format = StreamFormat {
            sample_rate: rate,
            ..format(&sound, BLOCK, false)
        };
        let mut stream = host.activate(format).unwrap();
        let midi = play_on(&mut stream, &sound, repeat(BLOCK));
        host.deactivate(stream);
        if rate == 48_000.0 {
            assert_eq!(without_ids(&midi), expected);
        }
    }
}

/// What Sushi makes of a parameter's name in an OSC path.
fn osc_name(name: &str) -> String {
    let kept = name.chars().filter(|c| !"\"\\*[]{}#,/?".contains(*c));
    kept.map(|c| if c == ' ' { '_' } else { c }).collect()
}

#[test]
fn names_can_be_typed_as_osc_paths() {
    let mut host = SushiHost::fresh();
    let parameters = host.parameters().unwrap();
    let mut paths = BTreeSet::new();
    for parameter in &parameters {
        let path = osc_name(&parameter.name);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(path.chars().all(is_plain), "{path}");
        assert_eq!(path.len(), parameter.name.len(), "{path} lost a letter");
        assert!(paths.insert(path.to_lowercase()), "{path} is there twice");
    }
}
