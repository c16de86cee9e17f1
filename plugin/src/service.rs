//! The service thread: all that the audio thread must not do.
//!
//! It loads models and engines and hands them to the pipeline, frees those that come back, and
//! writes the event log. What is to be loaded it reads from the parameters: whoever changes them
//! (host, editor, a loaded state) need not tell it.
//!
//! Nobody waits for it without a bound. The user's files are read and foreign engines loaded on a thread of
//! their own, which is left to itself if it does not come back: a dead network drive costs the user's model,
//! not the service. The host waits at most [`HOST_PATIENCE`] at an activation and [`END_PATIENCE`]
//! at a deactivation and at the end, the audio thread of a bounce at most [`OFFLINE_PATIENCE`] in
//! one callback, in [`OFFLINE_WAITS`] callbacks, and then no more until the service has caught up.

mod worker;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::calibration::{self, CalibrationStatus};
use crate::configuration::Configuration;
use crate::continuity::Continuity;
use crate::edits::Edits;
use crate::join::join_within;
use crate::last_minute::LastMinute;
use crate::model::ModelError;
use crate::outputs::parameters::{OutputParameters, Standing};
use crate::outputs::retrigger::Suppressed;
use crate::params::ToccoParams;
use crate::repaint_request::RepaintRequest;
use crate::status_summary::StatusSummary;
use crate::voices::bank_exchange::BankExchange;
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::ModelInfo;
use tocco_recognizer::pipeline::{Pipeline, PipelineError, Telemetry};
use worker::Worker;

/// Longest wait of the host for a pipeline: two loads that do not come back, and one that does.
pub const HOST_PATIENCE: Duration = Duration::from_secs(10);

/// Longest wait of the host for the event log to be written, and for the thread to end.
pub const END_PATIENCE: Duration = Duration::from_secs(2);

/// Longest wait of one offline callback for a model to be loaded.
pub const OFFLINE_PATIENCE: Duration = Duration::from_millis(800);

/// Offline callbacks in a row that wait in vain before none waits any more.
pub const OFFLINE_WAITS: u32 = 5;

/// What a pipeline is to be built for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    /// Hz.
    pub host_rate: f64,
    /// The host's longest block, samples.
    pub max_block: usize,
    /// Whether the host renders offline.
    pub offline: bool,
}

/// Why the plugin cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The pipeline cannot be built.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Not even the built-in model C runs.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The service thread is not to be had.
    #[error("the service thread cannot be started or has ended: {0}")]
    Service(String),
}

/// What is done because the user wants it, and can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The state that the host saved is loaded.
    LoadState,
    /// What was taught is written to the folder of lessons.
    SaveLesson,
    /// The sound of a lesson is written, or what is wrong of it is taken away.
    RecordLesson,
    /// A preset is written for the host.
    SavePreset,
    /// The last minute is written for the host.
    SaveMinute,
    /// A dialog for files is shown.
    ShowDialog,
    /// The sockets for Open Sound Control are opened.
    OpenOsc,
}

/// What the editor shows of the service's work.
#[derive(Debug, Default, Clone)]
pub struct Status {
    /// The models loaded last, the newest last.
    pub models: VecDeque<ModelInfo>,
    /// Why the selected model or engine is not in use.
    pub model_error: Option<String>,
    /// Why nothing is heard since the host's last activation.
    pub activation_error: Option<String>,
    /// What of the user's own sounds is not to be had.
    pub sounds_error: Option<String>,
    /// What is wrong otherwise.
    pub other_error: Option<String>,
    /// What was refused of the configuration, and what is not to be had of it.
    pub refused: Vec<String>,
    /// Why an action failed when it was done last.
    pub failed: BTreeMap<Action, String>,
    /// What the model in use was taught.
    pub calibration: CalibrationStatus,
}

impl Status {
    /// The model with this number, if it is remembered.
    #[must_use]
    pub fn model(&self, serial: ModelSerial) -> Option<&ModelInfo> {
        self.models.iter().find(|info| info.serial == serial)
    }

    /// All of it in one word.
    #[must_use]
    pub fn summary(&self) -> StatusSummary {
        let calibration = &self.calibration;
        if self.activation_error.is_some() {
            StatusSummary::NotListening
        } else if self.models.is_empty() {
            StatusSummary::NotStarted
        } else if self.model_error.is_some() {
            StatusSummary::AnotherModel
        // That a model cannot be taught at all is no fault.
        } else if self.other_error.is_some()
            || self.sounds_error.is_some()
            || !self.refused.is_empty()
            || !self.failed.is_empty()
            || calibration.possible && calibration.error.is_some()
        {
            StatusSummary::Refused
        } else {
            StatusSummary::Listening
        }
    }
}

