//! From the host's audio to classifications: the whole way, without the plugin framework.
//!
//! ```text
//! block -> HopStream -> hop -> Analyzer -> onset: arm the classifier thread
//!                                       -> note:  inline network -> Classification
//!                                                 or queue -> classifier thread -> queue
//!                                                                 -> Classification, a block later
//!                                       -> second: the same with the second network, some 150 ms
//!                                                 after the onset -> mean with what the first one
//!                                                 said -> another Classification of the same onset
//!                                       last decision about a note -> both networks learn from it
//! ```
//!
//! [`Pipeline::process`] runs on the audio thread. The other end of its queues is a service thread
//! of its owner: that sends loaded models and frees those that come back.
//!
//! Defined behaviour under load: notes may overlap, and each is answered with its own id. A note
//! that finds [`runner::queue::CAPACITY`](crate::runner::queue::CAPACITY) others under way
//! is dropped and counted. Answers to notes from before a reset are counted and thrown away.
//!
//! Answers of the classifier thread are taken at the beginning of a callback. In a stream that runs
//! faster than real time they are waited for, so that what is rendered is the same every time: see
//! [`pace`](crate::pace), which also says why that is safe.
//!
//! A new model takes over between two notes; where there is no gap for `LEISURE` hops, as soon as
//! nothing is under way to the classifier thread, and the notes whose onsets were heard are
//! described and answered by the new one; after `SWAP_PATIENCE` hops in any case, and what the
//! old one was asked is counted as abandoned. Of several models that wait only the newest is
//! taken. Second decisions never hold up a swap: those that are to come are given up and counted.
//!
//! With [`Settings::adapt`] the networks learn their player by listening: see
//! [`adaptation`](crate::adaptation). With [`Settings::strictness`] onsets that are no notes are rejected:
//! see [`rejection`]. What an answer is changed by is what was learnt before it
//! reached the audio thread. Offline that is the same every time; in real time an answer of the
//! classifier thread comes a little later, and a note that falls in between does not profit from it.

mod model_swap;
mod settings;
mod telemetry;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub use settings::Settings;
pub use telemetry::Telemetry;

use rtrb::{Consumer, Producer, RingBuffer};
use tocco_dsp::{
    Analysis, Analyzer, AnalyzerError, HOP, HopEnd, HopStream, HopStreamError, StreamClock,
    denormals,
};

use crate::Decisions;
use crate::adaptation::{examples, take};
use crate::classification::{Classification, Decision, Note};
use crate::counters::add;
use crate::decision::{self, most_probable};
use crate::level_feed::LevelMeter;
use crate::mailbox::{self, mailbox};
use crate::model::{LoadedModel, Stage};
use crate::pace::Pace;
use crate::pending_decisions::SecondDecisions;
use crate::rejection::{self, Surroundings, is_rejected};
use crate::runner::queue::{Answer, Died, Refused};
use crate::runner::{InlineRunner, Runner, Said};
use crate::ticks::{self, Ticks};

/// Results that may wait for the event log: minutes of the fastest playing.
const LOG_CAPACITY: usize = 4096;

/// Models that may wait to be freed.
const RETIRED_CAPACITY: usize = 4;

