//! Plays a sound through a running plugin, block by block.

use anyhow::{Context, Result};

use crate::plugin_host::{MidiOut, PluginStream};
use crate::real_time::Pace;
use crate::sound::Sound;

/// When a block begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As soon as the one before has ended.
    Unpaced,
    /// When the clock says so, this many times faster than the sound.
    Times(f64),
}

impl Speed {
    /// At the pace of a sound card.
    pub const REAL_TIME: Self = Self::Times(1.0);
}

/// What came of a sound that went through the plugin.
pub struct Played {
    /// Everything the plugin sent.
    pub midi: Vec<MidiOut>,
    /// Samples of the output that differ from the input in a single bit.
    pub altered: u64,
    /// Blocks.
    pub blocks: u64,
    /// Blocks that began later than the following one was due; 0 if unpaced.
    pub missed_blocks: u64,
    /// Milliseconds that each block began after it was due; none if unpaced. Nothing of it is the
    /// plugin's, unless a callback takes longer than its block.
    pub late_ms: Vec<f64>,
    /// Seconds it took.
    pub elapsed_s: f64,
}

/// Samples in a short block: with none that is shorter, nothing grows while the clock runs.
const SHORT_BLOCK: usize = 16;

/// Plays `sound` in blocks of the lengths that `blocks` gives, in samples.
///
/// # Errors
/// If the plugin reports a failure.
pub fn play<S: PluginStream>(
    stream: &mut S,
    sound: &Sound,
    mut blocks: impl Iterator<Item = usize>,
    speed: Speed,
) -> Result<Played> {
    let times = match speed {
        Speed::Unpaced => None,
        Speed::Times(times) => Some(times),
    };
    let mut pace = Pace::new(f64::from(sound.sample_rate) * times.unwrap_or(1.0));
    let mut played = Played {
        // Sixteen messages for each of ten notes a second: no growth while the clock runs.
        midi: Vec::with_capacity((sound.duration_s() * 160.0) as usize + 1024),
        altered: 0,
        blocks: 0,
        missed_blocks: 0,
        late_ms: Vec::with_capacity(sound.len() / SHORT_BLOCK + 1),
        elapsed_s: 0.0,
    };
    let mut start = 0;
    while start < sound.len() {
        let frames = blocks
            .next()
            .context("the block lengths end before the sound")?;
        let end = sound.len().min(start + frames);
        for (index, channel) in sound.channels.iter().enumerate() {
            stream.input(index)[..end - start].copy_from_slice(&channel[start..end]);
        }
        if times.is_some() {
            let late = pace.wait_for(end as u64, frames);
            played.late_ms.push(late.as_secs_f64() * 1000.0);
        }
        stream.process(end - start)?;
        played.blocks += 1;
        played.midi.extend_from_slice(stream.midi());
        for (index, channel) in sound.channels.iter().enumerate() {
            let output = &stream.output(index)[..end - start];
            let pairs = output.iter().zip(&channel[start..end]);
            let altered = pairs.filter(|(out, input)| out.to_bits() != input.to_bits());
            played.altered += altered.count() as u64;
        }
        start = end;
    }
    played.missed_blocks = pace.missed;
    played.elapsed_s = pace.elapsed().as_secs_f64();
    Ok(played)
}
