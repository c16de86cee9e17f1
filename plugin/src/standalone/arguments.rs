//! What the program is told on its command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::StandaloneError;
use crate::params::ToccoParams;
use crate::presets::{self, FACTORY, Preset};

/// Hears how an acoustic guitar is played, and says so in MIDI.
///
/// Runs on JACK (or PipeWire, which answers as JACK) where a server runs, else on ALSA. What was taught
/// and set is there again the next time.
///
/// For recordings, models and engines there are commands, whose --help says more: tocco demo, evaluate,
/// calibrate, train, reject, features, convert, infer and engines.
#[derive(Debug, Clone, Parser)]
#[command(name = "tocco", version)]
pub struct Arguments {
    /// What brings the sound; auto: JACK where a server runs, else ALSA
    #[arg(long, short, value_enum, default_value_t = Backend::Auto)]
    pub backend: Backend,
    /// Without a window; each note on a line of its own, until Ctrl-C
    #[arg(long)]
    pub headless: bool,
    /// Each note on a line of its own, beside the window
    #[arg(long)]
    pub list: bool,
    /// File of what was taught and set: read at the beginning if it is there, written at the end
    #[arg(long, value_name = "FILE", conflicts_with = "forget")]
    pub state: Option<PathBuf>,
    /// Begin as delivered, and keep nothing
    #[arg(long)]
    pub forget: bool,
    /// A preset: its name, or its file
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// What the MIDI port is called that others can connect to, Tocco unless named; with JACK it has JACK's
    #[arg(long, value_name = "NAME")]
    pub midi_port: Option<String>,
    /// Without a MIDI port
    #[arg(long)]
    pub no_midi_port: bool,
    /// Device of ALSA that the guitar comes in by, the system's own unless named; an empty name lists all
    #[arg(long, value_name = "NAME")]
    pub input_device: Option<String>,
    /// Device of ALSA that the sound goes out by
    #[arg(long, value_name = "NAME")]
    pub output_device: Option<String>,
    /// Hz, with ALSA; JACK has its own
    #[arg(long, value_name = "HZ", default_value_t = 48_000)]
    pub sample_rate: u32,
    /// Samples in a block, with ALSA; JACK has its own
    #[arg(long, value_name = "SAMPLES", default_value_t = 128)]
    pub period_size: u32,
    /// Seconds from ALSA's input to its output, more where the sound breaks off
    #[arg(long, value_name = "SECONDS", default_value_t = 0.02)]
    pub input_latency: f32,
    /// JACK ports to be heard, with commas between them
    #[arg(long, value_name = "PORTS")]
    pub connect_inputs: Option<String>,
    /// JACK port that gets the notes
    #[arg(long, value_name = "PORT")]
    pub connect_midi: Option<String>,
}

/// What brings the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The first that there is of JACK and ALSA.
    Auto,
    /// JACK.
    Jack,
    /// ALSA.
    Alsa,
    /// None: silence, to look at the window.
    Dummy,
}

impl Arguments {
    /// Loads the preset that was named into `params`.
    ///
    /// # Errors
    /// When there is no such preset, or it is none.
    pub fn apply_preset(&self, params: &ToccoParams) -> Result<(), StandaloneError> {
        let Some(name) = &self.preset else {
            return Ok(());
        };
        let file = |error: presets::PresetError| StandaloneError::File(error.to_string());
        let factory = FACTORY.iter().find(|(of, _)| of.eq_ignore_ascii_case(name));
        let preset = match factory {
            Some((name, text)) => Preset::parse(text, name),
            None if name.ends_with(".toml") => Preset::read(&PathBuf::from(name)),
            None => {
                let folder = presets::folder().unwrap_or_default();
                Preset::read(&presets::path(&folder, name).map_err(file)?)
            }
        };
        for (param, value) in preset.map_err(file)?.targets(params) {
            // SAFETY: the parameters live as long as `params`.
            unsafe { param._internal_set_normalized_value(value) };
        }
        Ok(())
    }

    /// Whether a device of ALSA's is named.
    #[must_use]
    pub fn names_device(&self) -> bool {
        self.input_device.is_some() || self.output_device.is_some()
    }

    /// What the framework is told: `backend`, and what it would not ask for, JACK's own rate and block, and
    /// the name of ALSA's own `input`.
    #[must_use]
    pub fn for_the_framework(
        &self,
        backend: &str,
        jack: Option<(f64, u32)>,
        input: Option<String>,
    ) -> Vec<String> {
        let alsa = (f64::from(self.sample_rate), self.period_size);
        let (rate, period) = jack.unwrap_or(alsa);
        let mut words = vec!["tocco".to_owned(), format!("--backend={backend}")];
        words.push(format!("--sample-rate={rate}"));
        words.push(format!("--period-size={period}"));
        words.push(format!("--input-latency={}", self.input_latency));
        let capacity = (4.0 * self.input_latency).max(0.1);
        words.push(format!("--input-capacity={capacity}"));
        let input = self.input_device.clone().or(input);
        let input = input.filter(|_| backend == "alsa");
        for (name, value) in [
            ("input-device", &input),
            ("output-device", &self.output_device),
            ("connect-jack-inputs", &self.connect_inputs),
            ("connect-jack-midi-output", &self.connect_midi),
        ] {
            words.extend(value.iter().map(|value| format!("--{name}={value}")));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Arguments {
        Arguments::try_parse_from([&["tocco"], words].concat()).unwrap()
    }

    #[test]
    fn jack_tells_rate_and_block_and_alsa_is_told() {
        let words = arguments(&["--period-size", "64", "--connect-inputs", "a:1,a:2"]);
        let jack = words.for_the_framework("jack", Some((44_100.0, 256)), Some("x".to_owned()));
        for word in ["--backend=jack", "--sample-rate=44100", "--period-size=256"] {
            assert!(jack.iter().any(|found| found == word), "{jack:?}");
        }
        assert!(jack.contains(&"--connect-jack-inputs=a:1,a:2".to_owned()));
        assert!(!jack.iter().any(|word| word.contains("device")), "{jack:?}");
        let alsa = words.for_the_framework("alsa", None, Some("x".to_owned()));
        for word in [
            "--sample-rate=48000",
            "--period-size=64",
            "--input-device=x",
        ] {
            assert!(alsa.iter().any(|found| found == word), "{alsa:?}");
        }
    }

    #[test]
    fn a_preset_is_named_or_a_file_and_anything_else_is_refused() {
        let params = ToccoParams::default();
        let drums = arguments(&["--preset", "general midi drums"]);
        drums.apply_preset(&params).unwrap();
        assert_eq!(params.techniques.of_class[0].channel.value(), 10);
        let folder = tempfile::tempdir().unwrap();
        let path = presets::save(folder.path(), "mine", &params).unwrap();
        let other = ToccoParams::default();
        let mine = arguments(&["--preset", path.to_str().unwrap()]);
        mine.apply_preset(&other).unwrap();
        assert_eq!(presets::write(&other), presets::write(&params));
        for (name, expected) in [
            ("no/such", "name: expected"),
            ("/no/such.toml", "such.toml"),
        ] {
            let refused = arguments(&["--preset", name]).apply_preset(&other);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--stat"][..],
            &["--backend", "oss"],
            &["--state", "x", "--forget"],
        ] {
            assert!(Arguments::try_parse_from([&["tocco"], words].concat()).is_err());
        }
    }
}
