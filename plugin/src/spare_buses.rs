//! Buses in the place of those auxiliary outputs that a host does not give.
//!
//! A host may give fewer buses than there are, or some without channels: those that are switched off.
//! nice-plug 0.4.2 hears nothing of such a block, reads one bus past the end of the host's list, and does
//! not survive a null channel. So it is always given all of them, and what sounds in a spare one is
//! added to the main output.

use std::cell::UnsafeCell;

use nice_plug::prelude::Plugin;
use tocco_recognizer::classification::MAX_CLASSES;

/// Channels of a bus.
const CHANNELS: usize = 2;

/// Most auxiliary outputs of a plugin.
pub(crate) const MOST_BUSES: usize = MAX_CLASSES;

/// Longest block that there is ever room for, samples: some hosts name no bound.
const LONGEST: usize = 1 << 16;

/// The spare buses of an instance.
pub(crate) struct SpareBuses {
    n_buses: usize,
    /// `[n_buses][CHANNELS][longest]`, for blocks of at most so many samples.
    samples: UnsafeCell<Box<[f32]>>,
}

/// The auxiliary outputs of one block.
pub(crate) struct Buses {
    n_buses: usize,
    /// Those from `n_buses` on are null.
    channels: [[*mut f32; CHANNELS]; MOST_BUSES],
    is_spare: [bool; MOST_BUSES],
}

impl SpareBuses {
    /// For an instance of `P`, whose auxiliary outputs are stereo, without room for a block.
    pub(crate) fn of<P: Plugin>() -> Self {
        let layout = P::AUDIO_IO_LAYOUTS.first();
        let ports = layout.map_or(0, |layout| layout.aux_output_ports.len());
        let n_buses = ports.min(MOST_BUSES);
        Self {
            n_buses,
            samples: UnsafeCell::default(),
        }
    }

    /// Makes room for blocks of `longest` samples, or of [`LONGEST`] if that is less. Allocates.
    ///
    /// # Safety
    /// No block is being processed, and none is until this returns.
    pub(crate) unsafe fn make_room(&self, longest: usize) {
        let samples = vec![0.0; self.n_buses * CHANNELS * longest.min(LONGEST)];
        // SAFETY: nobody else has it, by the caller's promise.
        unsafe { *self.samples.get() = samples.into_boxed_slice() };
    }

    /// Auxiliary outputs.
    pub(crate) fn count(&self) -> usize {
        self.n_buses
    }

    /// All auxiliary outputs of a block of `length` samples: the host's as `given` has them by number from
    /// 0 on, spare ones where it has none. `None` if there is no room for as long a block. Real-time safe.
    ///
    /// # Safety
    /// The spare buses of the block before are used no more.
    pub(crate) unsafe fn complete(
        &self,
        length: usize,
        given: impl Fn(usize) -> Option<[*mut f32; CHANNELS]>,
    ) -> Option<Buses> {
        let mut buses = Buses {
            n_buses: self.n_buses,
            channels: [[std::ptr::null_mut(); CHANNELS]; MOST_BUSES],
            is_spare: [false; MOST_BUSES],
        };
        // SAFETY: nobody else has it, by the caller's promise.
        let samples = unsafe { &mut **self.samples.get() };
        let longest = samples.len() / (self.n_buses * CHANNELS).max(1);
        let mut spare = samples.chunks_exact_mut(longest.max(1));
        let places = buses.channels.iter_mut().zip(&mut buses.is_spare);
        for (bus, (channels, is_spare)) in places.take(self.n_buses).enumerate() {
            let own = [spare.next(), spare.next()];
            if let Some(given) = given(bus) {
                *channels = given;
                continue;
            }
            if length > longest {
                return None;
            }
            for (channel, own) in channels.iter_mut().zip(own) {
                *channel = own.map_or(std::ptr::null_mut(), <[f32]>::as_mut_ptr);
            }
            *is_spare = true;
        }
        Some(buses)
    }
}

