//! One combination of engine, network and wake, measured in this process.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use tocco_dsp::SAMPLE_RATE;
use tocco_engines::EngineId;

use super::Playing;
use crate::clap_host::ClapHost;
use crate::event_log::{self, Decision, EventLog, LoggedNote};
use crate::inference::pin_to_core;
use crate::memory::resident_mib;
use crate::plugin_host::{
    MidiMessage, MidiOut, PluginHost, PluginStream, StreamFormat, bundle_path,
};
use crate::real_time;
use crate::sound::Sound;
use crate::statistics::Spread;
use crate::streaming::{self, Speed};

/// Samples in a block, as in the paper.
const BLOCK: usize = StreamFormat::PAPER.max_block;

/// A block's length, microseconds.
pub const BLOCK_US: f64 = BLOCK as f64 / SAMPLE_RATE as f64 * 1e6;

/// Seconds before the first note.
pub const LEAD_S: f64 = 0.5;

/// Seconds after the last note.
pub const TAIL_S: f64 = 1.0;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunFindings {
    /// Name of the engine.
    pub engine: String,
    /// Id of the model package.
    pub model: String,
    /// How the classifier thread is woken.
    pub wake: String,
    /// Whether the audio thread classifies by itself.
    pub is_inline: bool,
    /// Results.
    pub results: usize,
    /// Notes that an offline run hears and this one did not answer.
    pub lost: usize,
    /// Results that differ from the offline run's result for the same onset, or for whose onset it has none.
    pub mispaired: usize,
    /// Microseconds from the features to the result, as the audio thread sees it: the inference
    /// itself if it is inline, else whole blocks.
    pub execution_us: Spread,
    /// Microseconds that the inference takes on its thread.
    pub inference_us: Spread,
    /// Results by lateness, none, one or more blocks: callbacks after the first one that began
    /// when the inference could have finished: the end of the callback with the features, and the
    /// run's median inference time.
    pub late: [usize; 3],
    /// The same against the callback that follows the one with the features, whatever the
    /// inference takes and however punctual the host was: the paper's way of counting.
    pub late_for_next_block: [usize; 3],
    /// Results more than 20 ms after their onset.
    pub over_deadline: usize,
    /// Microseconds of the callback in blocks with features or a result in them.
    pub callback_with_note_us: Spread,
    /// Microseconds of the callback in all other blocks.
    pub callback_without_note_us: Spread,
    /// Blocks that the host began later than the following one was due.
    pub missed_blocks: u64,
    /// Processor time of the process, in percent of one core.
    pub cpu_percent: f64,
    /// Memory of the process at the end, in MiB.
    pub memory_mib: f64,
    /// Of that, what it had before the plugin was loaded: the host and the sound, in MiB.
    pub memory_before_mib: f64,
    /// The plugin's own counters balance: every onset is a result or a counted loss.
    pub books_balance: bool,
    /// Whether the host's audio thread runs at real-time priority.
    pub real_time_priority: bool,
}

impl RunFindings {
    /// Whether every note was answered, each with its own result.
    pub fn is_complete(&self) -> bool {
        self.results > 0 && self.lost == 0 && self.mispaired == 0 && self.books_balance
    }
}

