//! What the plugin's callback does that it must not, over a long stream with everything going on:
//! notes, engine swaps, state loads, a host that reads all parameters and automates one, voices, controllers,
//! Open Sound Control and the event log. What an open window reads is audited by the plugin's own test `window`.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tocco_dsp::Technique;
use tocco_dsp::synth::Performance;

use super::control::Violation;
use super::outlets::Outlets;
use super::watch::{Findings, Watch};
use crate::plugin_host::{
    Automated, GivenOutputs, MidiMessage, MidiOut, Parameter, PluginHost, PluginStream,
    StreamFormat,
};
use crate::sound::Sound;
use crate::state_document::with_field;
use crate::streaming::{self, Speed};

/// Time between two disturbances by the main thread: a stream that runs faster than real time waits
/// for each model to be loaded.
const DISTURBANCE: Duration = Duration::from_millis(60);

/// One state in so many is [`pair_state`]'s, and stays for [`PAIR_STAY_S`]. Then adapting is
/// switched off, so that the callback forgets what it learnt.
const EVERY: usize = 8;

/// Seconds of audio without another state: the second decisions about some notes are made in it, also
/// where a busy machine takes its time to load the models.
const PAIR_STAY_S: f64 = 4.0;

/// How the callback is audited.
pub struct CallbackAudit {
    /// Seconds of audio.
    pub seconds: f64,
    /// How many times faster than real time. The classifier thread must keep up, or notes are
    /// dropped and its queues are not exercised.
    pub speed: f64,
    /// Channels of the main input and output, 1 or 2. The sound is the same in both.
    pub channels: usize,
    /// Whether to write down where findings come from.
    pub keep_traces: bool,
    /// Something to do within the watched time of one callback, which the audit must then find.
    pub planted: Option<Violation>,
}

/// The findings.
#[derive(Debug, Default, Serialize)]
pub struct CallbackFindings {
    /// Callbacks that were watched: all of them.
    pub blocks: u64,
    /// Notes that the plugin sent meanwhile.
    pub notes: u64,
    /// Second decisions that agreed with the first, by the pressures they sent.
    pub confirmed: u64,
    /// States that were loaded meanwhile, each with another model or engine.
    pub state_loads: u64,
    /// Times that the host read every parameter and its text.
    pub parameter_reads: u64,
    /// Messages of Open Sound Control that came.
    pub osc_messages: u64,
    /// Lines of the event log.
    pub logged: u64,
    /// Callbacks in which something was heard in an output besides the main one.
    pub heard_apart: u64,
    /// Seconds of audio.
    pub seconds: f64,
    /// What the callback did.
    #[serde(flatten)]
    pub findings: Findings,
    /// What is wrong with the violation that was to be planted, if one was and it shows nothing.
    #[serde(skip)]
    pub plant_failed: Option<&'static str>,
    /// Where the calls came from, if asked for.
    #[serde(skip)]
    pub traces: Vec<(String, Vec<String>)>,
}

impl CallbackAudit {
    /// Watches every callback of the plugin in `host`, which was made when `outlets` were open.
    ///
    /// # Errors
    /// If the plugin fails or the thread cannot be watched.
    pub fn run<H>(self, mut host: H, mut outlets: Outlets) -> Result<CallbackFindings>
    where
        H: PluginHost,
        H::Stream: Automated,
    {
        let [pair_state, forgetting] = [true, false].map(|adapt| pair_state(&mut host, adapt));
        // Sounds of the user's come with the one and go with the other.
        let kit = kit()?;
        let path = serde_json::to_string(&kit.path().join(KIT))?;
        let (pair_state, forgetting) = (with_field(&pair_state?, "sounds", &path)?, forgetting?);
        let states = states(&mut host)?;
        let pair_stay = Duration::from_secs_f64(PAIR_STAY_S / self.speed);
        let parameters = host.parameters()?;
        let automated = host.parameter(AUTOMATED)?;
        let mut sound = long_performance(self.seconds);
        let first = sound.channels[0].clone();
        sound.channels.resize(self.channels, first);
        let stream = host.activate(StreamFormat {
            channels: self.channels,
            ..StreamFormat::PAPER
        })?;
        let ended = AtomicBool::new(false);
        let (mut state_loads, mut parameter_reads) = (0, 0);
        let (stream, result) = std::thread::scope(|scope| -> Result<_> {
            let audio = scope.spawn(|| {
                // Also when it panics, or the loop below would never end.
                let _ended = SetAtEnd(&ended);
                self.stream(stream, automated, &sound)
            });
            while !ended.load(Acquire) {
                if state_loads as usize % EVERY == EVERY - 1 {
                    host.restore_state(&pair_state)?;
                    std::thread::sleep(pair_stay);
                    host.restore_state(&forgetting)?;
                } else {
                    host.restore_state(&states[state_loads as usize % states.len()])?;
                }
                state_loads += 1;
                for parameter in &parameters {
                    let value = host.value(parameter)?;
                    host.value_to_text(parameter, value)?;
                }
                parameter_reads += 1;
                host.idle();
                outlets.take_messages();
                std::thread::sleep(DISTURBANCE);
            }
            audio
                .join()
                .map_err(|_| anyhow!("the audio thread panicked"))?
        })?;
        host.deactivate(stream);
        // Its log is whole then.
        drop(host);
        let (osc_messages, logged) = outlets.arrived()?;
        Ok(CallbackFindings {
            state_loads,
            parameter_reads,
            osc_messages,
            logged,
            ..result
        })
    }

