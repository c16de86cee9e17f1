//! From the host's audio to classifications: the whole way, without the plugin framework.
//!
//! ```text
//! block -> HopStream -> hop -> Analyzer -> onset: arm the classifier thread
//!                                       -> note:  inline network -> Classification
//!                                                 or queue -> classifier thread -> queue
//!                                                                 -> Classification, a block later
//! ```
//!
//! [`Pipeline::process`] runs on the audio thread. The other end of its queues is a [`Service`](crate::service::Service)
//! on another thread: it sends loaded models and frees those that come back.
//!
//! Defined behaviour under load: notes may overlap, and each is answered with its own id. A note
//! that finds [`classifier::queue::CAPACITY`](crate::classifier::queue::CAPACITY) others under way
//! is dropped and counted. Answers to notes from before a reset are counted and thrown away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use tocco_dsp::{
    Analysis, Analyzer, AnalyzerError, HOP, HopEnd, HopStream, HopStreamError, OnsetConfig,
    SAMPLE_RATE, denormals,
};

use crate::calibration::Teaching;
use crate::calibration::examples;
use crate::classification::{Classification, Note, most_probable};
use crate::classifier::Seat;
use crate::classifier::queue::{Answer, Refused};
use crate::counters::{Counters, add};
use crate::meters::Meters;
use crate::model::LoadedModel;

/// Results that may wait for the event log: minutes of the fastest playing.
const LOG_CAPACITY: usize = 4096;

/// Models that may wait to be taken into use, and to be freed.
const MODEL_CAPACITY: usize = 4;

/// What may change from block to block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Settings of the onset detector.
    pub onset: OnsetConfig,
    /// Least probability of the winner for a note to make MIDI, 0 to 1.
    pub gate: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            onset: OnsetConfig::default(),
            gate: 0.0,
        }
    }
}

/// What the pipeline's owner and the audio thread share.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Counts of everything.
    pub counters: Counters,
    /// The last note.
    pub meters: Meters,
    /// What is being taught.
    pub teaching: Teaching,
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
    /// Models to take into use between two notes.
    pub models: Producer<Box<LoadedModel>>,
    /// Models that were in use, to be freed here.
    pub retired: Consumer<Box<LoadedModel>>,
    /// Every result, for the event log.
    pub results: Consumer<Classification>,
    /// Notes to learn from.
    pub examples: examples::Receiver,
}

/// The audio thread's part.
pub struct Pipeline {
    stream: HopStream,
    listener: Listener,
}

/// Everything behind the hop stream.
struct Listener {
    analyzer: Analyzer,
    /// Its extraction is in the analyzer.
    model: Box<LoadedModel>,
    models: Consumer<Box<LoadedModel>>,
    retired: Producer<Box<LoadedModel>>,
    results: Producer<Classification>,
    examples: examples::Sender,
    gauges: Arc<Gauges>,
    positions: Positions,
    host_rate: f64,
    settings: Settings,
    gate: f32,
    /// Onsets whose features are not there yet.
    pending: u64,
    /// Host samples since the stream began, up to the current block.
    position: u64,
    /// Callbacks since the beginning.
    callback: u64,
    epoch: u32,
    /// Added to the analyzer's ids, so that an instance never gives one twice.
    first_id: u64,
}

/// From analysis samples to host samples.
#[derive(Debug, Clone, Copy)]
struct Positions {
    origin: f64,
    step: f64,
}

impl Positions {
    fn new(stream: &HopStream, host_rate: f64) -> Self {
        let step = host_rate / f64::from(SAMPLE_RATE);
        // The last sample of a hop lies `latency` before the hop's end, which is one step later.
        let origin = if stream.latency() == 0.0 {
            0.0
        } else {
            step - stream.latency()
        };
        Self { origin, step }
    }

    /// Where analysis sample `analysis` sounded; before the start becomes 0.
    fn host(self, analysis: u64) -> u64 {
        (self.origin + analysis as f64 * self.step).round() as u64
    }

    /// How many host samples `analysis` samples last.
    fn span(self, analysis: u64) -> u64 {
        (analysis as f64 * self.step).round() as u64
    }
}