/// Measures in this process; `TOCCO_WAKE` must be set to `wake` already.
///
/// # Errors
/// If the plugin fails, or uses another engine or model than asked for.
pub fn measure(
    engine: EngineId,
    model: &str,
    wake: &str,
    playing: Playing,
    isolated_core: Option<usize>,
) -> Result<RunFindings> {
    if let Some(core) = isolated_core {
        // Every thread that is started from here on inherits it.
        pin_to_core(usize::from(core == 0))?;
    }
    let folder = tempfile::tempdir().context("no temporary folder for the event log")?;
    let sound = notes_at_intervals(playing);
    let memory_before_mib = resident_mib()?;

    let offline_path = folder.path().join("offline.jsonl");
    let mut host = load(&offline_path, engine, model)?;
    let mut stream = host.activate(StreamFormat {
        offline: true,
        ..StreamFormat::PAPER
    })?;
    streaming::play(
        &mut stream,
        &sound,
        std::iter::repeat(BLOCK),
        Speed::Unpaced,
    )?;
    host.deactivate(stream);
    drop(host);
    let expected = first_decisions(EventLog::new(&offline_path).read_new()?);

    let path = folder.path().join("events.jsonl");
    let mut host = load(&path, engine, model)?;
    let stream = host.activate(StreamFormat::PAPER)?;
    let before = processor_time()?;
    let start = Instant::now();
    let (timed, played, real_time_priority) = std::thread::scope(|scope| {
        let audio = scope.spawn(|| {
            let permitted = real_time::schedule_as_audio_thread().is_ok();
            let pinned = isolated_core.map_or(Ok(()), pin_to_core);
            let mut timed = Timed {
                stream,
                origin: Instant::now(),
                callbacks: Vec::with_capacity(sound.len() / BLOCK + 1),
            };
            let blocks = std::iter::repeat(BLOCK);
            let played = streaming::play(&mut timed, &sound, blocks, Speed::REAL_TIME);
            (
                timed,
                played.and_then(|played| pinned.map(|()| played)),
                permitted,
            )
        });
        audio
            .join()
            .map_err(|_| anyhow!("the audio thread panicked"))
    })?;
    let played = played?;
    let elapsed = start.elapsed();
    let cpu = processor_time()? - before;
    let memory_mib = resident_mib()?;
    host.deactivate(timed.stream);
    drop(host);
    let mut log = EventLog::new(&path);
    let logged = first_decisions(log.read_new()?);
    let counters = log.counters().values().next();
    let counters = counters.context("the event log does not end with the plugin's counters")?;
    let begins = |event: &&MidiOut| matches!(event.message, MidiMessage::NoteOn { .. });
    let sent = played.midi.iter().filter(begins).count();
    ensure!(
        sent == logged.len(),
        "{} results were logged and {sent} notes were sent",
        logged.len()
    );
    for note in &logged {
        ensure!(
            note.model == model && note.engine == engine.name(),
            "the plugin used {} with {} instead",
            note.engine,
            note.model
        );
    }
    let (lost, mispaired) = compare(&expected, &logged);
    let callbacks = &timed.callbacks;
    let (with_note, without_note) = split(callbacks, &logged);
    let inference_us = Spread::of(&logged.iter().map(|n| n.inference_us).collect::<Vec<_>>());
    let late = |note: &LoggedNote| {
        block_of(note.seen).saturating_sub(first_possible(note, callbacks, inference_us.median))
    };
    Ok(RunFindings {
        engine: engine.name().to_owned(),
        model: model.to_owned(),
        wake: wake.to_owned(),
        is_inline: logged.first().is_some_and(|note| note.inline),
        results: logged.len(),
        lost,
        mispaired,
        execution_us: Spread::of(&logged.iter().map(execution_us).collect::<Vec<_>>()),
        late: lateness(logged.iter().map(late)),
        late_for_next_block: lateness(logged.iter().map(|note| note.late_blocks as usize)),
        inference_us,
        over_deadline: logged
            .iter()
            .filter(|note| note.latency_ms(f64::from(SAMPLE_RATE)) > 20.0)
            .count(),
        callback_with_note_us: Spread::of(&with_note),
        callback_without_note_us: Spread::of(&without_note),
        missed_blocks: played.missed_blocks,
        cpu_percent: 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
        memory_mib,
        memory_before_mib,
        books_balance: counters.onsets == counters.results + counters.lost(),
        real_time_priority,
    })
}

/// What the paper measures: the decisions that are made in time to play by.
fn first_decisions(mut logged: Vec<LoggedNote>) -> Vec<LoggedNote> {
    logged.retain(|note| note.decision == Decision::First);
    logged
}

fn load(log: &std::path::Path, engine: EngineId, model: &str) -> Result<ClapHost> {
    // SAFETY: no other thread of this process is running: the plugin of an earlier run is gone.
    unsafe { event_log::log_to(log) };
    let mut host = ClapHost::load(&bundle_path("Tocco.clap")?)?;
    host.set_text("Engine", engine.name())?;
    host.set_text("Model", model)?;
    // The probabilities tell which note an answer belongs to: they must not depend on when earlier
    // answers came.
    host.set_text("Adapt while playing", "off")?;
    // The hits are bursts of noise, which models that can tell hold back.
    host.set_text("Reject foreign sounds", "off")?;
    Ok(host)
}

/// Synthesised hits at equal distances: bursts of noise of changing colour that die away within
/// milliseconds, so that each is an onset of its own however fast they come. What an inference takes
/// does not depend on what is heard.
fn notes_at_intervals(playing: Playing) -> Sound {
    let rate = f64::from(SAMPLE_RATE);
    let step_s = playing.spacing_ms / 1000.0;
    let mut noise = Noise(1);
    // A floor under it: out of digital silence everything is an onset.
    let mut samples: Vec<f32> = (0..(playing.duration_s() * rate) as usize)
        .map(|_| 1e-4 * noise.sample())
        .collect();
    for index in 0..playing.notes {
        let start = ((LEAD_S + index as f64 * step_s) * rate) as usize;
        let smoothing = 0.2 * (index % 4) as f32;
        let mut smoothed = 0.0;
        for (i, sample) in samples[start..].iter_mut().take(960).enumerate() {
            smoothed = smoothing * smoothed + (1.0 - smoothing) * noise.sample();
            *sample += 0.5 * smoothed * (-(i as f32) / 150.0).exp();
        }
    }
    Sound {
        source: "synthesised hits".to_owned(),
        sample_rate: SAMPLE_RATE,
        channels: vec![samples],
        played: Vec::new(),
        labels: Vec::new(),
    }
}