/// Why there is no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The host's rate is not supported.
    #[error(transparent)]
    Stream(#[from] HopStreamError),
    /// The analysis cannot be set up.
    #[error(transparent)]
    Analyzer(#[from] AnalyzerError),
}

/// The other end of a pipeline's queues, for the thread that loads and frees.
pub struct ServiceEnd {
    /// A model to take into use between two notes. A newer one takes the place of one that waits,
    /// which comes back at once.
    pub models: mailbox::Sender<LoadedModel>,
    /// Models that were in use, to be freed here.
    pub retired: Consumer<Box<LoadedModel>>,
    /// Every result, for the event log.
    pub results: Consumer<Classification>,
    /// Notes to learn from.
    pub examples: examples::Receiver,
    /// The sound of what was taught, where it is wanted.
    pub takes: take::Receiver,
}

/// The audio thread's part.
pub struct Pipeline {
    stream: HopStream,
    recognizer: Recognizer,
}

/// Everything behind the hop stream.
struct Recognizer {
    analyzer: Analyzer,
    model: Box<LoadedModel>,
    models: mailbox::Receiver<LoadedModel>,
    /// Hops that the one in there has waited.
    model_waits: u32,
    retired: Producer<Box<LoadedModel>>,
    results: Producer<Classification>,
    examples: examples::Sender,
    takes: take::Sender,
    telemetry: Arc<Telemetry>,
    level_meter: LevelMeter,
    clock: StreamClock,
    host_rate: f64,
    pace: Pace,
    settings: Settings,
    gate: f32,
    /// What was heard lately, notes or foreign sounds.
    surroundings: Surroundings,
    /// Onsets whose features are not there yet.
    pending: u64,
    /// First decisions that await their second.
    seconds: SecondDecisions,
    /// Host samples since the stream began, up to the current block.
    position: u64,
    /// Callbacks since the beginning.
    callback: u64,
    epoch: u32,
    /// Added to the analyzer's ids, so that an instance never gives one twice.
    first_id: u64,
}

impl Pipeline {
    /// A pipeline at the start of a stream of `host_rate` Hz that begins with `model`, and the
    /// other end of its queues. Allocates.
    ///
    /// # Errors
    /// When the rate is not supported.
    pub fn new(
        host_rate: f64,
        model: Box<LoadedModel>,
        telemetry: Arc<Telemetry>,
    ) -> Result<(Self, ServiceEnd), PipelineError> {
        let stream = HopStream::new(host_rate)?;
        let settings = Settings::default();
        let method = model.stages.first.extraction.method();
        let analyzer = Analyzer::new(&settings.onset, method)?;
        let (models_in, models_out) = mailbox();
        let (retired_in, retired_out) = RingBuffer::new(RETIRED_CAPACITY);
        let (results_in, results_out) = RingBuffer::new(LOG_CAPACITY);
        let (examples_in, examples_out) = examples::queue();
        let (takes_in, takes_out) = take::queue();
        let first_id = telemetry.counters.onsets.load(Relaxed);
        telemetry.adapted.store(0, Relaxed);
        let recognizer = Recognizer {
            clock: stream.clock(),
            analyzer,
            model,
            models: models_out,
            model_waits: 0,
            retired: retired_in,
            results: results_in,
            examples: examples_in,
            takes: takes_in,
            telemetry,
            level_meter: LevelMeter::default(),
            host_rate,
            pace: Pace::new(host_rate, Ticks::calibrated()),
            settings,
            gate: settings.gate,
            surroundings: Surroundings::default(),
            pending: 0,
            seconds: SecondDecisions::new(),
            position: 0,
            callback: 0,
            epoch: 0,
            first_id,
        };
        let service = ServiceEnd {
            models: models_in,
            retired: retired_out,
            results: results_out,
            examples: examples_out,
            takes: takes_out,
        };
        Ok((Self { stream, recognizer }, service))
    }

    /// Listens to a block, channels of equal length, and calls `on_result` for each classification,
    /// first and second decisions, that is known by its end, with the place in the block, in samples, where an event that
    /// results from it belongs. The places do not decrease.
    ///
    /// Real-time safe as far as `on_result` and the engine of an inline model are; it waits for the
    /// classifier thread only in a stream that is ahead of real time: see [`pace`](crate::pace).
    pub fn process<C: AsRef<[f32]>>(
        &mut self,
        channels: &[C],
        settings: &Settings,
        on_result: impl FnMut(&Classification, usize),
    ) {
        self.process_when(channels, settings, || true, on_result);
    }

    /// As [`process`](Self::process), but first it waits, as for the classifier thread, until
    /// `is_settled`: until the model is there that the block is to be heard with.
    pub fn process_when<C: AsRef<[f32]>>(
        &mut self,
        channels: &[C],
        settings: &Settings,
        is_settled: impl Fn() -> bool,
        mut on_result: impl FnMut(&Classification, usize),
    ) {
        let Self { stream, recognizer } = self;
        denormals::flush(|| {
            let length = channels.iter().map(|channel| channel.as_ref().len()).min();
            let length = length.unwrap_or(0);
            recognizer.pace.begin(length);
            recognizer.telemetry.levels.begin_block(channels, length);
            stream.choose_input(settings.input);
            // If it is not, the block is heard with the old one.
            let _ = recognizer.pace.wait(is_settled);
            recognizer.begin_block(settings);
            // Not where their events are, the first sample, but at the end of the callback's first hop, as
            // what is answered inline: so that in blocks of a hop latencies are whole blocks, as
            // `bench deployment` measures them.
            let hop = recognizer.clock.host_span(HOP as u64);
            let seen = recognizer.position + hop.min(length as u64);
            recognizer.collect(seen, &mut |result| on_result(result, 0));
            stream.push(channels, |hop, end| {
                recognizer.hop(hop, end, &mut |result| on_result(result, end.block_offset));
            });
            recognizer.position += length as u64;
        });
    }

    /// Starts anew as if nothing had been heard, but for what was learnt of the player. Notes under
    /// way are counted as abandoned. Real-time safe.
    pub fn reset(&mut self) {
        self.stream.reset();
        self.recognizer.reset();
    }

    /// Forgets what was learnt of the player by listening. Real-time safe.
    pub fn forget_player(&mut self) {
        self.recognizer.forget_player();
    }

    /// Whether a note is between its onset and its first result. Real-time safe.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.recognizer.between_notes()
    }

    /// Second decisions that are to come. Real-time safe.
    #[must_use]
    pub fn seconds_to_come(&self) -> u64 {
        self.recognizer.seconds.open()
    }
}

