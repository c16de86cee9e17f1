//! The service thread: all that the audio thread must not do.
//!
//! It loads models and engines and hands them to the pipeline, frees those that come back, and
//! writes the event log. What is to be loaded it reads from the parameters: whoever changes them
//! (host, editor, a loaded state) need not tell it.
//!
//! Nobody waits for it without a bound. Files are read and engines loaded on a thread of their own,
//! which is left to itself if it does not come back: a dead network drive costs the user's model,
//! not the service. The host waits at most [`HOST_PATIENCE`] at an activation and [`END_PATIENCE`]
//! at a deactivation and at the end, the audio thread of a bounce at most [`OFFLINE_PATIENCE`] in
//! one callback, in [`OFFLINE_WAITS`] callbacks, and then no more until the service has caught up.

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tocco_engines::{EngineId, ModelPackage};

use crate::attention::Attention;
use crate::calibration::{self, CalibrationSession, CalibrationStatus, Lesson, Recordings};
use crate::condition::Condition;
use crate::configuration::Configuration;
use crate::continuity::Continuity;
use crate::last_minute::{self, LastMinute};
use crate::model::{ModelError, ModelSource, Selection};
use crate::outputs::event_log::{self, EventLog};
use crate::outputs::parameters::{OutputParameters, Standing};
use crate::outputs::retrigger::Suppressed;
use crate::params::ToccoParams;
use crate::presets;
use crate::voices::bank::Bank;
use crate::voices::kit;
use crate::voices::workshop::Workshop;
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, ModelInfo, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, PipelineError, ServiceEnd, Telemetry};
use tocco_recognizer::runner::Wake;
use tocco_recognizer::runner::worker::WorkerError;

/// Time between two looks at the parameters and the queues.
const PERIOD: Duration = Duration::from_millis(10);

/// Models remembered by name: results of no more than these can still be on their way.
const REMEMBERED: usize = 8;

/// Longest wait of the host for a pipeline: two loads that do not come back, and one that does.
pub const HOST_PATIENCE: Duration = Duration::from_secs(10);

/// Longest wait of the host for the event log to be written, and for the thread to end.
pub const END_PATIENCE: Duration = Duration::from_secs(2);

/// Longest wait of one offline callback for a model to be loaded.
pub const OFFLINE_PATIENCE: Duration = Duration::from_millis(800);

/// Offline callbacks in a row that wait in vain before none waits any more.
pub const OFFLINE_WAITS: u32 = 5;

/// Longest time that the files of a package may take.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// Longest time that an engine may take to load a network: the largest library has 200 MB.
const ENGINE_PATIENCE: Duration = Duration::from_secs(5);

