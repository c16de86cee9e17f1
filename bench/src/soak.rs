//! Hours of audio through one instance of the plugin, rendered offline, while states are loaded,
//! models are swapped and the rate changes: memory must stay flat, and no note may go uncounted.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use crate::audit::callback::{SetAtEnd, long_performance, states};
use crate::clap_host::ClapHost;
use crate::event_log::{self, Counters, Decision, EventLog};
use crate::memory::resident_mib;
use crate::plugin_host::{MidiMessage, MidiOut, PluginHost, StreamFormat, bundle_path};
use crate::streaming::{self, Speed};

/// Audio between two changes of the rate, in seconds.
const SEGMENT_S: f64 = 600.0;

/// Host rates, in turn, in Hz.
const RATES: [u32; 4] = [48_000, 44_100, 96_000, 48_000];

/// Block lengths, in turn, in samples.
const BLOCKS: [usize; 4] = [64, 512, 128, 1024];

/// Time between two state loads.
const DISTURBANCE: Duration = Duration::from_millis(50);

/// Segments until caches, arenas and buffers have their size.
const WARM_UP: usize = 4;

/// What the least resident memory may grow by from the first half to the second, in MiB: the arenas of malloc give back in their own time.
const MEMORY_TOLERANCE_MIB: f64 = 4.0;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct SoakFindings {
    /// Hours of audio.
    pub hours: f64,
    /// Callbacks.
    pub blocks: u64,
    /// Times the stream began anew, at another rate and block length.
    pub activations: usize,
    /// States that were loaded, each with another model.
    pub state_loads: u64,
    /// Minutes it took.
    pub minutes: f64,
    /// Notes that the host was sent.
    pub midi_notes: u64,
    /// Lines of first decisions in the event log.
    pub logged: u64,
    /// Lines of second decisions in it.
    pub second_logged: u64,
    /// Samples of the output that differ from the input.
    pub altered_samples: u64,
    /// The plugin's own counters.
    pub counters: Counters,
    /// Resident memory after each segment, in MiB.
    pub memory_mib: Vec<f64>,
    /// What is wrong; empty if nothing is.
    pub failures: Vec<String>,
}

/// Streams so many hours, a number above 0. `on_segment` is called after each segment with the hours so far.
///
/// # Errors
/// If there is no such number of hours, or the plugin fails.
pub fn run(hours: f64, mut on_segment: impl FnMut(f64, f64)) -> Result<SoakFindings> {
    ensure!(
        hours.is_finite() && hours > 0.0,
        "--hours: expected a number above 0, found {hours}"
    );
    let folder = tempfile::tempdir().context("no temporary folder for the event log")?;
    let path = folder.path().join("events.jsonl");
    // SAFETY: nothing else runs in this process yet that reads the environment.
    unsafe { event_log::log_to(&path) };
    let mut host = ClapHost::load(&bundle_path("Tocco.clap")?)?;
    // Each result is to be a MIDI note.
    host.set_text("Reject foreign sounds", "off")?;
    let states = states(&mut host)?;
    let mut sound = long_performance(SEGMENT_S.min(hours * 3600.0));
    let mut findings = SoakFindings::default();
    let start = Instant::now();
    // A segment at a higher rate is a shorter one.
    while findings.hours < hours {
        let segment = findings.activations;
        let block = BLOCKS[segment / RATES.len() % BLOCKS.len()];
        sound.sample_rate = RATES[segment % RATES.len()];
        let mut stream = host.activate(StreamFormat {
            sample_rate: f64::from(sound.sample_rate),
            max_block: block,
            channels: 1,
            offline: true,
        })?;
        let ended = AtomicBool::new(false);
        let (stream, played) = std::thread::scope(|scope| -> Result<_> {
            let audio = scope.spawn(|| {
                let _ended = SetAtEnd(&ended);
                let blocks = std::iter::repeat(block);
                let played = streaming::play(&mut stream, &sound, blocks, Speed::Unpaced);
                (stream, played)
            });
            while !ended.load(Acquire) {
                host.restore_state(&states[findings.state_loads as usize % states.len()])?;
                findings.state_loads += 1;
                host.idle();
                std::thread::sleep(DISTURBANCE);
            }
            audio
                .join()
                .map_err(|_| anyhow!("the audio thread panicked"))
        })?;
        host.deactivate(stream);
        let played = played?;
        let begins = |event: &&MidiOut| matches!(event.message, MidiMessage::NoteOn { .. });
        findings.midi_notes += played.midi.iter().filter(begins).count() as u64;
        findings.blocks += played.blocks;
        findings.altered_samples += played.altered;
        findings.activations += 1;
        findings.hours += sound.duration_s() / 3600.0;
        findings.memory_mib.push(resident_mib()?);
        on_segment(findings.hours, findings.memory_mib[segment]);
    }
    drop(host);
    findings.minutes = start.elapsed().as_secs_f64() / 60.0;
    findings.read_log(&path)?;
    findings.judge();
    Ok(findings)
}

