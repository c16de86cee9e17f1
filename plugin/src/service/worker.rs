//! What the service thread does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tocco_engines::{EngineId, ModelPackage};
use tocco_recognizer::classification::ModelSerial;
use tocco_recognizer::model::{LoadedModel, ModelInfo, RunConfig};
use tocco_recognizer::pipeline::{Pipeline, ServiceEnd};
use tocco_recognizer::runner::Wake;
use tocco_recognizer::runner::worker::WorkerError;

use super::{Action, Activation, ActivationError, Command, Shared};
use crate::calibration::{self, CalibrationSession, CalibrationStatus, Lesson, Recordings};
use crate::last_minute::{self, LastMinuteError};
use crate::model::{ModelError, ModelSource, Selection};
use crate::outputs::event_log::{self, EventLog};
use crate::presets;
use crate::voices::bank::Bank;
use crate::voices::loading::Loading;

/// Time between two looks at the parameters and the queues.
const PERIOD: Duration = Duration::from_millis(10);

/// Models remembered by name: results of no more than these can still be on their way.
const REMEMBERED: usize = 8;

/// Longest time that the files of a package may take.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// Longest time that an engine may take to load a network: the largest library has 200 MB.
const ENGINE_PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait of an activation for the user's sounds, which go on being read after it. When they have
/// taken so long, ours are heard until they are there.
const SOUNDS_PATIENCE: Duration = Duration::from_secs(1);

