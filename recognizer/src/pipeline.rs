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

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};
use tocco_dsp::{
    Analysis, Analyzer, AnalyzerError, HOP, HopEnd, HopStream, HopStreamError, InputChoice,
    OnsetConfig, StreamClock, denormals,
};

use crate::Decisions;
use crate::adaptation::examples::{self, Teaching};
use crate::adaptation::take;
use crate::classification::{Classification, Decision, Note};
use crate::counters::{Counters, add};
use crate::decision::{self, most_probable};
use crate::level_feed::{LevelFeed, LevelMeter};
use crate::mailbox::{self, mailbox};
use crate::meters::Meters;
use crate::model::{LoadedModel, Stage};
use crate::pace::Pace;
use crate::pending_decisions::SecondDecisions;
use crate::rejection::{self, DEFAULT_STRICTNESS, Surroundings, is_rejected};
use crate::runner::queue::{Answer, Died, Refused};
use crate::runner::{InlineRunner, Runner, Said};
use crate::ticks::{self, Ticks};

/// Results that may wait for the event log: minutes of the fastest playing.
const LOG_CAPACITY: usize = 4096;

/// Models that may wait to be freed.
const RETIRED_CAPACITY: usize = 4;

/// Hops that a new model waits for a gap between two notes: longer than most notes' features take.
const LEISURE: u32 = 24;

/// Hops that a new model waits at all, half a second: longer than any answer takes.
const SWAP_PATIENCE: u32 = 375;

/// What may change from block to block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Settings of the onset detector.
    pub onset: OnsetConfig,
    /// Least probability of the winner for a note to make MIDI, 0 to 1.
    pub gate: f32,
    /// How strictly onsets are rejected that are no notes: from 0, not at all, to 1.
    pub strictness: f32,
    /// What is heard of a stereo input.
    pub input: InputChoice,
    /// Whether the networks learn their player by listening. Without it they forget what they learnt
    /// at once, and with it again they start anew.
    pub adapt: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            onset: OnsetConfig::default(),
            gate: 0.0,
            strictness: DEFAULT_STRICTNESS,
            input: InputChoice::Automatic,
            adapt: true,
        }
    }
}

