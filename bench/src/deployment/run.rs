//! One combination of engine, network and wake, measured in this process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use tocco_dsp::SAMPLE_RATE;
use tocco_dsp::synth::{Performance, Stroke, Technique};
use tocco_engines::EngineId;

use crate::clap_host::ClapHost;
use crate::event_log::{self, EventLog, LoggedNote};
use crate::memory::resident_mib;
use crate::plugin_host::{
    MidiMessage, MidiOut, PluginHost, PluginStream, StreamFormat, bundle_path,
};
use crate::real_time;
use crate::sound::Sound;
use crate::streaming::{self, Speed};

/// Samples in a block, as in the paper.
const BLOCK: usize = StreamFormat::PAPER.max_block;

/// Seconds between two notes. The paper has 2; the caches are cold after this time, too.
const GAP_S: f64 = 0.25;

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
    /// Results that differ from the offline run's result for the same onset.
    pub mispaired: usize,
    /// Microseconds from the features to the result, as the audio thread sees it: the inference
    /// itself if it is inline, else whole blocks.
    pub execution_us: Spread,
    /// Microseconds that the inference takes on its thread.
    pub inference_us: Spread,
    /// Results later than the first block after the features by none, one, and more blocks.
    pub late: [usize; 3],
    /// Results later than the first block after the inference could have finished.
    pub later_than_possible: [usize; 3],
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
    /// Whether the host's audio thread runs at real-time priority.
    pub real_time_priority: bool,
}

/// How values are spread.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// What half of them stay under or reach.
    pub median: f64,
    /// What 99.9 % of them stay under or reach.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these values.
    pub fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        let rank = |share: f64| values[((share * count as f64).ceil() as usize).max(1) - 1];
        Self {
            count,
            mean,
            std: variance.sqrt(),
            median: rank(0.5),
            p999: rank(0.999),
            max: values[count - 1],
        }
    }
}