impl Drop for Pipeline {
    /// Counts what was under way: every onset has its place in the counters.
    fn drop(&mut self) {
        let Recognizer {
            telemetry,
            pending,
            model,
            seconds,
            ..
        } = &self.recognizer;
        add(
            &telemetry.counters.first.abandoned,
            *pending + model.under_way(),
        );
        add(
            &telemetry.counters.second.decisions.abandoned,
            seconds.open(),
        );
    }
}

impl Recognizer {
    fn begin_block(&mut self, settings: &Settings) {
        self.callback += 1;
        add(&self.telemetry.counters.callbacks, 1);
        self.gate = settings.gate;
        if self.settings.adapt && !settings.adapt {
            self.forget_player();
        }
        let (old, new) = (self.settings.onset, settings.onset);
        let detector = self.analyzer.detector_mut();
        if old.threshold_factor != new.threshold_factor {
            detector.set_threshold_factor(new.threshold_factor);
        }
        if old.silence_offset_db != new.silence_offset_db {
            detector.set_silence_offset_db(new.silence_offset_db);
        }
        if old.minimum_inter_onset_ms != new.minimum_inter_onset_ms {
            detector.set_minimum_inter_onset_ms(new.minimum_inter_onset_ms);
        }
        if old.second_look != new.second_look {
            detector.set_second_look(new.second_look);
        }
        self.telemetry.levels.set_gate_db(detector.silence_db());
        self.settings = *settings;
        for inline in inline(&mut self.model) {
            inline.prime();
        }
    }

