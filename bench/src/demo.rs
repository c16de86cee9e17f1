//! The demo: a sound goes through the bundled plugin, and each note is named as it comes.

mod report;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use tocco_engines::{Classifier, EngineId, ModelPackage};

use crate::clap_host::ClapHost;
use crate::event_log::{self, EventLog, LoggedNote};
use crate::plugin_host::{self, PluginHost, StreamFormat};
use crate::real_time;
use crate::sound::Sound;
use crate::streaming::{self, Played, Speed};

pub use report::{Heard, Report, Summary};

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
}

impl Demo {
    /// Plays and reports; `on_note` is called with each note as soon as it is logged.
    ///
    /// # Errors
    /// If the bundle is missing, the plugin refuses something, or what it logged and what it sent
    /// to the host are not the same notes.
    pub fn run(mut self, mut on_note: impl FnMut(&Heard)) -> Result<Report> {
        let folder = tempfile::tempdir().context("no temporary folder for the event log")?;
        let log_path = folder.path().join("events.jsonl");
        let mut host = load(&log_path)?;
        self.check_engine()?;
        if let Some(model) = &self.model {
            host.set_text("Model", model)?;
        }
        if let Some(engine) = &self.engine {
            host.set_text("Engine", engine)?;
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
        let mut logged: Vec<LoggedNote> = Vec::new();
        let mut read = |notes: &mut Vec<LoggedNote>| -> Result<()> {
            for note in log.read_new()? {
                on_note(&Heard::new(&note, sample_rate));
                notes.push(note);
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
        while logged.iter().filter(|n| !n.gated).count() < sent.len() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
            read(&mut logged)?;
        }
        host.deactivate(stream);
        drop(host);
        read(&mut logged)?;
        self.check_selection(&logged)?;
        compare_with_midi(&logged, &played)?;
        Ok(Report::new(&self.sound, self.offline, &logged, &played))
    }
}

impl Demo {
    /// Loads the engine here first: the plugin would go on with another one, and can tell why only
    /// in its editor.
    fn check_engine(&self) -> Result<()> {
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let engine: EngineId = engine.parse()?;
        let model = self.model.as_deref().unwrap_or(DEFAULT_MODEL);
        let folder = plugin_host::model_folder(&model.to_lowercase());
        if folder.is_dir() {
            Classifier::new(&ModelPackage::load(&folder)?, engine)?;
        }
        Ok(())
    }

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

/// The model that a new instance of the plugin uses.
const DEFAULT_MODEL: &str = "c";

/// Loads the bundled CLAP with its event log switched on.
fn load(log: &Path) -> Result<ClapHost> {
    let bundle: PathBuf = plugin_host::bundle_path("Tocco.clap")?;
    // SAFETY: nothing else runs in this process yet that reads the environment.
    unsafe { std::env::set_var(event_log::VARIABLE, log) };
    ClapHost::load(&bundle)
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
