//! The end of the program, which comes whoever asks for it and whatever the framework waits for.
//!
//! At its end the framework waits for its audio thread, and that waits for the next block: for ever, if the
//! JACK server is gone. If the interface is gone the audio thread ends, and the framework goes on without
//! sound. Neither may cost what was taught, or leave a note sounding.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::StandaloneError;
use super::listing::Listing;
use super::midi_port::MidiPort;
use super::state_file::StateFile;
use crate::service::Shared;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(10);

/// Longest wait for the notes to be ended: three of the longest blocks, 8192 samples at 44.1 kHz.
const NOTES: Duration = Duration::from_millis(600);

/// Longest wait for the framework to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Seconds without a block after which none is expected any more.
pub const STILL_SECONDS: u32 = 8;

/// How often the blocks are counted in a second.
const TICKS_PER_SECOND: u32 = 4;

/// What is to be done at the end.
#[derive(Default)]
pub struct AtEnd {
    /// The port to close.
    pub port: Option<MidiPort>,
    /// The listing to complete.
    pub listing: Option<Listing>,
    /// What is saved, and where.
    pub state: Option<(StateFile, Arc<Shared>)>,
}

/// Shared by the audio thread and by all that may end the program.
#[derive(Default)]
pub struct End {
    /// Blocks that were played.
    blocks: AtomicU64,
    /// Whether the end was asked for.
    asked: AtomicBool,
    /// Whether a thread sees to it.
    claimed: AtomicBool,
    at_end: Mutex<AtEnd>,
}

impl End {
    /// For the audio thread: whether notes are to end and none is to begin. Real-time safe.
    pub fn is_asked(&self) -> bool {
        self.asked.load(SeqCst)
    }

    /// For the audio thread, after each block. Real-time safe.
    pub fn count_block(&self) {
        self.blocks.fetch_add(1, SeqCst);
    }

    /// What is to be done at the end. Takes a lock.
    pub fn at_end(&self) -> MutexGuard<'_, AtEnd> {
        self.at_end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the end, and waits until the audio thread has ended all notes, if it still runs.
    pub fn end_notes(&self) {
        self.asked.store(true, SeqCst);
        // The block under way may not know of it. The next one ends them, and JACK has that one when
        // another was played.
        let until = self.blocks.load(SeqCst) + 3;
        wait(NOTES, || self.blocks.load(SeqCst) >= until);
    }

    /// Makes the caller the one that ends the program. If another thread is that, it never returns.
    pub fn claim(&self) {
        if self.claimed.swap(true, AcqRel) {
            loop {
                std::thread::park();
            }
        }
    }

    /// Closes what is open, which ends the notes that still sound, and saves. For the thread that ends the
    /// program.
    ///
    /// # Errors
    /// When it cannot be saved.
    pub fn close(&self) -> Result<(), StandaloneError> {
        let AtEnd {
            port,
            listing,
            state,
        } = std::mem::take(&mut *self.at_end());
        drop(port);
        if let Some(listing) = listing {
            listing.finish();
        }
        match state {
            Some((file, shared)) => file.save(&shared.params),
            None => Ok(()),
        }
    }

    /// Ends the program with this outcome, whatever the framework does.
    pub fn now(&self, outcome: Result<(), StandaloneError>) -> ! {
        self.claim();
        let mut code = 0;
        let mut tell = |outcome: Result<(), StandaloneError>| {
            if let Err(error) = outcome {
                // A terminal that was closed takes nothing, and is no reason not to end.
                let _ = writeln!(std::io::stderr(), "tocco: {error}");
                code = 1;
            }
        };
        tell(outcome);
        tell(self.close());
        std::process::exit(code)
    }

    /// Ends the program unless the framework, which knows of it, does so by itself in time.
    pub fn soon(&self) -> ! {
        wait(PATIENCE, || self.claimed.load(Acquire));
        self.now(Ok(()))
    }

    /// Ends the program when the sound has stopped, until the end is asked for.
    pub fn watch(self: &Arc<Self>) {
        let end = Arc::clone(self);
        std::thread::spawn(move || {
            let mut watch = Watch::default();
            while !end.is_asked() && !end.claimed.load(Acquire) {
                std::thread::sleep(Duration::from_secs(1) / TICKS_PER_SECOND);
                if watch.has_stopped(end.blocks.load(SeqCst)) {
                    end.now(Err(StandaloneError::Stopped));
                }
            }
        });
    }
}

/// Tells from the number of blocks whether the sound has stopped.
#[derive(Debug, Default)]
struct Watch {
    blocks: u64,
    /// Ticks since there was a new one.
    still: u32,
}

impl Watch {
    /// Whether it has, with `blocks` played at this tick. Counts ticks, not time: while the program, or the
    /// whole machine, is suspended there are none.
    fn has_stopped(&mut self, blocks: u64) -> bool {
        // Before the first block the sound has not begun.
        let is_still = blocks > 0 && blocks == self.blocks;
        self.still = if is_still { self.still + 1 } else { 0 };
        self.blocks = blocks;
        self.still >= STILL_SECONDS * TICKS_PER_SECOND
    }
}

/// Waits until it is done, at most for `patience`.
fn wait(patience: Duration, is_done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_done() && begin.elapsed() < patience {
        std::thread::sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKS: usize = (STILL_SECONDS * TICKS_PER_SECOND) as usize;

    /// The tick of these numbers of blocks at which the sound has stopped.
    fn stopped_at(blocks: impl IntoIterator<Item = u64>) -> Option<usize> {
        let mut watch = Watch::default();
        blocks
            .into_iter()
            .position(|blocks| watch.has_stopped(blocks))
    }

    #[test]
    fn a_sound_that_does_not_go_on_has_stopped_and_one_that_has_not_begun_has_not() {
        assert_eq!(stopped_at([0; 100]), None);
        assert_eq!(stopped_at(0..100), None);
        // The tick that saw the last block is none without one.
        assert_eq!(stopped_at([7; 100]), Some(TICKS));
        let begun_late = [vec![0; 50], vec![1; 100]].concat();
        assert_eq!(stopped_at(begun_late), Some(50 + TICKS));
    }

    #[test]
    fn a_sound_that_goes_on_in_time_has_not_stopped() {
        let halting = (1..20).flat_map(|block| vec![block; TICKS]);
        assert_eq!(stopped_at(halting), None);
    }

    #[test]
    fn the_end_waits_for_the_blocks_that_end_the_notes() {
        let end = Arc::new(End::default());
        let ended = Arc::new(AtomicU64::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let audio = {
            let (end, ended, over) = (Arc::clone(&end), Arc::clone(&ended), Arc::clone(&over));
            std::thread::spawn(move || {
                while !over.load(Acquire) {
                    let asked = end.is_asked();
                    std::thread::sleep(Duration::from_millis(1));
                    ended.fetch_add(u64::from(asked), SeqCst);
                    end.count_block();
                }
            })
        };
        let begin = Instant::now();
        end.end_notes();
        // A busy machine may have played none.
        assert!(ended.load(SeqCst) >= 2 || begin.elapsed() >= NOTES);
        over.store(true, Release);
        audio.join().unwrap();
    }

    #[test]
    fn no_audio_thread_holds_up_the_end() {
        let end = End::default();
        end.end_notes();
        assert!(end.is_asked());
    }
}