/// White noise, the same in each run.
struct Noise(u32);

impl Noise {
    /// -1 to 1. A linear congruential generator with the constants of Numerical Recipes.
    fn sample(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Of the expected results, how many did not come, and how many came with another onset's place
/// or probabilities, once more, or for an onset of which none was expected.
fn compare(expected: &[LoggedNote], logged: &[LoggedNote]) -> (usize, usize) {
    let by_id: HashMap<u64, &LoggedNote> = logged.iter().map(|note| (note.id, note)).collect();
    let (mut lost, mut mispaired) = (0, logged.len() - by_id.len());
    for note in expected {
        match by_id.get(&note.id) {
            None => lost += 1,
            Some(found) => {
                let same = found.position == note.position
                    && found.class == note.class
                    && found.probabilities == note.probabilities;
                mispaired += usize::from(!same);
            }
        }
    }
    let known: HashSet<u64> = expected.iter().map(|note| note.id).collect();
    mispaired += by_id.keys().filter(|id| !known.contains(*id)).count();
    (lost, mispaired)
}

/// Durations of the callbacks with and without features or a result in them, microseconds.
fn split(callbacks: &[Callback], logged: &[LoggedNote]) -> (Vec<f64>, Vec<f64>) {
    let mut has_note = vec![false; callbacks.len()];
    for position in logged.iter().flat_map(|n| [n.features_ready, n.seen]) {
        if let Some(flag) = has_note.get_mut(block_of(position)) {
            *flag = true;
        }
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (callback, has_note) in callbacks.iter().zip(has_note) {
        let side = if has_note { &mut with } else { &mut without };
        side.push(callback.duration_us);
    }
    (with, without)
}

/// The number of the block that ends at `position`, a sample count: hops are blocks here.
fn block_of(position: u64) -> usize {
    (position / BLOCK as u64).saturating_sub(1) as usize
}

/// From the features to the result, see [`RunFindings::execution_us`].
fn execution_us(note: &LoggedNote) -> f64 {
    if note.inline {
        note.inference_us
    } else {
        (note.seen - note.features_ready) as f64 / f64::from(SAMPLE_RATE) * 1e6
    }
}

/// The first callback that could have had the result: the one with the features if the network is
/// inline, else the first one that began no sooner than the features' callback had ended plus
/// `inference_us`, what an inference usually takes (the median of the run). So neither a callback
/// that the host makes too early counts against the plugin, nor a slow inference for it.
fn first_possible(note: &LoggedNote, callbacks: &[Callback], inference_us: f64) -> usize {
    let features = block_of(note.features_ready);
    let Some(callback) = callbacks.get(features).filter(|_| !note.inline) else {
        return features;
    };
    let finished_us = callback.start_us + callback.duration_us + inference_us;
    let later = callbacks[features + 1..].iter();
    let waiting = later.take_while(|callback| callback.start_us < finished_us);
    features + 1 + waiting.count()
}

fn lateness(late: impl Iterator<Item = usize>) -> [usize; 3] {
    let mut counts = [0; 3];
    for blocks in late {
        counts[blocks.min(2)] += 1;
    }
    counts
}

/// When a callback was made.
#[derive(Debug, Clone, Copy)]
struct Callback {
    /// Microseconds since the stream began.
    start_us: f64,
    duration_us: f64,
}

/// A stream whose callback is timed.
struct Timed<S> {
    stream: S,
    origin: Instant,
    callbacks: Vec<Callback>,
}

impl<S: PluginStream> PluginStream for Timed<S> {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        self.stream.input(channel)
    }

    fn output(&self, channel: usize) -> &[f32] {
        self.stream.output(channel)
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let start = Instant::now();
        let result = self.stream.process(frames);
        let duration = start.elapsed();
        let us = |duration: Duration| duration.as_secs_f64() * 1e6;
        self.callbacks.push(Callback {
            start_us: us(start - self.origin),
            duration_us: us(duration),
        });
        result
    }

    fn midi(&self) -> &[MidiOut] {
        self.stream.midi()
    }

    fn position(&self) -> u64 {
        self.stream.position()
    }
}

/// User and system time of this process so far.
fn processor_time() -> Result<Duration> {
    // SAFETY: an all-zero structure of integers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        ensure!(
            libc::getrusage(libc::RUSAGE_SELF, &mut usage) == 0,
            "getrusage fails"
        );
        usage
    };
    let duration =
        |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Ok(duration(usage.ru_utime) + duration(usage.ru_stime))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(ready: u64, seen: u64, inline: bool) -> LoggedNote {
        LoggedNote {
            decision: Decision::First,
            changed: false,
            instance: 0,
            id: 0,
            position: 0,
            detected: 0,
            features_ready: ready * BLOCK as u64,
            seen: seen * BLOCK as u64,
            technique: String::new(),
            class: 0,
            probability: 1.0,
            probabilities: vec![1.0],
            peak_db: 0.0,
            gated: false,
            rejected: false,
            inline,
            inference_us: 0.0,
            late_blocks: 0,
            model: String::new(),
            engine: String::new(),
        }
    }