/// The thread's own things.
pub(super) struct Worker {
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
    /// The user's sounds while they are read.
    sounds: Option<Loading>,
    /// How often the user had chosen sounds when it was told last what is wrong with them.
    sounds_told: u32,
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
    pub(super) fn new(shared: Arc<Shared>) -> Self {
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
            sounds: None,
            sounds_told: 0,
        }
    }

    pub(super) fn run(mut self, commands: &mpsc::Receiver<Command>) {
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
                    self.follow_voices(Duration::ZERO);
                    self.follow_saves();
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            self.shared.tell_outputs();
            let levels = &self.shared.telemetry.levels;
            self.shared.repaint.send(|| levels.take_news());
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
        // What a host renders is no take of the last minute.
        let live = !running.activation.offline;
        let mut results = std::iter::from_fn(|| running.end.results.pop().ok())
            .inspect(|result| {
                if live {
                    minute.add(result, host_rate, now);
                }
            })
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
        // Only this lesson knows which notes of it are right.
        self.write_takes(true);
        let asked = self.shared.asked();
        let params = &self.shared.params;
        let is_of_this_state = (self.session.as_ref()).is_some_and(|s| s.is_current(params));
        let loaded = if is_of_this_state {
            let selection = params.selection();
            self.load(&selection, activation)
                .map(|(model, info)| (model, info, None))
        } else {
            // The host restored a state: what was taught before is not to play on in its place.
            self.load_or_fall_back(activation)
        };
        match loaded {
            Ok((model, info, error)) => {
                if let Some(error) = &error {
                    nice_plug::nice_warn!("{error}");
                }
                self.not_selected = error;
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
        self.shared.has_handled(asked);
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
            use calibration::Command::{Forget, Load, Reset, Undo};
            if matches!(command, Reset | Load(_)) {
                params.requests.velocity.forget_taught();
            }
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
        if news && let Some(folder) = &self.shared.configuration.lessons {
            self.shared.tell(Action::SaveLesson, session.keep(folder));
        }
        // A wrong hit. To forget all is to teach anew: what was played is what it was.
        if (corrected || undo > 0)
            && let Some(recordings) = &mut self.recordings
        {
            let forgotten = recordings.forget(|onset| session.knows(onset));
            self.shared.tell(Action::RecordLesson, forgotten);
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
            self.shared.tell(Action::RecordLesson, written);
        }
    }

    /// Has the sounds of the voices made if they are to be heard: the user's, waited for at most
    /// `patience`, or ours where those are not to be had.
    fn follow_voices(&mut self, patience: Duration) {
        let params = &self.shared.params;
        let (is_on, choices) = (params.voices.are_on(), params.sounds.changes());
        let exchange = &self.shared.bank_exchange;
        let Some(rate) = exchange.order(is_on, choices) else {
            self.sounds = None;
            // Of sounds that are chosen no more nothing is wrong, and others are not read as long as nobody
            // hears them.
            if self.sounds_told != choices {
                self.shared.status().sounds_error = None;
                self.sounds_told = choices;
            }
            return;
        };
        let path = params.sounds.path();
        let path = path.trim();
        if path.is_empty() {
            self.sounds = None;
            self.shared.status().sounds_error = None;
            self.sounds_told = choices;
            return exchange.deliver(Bank::synthesised(rate), choices);
        }
        if !(self.sounds.as_ref()).is_some_and(|sounds| sounds.is_of(rate, choices)) {
            // What is read for nobody any more is stopped first.
            self.sounds = None;
            self.sounds = Some(Loading::begin(PathBuf::from(path), rate, choices));
        }
        let Some(sounds) = &self.sounds else {
            return;
        };
        let Some(loaded) = sounds.wait(patience) else {
            // Neither real time nor a bounce waits for them to the end.
            if sounds.has_taken(SOUNDS_PATIENCE) && exchange.is_empty() {
                exchange.lend(Bank::synthesised(rate), choices);
            }
            return;
        };
        let (bank, error) = match loaded {
            Ok((bank, left_out)) => (bank, left_out),
            Err(error) => (Bank::synthesised(rate), Some(error)),
        };
        let error = error.map(|error| error.to_string());
        if let Some(error) = &error {
            nice_plug::nice_warn!("{error}");
        }
        self.shared.status().sounds_error = error;
        self.sounds_told = choices;
        exchange.deliver(bank, choices);
        self.sounds = None;
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

    /// Saves what the host asks for by parameters.
    fn follow_saves(&self) {
        let params = &self.shared.params;
        let (preset, minute) = params.requests.take_saves();
        if preset {
            let saved = presets::save_next(params);
            self.shared.tell(Action::SavePreset, saved);
        }
        if minute {
            let saved = last_minute::folder()
                .and_then(|folder| self.shared.last_minute.save(&folder, params));
            match saved {
                // Nothing is wrong.
                Err(error @ LastMinuteError::NoNotes) => nice_plug::nice_warn!("{error}"),
                saved => drop(self.shared.tell(Action::SaveMinute, saved)),
            }
        }
    }

    fn activate(
        &mut self,
        activation: Activation,
        old: Option<Box<Pipeline>>,
    ) -> Result<Box<Pipeline>, ActivationError> {
        self.follow_voices(SOUNDS_PATIENCE);
        if let (Some(running), Some(mut pipeline)) = (&self.running, old)
            && running.activation == activation
            && self.shared.is_model_settled()
        {
            pipeline.reset();
            return Ok(pipeline);
        }
        self.write_takes(true);
        self.running = None;
        let asked = self.shared.asked();
        let (model, info, error) = self.load_or_fall_back(activation)?;
        let telemetry = Arc::clone(&self.shared.telemetry);
        let (pipeline, end) = Pipeline::new(activation.host_rate, model, telemetry)?;
        if let Some(error) = &error {
            nice_plug::nice_warn!("{error}");
        }
        self.not_selected = error;
        self.remember(info);
        self.shared.last_minute.begin_pipeline();
        self.running = Some(Running { activation, end });
        self.shared.has_handled(asked);
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
        let (base, second) = match selection.model {
            ModelSource::Folder(_) => within(READ_PATIENCE, selection.model.to_string(), read)?,
            // What is built in comes, however busy the machine is.
            _ => read()?,
        };
        let params = Arc::clone(&self.shared.params);
        let (saved, state) = params.calibration.saved_and_changes();
        let since = ModelSerial(self.next_serial);
        let masked_bits = params.masked_bits();
        let masked = saved.masks_are_parameters.then(|| params.masked());
        let mut session = CalibrationSession::new(
            base,
            second,
            selection.engine,
            since,
            (&saved, state),
            masked,
        );
        let packages = session.packages()?;
        let (model, mut info) = self.start(packages, selection.engine, activation)?;
        info.calibrated = session.is_calibrated();
        if masked.is_some() {
            self.shared.masked.store(masked_bits, Release);
        } else {
            session.tell_masks(&params);
            self.shared.masked.store(params.masked_bits(), Release);
            params
                .calibration
                .update(state, |saved| saved.masks_are_parameters = true);
        }
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
        let loaded = match engine {
            EngineId::Native | EngineId::NativeFixed => load()?,
            _ => within(ENGINE_PATIENCE, name, load)?,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::voices::OFF_DB;
    use crate::params::{ModelChoice, ToccoParams, set};
    use crate::status_summary::StatusSummary;

    /// An instance whose host runs at 48 kHz with the voices up, and its service, which does what it is
    /// told.
    fn instance(sounds: &str) -> (Arc<Shared>, Worker) {
        let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
        set(&shared.params.voices.voices, 0.0);
        shared.params.choose_sounds(sounds.to_owned());
        shared.bank_exchange.open(48_000.0, None);
        let worker = Worker::new(Arc::clone(&shared));
        (shared, worker)
    }

    #[test]
    fn who_wants_another_attempt_while_one_is_under_way_gets_it() {
        let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
        let mut worker = Worker::new(Arc::clone(&shared));
        let activation = Activation {
            host_rate: 48_000.0,
            max_block: 64,
            offline: true,
        };
        let _pipeline = worker.activate(activation, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let put = |model: ModelSource| model.package().unwrap().save(folder.path()).unwrap();
        put(ModelSource::C);
        let path = folder.path().display().to_string();
        shared.params.choose_package(path);
        set(&shared.params.model, ModelChoice::User);
        shared.load_again();
        // The attempt sets it when it has read the package, and then waits for the status.
        shared.masked.store(u32::MAX, Release);
        std::thread::scope(|scope| {
            let status = shared.status();
            scope.spawn(|| worker.follow_selection());
            let start = Instant::now();
            while shared.masked.load(Acquire) == u32::MAX {
                assert!(start.elapsed() < Duration::from_secs(30), "nothing is read");
                std::thread::yield_now();
            }
            put(ModelSource::B);
            shared.load_again();
            drop(status);
        });
        let loaded = || {
            let status = shared.status();
            status.models.back().unwrap().stages.first.id.clone()
        };
        assert_eq!(loaded(), "c");
        assert!(!shared.is_selection_settled());
        worker.follow_selection();
        assert_eq!(loaded(), "b");
        assert!(shared.is_selection_settled());
        assert_eq!(shared.status().model_error, None);
    }

    #[test]
    fn what_is_wrong_with_sounds_is_told_until_others_are_chosen() {
        let (shared, mut worker) = instance("/nowhere");
        let activation = Activation {
            host_rate: 48_000.0,
            max_block: 64,
            offline: true,
        };
        let _pipeline = worker.activate(activation, None).unwrap();
        worker.follow_voices(Duration::from_secs(30));
        let is_told = || {
            let status = shared.status();
            assert_eq!(
                status.summary() == StatusSummary::Refused,
                status.sounds_error.is_some()
            );
            status.sounds_error.is_some()
        };
        assert!(is_told());
        set(&shared.params.voices.voices, OFF_DB);
        worker.follow_voices(Duration::ZERO);
        assert!(is_told(), "they are no better when nobody hears them");
        shared.params.choose_sounds(String::new());
        worker.follow_voices(Duration::ZERO);
        assert!(!is_told());
        assert_eq!(shared.status().summary(), StatusSummary::Listening);
    }

    #[test]
    fn while_a_large_kit_is_read_the_model_keeps_what_it_learnt() {
        let (shared, mut worker) = instance("/a/large/kit");
        let (sounds, _never) = Loading::until_sent(48_000.0, shared.params.sounds.changes());
        worker.sounds = Some(sounds);
        let activation = Activation {
            host_rate: 48_000.0,
            max_block: 64,
            offline: true,
        };
        let pipeline = worker.activate(activation, None).unwrap();
        assert!(!shared.is_settled());
        let _pipeline = worker.activate(activation, Some(pipeline)).unwrap();
        assert_eq!(shared.status().models.len(), 1, "it was loaded anew");
    }

    #[test]
    fn while_a_large_kit_is_read_ours_is_heard() {
        let (shared, mut worker) = instance("/a/large/kit");
        let exchange = &shared.bank_exchange;
        let choices = shared.params.sounds.changes();
        let (sounds, done) = Loading::until_sent(48_000.0, choices);
        worker.sounds = Some(sounds);
        let mut bank = None;
        worker.follow_voices(SOUNDS_PATIENCE);
        assert!(exchange.fetch(&mut bank, 48_000.0));
        assert!(!exchange.is_settled(true, choices));
        worker.follow_voices(Duration::ZERO);
        assert!(!exchange.fetch(&mut bank, 48_000.0), "once is enough");
        done.send(Ok((Bank::synthesised(48_000.0), None))).unwrap();
        worker.follow_voices(Duration::ZERO);
        assert!(exchange.fetch(&mut bank, 48_000.0));
        assert!(exchange.is_settled(true, choices));
    }
}