    /// The audio thread.
    fn stream<S: Automated>(
        mut self,
        stream: S,
        automated: Parameter,
        sound: &Sound,
    ) -> Result<(S, CallbackFindings)> {
        let mut watched = Watched {
            stream,
            automated,
            callbacks: 0,
            watch: Watch::this_thread(self.keep_traces)?,
            plant: self.planted.take(),
            committed: false,
            heard_apart: 0,
        };
        let blocks = std::iter::repeat(StreamFormat::PAPER.max_block);
        let played = streaming::play(&mut watched, sound, blocks, Speed::Times(self.speed))?;
        let begins = |event: &&MidiOut| matches!(event.message, MidiMessage::NoteOn { .. });
        let notes = played.midi.iter().filter(begins).count() as u64;
        let pressure = |event: &&MidiOut| matches!(event.message, MidiMessage::PolyPressure(_));
        let pressures = played.midi.iter().filter(pressure).count() as u64;
        let found = watched.watch.take();
        let plant = watched.plant.as_ref();
        let plant_failed = plant.and_then(|violation| match watched.committed {
            false => {
                Some("was never committed: it is due after 1.3 s of audio, give more --seconds")
            }
            true => (!(violation.is_in)(&found)).then_some("was not found"),
        });
        let findings = CallbackFindings {
            blocks: played.blocks,
            notes,
            // Each note on brings the pressures of all classes, and so does such a decision.
            confirmed: (pressures / Technique::ALL.len() as u64).saturating_sub(notes),
            heard_apart: watched.heard_apart,
            seconds: self.seconds,
            findings: found,
            plant_failed,
            traces: if self.keep_traces {
                watched.watch.traces()
            } else {
                Vec::new()
            },
            ..CallbackFindings::default()
        };
        Ok((watched.stream, findings))
    }
}

/// The parameter that is automated: it decides on no note.
const AUTOMATED: &str = "Velocity curve";

/// It changes in one callback of so many: nice-plug's queue of notices in CLAP holds 4,096 until the main
/// thread comes by.
const AUTOMATED_EVERY: u32 = 16;

/// The outputs that the host gives, in turn.
const GIVEN: [GivenOutputs; 4] = [
    GivenOutputs::All,
    GivenOutputs::FirstHalf,
    GivenOutputs::EveryOther,
    GivenOutputs::Main,
];

/// Callbacks from one of [`GIVEN`] to the next: a third of a second, in which a voice goes on sounding.
const GIVEN_FOR: u32 = 256;

/// Name of the SFZ file of [`kit`].
const KIT: &str = "kit.sfz";

/// A folder with sounds for every note, in turn and in layers.
fn kit() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let sound = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../plugin/tests/sounds/tone.flac"
    );
    std::fs::copy(sound, folder.path().join("tone.flac")).context(sound)?;
    let regions = "<group> sample=tone.flac <region> seq_length=2 seq_position=1\n\
        <region> seq_length=2 seq_position=2 volume=-6\n<region> lovel=100 volume=-20\n";
    std::fs::write(folder.path().join(KIT), regions)?;
    Ok(folder)
}

