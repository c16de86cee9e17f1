//! What many instances of the plugin cost: processor time of their threads, and results late,
//! with all of them in one host that calls one after the other in each block.

use std::fmt;
use std::iter::repeat;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use tocco_dsp::synth::{Performance, Stroke};
use tocco_dsp::{SAMPLE_RATE, Technique};
use tocco_engines::EngineId;

use crate::clap_host::{ClapHost, ClapStream};
use crate::event_log::{self, EventLog};
use crate::machine::Machine;
use crate::plugin_host::{MidiOut, PluginHost, PluginStream, StreamFormat, bundle_path};
use crate::real_time;
use crate::sound::Sound;
use crate::streaming::{self, Speed};

/// Notes a second where notes are played.
const NOTES_PER_SECOND: f64 = 2.0;

/// How much may be played, and in what.
pub struct Instances {
    /// How many instances, one measurement each.
    pub counts: Vec<usize>,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// The engine.
    pub engine: EngineId,
    /// Id of the model package.
    pub model: String,
}

/// The measurements.
#[derive(Debug, Serialize)]
pub struct InstancesReport {
    /// The machine.
    #[serde(flatten)]
    pub machine: Machine,
    /// Name of the engine.
    pub engine: &'static str,
    /// Id of the model package.
    pub model: String,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// One after the other.
    pub runs: Vec<InstancesFindings>,
}

/// One measurement. Shares are in percent of one processor core, for each instance.
#[derive(Debug, Serialize)]
pub struct InstancesFindings {
    /// How many instances.
    pub instances: usize,
    /// Notes a second that each of them heard; 0 is silence.
    pub notes_per_second: f64,
    /// Of each classifier thread.
    pub classifier_percent: f64,
    /// Of each service thread.
    pub service_percent: f64,
    /// Of the audio thread, which calls all instances: divided by their number.
    pub audio_percent: f64,
    /// Onsets that all instances heard.
    pub onsets: u64,
    /// Results that reached the audio thread.
    pub results: u64,
    /// Onsets without one: dropped, failed or abandoned.
    pub lost: u64,
    /// Results by callbacks after the one that follows the features': none, one, more.
    pub late: [u64; 3],
    /// Blocks that the host began later than the following one was due.
    pub missed_blocks: u64,
}

impl Instances {
    /// Measures, silence and notes for each count.
    ///
    /// # Errors
    /// If the plugin fails.
    pub fn run(&self, mut on_run: impl FnMut(&InstancesFindings)) -> Result<InstancesReport> {
        let mut runs = Vec::new();
        for instances in &self.counts {
            for notes_per_second in [0.0, NOTES_PER_SECOND] {
                let findings = self.measure(*instances, notes_per_second)?;
                on_run(&findings);
                runs.push(findings);
            }
        }
        Ok(InstancesReport {
            machine: Machine::this(),
            engine: self.engine.name(),
            model: self.model.clone(),
            seconds: self.seconds,
            runs,
        })
    }

    fn measure(&self, instances: usize, notes_per_second: f64) -> Result<InstancesFindings> {
        ensure!(instances > 0, "0 instances cannot be measured");
        let folder = tempfile::tempdir().context("no temporary folder for the event log")?;
        let log = folder.path().join("events.jsonl");
        let mut hosts = self.load(instances, &log)?;
        let streams = hosts
            .iter_mut()
            .map(|host| host.activate(StreamFormat::PAPER))
            .collect::<Result<Vec<ClapStream>>>()?;
        let sound = playing(self.seconds, notes_per_second);
        let threads = || ["tocco-classify", "tocco-service", AUDIO_THREAD].map(processor_time);
        let (used, together, played) = std::thread::scope(|scope| -> Result<_> {
            let audio = std::thread::Builder::new()
                .name(AUDIO_THREAD.to_owned())
                .spawn_scoped(scope, || {
                    // Without the permission it runs as an ordinary thread.
                    let _ = real_time::schedule_as_audio_thread();
                    let mut together = Together { streams };
                    let before = threads();
                    let blocks = repeat(StreamFormat::PAPER.max_block);
                    let played = streaming::play(&mut together, &sound, blocks, Speed::REAL_TIME)?;
                    let after = threads();
                    let used: [f64; 3] = std::array::from_fn(|i| after[i] - before[i]);
                    Ok::<_, anyhow::Error>((used, together, played))
                })?;
            audio
                .join()
                .map_err(|_| anyhow!("the audio thread panicked"))?
        })?;
        for (host, stream) in hosts.iter_mut().zip(together.streams) {
            host.deactivate(stream);
        }
        drop(hosts);
        let mut log = EventLog::new(&log);
        for note in log.read_new()? {
            ensure!(
                note.model == self.model && note.engine == self.engine.name(),
                "{} with {} was asked for, but the plugin used {} with {}",
                self.engine,
                self.model,
                note.engine,
                note.model
            );
        }
        let counters: Vec<_> = log.counters().values().collect();
        ensure!(
            counters.len() == instances,
            "{instances} instances ran and {} closed their books",
            counters.len()
        );
        let percent = |i: usize| 100.0 * used[i] / played.elapsed_s / instances as f64;
        Ok(InstancesFindings {
            instances,
            notes_per_second,
            classifier_percent: percent(0),
            service_percent: percent(1),
            audio_percent: percent(2),
            onsets: counters.iter().map(|c| c.onsets).sum(),
            results: counters.iter().map(|c| c.results).sum(),
            lost: counters.iter().map(|c| c.lost()).sum(),
            late: std::array::from_fn(|n| counters.iter().map(|c| c.late_blocks[n]).sum()),
            missed_blocks: played.missed_blocks,
        })
    }

