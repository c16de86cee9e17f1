//! Tocco as a program of its own, for those whose host takes no MIDI from an audio track.
//!
//! nice-plug has the audio, JACK or ALSA, and the window. What a player needs besides is here: what the
//! program begins with and keeps ([`state_file`]), notes on the terminal ([`listing`]), a MIDI port that
//! others can connect to ([`midi_port`]), and an end that loses nothing and says what went wrong ([`end`]).

pub mod arguments;
mod end;
mod interrupt;
mod listing;
mod midi_port;
mod program;
mod state_file;
#[cfg(feature = "editor")]
mod window;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cpal::traits::{DeviceTrait, HostTrait};
use jack::{Client, ClientOptions};
use nice_plug::prelude::nice_export_standalone_with_args;

use crate::Tocco;
use arguments::{Arguments, Backend};
use end::End;
use listing::Listing;
use midi_port::{MidiPort, MidiQueue};
use program::{Prepared, Program, Windowless};
use state_file::StateFile;

#[cfg(feature = "editor")]
use program::Windowed;

/// Why the program does not run.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// What was saved, or a preset, is of no use.
    #[error("{0}")]
    File(String),
    /// There is no MIDI port.
    #[error("MIDI port {name:?}: {reason}; --no-midi-port does without it")]
    MidiPort {
        /// What it was to be called.
        name: String,
        /// Why not.
        reason: String,
    },
    /// There is no window.
    #[error("{0}; --headless does without a window")]
    Screen(String),
    /// Devices are named that are not used.
    #[error(
        "--input-device and --output-device: expected --backend alsa, whose devices they name, found jack; \
         JACK's ports are connected by --connect-inputs"
    )]
    Devices,
    /// There is no server.
    #[error("JACK: {0}; start a server (jackd, PipeWire), or use --backend alsa")]
    Jack(String),
    /// There is no audio.
    #[error(
        "no audio: {tried}; what is written above says why. Start a JACK server, or name a device of \
         ALSA by --input-device and --output-device (an empty name lists them)"
    )]
    NoAudio {
        /// What was tried.
        tried: &'static str,
    },
    /// There is no audio any more.
    #[error(
        "the sound has stopped: expected a block of it many times a second, found none for {} s. The \
         interface was unplugged, the JACK server has ended, or what is written above says why; start \
         tocco again when it is back",
        end::STILL_SECONDS
    )]
    Stopped,
    /// It began and failed.
    #[error("it has ended by a fault; what is written above says which")]
    Ended,
}

/// Runs the program: until its window is closed, or Ctrl-C.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match start(&Arguments::parse_from(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tocco: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<(), StandaloneError> {
    let end = Arc::new(End::default());
    let windowed = cfg!(feature = "editor") && !arguments.headless;
    let asked = Arc::clone(&end);
    interrupt::on_interrupt(move || {
        asked.end_notes();
        // The window is not told: nobody would have it close.
        if windowed {
            asked.now(Ok(()));
        }
        interrupt::pass_on();
        asked.soon();
    });
    let tocco = Tocco::default();
    let shared = Arc::clone(tocco.shared());
    let file = StateFile::open(arguments)?;
    file.load(&shared.params)?;
    arguments.apply_preset(&shared.params)?;
    // The framework would say why there is no window, and wait for ever.
    #[cfg(feature = "editor")]
    if windowed {
        crate::editor::check_own_screen().map_err(StandaloneError::Screen)?;
    }
    end.at_end().state = Some((file, Arc::clone(&shared)));
    let jack = match arguments.backend {
        Backend::Jack if arguments.names_device() => return Err(StandaloneError::Devices),
        Backend::Auto if arguments.names_device() => None,
        Backend::Auto => jack_format().ok(),
        Backend::Jack => Some(jack_format().map_err(StandaloneError::Jack)?),
        Backend::Alsa | Backend::Dummy => None,
    };
    let backend = match (arguments.backend, jack) {
        (_, Some(_)) => "jack",
        (Backend::Dummy, None) => "dummy",
        (_, None) => "alsa",
    };
    // JACK has ports for MIDI of its own.
    let (port, midi) = match jack {
        None if !arguments.no_midi_port => midi_port(arguments.midi_port.as_deref())?,
        _ => (None, None),
    };
    end.at_end().port = port;
    program::prepare(Prepared {
        tocco,
        midi,
        end: Arc::clone(&end),
    });
    if arguments.headless || arguments.list {
        end.at_end().listing = Some(Listing::start(shared));
    }
    let input = if backend == "alsa" { own_input() } else { None };
    let words = arguments.for_the_framework(backend, jack, input);
    end.watch();
    let good = play(arguments.headless, words);
    end.claim();
    let never_ran = !good && program::is_waiting();
    if never_ran {
        // There is nothing new to save.
        end.at_end().state = None;
    }
    end.close()?;
    if never_ran {
        let tried = match arguments.backend {
            Backend::Auto => "neither JACK nor ALSA",
            Backend::Jack => "JACK refused",
            Backend::Alsa => "ALSA refused",
            Backend::Dummy => "not even none",
        };
        return Err(StandaloneError::NoAudio { tried });
    }
    match good {
        true => Ok(()),
        false => Err(StandaloneError::Ended),
    }
}

#[cfg(feature = "editor")]
fn play(headless: bool, words: Vec<String>) -> bool {
    match headless {
        true => nice_export_standalone_with_args::<Program<Windowless>, _>(words),
        false => nice_export_standalone_with_args::<Program<Windowed>, _>(words),
    }
}

#[cfg(not(feature = "editor"))]
fn play(_: bool, words: Vec<String>) -> bool {
    nice_export_standalone_with_args::<Program<Windowless>, _>(words)
}

/// The port called `name`, and where its notes are put. Without a name there may be none, which is said.
fn midi_port(name: Option<&str>) -> Result<(Option<MidiPort>, Option<MidiQueue>), StandaloneError> {
    match MidiPort::open(name.unwrap_or("Tocco")) {
        Ok((port, midi)) => Ok((Some(port), Some(midi))),
        Err(error) if name.is_none() => {
            eprintln!("tocco: {error}; it goes on without");
            Ok((None, None))
        }
        Err(error) => Err(error),
    }
}

/// What cpal, and so the framework, calls the input that the system takes for its own.
fn own_input() -> Option<String> {
    let device = cpal::default_host().default_input_device()?;
    Some(device.description().ok()?.name().to_owned())
}

/// Hz and samples in a block of the JACK server that runs.
fn jack_format() -> Result<(f64, u32), String> {
    // The library tells every stone that it turns.
    jack::set_logger(jack::LoggerType::None);
    match Client::new("tocco-asks", ClientOptions::NO_START_SERVER) {
        Ok((client, _)) => Ok((f64::from(client.sample_rate()), client.buffer_size())),
        Err(error) => Err(format!("no server answers ({error})")),
    }
}