/// Shared by the service thread, the plugin and its editor.
pub struct Shared {
    /// The parameters.
    pub params: Arc<ToccoParams>,
    /// What the instance began with.
    pub configuration: Configuration,
    /// Counters and meters.
    pub telemetry: Arc<Telemetry>,
    /// What the host reads of the last note.
    pub outputs: OutputParameters,
    /// Notes that were heard and not played.
    pub suppressed: Suppressed,
    /// Where the voices' sounds are made.
    pub bank_exchange: BankExchange,
    /// The notes of the last minute.
    pub last_minute: LastMinute,
    /// Whether the host's pauses end the stream.
    pub continuity: Continuity,
    /// Wakes the window.
    pub repaint: RepaintRequest,
    /// What was edited in the window and the host was not told.
    pub(crate) edits: Edits,
    /// Whether the window is in a step of the velocity's lesson that it began itself.
    pub guided: AtomicBool,
    /// Whether the window began the lesson of a technique that is under way.
    pub window_teaches: AtomicBool,
    /// Key of the selection that was loaded last, or failed to.
    handled: AtomicU64,
    /// How often it was to be tried again,
    again: AtomicU32,
    /// and of how many of these the last attempt knew when it began.
    tried: AtomicU32,
    status: Mutex<Status>,
    /// What the service has yet to do for the calibration.
    calibration: Mutex<VecDeque<calibration::Command>>,
    /// How many of those were given and not done. Read without the lock.
    undone: AtomicU64,
    /// What was masked last, as [`ToccoParams::masked_bits`].
    masked: AtomicU32,
}

impl Shared {
    /// For a new plugin instance as it is delivered. Allocates.
    #[must_use]
    pub fn new(params: Arc<ToccoParams>) -> Self {
        Self::configured(params, Configuration::default())
    }

    /// For a new plugin instance whose `params` are as `configuration` has them. What is refused of it
    /// goes to the log. Allocates.
    #[must_use]
    pub fn configured(params: Arc<ToccoParams>, configuration: Configuration) -> Self {
        for refused in &configuration.refused {
            nice_plug::nice_warn!("{refused}");
        }
        let status = Status {
            refused: configuration.refused.clone(),
            ..Status::default()
        };
        Self {
            edits: Edits::new(Arc::clone(&params)),
            params,
            configuration,
            telemetry: Arc::default(),
            outputs: OutputParameters::default(),
            suppressed: Suppressed::default(),
            bank_exchange: BankExchange::default(),
            last_minute: LastMinute::default(),
            continuity: Continuity::default(),
            repaint: RepaintRequest::default(),
            guided: AtomicBool::new(false),
            window_teaches: AtomicBool::new(false),
            handled: AtomicU64::new(u64::MAX),
            again: AtomicU32::new(0),
            tried: AtomicU32::new(0),
            status: Mutex::new(status),
            calibration: Mutex::default(),
            undone: AtomicU64::new(0),
            masked: AtomicU32::new(0),
        }
    }

    /// What the service is at. Takes a lock: not for the audio thread.
    pub fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether the selected model is loaded or has failed to, and all that [`calibrate`] and the
    /// parameters of the lesson asked for is done, and there are the sounds that are to be heard. Real-time
    /// safe.
    ///
    /// [`calibrate`]: Self::calibrate
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_model_settled()
            && (self.bank_exchange)
                .is_settled(self.params.voices.are_on(), self.params.sounds.changes())
    }

    /// The same but for the sounds. Real-time safe.
    fn is_model_settled(&self) -> bool {
        self.is_selection_settled()
            && self.undone.load(Acquire) == 0
            && !self.params.requests.wait()
            && self.masked.load(Acquire) == self.params.masked_bits()
    }

    /// Begins or ends the lesson that the parameter *Teach* was changed to: the next note is an
    /// example at once. Real-time safe.
    pub fn attend_teach(&self) {
        if let Some(class) = self.params.requests.take_teach() {
            self.telemetry.teaching.set(class);
            self.window_teaches.store(false, Relaxed);
        }
    }

    /// Lets the host read how things stand. Takes a lock: not for the audio thread.
    pub fn tell_outputs(&self) {
        let (status, examples) = {
            let status = self.status();
            (status.summary(), status.calibration.examples.iter().sum())
        };
        self.outputs.stand(Standing {
            status,
            teaching: self.telemetry.teaching.class(),
            examples,
            double_hits: self.suppressed.double.load(Relaxed),
            cross_hits: self.suppressed.cross.load(Relaxed),
            velocity: self.params.requests.velocity.standing(),
            velocity_hits: self.params.requests.velocity.hits(),
        });
    }

    fn is_selection_settled(&self) -> bool {
        self.handled.load(Acquire) == self.params.selection_key()
            && self.tried.load(Acquire) == self.again.load(Acquire)
    }

    /// What is asked for, to be read before anything of it is loaded: what changes in between makes for
    /// another round.
    fn asked(&self) -> Asked {
        Asked {
            key: self.params.selection_key(),
            again: self.again.load(Acquire),
        }
    }

    /// What was `asked` for is loaded, or has failed to be. For the service thread.
    fn has_handled(&self, asked: Asked) {
        self.tried.store(asked.again, Release);
        self.handled.store(asked.key, Release);
    }

    /// Gives a command for the calibration, which the service thread carries out within some
    /// milliseconds; the next note is an example at once. Takes a lock: not for the audio thread.
    pub fn calibrate(&self, command: calibration::Command) {
        if let calibration::Command::Teach(class) = &command {
            self.telemetry.teaching.set(*class);
            self.window_teaches.store(false, Relaxed);
        }
        let mut commands = self.calibration.lock().unwrap_or_else(|e| e.into_inner());
        self.undone.fetch_add(1, Release);
        commands.push_back(command);
    }

    /// How many commands were given and not done. Real-time safe.
    pub(crate) fn commands_waiting(&self) -> u64 {
        self.undone.load(Acquire)
    }

    /// Keeps why `action` failed until it is done again. Takes a lock: not for the audio thread.
    pub(crate) fn tell<T>(&self, action: Action, outcome: Result<T, impl Display>) -> Option<T> {
        let failed = &mut self.status().failed;
        match outcome {
            Ok(value) => {
                failed.remove(&action);
                Some(value)
            }
            Err(error) => {
                let error = error.to_string();
                if failed.get(&action) != Some(&error) {
                    nice_plug::nice_warn!("{error}");
                    failed.insert(action, error);
                }
                None
            }
        }
    }

    fn next_calibration_command(&self) -> Option<calibration::Command> {
        let mut commands = self.calibration.lock().unwrap_or_else(|e| e.into_inner());
        commands.pop_front()
    }

    /// Makes the service try the selection again, failed or not, and also if it is trying already: what
    /// it has read by now may be old.
    pub fn load_again(&self) {
        self.again.fetch_add(1, Release);
    }
}

