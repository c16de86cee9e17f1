//! The demo: a sound goes through the bundled plugin, and each note is named as it comes.

pub mod command;
mod report;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use tocco_dsp::{HopStream, SAMPLE_RATE};
use tocco_engines::{Classifier, EngineId, ModelPackage};

use crate::clap_host::ClapHost;
use crate::event_log::{self, Decision, EventLog, LoggedNote};
use crate::plugin_host::{self, PluginHost, StreamFormat};
use crate::real_time;
use crate::sound::Sound;
use crate::streaming::{self, Played, Speed};
use crate::taught_state::taught_state;
use crate::vst3_host::Vst3Host;

pub use report::{Amended, Heard, Report, Summary};

/// Samples in a block: the paper's audio interrupt (section 3.4).
pub const BLOCK: usize = 64;

/// Silence after the sound, long enough for the last note's result and its note-off.
const TAIL_S: f64 = 0.25;

/// How long the service thread may take to write the last lines of its log.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// What to play and how.
pub struct Demo {
    /// The sound.
    pub sound: Sound,
    /// Id of the model package; the plugin's own choice if none.
    pub model: Option<String>,
    /// Id of the engine; the plugin's own choice if none.
    pub engine: Option<String>,
    /// Render offline, as fast as the machine can.
    pub offline: bool,
    /// Switch the second decisions off.
    pub no_second: bool,
    /// Do not let the networks learn the player by listening.
    pub no_adapt: bool,
    /// A calibration profile of the model, with that of the second model beside it if there is one.
    pub profile: Option<PathBuf>,
    /// A state that was saved before, with which the plugin begins.
    pub state: Option<PathBuf>,
    /// Where the plugin's state goes after the sound.
    pub save_state: Option<PathBuf>,
}

/// A plugin format, with our host for it.
pub struct Format<H> {
    name: &'static str,
    bundle: &'static str,
    load: fn(&Path) -> Result<H>,
}

impl Format<ClapHost> {
    /// CLAP.
    pub const CLAP: Self = Self {
        name: "clap",
        bundle: "Tocco.clap",
        load: ClapHost::load,
    };
}

impl Format<Vst3Host> {
    /// VST3.
    pub const VST3: Self = Self {
        name: "vst3",
        bundle: "Tocco.vst3",
        load: Vst3Host::load,
    };
}

impl<H> Format<H> {
    /// Loads the bundle with its event log switched on.
    fn load(&self, log: &Path) -> Result<H> {
        let bundle: PathBuf = plugin_host::bundle_path(self.bundle)?;
        // SAFETY: nothing else runs in this process yet that reads the environment.
        unsafe { event_log::log_to(log) };
        (self.load)(&bundle)
    }
}

/// What the plugin wrote down, told as it comes.
pub enum Event {
    /// A note.
    Heard(Heard),
    /// A note that was told before was amended to another technique.
    Amended(Amended),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard(heard) => heard.fmt(f),
            Self::Amended(amended) => amended.fmt(f),
        }
    }
}

impl Demo {
    /// Plays and reports; `on_event` is called with each note as soon as it is logged, and with
    /// each that becomes another one.
    ///
    /// # Errors
    /// If the bundle is missing, the plugin does not listen at the sound's rate or refuses something, no state
    /// can be saved, or what it logged and what it sent to the host are not the same notes.
    pub fn run<H: PluginHost>(
        mut self,
        format: Format<H>,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Report> {
        check_rate(&self.sound)?;
        if let Some(path) = &self.save_state {
            check_folder_of(path)?;
        }
        let folder = tempfile::tempdir().context("no temporary folder for the event log")?;
        let log_path = folder.path().join("events.jsonl");
        let mut host = format.load(&log_path)?;
        if let Some(path) = &self.state {
            let state = std::fs::read(path).with_context(|| path.display().to_string())?;
            let refused = || format!("{}: the plugin refuses it", path.display());
            host.restore_state(&state).with_context(refused)?;
        }
        if let Some(model) = &self.model {
            host.set_text("Model", model)?;
        }
        if let Some(engine) = &self.engine {
            check_engine(engine, &model_id(&mut host)?)?;
            host.set_text("Engine", engine)?;
        }
        if self.no_second {
            host.set_text("Second decision", "off")?;
        }
        if self.no_adapt {
            host.set_text("Adapt while playing", "off")?;
        }
        if let Some(profile) = &self.profile {
            let model = model_id(&mut host)?;
            let state = taught_state(&host.save_state()?, &model, profile)?;
            host.restore_state(&state)?;
        }
        let sample_rate = f64::from(self.sound.sample_rate);
        self.sound.append_silence(TAIL_S);
        let mut stream = host.activate(StreamFormat {
            sample_rate,
            max_block: BLOCK,
            channels: self.sound.channels.len(),
            offline: self.offline,
        })?;

        let mut log = EventLog::new(&log_path);
        let mut logged = Logged::default();
        let mut read = |logged: &mut Logged| -> Result<()> {
            for note in log.read_new()? {
                match note.decision {
                    Decision::First => {
                        on_event(&Event::Heard(Heard::new(&note, sample_rate)));
                        logged.first.push(note);
                    }
                    Decision::Second => {
                        if note.changed {
                            on_event(&Event::Amended(Amended::new(&note, sample_rate)));
                        }
                        logged.amend(note)?;
                    }
                }
            }
            Ok(())
        };
        let (sound, offline) = (&self.sound, self.offline);
        let (done, finished) = mpsc::channel();
        let (stream, played) = std::thread::scope(|scope| -> Result<_> {
            let audio = scope.spawn(move || {
                if !offline && let Err(reason) = real_time::schedule_as_audio_thread() {
                    eprintln!("demo: {reason}; blocks may come late");
                }
                let speed = if offline {
                    Speed::Unpaced
                } else {
                    Speed::REAL_TIME
                };
                let blocks = std::iter::repeat(BLOCK);
                let played = streaming::play(&mut stream, sound, blocks, speed);
                // The receiver only waits for this; it is there until the thread has ended.
                let _ = done.send(());
                (stream, played)
            });
            while finished.recv_timeout(Duration::from_millis(10)).is_err() && !audio.is_finished()
            {
                host.idle();
                read(&mut logged)?;
            }
            audio
                .join()
                .map_err(|_| anyhow::anyhow!("the audio thread panicked"))
        })?;
        let played = played?;
        let sent = notes_sent(&played);
        let deadline = Instant::now() + LOG_PATIENCE;
        let played_of = |logged: &Logged| logged.first.iter().filter(|n| !n.gated).count();
        while played_of(&logged) < sent.len() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
            read(&mut logged)?;
        }
        host.deactivate(stream);
        if let Some(path) = &self.save_state {
            let state = host.save_state()?;
            std::fs::write(path, state).with_context(|| path.display().to_string())?;
        }
        drop(host);
        read(&mut logged)?;
        logged.learned = log.counters().values().map(|of| of.learned).sum();
        self.check_selection(&logged.first)?;
        // A state and a file of the user's may have other keys, and switch the MIDI off.
        logged.is_as_sent = self.state.is_none() && event_log::begins_as_delivered();
        if logged.is_as_sent {
            compare_with_midi(&logged.first, &played)?;
        }
        let host = format.name;
        let sound = &self.sound;
        Ok(Report::new(host, sound, self.offline, &logged, &played))
    }
}