/// Longest time that the user's sounds may take.
const SOUNDS_PATIENCE: Duration = Duration::from_secs(5);

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
    pub fn condition(&self) -> Condition {
        let calibration = &self.calibration;
        if self.activation_error.is_some() {
            Condition::NotListening
        } else if self.models.is_empty() {
            Condition::NotStarted
        } else if self.model_error.is_some() {
            Condition::AnotherModel
        // That a model cannot be taught at all is no fault.
        } else if self.other_error.is_some()
            || self.sounds_error.is_some()
            || !self.refused.is_empty()
            || calibration.possible && calibration.error.is_some()
        {
            Condition::Refused
        } else {
            Condition::Listening
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
    pub workshop: Workshop,
    /// The notes of the last minute.
    pub last_minute: LastMinute,
    /// Whether the host's pauses end the stream.
    pub continuity: Continuity,
    /// Wakes the window.
    pub attention: Attention,
    /// Key of the selection that was loaded last, or failed to.
    handled: AtomicU64,
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
            params,
            configuration,
            telemetry: Arc::default(),
            outputs: OutputParameters::default(),
            suppressed: Suppressed::default(),
            workshop: Workshop::default(),
            last_minute: LastMinute::default(),
            continuity: Continuity::default(),
            attention: Attention::default(),
            handled: AtomicU64::new(u64::MAX),
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
    /// parameters of the lesson asked for is done. Real-time safe.
    ///
    /// [`calibrate`]: Self::calibrate
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_selection_settled()
            && self.undone.load(Acquire) == 0
            && !self.params.requests.wait()
            && self.masked.load(Acquire) == self.params.masked_bits()
            && (self.workshop).is_settled(self.params.voices.are_on(), self.params.sounds.changes())
    }

    /// Begins or ends the lesson that the parameter *Teach* was changed to: the next note is an
    /// example at once. Real-time safe.
    pub fn attend_teach(&self) {
        if let Some(class) = self.params.requests.take_teach() {
            self.telemetry.teaching.set(class);
        }
    }

    /// Lets the host read how things stand. Takes a lock: not for the audio thread.
    pub fn tell_outputs(&self) {
        let (condition, examples) = {
            let status = self.status();
            (status.condition(), status.calibration.examples.iter().sum())
        };
        self.outputs.stand(Standing {
            condition,
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
    }

    /// Gives a command for the calibration, which the service thread carries out within some
    /// milliseconds; the next note is an example at once. Takes a lock: not for the audio thread.
    pub fn calibrate(&self, command: calibration::Command) {
        if let calibration::Command::Teach(class) = &command {
            self.telemetry.teaching.set(*class);
        }
        let mut commands = self.calibration.lock().unwrap_or_else(|e| e.into_inner());
        self.undone.fetch_add(1, Release);
        commands.push_back(command);
    }

    /// How many commands were given and not done. Real-time safe.
    pub(crate) fn commands_waiting(&self) -> u64 {
        self.undone.load(Acquire)
    }

    /// Says once that something is not to be had. Takes a lock: not for the audio thread.
    pub(crate) fn refuse(&self, reason: String) {
        let refused = &mut self.status().refused;
        if !refused.contains(&reason) {
            nice_plug::nice_warn!("{reason}");
            refused.push(reason);
        }
    }

    fn next_calibration_command(&self) -> Option<calibration::Command> {
        let mut commands = self.calibration.lock().unwrap_or_else(|e| e.into_inner());
        commands.pop_front()
    }

    /// Makes the service try the selection again, failed or not.
    pub fn load_again(&self) {
        self.handled.store(u64::MAX, Release);
    }
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
        let Some(thread) = self.thread.take() else {
            return;
        };
        let start = Instant::now();
        while !thread.is_finished() {
            if start.elapsed() >= END_PATIENCE {
                nice_plug::nice_warn!("the service thread does not end and is left to itself");
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        drop(thread.join());
    }
}

/// The thread's own things.
struct Worker {
    shared: Arc<Shared>,
    wake: Wake,
    log: Option<EventLog>,
    next_serial: u32,
    running: Option<Running>,
    /// The calibration of the model loaded last.
    session: Option<CalibrationSession>,
    /// Why not what was selected is in use, if it is not.
    not_selected: Option<String>,
    lesson: Lesson,
    /// Where the sound of lessons goes, if it is kept.
    recordings: Option<Recordings>,
}

/// What belongs to the pipeline in use.
struct Running {
    activation: Activation,
    end: ServiceEnd,
}

impl Running {
    /// Sends a model to the pipeline; one that it has not fetched yet is freed.
    fn send(&self, model: Box<LoadedModel>) {
        drop(self.end.models.put(model));
    }
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let instance = INSTANCES.fetch_add(1, Relaxed);
        let log = std::env::var_os(event_log::VARIABLE)
            .filter(|file| !file.is_empty())
            .map(|file| EventLog::open(&PathBuf::from(file), instance));
        let (log, log_error) = match log {
            Some(Ok(log)) => (Some(log), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        let (wake, wake_error) = match Wake::from_environment() {
            Ok(wake) => (wake, None),
            Err(error) => (Wake::default(), Some(error.to_string())),
        };
        shared.status().other_error = log_error.or(wake_error);
        let recordings = (shared.configuration.recordings.clone())
            .map(|(folder, player)| Recordings::new(folder, player));
        shared.telemetry.takes.set(recordings.is_some());
        Self {
            shared,
            wake,
            log,
            next_serial: 0,
            running: None,
            session: None,
            not_selected: None,
            lesson: Lesson::default(),
            recordings,
        }
    }

    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        loop {
            let command = commands.recv_timeout(PERIOD);
            self.drain();
            match command {
                Ok(Command::Activate {
                    activation,
                    old,
                    reply,
                }) => {
                    // If nobody waits any more the pipeline is freed, here.
                    drop(reply.send(self.activate(activation, old)));
                }
                Ok(Command::Flush { reply }) => drop(reply.send(())),
                Ok(Command::Look) | Err(RecvTimeoutError::Timeout) => {
                    self.follow_selection();
                    self.follow_calibration();
                    self.write_takes(false);
                    self.follow_velocity();
                    self.follow_voices();
                    self.follow_saves();
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            self.shared.tell_outputs();
            let levels = &self.shared.telemetry.levels;
            self.shared.attention.call(|| levels.take_news());
        }
    }

    /// Closes the books: the pipeline is gone, so that every onset is accounted for.
    fn end(mut self) {
        self.write_takes(true);
        if let Some(log) = &mut self.log {
            log.end(&self.shared.telemetry.counters);
            // Nobody is left to be told of a failure.
            let _ = log.flush();
        }
    }

    /// Frees what came back and logs the results.
    fn drain(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let (minute, host_rate) = (&self.shared.last_minute, running.activation.host_rate);
        let now = Instant::now();
        let mut results = std::iter::from_fn(|| running.end.results.pop().ok())
            .inspect(|result| minute.add(result, host_rate, now))
            .peekable();
        if results.peek().is_some() {
            match &mut self.log {
                Some(log) => {
                    let status = self.shared.status();
                    for result in results {
                        if let Some(info) = status.model(result.model) {
                            log.add(&result, info);
                        }
                    }
                }
                None => results.for_each(drop),
            }
        }
        if let Some(Err(error)) = self.log.as_mut().map(EventLog::flush) {
            self.shared.status().other_error = Some(error.to_string());
        }
        // This ends their threads and frees their weights.
        while let Ok(model) = running.end.retired.pop() {
            drop(model);
        }
    }

    fn follow_selection(&mut self) {
        let (Some(running), false) = (&self.running, self.shared.is_selection_settled()) else {
            return;
        };
        let activation = running.activation;
        // The key is read before the selection: a change in between makes for another round.
        let key = self.shared.params.selection_key();
        let selection = self.shared.params.selection();
        match self.load(&selection, activation) {
            Ok((model, info)) => {
                self.not_selected = None;
                self.remember(info);
                if let Some(running) = &self.running {
                    running.send(model);
                }
            }
            Err(error) => {
                nice_plug::nice_warn!("{error}");
                self.not_selected = Some(error.to_string());
                self.shared.status().model_error = self.not_selected.clone();
            }
        }
        self.shared.handled.store(key, Release);
    }

    /// Learns the notes that came, does what it was told, and swaps the model if it changed.
    fn follow_calibration(&mut self) {
        let (Some(running), Some(session)) = (&mut self.running, &mut self.session) else {
            return;
        };
        let params = &self.shared.params;
        let teaching = &self.shared.telemetry.teaching;
        let course = self.lesson.ends_at();
        let mut news = false;
        self.shared.attend_teach();
        self.lesson.attend(teaching, &session.examples());
        // The notes first: a command is about what was played before it.
        while let Some((example, features)) = running.end.examples.receive() {
            if example.source.second || self.lesson.wants(example.class, &session.examples()) {
                session.learn(example, &features, params);
                news = true;
            }
        }
        let mut done = 0;
        let mut corrected = false;
        while let Some(command) = self.shared.next_calibration_command() {
            use calibration::Command::{Forget, Undo};
            corrected |= matches!(command, Undo | Forget(_));
            session.obey(command, params);
            done += 1;
        }
        let asked = params.requests.waiting();
        let (undo, forget_all) = asked;
        for _ in 0..undo {
            session.obey(calibration::Command::Undo, params);
        }
        if forget_all > 0 {
            teaching.set(None);
            params.requests.velocity.forget_taught();
            session.obey(calibration::Command::Reset, params);
        }
        let masked = params.masked_bits();
        if self.shared.masked.load(Relaxed) != masked {
            session.follow_masks(params);
            news = true;
        }
        self.lesson.attend(teaching, &session.examples());
        news |= done > 0 || asked != (0, 0) || course != self.lesson.ends_at();
        if news {
            let status = CalibrationStatus {
                ends_at: self.lesson.ends_at(),
                ..session.status()
            };
            let mut shown = self.shared.status();
            if shown.calibration.error != status.error
                && let Some(error) = &status.error
            {
                nice_plug::nice_warn!("{error}");
            }
            shown.calibration = status;
        }
        if news
            && let Some(folder) = &self.shared.configuration.lessons
            && let Err(error) = session.keep(folder)
        {
            self.shared.refuse(error.to_string());
        }
        // A wrong hit. To forget all is to teach anew: what was played is what it was.
        if (corrected || undo > 0)
            && let Some(recordings) = &mut self.recordings
            && let Err(error) = recordings.forget(|onset| session.knows(onset))
        {
            self.shared.refuse(error.to_string());
        }
        if session.changed() {
            let engine = session.engine;
            let activation = running.activation;
            let calibrated = session.is_calibrated();
            let loaded = session
                .packages()
                .map_err(ModelError::from)
                .and_then(|packages| self.start(packages, engine, activation));
            match loaded {
                Ok((model, mut info)) => {
                    info.calibrated = calibrated;
                    self.remember(info);
                    if let Some(running) = &self.running {
                        running.send(model);
                    }
                }
                Err(error) => self.shared.status().model_error = Some(error.to_string()),
            }
        }
        self.shared.masked.store(masked, Release);
        self.shared.params.requests.done(asked);
        self.shared.undone.fetch_sub(done, Release);
    }

    /// Writes the takes that have ended, or, where nothing more will come, all there are.
    fn write_takes(&mut self, all: bool) {
        let (Some(running), Some(session)) = (&mut self.running, &self.session) else {
            return;
        };
        let takes = &mut running.end.takes;
        let mut next = || match takes.receive() {
            None if all => takes.finish(),
            next => next,
        };
        while let Some(take) = next() {
            let (Some(recordings), Some(label)) =
                (&mut self.recordings, session.labels().get(take.class))
            else {
                continue;
            };
            let written = recordings.write(take, label, |onset| session.knows(onset));
            if let Err(error) = written {
                self.shared.refuse(error.to_string());
            }
        }
    }

    /// Has the sounds of the voices made if they are to be heard.
    fn follow_voices(&self) {
        let params = &self.shared.params;
        let (is_on, choices) = (params.voices.are_on(), params.sounds.changes());
        let workshop = &self.shared.workshop;
        workshop.follow(is_on, choices, |rate| self.sounds(rate));
    }

    /// The sounds that the user chose, or ours where they are not to be had.
    fn sounds(&self, rate: f64) -> Bank {
        let path = self.shared.params.sounds.path();
        let path = path.trim();
        let (bank, error) = match path {
            "" => (None, None),
            _ => {
                let from = PathBuf::from(path);
                let read = move || Ok(kit::load(&from, rate));
                match within(SOUNDS_PATIENCE, path.to_owned(), read) {
                    Ok(Ok((bank, left_out))) => (Some(bank), left_out.map(|e| e.to_string())),
                    Ok(Err(error)) => (None, Some(error.to_string())),
                    Err(error) => (None, Some(error.to_string())),
                }
            }
        };
        if let Some(error) = &error {
            nice_plug::nice_warn!("{error}");
        }
        self.shared.status().sounds_error = error;
        bank.unwrap_or_else(|| Bank::synthesised(rate))
    }

    /// Learns the ends of the velocity if that is asked for.
    fn follow_velocity(&self) {
        let params = &self.shared.params;
        let lesson = &params.requests.velocity;
        let waiting = lesson.waiting();
        if waiting == 0 {
            return;
        }
        if let Some(learnt) = lesson.learn(params.velocity_by_technique.value()) {
            params.learn_velocity(&learnt);
        }
        lesson.finish(waiting);
    }

    /// Saves what the host asks for by parameters. What cannot be is told like what is refused.
    fn follow_saves(&self) {
        let params = &self.shared.params;
        let (preset, minute) = params.requests.take_saves();
        if preset && let Err(error) = presets::save_next(params) {
            self.shared.refuse(error.to_string());
        }
        if minute {
            let saved = last_minute::folder()
                .and_then(|folder| self.shared.last_minute.save(&folder, params));
            if let Err(error) = saved {
                self.shared.refuse(error.to_string());
            }
        }
    }

    fn activate(
        &mut self,
        activation: Activation,
        old: Option<Box<Pipeline>>,
    ) -> Result<Box<Pipeline>, ActivationError> {
        self.follow_voices();
        if let (Some(running), Some(mut pipeline)) = (&self.running, old)
            && running.activation == activation
            && self.shared.is_settled()
        {
            pipeline.reset();
            return Ok(pipeline);
        }
        self.write_takes(true);
        self.running = None;
        let key = self.shared.params.selection_key();
        let (model, info, error) = self.load_or_fall_back(activation)?;
        let telemetry = Arc::clone(&self.shared.telemetry);
        let (pipeline, end) = Pipeline::new(activation.host_rate, model, telemetry)?;
        if let Some(error) = &error {
            nice_plug::nice_warn!("{error}");
        }
        self.not_selected = error;
        self.remember(info);
        self.running = Some(Running { activation, end });
        self.shared.handled.store(key, Release);
        Ok(Box::new(pipeline))
    }

    /// The selected model; if that cannot be, the same without the one that amends it, or in our own
    /// engine; if not even that, the built-in model C; and why.
    fn load_or_fall_back(
        &mut self,
        activation: Activation,
    ) -> Result<(Box<LoadedModel>, ModelInfo, Option<String>), ModelError> {
        let selected = self.shared.params.selection();
        let error = match self.load(&selected, activation) {
            Ok((model, info)) => return Ok((model, info, None)),
            Err(error) => error,
        };
        let alone = Selection {
            second: false,
            ..selected.clone()
        };
        let own_engine = Selection {
            engine: EngineId::Native,
            ..selected
        };
        let built_in = Selection {
            engine: EngineId::Native,
            model: ModelSource::C,
            second: false,
        };
        let (model, info) = match &error {
            // To try it once more would be to wait once more.
            ModelError::NoAnswer { .. } => self.load(&built_in, activation),
            _ => self
                .load(&alone, activation)
                .or_else(|_| self.load(&own_engine, activation))
                .or_else(|_| self.load(&built_in, activation)),
        }?;
        Ok((model, info, Some(error.to_string())))
    }

    fn load(
        &mut self,
        selection: &Selection,
        activation: Activation,
    ) -> Result<(Box<LoadedModel>, ModelInfo), ModelError> {
        let source = selection.clone();
        let read = move || {
            let base = source.model.package()?;
            let second = match source.second {
                true => source.model.second(&base)?,
                false => None,
            };
            Ok((base, second))
        };
        let (base, second) = within(READ_PATIENCE, selection.model.to_string(), read)?;
        let params = &self.shared.params;
        let saved = params.calibration.saved();
        let since = ModelSerial(self.next_serial);
        let masked_bits = params.masked_bits();
        let masked = saved.masks_are_parameters.then(|| params.masked());
        let mut session =
            CalibrationSession::new(base, second, selection.engine, since, &saved, masked);
        if masked.is_some() {
            self.shared.masked.store(masked_bits, Release);
        } else {
            session.tell_masks(params);
            self.shared.masked.store(params.masked_bits(), Release);
            params
                .calibration
                .update(|saved| saved.masks_are_parameters = true);
        }
        let packages = session.packages()?;
        let (model, mut info) = self.start(packages, selection.engine, activation)?;
        info.calibrated = session.is_calibrated();
        self.shared.status().calibration = session.status();
        self.session = Some(session);
        if let Some(recordings) = &mut self.recordings {
            recordings.close();
        }
        Ok((model, info))
    }

    /// Puts a package and the one that amends it into `engine` and starts them.
    fn start(
        &mut self,
        (package, second): (ModelPackage, Option<ModelPackage>),
        engine: EngineId,
        activation: Activation,
    ) -> Result<(Box<LoadedModel>, ModelInfo), ModelError> {
        let serial = ModelSerial(self.next_serial);
        let config = RunConfig {
            offline: activation.offline,
            wake: self.wake,
            // Rates that are none are refused where the pipeline is made.
            block: Duration::try_from_secs_f64(activation.max_block as f64 / activation.host_rate)
                .unwrap_or_default(),
        };
        let name = format!("engine {engine}");
        let load = move || {
            let loaded =
                LoadedModel::with_second(&package, second.as_ref(), engine, serial, config);
            Ok(loaded?)
        };
        let loaded = within(ENGINE_PATIENCE, name, load)?;
        self.next_serial += 1;
        Ok(loaded)
    }

    /// Of a model that was loaded. It may be another one than was selected, and stay so when it is
    /// taught: the reason stays, too.
    fn remember(&self, info: ModelInfo) {
        nice_plug::nice_log!("{info}");
        let mut status = self.shared.status();
        if status.models.len() == REMEMBERED {
            status.models.pop_front();
        }
        status.models.push_back(info);
        status.model_error = self.not_selected.clone();
    }
}

/// Does `work`, about `what`, on a thread of its own and waits for it at most `patience`.
///
/// # Errors
/// What `work` says, or that it does not come back; then its thread is left to itself.
fn within<T: Send + 'static>(
    patience: Duration,
    what: String,
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    let (done_in, done_out) = mpsc::channel();
    let thread = std::thread::Builder::new().name("tocco-load".to_owned());
    let thread = thread.spawn(move || drop(done_in.send(work())));
    let thread = thread.map_err(WorkerError::from)?;
    match done_out.recv_timeout(patience) {
        Ok(result) => {
            // It ends now, and with the plugin's library nobody knows when that goes.
            drop(thread.join());
            result
        }
        Err(RecvTimeoutError::Timeout) => Err(ModelError::NoAnswer {
            what,
            seconds: patience.as_secs(),
        }),
        Err(RecvTimeoutError::Disconnected) => Err(WorkerError::Died.into()),
    }
}