    fn load(&self, instances: usize, log: &Path) -> Result<Vec<ClapHost>> {
        // SAFETY: no other thread of this process is running: earlier plugins are gone.
        unsafe { event_log::log_to(log) };
        (0..instances)
            .map(|_| {
                let mut host = ClapHost::load(&bundle_path("Tocco.clap")?)?;
                host.set_text("Engine", self.engine.name())?;
                host.set_text("Model", &self.model)?;
                Ok(host)
            })
            .collect()
    }
}

/// Name of the host's audio thread.
const AUDIO_THREAD: &str = "audio";

/// Notes of all techniques, or the quiet room alone.
fn playing(seconds: f64, notes_per_second: f64) -> Sound {
    // The performance goes on for a second after its last note.
    let notes = (notes_per_second * (seconds - 1.0)).max(0.0) as usize;
    let score: Vec<Stroke> = (0..notes)
        .map(|index| Stroke {
            time_s: 0.25 + index as f64 / notes_per_second,
            technique: Technique::ALL[index % Technique::ALL.len()],
            string: 1 + (index % 6) as u8,
            fret: (index % 5) as u8,
            peak_db: -8.0,
            ring_s: 0.12,
        })
        .collect();
    let mut samples = Performance::play(&score, 7).samples;
    let room = samples[..SAMPLE_RATE as usize / 8].to_vec();
    let length = (seconds * f64::from(SAMPLE_RATE)) as usize;
    while samples.len() < length {
        samples.extend_from_slice(&room);
    }
    samples.truncate(length);
    Sound {
        source: "synthesised notes".to_owned(),
        sample_rate: SAMPLE_RATE,
        channels: vec![samples],
        played: Vec::new(),
        labels: Vec::new(),
    }
}

/// Processor time that this process's threads of that name have used, seconds.
fn processor_time(name: &str) -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let found = std::fs::read_to_string(task.path().join("comm")).ok()?;
        // The kernel's own account, in nanoseconds: time on a core comes first.
        let used = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        (found.trim() == name).then(|| used.split(' ').next()?.parse::<u64>().ok())?
    });
    Duration::from_nanos(nanoseconds.sum()).as_secs_f64()
}

/// Streams that are called one after the other; their input is the first one's.
struct Together {
    streams: Vec<ClapStream>,
}

impl PluginStream for Together {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        self.streams[0].input(channel)
    }

    fn output(&self, channel: usize) -> &[f32] {
        self.streams[0].output(channel)
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let (first, others) = self
            .streams
            .split_first_mut()
            .context("there is an instance")?;
        for other in others.iter_mut() {
            other.input(0)[..frames].copy_from_slice(&first.input(0)[..frames]);
        }
        first.process(frames)?;
        others
            .iter_mut()
            .try_for_each(|other| other.process(frames))
    }

    fn midi(&self) -> &[MidiOut] {
        self.streams[0].midi()
    }

    fn position(&self) -> u64 {
        self.streams[0].position()
    }
}

/// The first line of the table, of which [`InstancesFindings`] is a line.
pub const HEADER: &str = "instances  notes/s   % of a core for each instance        onsets  \
results  lost    late 0 / 1 / 2+   missed\n\
                     classifier  service    audio";

impl fmt::Display for InstancesFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9}{:>9.0}{:>12.2}{:>9.2}{:>9.2}{:>20}{:>9}{:>6}{:>10} /{:>3} /{:>3}{:>8}",
            self.instances,
            self.notes_per_second,
            self.classifier_percent,
            self.service_percent,
            self.audio_percent,
            self.onsets,
            self.results,
            self.lost,
            self.late[0],
            self.late[1],
            self.late[2],
            self.missed_blocks,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_is_as_long_as_asked_for() {
        for notes_per_second in [0.0, NOTES_PER_SECOND] {
            let sound = playing(3.0, notes_per_second);
            assert_eq!(sound.len(), 3 * SAMPLE_RATE as usize);
            let loud = sound.channels[0].iter().any(|sample| sample.abs() > 0.1);
            assert_eq!(loud, notes_per_second > 0.0);
        }
    }

    #[test]
    fn a_threads_processor_time_is_found_by_its_name() {
        let used = std::thread::Builder::new()
            .name("busy for a while".to_owned())
            .spawn(|| {
                let start = std::time::Instant::now();
                while start.elapsed() < Duration::from_millis(20) {
                    std::hint::spin_loop();
                }
                // The kernel keeps 15 bytes of a name.
                processor_time("busy for a whil")
            })
            .unwrap();
        assert!(used.join().unwrap() > 0.0);
        assert_eq!(processor_time("no such thread"), 0.0);
    }
}