/// Measures in this process; `TOCCO_WAKE` must be set to `wake` already.
///
/// # Errors
/// If the plugin fails, or uses another engine or model than asked for.
pub fn measure(engine: EngineId, model: &str, wake: &str, notes: usize) -> Result<RunFindings> {
    let folder = tempfile::tempdir().context("no temporary folder for the event log")?;
    let sound = notes_at_intervals(notes);

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
    let expected = EventLog::new(&offline_path).read_new()?;

    let path = folder.path().join("events.jsonl");
    let mut host = load(&path, engine, model)?;
    let stream = host.activate(StreamFormat::PAPER)?;
    let before = processor_time()?;
    let start = Instant::now();
    let (timed, played, real_time_priority) = std::thread::scope(|scope| {
        let audio = scope.spawn(|| {
            let permitted = real_time::schedule_as_audio_thread().is_ok();
            let mut timed = Timed {
                stream,
                durations: Vec::with_capacity(sound.len() / BLOCK + 1),
            };
            let blocks = std::iter::repeat(BLOCK);
            let played = streaming::play(&mut timed, &sound, blocks, Speed::REAL_TIME);
            (timed, played, permitted)
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
    let logged = EventLog::new(&path).read_new()?;
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
    let (with_note, without_note) = split(&timed.durations, &logged);
    Ok(RunFindings {
        engine: engine.name().to_owned(),
        model: model.to_owned(),
        wake: wake.to_owned(),
        is_inline: logged.first().is_some_and(|note| note.inline),
        results: logged.len(),
        lost,
        mispaired,
        execution_us: Spread::of(logged.iter().map(execution_us).collect()),
        inference_us: Spread::of(logged.iter().map(|note| note.inference_us).collect()),
        late: lateness(logged.iter().map(|note| note.late_blocks)),
        later_than_possible: lateness(logged.iter().map(blocks_beyond_possible)),
        over_deadline: logged
            .iter()
            .filter(|note| note.latency_ms(f64::from(SAMPLE_RATE)) > 20.0)
            .count(),
        callback_with_note_us: Spread::of(with_note),
        callback_without_note_us: Spread::of(without_note),
        missed_blocks: played.missed_blocks,
        cpu_percent: 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
        memory_mib,
        real_time_priority,
    })
}

fn load(log: &std::path::Path, engine: EngineId, model: &str) -> Result<ClapHost> {
    // SAFETY: no other thread of this process is running: the plugin of an earlier run is gone.
    unsafe { std::env::set_var(event_log::VARIABLE, log) };
    let mut host = ClapHost::load(&bundle_path("Tocco.clap")?)?;
    host.set_text("Engine", engine.name())?;
    host.set_text("Model", model)?;
    Ok(host)
}

/// Synthesised notes of all techniques, [`GAP_S`] apart, never at the same place in a block.
fn notes_at_intervals(notes: usize) -> Sound {
    let score: Vec<Stroke> = (0..notes)
        .map(|index| Stroke {
            // A third of a block's length more each time.
            time_s: 0.5 + index as f64 * (GAP_S + BLOCK as f64 / 3.0 / f64::from(SAMPLE_RATE)),
            technique: Technique::ALL[index % Technique::ALL.len()],
            string: 1 + (index % 6) as u8,
            fret: (index % 5) as u8,
            peak_db: -8.0,
            ring_s: 0.12,
        })
        .collect();
    Sound {
        source: "synthesised notes".to_owned(),
        sample_rate: SAMPLE_RATE,
        channels: vec![Performance::play(&score, 7).samples],
        played: Vec::new(),
        labels: Vec::new(),
    }
}

/// Of the expected results, how many did not come, and how many came with another onset's place
/// or probabilities.
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
    (lost, mispaired)
}

/// Callback durations of blocks with and without features or a result in them.
fn split(durations: &[Duration], logged: &[LoggedNote]) -> (Vec<f64>, Vec<f64>) {
    let mut has_note = vec![false; durations.len()];
    for position in logged.iter().flat_map(|n| [n.features_ready, n.seen]) {
        // Positions are the ends of hops, which are the ends of blocks.
        if let Some(flag) = has_note.get_mut((position / BLOCK as u64) as usize - 1) {
            *flag = true;
        }
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (duration, has_note) in durations.iter().zip(has_note) {
        let side = if has_note { &mut with } else { &mut without };
        side.push(duration.as_secs_f64() * 1e6);
    }
    (with, without)
}

/// From the features to the result, see [`RunFindings::execution_us`].
fn execution_us(note: &LoggedNote) -> f64 {
    if note.inline {
        note.inference_us
    } else {
        (note.seen - note.features_ready) as f64 / f64::from(SAMPLE_RATE) * 1e6
    }
}

/// Callbacks later than the first one after the inference could have finished, had it begun the
/// moment the features were there.
fn blocks_beyond_possible(note: &LoggedNote) -> u64 {
    let block_us = BLOCK as f64 / f64::from(SAMPLE_RATE) * 1e6;
    let needed = (note.inference_us / block_us) as u64;
    note.late_blocks.saturating_sub(needed)
}

fn lateness(late: impl Iterator<Item = u64>) -> [usize; 3] {
    let mut counts = [0; 3];
    for blocks in late {
        counts[blocks.min(2) as usize] += 1;
    }
    counts
}

/// A stream whose callback is timed.
struct Timed<S> {
    stream: S,
    durations: Vec<Duration>,
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
        self.durations.push(start.elapsed());
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

    #[test]
    fn the_spread_of_a_thousand_values() {
        let spread = Spread::of((1..=1000).rev().map(f64::from).collect());
        assert_eq!((spread.count, spread.mean), (1000, 500.5));
        assert_eq!(
            (spread.median, spread.p999, spread.max),
            (500.0, 999.0, 1000.0)
        );
        assert!((spread.std - 288.675).abs() < 1e-3);
        assert_eq!(Spread::of(Vec::new()).count, 0);
    }
}
