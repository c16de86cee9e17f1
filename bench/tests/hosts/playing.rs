//! Playing the synthesised performance to a plugin and writing down what it answers.

use std::sync::LazyLock;

use tocco_bench::plugin_host::{
    MidiMessage, MidiOut, PluginHost, PluginStream, StreamFormat, bundle_path,
};
use tocco_bench::sound::Sound;
use tocco_bench::streaming::{self, Speed};

/// The performance, with silence enough at its end for the last note off. A whole number of the
/// largest blocks, so that every block size ends at the same sample.
pub static PERFORMANCE: LazyLock<Sound> = LazyLock::new(|| {
    let mut sound = Sound::synthesised();
    sound.append_silence(0.25);
    let rest = sound.len().next_multiple_of(8192) - sound.len();
    sound.append_silence(rest as f64 / f64::from(sound.sample_rate));
    sound
});

/// A format that the plugin can be asked for, with blocks of up to `max_block`.
pub fn format(sound: &Sound, max_block: usize, offline: bool) -> StreamFormat {
    StreamFormat {
        sample_rate: f64::from(sound.sample_rate),
        max_block,
        channels: sound.channels.len(),
        offline,
    }
}

/// The bundle for a host.
pub trait Bundled: PluginHost {
    /// File name of the bundle.
    const FILE: &'static str;

    /// Whether note ids are the onsets' numbers. nice-plug 0.4.2 makes VST3 note ids from the key.
    const KNOWS_NOTE_IDS: bool;

    /// An instance of the real plugin.
    fn fresh() -> Self {
        let bundle = bundle_path(Self::FILE).unwrap();
        Self::load(&bundle).unwrap()
    }

    /// One that does not learn while it plays, and rejects nothing: what it hears twice it names and plays
    /// twice alike.
    fn steady() -> Self {
        let mut host = Self::fresh();
        host.set_text("Adapt while playing", "off").unwrap();
        host.set_text("Reject foreign sounds", "off").unwrap();
        host
    }
}

impl Bundled for tocco_bench::clap_host::ClapHost {
    const FILE: &'static str = "Tocco.clap";
    const KNOWS_NOTE_IDS: bool = true;
}

impl Bundled for tocco_bench::vst3_host::Vst3Host {
    const FILE: &'static str = "Tocco.vst3";
    const KNOWS_NOTE_IDS: bool = false;
}

/// Plays `sound` from a fresh start, checks that it comes out untouched, and returns the MIDI.
pub fn play<H: PluginHost>(
    host: &mut H,
    sound: &Sound,
    format: StreamFormat,
    blocks: impl Iterator<Item = usize>,
) -> Vec<MidiOut> {
    let mut stream = host.activate(format).unwrap();
    let midi = play_on(&mut stream, sound, blocks);
    host.deactivate(stream);
    midi
}

/// As [`play`], on a stream that runs already.
pub fn play_on<S: PluginStream>(
    stream: &mut S,
    sound: &Sound,
    blocks: impl Iterator<Item = usize>,
) -> Vec<MidiOut> {
    let played = streaming::play(stream, sound, blocks, Speed::Unpaced).unwrap();
    assert_eq!(
        played.altered, 0,
        "samples were altered on their way through"
    );
    played.midi
}

/// Where notes begin, and their keys.
pub fn notes(midi: &[MidiOut]) -> Vec<(u64, u8)> {
    midi.iter()
        .filter(|event| matches!(event.message, MidiMessage::NoteOn { .. }))
        .map(|event| (event.position, event.key))
        .collect()
}

/// The same sound for a host at another rate, by a Hann-windowed sinc of 64 zero crossings: better
/// than what is measured with it.
pub fn resampled(sound: &Sound, rate: u32) -> Sound {
    let step = f64::from(sound.sample_rate) / f64::from(rate);
    let cutoff = step.recip().min(1.0);
    let reach = 32.0 / cutoff;
    let resample = |samples: &Vec<f32>| -> Vec<f32> {
        let length = (samples.len() as f64 / step) as usize;
        let at = |index: usize| {
            let centre = index as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach) as usize).min(samples.len() - 1);
            let sum: f64 = (first..=last)
                .map(|i| {
                    let distance = i as f64 - centre;
                    let x = std::f64::consts::PI * distance * cutoff;
                    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
                    let window = (std::f64::consts::FRAC_PI_2 * distance / reach)
                        .cos()
                        .powi(2);
                    f64::from(samples[i]) * sinc * window * cutoff
                })
                .sum();
            sum as f32
        };
        (0..length).map(at).collect()
    };
    Sound {
        source: format!("{} at {rate} Hz", sound.source),
        sample_rate: rate,
        channels: sound.channels.iter().map(resample).collect(),
        played: sound.played.clone(),
        labels: sound.labels.clone(),
    }
}

/// Declares each test once for the CLAP and once for the VST3.
macro_rules! in_both_hosts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        mod clap {
            $($(#[$doc])* #[test] fn $name() { super::$name::<tocco_bench::clap_host::ClapHost>() })*
        }
        mod vst3 {
            $($(#[$doc])* #[test] fn $name() { super::$name::<tocco_bench::vst3_host::Vst3Host>() })*
        }
    };
}
pub(crate) use in_both_hosts;
