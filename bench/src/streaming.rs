//! Plays a sound through a running plugin, block by block.

use anyhow::Result;

use crate::plugin_host::{MidiOut, PluginStream};
use crate::real_time::Pace;
use crate::sound::Sound;

/// What came of a sound that went through the plugin.
pub struct Played {
    /// Everything the plugin sent.
    pub midi: Vec<MidiOut>,
    /// Samples of the output that differ from the input in a single bit.
    pub altered: u64,
    /// Blocks that began later than the following one was due; 0 offline.
    pub missed_blocks: u64,
    /// Seconds it took.
    pub elapsed_s: f64,
}

/// Plays `sound` in blocks of `block` samples; at the pace of the clock unless `offline`.
///
/// # Errors
/// If the plugin reports a failure.
pub fn play<S: PluginStream>(
    stream: &mut S,
    sound: &Sound,
    block: usize,
    offline: bool,
) -> Result<Played> {
    let mut pace = Pace::new(f64::from(sound.sample_rate));
    // Sixteen messages for each of ten notes a second: no growth while the clock runs.
    let mut midi = Vec::with_capacity((sound.duration_s() * 160.0) as usize + 1024);
    let mut altered = 0;
    let first = stream.position();
    for start in (0..sound.len()).step_by(block) {
        let frames = block.min(sound.len() - start);
        for (index, channel) in sound.channels.iter().enumerate() {
            stream.input(index)[..frames].copy_from_slice(&channel[start..start + frames]);
        }
        if !offline {
            pace.wait_for((start + frames) as u64, frames);
        }
        stream.process(frames)?;
        debug_assert_eq!(stream.position(), first + (start + frames) as u64);
        midi.extend_from_slice(stream.midi());
        for (index, channel) in sound.channels.iter().enumerate() {
            let output = &stream.output(index)[..frames];
            altered += output
                .iter()
                .zip(&channel[start..start + frames])
                .filter(|(out, input)| out.to_bits() != input.to_bits())
                .count() as u64;
        }
    }
    Ok(Played {
        midi,
        altered,
        missed_blocks: pace.missed,
        elapsed_s: pace.elapsed().as_secs_f64(),
    })
}