/// What the service is asked to load.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// [`ToccoParams::selection_key`].
    key: u64,
    /// [`Shared::again`].
    again: u32,
}

enum Command {
    Activate {
        activation: Activation,
        old: Option<Box<Pipeline>>,
        reply: mpsc::Sender<Result<Box<Pipeline>, ActivationError>>,
    },
    Flush {
        reply: mpsc::Sender<()>,
    },
    Look,
    Stop,
}

/// A plugin instance's service thread; dropping it writes the log and ends the thread.
pub struct Service {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    thread: Option<JoinHandle<()>>,
    /// Offline callbacks that have waited in vain since the last one that did not.
    vain_waits: Cell<u32>,
}

impl Service {
    /// Starts the thread. Not for the audio thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(shared: Arc<Shared>) -> Result<Self, ActivationError> {
        let (commands, received) = mpsc::channel();
        let worker = Worker::new(Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("tocco-service".to_owned())
            .spawn(move || worker.run(&received))
            .map_err(|error| ActivationError::Service(error.to_string()))?;
        Ok(Self {
            shared,
            commands,
            thread: Some(thread),
            vain_waits: Cell::new(0),
        })
    }

    /// A pipeline for `activation`, its model loaded and primed; `old` is the one used until now.
    /// If the selected model cannot be loaded, another one is, and the status says why. Waits, at
    /// most [`HOST_PATIENCE`]: not for the audio thread.
    ///
    /// # Errors
    /// When there can be no pipeline. After [`ActivationError::Service`] the service is of no use any
    /// more.
    pub fn activate(
        &self,
        activation: Activation,
        old: Option<Box<Pipeline>>,
    ) -> Result<Box<Pipeline>, ActivationError> {
        let (reply, answer) = mpsc::channel();
        self.commands
            .send(Command::Activate {
                activation,
                old,
                reply,
            })
            .map_err(|_| ActivationError::Service("it has ended".to_owned()))?;
        answer.recv_timeout(HOST_PATIENCE).map_err(|error| {
            ActivationError::Service(match error {
                RecvTimeoutError::Disconnected => "it has ended".to_owned(),
                RecvTimeoutError::Timeout => format!(
                    "it has not answered for {} s; switch the plugin off and on again",
                    HOST_PATIENCE.as_secs()
                ),
            })
        })?
    }

    /// Writes all results known by now to the event log. Waits, at most [`END_PATIENCE`]: not for
    /// the audio thread.
    pub fn flush(&self) {
        let (reply, answer) = mpsc::channel();
        if self.commands.send(Command::Flush { reply }).is_ok() {
            // A log that cannot be written is told in the status.
            let _ = answer.recv_timeout(END_PATIENCE);
        }
    }

    /// Waits until the selected model is loaded or has failed to be, at most [`OFFLINE_PATIENCE`],
    /// and not at all after [`OFFLINE_WAITS`] times in vain. For offline rendering, where the audio
    /// thread may wait; never in real time.
    pub fn settle(&self) {
        if self.shared.is_settled() {
            return self.vain_waits.set(0);
        }
        if self.vain_waits.get() >= OFFLINE_WAITS {
            return;
        }
        let start = Instant::now();
        while !self.shared.is_settled() {
            // Ended: nothing to wait for.
            if self.commands.send(Command::Look).is_err() {
                return;
            }
            if start.elapsed() >= OFFLINE_PATIENCE {
                return self.vain_waits.set(self.vain_waits.get() + 1);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.vain_waits.set(0);
    }
}

impl Drop for Service {
    /// Waits for the thread, at most [`END_PATIENCE`]; one that does not come back is left to itself.
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take()
            && !join_within(thread, END_PATIENCE)
        {
            nice_plug::nice_warn!("the service thread does not end and is left to itself");
        }
    }
}