impl SoakFindings {
    fn read_log(&mut self, path: &Path) -> Result<()> {
        let mut log = EventLog::new(path);
        let (first, second) =
            (log.read_new()?.iter()).fold((0, 0), |(first, second), note| match note.decision {
                Decision::First => (first + 1, second),
                Decision::Second => (first, second + 1),
            });
        (self.logged, self.second_logged) = (first, second);
        let counters = log.counters().values().next();
        self.counters = counters
            .cloned()
            .context("the event log does not end with the plugin's counters")?;
        Ok(())
    }

    fn judge(&mut self) {
        let mut failures = Vec::new();
        let Counters {
            onsets,
            results,
            unlogged,
            ..
        } = self.counters;
        let lost = self.counters.lost();
        if onsets == 0 || onsets != results + lost {
            failures.push(format!(
                "{onsets} onsets, but {results} results and {lost} counted losses"
            ));
        }
        let second = &self.counters.second;
        if second.expected == 0 {
            failures.push(
                "too short: no model with second decisions was taken into use; give more --hours"
                    .to_owned(),
            );
        } else if second.expected != second.results + second.given_up() {
            failures.push(format!("the books of second decisions: {second:?}"));
        }
        let second_lines = second.results - second.unlogged;
        for (name, expected, count) in [
            ("lines in the log", results - unlogged, self.logged),
            (
                "lines of second decisions",
                second_lines,
                self.second_logged,
            ),
            ("MIDI notes", results, self.midi_notes),
            ("callbacks counted", self.blocks, self.counters.callbacks),
        ] {
            if count != expected {
                failures.push(format!("expected {expected} {name}, found {count}"));
            }
        }
        let learned = self.counters.learned;
        if learned == 0 || learned > results {
            failures.push(format!("{learned} of {results} results taught something"));
        }
        if self.counters.swaps == 0 {
            failures.push("no model was swapped: nothing was tried".to_owned());
        }
        if self.altered_samples > 0 {
            failures.push(format!("{} samples were altered", self.altered_samples));
        }
        // A model that is just being loaded comes on top, so the floors are compared.
        let settled = self.memory_mib.get(WARM_UP..).unwrap_or_default();
        let (early, late) = settled.split_at(settled.len() / 2);
        if settled.len() < 2 {
            eprintln!("soak: too short to judge whether memory grows");
        }
        let floor = |memory: &[f64]| memory.iter().copied().reduce(f64::min);
        if let (Some(early), Some(late)) = (floor(early), floor(late))
            && late - early > MEMORY_TOLERANCE_MIB
        {
            failures.push(format!("memory grew from {early:.1} to {late:.1} MiB"));
        }
        self.failures = failures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_hours_is_refused() {
        for hours in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let message = run(hours, |_, _| ()).unwrap_err().to_string();
            assert!(message.contains("expected a number above 0"), "{message}");
        }
    }

    #[test]
    fn a_run_without_second_decisions_was_too_short() {
        let mut findings = SoakFindings::default();
        findings.judge();
        let told = findings.failures.join("; ");
        assert!(told.contains("too short: "), "{told}");
    }
}
