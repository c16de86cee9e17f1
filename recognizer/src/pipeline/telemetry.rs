//! What is told of the pipeline, and to it, between two threads.

use std::sync::atomic::AtomicU64;

use crate::adaptation::examples::Teaching;
use crate::adaptation::take;
use crate::counters::Counters;
use crate::level_feed::LevelFeed;
use crate::meters::Meters;

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