impl Pipeline {
    /// A pipeline at the start of a stream of `host_rate` Hz that begins with `model`, and the
    /// other end of its queues. Allocates.
    ///
    /// # Errors
    /// When the rate is not supported.
    pub fn new(
        host_rate: f64,
        mut model: Box<LoadedModel>,
        gauges: Arc<Gauges>,
    ) -> Result<(Self, ServiceEnd), PipelineError> {
        let stream = HopStream::new(host_rate)?;
        let settings = Settings::default();
        let extraction = model
            .extraction
            .take()
            .expect("a model outside a pipeline has its extraction");
        let analyzer = Analyzer::with_extraction(&settings.onset, extraction)?;
        let (models_in, models_out) = RingBuffer::new(MODEL_CAPACITY);
        let (retired_in, retired_out) = RingBuffer::new(MODEL_CAPACITY);
        let (results_in, results_out) = RingBuffer::new(LOG_CAPACITY);
        let (examples_in, examples_out) = examples::queue();
        let first_id = gauges
            .counters
            .onsets
            .load(std::sync::atomic::Ordering::Relaxed);
        let listener = Listener {
            positions: Positions::new(&stream, host_rate),
            analyzer,
            model,
            models: models_out,
            retired: retired_in,
            results: results_in,
            examples: examples_in,
            gauges,
            host_rate,
            settings,
            gate: settings.gate,
            pending: 0,
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
        };
        Ok((Self { stream, listener }, service))
    }

    /// Listens to a block, channels of equal length, and calls `on_result` for each classification
    /// that is known by its end, with the place in the block, in samples, where an event that
    /// results from it belongs. The places do not decrease.
    ///
    /// Real-time safe as far as `on_result` and the engine of an inline model are.
    pub fn process<C: AsRef<[f32]>>(
        &mut self,
        channels: &[C],
        settings: &Settings,
        mut on_result: impl FnMut(&Classification, usize),
    ) {
        let Self { stream, listener } = self;
        denormals::flush(|| {
            listener.begin_block(settings);
            let length = channels.iter().map(|channel| channel.as_ref().len()).min();
            let length = length.unwrap_or(0);
            // Results from the classifier thread are seen as early as can be.
            let seen = listener.position + length.min(HOP) as u64;
            listener.collect(seen, &mut |result| on_result(result, 0));
            stream.push(channels, |hop, end| {
                listener.hop(hop, end, &mut |result| on_result(result, end.block_offset));
            });
            listener.position += length as u64;
        });
    }

    /// Starts anew as if nothing had been heard. Notes under way are counted as abandoned.
    /// Real-time safe.
    pub fn reset(&mut self) {
        self.stream.reset();
        self.listener.reset();
    }

    /// Whether a note is between its onset and its result. Real-time safe.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.listener.between_notes()
    }
}

impl Drop for Pipeline {
    /// Counts what was under way: every onset has its place in the book-keeping.
    fn drop(&mut self) {
        let Listener {
            gauges,
            pending,
            model,
            ..
        } = &self.listener;
        add(&gauges.counters.abandoned, *pending + model.under_way());
    }
}

impl Listener {
    fn begin_block(&mut self, settings: &Settings) {
        self.callback += 1;
        add(&self.gauges.counters.callbacks, 1);
        self.gate = settings.gate;
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
        self.settings = *settings;
        if let Seat::Inline(inline) = &mut self.model.seat {
            inline.prime();
        }
    }

    fn hop(&mut self, hop: &[f32; HOP], end: HopEnd, on_result: &mut impl FnMut(&Classification)) {
        self.collect(end.host, on_result);
        self.take_new_model();

        let Analysis { onset, note, .. } = self.analyzer.push_hop(hop);
        let counters = &self.gauges.counters;
        if onset.is_some() {
            add(&counters.onsets, 1);
            self.pending += 1;
            if let Seat::Thread(remote) = &self.model.seat {
                remote.arm();
            }
        }
        let Some(heard) = note else { return };
        self.pending = self.pending.saturating_sub(1);
        add(&counters.notes, 1);
        let note = Note {
            onset_id: self.first_id + heard.onset.id,
            position: self.positions.host(heard.onset.position),
            // The analysis runs behind the host by the resampler's delay, the same for all hops.
            detected: end
                .host
                .saturating_sub(self.positions.span(end.analysis - heard.onset.detected)),
            features_ready: end.host,
            peak_db: heard.peak_db,
            callback: self.callback,
            epoch: self.epoch,
        };
        self.examples
            .send(&self.gauges.teaching, self.model.serial, heard.features);
        match &mut self.model.seat {
            Seat::Inline(inline) => {
                let start = Instant::now();
                let probabilities = inline.classify(heard.features).ok();
                let answer = Answer {
                    note,
                    probabilities,
                    wake: Duration::ZERO,
                    inference: start.elapsed(),
                };
                self.conclude(answer, end.host, true, on_result);
            }
            Seat::Thread(remote) => match remote.submit(note, heard.features) {
                Ok(()) => {}
                Err(Refused::Full) => add(&counters.dropped_full, 1),
                Err(Refused::Dead) => add(&counters.failed, 1),
            },
        }
    }