/// States with every model in every engine of our own that runs it, and the parameters as they were delivered
/// otherwise.
///
/// # Errors
/// If the plugin refuses one of them.
pub fn states<H: PluginHost>(host: &mut H) -> Result<Vec<Vec<u8>>> {
    let mut states = Vec::new();
    // The shapes of our own are not fixed. They hear with the other onset detector.
    let models = [
        (
            "native",
            &["a", "b", "c", "tocco", "tocco-sure", "tocco-late"][..],
        ),
        ("native-fixed", &["a", "b", "c"]),
    ];
    for (engine, models) in models {
        for model in models {
            host.set_text("Engine", engine)?;
            host.set_text("Model", model)?;
            states.push(host.save_state()?);
        }
    }
    host.restore_state(states.last().context("there are states")?)?;
    Ok(states)
}

/// A state in which second decisions are made and correct the MIDI and, with `adapt`, teach the
/// networks; voices sound, the guitar's body is reshaped, controllers move.
///
/// # Errors
/// If the plugin refuses it.
pub fn pair_state<H: PluginHost>(host: &mut H, adapt: bool) -> Result<Vec<u8>> {
    let delivered = host.save_state()?;
    host.set_text("Engine", "native")?;
    host.set_text("Model", "tocco")?;
    host.set_text("Second decision", "on")?;
    host.set_text("Correct MIDI notes", "on")?;
    host.set_text("Adapt while playing", if adapt { "on" } else { "off" })?;
    // All that an instrument does beside it.
    for (name, text) in [
        ("Voices", "-6 dB"),
        ("Dry", "-3 dB"),
        ("Body", "on"),
        ("CC probability", "CC 20"),
        ("CC axis", "CC 30"),
        ("CC brightness", "CC 31"),
        ("CC level", "CC 32"),
        ("Cross fire window", "30 ms"),
        ("Hold Kick", "60 ms"),
        ("Length Kick", "while it sounds"),
        ("Velocity lesson", if adapt { "Soft" } else { "Done" }),
        ("Velocity curve", "0.5"),
    ] {
        host.set_text(name, text)?;
    }
    let state = host.save_state()?;
    host.restore_state(&delivered)?;
    Ok(state)
}

/// Performances by different guitars, one after the other, for so many seconds.
pub fn long_performance(seconds: f64) -> Sound {
    let mut sound = Sound::synthesised();
    let length = (seconds * f64::from(sound.sample_rate)) as usize;
    let mut seed = 2;
    while sound.len() < length {
        sound.channels[0].extend(Performance::demo(seed).samples);
        seed += 1;
    }
    sound.channels[0].truncate(length);
    sound.played.clear();
    sound
}

/// A stream whose callback is watched.
struct Watched<S> {
    stream: S,
    automated: Parameter,
    /// Callbacks so far.
    callbacks: u32,
    watch: Watch,
    plant: Option<Violation>,
    /// Whether it was.
    committed: bool,
    /// Callbacks in which something was heard in an output besides the main one.
    heard_apart: u64,
}

/// The callback in which a violation is planted: any one will do.
const PLANTED_AT: u64 = 1000 * 64;

impl<S: Automated> PluginStream for Watched<S> {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        self.stream.input(channel)
    }

    fn output(&self, channel: usize) -> &[f32] {
        self.stream.output(channel)
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let Self {
            stream,
            automated,
            callbacks,
            watch,
            plant,
            committed,
            heard_apart,
        } = self;
        if callbacks.is_multiple_of(AUTOMATED_EVERY) {
            let value = *callbacks / AUTOMATED_EVERY % 8;
            stream.automate(automated, f64::from(value) / 8.0);
        }
        if callbacks.is_multiple_of(GIVEN_FOR) {
            let turn = *callbacks / GIVEN_FOR;
            stream.give_outputs(GIVEN[turn as usize % GIVEN.len()]);
        }
        *callbacks = callbacks.wrapping_add(1);
        let planted = plant.as_mut().filter(|_| stream.position() == PLANTED_AT);
        *committed |= planted.is_some();
        let processed = watch.during(|| {
            if let Some(violation) = planted {
                (violation.commit)();
            }
            stream.process(frames)
        });
        *heard_apart += u64::from(stream.is_heard_apart());
        processed
    }

    fn midi(&self) -> &[MidiOut] {
        self.stream.midi()
    }

    fn position(&self) -> u64 {
        self.stream.position()
    }
}

/// Sets a flag when it goes, however that comes about.
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}