/// What the pipeline's owner and the audio thread share.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// Counts of everything.
    pub counters: Counters,
    /// The last note.
    pub meters: Meters,
    /// The input as it comes.
    pub levels: LevelFeed,
    /// What is being taught.
    pub teaching: Teaching,
    /// Whether the sound of what is taught is wanted.
    pub takes: take::Wanted,
    /// How many notes the model in use has learnt from by listening. Unlike
    /// [`Counters::learned`] 0 again when it is swapped, or forgets. Written by the audio thread.
    pub adapted: AtomicU64,
}

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

    fn between_notes(&self) -> bool {
        self.pending == 0 && self.model.under_way() == 0
    }

    /// Swaps in a model that waits, if it is time and the old one can be sent back.
    fn take_new_model(&mut self) {
        if self.models.is_empty() {
            self.model_waits = 0;
            return;
        }
        self.model_waits += 1;
        let is_time = self.between_notes()
            || (self.model_waits > LEISURE && self.model.under_way() == 0)
            || self.model_waits > SWAP_PATIENCE;
        if !is_time || self.retired.slots() == 0 {
            return;
        }
        let Some(mut model) = self.models.take() else {
            return;
        };
        self.model_waits = 0;
        add(
            &self.telemetry.counters.first.abandoned,
            self.model.under_way(),
        );
        std::mem::swap(&mut self.model, &mut model);
        // To wait for them would be to wait for a gap of 150 ms in the playing.
        add(
            &self.telemetry.counters.second.decisions.abandoned,
            self.seconds.give_up(),
        );
        // There was room, and nobody else pushes.
        let sent = self.retired.push(model).is_ok();
        debug_assert!(sent);
        for inline in inline(&mut self.model) {
            inline.prime();
        }
        self.telemetry.adapted.store(0, Relaxed);
        add(&self.telemetry.counters.swaps, 1);
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
mod tests {
    use super::*;

    use crate::classification::ModelSerial;
    use crate::level_feed::{COLUMN_HOPS, FLOOR_DB};
    use crate::model::RunConfig;
    use crate::model::tests::shipped;
    use crate::runner::Wake;
    use tocco_dsp::synth::add_tone;
    use tocco_dsp::synth::noise::Noise;
    use tocco_engines::EngineId;

    /// Decaying tones of different pitch, one every 150 ms.
    fn playing(host_rate: f64, notes: usize) -> Vec<f32> {
        let spacing = (0.15 * host_rate) as usize;
        let mut samples = vec![0.0; spacing * (notes + 1)];
        for note in 0..notes {
            let start = spacing / 2 + note * spacing;
            let pitch = 110.0 * (1.0 + (note % 7) as f64);
            for (i, sample) in samples[start..].iter_mut().take(spacing).enumerate() {
                let t = i as f64 / host_rate;
                let tone: f64 = (1..5)
                    .map(|k| (std::f64::consts::TAU * pitch * f64::from(k) * t).sin())
                    .sum();
                *sample += (0.15 * tone * (-t * 30.0).exp()) as f32;
            }
        }
        samples
    }

    fn pipeline(host_rate: f64, offline: bool) -> (Pipeline, ServiceEnd, Arc<Telemetry>) {
        pipeline_of("c", host_rate, offline)
    }

    fn pipeline_of(
        id: &str,
        host_rate: f64,
        offline: bool,
    ) -> (Pipeline, ServiceEnd, Arc<Telemetry>) {
        let config = RunConfig {
            offline,
            wake: Wake::Armed,
            block: Duration::from_millis(1),
        };
        let (model, _) =
            LoadedModel::new(&shipped(id), EngineId::Native, ModelSerial(0), config).unwrap();
        let telemetry = Arc::new(Telemetry::default());
        let (pipeline, end) = Pipeline::new(host_rate, model, Arc::clone(&telemetry)).unwrap();
        (pipeline, end, telemetry)
    }

    fn listen(pipeline: &mut Pipeline, samples: &[f32], blocks: &[usize]) -> Vec<Classification> {
        let mut results = Vec::new();
        let (mut start, mut sizes) = (0, blocks.iter().cycle());
        while start < samples.len() {
            let size = (*sizes.next().unwrap()).min(samples.len() - start);
            let block = &samples[start..start + size];
            pipeline.process(&[block], &Settings::default(), |result, offset| {
                assert!(offset < size);
                assert_eq!(result.seen, (start + offset + 1) as u64);
                results.push(*result);
            });
            start += size;
        }
        results
    }

    #[test]
    fn every_note_is_answered_inline_whatever_the_block_size() {
        let samples = playing(48_000.0, 12);
        let strip = |results: &[Classification]| -> Vec<_> {
            let one =
                |r: &Classification| (r.note.onset_id, r.note.position, r.seen, r.probabilities);
            results.iter().map(one).collect()
        };
        let (mut first, _end, telemetry) = pipeline(48_000.0, false);
        let expected = listen(&mut first, &samples, &[64]);
        assert_eq!(expected.len(), 12);
        assert_eq!(telemetry.counters.onsets.load(Relaxed), 12);
        assert_eq!(telemetry.counters.first.results.load(Relaxed), 12);
        for blocks in [&[1][..], &[63], &[65], &[512], &[8192], &[1, 700, 64, 3000]] {
            let (mut pipeline, _end, _) = pipeline(48_000.0, false);
            let results = listen(&mut pipeline, &samples, blocks);
            assert_eq!(strip(&results), strip(&expected), "blocks of {blocks:?}");
        }
    }

    #[test]
    fn a_reader_sees_the_input_and_its_notes_and_changes_nothing() {
        let samples = playing(48_000.0, 5);
        let ids = |results: &[Classification]| -> Vec<_> {
            results
                .iter()
                .map(|r| (r.note.onset_id, r.class, r.note.position))
                .collect()
        };
        let (mut unread, _end, _) = pipeline(48_000.0, false);
        let expected = listen(&mut unread, &samples, &[64]);
        let (mut pipeline, _end, telemetry) = pipeline(48_000.0, false);
        let feed = &telemetry.levels;
        feed.open(true);
        let results = listen(&mut pipeline, &samples, &[64]);
        assert_eq!(ids(&results), ids(&expected));
        let columns: Vec<_> = std::iter::from_fn(|| feed.next_column()).collect();
        assert_eq!(columns.len(), samples.len() / (HOP * COLUMN_HOPS));
        let marks: Vec<_> = std::iter::from_fn(|| feed.next_mark()).collect();
        assert_eq!(marks.len(), results.len());
        let gate = feed.gate_db();
        assert_eq!(gate, -53.0);
        for (mark, result) in marks.iter().zip(&results) {
            assert_eq!(u64::from(mark.position), result.note.position);
            assert_eq!(usize::from(mark.class), result.class);
            let place = columns.iter().position(|column| column.end > mark.position);
            let loudest = columns[place.unwrap()..].iter().take(4);
            let loudest = loudest.map(|column| column.level_db).fold(gate, f32::max);
            assert!(loudest > gate + 10.0, "{mark:?}: {loudest} dB");
        }
        assert_eq!((feed.clipped(), feed.dropped()), (0, 0));
    }

    #[test]
    fn a_reader_sees_nothing_from_before_a_reset() {
        let (mut pipeline, _end, telemetry) = pipeline(48_000.0, false);
        telemetry.levels.open(true);
        listen(&mut pipeline, &[1.0; HOP], &[HOP]);
        pipeline.reset();
        listen(&mut pipeline, &[0.0; HOP * COLUMN_HOPS], &[HOP]);
        let column = telemetry.levels.next_column().unwrap();
        assert_eq!(column.peak_db, FLOOR_DB);
        assert_eq!(column.end as usize, HOP * COLUMN_HOPS);
    }

    /// A note and, 100 ms later, one 8 dB softer that it rings over: only the second look hears it.
    fn note_under_a_ringing_one() -> Vec<f32> {
        let mut noise = Noise::new(1);
        let mut samples: Vec<f32> = (0..48_000).map(|_| 1e-4 * noise.sample() as f32).collect();
        add_tone(&mut samples, 9_600, 110.0, 0.3);
        add_tone(&mut samples, 14_400, 294.0, 0.3 * 10_f32.powf(-8.0 / 20.0));
        samples
    }

    #[test]
    fn the_second_look_can_be_switched_off_and_on() {
        let samples = note_under_a_ringing_one();
        let (mut pipeline, _end, telemetry) = pipeline_of("tocco", 48_000.0, true);
        let onsets = &telemetry.counters.onsets;
        for (second_look, expected) in [(false, 1), (true, 2), (false, 1)] {
            let mut settings = Settings::default();
            settings.onset.second_look = second_look;
            let before = onsets.load(Relaxed);
            pipeline.reset();
            for block in samples.chunks(HOP) {
                pipeline.process(&[block], &settings, |_, _| {});
            }
            assert_eq!(onsets.load(Relaxed) - before, expected, "{second_look}");
        }
    }

    #[test]
    fn what_a_thread_answered_is_seen_at_the_end_of_a_hop() {
        for (host_rate, hop, size) in [
            (48_000.0, HOP, 32),
            (48_000.0, HOP, 512),
            (8_000.0, 11, 256),
            (192_000.0, 256, 2_048),
        ] {
            let samples = playing(host_rate, 4);
            let (mut pipeline, _end, _) = pipeline_of("a", host_rate, false);
            let (mut start, mut results) = (0, 0);
            for block in samples.chunks(size) {
                pipeline.process(&[block], &Settings::default(), |result, offset| {
                    assert!(!result.inline);
                    let seen = result.seen as usize;
                    let of_first_hop = offset == 0 && seen == start + block.len().min(hop);
                    // A stream that is known to be ahead waits where it asks.
                    let where_asked = seen == start + offset + 1;
                    assert!(of_first_hop || where_asked, "{start} {offset} {seen}");
                    results += 1;
                });
                start += block.len();
            }
            assert!(results > 0);
        }
    }
}
