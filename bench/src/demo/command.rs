//! The command line of the demo.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Demo, Format};
use crate::plugin_host::PluginHost;
use crate::sound::Sound;

/// Streams a recording through the bundled plugin and names each note as it comes.
///
/// The bundle runs in a host of our own, in blocks of 64 samples at the recording's rate,
/// at the pace of the clock. Each line is a note: when it began, its technique, how probable that
/// is, and how long after its beginning the result was there. A second network listens longer;
/// where it makes another technique of a note, a further line with an arrow says so.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
        cargo xtask demo                                   the synthesised performance\n  \
        cargo xtask demo --input take.wav --model a        a recording, with the paper's largest network\n  \
        cargo xtask demo --offline --json > notes.json     as fast as possible, for a program to read")]
pub struct DemoArguments {
    /// A mono or stereo WAV file to play instead of the synthesised performance
    #[arg(long, value_name = "F.wav")]
    input: Option<PathBuf>,
    /// The model package: a, b, c, tocco, tocco-sure or tocco-late [default: the plugin's]
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// The inference engine [default: the plugin's]
    #[arg(long, value_name = "ID")]
    engine: Option<String>,
    /// Render offline, faster than real time
    #[arg(long)]
    offline: bool,
    /// Switch off the second decisions, which amend notes 150 ms after their beginning
    #[arg(long)]
    no_second: bool,
    /// Do not let the networks learn the player from their own decisions
    #[arg(long)]
    no_adapt: bool,
    /// A calibration profile to play with, as the plugin or cargo xtask calibrate wrote it
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Begin with a state that --save-state wrote with the same --format
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write the plugin's state after the sound, as a DAW saves it with a project
    #[arg(long, value_name = "FILE")]
    save_state: Option<PathBuf>,
    /// The plugin format whose bundle is loaded
    #[arg(long, value_enum, default_value_t = FormatName::Clap)]
    format: FormatName,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    Clap,
    Vst3,
}

/// Plays, and prints the notes.
///
/// # Errors
/// As [`Demo::run`], or if the recording cannot be read.
pub fn run(arguments: DemoArguments) -> Result<()> {
    match arguments.format {
        FormatName::Clap => play(arguments, Format::CLAP),
        FormatName::Vst3 => play(arguments, Format::VST3),
    }
}

fn play<H: PluginHost>(arguments: DemoArguments, format: Format<H>) -> Result<()> {
    let sound = match &arguments.input {
        Some(path) => Sound::read_wav(path)?,
        None => Sound::synthesised(),
    };
    eprintln!(
        "demo: playing {:.1} s of {}",
        sound.duration_s(),
        sound.source
    );
    let demo = Demo {
        sound,
        model: arguments.model,
        engine: arguments.engine,
        offline: arguments.offline,
        no_second: arguments.no_second,
        no_adapt: arguments.no_adapt,
        profile: arguments.profile,
        state: arguments.state,
        save_state: arguments.save_state,
    };
    if arguments.json {
        let report = demo.run(format, |event| eprintln!("{event}"))?;
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("     time    technique                  prob.  latency");
        let report = demo.run(format, |event| {
            println!("{event}");
            // A line must be seen when it comes, also through a pipe; if it cannot be written,
            // the next println says so.
            let _ = std::io::stdout().flush();
        })?;
        println!("\n{}", report.summary);
    }
    Ok(())
}