    /// Takes what the classifier thread has answered; `now` is what the result counts as seen at.
    fn collect(&mut self, now: u64, on_result: &mut impl FnMut(&Classification)) {
        while let Seat::Thread(remote) = &mut self.model.seat {
            let Some(answer) = remote.poll() else {
                let lost = remote.give_up_if_dead();
                if lost > 0 {
                    add(&self.gauges.counters.failed, lost as u64);
                }
                return;
            };
            if answer.note.epoch == self.epoch {
                self.conclude(answer, now, false, on_result);
            } else {
                add(&self.gauges.counters.abandoned, 1);
            }
        }
    }

    fn conclude(
        &mut self,
        answer: Answer,
        seen: u64,
        inline: bool,
        on_result: &mut impl FnMut(&Classification),
    ) {
        let Some(probabilities) = answer.probabilities else {
            add(&self.gauges.counters.failed, 1);
            return;
        };
        let n_classes = self.model.n_classes;
        let class = most_probable(&probabilities[..n_classes]);
        // Inline the first chance is the same callback, otherwise the one after.
        let earliest = answer.note.callback + u64::from(!inline);
        let late = self.callback.saturating_sub(earliest);
        let result = Classification {
            note: answer.note,
            seen,
            probabilities,
            n_classes,
            class,
            gated: probabilities[class] < self.gate,
            inline,
            wake: answer.wake,
            inference: answer.inference,
            late_blocks: u32::try_from(late).unwrap_or(u32::MAX),
            model: self.model.serial,
        };
        self.gauges.counters.book(&result, self.host_rate);
        self.gauges.meters.show(&result);
        if self.results.push(result).is_err() {
            add(&self.gauges.counters.unlogged, 1);
        }
        on_result(&result);
    }

    fn between_notes(&self) -> bool {
        self.pending == 0 && self.model.under_way() == 0
    }

    /// Swaps in a model that waits, between two notes and if the old one can be sent back.
    fn take_new_model(&mut self) {
        if self.models.is_empty() || !self.between_notes() || self.retired.slots() == 0 {
            return;
        }
        let Ok(mut model) = self.models.pop() else {
            return;
        };
        let Some(extraction) = model.extraction.take() else {
            return; // never: a model comes with its extraction
        };
        std::mem::swap(&mut self.model, &mut model);
        model.extraction = Some(self.analyzer.swap_extraction(extraction));
        // There was room, and nobody else pushes.
        let sent = self.retired.push(model).is_ok();
        debug_assert!(sent);
        if let Seat::Inline(inline) = &mut self.model.seat {
            inline.prime();
        }
        add(&self.gauges.counters.swaps, 1);
    }

    fn reset(&mut self) {
        self.position = 0;
        self.analyzer.reset();
        add(&self.gauges.counters.abandoned, self.pending);
        self.pending = 0;
        // What the classifier thread has in hand is counted when it comes back.
        self.epoch = self.epoch.wrapping_add(1);
        if let Seat::Inline(inline) = &mut self.model.seat {
            inline.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    use crate::classification::ModelSerial;
    use crate::classifier::Wake;
    use crate::model::{ModelSource, RunConfig, Selection};
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

    fn pipeline(host_rate: f64, offline: bool) -> (Pipeline, ServiceEnd, Arc<Gauges>) {
        let selection = Selection {
            model: ModelSource::C,
            engine: EngineId::Native,
        };
        let config = RunConfig {
            offline,
            wake: Wake::Armed,
            block: Duration::from_millis(1),
        };
        let (model, _) = LoadedModel::load(&selection, ModelSerial(0), config).unwrap();
        let gauges = Arc::new(Gauges::default());
        let (pipeline, end) = Pipeline::new(host_rate, model, Arc::clone(&gauges)).unwrap();
        (pipeline, end, gauges)
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
        let (mut first, _end, gauges) = pipeline(48_000.0, false);
        let expected = listen(&mut first, &samples, &[64]);
        assert_eq!(expected.len(), 12);
        assert_eq!(gauges.counters.onsets.load(Relaxed), 12);
        assert_eq!(gauges.counters.results.load(Relaxed), 12);
        for blocks in [&[1][..], &[63], &[65], &[512], &[8192], &[1, 700, 64, 3000]] {
            let (mut pipeline, _end, _) = pipeline(48_000.0, false);
            let results = listen(&mut pipeline, &samples, blocks);
            assert_eq!(strip(&results), strip(&expected), "blocks of {blocks:?}");
        }
    }
}