/// The decisions about the notes, in the order of the log.
#[derive(Default)]
struct Logged {
    first: Vec<LoggedNote>,
    /// By the number of the onset.
    second: BTreeMap<u64, LoggedNote>,
    /// Notes that taught the networks something.
    learned: u64,
    /// Whether the first decisions were compared with the notes that the host was sent, and are the same.
    is_as_sent: bool,
}

impl Logged {
    /// Takes a second decision, of which there must be one at most for each first one.
    fn amend(&mut self, note: LoggedNote) -> Result<()> {
        let id = note.id;
        let known = self.first.iter().rev().any(|first| first.id == id);
        ensure!(known, "note {id} was amended and is not in the event log");
        let before = self.second.insert(id, note);
        ensure!(before.is_none(), "note {id} was amended twice");
        Ok(())
    }
}

/// Refuses what the plugin would pass through without listening.
fn check_rate(sound: &Sound) -> Result<()> {
    let (lowest, highest) = (HopStream::MINIMUM_HOST_RATE, HopStream::MAXIMUM_HOST_RATE);
    let (name, found) = (&sound.source, sound.sample_rate);
    ensure!(
        (lowest..=highest).contains(&f64::from(found)),
        "{name}: sample rate: expected {lowest} to {highest} Hz, found {found}; convert it: ffmpeg -i \
         \"{name}\" -ar {SAMPLE_RATE} NEW.wav"
    );
    Ok(())
}

/// Says before the sound, and not after it, that no file can be at `path`.
fn check_folder_of(path: &Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    ensure!(
        folder.is_none_or(Path::is_dir) && !path.is_dir(),
        "--save-state {}: expected a file in a folder that is there, found {}",
        path.display(),
        if path.is_dir() {
            "a folder"
        } else {
            "no such folder; make it, or name another"
        }
    );
    Ok(())
}

/// The id of the model that is chosen in the plugin, as its parameter writes it.
fn model_id<H: PluginHost>(host: &mut H) -> Result<String> {
    Ok(host.text("Model")?.replace(' ', "-"))
}

/// Loads the engine here first, with the model that the plugin will use: the plugin would go on with another
/// engine, and can tell why only in its editor.
fn check_engine(engine: &str, model: &str) -> Result<()> {
    let engine: EngineId = engine.parse()?;
    let folder = plugin_host::model_folder(&model.to_lowercase());
    if folder.is_dir() {
        Classifier::new(&ModelPackage::load(&folder)?, engine)?;
    }
    Ok(())
}

impl Demo {
    /// The plugin must have heard with what was asked for.
    fn check_selection(&self, logged: &[LoggedNote]) -> Result<()> {
        for note in logged {
            for (kind, asked, used) in [
                ("model", &self.model, &note.model),
                ("engine", &self.engine, &note.engine),
            ] {
                if let Some(asked) = asked {
                    ensure!(
                        used.eq_ignore_ascii_case(asked),
                        "{kind} '{asked}' was asked for, but the plugin used '{used}'"
                    );
                }
            }
        }
        Ok(())
    }
}

/// The keys of the notes that the host was sent.
fn notes_sent(played: &Played) -> Vec<u8> {
    played
        .midi
        .iter()
        .filter(|m| matches!(m.message, plugin_host::MidiMessage::NoteOn { .. }))
        .map(|m| m.key)
        .collect()
}

/// The MIDI key of class 0 as the plugin is delivered; the other classes follow upwards.
const FIRST_KEY: usize = 36;

/// What the plugin wrote down and what it sent must be the same notes in the same order.
fn compare_with_midi(logged: &[LoggedNote], played: &Played) -> Result<()> {
    let sent: Vec<usize> = notes_sent(played).into_iter().map(usize::from).collect();
    let expected: Vec<usize> = logged
        .iter()
        .filter(|note| !note.gated)
        .map(|note| FIRST_KEY + note.class)
        .collect();
    ensure!(
        sent == expected,
        "the event log and the MIDI notes that the host received differ:\n  log:  {expected:?}\n  MIDI: {sent:?}"
    );
    Ok(())
}
