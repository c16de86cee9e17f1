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

/// The performance for hosts at other rates, computed once for all of them.
pub static AT_OTHER_RATES: LazyLock<[Sound; 3]> =
    LazyLock::new(|| [44_100, 96_000, 192_000].map(|rate| resampled(&PERFORMANCE, rate)));

/// The first `seconds` of `sound`: enough for blocks of one sample, of which a whole performance has
/// millions.
pub fn beginning(sound: &Sound, seconds: usize) -> Sound {
    let mut sound = sound.clone();
    let length = seconds * sound.sample_rate as usize;
    sound.channels.iter_mut().for_each(|c| c.truncate(length));
    sound
}

/// What of `midi` was sent while `sound`, the beginning of what was played, lasted; some notes are in it.
pub fn sent_within(midi: &[MidiOut], sound: &Sound) -> Vec<MidiOut> {
    let end = sound.len() as u64;
    let within: Vec<MidiOut> = midi
        .iter()
        .filter(|event| event.position < end)
        .copied()
        .collect();
    assert!(notes(&within).len() > 3, "{} messages", within.len());
    within
}

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

/// A Hann-windowed sinc of 64 zero crossings around a place between two samples.
struct Kernel {
    /// The first weight's sample, counted from the one at the place or before it.
    first: isize,
    weights: Vec<f64>,
}

impl Kernel {
    /// For a place that is `fraction` of a sample behind one, below the share `cutoff` of half the rate.
    fn new(fraction: f64, cutoff: f64) -> Self {
        let reach = 32.0 / cutoff;
        let first = (fraction - reach).ceil() as isize;
        let last = (fraction + reach).floor() as isize;
        let weight = |offset: isize| {
            let distance = offset as f64 - fraction;
            let x = std::f64::consts::PI * distance * cutoff;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
            let window = (std::f64::consts::FRAC_PI_2 * distance / reach)
                .cos()
                .powi(2);
            sinc * window * cutoff
        };
        Self {
            first,
            weights: (first..=last).map(weight).collect(),
        }
    }

    /// The sound behind sample `index`; before and after `samples` there is silence.
    fn apply(&self, samples: &[f32], index: usize) -> f32 {
        let first = index as isize + self.first;
        let missing = first.min(0).unsigned_abs();
        let known = samples[first.max(0) as usize..].iter();
        let pairs = known.zip(&self.weights[missing..]);
        let sum: f64 = pairs.map(|(s, weight)| f64::from(*s) * weight).sum();
        sum as f32
    }
}

/// The same sound for a host at another rate: better than what is measured with it.
pub fn resampled(sound: &Sound, rate: u32) -> Sound {
    // In the time of `phases` samples there were `step`, so each kernel is right again after them.
    let common = greatest_common_divisor(sound.sample_rate, rate);
    let [step, phases] = [sound.sample_rate, rate].map(|rate| (rate / common) as usize);
    let cutoff = (phases as f64 / step as f64).min(1.0);
    let kernel = |phase: usize| {
        let fraction = (phase * step % phases) as f64 / phases as f64;
        Kernel::new(fraction, cutoff)
    };
    let kernels: Vec<Kernel> = (0..phases).map(kernel).collect();
    let resample = |samples: &Vec<f32>| -> Vec<f32> {
        let at = |index: usize| kernels[index % phases].apply(samples, index * step / phases);
        (0..samples.len() * phases / step).map(at).collect()
    };
    Sound {
        source: format!("{} at {rate} Hz", sound.source),
        sample_rate: rate,
        channels: sound.channels.iter().map(resample).collect(),
        played: sound.played.clone(),
        labels: sound.labels.clone(),
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
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