impl Buses {
    /// The channels of each. Real-time safe.
    pub(crate) fn channels(&mut self) -> &mut [[*mut f32; CHANNELS]] {
        self.channels.get_mut(..self.n_buses).unwrap_or_default()
    }

    /// Adds what sounds in the spare ones to the main output, whose channels are `main`; where nothing
    /// does, it is not touched. Real-time safe.
    ///
    /// # Safety
    /// The channels that are not null have `length` samples.
    pub(crate) unsafe fn add_spare_to(&self, main: &[*mut f32], length: usize) {
        let all = self.channels.iter().zip(self.is_spare);
        for (channels, _) in all.filter(|(_, is_spare)| *is_spare) {
            for (main, spare) in main.iter().zip(channels) {
                if main.is_null() || spare.is_null() {
                    continue;
                }
                for index in 0..length {
                    // SAFETY: the caller's promise. Pointers, because a host may give the same memory twice.
                    unsafe {
                        let sound = *spare.add(index);
                        if sound != 0.0 {
                            *main.add(index) += sound;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tocco;
    use crate::multi_output::MultiOutput;

    #[test]
    fn what_the_host_does_not_give_is_heard_in_the_main_output() {
        let spare = SpareBuses::of::<MultiOutput>();
        // SAFETY: no block is being processed.
        unsafe { spare.make_room(4) };
        assert_eq!(spare.count(), 8);
        let mut host = [[0.0f32; 4]; CHANNELS];
        let [left, right] = &mut host;
        let given = [left.as_mut_ptr(), right.as_mut_ptr()];
        let mut main = [[-0.0f32, 1.0, f32::NAN, 1.0], [2.0; 4]];
        let mut outputs = main.each_mut().map(|channel| channel.as_mut_ptr());
        // SAFETY: all channels are longer than the four samples.
        unsafe {
            let mut buses = spare
                .complete(4, |bus| (bus == 5).then_some(given))
                .unwrap();
            for (bus, channels) in buses.channels().iter().enumerate() {
                for channel in channels {
                    std::slice::from_raw_parts_mut(*channel, 4).fill(0.0);
                    *channel.add(3) = (1 << bus) as f32;
                }
            }
            buses.add_spare_to(&outputs, 4);
            // A channel that is not there is left out.
            outputs[0] = std::ptr::null_mut();
            buses.add_spare_to(&outputs, 4);
        }
        let all_but_one = f32::from(255u8 - (1 << 5));
        assert_eq!(main[0][0].to_bits(), (-0.0f32).to_bits());
        assert_eq!((main[0][1], main[0][3]), (1.0, 1.0 + all_but_one));
        assert!(main[0][2].is_nan());
        assert_eq!(main[1], [2.0, 2.0, 2.0, 2.0 + 2.0 * all_but_one]);
        assert_eq!(host, [[0.0, 0.0, 0.0, 32.0]; 2]);
    }

    #[test]
    fn only_what_is_spare_needs_room() {
        let spare = SpareBuses::of::<MultiOutput>();
        let mut sample = 0.0;
        let given = [&raw mut sample; CHANNELS];
        // SAFETY: the buses are not used, and no block is being processed.
        unsafe {
            assert!(spare.complete(1, |_| None).is_none());
            for longest in [64, 16_384, 1] {
                spare.make_room(longest);
                assert!(spare.complete(longest, |_| None).is_some());
                assert!(spare.complete(longest + 1, |_| None).is_none());
                assert!(spare.complete(longest + 1, |_| Some(given)).is_some());
            }
            spare.make_room(usize::MAX);
            assert!(spare.complete(LONGEST, |_| None).is_some());
            let none = SpareBuses::of::<Tocco>();
            let mut buses = none.complete(usize::MAX, |_| None).unwrap();
            assert!(buses.channels().is_empty());
        }
    }
}