    fn hop(&mut self, hop: &[f32; HOP], end: HopEnd, on_result: &mut impl FnMut(&Classification)) {
        self.take_new_model();
        self.level_meter.hear(hop, end.host, &self.telemetry.levels);

        let (first_id, clock) = (self.first_id, self.clock);
        let (callback, epoch) = (self.callback, self.epoch);
        let ticks = self.pace.ticks();
        let note_of = |heard: &tocco_dsp::Note<'_>| Note {
            onset_id: first_id + heard.onset.id,
            position: clock.host_position(heard.onset.position),
            // The analysis runs behind the host by the resampler's delay, the same for all hops.
            detected: end
                .host
                .saturating_sub(clock.host_span(end.analysis - heard.onset.detected)),
            features_ready: end.host,
            peak_db: heard.peak_db,
            callback,
            epoch,
        };
        let adapt = self.settings.adapt;
        let taught = self.telemetry.teaching.class();
        let taught = taught.filter(|_| self.telemetry.takes.is_wanted());
        self.takes.hear(taught, hop, end.analysis, epoch);
        let (teaching, serial) = (&self.telemetry.teaching, self.model.serial);
        let source = |note: &Note, second| examples::Source {
            onset_id: note.onset_id,
            model: serial,
            second,
        };
        let Decisions { first, second } = &mut self.model.stages;
        let (second_extraction, second) = (second.as_mut())
            .map(|stage| {
                (
                    &mut stage.extraction,
                    (&mut stage.runner, &mut stage.learner),
                )
            })
            .unzip();
        let Analysis {
            onset,
            note,
            second: later,
        } = (self.analyzer).push_hop(hop, &mut first.extraction, second_extraction);
        let counters = &self.telemetry.counters;
        if let Some(onset) = onset {
            add(&counters.onsets, 1);
            self.pending += 1;
            first.runner.arm();
            if let Some((runner, _)) = &second {
                add(&counters.second.expected, 1);
                let given_up = self.seconds.expect(first_id + onset.id);
                add(&counters.second.decisions.abandoned, given_up);
                runner.arm();
            }
        }
        let mut first_answer = None;
        if let Some(heard) = note {
            self.pending = self.pending.saturating_sub(1);
            add(&counters.notes, 1);
            let note = note_of(&heard);
            if let Some(class) = teaching.class()
                && (self.examples).send(teaching, class, source(&note, false), heard.features)
            {
                self.seconds.teach(note.onset_id, class);
                self.takes
                    .note(class, note.onset_id, heard.onset.position, epoch);
            }
            // Without its point a note neither teaches nor is its answer changed.
            if let Some(learner) = first.learner.as_mut().filter(|_| adapt) {
                learner.hear(note.onset_id, heard.features);
            }
            match ask(&mut first.runner, note, heard.features, ticks) {
                Ok(answer) => first_answer = answer,
                Err(refused) => counters.first.refuse(refused),
            }
        }
        let mut second_answer = None;
        if let (Some(heard), Some((runner, learner))) = (later, second) {
            let note = note_of(&heard);
            // What it was when the first network learned it, whatever is taught by now.
            if let Some(class) = self.seconds.take_taught(note.onset_id) {
                (self.examples).send(teaching, class, source(&note, true), heard.features);
            }
            if self.seconds.is_open(note.onset_id) {
                if let Some(learner) = learner.as_mut().filter(|_| adapt) {
                    learner.hear(note.onset_id, heard.features);
                }
                match ask(runner, note, heard.features, ticks) {
                    Ok(answer) => second_answer = answer,
                    Err(refused) => {
                        self.seconds.close(note.onset_id);
                        counters.second.decisions.refuse(refused);
                    }
                }
            }
        }
        if let Some(answer) = first_answer {
            self.conclude(answer, end.host, true, on_result);
        }
        if let Some(answer) = second_answer {
            self.amend(answer, end.host, true, on_result);
        }
        if self.pace.is_faster() {
            self.collect(end.host, on_result);
        }
    }

    /// Takes what the classifier threads have answered, and waits for what they were asked as far as
    /// the stream's pace allows; `now` is what the results count as seen at.
    fn collect(&mut self, now: u64, on_result: &mut impl FnMut(&Classification)) {
        loop {
            match self.model.stages.first.runner.next_answer(&mut self.pace) {
                Ok(Some(answer)) if answer.note.epoch == self.epoch => {
                    self.conclude(answer, now, false, on_result);
                }
                Ok(Some(_)) => add(&self.telemetry.counters.first.abandoned, 1),
                Ok(None) => break,
                Err(Died { lost }) => {
                    add(&self.telemetry.counters.first.failed, lost as u64);
                    break;
                }
            }
        }
        while let Some(Stage { runner, .. }) = &mut self.model.stages.second {
            match runner.next_answer(&mut self.pace) {
                Ok(Some(answer)) => self.amend(answer, now, false, on_result),
                Ok(None) => break,
                Err(Died { .. }) => {
                    // Nor will those be answered that are still to be sent.
                    let failed = &self.telemetry.counters.second.decisions.failed;
                    add(failed, self.seconds.give_up());
                    break;
                }
            }
        }
    }

    /// Makes a first decision of an answer.
    fn conclude(
        &mut self,
        answer: Answer,
        seen: u64,
        inline: bool,
        on_result: &mut impl FnMut(&Classification),
    ) {
        let Some(mut said) = answer.said else {
            add(&self.telemetry.counters.first.failed, 1);
            return;
        };
        let learner = self.model.stages.first.learner.as_ref();
        let learnt = learner.and_then(|learner| learner.learnt(answer.note.onset_id));
        decision::answer(learnt, &mut said.probabilities);
        let at_s = answer.note.position as f64 / self.host_rate;
        let own = said.rejection;
        let around = own.map_or(0.0, |own| self.surroundings.hear(at_s, own));
        said.rejection = own.map(|own| rejection::among(own, around));
        let result = self.result(Decision::First, answer, said, seen, inline);
        self.seconds.keep(&result, around);
        self.give_out(&result, on_result);
        // Where there is a second decision, that is the surer one, and it teaches.
        if self.model.stages.second.is_none() {
            self.learn(&result);
        }
    }

    /// Makes a second decision of an answer of the second network.
    fn amend(
        &mut self,
        mut answer: Answer,
        seen: u64,
        inline: bool,
        on_result: &mut impl FnMut(&Classification),
    ) {
        let Some(first) = self.seconds.close(answer.note.onset_id) else {
            return; // given up at a reset, and counted there
        };
        let counters = &self.telemetry.counters.second.decisions;
        let Some(mut said) = answer.said else {
            add(&counters.failed, 1);
            return;
        };
        let Some(first) = first else {
            // Nothing to amend: the first decision was lost, or is later than this.
            add(&counters.abandoned, 1);
            return;
        };
        let second = self.model.stages.second.as_ref();
        let learner = second.and_then(|second| second.learner.as_ref());
        let learnt = learner.and_then(|learner| learner.learnt(answer.note.onset_id));
        decision::amend(&first.probabilities, learnt, &mut said.probabilities);
        said.rejection = match said.rejection {
            Some(own) => Some(rejection::among(own, first.around)),
            // What the first one said of it stands.
            None => first.rejection,
        };
        answer.note.peak_db = first.peak_db;
        let decision = Decision::Second {
            was: first.class,
            was_gated: first.gated,
        };
        let result = self.result(decision, answer, said, seen, inline);
        self.give_out(&result, on_result);
        self.learn(&result);
    }

    /// The last decision about a note teaches the networks that learn, or none; what is rejected none.
    fn learn(&mut self, result: &Classification) {
        if result.rejected {
            return;
        }
        let onset = result.note.onset_id;
        let last = &result.probabilities[..result.n_classes];
        let Decisions { first, second } = &mut self.model.stages;
        let second = second.as_mut().and_then(|stage| stage.learner.as_mut());
        let learned = match (&mut first.learner, second) {
            (Some(first), Some(second)) => {
                match (first.observation(onset), second.observation(onset)) {
                    (Some(first), Some(second)) => decision::teach(last, &mut [first, second]),
                    // What one of them did not hear neither learns.
                    _ => false,
                }
            }
            (Some(only), None) | (None, Some(only)) => {
                let observation = only.observation(onset);
                observation.is_some_and(|only| decision::teach(last, &mut [only]))
            }
            (None, None) => false,
        };
        add(&self.telemetry.counters.learned, u64::from(learned));
        add(&self.telemetry.adapted, u64::from(learned));
    }

    fn forget_player(&mut self) {
        let stages = self.model.stages.iter_mut();
        for learner in stages.filter_map(|stage| stage.learner.as_mut()) {
            learner.forget();
        }
        self.telemetry.adapted.store(0, Relaxed);
    }

    fn result(
        &self,
        decision: Decision,
        answer: Answer,
        said: Said,
        seen: u64,
        inline: bool,
    ) -> Classification {
        let Said {
            probabilities,
            rejection,
        } = said;
        let n_classes = self.model.n_classes;
        let strictness = self.settings.strictness;
        let rejected = rejection.is_some_and(|log_odds| is_rejected(log_odds, strictness));
        let class = most_probable(&probabilities[..n_classes]);
        // Inline the first chance is the same callback, otherwise the one after.
        let earliest = answer.note.callback + u64::from(!inline);
        let late = self.callback.saturating_sub(earliest);
        Classification {
            decision,
            note: answer.note,
            seen,
            probabilities,
            n_classes,
            class,
            gated: rejected || probabilities[class] < self.gate,
            rejection,
            rejected,
            inline,
            wake: answer.wake,
            inference: answer.inference,
            late_blocks: u32::try_from(late).unwrap_or(u32::MAX),
            model: self.model.serial,
        }
    }

    fn give_out(&mut self, result: &Classification, on_result: &mut impl FnMut(&Classification)) {
        let counters = &self.telemetry.counters;
        counters.book(result, self.host_rate);
        self.telemetry.meters.show(result, self.host_rate);
        self.telemetry.levels.mark(result);
        if self.results.push(*result).is_err() {
            let unlogged = match result.decision {
                Decision::First => &counters.first.unlogged,
                Decision::Second { .. } => &counters.second.decisions.unlogged,
            };
            add(unlogged, 1);
        }
        on_result(result);
    }

    fn reset(&mut self) {
        self.pace.reset();
        self.position = 0;
        self.surroundings.clear();
        self.level_meter.clear();
        self.analyzer.reset();
        add(&self.telemetry.counters.first.abandoned, self.pending);
        self.pending = 0;
        // What the classifier thread has in hand is counted when it comes back.
        self.epoch = self.epoch.wrapping_add(1);
        // Of second decisions it is counted now, and what comes back finds no note.
        add(
            &self.telemetry.counters.second.decisions.abandoned,
            self.seconds.clear(),
        );
        for inline in inline(&mut self.model) {
            inline.reset();
        }
    }
}

/// The networks of `model` that run on the audio thread.
fn inline(model: &mut LoadedModel) -> impl Iterator<Item = &mut InlineRunner> {
    (model.stages.iter_mut()).filter_map(|stage| match &mut stage.runner {
        Runner::Inline(inline) => Some(&mut **inline),
        Runner::Thread(_) => None,
    })
}

/// Asks a network: its answer if it gives one now, nothing if its thread will.
fn ask(
    runner: &mut Runner,
    note: Note,
    features: &[f32],
    ticks: Option<Ticks>,
) -> Result<Option<Answer>, Refused> {
    let asked = ticks::now(ticks);
    match runner {
        Runner::Inline(inline) => {
            let said = inline.classify(features).ok();
            Ok(Some(Answer {
                note,
                said,
                wake: Duration::ZERO,
                inference: ticks::between(ticks, asked, ticks::now(ticks)),
            }))
        }
        Runner::Thread(remote) => remote.submit(note, features, asked).map(|()| None),
    }
}

#[cfg(test)]
mod tests;