    #[test]
    fn all_notes_have_room_and_two_that_follow_each_other_another_place_in_a_block() {
        // Asked for is a whole number of blocks: played is a third of one more.
        let playing = Playing::new(3_000, 32.0);
        let blocks = playing.spacing_ms * 1000.0 / BLOCK_US;
        assert!((blocks - (24.0 + 1.0 / 3.0)).abs() < 1e-6, "{blocks}");
        // What a process is told that measures is played as it is.
        let again = Playing::new(playing.notes, playing.spacing_ms);
        assert!((again.spacing_ms - playing.spacing_ms).abs() < 1e-9);

        let sound = notes_at_intervals(playing);
        assert!((sound.duration_s() - playing.duration_s()).abs() < 1e-3);
        let peak = |from: usize, n: usize| {
            let samples = sound.channels[0][from..][..n].iter();
            samples.fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
        };
        let rate = f64::from(SAMPLE_RATE);
        let start =
            |note: usize| ((LEAD_S + note as f64 * playing.spacing_ms / 1000.0) * rate) as usize;
        for note in [0, 1, 1_500, 2_999] {
            // Its place is rounded to a sample.
            assert!(peak(start(note) - 210, 200) < 1e-3, "before note {note}");
            assert!(peak(start(note), 200) > 0.05, "note {note}");
        }
        let tail = (TAIL_S * rate) as usize;
        assert!(peak(sound.len() - tail / 2, tail / 2) < 1e-3);
        assert_ne!(start(0) % BLOCK, start(1) % BLOCK);
        assert_ne!(start(1) % BLOCK, start(2) % BLOCK);
    }

    #[test]
    fn late_is_measured_from_when_the_inference_could_have_finished() {
        // The host is late with the fourth callback and makes the fifth at once.
        let starts = [0.0, 1333.0, 2667.0, 5300.0, 5310.0, 6667.0];
        let callbacks = starts.map(|start_us| Callback {
            start_us,
            duration_us: 10.0,
        });
        let first = |ready, inference_us| {
            // Blocks are counted from one in positions, which are their ends.
            first_possible(&note(ready, 0, false), &callbacks, inference_us)
        };
        assert_eq!(first(1, 100.0), 1, "the next callback");
        assert_eq!(first(1, 1400.0), 2, "an inference longer than a block");
        assert_eq!(first(4, 100.0), 5, "the one made at once is no chance");
        assert_eq!(first(6, 100.0), 6, "none was made any more");
        assert_eq!(first_possible(&note(3, 3, true), &callbacks, 1e6), 2);
        assert_eq!(lateness([0, 1, 0, 2, 7].into_iter()), [2, 1, 2]);
    }

    #[test]
    fn lost_and_mispaired_results_are_found() {
        let numbered = |id| LoggedNote {
            id,
            ..note(1, 1, true)
        };
        let expected = [numbered(0), numbered(1), numbered(2)];
        let wrong = LoggedNote {
            probabilities: vec![0.5],
            ..numbered(2)
        };
        assert_eq!(compare(&expected, &expected), (0, 0));
        assert_eq!(compare(&expected, &[numbered(0), wrong]), (1, 1));
        assert_eq!(compare(&expected[..1], &[numbered(0), numbered(0)]), (0, 1));
        // Where the offline run hears nothing, nothing is as expected.
        assert_eq!(compare(&expected[..2], &expected), (0, 1));
        assert_eq!(compare(&[], &expected), (0, 3));
    }

    #[test]
    fn callbacks_are_told_apart_by_their_notes() {
        let callbacks = [1.0, 2.0, 3.0, 4.0].map(|duration_us| Callback {
            start_us: 0.0,
            duration_us,
        });
        let (with, without) = split(&callbacks, &[note(2, 3, false)]);
        assert_eq!((with, without), (vec![2.0, 3.0], vec![1.0, 4.0]));
    }
}
